"""Which satellites are left out of the search for whole numbers.

One satellite whose phase is wrong spoils the set of all. Where no set passes, satellites are left
out in turn, a few tries an epoch; the one without which a set passes stays out for a while.
"""

from __future__ import annotations

from collections.abc import Iterator

from bdgw.positioning.match import distinct
from bdgw.rtcm.observation import IntArray

__all__ = ["HeldOut"]

_TRIES = 2
_FEWEST = 5
_RETRY = 30
"""After so many sets without it a satellite is tried again."""


class HeldOut:
    """Remembers who is out, and whose turn it is."""

    def __init__(self) -> None:
        self._held: tuple[int, ...] = ()
        self._turn = 0
        self._n_passed = 0

    def trials(self, satellite: IntArray) -> Iterator[list[int]]:
        """Give what to leave out, one try after the other, of the satellites of the epoch."""
        present = distinct(satellite)
        held = [one for one in self._held if one in present]
        if held and self._n_passed >= _RETRY:
            self._n_passed = 0
            yield held[1:]
        yield held
        others = [one for one in present if one not in held]
        if len(others) <= _FEWEST or len(held) >= len(present) // 4:
            held, others = [], present
        for _ in range(_TRIES if len(others) > _FEWEST else 0):
            self._turn += 1
            yield [*held, others[self._turn % len(others)]]

    def succeed(self, left_out: list[int]) -> None:
        """Keep out what a set passed without."""
        self._n_passed = self._n_passed + 1 if tuple(left_out) == self._held else 0
        self._held = tuple(left_out)
