"""A device: a source of epochs, the faults on its line, and the port at the end of it.

The device is stepped with a time and never reads a clock. It knows which epochs reached the port
whole, and only those count as written.
"""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from fwsim.faults import Burst, FaultLine
from fwsim.ports import Port, count_loss
from fwsim.receiver import Receiver
from fwsim.uart import Piece, Uart

# Bounds the work of one step when nothing limits the pace, so that other devices get their turn.
BURSTS_PER_STEP = 16


@dataclass(frozen=True, slots=True)
class Output:
    """One burst of a source and the truth it tells (empty for a replay)."""

    burst: Burst
    truth: dict[str, object]


class Source(Protocol):
    """Something that produces bursts in order of time."""

    def next_at_s(self) -> float | None:
        """Return when the next burst leaves; ``None`` when there is none."""
        ...

    def take(self) -> Output:
        """Return the next burst."""
        ...

    def hear(self, data: bytes, at_s: float) -> None:
        """Take bytes that came in at a time."""
        ...

    def counts(self) -> dict[str, int]:
        """Return what the source itself counted."""
        ...


class ReceiverSource:
    """The epochs of a receiver, each a fixed latency after its instant."""

    def __init__(
        self,
        receiver: Receiver,
        *,
        latency_s: float = 0.0,
        max_epochs: int | None = None,
        max_s: float = math.inf,
    ) -> None:
        """Stop after so many epochs, or before the first epoch at or after ``max_s``."""
        self._receiver = receiver
        self._latency_s = latency_s
        self._max_epochs = max_epochs
        self._max_s = max_s
        self._n = 0

    def next_at_s(self) -> float | None:
        """Return when the next epoch leaves."""
        elapsed_s = self._receiver.grid.elapsed_s(self._n)
        if self._n == self._max_epochs or elapsed_s >= self._max_s:
            return None
        return elapsed_s + self._latency_s

    def take(self) -> Output:
        """Render the next epoch."""
        n = self._n
        self._n += 1
        rendered = self._receiver.render(n)
        at_s = self._receiver.grid.elapsed_s(n) + self._latency_s
        burst = Burst(n=n, at_s=at_s, data=rendered.data)
        return Output(burst, {"name": self._receiver.name, **rendered.truth})

    def hear(self, data: bytes, at_s: float) -> None:
        """Give the receiver what came in at its port."""
        self._receiver.hear(data, at_s)

    def counts(self) -> dict[str, int]:
        """Return what the receiver counted of its corrections."""
        return self._receiver.counts()


@dataclass(slots=True)
class Pending:
    """A burst on its way out."""

    pieces: deque[Piece]
    truth: dict[str, object]
    is_whole: bool


