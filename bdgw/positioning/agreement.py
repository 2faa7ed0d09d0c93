"""Whether the whole numbers of an epoch are those of the epochs before.

The same arcs have the same whole numbers. Each epoch finds its own anew; that they agree is
evidence of its own, and that they do not is the mark of a wrong set. Of one arc that changed alone
it is known that its phase is not what it was: a slip that nobody told, or a phase that creeps.
"""

from __future__ import annotations

import enum
from collections import Counter

import numpy as np

from bdgw.positioning.fix_gate import Evidence
from bdgw.positioning.match import common, distinct, is_one_of
from bdgw.rtcm.observation import BoolArray, IntArray

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
    other quickly see the same errors. An arc that was proven is known for as long as it was
    proven, at most ``memory_s``, also in epochs whose own search does not come to a set.
    """

    def __init__(self, *, n_epochs: int, span_s: float, memory_s: float) -> None:
        self._n_epochs = n_epochs
        self._span_s = span_s
        self._memory_s = memory_s
        self.reset()

    def reset(self) -> None:
        """Forget all."""
        self._key = np.zeros(0, dtype=np.int64)
        self._group = np.zeros(0, dtype=np.int64)
        self._cycles = np.zeros(0, dtype=np.int64)
        self._times = np.zeros(0, dtype=np.int64)
        self._first_s, self._last_s = np.zeros(0), np.zeros(0)
        self._n = 0
        self._since_s = 0.0
        self._is_owed = False

    def forget(self, key: IntArray) -> None:
        """Drop arcs that ended."""
        if len(key):
            self._take(~is_one_of(self._key, key))

    def pause(self) -> None:
        """Take it that slips may have gone unseen: nothing is known until it is found again."""
        self._times[:] = 0

    def fail(self) -> None:
        """Count an epoch without a set."""
        self._n = max(0, self._n - 2)

    def known(self, t_s: float, key: IntArray) -> tuple[BoolArray, IntArray]:
        """Tell which arcs of an epoch are proven (n,), and their whole numbers (n,)."""
        is_known = np.zeros(len(key), dtype=np.bool_)
        cycles = np.zeros(len(key), dtype=np.int64)
        if self._is_owed:
            return is_known, cycles
        now, then = common(key, self._key)
        proven_s = self._last_s[then] - self._first_s[then]
        is_known[now] = (
            (self._times[then] >= self._n_epochs)
            & (proven_s >= self._span_s)
            & (t_s - self._last_s[then] <= np.minimum(proven_s, self._memory_s))
        )
        cycles[now] = self._cycles[then]
        return is_known, cycles

    def changed(self, key: IntArray, group: IntArray, evidence: Evidence) -> IntArray:
        """Name the arcs whose whole numbers are others than before, where most are the same."""
        used = evidence.used
        now, _, is_same, _, n_groups = self._compare(key[used], group[used], evidence.cycles[used])
        n_same, n_all = int(is_same.sum()) - n_groups, len(now) - n_groups
        if n_same == n_all or n_same < _MOST * n_all:
            return np.zeros(0, dtype=np.int64)
        return key[used][now[~is_same]]

    def is_minority(
        self, key: IntArray, group: IntArray, evidence: Evidence, lasts: BoolArray
    ) -> bool:
        """Whether a set keeps too few of the proven arcs that last: one it excludes is not kept.

        A wrong set finds a place where some phases fit by chance, and takes the others for bent.
        """
        is_proven = self._times >= self._n_epochs
        used = evidence.used & lasts
        _, then, is_same, _, n_groups = self._compare(key[used], group[used], evidence.cycles[used])
        n_same = int(np.count_nonzero(is_same & is_proven[then])) - n_groups
        n_all = len(common(key[lasts], self._key[is_proven])[0]) - n_groups
        return n_all >= _FEWEST and n_same < _MOST * n_all

    def add(
        self, t_s: float, key: IntArray, group: IntArray, evidence: Evidence, *, is_found: bool
    ) -> Verdict:
        """Take the set of an epoch, which its own search found (``is_found``), or which is known.

        Where it contradicts what was found before it is not known which of both is wrong: even
        strong evidence must then prove itself over epochs.
        """
        used = evidence.used
        key, cycles, group = key[used], evidence.cycles[used], group[used]
        now, then, is_same, shift, n_groups = self._compare(key, group, cycles)
        n_same, n_all = int(is_same.sum()) - n_groups, len(now) - n_groups
        is_contradicted = n_all >= _FEWEST and n_same < _MOST * n_all
        if not is_found:
            # What is known agrees with itself: that is no evidence.
            return Verdict.CONTRADICTED if is_contradicted else Verdict.PROVEN
        if is_contradicted or n_all < _FEWEST:
            self._take(np.zeros(len(self._key), dtype=np.bool_))
            now, then, is_same = now[:0], then[:0], is_same[:0]
        self._keep(t_s, key, group, cycles - shift, now[is_same], then[is_same])
        if is_contradicted:
            self._n, self._is_owed = 0, True
            return Verdict.CONTRADICTED
        if self._n == 0 or n_all < _FEWEST:
            self._n, self._since_s = 0, t_s
        self._n += 1
        if self._n >= self._n_epochs and t_s - self._since_s >= self._span_s:
            self._is_owed = False
            return Verdict.PROVEN
        return Verdict.OWED if self._is_owed else Verdict.NEW

    def _compare(
        self, key: IntArray, group: IntArray, cycles: IntArray
    ) -> tuple[IntArray, IntArray, BoolArray, IntArray, int]:
        """Compare whole numbers with those that are remembered.

        The phase that the others are counted from may have become another: the change that most
        arcs of a group have in common is that of the count, not of an arc. Gives the places of the
        arcs in common here and in the memory, which of them are the same, by how much the count
        of each arc is shifted, and in how many groups there was something to compare.
        """
        now, then = common(key, self._key)
        change = cycles[now] - self._cycles[then]
        # Some ninety small numbers: plain counting takes a tenth of the time of sorting arrays.
        votes = Counter(zip(group[now].tolist(), change.tolist(), strict=True))
        most: dict[int, tuple[int, int]] = {}
        for (one, value), n in votes.items():
            most[one] = max(most.get(one, (0, 0)), (n, -value))
        shift = np.array([-most[one][1] if one in most else 0 for one in group.tolist()])
        return now, then, change == shift[now], shift, len(most)

    def _keep(
        self,
        t_s: float,
        key: IntArray,
        group: IntArray,
        cycles: IntArray,
        now: IntArray,
        then: IntArray,
    ) -> None:
        """Take the whole numbers of an epoch; those of ``now`` are what they were at ``then``."""
        times, first_s = np.ones(len(key), dtype=np.int64), np.full(len(key), t_s)
        times[now] += self._times[then]
        first_s[now] = np.where(self._times[then] > 0, self._first_s[then], t_s)
        # What was not found in this epoch stays known for its time, in the same count.
        is_counted = is_one_of(self._group, distinct(group[now]))
        is_young = t_s - self._last_s <= self._memory_s
        self._take(~is_one_of(self._key, key) & is_counted & is_young)
        key = np.concatenate((key, self._key))
        order = np.argsort(key, kind="stable")
        self._key = key[order]
        self._group = np.concatenate((group, self._group))[order]
        self._cycles = np.concatenate((cycles, self._cycles))[order]
        self._times = np.concatenate((times, self._times))[order]
        self._first_s = np.concatenate((first_s, self._first_s))[order]
        self._last_s = np.concatenate((np.full(len(times), t_s), self._last_s))[order]

    def _take(self, mask: BoolArray) -> None:
        self._key, self._group = self._key[mask], self._group[mask]
        self._cycles, self._times = self._cycles[mask], self._times[mask]
        self._first_s, self._last_s = self._first_s[mask], self._last_s[mask]
