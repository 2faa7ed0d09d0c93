"""What the strength of a signal says of the noise of its phase.

A signal that is bent round an obstacle is weak for its elevation: its phase may be far off.
"""

from __future__ import annotations

import math

import numpy as np

from bdgw.rtcm.lock import FloatArray

__all__ = ["strength_noise_m2"]

_PER_DB = -math.log(10.0) / 10.0
_M2_HZ = 0.224
"""For L1 and a loop of 10 Hz: 3.8 mm at 42 dB-Hz."""
_LEAST_OF_BEST_DBHZ = 30.0
"""The strongest of many signals is stronger. Else it is another unit: the values of RINEX 2.11 may
be raw ones of the receiver, or the digits 1 to 9."""


def strength_noise_m2(cn0_dbhz: FloatArray) -> FloatArray:
    """Give the variance of a phase, C 10^(-CN0/10); 0 where the strength is not known.

    It takes the signals of one end. Source: Hartinger and Brunner (1999), GPS Solutions 2, model
    SIGMA-e.
    """
    is_known = np.isfinite(cn0_dbhz) & (cn0_dbhz > 0.0)
    if float(np.max(cn0_dbhz, where=is_known, initial=0.0)) < _LEAST_OF_BEST_DBHZ:
        return np.zeros(len(cn0_dbhz))
    return np.where(is_known, _M2_HZ * np.exp(cn0_dbhz * _PER_DB), 0.0)
