"""One MQTT connection from CONNECT to its end; never used again afterwards.

The rest of the gateway sees message ids and reason codes; what is on the wire is ``mqtt_packet``.
What is published in one turn of the event loop is written together. Nothing is queued or sent
again here: the outbox does that.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from typing import Protocol

import msgspec

from bdgw.errors import DecodeError
from bdgw.publish import mqtt_packet as packet
from bdgw.publish.command import Command
from bdgw.publish.mqtt_packet import IncomingMessage, Kind
from bdgw.publish.mqtt_settings import MqttSettings, Presence
from bdgw.publish.reason import Loss, LossKind, refusal_text

__all__ = ["Connack", "ConnectionEvents", "MqttConnection"]

_MISC_PERIOD_S = 1.0
_CLOSE_TIMEOUT_S = 1.0
_TAKEN_OVER = 0x8E
_BAD_VERSION = (0x01, 0x84)
"""In MQTT 3.1.1 and in 5."""
_SUBACK_FAILURE = 0x80
_DEFAULT_RECEIVE_MAXIMUM = 65_535


class Connack(msgspec.Struct, frozen=True, kw_only=True):
    """What the broker granted."""

    is_session_present: bool
    receive_maximum: int
    """Messages of QoS 1 that the broker takes without having acknowledged them."""
    max_packet_bytes: int | None


class ConnectionEvents(Protocol):
    """Who is told; every method returns at once."""

    def on_puback(self, message_id: int, code: int) -> None:
        """The broker answered a publish of QoS 1."""
        ...

    def on_lost(self) -> None:
        """The connection has ended; ``MqttConnection.loss`` says why."""
        ...

    def on_command(self, command: Command) -> None:
        """A message for one of the subscriptions, not acknowledged yet."""
        ...

    def on_subscribed(self, refused: tuple[str, ...]) -> None:
        """The broker answered the subscriptions; the filters that it refuses."""
        ...


class MqttConnection(asyncio.Protocol):
    """A connection that is opened once and closed once."""

    def __init__(
        self, settings: MqttSettings, presence: Presence, events: ConnectionEvents
    ) -> None:
        self._settings = settings
        self._presence = presence
        self._events = events
        self._is_v5 = settings.version == "5"
        self._loop = asyncio.get_running_loop()
        self._connack: asyncio.Future[Connack | Loss] = self._loop.create_future()
        self._ended = asyncio.Event()
        self._reader = packet.PacketReader()
        self._transport: asyncio.Transport | None = None
        self._out: list[bytes] = []
        self._properties: dict[tuple[str, str | None, int | None], bytes] = {}
        self._last_id = 0
        self._owed: set[int] = set()
        """Ids that the broker has not answered; they are not used again before."""
        self._misc: asyncio.TimerHandle | None = None
        self._sent_s = 0.0
        self._ping_s: float | None = None
        self._is_over = False
        self.loss: Loss | None = None

    async def open(self) -> Connack | Loss:
        """Connect; DNS is asked each time. Takes at most twice the connect timeout."""
        settings = self._settings
        context = None
        try:
            if settings.is_tls:
                context = await asyncio.to_thread(_tls_context, settings)
        except (OSError, ValueError) as error:
            return self._lose(LossKind.TLS, f"certificates cannot be loaded: {error}")
        try:
            async with asyncio.timeout(settings.connect_timeout_s):
                await self._loop.create_connection(
                    lambda: self,
                    settings.host,
                    settings.port,
                    ssl=context,
                    server_hostname=settings.host if context is not None else None,
                )
        except (OSError, ValueError) as error:
            self.abort(_loss_of(error))
            return self.loss or _loss_of(error)
        try:
            async with asyncio.timeout(settings.connect_timeout_s):
                answer = await self._connack
        except TimeoutError:
            answer = Loss(kind=LossKind.TIMEOUT, text="no answer to CONNECT")
        if isinstance(answer, Loss):
            self.abort(answer)
        return answer

    def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        qos: int,
        retain: bool,
        content_type: str | None = None,
        schema: str | None = None,
        expiry_s: int | None = None,
        correlation: bytes | None = None,
    ) -> int | None:
        """Send a message; its message id, or None when there is no connection any more.

        Raises:
            ValueError: the topic is not one that can be published to.
        """
        if self.loss is not None:
            return None
        properties = b""
        if self._is_v5:
            properties = (
                self._publish_properties(content_type, schema, expiry_s)
                if correlation is None
                else packet.encode_publish_properties(
                    content_type, schema, expiry_s, correlation=correlation
                )
            )
        message_id = self._next_id() if qos else 0
        data = packet.encode_publish(
            topic, payload, qos=qos, retain=retain, message_id=message_id, properties=properties
        )
        if qos:
            self._owed.add(message_id)
        self._send(data)
        return message_id

    def subscribe(self) -> None:
        """Ask for all subscriptions.

        Also when the broker kept the session: it may date from another configuration.
        """
        filters = [(each.topic_filter, each.qos) for each in self._settings.subscriptions]
        if filters:
            self._send(packet.encode_subscribe(self._next_id(), filters, is_v5=self._is_v5))

    async def close(self) -> None:
        """Say goodbye, so that the broker drops the will, and wait until that is sent."""
        self.loss = self.loss or Loss(kind=LossKind.STOPPED, text="stopped")
        if self._transport is not None:
            self._out.append(packet.DISCONNECT)
            self._flush()
            self._transport.close()
            try:
                async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                    await self._ended.wait()
            except TimeoutError:
                pass
        self.abort(self.loss)

    def abort(self, loss: Loss) -> None:
        """End it without a word; harmless when it has ended."""
        self.loss = self.loss or loss
        self._is_over = True
        self._out.clear()
        if self._misc is not None:
            self._misc.cancel()
            self._misc = None
        if self._transport is not None:
            self._transport.abort()

    # --- the wire ---------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say CONNECT; called by the event loop."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - what asyncio gives for a stream
        self._transport = transport
        if self._is_over:
            transport.abort()
            return
        settings, presence = self._settings, self._presence
        has_session = bool(settings.subscriptions)
        self._send(
            packet.encode_connect(
                client_id=settings.client_id,
                is_v5=self._is_v5,
                is_clean=not has_session,
                keepalive_s=settings.keepalive_s,
                will=packet.Will(
                    topic=presence.topic,
                    payload=presence.lost(),
                    content_type="application/json",
                ),
                username=settings.username,
                password=settings.password,
                session_expiry_s=settings.session_expiry_s if has_session else None,
            )
        )
        self._misc = self._loop.call_later(_MISC_PERIOD_S, self._look_at_clock)

    def data_received(self, data: bytes) -> None:
        """Take what came; called by the event loop."""
        try:
            for kind, flags, body in self._reader.feed(data):
                if self._is_over:
                    return
                if kind == Kind.PUBACK:
                    self._take_puback(body)
                else:
                    self._take(kind, flags, body)
        except DecodeError as error:
            self._end(Loss(kind=LossKind.CLOSED, text=f"protocol error: {error}"))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's name
        """Note that it is over; called by the event loop."""
        self._ended.set()
        self._end(Loss(kind=LossKind.CLOSED, text="connection closed by the other end"))

    def _take_puback(self, body: bytes) -> None:
        if len(body) < 2:
            raise DecodeError("PUBACK is too short")
        message_id = body[0] << 8 | body[1]
        self._owed.discard(message_id)
        self._events.on_puback(message_id, body[2] if len(body) > 2 else 0)

    def _take(self, kind: int, flags: int, body: bytes) -> None:
        if kind == Kind.PUBLISH:
            self._take_message(packet.decode_message(flags, body, is_v5=self._is_v5))
        elif kind == Kind.PINGRESP:
            self._ping_s = None
        elif kind == Kind.CONNACK:
            self._take_connack(body)
        elif kind == Kind.DISCONNECT:
            code = packet.decode_disconnect(body)
            is_taken_over = code == _TAKEN_OVER
            self._end(
                Loss(
                    kind=LossKind.TAKEN_OVER if is_taken_over else LossKind.DISCONNECTED,
                    text=f"the broker disconnects: {refusal_text(code, is_v5=True)}",
                )
            )
        elif kind == Kind.SUBACK:
            codes = packet.decode_suback(body, is_v5=self._is_v5)
            asked = self._settings.subscriptions
            self._events.on_subscribed(
                tuple(
                    each.topic_filter
                    for each, code in zip(asked, codes, strict=False)
                    if code >= _SUBACK_FAILURE
                )
            )
        else:
            raise DecodeError(f"packet of type {kind}")

    def _take_message(self, message: IncomingMessage) -> None:
        """Pass a message on; it is acknowledged when what it asks for is safe."""

        def acknowledge() -> None:
            # After the end of this connection the broker sends it again by the next one.
            if message.message_id is not None and not self._is_over:
                self._send(packet.encode_puback(message.message_id))

        self._events.on_command(
            Command(
                topic=message.topic,
                payload=message.payload,
                is_retained=message.is_retained,
                response_topic=message.response_topic,
                correlation=message.correlation_data,
                acknowledge=acknowledge,
            )
        )

    def _take_connack(self, body: bytes) -> None:
        if self._connack.done():
            raise DecodeError("a second CONNACK")
        is_present, code, receive_maximum, packet_bytes = packet.decode_connack(
            body, is_v5=self._is_v5
        )
        if code:
            text = f"the broker refuses: {refusal_text(code, is_v5=self._is_v5)}"
            if code in _BAD_VERSION:
                text += f" (MQTT {self._settings.version} was asked for)"
            self._connack.set_result(Loss(kind=LossKind.REFUSED, text=text))
            return
        self._connack.set_result(
            Connack(
                is_session_present=is_present,
                receive_maximum=receive_maximum or _DEFAULT_RECEIVE_MAXIMUM,
                max_packet_bytes=packet_bytes,
            )
        )

    def _send(self, data: bytes) -> None:
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out.append(data)

    def _flush(self) -> None:
        if self._out and self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"".join(self._out))
            self._sent_s = self._loop.time()
        self._out.clear()

    def _look_at_clock(self) -> None:
        self._misc = self._loop.call_later(_MISC_PERIOD_S, self._look_at_clock)
        now_s, keepalive_s = self._loop.time(), self._settings.keepalive_s
        if self._ping_s is not None and now_s - self._ping_s >= keepalive_s:
            self._end(Loss(kind=LossKind.KEEPALIVE, text="no answer to PINGREQ"))
        elif self._ping_s is None and now_s - self._sent_s >= keepalive_s - _MISC_PERIOD_S:
            self._ping_s = now_s
            self._send(packet.PINGREQ)

    def _publish_properties(
        self, content_type: str | None, schema: str | None, expiry_s: int | None
    ) -> bytes:
        key = (content_type or "", schema, expiry_s)
        properties = self._properties.get(key)
        if properties is None:
            properties = packet.encode_publish_properties(content_type, schema, expiry_s)
            self._properties[key] = properties
        return properties

    def _next_id(self) -> int:
        while True:
            self._last_id = self._last_id % 0xFFFF + 1
            if self._last_id not in self._owed:
                return self._last_id

    def _end(self, loss: Loss) -> None:
        if self._is_over:
            return
        self.abort(loss)
        if not self._connack.done():
            self._connack.set_result(self.loss or loss)
        self._events.on_lost()

    def _lose(self, kind: LossKind, text: str) -> Loss:
        self.loss = Loss(kind=kind, text=text)
        return self.loss


def _tls_context(settings: MqttSettings) -> ssl.SSLContext:
    """Checks the certificate and the host name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if settings.ca_file is None:
        context.load_default_certs()
    else:
        context.load_verify_locations(settings.ca_file)
    if settings.cert_file is not None:
        context.load_cert_chain(settings.cert_file, settings.key_file)
    return context


def _loss_of(error: OSError | ValueError) -> Loss:
    if isinstance(error, socket.gaierror):
        return Loss(kind=LossKind.DNS, text=f"name not found: {error.strerror}")
    if isinstance(error, ssl.SSLCertVerificationError):
        text = f"certificate refused: {error.verify_message}"
        if "expired" in text or "not yet valid" in text:
            text += " (or this machine's clock is wrong)"
        return Loss(kind=LossKind.TLS, text=text)
    if isinstance(error, ssl.SSLError):
        return Loss(kind=LossKind.TLS, text=f"TLS: {error.reason or error}")
    if isinstance(error, TimeoutError):
        return Loss(kind=LossKind.TIMEOUT, text="no answer to the connection attempt")
    # asyncio adds the address, which is known; of several addresses it gives all in one text.
    number = getattr(error, "errno", None)
    text = str(error) if number is None else f"[Errno {number}] {os.strerror(number)}"
    return Loss(kind=LossKind.NETWORK, text=text)
