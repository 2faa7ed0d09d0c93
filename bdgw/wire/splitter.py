"""Splits a byte stream that several protocols share into frames, and accounts for every byte.

The splitter knows no protocol: it finds the next byte that may open a frame and asks the framer
of that byte. Whatever no framer claims comes out as ``Skipped`` with a reason. The events do not
depend on how the stream was cut into reads, except that a quiet time ends an unfinished frame.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping

import msgspec

__all__ = [
    "NEED_MORE",
    "NOISE",
    "NOISE_REASON",
    "Frame",
    "Framer",
    "FramerAnswer",
    "Skipped",
    "Splitter",
]


class Frame(msgspec.Struct, frozen=True, gc=False):
    """A whole frame with a good checksum; ``offset`` counts bytes from the start of the stream."""

    protocol: str
    offset: int
    data: bytes


class Skipped(msgspec.Struct, frozen=True, gc=False):
    """Bytes that belong to no frame, and why."""

    offset: int
    data: bytes
    reason: str


FramerAnswer = int | str
"""A number above 0: a frame of so many bytes. ``NEED_MORE``: more bytes must come. A text: no
frame, and why; a rejection with a reason opens a skipped stretch of its own, so that it can be
counted, while ``NOISE`` joins the stretch before it."""

NEED_MORE = 0
NOISE = ""

Framer = Callable[[bytes, int, bool], FramerAnswer]
"""(buffer, position of the opening byte, no more bytes will follow) -> answer. When no more will
follow, the answer is never NEED_MORE."""

_SKIP_MAX_BYTES = 1024
"""A stretch of skipped bytes is given out at this size, so that noise needs no memory."""
NOISE_REASON = "noise"
_ABANDONED_REASON = "incomplete"
_HOLD_IDLE_TIMES = 2
"""A stream that never pauses would feed a false preamble until its length is reached: 15 s for
1,023 bytes of one sentence a second. The longest frame at 9600 baud takes 1.1 s."""


class Splitter:
    """A session part: bytes in, ``Frame`` and ``Skipped`` out.

    ``framers`` maps a protocol name to its opening byte values and its framer. After ``idle_s``
    without bytes an unfinished frame is given up, and after twice that time even while bytes
    come, so that a false preamble cannot hold back what follows it.

    ``hold_s`` asks for more: a frame waits at most so long behind an unfinished one, however many
    false preambles follow each other, because the time of each is counted from its own arrival.
    """

    def __init__(
        self,
        framers: Mapping[str, tuple[bytes, Framer]],
        *,
        idle_s: float = 1.0,
        hold_s: float | None = None,
    ) -> None:
        self._by_lead = {
            lead: (name, framer) for name, (leads, framer) in framers.items() for lead in leads
        }
        self._find_lead = re.compile(b"[" + re.escape(bytes(self._by_lead)) + b"]").search
        self._idle_s = idle_s
        self._hold_s = hold_s
        self._arrivals: deque[tuple[int, float]] = deque()
        self._rest = b""
        self._offset = 0
        self._skip: list[bytes] = []
        self._skip_bytes = 0
        self._skip_reason = NOISE_REASON
        self._events: list[Frame | Skipped] = []
        self._quiet_at: float | None = None
        self._held_offset = -1
        self._give_up_at = 0.0

    def receive(self, data: bytes, *, now: float) -> None:
        """Take bytes; ``b""`` says that the stream has ended."""
        if self._hold_s is not None:
            self._arrivals.append((self._offset + len(self._rest) + len(data), now))
        self._split(self._rest + data, is_final=not data)
        self._set_deadline(now)

    def tick(self, *, now: float) -> None:
        """Give up an unfinished frame when its time is over or the stream has been quiet."""
        if self._quiet_at is None:
            return
        if now >= self._quiet_at:
            self._split(self._rest, is_final=True)
            self._quiet_at = None
        elif self._rest and now >= self._give_up_at:
            quiet_at = self._quiet_at
            self._abandon()
            self._set_deadline(now)
            if self._quiet_at is not None:
                self._quiet_at = quiet_at

    def deadline(self) -> float | None:
        """When ``tick`` is due, or None while nothing is held."""
        if self._quiet_at is None or not self._rest:
            return self._quiet_at
        return min(self._quiet_at, self._give_up_at)

    def events(self) -> Iterator[Frame | Skipped]:
        """Drain what was found, in stream order."""
        events, self._events = self._events, []
        return iter(events)

    def _set_deadline(self, now: float) -> None:
        if not self._rest:
            self._arrivals.clear()
            if not self._skip:
                self._quiet_at = None
                return
        self._quiet_at = now + self._idle_s
        if self._offset != self._held_offset:
            self._held_offset = self._offset
            if self._hold_s is None:
                self._give_up_at = now + _HOLD_IDLE_TIMES * self._idle_s
            else:
                self._give_up_at = self._arrived_at(now) + self._hold_s

    def _arrived_at(self, now: float) -> float:
        """When the opening byte that is held came; ``now`` if none is."""
        arrivals = self._arrivals
        while arrivals and arrivals[0][0] <= self._offset:
            arrivals.popleft()
        return arrivals[0][1] if arrivals else now

    def _abandon(self) -> None:
        """Take the opening of the frame that is held for noise, and look behind it."""
        rest, offset = self._rest, self._offset
        self._end_skip(offset)
        self._skip_reason = _ABANDONED_REASON
        self._junk(rest[:1], offset)
        self._offset = offset + 1
        self._split(rest[1:], is_final=False)

    def _split(self, buffer: bytes, *, is_final: bool) -> None:
        by_lead = self._by_lead
        events = self._events
        position, end = 0, len(buffer)
        base = self._offset
        while position < end:
            known = by_lead.get(buffer[position])
            if known is None:
                match = self._find_lead(buffer, position)
                stop = match.start() if match else end
                self._junk(buffer[position:stop], base + position)
                position = stop
                continue
            protocol, framer = known
            answer = framer(buffer, position, is_final)
            if isinstance(answer, str):
                if answer:
                    self._end_skip(base + position)
                    self._skip_reason = answer
                self._junk(buffer[position : position + 1], base + position)
                position += 1
            elif answer:
                if self._skip:
                    self._end_skip(base + position)
                stop = position + answer
                events.append(Frame(protocol, base + position, buffer[position:stop]))
                position = stop
            else:
                break
        self._rest = buffer[position:]
        self._offset = base + position
        if is_final:
            self._end_skip(self._offset)

    def _junk(self, data: bytes, offset: int) -> None:
        while data:
            room = _SKIP_MAX_BYTES - self._skip_bytes
            piece, data = data[:room], data[room:]
            self._skip.append(piece)
            self._skip_bytes += len(piece)
            offset += len(piece)
            if self._skip_bytes == _SKIP_MAX_BYTES:
                self._end_skip(offset)

    def _end_skip(self, end_offset: int) -> None:
        if self._skip:
            data = b"".join(self._skip)
            self._events.append(Skipped(end_offset - len(data), data, self._skip_reason))
            self._skip = []
            self._skip_bytes = 0
        self._skip_reason = NOISE_REASON
