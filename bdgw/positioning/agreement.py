"""Whether the whole numbers of an epoch are those of the epochs before.

The same arcs have the same whole numbers. Each epoch finds its own anew; that they agree is
evidence of its own, and that they do not is the mark of a wrong set. Of one arc that changed alone
it is known that its phase is not what it was: a slip that nobody told, or a phase that creeps.
"""

from __future__ import annotations

import enum
from collections import Counter
from typing import NamedTuple

import numpy as np

from bdgw.positioning.fix_gate import Evidence
from bdgw.positioning.match import common, distinct, is_one_of
from bdgw.rtcm.observation import BoolArray, IntArray

__all__ = ["Agreement", "Compared", "Verdict"]

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


class Compared(NamedTuple):
    """A set of whole numbers beside those that are remembered; columns (n,) of the epoch's pairs.

    ``is_there`` tells which pairs are remembered, ``then`` where; ``in_both`` are those of them
    that the set uses, ``is_same`` those whose whole numbers are the same. The set counts the
    pairs of a group from another phase than was remembered: that is ``shift``.
    """

    key: IntArray
    group: IntArray
    evidence: Evidence
    is_there: BoolArray
    then: IntArray
    in_both: BoolArray
    is_same: BoolArray
    shift: IntArray

    def counts(self) -> tuple[int, int]:
        """Count the arcs that are the same and those in common; one a group proves nothing."""
        n_groups = _n_of(self.group[self.in_both])
        n_same = int(np.count_nonzero(self.is_same)) - n_groups
        return n_same, int(np.count_nonzero(self.in_both)) - n_groups


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

    def compare(self, key: IntArray, group: IntArray, evidence: Evidence) -> Compared:
        """Compare whole numbers with those that are remembered.

        The phase that the others are counted from may have become another: the change that most
        arcs of a group have in common is that of the count, not of an arc.
        """
        now, at = common(key, self._key)
        is_there, then = np.zeros(len(key), dtype=np.bool_), np.zeros(len(key), dtype=np.int64)
        is_there[now], then[now] = True, at
        in_both = is_there & evidence.used
        here = in_both.nonzero()[0]
        groups = group[here]
        change = evidence.cycles[here] - self._cycles[then[here]]
        of_group = np.zeros(int(group.max(initial=0)) + 1, dtype=np.int64)
        of_group[groups] = change
        if (of_group[groups] != change).any():
            # Some ninety small numbers: plain counting is faster than sorting arrays.
            votes = Counter(zip(groups.tolist(), change.tolist(), strict=True))
            most: dict[int, tuple[int, int]] = {}
            for (one, value), n in votes.items():
                most[one] = max(most.get(one, (0, 0)), (n, -value))
            for one, (_, value) in most.items():
                of_group[one] = -value
        shift = of_group[group]
        is_same = in_both.copy()
        is_same[here] = change == shift[here]
        return Compared(key, group, evidence, is_there, then, in_both, is_same, shift)

    def changed(self, compared: Compared) -> IntArray:
        """Name the arcs whose whole numbers are others than before, where most are the same."""
        n_same, n_all = compared.counts()
        if n_same == n_all or n_same < _MOST * n_all:
            return np.zeros(0, dtype=np.int64)
        return compared.key[compared.in_both & ~compared.is_same]

    def is_minority(self, compared: Compared, lasts: BoolArray) -> bool:
        """Whether a set keeps too few of the proven arcs that last: one it excludes is not kept.

        A wrong set finds a place where some phases fit by chance, and takes the others for bent.
        """
        if not len(self._key):
            return False
        is_proven = compared.is_there & lasts & (self._times >= self._n_epochs)[compared.then]
        n_groups = _n_of(compared.group[compared.in_both & lasts])
        n_same = int(np.count_nonzero(is_proven & compared.is_same)) - n_groups
        n_all = int(np.count_nonzero(is_proven)) - n_groups
        return n_all >= _FEWEST and n_same < _MOST * n_all

    def add(self, t_s: float, compared: Compared, *, is_found: bool) -> Verdict:
        """Take the set of an epoch, which its own search found (``is_found``), or which is known.

        Where it contradicts what was found before it is not known which of both is wrong: even
        strong evidence must then prove itself over epochs.
        """
        n_same, n_all = compared.counts()
        is_contradicted = n_all >= _FEWEST and n_same < _MOST * n_all
        if not is_found:
            # What is known agrees with itself: that is no evidence.
            return Verdict.CONTRADICTED if is_contradicted else Verdict.PROVEN
        is_same = compared.is_same
        if is_contradicted or n_all < _FEWEST:
            self._take(np.zeros(len(self._key), dtype=np.bool_))
            is_same = np.zeros_like(is_same)
        self._keep(t_s, compared, is_same)
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

    def _keep(self, t_s: float, compared: Compared, is_same: BoolArray) -> None:
        """Take the whole numbers of an epoch; those that are the same are what they were."""
        used = compared.evidence.used
        key, group = compared.key[used], compared.group[used]
        cycles = (compared.evidence.cycles - compared.shift)[used]
        times, first_s = np.ones(len(key), dtype=np.int64), np.full(len(key), t_s)
        now = is_same[used].nonzero()[0]
        then = compared.then[used][now]
        times[now] += self._times[then]
        first_s[now] = np.where(self._times[then] > 0, self._first_s[then], t_s)
        last_s = np.full(len(key), t_s)
        if len(key) != len(self._key) or (key != self._key).any():
            # What was not found in this epoch stays known for its time, in the same count.
            is_counted = is_one_of(self._group, distinct(group[now]))
            is_young = t_s - self._last_s <= self._memory_s
            self._take(~is_one_of(self._key, key) & is_counted & is_young)
            key = np.concatenate((key, self._key))
            order = np.argsort(key, kind="stable")
            key = key[order]
            group = np.concatenate((group, self._group))[order]
            cycles = np.concatenate((cycles, self._cycles))[order]
            times = np.concatenate((times, self._times))[order]
            first_s = np.concatenate((first_s, self._first_s))[order]
            last_s = np.concatenate((last_s, self._last_s))[order]
        self._key, self._group, self._cycles = key, group, cycles
        self._times, self._first_s, self._last_s = times, first_s, last_s

    def _take(self, mask: BoolArray) -> None:
        self._key, self._group = self._key[mask], self._group[mask]
        self._cycles, self._times = self._cycles[mask], self._times[mask]
        self._first_s, self._last_s = self._first_s[mask], self._last_s[mask]


def _n_of(group: IntArray) -> int:
    """Count the groups; they are small numbers."""
    return int(np.count_nonzero(np.bincount(group)))
