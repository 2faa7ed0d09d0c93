"""The positioning engine: an epoch of the rover and one of the base in, one solution out.

Pure: no clock, no I/O. Live and recorded data go the same way, so the same epochs in the same
order give the same solutions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import msgspec
import numpy as np

from bdgw.geodesy import Ecef
from bdgw.model import FixKind
from bdgw.positioning.antenna import AntennaPair
from bdgw.positioning.base_parts import BaseParts
from bdgw.positioning.base_place import BasePlace
from bdgw.positioning.base_watch import BaseWatch
from bdgw.positioning.constellation import Constellation
from bdgw.positioning.ephemeris import EphemerisStore, Orbit
from bdgw.positioning.geometry import Place, place_of
from bdgw.positioning.ionosphere import Ionosphere
from bdgw.positioning.observation import ObservationEpoch
from bdgw.positioning.preparation import Surroundings
from bdgw.positioning.residual import Residual, differential_residuals, single_residuals
from bdgw.positioning.rtk import Rtk, RtkOptions
from bdgw.positioning.satellite import N_SYSTEM_SATELLITES, SYSTEMS
from bdgw.positioning.single_point import SinglePoint, SpOptions, solve_single
from bdgw.positioning.solution import (
    Solution,
    accuracy_of,
    enu_covariance,
    velocity_of,
)

__all__ = ["EngineOptions", "RtkEngine", "solution_of_single"]

_NEAR_S = 5.0
"""A place of so long ago is where to look from; a car at 30 m/s is then 150 m off."""
_JUMP_S = 60.0
_FARTHEST_M = 1e8
"""What is no position of a base near the Earth, NaN and infinity among it, is not taken."""


class EngineOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How to solve; ``systems`` are RINEX letters.

    A base's epoch older than ``max_age_s`` is not used. ``is_static`` says that the rover does
    not move, which makes the float solution converge. ``has_moving_base`` says that the base may
    move: it is told where it is every epoch, and is not watched. With ``has_residuals`` solutions
    have the residual of every range.
    """

    systems: str = "GRECJ"
    mask_deg: float = 15.0
    is_static: bool = False
    max_age_s: float = 30.0
    has_moving_base: bool = False
    has_residuals: bool = False


