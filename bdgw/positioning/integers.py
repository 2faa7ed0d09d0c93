"""From float ambiguities to whole numbers: which to try, how sure, and the position they give.

1. The candidates of the highest satellites, as many as can be searched in time, are decorrelated.
2. As many of the most precise of the decorrelated ones are taken as keep the chance of being
   right (bootstrapping) above a bound: partial ambiguity resolution.
3. Search gives the two nearest sets; their ratio must pass.
4. Position and all other ambiguities are conditioned on the set.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bdgw.positioning.ambiguity import FloatSolution
from bdgw.positioning.lambda_ import Decorrelated, decorrelate, search, success_rate
from bdgw.rtcm.lock import FloatArray
from bdgw.rtcm.observation import BoolArray, IntArray

__all__ = ["Resolved", "Resolver"]

_SUCCESS = 0.999
_FEWEST = 4
_MOST = 24
_HEAD = 3
_REMEMBERED = 4


class Resolved(NamedTuple):
    """The position step (3,) conditioned on whole numbers, its covariance, and how sure it is."""

    step_m: FloatArray
    covariance: FloatArray
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
        worth: FloatArray,
        allowed: BoolArray,
    ) -> Resolved | None:
        """Try to fix; ``key``, ``wavelength_m``, ``worth`` and ``allowed`` are of the epoch's pairs.

        None where nothing can be tried; whether what is found may be believed is for the gate.
        """
        candidate = np.flatnonzero(allowed[solution.pair])
        if len(candidate) < _FEWEST:
            return None
        best = np.argsort(-worth[solution.pair[candidate]], kind="stable")[:_MOST]
        candidate = np.sort(candidate[best])
        pair = solution.pair[candidate]
        scale = 1.0 / wavelength_m[pair]
        index = candidate + _HEAD
        a = solution.ambiguity_m[candidate] * scale
        q = solution.covariance[np.ix_(index, index)] * scale[:, None] * scale
        across = solution.covariance[:_HEAD, index] * scale
        try:
            reduced = self._decorrelate(a, q, key[pair])
        except np.linalg.LinAlgError:
            return None
        success = success_rate(reduced.d)
        first = int(np.argmax(success >= _SUCCESS)) if (success >= _SUCCESS).any() else len(a)
        if len(a) - first < _FEWEST:
            return None
        found = search(reduced, first)
        if not found.is_complete:
            return None
        ratio = float(found.distance[1] / max(found.distance[0], 1e-12))
        off = reduced.z[first:] - found.sets[0]
        of_z = across @ reduced.transform[:, first:]
        lower = reduced.lower[first:, first:]
        # Q_z^-1 = L^-1 D^-1 L^-T, on the part that is fixed.
        half = np.linalg.solve(lower.T, np.column_stack((of_z.T, off)))
        weighted = half / reduced.d[first:, None]
        step_m = solution.step_m - half[:, :_HEAD].T @ weighted[:, _HEAD]
        covariance = solution.covariance[:_HEAD, :_HEAD] - half[:, :_HEAD].T @ weighted[:, :_HEAD]
        return Resolved(
            step_m,
            (covariance + covariance.T) / 2.0,
            min(ratio, 999.9),
            float(success[first]),
            len(a) - first,
        )

    def _decorrelate(self, a: FloatArray, q: FloatArray, key: IntArray) -> Decorrelated:
        name = key.tobytes()
        reduced = decorrelate(a, q, self._known.pop(name, None))
        while len(self._known) >= _REMEMBERED:
            del self._known[next(iter(self._known))]
        self._known[name] = reduced.transform
        return reduced
