"""One connection to the caster: a socket, the session on it, and a queue of its own.

Whatever one client does or does not take, nobody waits for it: writing never awaits, what the
kernel does not take waits here, and what waits too long is given up frame by frame.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Sequence
from typing import Protocol, cast

from bdgw.caster.clock import Clock
from bdgw.caster.queue import DeliveryQueue
from bdgw.caster.spec import Limits
from bdgw.caster.tls import TlsLayer
from bdgw.errors import LinkError
from bdgw.ntrip.chunk import encode_chunk
from bdgw.ntrip.serving import Ended, Event, ServingSession
from bdgw.ntrip.serving_request import Request
from bdgw.ntrip.uplink import ClientPosition

__all__ = ["Batch", "Connection", "Owner", "format_peer"]

_SEND_BUFFER_BYTES = 32_768
_NOT_SENT_BYTES = 8_192
"""What the kernel may hold unsent. More would be delivered late, and late corrections harm."""
_TCP_NOTSENT_LOWAT = 25
"""Source: tcp(7); the socket module names it from Python 3.12 on."""
_PIECE_MAX_BYTES = 16_384
_KEEPALIVE_IDLE_S, _KEEPALIVE_INTERVAL_S, _KEEPALIVE_PROBES = 30, 10, 3
_LINGER_S = 2.0
_MIN_DELAY_S = 0.001


class Batch:
    """Frames that go out together, made once for all clients."""

    __slots__ = ("_chunk", "frames", "raw")

    def __init__(self, frames: Sequence[bytes]) -> None:
        self.frames = frames
        self.raw = b"".join(frames)
        self._chunk: bytes | None = None

    @property
    def chunk(self) -> bytes:
        """The same as one chunk: a chunk never ends inside a frame."""
        if self._chunk is None:
            self._chunk = encode_chunk(self.raw)
        return self._chunk


class Owner(Protocol):
    """Who decides."""

    def on_event(self, connection: Connection, event: Event, now: float) -> None:
        """Something happened on the connection."""
        ...

    def on_ended(self, connection: Connection) -> None:
        """It is served no longer; said once."""
        ...

    def on_closed(self, connection: Connection) -> None:
        """Its socket is gone; said once."""
        ...

    def on_fault(self, error: Exception) -> None:
        """A mistake in the code came to light inside a callback of the event loop."""
        ...


def format_peer(address: object) -> tuple[str, str]:
    """Give (host, ``host:port``) of a socket address; IPv4 inside IPv6 as plain IPv4."""
    if not isinstance(address, tuple) or len(address) < 2:
        return "", ""
    host = str(address[0]).removeprefix("::ffff:")
    return host, f"[{host}]:{address[1]}" if ":" in host else f"{host}:{address[1]}"


def set_up_socket(sock: socket.socket, limits: Limits) -> None:
    """Hold little in the kernel, send at once, and find out about peers that vanished."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (
        (_TCP_NOTSENT_LOWAT, _NOT_SENT_BYTES),
        (socket.TCP_NODELAY, 1),
        (socket.TCP_KEEPIDLE, _KEEPALIVE_IDLE_S),
        (socket.TCP_KEEPINTVL, _KEEPALIVE_INTERVAL_S),
        (socket.TCP_KEEPCNT, _KEEPALIVE_PROBES),
        (socket.TCP_USER_TIMEOUT, int(limits.stall_s * 1000)),
    ):
        sock.setsockopt(socket.IPPROTO_TCP, option, value)


