"""A terminal's session as the pool of ports wants it: it also says that frames decode. Pure.

A terminal that answers the same as before has nothing to tell the service; that it answers tells
the port's health that the line works.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from bdgw.receiver import FramesSeen
from bdgw.shortmsg.terminal import TerminalSession
from bdgw.shortmsg.terminal_event import SessionEvent

__all__ = ["PortEvent", "SkippedBytes", "TerminalPort"]


class SkippedBytes(msgspec.Struct, frozen=True):
    """So many bytes belonged to no frame."""

    n_bytes: int


PortEvent = SessionEvent | FramesSeen | SkippedBytes


class TerminalPort:
    """One connection; ``session`` is the terminal behind it."""

    def __init__(self, session: TerminalSession) -> None:
        self.session = session
        self._n_frames = 0
        self._n_skipped_bytes = 0

    def receive(self, data: bytes, *, now: float) -> None:
        """Take bytes of the terminal; ``b""`` means that the port closed."""
        self.session.receive(data, now=now)

    def tick(self, *, now: float) -> None:
        """Let what is due up to ``now`` act."""
        self.session.tick(now=now)

    def events(self) -> Iterator[PortEvent]:
        """Drain what has happened: the state of the line first."""
        counters = self.session.counters
        if counters.n_frames > self._n_frames:
            yield FramesSeen(counters.n_frames - self._n_frames)
            self._n_frames = counters.n_frames
        if counters.n_skipped_bytes > self._n_skipped_bytes:
            yield SkippedBytes(counters.n_skipped_bytes - self._n_skipped_bytes)
            self._n_skipped_bytes = counters.n_skipped_bytes
        yield from self.session.events()

    def data_to_send(self) -> bytes:
        """Drain what goes to the terminal."""
        return self.session.data_to_send()

    def deadline(self) -> float | None:
        """When ``tick`` is due, None once the port is closed."""
        return self.session.deadline()
