"""The velocity of a receiver from its Doppler, independent of any ambiguity.

Rate of a range = (v_s - v_r) . direction + rate of the turn of the Earth - rate of the satellite's
clock + rate of the receiver's (IS-GPS-200, clause 20.3.3.4.3, differentiated).
"""

from __future__ import annotations

import numpy as np

from bdgw.positioning.constellation import SatelliteStates
from bdgw.positioning.double_difference import Groups, solve_ranges
from bdgw.positioning.geometry import Place, View
from bdgw.positioning.orbit import EARTH_OMEGA_RAD_S
from bdgw.rtcm.lock import FloatArray
from bdgw.rtcm.observation import SPEED_OF_LIGHT_M_S

__all__ = ["satellite_rate_m_s", "solve_velocity"]

_NOISE_M_S = 0.05
_LIMIT = 4.5
_FEWEST = 5


def satellite_rate_m_s(place: Place, states: SatelliteStates, view: View) -> FloatArray:
    """Give the part of each rate that the satellite makes, for a receiver that stands still."""
    velocity = states.velocity_m_s
    x, y, _ = place.ecef_m.tolist()
    turn = (velocity[:, 0] * y - velocity[:, 1] * x) * (EARTH_OMEGA_RAD_S / SPEED_OF_LIGHT_M_S)
    along: FloatArray = np.einsum("ij,ij->i", velocity, view.direction)
    rate: FloatArray = along + turn - SPEED_OF_LIGHT_M_S * states.clock_rate_s_s
    return rate


def solve_velocity(
    design: FloatArray, rate_m_s: FloatArray, elevation_rad: FloatArray
) -> FloatArray | None:
    """Solve velocity (3,), Earth-fixed, from rates less the satellites'; None with too few.

    ``design`` is the derivative of a range by the receiver's position.
    """
    known = np.isfinite(rate_m_s)
    if np.count_nonzero(known) < _FEWEST:
        return None
    weight = np.where(known, (np.sin(np.maximum(elevation_rad, 0.1)) / _NOISE_M_S) ** 2, 0.0)
    one = Groups(np.ones((1, len(rate_m_s))), np.zeros(len(rate_m_s), dtype=np.int64))
    solved = solve_ranges(
        design, rate_m_s, weight, one, limit=_LIMIT, max_excluded=len(rate_m_s) // 3
    )
    return None if solved is None else solved.step_m
