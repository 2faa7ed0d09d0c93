"""How much the phases of an epoch vouch for a set of whole numbers, beside what is usual here."""

from __future__ import annotations

import math

from bdgw.positioning.fix_gate import Evidence
from bdgw.positioning.noise import Noise

__all__ = ["Vouching"]

_LEARN_LEFT = 3
_STRONG_REDUNDANCY = 20
_STRONG_SPARE = 6
_STRONG_PART = 0.9
_STRONG_CHI2 = 1.5
"""With less evidence in an epoch several must agree."""
_FEWEST_SPARE = 3
"""Satellites beyond what position and clocks need."""
_SEVERAL_CARRIERS = 6
"""Phases to spare that two satellites to spare have only on three carriers."""
_WORSE = 5.0
"""Phases that fit so many times worse than usual are not believed, however good the ratio is."""
_ONE_IN_1000, _ONE_IN_20 = 3.09, 1.645
"""How often a normal variable exceeds so many standard deviations."""


class Vouching:
    """Learns how well the phases fit at this site, and judges those of an epoch by it.

    Phases of one satellite are bent together, by what lies beside the way of the signal and by
    what the atmosphere does on it: the noise of phases and that of satellites are learned apart.
    """

    def __init__(self) -> None:
        self.phases = Noise()
        self._satellites = Noise()

    def doubt(self, evidence: Evidence) -> str | None:
        """Say why the phases do not vouch for a set, and learn from them."""
        phase_chi2, satellite_chi2 = self._of_model(evidence)
        is_usual = phase_chi2 <= max(1.0, _WORSE * self.phases.mean)
        if evidence.redundancy >= _LEARN_LEFT:
            self.phases.learn(phase_chi2)
        if not is_usual:
            return "phases fit worse than usual"
        if satellite_chi2 > self._bound(evidence.n_spare, _ONE_IN_1000):
            return "satellites do not fit each other"
        if evidence.n_spare >= _LEARN_LEFT:
            self._satellites.learn(satellite_chi2)
        return None

    def is_enough(self, evidence: Evidence) -> bool:
        """Whether there are satellites enough that could contradict, less those that do.

        With two to spare it is still known which one is wrong; one error then fits the waves of
        one carrier by chance too often, but not those of several.
        """
        is_whole = evidence.part == 1.0 and evidence.redundancy >= _SEVERAL_CARRIERS
        return evidence.n_vouching >= (_FEWEST_SPARE - 1 if is_whole else _FEWEST_SPARE)

    def is_plenty(self, n_spare: int) -> bool:
        """Whether there are so many satellites that some may be left out."""
        return n_spare >= _STRONG_SPARE

    def may_try(self, n_spare: int) -> bool:
        """Whether so many satellites could be enough."""
        return n_spare >= _FEWEST_SPARE - 1

    def is_strong(self, evidence: Evidence) -> bool:
        """Whether the epoch proves the set without others."""
        phase_chi2, satellite_chi2 = self._of_model(evidence)
        return (
            evidence.redundancy >= _STRONG_REDUNDANCY
            and evidence.n_vouching >= _STRONG_SPARE
            and evidence.part >= _STRONG_PART
            and phase_chi2 <= _STRONG_CHI2
            and satellite_chi2 <= self._bound(evidence.n_spare, _ONE_IN_20)
        )

    def _of_model(self, evidence: Evidence) -> tuple[float, float]:
        """Give the mean squares of the residuals in variances of the model, nothing learned."""
        factor = self.phases.factor
        return evidence.phase_chi2 * factor, evidence.satellite_chi2 * factor

    def _bound(self, n_left: int, normal: float) -> float:
        """Give the mean square that is exceeded as seldom as a normal variable exceeds ``normal``.

        Chi squared by the cube root (Wilson and Hilferty 1931), times what is usual.
        """
        part = 2.0 / (9.0 * max(n_left, 1))
        return max(1.0, self._satellites.mean) * (1.0 - part + normal * math.sqrt(part)) ** 3
