"""What the tests of the receivers room share: a line session, a pool that records, real ports."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import tty
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

from bdgw.model import DeviceState, DeviceStatus
from bdgw.receivers import (
    DeviceSpec,
    Epoch,
    Good,
    ListenerSpec,
    ReceiverPool,
    Skipped,
    SystemClock,
    Verdict,
)
from bdgw.wire.session import Session

PATIENCE_S = 10.0
"""How long a condition may take on a busy machine before the test fails."""


class LineSession:
    """Splits at line feeds; what ends without one is delivered when the peer closes."""

    def __init__(self) -> None:
        self._buffer = b""
        self._events: list[bytes] = []
        self._is_closed = False

    def receive(self, data: bytes, *, now: float) -> None:
        assert not self._is_closed, "bytes after the end"
        if not data:
            self._is_closed = True
            if self._buffer:
                self._events.append(b"rest:" + self._buffer)
            return
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        self._events += lines

    def tick(self, *, now: float) -> None:
        pass

    def events(self) -> Iterator[bytes]:
        events, self._events = self._events, []
        return iter(events)

    def data_to_send(self) -> bytes:
        return b""

    def deadline(self) -> float | None:
        return None


def classify(event: bytes) -> Verdict:
    """``$…`` is a frame, ``@12.5`` an epoch; anything else was skipped."""
    if event.startswith(b"$"):
        return Good()
    if event.startswith(b"@"):
        return Epoch(float(event[1:]), n_frames=1)
    return Skipped(len(event) + 1)


async def until(condition: Callable[[], bool]) -> None:
    """Wait until ``condition`` holds; for what tells nobody when it changes."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - the condition is outside the event loop's sight
            await asyncio.sleep(0.001)


class Rig:
    """A pool whose events and states are kept for looking at."""

    def __init__(
        self,
        *devices: DeviceSpec,
        listeners: tuple[ListenerSpec, ...] = (),
        window_s: float | None = None,
        new_session: Callable[[str], Session[bytes]] = lambda _device: LineSession(),
    ) -> None:
        self.events: dict[str, list[bytes]] = {device.id: [] for device in devices}
        self.states: dict[str, list[DeviceState]] = {device.id: [] for device in devices}
        self._changed = asyncio.Event()
        self.pool: ReceiverPool[bytes] = ReceiverPool(
            devices,
            listeners,
            new_session=new_session,
            classify=classify,
            emit=self._emit,
            on_state=self._on_state,
            clock=SystemClock(),
            rng=random.Random(1),
            window_s=window_s,
        )

    def _emit(self, device: str, event: bytes, now_mono_s: float) -> None:
        self.events[device].append(event)
        self._changed.set()

    def _on_state(self, state: DeviceState) -> None:
        self.states[state.device].append(state)
        self._changed.set()

    def statuses(self, device: str) -> list[DeviceStatus]:
        return [state.status for state in self.states[device]]

    def status(self, device: str) -> DeviceStatus | None:
        return self.states[device][-1].status if self.states[device] else None

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until ``condition`` holds; looked at on every event and a few times a second."""
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                self._changed.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), 0.02)

    async def port_of(self, index: int = 0) -> int:
        """The port that a listener got from the system."""
        await self.until(lambda: self.pool.listener_snapshots()[index].bound_port is not None)
        port = self.pool.listener_snapshots()[index].bound_port
        assert port is not None
        return port


@contextlib.asynccontextmanager
async def running(rig: Rig) -> AsyncIterator[Rig]:
    """Run the pool around a test; a pool that fails fails the test."""
    task = asyncio.create_task(rig.pool.run())
    try:
        yield rig
    finally:
        if task.done():
            await task
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


class Terminal:
    """A pseudo-terminal whose master plays the receiver."""

    def __init__(self) -> None:
        self.master, slave = os.openpty()
        tty.setraw(slave)
        os.set_blocking(self.master, False)
        self.path = os.ttyname(slave)
        os.close(slave)

    @property
    def url(self) -> str:
        return f"serial://{self.path}"

    def say(self, data: bytes) -> None:
        assert os.write(self.master, data) == len(data)

    def close(self) -> None:
        if self.master >= 0:
            os.close(self.master)
            self.master = -1

    def link_as(self, path: Path) -> None:
        """Make ``path`` a symlink to this terminal, as udev does."""
        path.unlink(missing_ok=True)
        path.symlink_to(self.path)


@contextlib.contextmanager
def terminals(count: int) -> Iterator[list[Terminal]]:
    """So many terminals, closed in the end."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(contextlib.closing(Terminal())) for _ in range(count)]
