"""A caster that a test plays on a real socket, and a time that only passes when all is quiet."""

from __future__ import annotations

import asyncio
import contextlib
import random
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from bdgw.model import Fix, FixKind
from bdgw.ntrip.address import CasterAddress
from bdgw.ntrip.gate import AccountGate
from bdgw.ntrip.runner import NtripClient, NtripClientSpec
from bdgw.ntrip.state import ClientState

HERE = Fix(kind=FixKind.SINGLE, tod_utc_ns=0, lat_deg=31.3, lon_deg=121.5, alt_hae_m=20.0)
_QUIET_S = 0.002


class VirtualTime:
    """Jumps to the next sleeper once nothing has happened for a moment of real time.

    What happens on real sockets so takes no time at all, and a wait of minutes none of ours.
    """

    def __init__(self) -> None:
        self._now_s = 1000.0
        self._sleepers: dict[asyncio.Future[None], float] = {}
        self.n_events = 0
        """Counted up by whoever does I/O, to hold the time back."""

    def monotonic_s(self) -> float:
        return self._now_s

    def utc_ns(self) -> int:
        return int(self._now_s * 1e9)

    async def sleep(self, delay_s: float) -> None:
        sleeper: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers[sleeper] = self._now_s + max(0.0, delay_s)
        try:
            await sleeper
        finally:
            self._sleepers.pop(sleeper, None)

    async def drive(self) -> None:
        while True:
            n_before = self.n_events
            await asyncio.sleep(_QUIET_S)
            if self.n_events != n_before or not self._sleepers:
                continue
            sleeper = min(self._sleepers, key=lambda each: self._sleepers[each])
            self._now_s = max(self._now_s, self._sleepers.pop(sleeper))
            if not sleeper.done():
                sleeper.set_result(None)


class Visit:
    """One connection to the played caster."""

    def __init__(
        self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.head = head
        self.reader = reader
        self.writer = writer
        self.received = bytearray()

    def say(self, data: bytes) -> None:
        self.writer.write(data)

    async def hear(self, what: bytes) -> None:
        """Read until ``what`` was said."""
        while what not in self.received:
            data = await self.reader.read(4096)
            if not data:
                raise ConnectionResetError
            self.received += data

    @property
    def path(self) -> str:
        return self.head.split(b" ")[1].decode()


Script = Callable[[Visit], Awaitable[None]]


class PlayedCaster:
    """Answers every connection by a script; keeps count of who came when."""

    def __init__(self, script: Script, time: VirtualTime | None = None) -> None:
        self.script = script
        self._time = time
        self.visits: list[Visit] = []
        self.came_at_s: list[float] = []
        self.n_open = 0
        self.n_open_most = 0
        self.port = 0

    @property
    def address(self) -> CasterAddress:
        return CasterAddress(host="127.0.0.1", port=self.port)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._time is not None:
            self.came_at_s.append(self._time.monotonic_s())
            self._time.n_events += 1
        self.n_open += 1
        self.n_open_most = max(self.n_open_most, self.n_open)
        with contextlib.suppress(OSError, EOFError):
            head = await reader.readuntil(b"\r\n\r\n")
            visit = Visit(head, reader, writer)
            self.visits.append(visit)
            await self.script(visit)
            await writer.drain()
        self.n_open -= 1
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        if self._time is not None:
            self._time.n_events += 1


@contextlib.asynccontextmanager
async def playing(
    script: Script, time: VirtualTime | None = None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[PlayedCaster]:
    caster = PlayedCaster(script, time)
    tasks: set[asyncio.Task[None]] = set()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await caster.answer(reader, writer)
        except asyncio.CancelledError:
            writer.transport.abort()
        finally:
            tasks.discard(task)

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=tls)
    caster.port = server.sockets[0].getsockname()[1]
    try:
        yield caster
    finally:
        server.close()
        await asyncio.sleep(0.01)  # a connection that is being accepted becomes a task
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()
        await asyncio.sleep(0.01)  # an aborted one closes its socket


class Watched:
    """A client with everything that it said."""

    def __init__(
        self,
        spec: NtripClientSpec,
        time: Any,
        *,
        position: Callable[[], Fix | None] = lambda: None,
        gate: AccountGate | None = None,
        ssl_context: ssl.SSLContext | None = None,
        counts_frames: bool = True,
        seed: int = 1,
    ) -> None:
        self.body = bytearray()
        self.states: list[ClientState] = []
        self._counts_frames = counts_frames
        self.client = NtripClient(
            spec,
            on_body=self._on_body,
            on_state=self.states.append,
            position=position,
            clock=time,
            rng=random.Random(seed),
            sleep=time.sleep,
            gate=gate,
            ssl_context=ssl_context,
        )

    def _on_body(self, data: bytes, now: float) -> None:
        self.body += data
        if self._counts_frames:
            self.client.frames_seen(data.count(b"\xd3"), now)

    @property
    def statuses(self) -> list[str]:
        return [str(state.status) for state in self.states]

    @property
    def reasons(self) -> str:
        return "\n".join(state.reason for state in self.states)


@contextlib.asynccontextmanager
async def running(*watched: Watched, time: VirtualTime | None = None) -> AsyncIterator[None]:
    tasks = [asyncio.ensure_future(each.client.run()) for each in watched]
    if time is not None:
        tasks.append(asyncio.ensure_future(time.drive()))
    try:
        yield
        for task in tasks:
            if task.done():
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def until(condition: Callable[[], Any], what: str = "", timeout_s: float = 20.0) -> None:
    """Wait until ``condition`` holds; looked at often, so no test waits longer than it must."""
    loop = asyncio.get_running_loop()
    end_s = loop.time() + timeout_s
    while not condition():
        assert loop.time() < end_s, f"timed out: {what or condition}"
        await asyncio.sleep(0.002)


class RealTime:
    """The clocks of the host, with waits cut short where a test wants it."""

    def __init__(self, most_s: float = 0.05) -> None:
        self._most_s = most_s

    def monotonic_s(self) -> float:
        return asyncio.get_running_loop().time()

    def utc_ns(self) -> int:
        return 0

    async def sleep(self, delay_s: float) -> None:
        await asyncio.sleep(min(delay_s, self._most_s))