class Device:
    """One device on one port."""

    def __init__(
        self,
        *,
        name: str,
        source: Source,
        port: Port,
        faults: FaultLine,
        uart: Uart | None = None,
        is_lossless: bool = False,
        on_written: Callable[[dict[str, object]], None] | None = None,
        on_damaged: Callable[[dict[str, object]], None] | None = None,
    ) -> None:
        """Connect a source with a port.

        A lossless device waits for its reader (replay, or as fast as possible); any other loses
        what the reader does not take at once. ``on_written`` gets the truth of every epoch that
        was written whole, ``on_damaged`` that of all others.
        """
        self.name = name
        self.port = port
        self.faults = faults
        self.epochs_written = 0
        self.epochs_damaged = 0
        self._source = source
        self._uart = uart
        self._is_lossless = is_lossless
        self._on_written = on_written
        self._on_damaged = on_damaged
        self._pending: Pending | None = None
        self._unplugs = deque(sorted(faults.unplugs, key=lambda fault: fault.from_s))
        self._is_unplugged = False
        self.is_blocked = False

    def due_s(self) -> float | None:
        """Return when there is something to do; ``None`` when the device is done."""
        times = []
        if self._pending is not None:
            times.append(self._pending.pieces[0].at_s)
        elif (next_at_s := self._source.next_at_s()) is not None:
            times.append(next_at_s)
        else:
            return None
        if self._unplugs:
            fault = self._unplugs[0]
            times.append(fault.to_s if self._is_unplugged else fault.from_s)
        return min(times)

    def step(self, now_s: float, *, port_now_s: float | None = None) -> None:
        """Do everything that is due at ``now_s``; infinity means as fast as the port takes it.

        ``port_now_s`` is the time for the port's own timers where it differs.
        """
        self.hear(self.port.tick(now_s if port_now_s is None else port_now_s), now_s)
        self.is_blocked = False
        for _ in range(BURSTS_PER_STEP):
            if self._pending is None and not self._fetch(now_s):
                break
            if not self._push(now_s):
                break
        if math.isfinite(now_s):
            self._switch(now_s)

    def hear(self, data: bytes, now_s: float) -> None:
        """Pass on what the port brought; without a clock it came just before the next burst."""
        if data:
            at_s = now_s if math.isfinite(now_s) else self._source.next_at_s()
            self._source.hear(data, at_s or 0.0)

    def counts(self) -> dict[str, int]:
        """Return what was counted so far."""
        counters = self.port.counters
        return {
            "epochs_written": self.epochs_written,
            "epochs_damaged": self.epochs_damaged,
            "bytes_written": counters.bytes_written,
            "bytes_overrun": counters.bytes_overrun
            + (0 if self._uart is None else self._uart.overrun_bytes),
            "bytes_unheard": counters.bytes_unheard,
            "bytes_from_gateway": counters.bytes_from_gateway,
            "connects": counters.n_connects,
            **self._source.counts(),
        }

    def _fetch(self, now_s: float) -> bool:
        """Take the next burst if it is due."""
        at_s = self._source.next_at_s()
        if at_s is None or at_s > now_s:
            return False
        output = self._source.take()
        burst = self.faults.apply(output.burst)
        pieces = [Piece(burst.at_s, burst.data)]
        is_whole = burst.is_intact
        if self._uart is not None:
            pieces = self._uart.send(burst.at_s, burst.data)
            is_whole = is_whole and sum(len(piece.data) for piece in pieces) == len(burst.data)
        self._pending = Pending(deque(pieces or [Piece(burst.at_s, b"")]), output.truth, is_whole)
        return True

    def _push(self, now_s: float) -> bool:
        """Write the due pieces of the pending burst; tell whether it is through."""
        pending = self._pending
        while pending is not None and pending.pieces:
            piece = pending.pieces[0]
            if piece.at_s > now_s:
                return False
            self._switch(piece.at_s)
            taken = self.port.write(piece.data) if piece.data else 0
            lost_bytes = len(piece.data) - taken
            if lost_bytes and self._is_lossless and not self._is_unplugged:
                pending.pieces[0] = Piece(piece.at_s, piece.data[taken:])
                self.is_blocked = True
                return False
            if lost_bytes:
                count_loss(self.port.counters, lost_bytes, is_heard=self.port.is_heard())
                pending.is_whole = False
            pending.pieces.popleft()
        if pending is not None:
            self._finish(pending)
        self._pending = None
        return True

    def _finish(self, pending: Pending) -> None:
        if pending.is_whole:
            self.epochs_written += 1
        else:
            self.epochs_damaged += 1
        tell = self._on_written if pending.is_whole else self._on_damaged
        if tell is not None and pending.truth:
            tell(pending.truth)

    def _switch(self, at_s: float) -> None:
        """Unplug and replug as scheduled."""
        while self._unplugs:
            fault = self._unplugs[0]
            if not self._is_unplugged and fault.from_s <= at_s:
                self.port.unplug()
                self._is_unplugged = True
                self.faults.applied["unplug"] += 1
            if not self._is_unplugged or at_s < fault.to_s:
                return
            self.port.replug()
            self._is_unplugged = False
            self._unplugs.popleft()
