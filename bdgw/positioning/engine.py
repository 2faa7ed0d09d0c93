"""The positioning engine: an epoch of the rover and one of the base in, one solution out.

Pure: no clock, no I/O. Live and recorded data go the same way, so the same epochs in the same
order give the same solutions.
"""

from __future__ import annotations

import math

import msgspec

from bdgw.model import FixKind
from bdgw.positioning.constellation import Constellation
from bdgw.positioning.ephemeris import EphemerisStore, Orbit
from bdgw.positioning.observation import ObservationEpoch
from bdgw.positioning.single_point import (
    Ionosphere,
    SinglePoint,
    SpOptions,
    solve_single,
)
from bdgw.positioning.solution import Solution, accuracy_of
from bdgw.rtcm.lock import FloatArray

__all__ = ["EngineOptions", "RtkEngine"]


class EngineOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How to solve; ``systems`` are RINEX letters."""

    systems: str = "GRECJ"
    mask_deg: float = 15.0
    is_static: bool = False
    max_age_s: float = 30.0


class RtkEngine:
    """One rover against one base. ``solve`` is called once an epoch of the rover, in their order.

    Sets of orbits come by ``add_orbit``, the base's position by ``set_base``; both at any time.
    """

    def __init__(self, options: EngineOptions | None = None) -> None:
        self.options = options or EngineOptions()
        self.store = EphemerisStore()
        self.ionosphere = Ionosphere()
        self._constellation = Constellation(self.store)
        self._sp = SpOptions(mask_rad=math.radians(self.options.mask_deg))
        self._near_m: FloatArray | None = None

    def add_orbit(self, orbit: Orbit) -> None:
        """Take a broadcast set."""
        self.store.add(orbit)

    def solve(self, rover: ObservationEpoch, base: ObservationEpoch | None = None) -> Solution:
        """Solve one epoch of the rover."""
        single = solve_single(rover, self._constellation, self.ionosphere, self._sp, self._near_m)
        if single is None:
            self._near_m = None
            return Solution(t_gpst_ns=rover.t_gpst_ns, why="no single point")
        self._near_m = single.place.ecef_m
        return _of_single(rover.t_gpst_ns, single)


def _of_single(t_gpst_ns: int, single: SinglePoint) -> Solution:
    acc_h_m, acc_v_m = accuracy_of(single.place, single.covariance)
    x, y, z = single.place.ecef_m.tolist()
    velocity = single.velocity_m_s
    return Solution(
        t_gpst_ns=t_gpst_ns,
        kind=FixKind.SINGLE,
        ecef_m=(x, y, z),
        velocity_m_s=None if velocity is None else tuple(velocity.tolist()),
        acc_h_m=acc_h_m,
        acc_v_m=acc_v_m,
        sats_used=len(single.used),
        residual_m=single.residual_m,
    )
