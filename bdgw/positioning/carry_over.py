"""Transformations of earlier ambiguities, carried over to others, so that little is left to do.

A transformation Z of whole numbers has a determinant of 1. Without an ambiguity r it is of one row
less, and one of its columns must go too, such that the rest has a determinant of 1 again: that is
any column j where row j of the inverse of Z has 1 or -1 at r (the minor is that element).
"""

from __future__ import annotations

import numpy as np

from bdgw.positioning.match import is_one_of
from bdgw.rtcm.lock import FloatArray
from bdgw.rtcm.observation import IntArray

__all__ = ["carried_over"]


def carried_over(key: IntArray, transform: FloatArray, wanted: IntArray) -> FloatArray | None:
    """Give a transformation (n, n) of the ambiguities ``wanted`` out of one (m, m) of ``key``.

    Those that are new stand for themselves, before all others. None where too few are left, or
    where none of the columns may go.
    """
    is_left = is_one_of(key, wanted)
    if 2 * np.count_nonzero(is_left) < len(key):
        return None
    found = transform
    for row in (~is_left).nonzero()[0][::-1]:
        of_row = np.zeros(len(found))
        of_row[row] = 1.0
        minors = np.rint(np.linalg.solve(found, of_row))
        may_go = (np.abs(minors) == 1.0).nonzero()[0]
        if not len(may_go):
            return None
        found = np.delete(np.delete(found, row, 0), may_go[0], 1)
    is_old = is_one_of(wanted, key)
    n, n_new = len(wanted), len(wanted) - len(found)
    whole = np.zeros((n, n))
    whole[(~is_old).nonzero()[0], np.arange(n_new)] = 1.0
    whole[is_old.nonzero()[0], n_new:] = found
    return whole
