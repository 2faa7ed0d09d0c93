"""What was accepted, against what arrived: the judge of the drills. Pure.

Accepted is what the gateway has called safe. The judge counts; it knows no outbox and no broker.
"""

from __future__ import annotations

from collections.abc import Iterable

from bdgw.prove.item import Item

__all__ = ["Verdict"]

_GROWTH = 4096
_SAMPLES = 5


class Verdict:
    """Counters by life and number; a million items take some megabytes."""

    def __init__(self) -> None:
        self._accepted: dict[int, bytearray] = {}
        self._arrived: dict[int, bytearray] = {}
        self._last_live: dict[str, tuple[int, int]] = {}
        self.n_accepted = 0
        self.n_arrived = 0
        """Messages, those that came twice included."""
        self.n_duplicates = 0
        """Items that the gateway sent again."""
        self.n_redelivered = 0
        """Messages that the broker gave to the subscriber again, and said so (DUP)."""
        self.n_out_of_order = 0
        """On the live lane: items of a device that came behind a newer one, and for the first
        time."""
        self.disorder: list[tuple[tuple[int, int], tuple[int, int]]] = []
        """The first of them, and what they came behind."""
        self.latest: dict[str, tuple[int, int]] = {}
        """What came last on the live topic of each device."""

    def expect(self, life: int) -> None:
        """A life begins. Items of lives that are unknown here are of another drill."""
        self._arrived.setdefault(life, bytearray())

    def accept(self, life: int, numbers: Iterable[int]) -> None:
        """The gateway has called these safe."""
        counts = self._accepted.setdefault(life, bytearray())
        for number in numbers:
            _reach(counts, number)
            self.n_accepted += not counts[number]
            counts[number] = 1

    def arrive(self, item: Item, *, live_device: str | None, is_redelivered: bool) -> bool:
        """A subscriber has it; whether it is ours and came for the first time."""
        counts = self._arrived.get(item.life)
        if counts is None:
            return False
        _reach(counts, item.number)
        self.n_arrived += 1
        is_first = not counts[item.number]
        if is_first:
            counts[item.number] = 1
        elif is_redelivered:
            self.n_redelivered += 1
        else:
            self.n_duplicates += 1
        # What the broker gives again is late by its own doing.
        if live_device is not None and not is_redelivered:
            place = (item.life, item.number)
            self.latest[live_device] = place
            if is_first:
                last = self._last_live.get(live_device, place)
                if place < last:
                    self.n_out_of_order += 1
                    if len(self.disorder) < _SAMPLES:
                        self.disorder.append((place, last))
                else:
                    self._last_live[live_device] = place
        return is_first

    def n_lost(self) -> int:
        """How many of those that were accepted have not arrived."""
        return sum(1 for _ in self.lost())

    def lost(self) -> Iterable[tuple[int, int]]:
        """Those that were accepted and have not arrived."""
        for life, accepted in self._accepted.items():
            arrived = self._arrived.get(life, bytearray())
            if accepted == arrived[: len(accepted)]:
                continue
            for number, is_accepted in enumerate(accepted):
                if is_accepted and not (number < len(arrived) and arrived[number]):
                    yield life, number


def _reach(counts: bytearray, number: int) -> None:
    if number >= len(counts):
        counts.extend(bytes(number + _GROWTH - len(counts)))
