"""Whether the whole numbers of an epoch are those of the epochs before.

The same arcs have the same whole numbers. Each epoch finds its own anew; that they agree is
evidence of its own, and that they do not is the mark of a wrong set.
"""

from __future__ import annotations

import numpy as np

from bdgw.positioning.fix_gate import Evidence
from bdgw.positioning.match import common
from bdgw.rtcm.observation import IntArray

__all__ = ["Agreement"]

_MOST = 0.75
"""Part of the arcs that must have kept their whole numbers."""
_FEWEST = 4


class Agreement:
    """Remembers the whole numbers that were last found for each arc."""

    def __init__(self, *, n_after_conflict: int) -> None:
        self._n_after_conflict = n_after_conflict
        self.reset()

    def reset(self) -> None:
        """Forget all."""
        self._key = np.zeros(0, dtype=np.int64)
        self._cycles = np.zeros(0, dtype=np.int64)
        self._n = 0
        self._n_owed = 0

    def forget(self, key: IntArray) -> None:
        """Drop arcs that ended."""
        if len(key):
            stay = ~np.isin(self._key, key)
            self._key, self._cycles = self._key[stay], self._cycles[stay]

    def fail(self) -> None:
        """Count an epoch without a set."""
        self._n = max(0, self._n - 2)

    def add(self, key: IntArray, group: IntArray, evidence: Evidence) -> tuple[int, bool]:
        """Take a set; give how many epochs have agreed, and whether a conflict is still owed for.

        With 0 it contradicts what was found before; which of the two is wrong is not known, so
        the next ones must prove themselves for longer.
        """
        used = evidence.used
        key, cycles, group = key[used], evidence.cycles[used], group[used]
        now, then = common(key, self._key)
        n_same, n_all = _same(group[now], cycles[now] - self._cycles[then])
        self._key, self._cycles = key, cycles
        if n_all >= _FEWEST and n_same < _MOST * n_all:
            self._n, self._n_owed = 0, self._n_after_conflict
            return 0, True
        self._n += 1
        self._n_owed = max(0, self._n_owed - 1)
        return self._n, self._n_owed > 0


def _same(group: IntArray, change: IntArray) -> tuple[int, int]:
    """Count the arcs that kept their whole numbers, and all, by group.

    The phase that the others are counted from may have become another: the change that most arcs
    of a group have in common is that of the count, not of an arc.
    """
    if not len(group):
        return 0, 0
    order = np.lexsort((change, group))
    group, change = group[order], change[order]
    begins = np.ones(len(group) + 1, dtype=np.bool_)
    begins[1:-1] = (group[1:] != group[:-1]) | (change[1:] != change[:-1])
    at = np.flatnonzero(begins)
    names, index = np.unique(group[at[:-1]], return_inverse=True)
    most = np.zeros(len(names), dtype=np.int64)
    np.maximum.at(most, index, np.diff(at))
    return int((most - 1).sum()), len(group) - len(names)
