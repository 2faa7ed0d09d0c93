"""The broadcast ionosphere on L1, by whichever models are known.

BeiDou satellites are computed with BeiDou's model where it is known, all others with that of GPS;
where only one is known it serves all. Another carrier has (f_L1/f)^2 times the delay.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bdgw.positioning.atmosphere import Klobuchar, klobuchar_bds_m, klobuchar_gps_m
from bdgw.rtcm.lock import FloatArray
from bdgw.rtcm.observation import BoolArray, IntArray

__all__ = ["L1_HZ", "Ionosphere", "delay_on_l1_m"]

L1_HZ = 1575.42e6
_B1I_TO_L1 = (1561.098e6 / L1_HZ) ** 2
_WEEK_NS = 604_800_000_000_000
_BDT_NS = 14_000_000_000


class Ionosphere(NamedTuple):
    """Broadcast models; None where none is known."""

    gps: Klobuchar | None = None
    bds: Klobuchar | None = None

    def heard(self, system: str, model: Klobuchar) -> Ionosphere:
        """Give the models with a newer one of a system; only BeiDou's is of another form."""
        return self._replace(bds=model) if system == "C" else self._replace(gps=model)


def delay_on_l1_m(
    ionosphere: Ionosphere,
    lat_rad: float | FloatArray,
    lon_rad: float | FloatArray,
    azimuth_rad: FloatArray,
    elevation_rad: FloatArray,
    t_gpst_ns: int | IntArray,
    is_bds: BoolArray,
) -> tuple[FloatArray, bool]:
    """Give the delay of each satellite in metres, and whether any model is known (else 0).

    ``lat_rad`` and ``lon_rad`` of the receiver and the time are of all, or of each.
    """
    found = np.zeros(len(azimuth_rad))
    if ionosphere.gps is not None:
        tow_s = _of_week_s(t_gpst_ns)
        found = klobuchar_gps_m(ionosphere.gps, lat_rad, lon_rad, azimuth_rad, elevation_rad, tow_s)
    if ionosphere.bds is not None:
        sow_s = _of_week_s(t_gpst_ns - _BDT_NS)
        on_b1i = klobuchar_bds_m(
            ionosphere.bds, lat_rad, lon_rad, azimuth_rad, elevation_rad, sow_s
        )
        of_bds = on_b1i * _B1I_TO_L1
        found = of_bds if ionosphere.gps is None else np.where(is_bds, of_bds, found)
    return found, ionosphere != (None, None)


def _of_week_s(t_ns: int | IntArray) -> FloatArray:
    return np.asarray(t_ns % _WEEK_NS, dtype=np.float64) * 1e-9
