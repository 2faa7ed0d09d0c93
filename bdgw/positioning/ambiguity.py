"""The float filter: what all epochs so far say of the ambiguities, as information.

State: the rover's position (3) and the ambiguity of each pair of the epoch in metres. An epoch
adds its normal equations; when the rover moves, the position is then eliminated, which is the
filter with a position of unlimited process noise (and equals the extended Kalman filter of that
model). An ambiguity that slipped, or whose pair is gone, is eliminated in the same way. Only
differences within a group are known; for a solution one ambiguity of each group is set to zero.

Elimination (Schur complement): J_kk - J_kd J_dd^-1 J_dk.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bdgw.positioning.fdma import Level
from bdgw.positioning.match import common
from bdgw.positioning.three import root_of
from bdgw.rtcm.lock import FloatArray
from bdgw.rtcm.observation import BoolArray, IntArray

__all__ = ["AmbiguityFilter", "FloatSolution"]

_HEAD = 3
_TINY = 1e-7
"""Information of a prior of 3 km: keeps what nothing is known of from being singular."""


_HUGE = 1e30
"""More than the square of any vector in the inverse of its matrix."""


class FloatSolution(NamedTuple):
    """Position step (3,) and ambiguities (k,) of ``pair`` against the zero of their group.

    ``level_m`` (m,) is how much more each of ``levels`` is than it was thought to be.
    ``covariance`` is (3 + m + k, 3 + m + k); ``pair`` are places among the pairs of the epoch.
    """

    step_m: FloatArray
    level_m: FloatArray
    ambiguity_m: FloatArray
    covariance: FloatArray
    pair: IntArray
    levels: Sequence[Level] = ()


class AmbiguityFilter:
    """Information matrix and vector over position and the ambiguities of the last epoch's pairs."""

    def __init__(self, *, memory_s: float) -> None:
        self._memory_s = memory_s
        self.reset()

    def reset(self) -> None:
        """Forget all."""
        self._key = np.zeros(0, dtype=np.int64)
        self._before = (np.zeros((_HEAD, _HEAD)), np.zeros(_HEAD))
        self._now = self._before

    def begin(self, elapsed_s: float, key: IntArray, slipped: BoolArray) -> None:
        """Prepare for an epoch with the pairs ``key`` (sorted).

        Forgets a little, drops what slipped or is gone, and makes room for what is new.
        """
        matrix, vector = self._before
        if elapsed_s > 0.0:
            keep = math.exp(-elapsed_s / self._memory_s)
            matrix, vector = matrix * keep, vector * keep
        now, then = common(key, self._key)
        lasts = ~slipped[now]
        now, then = now[lasts], then[lasts]
        if len(then) < len(self._key):
            is_gone = np.ones(len(self._key), dtype=np.bool_)
            is_gone[then] = False
            is_kept = np.concatenate((np.ones(_HEAD, dtype=np.bool_), ~is_gone))
            matrix, vector = _eliminated(matrix, vector, is_kept)
        if len(now) < len(key):
            size = _HEAD + len(key)
            index = np.concatenate((np.arange(_HEAD), now + _HEAD))
            larger, longer = np.zeros((size, size)), np.zeros(size)
            larger[np.ix_(index, index)] = matrix
            longer[index] = vector
            matrix, vector = larger, longer
        self._key = key
        self._before = (matrix, vector)

    def add(self, matrix: FloatArray, vector: FloatArray) -> None:
        """Take the normal equations of the epoch for its solution; nothing is kept of them yet."""
        self._now = (self._before[0] + matrix, self._before[1] + vector)

    def keep(self, matrix: FloatArray, vector: FloatArray, part: float, *, moves: bool) -> None:
        """Keep a part of the normal equations of an epoch for the epochs to come.

        Where the rover ``moves`` the position is eliminated.
        """
        matrix = self._before[0] + part * matrix
        vector = self._before[1] + part * vector
        if moves:
            matrix, vector = _without_position(matrix, vector)
        self._before = (matrix, vector)

    def solve(
        self, zero: IntArray, wanted: IntArray, levels: Sequence[Level] = ()
    ) -> FloatSolution | None:
        """Solve position, levels and some ambiguities, with those of ``zero`` set to zero.

        ``zero`` names one pair of each group. The others are eliminated, which changes nothing
        of the solution.
        """
        matrix, vector = self._now
        if levels:
            matrix, vector = matrix.copy(), vector.copy()
            for level in levels:
                _with_level(matrix, vector, level)
        role = np.ones(len(vector), dtype=np.int8)
        role[:_HEAD] = 2
        role[wanted + _HEAD] = 2
        role[zero + _HEAD] = 0
        pair = np.sort(wanted[role[wanted + _HEAD] == 2])
        kept, drop = (role == 2).nonzero()[0], (role == 1).nonzero()[0]
        if levels:
            place = np.array([level.zero + _HEAD for level in levels])
            kept = np.concatenate((kept[:_HEAD], place, kept[_HEAD:]))
        # What is not wanted goes first: the last block of the root is then that of the rest alone,
        # and a last row that stands for the vector becomes the solution of the triangle.
        order = np.concatenate((drop, kept))
        n_all, n_drop = len(order), len(drop)
        bordered = np.zeros((n_all + 1, n_all + 1))
        bordered[:n_all, :n_all] = matrix.take(order, 0).take(order, 1)
        bordered[n_all, :n_all] = vector[order]
        diagonal = bordered.reshape(-1)[:: n_all + 2]
        diagonal[:n_drop] += 2.0 * _TINY
        diagonal[n_drop:n_all] += _TINY
        diagonal[n_all] = _HUGE
        try:
            root = np.linalg.cholesky(bordered).astype(np.float64, copy=False)
            inverse = np.linalg.inv(root[n_drop:n_all, n_drop:n_all])
        except np.linalg.LinAlgError:
            return None
        covariance: FloatArray = inverse.T @ inverse
        state = root[n_all, n_drop:n_all] @ inverse
        if not np.isfinite(state).all() or (covariance.diagonal() <= 0.0).any():
            return None
        n = _HEAD + len(levels)
        return FloatSolution(state[:_HEAD], state[_HEAD:n], state[n:], covariance, pair, levels)


