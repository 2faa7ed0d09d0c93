"""The float filter: what all epochs so far say of the ambiguities, as information.

State: the rover's position (3) and the ambiguity of each pair in metres. An epoch adds its normal
equations; when the rover moves, the position is then eliminated, which is the filter with a
position of unlimited process noise (and equals the extended Kalman filter of that model). An
ambiguity that slipped is eliminated in the same way and begins anew. Only differences within a
group are known; for a solution one ambiguity of each group is set to zero.

Elimination (Schur complement): J_kk - J_kd J_dd^-1 J_dk.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from bdgw.rtcm.lock import FloatArray
from bdgw.rtcm.observation import BoolArray, IntArray

__all__ = ["AmbiguityFilter", "FloatSolution"]

_HEAD = 3
_TINY = 1e-7
"""Information of a prior of 3 km: keeps what nothing is known of from being singular."""


class FloatSolution(NamedTuple):
    """Position step (3,) and ambiguities (k,) of ``pair`` against the zero of their group.

    ``covariance`` is (3 + k, 3 + k). ``pair`` are places among the pairs of the epoch; ``zero``
    the places of the pairs that were set to zero.
    """

    step_m: FloatArray
    ambiguity_m: FloatArray
    covariance: FloatArray
    pair: IntArray
    zero: IntArray


class AmbiguityFilter:
    """Information matrix ``J`` and vector ``j`` over position and ambiguities."""

    def __init__(self, *, memory_s: float, gap_s: float) -> None:
        self._memory_s = memory_s
        self._gap_s = gap_s
        self.reset()

    def reset(self) -> None:
        """Forget all."""
        self._key = np.zeros(0, dtype=np.int64)
        self._group = np.zeros(0, dtype=np.int64)
        self._seen_s = np.zeros(0)
        self._matrix = np.zeros((_HEAD, _HEAD))
        self._vector = np.zeros(_HEAD)

    @property
    def key(self) -> IntArray:
        """The pairs whose ambiguities are kept."""
        return self._key

    def begin(
        self, t_s: float, elapsed_s: float, key: IntArray, group: IntArray, slipped: BoolArray
    ) -> IntArray:
        """Prepare for an epoch: forget a little, drop what slipped or is gone, add what is new.

        Gives the place of each pair of the epoch in the state.
        """
        if elapsed_s > 0.0:
            keep = math.exp(-elapsed_s / self._memory_s)
            self._matrix *= keep
            self._vector *= keep
        is_gone = np.isin(self._key, key[slipped]) | (t_s - self._seen_s > self._gap_s)
        if is_gone.any():
            self._eliminate(np.flatnonzero(is_gone) + _HEAD)
            stay = ~is_gone
            self._key, self._group = self._key[stay], self._group[stay]
            self._seen_s = self._seen_s[stay]
        is_new = ~np.isin(key, self._key)
        n_new = int(is_new.sum())
        if n_new:
            self._key = np.concatenate((self._key, key[is_new]))
            self._group = np.concatenate((self._group, group[is_new]))
            self._seen_s = np.concatenate((self._seen_s, np.full(n_new, t_s)))
            size = _HEAD + len(self._key)
            matrix, old = np.zeros((size, size)), size - n_new
            matrix[:old, :old] = self._matrix
            self._matrix = matrix
            self._vector = np.concatenate((self._vector, np.zeros(n_new)))
        order = np.argsort(self._key, kind="stable")
        place: IntArray = order[np.searchsorted(self._key, key, sorter=order)]
        self._seen_s[place] = t_s
        return place

    def add(self, place: IntArray, matrix: FloatArray, vector: FloatArray) -> None:
        """Add the normal equations of an epoch over its position and pairs."""
        index = np.concatenate((np.arange(_HEAD), place + _HEAD))
        self._matrix[np.ix_(index, index)] += matrix
        self._vector[index] += vector

    def snapshot(self) -> tuple[FloatArray, FloatArray]:
        """Give what is known, to be put back by ``restore``."""
        return self._matrix.copy(), self._vector.copy()

    def restore(self, known: tuple[FloatArray, FloatArray]) -> None:
        """Put back what was known before an epoch that is not to be kept."""
        self._matrix, self._vector = known

    def free_position(self) -> None:
        """Eliminate the position: the next epoch's has nothing to do with it."""
        self._eliminate(np.arange(_HEAD), shrink=False)

    def solve(self, place: IntArray, weight: FloatArray) -> FloatSolution | None:
        """Solve the state; the pair of most weight in each group is set to zero.

        Ambiguities of pairs that are not in the epoch are part of the solution, but not given.
        """
        n = len(self._key)
        worth = np.zeros(n)
        worth[place] = weight + 1e-9
        order = np.lexsort((-worth, self._group))
        is_first = np.ones(n, dtype=np.bool_)
        is_first[1:] = self._group[order[1:]] != self._group[order[:-1]]
        zero = order[is_first]
        is_kept = np.ones(_HEAD + n, dtype=np.bool_)
        is_kept[zero + _HEAD] = False
        kept = np.flatnonzero(is_kept)
        matrix = self._matrix[np.ix_(kept, kept)]
        matrix[np.diag_indices(len(kept))] += _TINY
        try:
            covariance = np.linalg.inv(matrix)
        except np.linalg.LinAlgError:
            return None
        state = covariance @ self._vector[kept]
        if not np.isfinite(state).all() or (np.diagonal(covariance) <= 0.0).any():
            return None
        where = np.full(n, -1)
        where[kept[_HEAD:] - _HEAD] = np.arange(_HEAD, len(kept))
        at = where[place]
        pairs = np.flatnonzero(at >= 0)
        index = np.concatenate((np.arange(_HEAD), at[pairs]))
        return FloatSolution(
            state[:_HEAD],
            state[at[pairs]],
            covariance[np.ix_(index, index)],
            pairs,
            np.flatnonzero(at < 0),
        )

    def _eliminate(self, drop: IntArray, *, shrink: bool = True) -> None:
        is_kept = np.ones(len(self._vector), dtype=np.bool_)
        is_kept[drop] = False
        kept = np.flatnonzero(is_kept)
        inner = self._matrix[np.ix_(drop, drop)]
        inner[np.diag_indices(len(drop))] += _TINY
        across = self._matrix[np.ix_(kept, drop)]
        gain = np.linalg.solve(inner, across.T).T
        matrix = self._matrix[np.ix_(kept, kept)] - gain @ across.T
        vector = self._vector[kept] - gain @ self._vector[drop]
        matrix = (matrix + matrix.T) / 2.0
        if shrink:
            self._matrix, self._vector = matrix, vector
            return
        self._matrix[drop, :] = 0.0
        self._matrix[:, drop] = 0.0
        self._matrix[np.ix_(kept, kept)] = matrix
        self._vector[kept] = vector
        self._vector[drop] = 0.0
