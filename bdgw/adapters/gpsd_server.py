"""The gpsd server: one listening socket, and a bounded queue for each client.

Everything runs in callbacks of one event loop and nothing waits for a client: what the kernel does
not take waits in that client's queue, and the oldest lines there are given up.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
from collections import deque
from collections.abc import Callable
from typing import Any, cast

import structlog

from bdgw import __version__
from bdgw.adapters import gpsd_report as report
from bdgw.adapters.gpsd_session import GpsdSession
from bdgw.adapters.spec import GpsdSpec
from bdgw.backoff import Backoff
from bdgw.hub import DomainEvent, SkySeen
from bdgw.model import DeviceFix, Sky
from bdgw.timescale import format_utc, gpst_from_posix

__all__ = ["GpsdServer"]

_RELEASE = f"bdgw {__version__}"
_RETRY_FLOOR_S, _RETRY_CAP_S = 0.5, 10.0
_STALL_MS = 60_000
"""Sent data that a client acknowledges for this long not at all ends its connection."""

_log = structlog.get_logger(__name__)


class GpsdServer:
    """Serves the devices of ``spec`` to any number of gpsd clients up to its limit."""

    kind = "gpsd"
    subscriptions: tuple[str, ...] = ()

    def __init__(self, spec: GpsdSpec, *, utc_ns: Callable[[], int], rng: random.Random) -> None:
        self.name = spec.name
        self._spec = spec
        self._known = frozenset(spec.devices)
        self._utc_ns = utc_ns
        self._backoff = Backoff(_RETRY_FLOOR_S, _RETRY_CAP_S, rng)
        self._clients: set[_Client] = set()
        self._fixes: dict[str, DeviceFix] = {}
        self._skies: dict[str, tuple[Sky, DeviceFix | None]] = {}
        self._activated: dict[str, str] = {}
        self._reason = "not yet listening"
        self.bound_port: int | None = None
        self._n_failures = 0
        self._n_accepted = 0
        self._n_turned_away = 0
        self._n_fixes = 0
        self._gone = _Counts()

    async def run(self) -> None:
        """Listen for ever; an address that cannot be had is tried again."""
        while True:
            try:
                await self._listen()
            except (OSError, UnicodeError) as error:  # the second: a name that cannot be one
                self._n_failures += 1
                why = getattr(error, "strerror", None) or error
                self._reason = f"cannot listen on {self._spec.address}: {why}"
                if self._n_failures == 1:
                    _log.error("gpsd_adapter_down", adapter=self.name, reason=self._reason)
                await asyncio.sleep(self._backoff.next_delay_s())

    async def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: _Client(self), self._spec.host, self._spec.port, backlog=64
        )
        self._backoff.reset()
        self.bound_port = server.sockets[0].getsockname()[1]
        self._reason = f"listening on {self._spec.address}"
        _log.info("gpsd_adapter_listening", adapter=self.name, port=self.bound_port)
        try:
            await loop.create_future()  # until cancelled
        finally:
            self.bound_port = None
            server.close()
            for client in tuple(self._clients):
                client.abort()

    def offer(self, event: DomainEvent) -> None:
        """Tell a fix or a sky view to whoever watches the device."""
        if isinstance(event, DeviceFix) and event.device in self._known:
            self._n_fixes += 1
            self._fixes[event.device] = event
            if event.device not in self._activated:
                self._activated[event.device] = self._now_text()
            if watching := self._watching(event.device):
                _tell(watching, report.tpv(event), event)
        elif isinstance(event, SkySeen) and event.device in self._known:
            self._skies[event.device] = (event.sky, self._fixes.get(event.device))
            if watching := self._watching(event.device):
                _tell(watching, report.sky(event.device, *self._skies[event.device]), None)

    def _watching(self, path: str) -> list[_Client]:
        return [client for client in self._clients if client.session.wants(path)]

    def on_message(self, topic: str, payload: bytes) -> None:
        """Hear nothing: the broker is not needed here."""

    # What sessions ask

    def device(self, path: str) -> dict[str, Any] | None:
        """Describe a device."""
        if path not in self._known:
            return None
        return report.device(path, activated=self._activated.get(path))

    def paths(self) -> tuple[str, ...]:
        """Names of the devices."""
        return self._spec.devices

    def poll(self, only: str | None) -> dict[str, Any]:
        """Give the last reports of all devices, or of one."""
        names = [name for name in self._spec.devices if only in (None, name)]
        tpvs = [report.tpv(self._fixes[name]) for name in names if name in self._fixes]
        skies = [report.sky(name, *self._skies[name]) for name in names if name in self._skies]
        return report.poll(self._now_text(), tpvs, skies, n_active=len(tpvs))

    def _now_text(self) -> str:
        return format_utc(gpst_from_posix(self._utc_ns()))

    # What clients tell

    @property
    def queue_bytes(self) -> int:
        """What may wait for one client."""
        return self._spec.queue_bytes

    def new_session(self) -> GpsdSession:
        """Begin a dialogue."""
        return GpsdSession(self, release=_RELEASE)

    def admit(self, client: _Client) -> bool:
        """Let a client in, unless there are too many."""
        self._n_accepted += 1
        if len(self._clients) >= self._spec.max_clients:
            self._n_turned_away += 1
            return False
        self._clients.add(client)
        return True

    def leave(self, client: _Client) -> None:
        """Forget a client, but not its counters."""
        if client in self._clients:
            self._clients.discard(client)
            self._gone.add(client)

    def fields(self, now: float) -> dict[str, Any]:  # noqa: ARG002 - no ages here
        """Give the counters."""
        total = _Counts()
        total.add(self._gone)
        for client in self._clients:
            total.add(client)
        return {
            "listen": self._spec.address,
            "is_listening": self.bound_port is not None,
            "reason": self._reason,
            "failures": self._n_failures,
            "fixes": self._n_fixes,
            "clients": len(self._clients),
            "clients_accepted": self._n_accepted,
            "clients_turned_away": self._n_turned_away,
            "lines_sent": total.n_sent,
            "lines_dropped": total.n_dropped,
            "requests_refused": total.n_bad,
        }


def _tell(watching: list[_Client], value: dict[str, Any], item: DeviceFix | None) -> None:
    """Write a report once for all who watch, in the languages that they want."""
    line = report.line(value)
    nmea = b""
    if item is not None and any(client.session.watch["nmea"] for client in watching):
        nmea = report.nmea_lines(item.fix)
    for client in watching:
        if client.session.watch["json"]:
            client.push(line)
        if nmea and client.session.watch["nmea"]:
            client.push(nmea)


class _Counts:
    """What clients count, and what the ones that have gone have counted."""

    def __init__(self) -> None:
        self.n_sent = 0
        self.n_dropped = 0
        self.n_bad = 0

    def add(self, other: _Counts | _Client) -> None:
        self.n_sent += other.n_sent
        self.n_dropped += other.n_dropped
        self.n_bad += other.n_bad


class _Client(asyncio.Protocol):
    """One connection."""

    def __init__(self, server: GpsdServer) -> None:
        self._server = server
        self.session = server.new_session()
        self._transport: asyncio.Transport | None = None
        self._is_paused = False
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self.n_sent = 0
        self.n_dropped = 0

    @property
    def n_bad(self) -> int:
        return self.session.n_bad

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        if not self._server.admit(self):
            self._transport.abort()
            return
        # pause_writing comes as soon as the kernel takes no more, and lines wait in our queue,
        # where the oldest can still be given up.
        self._transport.set_write_buffer_limits(high=0)
        sock = transport.get_extra_info("socket")
        with contextlib.suppress(OSError):  # reset by the peer before we looked
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _STALL_MS)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self.push(self.session.data_to_send())

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - any end is an end
        self._transport = None
        self._server.leave(self)

    def data_received(self, data: bytes) -> None:
        self.session.receive(data)
        answer = self.session.data_to_send()
        if answer:
            self.push(answer)

    def pause_writing(self) -> None:
        self._is_paused = True

    def resume_writing(self) -> None:
        self._is_paused = False
        while self._waiting and not self._is_paused:
            text = self._waiting.popleft()
            self._waiting_bytes -= len(text)
            self._write(text)

    def push(self, text: bytes) -> None:
        """Send whole lines, or keep them while the client takes nothing."""
        if not self._is_paused:
            self._write(text)
            return
        self._waiting.append(text)
        self._waiting_bytes += len(text)
        while self._waiting_bytes > self._server.queue_bytes:
            self._waiting_bytes -= len(self._waiting.popleft())
            self.n_dropped += 1

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _write(self, text: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(text)
            self.n_sent += 1
