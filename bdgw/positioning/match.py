"""Which keys two sorted columns have in common."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bdgw.rtcm.observation import BoolArray, IntArray

__all__ = ["common", "distinct", "is_one_of", "n_distinct"]


def common(first: IntArray, second: IntArray) -> tuple[IntArray, IntArray]:
    """Give the places of common keys in both; both are sorted and have no key twice."""
    if not len(second):
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    if len(first) == len(second) and (first == second).all():
        # As most epochs follow each other.
        found = np.arange(len(first))
        return found, found
    at = second.searchsorted(first)
    at[at == len(second)] = 0
    found = (second[at] == first).nonzero()[0]
    return found, at[found]


def distinct(column: IntArray) -> list[int]:
    """List the different values in their order."""
    return sorted(set(column.tolist()))


def is_one_of(column: IntArray, few: Sequence[int] | IntArray) -> BoolArray:
    """Tell which values are among a few others."""
    found: BoolArray = np.logical_or.reduce(column == np.asarray(few)[:, None], axis=0)
    return found


def n_distinct(column: IntArray) -> int:
    """Count the different values of a sorted column."""
    return int(np.count_nonzero(column[1:] != column[:-1])) + 1 if len(column) else 0