class Connection(asyncio.Protocol):
    """The life of one connection."""

    def __init__(
        self,
        session: ServingSession,
        owner: Owner,
        *,
        clock: Clock,
        limits: Limits,
        ssl_context: ssl.SSLContext | None,
    ) -> None:
        self.session = session
        self.host = ""
        self.peer = ""
        self.local_host = ""
        self.local_port = 0
        self.since_s = clock.monotonic_s()
        self.request: Request | None = None
        self.user: str | None = None
        self.mount: str | None = None
        """The mount asked for, once it is served or fed."""
        self.source: str | None = None
        """The mount that the frames come from; differs where ``mount`` is NEAR."""
        self.position: ClientPosition | None = None
        self.end_reason = ""
        self.bytes_in = 0
        self.bytes_out = 0
        self.n_frames_out = 0
        self.queue = DeliveryQueue(limit_bytes=limits.queue_bytes, max_age_s=limits.queue_age_s)
        self.stalled_since_s: float | None = None
        self._owner = owner
        self._clock = clock
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._tls = TlsLayer(ssl_context) if ssl_context is not None else None
        self._timer: asyncio.TimerHandle | None = None
        self._is_closing = False
        self._has_peer_ended = False
        self.closed: asyncio.Future[None] = self._loop.create_future()

    @property
    def is_open(self) -> bool:
        """It can still be served."""
        return self._transport is not None and not self._is_closing

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Set the socket up and start the clock of the request."""
        self._transport = cast("asyncio.Transport", transport)
        # pause_writing comes as soon as the kernel takes no more: the beginning of a stall.
        self._transport.set_write_buffer_limits(high=0)
        local = transport.get_extra_info("sockname")
        if isinstance(local, tuple):
            self.local_host, self.local_port = format_peer(local)[0], int(local[1])
        sock = transport.get_extra_info("socket")
        with contextlib.suppress(OSError):  # reset by the peer before we looked
            set_up_socket(sock, self._limits)
        self._arm()

    def data_received(self, data: bytes) -> None:
        """Feed the session and let its owner act."""
        self.bytes_in += len(data)
        if self._is_closing:
            return
        try:
            self._receive(data, self._clock.monotonic_s())
        except Exception as error:  # noqa: BLE001 - the loop would log it and go on; the owner ends
            self._owner.on_fault(error)

    def eof_received(self) -> bool:
        """Take the peer's last word; what is still to be sent goes out before the socket closes."""
        self._has_peer_ended = True
        if not self._is_closing:
            try:
                now = self._clock.monotonic_s()
                self.session.receive(b"", now=now)
                self.deliver(now)
            except Exception as error:  # noqa: BLE001 - as above
                self._owner.on_fault(error)
        elif self._transport is not None:
            self._transport.close()
        return True

    def _receive(self, data: bytes, now: float) -> None:
        is_end = False
        if self._tls is not None:
            try:
                data, is_end = self._tls.receive(data)
            except LinkError as error:
                self._write_raw(self._tls.data_to_send())
                self.close(str(error))
                return
            self._write_raw(self._tls.data_to_send())
        if data:
            self.session.receive(data, now=now)
        if is_end:
            self.session.receive(b"", now=now)
        self.deliver(now)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget everything and tell the owner."""
        self._transport = None
        self._end("the peer closed" if exc is None else f"the connection broke: {exc}")
        self._owner.on_closed(self)
        if not self.closed.done():
            self.closed.set_result(None)

    def pause_writing(self) -> None:
        """The kernel takes no more: from now on frames wait here."""
        self.stalled_since_s = self._clock.monotonic_s()

    def resume_writing(self) -> None:
        """The kernel has taken everything: send what is still fresh."""
        self.stalled_since_s = None
        now = self._clock.monotonic_s()
        while self.stalled_since_s is None and (frame := self.queue.pop(now)) is not None:
            self._write_frame(frame)

    def send(self, batch: Batch, now: float) -> None:
        """Send frames, or let them wait; never blocks and never fails."""
        if self._is_closing or self._transport is None:
            return
        if self.stalled_since_s is None and not self.queue and len(batch.raw) <= _PIECE_MAX_BYTES:
            self.n_frames_out += len(batch.frames)
            self._write(batch.chunk if self.session.is_chunked else batch.raw)
            return
        for frame in batch.frames:
            if self.stalled_since_s is None and not self.queue:
                self._write_frame(frame)
            else:
                self.queue.append(frame, now)

    def deliver(self, now: float) -> None:
        """Hand out what the session has found, send what it has to say, set its timer."""
        # An answer may bring out what was held back, so the events are asked for again.
        while events := tuple(self.session.events()):
            for event in events:
                if isinstance(event, Ended):
                    self.close(event.reason)
                else:
                    self._owner.on_event(self, event, now)
                if self._is_closing:
                    return
        self.flush()
        # Whoever waits for an answer is not read: what it sends meanwhile stays in the kernel.
        if self._transport is not None:
            if self.session.is_waiting_for_answer:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()
        self._arm()

    def close(self, reason: str) -> None:
        """End in good order: what is written goes out, for a few seconds at most."""
        if self._is_closing or self._transport is None:
            return
        self.flush()
        if self.stalled_since_s is None:
            self._write(self.session.stream_end())
            if self._tls is not None:
                self._write_raw(self._tls.close())
        self._end(reason)
        # A client that takes nothing gets no chance to hold the socket for longer than this.
        self._timer = self._loop.call_later(_LINGER_S, self.abort)
        if self._has_peer_ended or self.mount is not None:
            self._transport.close()
            return
        # To close while bytes of the peer are unread makes the kernel throw away the answer, so
        # the peer is read (and not listened to) until it closes too.
        self._transport.write_eof()
        self._transport.resume_reading()

    def abort(self, reason: str = "") -> None:
        """End at once."""
        self._end(reason)
        if self._transport is not None:
            self._transport.abort()

    def _end(self, reason: str) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._is_closing:
            return
        self._is_closing = True
        self.end_reason = reason
        self.queue.clear()
        self._owner.on_ended(self)

    def flush(self) -> None:
        """Send what the session has to say."""
        self._write(self.session.data_to_send())

    def _write_frame(self, frame: bytes) -> None:
        self.n_frames_out += 1
        self._write(encode_chunk(frame) if self.session.is_chunked else frame)

    def _write(self, plain: bytes) -> None:
        if not plain or self._transport is None or self._is_closing:
            return
        self.bytes_out += len(plain)
        if self._tls is None:
            self._transport.write(plain)
            return
        try:
            wire = self._tls.wrap(plain)
        except LinkError as error:
            self.abort(str(error))
            return
        self._transport.write(wire)

    def _write_raw(self, wire: bytes) -> None:
        if wire and self._transport is not None:
            self._transport.write(wire)

    def _arm(self) -> None:
        # Data moves the deadline later, so a timer that is early enough stays and looks again.
        deadline = self.session.deadline()
        if deadline is None or self._timer is not None or self._is_closing:
            return
        delay_s = max(_MIN_DELAY_S, deadline - self._clock.monotonic_s())
        self._timer = self._loop.call_later(delay_s, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        try:
            now = self._clock.monotonic_s()
            self.session.tick(now=now)
            self.deliver(now)
        except Exception as error:  # noqa: BLE001 - the loop would log it and go on; the owner ends
            self._owner.on_fault(error)
