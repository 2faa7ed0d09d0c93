"""Group delays of signals against the broadcast clock.

What is given is subtracted from a pseudorange. Signals whose delay is not broadcast in the set that
serves the satellite (L5, B1C and B2a with a legacy one, B1I with a modern one, B2b and E6 with any)
are NaN: they are not used in a single point.

Sources: IS-GPS-200, clause 20.3.3.3.3.2 (L1: TGD, L2: (f1/f2)^2 TGD); IS-QZSS-PNT-004, clause
5.8.2; Galileo OS SIS ICD 2.0, clause 5.1.5 (I/NAV clock is of E1/E5b, F/NAV of E1/E5a);
BDS-SIS-ICD-B1I-3.0, clause 5.2.4.10 (clock is of B3I); GLONASS ICD 5.1, clause 4.4 (clock is of
L1).
"""

from __future__ import annotations

import numpy as np

from bdgw.positioning.constellation import Constellation
from bdgw.positioning.satellite import (
    BDS,
    GALILEO,
    GLONASS,
    GPS,
    N_SIGNALS,
    N_SYSTEM_SATELLITES,
    QZSS,
    band_of,
)
from bdgw.rtcm.lock import FloatArray
from bdgw.rtcm.observation import SPEED_OF_LIGHT_M_S, BoolArray, IntArray

__all__ = ["group_delay_m"]

_F1 = 1575.42
_L2 = (_F1 / 1227.60) ** 2
_E5A = (_F1 / 1176.45) ** 2
_E5B = (_F1 / 1207.14) ** 2
_BDS_TWO_LAST = 16


def group_delay_m(
    constellation: Constellation, satellite: IntArray, signal: IntArray
) -> FloatArray:
    """Give the delay of each cell in metres, NaN where it is not known."""
    system, number = np.divmod(satellite, N_SYSTEM_SATELLITES)
    band = band_of(signal)
    first_s, second_s = constellation.group_delay_s[satellite].T
    delay_s = np.full(len(satellite), np.nan)
    is_gps = (system == GPS) | (system == QZSS)
    _put(delay_s, is_gps & (band == 1), first_s)
    _put(delay_s, is_gps & (band == 2), _L2 * first_s)
    _put(delay_s, (system == GLONASS) & (band == 1), np.zeros_like(first_s))
    is_galileo = system == GALILEO
    own_s = np.where(constellation.is_fnav[satellite], first_s, second_s)
    _put(delay_s, is_galileo & (band == 1), own_s)
    _put(delay_s, is_galileo & (band == 5), own_s + (_E5A - 1.0) * first_s)
    _put(delay_s, is_galileo & (band == 7), own_s + (_E5B - 1.0) * second_s)
    is_bds = system == BDS
    _put(delay_s, is_bds & (band == 2), first_s)
    _put(delay_s, is_bds & (band == 6), np.zeros_like(first_s))
    _put(delay_s, is_bds & (band == 7) & (number <= _BDS_TWO_LAST), second_s)
    known = constellation.delay_cell
    if len(known):
        cell = N_SIGNALS * satellite + signal
        at = np.minimum(np.searchsorted(known, cell), len(known) - 1)
        _put(delay_s, known[at] == cell, constellation.delay_of_cell_s[at])
    return delay_s * SPEED_OF_LIGHT_M_S


def _put(target: FloatArray, where: BoolArray, values: FloatArray) -> None:
    target[where] = values[where]
