"""A capture as a source of bursts: exact bytes, paced by the times inside or by a byte rate.

Cutting is pure: bytes in, groups with seconds since the first out. A group begins at the first
sentence of a new time of day; bytes of other protocols stay with the group they follow.
"""

import gzip
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fwsim.device import Output
from fwsim.faults import Burst

DAY_S = 86_400.0
# A longer pause in a capture is a stop of the recording, not of the receiver.
MAX_GAP_S = 10.0
DEFAULT_BYTE_RATE = 11_520.0
SLICE_S = 0.05
# Sentences with the time of day, and in which field it stands.
TIMED = re.compile(
    rb"\$(?:[A-Z]{2}(?:GGA|RMC|GNS|GST|ZDA),|[A-Z]{2}GLL,[^,]*,[^,]*,[^,]*,[^,]*,)"
    rb"(\d{2})(\d{2})(\d{2}(?:\.\d+)?),"
)


@dataclass(frozen=True, slots=True)
class Group:
    """Bytes that leave together, and when: seconds since the first group."""

    at_s: float
    data: bytes


def read_capture(path: Path) -> bytes:
    """Read a file, unpacked when its name ends in ``.gz``."""
    data = path.read_bytes()
    return gzip.decompress(data) if path.suffix == ".gz" else data


def cut_by_time(data: bytes) -> list[Group]:
    """Cut at changes of the time of day; one group when there is at most one time."""
    cuts: list[tuple[int, float]] = []
    for match in TIMED.finditer(data):
        hours, minutes, seconds = (float(part) for part in match.groups())
        day_s = 3600.0 * hours + 60.0 * minutes + seconds
        if not cuts or day_s != cuts[-1][1]:
            cuts.append((match.start(), day_s))
    if not cuts:
        return [Group(0.0, data)] if data else []
    cuts[0] = (0, cuts[0][1])
    groups = []
    at_s = 0.0
    for i, (start, day_s) in enumerate(cuts):
        if i:
            at_s += _gap_s(day_s - cuts[i - 1][1])
        end = cuts[i + 1][0] if i + 1 < len(cuts) else len(data)
        groups.append(Group(at_s, data[start:end]))
    return groups


def _gap_s(step_s: float) -> float:
    """Return the pause for a step of the time of day: midnight is a step on, backwards is none."""
    if step_s < -DAY_S / 2:
        step_s += DAY_S
    return min(max(step_s, 0.0), MAX_GAP_S)


def cut_by_rate(data: bytes, byte_rate: float) -> list[Group]:
    """Cut into slices that a line of so many bytes a second carries in 50 ms."""
    size = max(1, int(byte_rate * SLICE_S))
    return [Group(i / byte_rate, data[i : i + size]) for i in range(0, len(data), size)]


class CaptureSource:
    """Plays groups at a speed, once or for ever."""

    def __init__(
        self,
        data: bytes,
        *,
        speed: float = 1.0,
        is_loop: bool = False,
        chunk_bytes: int | None = None,
        byte_rate: float | None = None,
        max_s: float = math.inf,
    ) -> None:
        """Prepare a capture; ``byte_rate`` replaces the pace of the times inside.

        ``speed`` may be infinite. Nothing leaves at or after ``max_s``. ``chunk_bytes``
        limits the size of one write.

        Raises:
            ValueError: an empty capture cannot be looped.
        """
        if is_loop and not data:
            msg = "an empty capture cannot be looped"
            raise ValueError(msg)
        groups = [] if byte_rate else cut_by_time(data)
        if len(groups) < 2:
            groups = cut_by_rate(data, byte_rate or DEFAULT_BYTE_RATE)
        self._groups = groups
        self._speed = speed
        self._is_loop = is_loop
        self._chunk_bytes = chunk_bytes
        self._max_s = max_s
        self._bursts = self._play()
        self._next = next(self._bursts, None)

    def next_at_s(self) -> float | None:
        """Return when the next bytes leave."""
        if self._next is None or self._next.at_s >= self._max_s:
            return None
        return self._next.at_s

    def take(self) -> Output:
        """Return the next bytes.

        Raises:
            ValueError: there are none.
        """
        burst = self._next
        if burst is None:
            msg = "the capture is over"
            raise ValueError(msg)
        self._next = next(self._bursts, None)
        return Output(burst, {})

    def hear(self, data: bytes, at_s: float) -> None:
        """Take no notice: a recording answers to nobody."""

    def counts(self) -> dict[str, int]:
        """Return nothing of its own."""
        return {}

    def _play(self) -> Iterator[Burst]:
        n = 0
        begin_s = 0.0
        while True:
            for group in self._groups:
                at_s = 0.0 if math.isinf(self._speed) else (begin_s + group.at_s) / self._speed
                size = self._chunk_bytes or max(1, len(group.data))
                for start in range(0, len(group.data), size):
                    yield Burst(n=n, at_s=at_s, data=group.data[start : start + size])
                    n += 1
            if not self._is_loop:
                return
            begin_s += self._round_s()

    def _round_s(self) -> float:
        """Length of one round: to the last group and one typical pause beyond it."""
        last_s = self._groups[-1].at_s
        return last_s + (last_s / (len(self._groups) - 1) if len(self._groups) > 1 else 1.0)
