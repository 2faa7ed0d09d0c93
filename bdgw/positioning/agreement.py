"""Whether the whole numbers of an epoch are those of the epochs before.

The same arcs have the same whole numbers. Each epoch finds its own anew; that they agree is
evidence of its own, and that they do not is the mark of a wrong set.
"""

from __future__ import annotations

import numpy as np

from bdgw.positioning.fix_gate import Evidence
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
        if len(key) and len(self._key):
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
        _, now, then = np.intersect1d(key, self._key, assume_unique=True, return_indices=True)
        n_same = n_all = 0
        if len(now):
            change = cycles[now] - self._cycles[then]
            for one in np.unique(group[now]):
                mine = change[group[now] == one]
                if len(mine) >= 2:
                    # The phase that the others are counted from may have changed: the most
                    # frequent change is that of the count, not of an arc.
                    _, counts = np.unique(mine, return_counts=True)
                    n_same += int(counts.max()) - 1
                    n_all += len(mine) - 1
        stay = ~np.isin(self._key, key)
        self._key = np.concatenate((self._key[stay], key))
        self._cycles = np.concatenate((self._cycles[stay], cycles))
        if n_all >= _FEWEST and n_same < _MOST * n_all:
            self._key, self._cycles = key, cycles
            self._n, self._n_owed = 0, self._n_after_conflict
            return 0, True
        self._n += 1
        self._n_owed = max(0, self._n_owed - 1)
        return self._n, self._n_owed > 0
