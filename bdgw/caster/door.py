"""The listening socket: accepts, counts by address, turns away who is too many, opens again.

The accept loop is our own and not ``asyncio.Server``, because a listening socket that breaks must
be noticed, shown and opened again, and because who is too many must not cost a handshake.
"""

from __future__ import annotations

import asyncio
import errno
import random
import socket
from collections import Counter
from collections.abc import Callable
from typing import Protocol

import structlog

from bdgw.backoff import Backoff
from bdgw.caster.clock import Clock
from bdgw.caster.connection import Connection, format_peer
from bdgw.caster.guard import address_key
from bdgw.caster.spec import CasterSpec

__all__ = ["Door"]

_BACKLOG = 512
_RETRY_FLOOR_S, _RETRY_CAP_S = 0.5, 10.0
_ACCEPT_PAUSE_S = 1.0
_HOST_SHORT_OF = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_PEER_GAVE_UP = (errno.ECONNABORTED, errno.EPERM, errno.EPROTO, errno.ENETDOWN, errno.EHOSTUNREACH)
"""Source: accept(2): errors of the new connection, not of the listening socket."""


class Welcome(Protocol):
    """Who takes accepted connections."""

    def on_turned_away(self, host: str, reason: str) -> None:
        """A connection was one too many."""
        ...


class Door:
    """Accepts for ever; ``leave`` is told of every connection that ends."""

    def __init__(
        self,
        spec: CasterSpec,
        welcome: Welcome,
        new_connection: Callable[[], Connection],
        *,
        clock: Clock,
        rng: random.Random,
    ) -> None:
        self._spec = spec
        self._welcome = welcome
        self._new_connection = new_connection
        self._clock = clock
        self._backoff = Backoff(_RETRY_FLOOR_S, _RETRY_CAP_S, rng)
        self._log = structlog.get_logger().bind(caster=self.address)
        self._by_address: Counter[str] = Counter()
        self.connections: set[Connection] = set()
        self.bound_port: int | None = None
        self.next_attempt_at_s: float | None = None
        self.reason = f"about to listen on {self.address}"
        self.n_failures = 0
        self.n_accepted = 0

    @property
    def address(self) -> str:
        """Where it listens, as text."""
        host = f"[{self._spec.host}]" if ":" in self._spec.host else self._spec.host
        return f"{host}:{self._spec.port}"

    async def run(self) -> None:
        """Listen for ever; a socket that cannot be opened or breaks is opened again."""
        while True:
            try:
                await self._listen_once()
            except OSError as error:
                await self._wait_after(error)

    def leave(self, connection: Connection) -> None:
        """Forget a connection that has ended."""
        if connection not in self.connections:
            return
        self.connections.discard(connection)
        key = address_key(connection.host)
        self._by_address[key] -= 1
        if self._by_address[key] <= 0:
            del self._by_address[key]

    async def _listen_once(self) -> None:
        sock = await _bind(self._spec.host, self._spec.port)
        try:
            sock.listen(_BACKLOG)
            self.bound_port = sock.getsockname()[1]
            self.next_attempt_at_s = None
            self.reason = f"listening on {self.address}"
            self._log.info("caster_listening", port=self.bound_port)
            while True:
                conn, address = await self._accept(sock)
                self._backoff.reset()
                await self._let_in(conn, *format_peer(address))
        finally:
            self.bound_port = None
            sock.close()

    async def _let_in(self, conn: socket.socket, host: str, peer: str) -> None:
        self.n_accepted += 1
        limits, key = self._spec.limits, address_key(host)
        if len(self.connections) >= limits.max_connections:
            conn.close()
            self._welcome.on_turned_away(host, "too many connections")
            return
        if self._by_address[key] >= limits.max_per_address:
            conn.close()
            self._welcome.on_turned_away(host, "too many connections of one address")
            return
        connection = self._new_connection()
        connection.host, connection.peer = host, peer
        self.connections.add(connection)
        self._by_address[key] += 1
        loop = asyncio.get_running_loop()
        try:
            await loop.connect_accepted_socket(lambda: connection, conn)
        except BaseException:
            self.leave(connection)
            conn.close()
            raise

    async def _accept(self, sock: socket.socket) -> tuple[socket.socket, object]:
        while True:
            try:
                return await asyncio.get_running_loop().sock_accept(sock)
            except OSError as error:
                if error.errno in _HOST_SHORT_OF:
                    self._log.error("caster_accept_failed", reason=error.strerror)
                    await asyncio.sleep(_ACCEPT_PAUSE_S)
                elif error.errno not in _PEER_GAVE_UP:
                    raise

    async def _wait_after(self, error: OSError) -> None:
        self.n_failures += 1
        delay_s = self._backoff.next_delay_s()
        self.next_attempt_at_s = self._clock.monotonic_s() + delay_s
        self.reason = f"cannot listen on {self.address}: {error.strerror or error}"
        if self.n_failures == 1:
            self._log.error("caster_down", reason=self.reason)
        await asyncio.sleep(delay_s)


async def _bind(host: str, port: int) -> socket.socket:
    """Open a bound socket; an empty host means every address, IPv4 and IPv6."""
    is_dual = not host and socket.has_dualstack_ipv6()
    rows = await asyncio.get_running_loop().getaddrinfo(
        "::" if is_dual else host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    family, _, _, _, address = rows[0]
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(not is_dual))
        sock.bind(address)
    except BaseException:
        sock.close()
        raise
    return sock
