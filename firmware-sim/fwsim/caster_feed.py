"""Lets the frames of one source leave in time, through the faults that are on, to all listeners."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable

from fwsim.caster_fault import Batch, Piece, StreamFaults
from fwsim.caster_stream import FrameSource
from fwsim.gnss_time import NS_PER_S

# Bounds what a long delay or a large lump may hold back.
MAX_HELD_BATCHES = 4096
# A source that has ended, and nobody told: look again for changes that seldom.
IDLE_S = 1.0

Deliver = Callable[[Batch], None]


class Feed:
    """One source, running only while somebody listens."""

    def __init__(
        self,
        source: FrameSource,
        faults: StreamFaults,
        *,
        clock: Callable[[], float],
        gpst_ns: Callable[[float], int],
        sleep: Callable[[float], Awaitable[None]],
        latency_s: float = 0.0,
        on_batch: Deliver | None = None,
    ) -> None:
        """``gpst_ns`` tells the GPST of a clock reading; ``on_batch`` hears what leaves."""
        self._source = source
        self._faults = faults
        self._clock = clock
        self._gpst_ns = gpst_ns
        self._sleep = sleep
        self._latency_s = latency_s
        self._on_batch = on_batch
        self._listeners: dict[object, Deliver] = {}
        self._held: deque[Batch] = deque()
        self._task: asyncio.Task[None] | None = None
        self._n = 0

    def join(self, who: object, deliver: Deliver) -> None:
        """Send what leaves from now on to ``deliver`` too."""
        self._listeners[who] = deliver
        if self._task is None:
            self._source.resume(self._gpst_ns(self._clock()))
            self._task = asyncio.get_running_loop().create_task(self._run())

    def leave(self, who: object) -> None:
        """Send no more; the last one to leave stops the source."""
        self._listeners.pop(who, None)
        if not self._listeners:
            self.stop()

    def stop(self) -> None:
        """End, and forget what was held back."""
        self._held.clear()
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def changed(self) -> None:
        """Let go of what an earlier fault held back."""
        now_s = self._clock()
        self._held = deque(
            Batch(n=batch.n, at_s=min(batch.at_s, now_s), pieces=batch.pieces)
            for batch in self._held
        )

    async def _run(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            while True:
                due_s = self._next_s()
                now_s = self._clock()
                if due_s > now_s:
                    await self._sleep(due_s - now_s)
                self._produce(self._clock())
                self._release(self._clock())

    def _next_s(self) -> float:
        now_s = self._clock()
        due_ns = self._source.due_ns()
        due_s = now_s + IDLE_S
        if due_ns is not None:
            due_s = now_s + (due_ns - self._gpst_ns(now_s)) / NS_PER_S + self._latency_s
        return min(due_s, self._held[0].at_s) if self._held else due_s

    def _produce(self, now_s: float) -> None:
        limit_ns = self._gpst_ns(now_s - self._latency_s)
        while (due_ns := self._source.due_ns()) is not None and due_ns <= limit_ns:
            frames = self._source.take(self._faults.change)
            pieces = tuple(Piece(frame) for frame in frames)
            self._held.append(self._faults.apply(Batch(n=self._n, at_s=now_s, pieces=pieces)))
            self._n += 1
            if len(self._held) > MAX_HELD_BATCHES:
                self._held.popleft()

    def _release(self, now_s: float) -> None:
        while self._held and self._held[0].at_s <= now_s:
            batch = self._held.popleft()
            if not batch.pieces:
                continue
            for deliver in tuple(self._listeners.values()):
                deliver(batch)
            if self._on_batch is not None:
                self._on_batch(batch)
