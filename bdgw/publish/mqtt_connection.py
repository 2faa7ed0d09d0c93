"""One MQTT connection from CONNECT to its end; never used again afterwards.

The home of the MQTT library (paho): the rest of the gateway sees message ids and reason codes.
paho is driven by the event loop through its external-loop interface (``loop_read``,
``loop_write``, ``loop_misc``), so no thread runs beside it; only connecting (DNS, TCP, TLS) blocks
and is done in one. Nothing is queued here: paho would resend by itself, but the outbox does that.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Any, Protocol

import msgspec
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from bdgw.publish.command import Command
from bdgw.publish.mqtt_settings import MqttSettings, Presence
from bdgw.publish.reason import Loss, LossKind

__all__ = ["Connack", "ConnectionEvents", "MqttConnection"]

_MISC_PERIOD_S = 1.0
_CLOSE_TIMEOUT_S = 1.0
_TAKEN_OVER = 0x8E
_KEEPALIVE_TIMEOUT = 0x8D
_BAD_VERSION = 0x84
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


class MqttConnection:
    """A connection that is opened once and closed once."""

    def __init__(
        self, settings: MqttSettings, presence: Presence, events: ConnectionEvents
    ) -> None:
        self._settings = settings
        self._events = events
        self._is_v5 = settings.version == "5"
        self._loop = asyncio.get_running_loop()
        self._connack: asyncio.Future[Connack | Loss] = self._loop.create_future()
        self._ended = asyncio.Event()
        self._misc: asyncio.TimerHandle | None = None
        self._properties: dict[tuple[str, str | None, int | None], Properties] = {}
        self.loss: Loss | None = None
        self._client = self._build(presence)

    async def open(self) -> Connack | Loss:
        """Connect; DNS is asked each time. Takes at most a few times the connect timeout."""
        connecting = asyncio.ensure_future(asyncio.to_thread(self._connect))
        try:
            # A thread cannot be stopped: whoever gives up waiting leaves it to close up alone.
            loss = await asyncio.shield(connecting)
        except asyncio.CancelledError:
            connecting.add_done_callback(lambda _: self._close_socket())
            raise
        if loss is not None:
            self.loss = loss
            self._close_socket()
            return loss
        self._attach()
        try:
            async with asyncio.timeout(self._settings.connect_timeout_s):
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
        properties = None
        if self._is_v5 and correlation is not None:
            properties = _properties(PacketTypes.PUBLISH)
            properties.CorrelationData = correlation
            properties.ContentType = content_type or "application/json"
        elif self._is_v5 and content_type is not None:
            properties = self._publish_properties(content_type, schema, expiry_s)
        info = self._client.publish(topic, payload, qos, retain, properties)
        return info.mid if info.rc == MQTTErrorCode.MQTT_ERR_SUCCESS else None

    def subscribe(self) -> None:
        """Ask for all subscriptions.

        Also when the broker kept the session: it may date from another configuration.
        """
        filters = [(each.topic_filter, each.qos) for each in self._settings.subscriptions]
        if filters:
            self._client.subscribe(filters)

    async def close(self) -> None:
        """Say goodbye, so that the broker drops the will, and wait until that is sent."""
        self.loss = self.loss or Loss(kind=LossKind.STOPPED, text="stopped")
        self._client.disconnect()
        try:
            async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                await self._ended.wait()
        except TimeoutError:
            pass
        self.abort(self.loss)

    def abort(self, loss: Loss) -> None:
        """End it without a word; harmless when it has ended."""
        self.loss = self.loss or loss
        if self._misc is not None:
            self._misc.cancel()
            self._misc = None
        client = self._client
        client.on_socket_close = None
        client.on_socket_register_write = client.on_socket_unregister_write = None
        self._close_socket()

    def _build(self, presence: Presence) -> paho.Client:
        settings = self._settings
        has_session = bool(settings.subscriptions)
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            settings.client_id,
            clean_session=None if self._is_v5 else not has_session,
            protocol=MQTTProtocolVersion.MQTTv5 if self._is_v5 else MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
            # A command is acknowledged when what it asks for is safe, not when it was read.
            manual_ack=has_session,
        )
        client.connect_timeout = settings.connect_timeout_s
        # The outbox keeps the window; a second one here would only hide entries.
        client.max_inflight_messages = 0
        if settings.username is not None:
            client.username_pw_set(settings.username, settings.password)
        will = _properties(PacketTypes.WILLMESSAGE) if self._is_v5 else None
        if will is not None:
            will.ContentType = "application/json"
        client.will_set(presence.topic, presence.lost(), qos=1, retain=True, properties=will)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_message = self._on_message
        client.on_subscribe = self._on_subscribe
        return client

    def _connect(self) -> Loss | None:
        """Blocking part, in a thread: DNS, TCP, TLS, and CONNECT into the socket."""
        settings = self._settings
        tls: _TlsContext | None = None
        try:
            if settings.is_tls:
                tls = _tls_context(settings)
                self._client.tls_set_context(tls)
        except (OSError, ValueError) as error:
            return Loss(kind=LossKind.TLS, text=f"certificates cannot be loaded: {error}")
        try:
            self._client.connect(
                settings.host,
                settings.port,
                settings.keepalive_s,
                clean_start=not settings.subscriptions
                if self._is_v5
                else paho.MQTT_CLEAN_START_FIRST_ONLY,
                properties=self._connect_properties(),
            )
        except (OSError, ValueError) as error:
            if tls is not None and tls.wrapped is not None:
                tls.wrapped.close()
            return _loss_of(error)
        return None

    def _connect_properties(self) -> Properties | None:
        if not self._is_v5:
            return None
        properties = _properties(PacketTypes.CONNECT)
        if self._settings.subscriptions:
            properties.SessionExpiryInterval = self._settings.session_expiry_s
        return properties

    def _publish_properties(
        self, content_type: str, schema: str | None, expiry_s: int | None
    ) -> Properties:
        key = (content_type, schema, expiry_s)
        properties = self._properties.get(key)
        if properties is None:
            properties = _PackedProperties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho
            properties.ContentType = content_type
            if schema is not None:
                properties.UserProperty = ("schema", schema)
            if expiry_s is not None:
                properties.MessageExpiryInterval = expiry_s
            self._properties[key] = properties
        return properties

    def _attach(self) -> None:
        sock = self._client.socket()
        if sock is None:
            self._end(Loss(kind=LossKind.CLOSED, text="closed before CONNACK"))
            return
        self._loop.add_reader(sock, self._read)
        self._client.on_socket_close = self._on_socket_close
        self._client.on_socket_register_write = self._on_want_write
        self._client.on_socket_unregister_write = self._on_written
        if self._client.want_write():
            self._loop.add_writer(sock, self._write)
        self._misc = self._loop.call_later(_MISC_PERIOD_S, self._run_misc)

    def _read(self) -> None:
        self._guard(self._client.loop_read)
        sock = self._client.socket()
        # TLS may hold decoded bytes that the socket does not announce any more.
        while isinstance(sock, ssl.SSLSocket) and sock.pending():
            self._guard(self._client.loop_read)
            sock = self._client.socket()

    def _write(self) -> None:
        self._guard(self._client.loop_write)

    def _run_misc(self) -> None:
        self._misc = self._loop.call_later(_MISC_PERIOD_S, self._run_misc)
        self._guard(self._client.loop_misc)

    def _guard(self, step: Callable[[], Any]) -> None:
        try:
            step()
        except Exception as error:  # noqa: BLE001 - paho raises many kinds at bad bytes; all end the connection
            loss = Loss(kind=LossKind.CLOSED, text=f"protocol error: {error!r}")
            self.abort(loss)
            self._end(loss)

    def _on_want_write(self, client: paho.Client, userdata: Any, sock: Any) -> None:  # noqa: ANN401, ARG002 - paho's signature
        self._loop.add_writer(sock, self._write)

    def _on_written(self, client: paho.Client, userdata: Any, sock: Any) -> None:  # noqa: ANN401, ARG002 - paho's signature
        self._loop.remove_writer(sock)

    def _on_socket_close(self, client: paho.Client, userdata: Any, sock: Any) -> None:  # noqa: ANN401, ARG002 - paho's signature
        self._loop.remove_reader(sock)

    def _on_connect(
        self,
        client: paho.Client,  # noqa: ARG002 - paho's signature
        userdata: Any,  # noqa: ANN401, ARG002 - paho's signature
        flags: paho.ConnectFlags,
        reason_code: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if self._connack.done():
            return
        if reason_code.is_failure:
            self._connack.set_result(self._refusal(reason_code))
            return
        granted: dict[str, Any] = {} if properties is None else properties.__dict__
        self._connack.set_result(
            Connack(
                is_session_present=flags.session_present,
                receive_maximum=granted.get("ReceiveMaximum", _DEFAULT_RECEIVE_MAXIMUM),
                max_packet_bytes=granted.get("MaximumPacketSize"),
            )
        )

    def _refusal(self, reason_code: ReasonCode) -> Loss:
        text = f"the broker refuses: {reason_code}"
        if reason_code.value == _BAD_VERSION:
            text += f" (MQTT {self._settings.version} was asked for)"
        return Loss(kind=LossKind.REFUSED, text=text)

    def _on_disconnect(
        self,
        client: paho.Client,  # noqa: ARG002 - paho's signature
        userdata: Any,  # noqa: ANN401, ARG002 - paho's signature
        flags: paho.DisconnectFlags,
        reason_code: ReasonCode,
        properties: Properties | None,  # noqa: ARG002 - paho's signature
    ) -> None:
        code = reason_code.value
        if flags.is_disconnect_packet_from_server:
            kind = LossKind.TAKEN_OVER if code == _TAKEN_OVER else LossKind.DISCONNECTED
            loss = Loss(kind=kind, text=f"the broker disconnects: {reason_code}")
        elif code == _KEEPALIVE_TIMEOUT:
            loss = Loss(kind=LossKind.KEEPALIVE, text="no answer to PINGREQ")
        else:
            loss = Loss(kind=LossKind.CLOSED, text="connection closed by the other end")
        self._end(loss)

    def _on_publish(
        self,
        client: paho.Client,  # noqa: ARG002 - paho's signature
        userdata: Any,  # noqa: ANN401, ARG002 - paho's signature
        message_id: int,
        reason_code: ReasonCode,
        properties: Properties,  # noqa: ARG002 - paho's signature
    ) -> None:
        self._events.on_puback(message_id, reason_code.value)

    def _on_message(
        self,
        client: paho.Client,  # noqa: ARG002 - paho's signature
        userdata: Any,  # noqa: ANN401, ARG002 - paho's signature
        message: paho.MQTTMessage,
    ) -> None:
        extra: dict[str, Any] = {} if message.properties is None else message.properties.__dict__
        mid, qos = message.mid, message.qos
        self._events.on_command(
            Command(
                topic=message.topic,
                payload=bytes(message.payload),
                is_retained=bool(message.retain),
                response_topic=extra.get("ResponseTopic"),
                correlation=extra.get("CorrelationData"),
                acknowledge=lambda: self._acknowledge(mid, qos),
            )
        )

    def _acknowledge(self, message_id: int, qos: int) -> None:
        # After the end of this connection the broker sends the message again by the next one.
        if self.loss is None:
            self._client.ack(message_id, qos)

    def _on_subscribe(
        self,
        client: paho.Client,  # noqa: ARG002 - paho's signature
        userdata: Any,  # noqa: ANN401, ARG002 - paho's signature
        message_id: int,  # noqa: ARG002 - paho's signature
        codes: list[ReasonCode],
        properties: Properties | None,  # noqa: ARG002 - paho's signature
    ) -> None:
        asked = self._settings.subscriptions
        self._events.on_subscribed(
            tuple(
                each.topic_filter
                for each, code in zip(asked, codes, strict=False)
                if code.is_failure
            )
        )

    def _end(self, loss: Loss) -> None:
        self.loss = self.loss or loss
        self._ended.set()
        if not self._connack.done():
            self._connack.set_result(self.loss)
        self._events.on_lost()

    def _close_socket(self) -> None:
        sock = self._client.socket()
        # paho does not notice that its socket was closed and would hand it out again.
        if sock is None or sock.fileno() < 0:
            return
        self._loop.remove_reader(sock)
        self._loop.remove_writer(sock)
        sock.close()


class _PackedProperties(Properties):
    """Properties that are the same for thousands of messages and are encoded once."""

    def pack(self) -> bytes:
        packed = self.__dict__.get("_packed")
        if packed is None:
            packed = super().pack()  # type: ignore[no-untyped-call]  # paho
            object.__setattr__(self, "_packed", packed)
        return bytes(packed)


def _properties(packet_type: int) -> Properties:
    return Properties(packet_type)  # type: ignore[no-untyped-call]  # paho


class _TlsContext(ssl.SSLContext):
    """Checks the certificate and the host name, and can close a socket whose handshake failed.

    paho forgets such a socket and leaves it open.
    """

    wrapped: ssl.SSLSocket | None = None

    def wrap_socket(self, *args: Any, **kwargs: Any) -> ssl.SSLSocket:  # noqa: ANN401 - as in ssl
        self.wrapped = super().wrap_socket(*args, **kwargs)
        return self.wrapped


def _tls_context(settings: MqttSettings) -> _TlsContext:
    context = _TlsContext(ssl.PROTOCOL_TLS_CLIENT)
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
    return Loss(kind=LossKind.NETWORK, text=str(error))
