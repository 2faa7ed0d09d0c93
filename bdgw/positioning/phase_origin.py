"""From where phases are counted: near their codes, whatever the receivers count from.

Some receivers count a phase from the code on, others from 0 when they find the signal: single
differences of phases may then be 20,000 km off those of the codes. Whole cycles do not matter to
anything, but the size of the numbers does: the float filter has a weak prior at 0, and sums of
weighted metres lose their last digits. So whole cycles are taken off, the same ones of an arc.

Some receivers put their clock right in steps of a millisecond, 300 km, in the codes alone. What is
common to all phases does not matter either, but for GLONASS, where the codes tell how phases of
different wavelengths belong together: the step is put into the phases as well.
"""

from __future__ import annotations

import numpy as np

from bdgw.positioning.match import common, distinct
from bdgw.positioning.pairing import Pairs
from bdgw.rtcm.lock import FloatArray
from bdgw.rtcm.observation import SPEED_OF_LIGHT_M_S, BoolArray

__all__ = ["PhaseOrigin"]

_FAR_M = 1000.0
"""Farther from the codes than any delay between code and phase; nearer nothing is taken off."""
_STEP_M = 1e-3 * SPEED_OF_LIGHT_M_S


class PhaseOrigin:
    """Remembers what is taken off each pair; it stays the same as long as the pair is there."""

    def __init__(self) -> None:
        self._key = np.zeros(0, dtype=np.int64)
        self._cycles = np.zeros(0)
        self._steps = 0.0

    def near_codes(self, pairs: Pairs) -> Pairs:
        """Give the pairs with their phases near their codes."""
        cycles = np.zeros(len(pairs.key))
        is_known = np.zeros(len(pairs.key), dtype=np.bool_)
        now, then = common(pairs.key, self._key)
        cycles[now], is_known[now] = self._cycles[then], True
        wave_m = pairs.wavelength_m
        off_m = pairs.phase_m + self._steps * _STEP_M - pairs.code_m - cycles * wave_m
        if (np.abs(off_m) > _FAR_M).any():
            is_finite = np.isfinite(off_m)
            is_known &= is_finite
            stepped = _steps_of(off_m[is_known])
            self._steps -= stepped
            off_m -= stepped * _STEP_M
            # What the known ones of a group have in common with a new one is the clocks'.
            off_m -= _in_common(pairs, off_m, is_known)
            is_far = is_finite & (np.abs(off_m) > _FAR_M)
            cycles[is_far] += np.rint(off_m[is_far] / wave_m[is_far])
        self._key, self._cycles = pairs.key, cycles
        if self._steps == 0.0 and not cycles.any():
            return pairs
        return pairs._replace(phase_m=pairs.phase_m + self._steps * _STEP_M - cycles * wave_m)


def _steps_of(off_m: FloatArray) -> float:
    """Tell by how many milliseconds phases have come off their codes; 0 where it is no such."""
    middle_m = float(np.median(off_m)) if len(off_m) else 0.0
    steps = float(np.rint(middle_m / _STEP_M))
    return steps if abs(middle_m - steps * _STEP_M) <= _FAR_M else 0.0


def _in_common(pairs: Pairs, off_m: FloatArray, is_known: BoolArray) -> FloatArray:
    """Give what the known pairs of each group are off in the middle, 0 where none is known."""
    found = np.zeros(len(off_m))
    for group in distinct(pairs.group[is_known]):
        mine = pairs.group == group
        found[mine] = np.median(off_m[mine & is_known])
    return found
