"""One TCP connection, dialled or accepted: bytes to whoever handles it, bounded writes back.

The handler can be changed while the connection lives, because an accepted connection is first
asked for its name and only then handed to its device.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Any, cast

from bdgw.receivers.clock import Clock
from bdgw.receivers.transport import Done, LinkHandler, Lost, LostCause, WriteState

__all__ = ["SocketLink", "format_address"]

_KEEPALIVE_IDLE_S = 30
_KEEPALIVE_INTERVAL_S = 10
_KEEPALIVE_PROBES = 3
_PERISHABLE_WAITING_BYTES = 4096
_USER_TIMEOUT_MS = 60_000
"""Sent data that nobody acknowledges for this long ends the connection."""


def format_address(address: tuple[Any, ...] | None) -> str:
    """Write a socket address as ``host:port``; IPv4 inside IPv6 as plain IPv4."""
    if not address:
        return ""
    host = str(address[0]).removeprefix("::ffff:")
    return f"[{host}]:{address[1]}" if ":" in host else f"{host}:{address[1]}"


def set_keepalive(sock: socket.socket) -> None:
    """Let the kernel find out about a peer that vanished, and send small messages at once."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _KEEPALIVE_IDLE_S)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _KEEPALIVE_INTERVAL_S)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _KEEPALIVE_PROBES)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _USER_TIMEOUT_MS)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class SocketLink(asyncio.Protocol):
    """The life of one connection."""

    def __init__(
        self, *, clock: Clock, on_made: Callable[[SocketLink], None] | None = None
    ) -> None:
        """Prepare; ``on_made`` is told once the connection stands, before any byte."""
        self._clock = clock
        self._on_made = on_made
        self._handler: LinkHandler | None = None
        self._transport: asyncio.Transport | None = None
        self._closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._lost: Lost | None = None
        self._stalled_since_s: float | None = None
        self._undone: list[Done] = []
        self.n_drops = 0
        self.write_limit_bytes = 65536
        self.peer = ""
        self.host = ""

    @property
    def is_over(self) -> bool:
        """The connection has ended, for whatever reason."""
        return self._lost is not None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Set the socket up."""
        self._transport = cast("asyncio.Transport", transport)
        # With a high-water mark of zero the loop says pause_writing as soon as the kernel takes
        # no more: exactly the beginning of a write stall.
        self._transport.set_write_buffer_limits(high=0)
        address = transport.get_extra_info("peername")
        self.peer = format_address(address)
        self.host = str(address[0]) if address else ""
        sock = transport.get_extra_info("socket")
        if sock is not None:
            with contextlib.suppress(OSError):  # reset by the peer before we looked
                set_keepalive(sock)
        if self._on_made is not None:
            self._on_made(self)

    def data_received(self, data: bytes) -> None:
        """Hand the bytes on."""
        if self._handler is not None:
            self._handler.on_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Report the end and free whoever waits for it."""
        if exc is None:
            self.lose(Lost(LostCause.PEER_CLOSED, "peer closed the connection"))
        else:
            text = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
            self.lose(Lost(LostCause.ERROR, f"connection broke: {text}"))
        self._transport = None
        self._end_writes(is_written=False)
        if not self._closed.done():
            self._closed.set_result(None)

    def pause_writing(self) -> None:
        """Note when the peer stopped taking bytes."""
        self._stalled_since_s = self._clock.monotonic_s()

    def resume_writing(self) -> None:
        """The peer has taken everything."""
        self._stalled_since_s = None
        self._end_writes(is_written=True)

    def attach(self, handler: LinkHandler, rest: bytes = b"") -> None:
        """Give the connection to ``handler``, beginning with bytes that came before."""
        self._handler = handler
        if rest:
            handler.on_data(rest)
        if self._lost is not None and self._handler is handler:
            self._handler = None
            handler.on_lost(self._lost)
        else:
            self.resume_reading()

    def hold(self) -> None:
        """Read nothing until a handler is attached; the kernel keeps the bytes."""
        self._handler = None
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read again after ``hold``."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def lose(self, lost: Lost) -> None:
        """Tell the handler that it is over, once, and drop the connection."""
        if self._lost is not None:
            return
        self._lost = lost
        handler, self._handler = self._handler, None
        self.abort()
        if handler is not None:
            handler.on_lost(lost)

    def write(
        self, data: bytes, *, lifetime_s: float | None = None, done: Done | None = None
    ) -> bool:
        """Send or buffer ``data``; False when there is no room or no connection.

        What is perishable is refused behind more than a few kilobytes: this buffer cannot be
        taken back.
        """
        transport = self._transport
        if (
            transport is None
            or transport.is_closing()
            or transport.get_write_buffer_size() + len(data) > self.write_limit_bytes
            or (
                lifetime_s is not None
                and transport.get_write_buffer_size() > _PERISHABLE_WAITING_BYTES
            )
        ):
            self.n_drops += 1
            return False
        if done is not None:
            self._undone.append(done)
        transport.write(data)
        if not transport.get_write_buffer_size() and not transport.is_closing():
            self._end_writes(is_written=True)
        return True

    def write_state(self, now: float) -> WriteState:
        """The sending side at ``now``."""
        transport, since_s = self._transport, self._stalled_since_s
        return WriteState(
            n_drops=self.n_drops,
            pending_bytes=0 if transport is None else transport.get_write_buffer_size(),
            stalled_s=None if since_s is None else max(0.0, now - since_s),
        )

    def _end_writes(self, *, is_written: bool) -> None:
        """Say what became of the messages that waited; one buffer empties as a whole."""
        undone, self._undone = self._undone, []
        for done in undone:
            done(is_written)

    def abort(self) -> None:
        """Close without waiting for what is still to be sent."""
        if self._transport is not None:
            self._transport.abort()

    async def close(self) -> None:
        """Detach the handler, close, and wait until the socket is gone."""
        self._handler = None
        if self._transport is not None:
            self.abort()
            await asyncio.shield(self._closed)
