"""Which keys two sorted columns have in common."""

from __future__ import annotations

import numpy as np

from bdgw.rtcm.observation import IntArray

__all__ = ["common", "n_distinct"]


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


def n_distinct(column: IntArray) -> int:
    """Count the different values of a sorted column."""
    return int(np.count_nonzero(column[1:] != column[:-1])) + 1 if len(column) else 0
