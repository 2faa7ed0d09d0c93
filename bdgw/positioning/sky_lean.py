"""How far the ionosphere leans from one end of a baseline to the other, for what a fix may claim.

Where it leans by some parts of a million of the baseline, a right set of whole numbers gives a
position that is centimetres too low or too high: low satellites are delayed more than high ones,
as they are by a height, and all phases fit. Two carriers tell both apart, since they are delayed
by the square of their wavelengths, whatever the geometry is. What is measured is the difference a
of the vertical delays on L1 at both ends:

    phase_i = geometry + clock - g_i m(e) a,   g_i = (wavelength_i / wavelength_L1)^2
    m(e) = 1 / sqrt(1 - (R cos e / (R + h))^2)

a thin shell at h = 375 km over R = 6378 km (BDS-SIS-ICD-B1I-3.0, clause 5.2.4.7; first order:
IS-GPS-200, clause 20.3.3.3.3.3). Phase centres of two antennas that differ from carrier to carrier
look alike, so it is not taken off: its square counts in the variance of the position, by as much as
that is more than the noise of the measurement.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from bdgw.positioning.fix_gate import Evidence
from bdgw.positioning.ionosphere import L1_HZ
from bdgw.positioning.preparation import Prepared
from bdgw.positioning.satellite import N_SYSTEM_SATELLITES
from bdgw.positioning.three import inverse_of
from bdgw.rtcm.lock import FloatArray
from bdgw.rtcm.observation import SPEED_OF_LIGHT_M_S

__all__ = ["SkyLean"]

_USUAL_M_M = 1e-6
"""What is reckoned with where it cannot be measured."""
_MOST_M_M = 3e-5
_TINY_M = 3e-3
"""A lean that cannot come to more is not looked for."""
_FAINT = 0.01
"""With less information than this part of that of what is usual nothing is measured."""
_L1_M = SPEED_OF_LIGHT_M_S / L1_HZ
_SHELL = 6378.0 / (6378.0 + 375.0)


class _Told(NamedTuple):
    """What an epoch tells: its measurement of the lean times the information, and that."""

    weighted: float
    information: float


class SkyLean:
    """What the fixed epochs so far say of the lean.

    It is remembered for ``memory_s``. Of an epoch soon after another only a part is new, all after
    ``new_s``: what bends phases changes slowly.
    """

    def __init__(self, *, memory_s: float, new_s: float) -> None:
        self._memory_s = memory_s
        self._new_s = new_s
        self.reset()

    def reset(self) -> None:
        """Forget all."""
        self._known = _Told(0.0, 0.0)
        self._last_s: float | None = None

    def widened(self, t_s: float, prepared: Prepared, evidence: Evidence) -> Evidence:
        """Learn from a proven epoch; give its evidence with the lean in its covariance."""
        most_m = _MOST_M_M * prepared.baseline_m
        if most_m < _TINY_M:
            return evidence
        pairs, groups = prepared.pairs, prepared.groups
        weight = np.where(evidence.used, prepared.weights.phase, 0.0)
        square = (pairs.wavelength_m / _L1_M) ** 2
        slant = 1.0 / np.sqrt(1.0 - (_SHELL * np.cos(pairs.elevation_rad)) ** 2)
        self._learn(t_s, _told(prepared, weight, square, slant, evidence))
        # How the position sways with the lean: a metre of it by so many metres.
        centred = groups.centred(weight, pairs.design) * weight[:, None]
        inverse = inverse_of(centred.T @ pairs.design)
        if inverse is None:
            return evidence
        sway = inverse @ (centred.T @ (square * slant))
        variance_m2 = min(self._variance_m2(prepared.baseline_m), most_m**2)
        return evidence._replace(
            covariance=evidence.covariance + np.outer(sway, sway) * variance_m2
        )

    def _variance_m2(self, baseline_m: float) -> float:
        weighted, information = self._known
        usual_m2 = (_USUAL_M_M * baseline_m) ** 2
        if information * usual_m2 < _FAINT:
            return usual_m2
        return max((weighted / information) ** 2 - 1.0 / information, 0.0)

    def _learn(self, t_s: float, told: _Told) -> None:
        elapsed_s = math.inf if self._last_s is None else max(t_s - self._last_s, 0.0)
        self._last_s = t_s
        keep, part = math.exp(-elapsed_s / self._memory_s), min(1.0, elapsed_s / self._new_s)
        known = self._known
        self._known = _Told(
            known.weighted * keep + told.weighted * part,
            known.information * keep + told.information * part,
        )


def _told(
    prepared: Prepared,
    weight: FloatArray,
    square: FloatArray,
    slant: FloatArray,
    evidence: Evidence,
) -> _Told:
    """Measure the lean by the satellites with several carriers, whatever the geometry is.

    What is left over of a satellite changes with ``square`` by -a m(e). What all satellites of a
    system have of that in common is taken for the clocks of its groups.
    """
    row = prepared.satellites.row
    total = np.maximum(np.bincount(row, weight), 1e-12)
    own = square - (np.bincount(row, weight * square) / total)[row]
    information = np.bincount(row, weight * own * square)
    part = -np.bincount(row, weight * own * evidence.off_m)
    first = np.searchsorted(row, np.arange(len(total)))
    slant, system = slant[first], prepared.pairs.satellite[first] // N_SYSTEM_SATELLITES
    of_system = np.maximum(np.bincount(system, information), 1e-12)
    slant = slant - (np.bincount(system, information * slant) / of_system)[system]
    worse = max(1.0, evidence.phase_chi2)
    return _Told(float(slant @ part) / worse, float(information @ slant**2) / worse)