class RtkEngine:
    """One rover against one base. ``solve`` is called once an epoch of the rover, in their order.

    Sets of orbits come by ``add_orbit``, the base's position by ``set_base``; both at any time.
    """

    def __init__(self, options: EngineOptions | None = None) -> None:
        self.options = options or EngineOptions()
        self.store = EphemerisStore()
        self.ionosphere = Ionosphere()
        mask_rad = math.radians(self.options.mask_deg)
        self._constellation = Constellation(self.store)
        self._sp = SpOptions(mask_rad=mask_rad)
        self._base_place = BasePlace()
        self._watch = BaseWatch(self._base_place, is_moving=self.options.has_moving_base)
        self._rtk = Rtk(
            RtkOptions(fix_mask_rad=mask_rad, is_static=self.options.is_static),
            self._watch,
        )
        is_used = np.array([one in self.options.systems for one in SYSTEMS])
        # By satellite; a number beyond all systems meets the last one, which is none.
        self._is_used = np.append(is_used.repeat(N_SYSTEM_SATELLITES), False)
        self._parts = BaseParts(self.options.max_age_s)
        self._antennas: AntennaPair | None = None
        self._base: Place | None = None
        self._near: Place | None = None
        self._last: Solution | None = None

    def add_orbit(self, orbit: Orbit) -> None:
        """Take a broadcast set."""
        self.store.add(orbit)

    def set_base(self, ecef_m: Ecef) -> None:
        """Take the position of the base's antenna; another one than before begins anew."""
        if not all(abs(value) < _FARTHEST_M for value in ecef_m):
            return
        if self._watch.announce(ecef_m):
            self._rtk.reset()
        place = place_of(ecef_m)
        if self.options.has_moving_base and self._base is not None and self._near is not None:
            # The rover goes with the base, and what is known of the base jumps by metres.
            self._near = place_of(self._near.ecef_m + place.ecef_m - self._base.ecef_m)
        self._base = place

    def set_antennas(self, antennas: AntennaPair | None) -> None:
        """Take the antennas of both ends; positions of both are then those of reference points."""
        if antennas is not self._antennas:
            self._rtk.reset()
        self._antennas = antennas

    def reset(self) -> None:
        """Begin the differences anew; orbits and the base's position stay."""
        self._rtk.reset()

    def single(self, epoch: ObservationEpoch, near: Place | None = None) -> SinglePoint | None:
        """Solve one receiver alone, of either end, from ``near``; None where it cannot be."""
        self._constellation.choose(epoch.t_gpst_ns)
        with np.errstate(all="ignore"):
            return self._single(self._of_systems(epoch), near)

    def set_code_phase(
        self,
        *,
        rover_m: Mapping[int, float] | None = None,
        base_m: Mapping[int, float] | None = None,
    ) -> None:
        """Take GLONASS code-phase biases of an end, by signal; None leaves an end as it was.

        A bias is what must be added to the phases to bring them to the codes, in metres (RTCM
        10403.3, DF423 to DF426); it is 0 where that has been done. A signal that is not given is
        not known.
        """
        self._rtk.declare_code_phase(rover_m=rover_m, base_m=base_m)

    def solve(self, rover: ObservationEpoch, base: ObservationEpoch | None = None) -> Solution:
        """Solve one epoch of the rover with an epoch of the base, which may be an older one.

        An epoch whose time was solved before gives the same solution again; a time that goes
        back, or leaps, begins anew. Nothing is raised, whatever the observations are.
        """
        last = self._last
        if last is not None:
            elapsed_s = (rover.t_gpst_ns - last.t_gpst_ns) * 1e-9
            if elapsed_s == 0.0:
                return last
            if not 0.0 < elapsed_s <= _JUMP_S:
                self._rtk.reset()
            if not 0.0 < elapsed_s <= _NEAR_S:
                self._near = None
        with np.errstate(all="ignore"):
            solution = self._solve(self._of_systems(rover), base)
        self._last = solution
        self._near = None if solution.ecef_m is None else place_of(solution.ecef_m)
        return solution

    def _solve(self, rover: ObservationEpoch, base: ObservationEpoch | None) -> Solution:
        if base is not None and self._base_place.is_due(base.t_gpst_ns):
            here = self._of_systems(base)
            self._base_place.see(here, self._constellation, self.ionosphere)
        self._constellation.choose(rover.t_gpst_ns)
        why = "no base"
        if base is not None and self._base is not None:
            bases = self._parts.young(self._of_systems(base), rover.t_gpst_ns)
            if bases:
                found = self._differential(rover, bases, self._base)
                if found is not None:
                    return msgspec.structs.replace(found, base_check=self._base_place.check)
                why = "too few satellites in common"
            else:
                why = "base too old"
        single = self._single(rover, self._near)
        if single is None:
            return Solution(t_gpst_ns=rover.t_gpst_ns, why="no single point")
        solution = solution_of_single(rover.t_gpst_ns, single, why)
        return self._with_residuals(solution, lambda: single_residuals(single))

    def _differential(
        self, rover: ObservationEpoch, bases: list[ObservationEpoch], place: Place
    ) -> Solution | None:
        near = self._near
        if near is None:
            single = self._single(rover, None)
            if single is None:
                return None
            near = single.place
        try:
            around = Surroundings(
                self._constellation, self.ionosphere, place, self._sp.mask_rad, self._antennas
            )
            solution = self._rtk.solve(rover, bases, around, near)
        except np.linalg.LinAlgError:
            # Observations that no matrix can bear: nothing of them is kept.
            self._rtk.reset()
            return None
        details = self._rtk.details
        if solution is None or solution.ecef_m is None or details is None:
            return solution
        at_m = solution.ecef_m
        return self._with_residuals(solution, lambda: differential_residuals(details, at_m))

    def _with_residuals(
        self, solution: Solution, residuals: Callable[[], tuple[Residual, ...]]
    ) -> Solution:
        if not self.options.has_residuals:
            return solution
        return msgspec.structs.replace(solution, residuals=residuals())

    def _single(self, rover: ObservationEpoch, near: Place | None) -> SinglePoint | None:
        near_m = None if near is None else near.ecef_m
        try:
            return solve_single(rover, self._constellation, self.ionosphere, self._sp, near_m)
        except np.linalg.LinAlgError:
            return None

    def _of_systems(self, epoch: ObservationEpoch) -> ObservationEpoch:
        mask = self._is_used.take(epoch.satellite, mode="clip")
        return epoch if mask.all() else epoch.taken(mask)


def solution_of_single(t_gpst_ns: int, single: SinglePoint, why: str | None = None) -> Solution:
    """Say a single point as a solution; ``why`` there is no better one."""
    covariance_enu_m2 = enu_covariance(single.place, single.covariance)
    acc_h_m, acc_v_m = accuracy_of(covariance_enu_m2)
    x, y, z = single.place.ecef_m.tolist()
    return Solution(
        t_gpst_ns=t_gpst_ns,
        kind=FixKind.SINGLE,
        ecef_m=(x, y, z),
        velocity_m_s=velocity_of(single.velocity_m_s),
        acc_h_m=acc_h_m,
        acc_v_m=acc_v_m,
        covariance_enu_m2=covariance_enu_m2,
        sats_used=len(single.used),
        residual_m=single.residual_m,
        why=why,
    )
