"""From float ambiguities to whole numbers: which to try, how sure, and the position they give.

1. The candidates are decorrelated; of many only the highest satellites are (``candidates``).
2. As many of the most precise of the decorrelated ones are taken as keep the chance of being
   right (bootstrapping) above a bound: partial ambiguity resolution.
3. Search gives the two nearest sets; their ratio must pass.
4. Position and all other ambiguities are conditioned on the set.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bdgw.positioning.ambiguity import FloatSolution
from bdgw.positioning.carry_over import carried_over
from bdgw.positioning.lambda_ import Decorrelated, decorrelate, search, success_rate
from bdgw.rtcm.lock import FloatArray
from bdgw.rtcm.observation import BoolArray, IntArray

__all__ = ["Ranked", "Resolved", "Resolver", "candidates", "rank"]

_SUCCESS = 0.999
_FEWEST = 4
_MOST = 24
_HEAD = 3
_REMEMBERED = 4


class Ranked(NamedTuple):
    """Which pair of each group the others are counted from (``zero``), and which may be searched.

    The first has the greatest worth of its group, among the allowed ones where there are any.
    """

    worth: FloatArray
    zero: IntArray
    may: BoolArray


def rank(worth: FloatArray, group: IntArray, allowed: BoolArray) -> Ranked:
    """Rank the pairs of each group by their worth."""
    order = np.lexsort((-worth - 10.0 * allowed, group))
    sorted_group = group[order]
    is_first = np.ones(len(order), dtype=np.bool_)
    is_first[1:] = sorted_group[1:] != sorted_group[:-1]
    zero = order[is_first]
    # Where the first is not allowed, none of its group is.
    may = allowed.copy()
    may[zero] = False
    return Ranked(worth, zero, may)


def candidates(ranked: Ranked, beside: BoolArray | None = None, most: int = _MOST) -> IntArray:
    """Choose the pairs to search; those ``beside`` the others are searched in any case."""
    worth, may = ranked.worth, ranked.may
    wanted = (may if beside is None else may & ~beside).nonzero()[0]
    if len(wanted) > most:
        wanted = np.sort(wanted[np.argsort(-worth[wanted], kind="stable")[:most]])
    if beside is not None:
        wanted = np.union1d(wanted, (may & beside).nonzero()[0])
    return wanted


class Resolved(NamedTuple):
    """The position step (3,) conditioned on whole numbers, its covariance, and how sure it is.

    ``level_m`` and ``level_m2`` (m,) are those of the float solution, conditioned, and their
    variances.
    """

    step_m: FloatArray
    covariance: FloatArray
    level_m: FloatArray
    level_m2: FloatArray
    ratio: float
    success: float
    n_fixed: int


class Resolver:
    """Keeps the transformations of the epochs before, which are nearly right again."""

    def __init__(self) -> None:
        self._known: dict[bytes, FloatArray] = {}

    def resolve(
        self,
        solution: FloatSolution,
        key: IntArray,
        wavelength_m: FloatArray,
    ) -> Resolved | None:
        """Try to fix; ``key`` and ``wavelength_m`` are columns of the epoch's pairs.

        None where nothing can be tried; whether what is found may be believed is for the gate.
        """
        pair = solution.pair
        if len(pair) < _FEWEST:
            return None
        scale = 1.0 / wavelength_m[pair]
        head = _HEAD + len(solution.level_m)
        a = solution.ambiguity_m * scale
        q = solution.covariance[head:, head:] * scale[:, None] * scale
        across = solution.covariance[:head, head:] * scale
        try:
            reduced = self._decorrelate(a, q, key[pair])
        except np.linalg.LinAlgError:
            return None
        success = success_rate(reduced.d)
        is_sure = success >= _SUCCESS
        first = int(is_sure.argmax())
        if not is_sure[first] or len(a) - first < _FEWEST:
            return None
        found = search(reduced, first)
        # Where the search had to be given up, nothing stands out.
        is_near = found.is_complete
        ratio = float(found.distance[1] / max(found.distance[0], 1e-12)) if is_near else 1.0
        off = reduced.z[first:] - found.sets[0]
        of_z = across @ reduced.transform[:, first:]
        lower = reduced.lower[first:, first:]
        # Q_z^-1 = L^-1 D^-1 L^-T, on the part that is fixed.
        half = np.linalg.solve(lower.T, np.concatenate((of_z, off[None, :])).T)
        weighted = half / reduced.d[first:, None]
        change = half[:, :head].T @ weighted
        covariance = solution.covariance[:head, :head] - change[:, :head]
        covariance = (covariance + covariance.T) / 2.0
        return Resolved(
            solution.step_m - change[:_HEAD, head],
            covariance[:_HEAD, :_HEAD],
            solution.level_m - change[_HEAD:, head],
            covariance.diagonal()[_HEAD:],
            min(ratio, 999.9),
            float(success[first]),
            len(a) - first,
        )

    def _decorrelate(self, a: FloatArray, q: FloatArray, key: IntArray) -> Decorrelated:
        name = key.tobytes()
        guess = self._known.pop(name, None)
        if guess is None and self._known:
            last, transform = next(reversed(self._known.items()))
            guess = carried_over(np.frombuffer(last, dtype=key.dtype), transform, key)
        reduced = decorrelate(a, q, guess)
        while len(self._known) >= _REMEMBERED:
            del self._known[next(iter(self._known))]
        self._known[name] = reduced.transform
        return reduced