def _with_level(matrix: FloatArray, vector: FloatArray, level: Level) -> None:
    """Put a level in the place of the ambiguity of its zero, and add what the codes say of it.

    The ambiguities become ratio * (value + level) + whole numbers of waves.
    """
    place = level.pair + _HEAD
    zero = level.zero + _HEAD
    thought_m = level.ratio * level.value_m
    vector -= matrix[:, place] @ thought_m
    weight = level.share / level.variance_m2
    matrix[np.ix_(place, place)] += np.outer(weight, level.share)
    vector[place] += weight * (level.mean_m - float(level.share @ thought_m))
    matrix[:, zero] = matrix[:, place] @ level.ratio
    matrix[zero, :] = level.ratio @ matrix[place, :]
    vector[zero] = level.ratio @ vector[place]


def _without_position(matrix: FloatArray, vector: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Eliminate the position, of which nothing is known afterwards.

    Raises:
        np.linalg.LinAlgError: it is singular.
    """
    inner = matrix[:_HEAD, :_HEAD].copy()
    inner.reshape(-1)[:: _HEAD + 1] += _TINY
    root = root_of(inner)
    if root is None:
        raise np.linalg.LinAlgError("the position is singular")
    across, of_vector = root @ matrix[:_HEAD, _HEAD:], root @ vector[:_HEAD]
    reduced, short = np.zeros_like(matrix), np.zeros_like(vector)
    reduced[_HEAD:, _HEAD:] = matrix[_HEAD:, _HEAD:] - across.T @ across
    short[_HEAD:] = vector[_HEAD:] - of_vector @ across
    return reduced, short


def _eliminated(
    matrix: FloatArray, vector: FloatArray, is_kept: BoolArray
) -> tuple[FloatArray, FloatArray]:
    """Eliminate what is not kept.

    Raises:
        np.linalg.LinAlgError: what is eliminated is singular.
    """
    kept, drop = is_kept.nonzero()[0], (~is_kept).nonzero()[0]
    if not len(drop):
        return matrix, vector
    out = matrix.take(drop, 0)
    inner, across = out.take(drop, 1), out.take(kept, 1)
    inner.reshape(-1)[:: len(drop) + 1] += _TINY
    gain = np.linalg.solve(inner, np.concatenate((across, vector[drop, None]), axis=1))
    reduced = matrix.take(kept, 0).take(kept, 1) - across.T @ gain[:, :-1]
    return (reduced + reduced.T) / 2.0, vector[kept] - across.T @ gain[:, -1]
