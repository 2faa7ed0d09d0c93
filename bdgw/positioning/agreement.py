"""Whether the whole numbers of an epoch are those of the epochs before.

The same arcs have the same whole numbers. Each epoch finds its own anew; that they agree is
evidence of its own, and that they do not is the mark of a wrong set.
"""

from __future__ import annotations

import enum
from collections import Counter

import numpy as np

from bdgw.positioning.fix_gate import Evidence
from bdgw.positioning.match import common, is_one_of
from bdgw.rtcm.observation import IntArray

__all__ = ["Agreement", "Verdict"]

_MOST = 0.75
"""Part of the arcs that must have kept their whole numbers."""
_FEWEST = 4


class Verdict(enum.Enum):
    """What the epochs before say of a set."""

    CONTRADICTED = "contradicted"
    OWED = "owed"
    """There was a contradiction, and not enough has agreed since."""
    NEW = "new"
    PROVEN = "proven"


class Agreement:
    """Remembers the whole numbers that were last found for each arc.

    Little evidence is proven by ``n_epochs`` that agree over ``span_s``: epochs that follow each
    other quickly see the same errors.
    """

    def __init__(self, *, n_epochs: int, span_s: float) -> None:
        self._n_epochs = n_epochs
        self._span_s = span_s
        self.reset()

    def reset(self) -> None:
        """Forget all."""
        self._key = np.zeros(0, dtype=np.int64)
        self._cycles = np.zeros(0, dtype=np.int64)
        self._n = 0
        self._since_s = 0.0
        self._is_owed = False

    def forget(self, key: IntArray) -> None:
        """Drop arcs that ended."""
        if len(key):
            stay = ~is_one_of(self._key, key)
            self._key, self._cycles = self._key[stay], self._cycles[stay]

    def fail(self) -> None:
        """Count an epoch without a set."""
        self._n = max(0, self._n - 2)

    def add(self, t_s: float, key: IntArray, group: IntArray, evidence: Evidence) -> Verdict:
        """Take the set of an epoch.

        Where it contradicts what was found before it is not known which of both is wrong: even
        strong evidence must then prove itself over epochs.
        """
        used = evidence.used
        key, cycles, group = key[used], evidence.cycles[used], group[used]
        now, then = common(key, self._key)
        n_same, n_all = _same(group[now], cycles[now] - self._cycles[then])
        self._key, self._cycles = key, cycles
        if n_all >= _FEWEST and n_same < _MOST * n_all:
            self._n, self._is_owed = 0, True
            return Verdict.CONTRADICTED
        if self._n == 0 or n_all < _FEWEST:
            self._n, self._since_s = 0, t_s
        self._n += 1
        if self._n >= self._n_epochs and t_s - self._since_s >= self._span_s:
            self._is_owed = False
            return Verdict.PROVEN
        return Verdict.OWED if self._is_owed else Verdict.NEW


def _same(group: IntArray, change: IntArray) -> tuple[int, int]:
    """Count the arcs that kept their whole numbers, and all, by group.

    The phase that the others are counted from may have become another: the change that most arcs
    of a group have in common is that of the count, not of an arc.
    """
    if not len(group):
        return 0, 0
    counts = Counter(zip(group.tolist(), change.tolist(), strict=True))
    most: dict[int, int] = {}
    for (name, _), n in counts.items():
        most[name] = max(n, most.get(name, 0))
    return sum(most.values()) - len(most), len(group) - len(most)
