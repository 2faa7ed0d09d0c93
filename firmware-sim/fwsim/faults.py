"""What goes wrong on the way, by name: seeded, scheduled, combinable.

A fault takes the burst of one epoch and gives it back damaged, late, doubled or not at all. It is
pure: the hour comes with the burst, chance comes from the seed. The fault ``unplug`` happens to a
port, not to bytes, and is carried out by the device.
"""

import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from fwsim.rtcm_frame import OVERHEAD_BYTES, PREAMBLE

KINDS = ("drop", "flip", "cut", "delay", "silence", "duplicate", "unplug")


@dataclass(frozen=True, slots=True, kw_only=True)
class Burst:
    """The bytes of one epoch, when they leave, and whether they are still what was meant."""

    n: int
    at_s: float
    data: bytes
    is_intact: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault and its schedule, seconds since start; the end is not part of it.

    ``p`` is the chance per byte (drop), per bit (flip), per sentence or frame (cut, duplicate).
    ``delay``
    adds ``latency_s`` and up to ``jitter_s``, then holds everything back to the next multiple of
    ``lump_s``. Bytes are never reordered.
    """

    kind: str
    from_s: float = 0.0
    to_s: float = math.inf
    p: float = 0.0
    latency_s: float = 0.0
    jitter_s: float = 0.0
    lump_s: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what makes no sense.

        Raises:
            ValueError: an unknown kind, a chance outside 0 to 1, a negative time.
        """
        if self.kind not in KINDS:
            msg = f"fault {self.kind!r} is not one of {', '.join(KINDS)}"
            raise ValueError(msg)
        if not 0.0 <= self.p <= 1.0 or min(self.latency_s, self.jitter_s, self.lump_s) < 0.0:
            msg = f"fault {self.kind}: p must be in 0..1 and times not negative"
            raise ValueError(msg)
        if self.kind in {"drop", "flip", "cut", "duplicate"} and self.p == 0.0:
            msg = f"fault {self.kind} needs p above 0"
            raise ValueError(msg)

    def covers(self, at_s: float) -> bool:
        """Tell whether the fault is on."""
        return self.from_s <= at_s < self.to_s


class FaultLine:
    """The faults of one device, applied in the order in which they are given."""

    def __init__(self, faults: Iterable[Fault], *, seed: str) -> None:
        """Give every fault its own stream of chance, so that adding one leaves the others alone."""
        self.unplugs: Sequence[Fault] = ()
        self.applied: dict[str, int] = {}
        self._latest_s = -math.inf
        self._line: list[tuple[Fault, random.Random]] = []
        unplugs = []
        for index, fault in enumerate(faults):
            self.applied.setdefault(fault.kind, 0)
            if fault.kind == "unplug":
                unplugs.append(fault)
            else:
                rng = random.Random(f"fault:{seed}:{index}")  # noqa: S311 - reproducible
                self._line.append((fault, rng))
        self.unplugs = tuple(unplugs)

    def apply(self, burst: Burst) -> Burst:
        """Pass a burst through all faults that are on at its hour."""
        nominal_s = burst.at_s
        for fault, rng in self._line:
            if fault.covers(nominal_s):
                changed = _APPLY[fault.kind](fault, rng, burst)
                if changed is not burst:
                    self.applied[fault.kind] += 1
                burst = changed
        self._latest_s = max(self._latest_s, burst.at_s)
        return replace(burst, at_s=self._latest_s)


def hits(rng: random.Random, size: int, p: float) -> list[int]:
    """Draw which of ``size`` places are hit, each with chance ``p``, by leaping between hits."""
    if p >= 1.0:
        return list(range(size))
    found: list[int] = []
    log_miss = math.log1p(-p)
    place = -1
    while True:
        place += 1 + int(math.log(1.0 - rng.random()) / log_miss)
        if place >= size:
            return found
        found.append(place)


def _drop(fault: Fault, rng: random.Random, burst: Burst) -> Burst:
    lost = set(hits(rng, len(burst.data), fault.p))
    if not lost:
        return burst
    left = bytes(byte for i, byte in enumerate(burst.data) if i not in lost)
    return replace(burst, data=left, is_intact=False)


def _flip(fault: Fault, rng: random.Random, burst: Burst) -> Burst:
    places = hits(rng, 8 * len(burst.data), fault.p)
    if not places:
        return burst
    data = bytearray(burst.data)
    for place in places:
        data[place // 8] ^= 1 << place % 8
    return replace(burst, data=bytes(data), is_intact=False)


def pieces(data: bytes) -> list[bytes]:
    """Cut a burst into RTCM frames and lines; what is neither stays one piece."""
    found = []
    at = 0
    while at < len(data):
        if data[at] == PREAMBLE and at + 3 <= len(data):
            end = at + OVERHEAD_BYTES + (data[at + 1] << 8 & 0x300 | data[at + 2])
        else:
            end = data.find(b"\n", at) + 1 or len(data)
        found.append(data[at:end])
        at = end
    return found


def _cut(fault: Fault, rng: random.Random, burst: Burst) -> Burst:
    lines = pieces(burst.data)
    hit = hits(rng, len(lines), fault.p)
    for i in hit:
        # At least one character stays and the line end goes: the next sentence sticks to it.
        lines[i] = lines[i][: rng.randint(1, max(1, len(lines[i]) - 3))]
    return replace(burst, data=b"".join(lines), is_intact=False) if hit else burst


def _duplicate(fault: Fault, rng: random.Random, burst: Burst) -> Burst:
    lines = pieces(burst.data)
    hit = hits(rng, len(lines), fault.p)
    for i in hit:
        lines[i] *= 2
    return replace(burst, data=b"".join(lines)) if hit else burst


def _delay(fault: Fault, rng: random.Random, burst: Burst) -> Burst:
    at_s = burst.at_s + fault.latency_s + rng.uniform(0.0, fault.jitter_s)
    if fault.lump_s:
        at_s = math.ceil(at_s / fault.lump_s) * fault.lump_s
    return replace(burst, at_s=at_s)


def _silence(fault: Fault, rng: random.Random, burst: Burst) -> Burst:
    del fault, rng
    return replace(burst, data=b"", is_intact=False)


_APPLY = {
    "drop": _drop,
    "flip": _flip,
    "cut": _cut,
    "duplicate": _duplicate,
    "delay": _delay,
    "silence": _silence,
}
