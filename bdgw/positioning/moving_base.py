"""Two antennas on one vehicle: the baseline from one to the other, wherever both are.

The base's position is its own single point of every epoch, unless a better one is known. That it
is off by metres does not matter to the baseline: an error of the base moves both ends, and what is
left is baseline x error / distance of a satellite, 0.5 micrometres for one metre and ten.

Both ends must have measured at the same instant. Receivers do so only up to their clocks, which
may be a millisecond off, 3 cm of a vehicle at 30 m/s: the baseline is freed of what the base
travelled between the two true instants.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np

from bdgw.model import FixKind
from bdgw.positioning.baseline import Attitude, attitude_of
from bdgw.positioning.engine import EngineOptions, RtkEngine, solution_of_single
from bdgw.positioning.ephemeris import Orbit
from bdgw.positioning.geometry import Place, place_of
from bdgw.positioning.observation import ObservationEpoch
from bdgw.positioning.residual import Residual
from bdgw.positioning.single_point import SinglePoint
from bdgw.positioning.solution import Covariance, Solution
from bdgw.rtcm.lock import FloatArray

__all__ = ["SAME_NS", "BaselineSolution", "MovingBase", "MovingBaseOptions"]

SAME_NS = 10_000_000
"""Receivers steer their clocks to a few milliseconds; what is farther apart is not one instant."""
_SPEED_M_S = 0.3
"""Standard deviation of a speed by Doppler, and of what turning does to the other end's."""
_UNKNOWN_SPEED_M_S = 10.0
"""That of a speed that no Doppler tells."""
_UNKNOWN_CLOCK_S = 1e-3
_LENGTH_M = 0.01
"""How well a length is measured by hand, and how much phase centres of two antennas differ."""
_LENGTH_SIGMAS = 4.0


class MovingBaseOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How to solve; ``systems`` are RINEX letters.

    ``length_m`` is how far the antennas are apart, where that is known: a baseline of another
    length is not published as fixed. ``offset_deg`` is added to the heading.
    With ``has_residuals`` solutions have the residual of every range.
    """

    systems: str = "GRECJ"
    mask_deg: float = 15.0
    length_m: float | None = None
    offset_deg: float = 0.0
    has_residuals: bool = False


class BaselineSolution(msgspec.Struct, frozen=True, kw_only=True):
    """The vector from the base's antenna to the rover's at the true instant of the rover.

    ``kind`` is what is known of the vector: fixed, float, by codes, or none. ``enu_m`` and
    ``covariance_enu_m2`` are in the local frame of the base. ``attitude`` is there only where the
    vector is fixed. ``rover`` is where the rover is: the base's position and the vector; its kind
    is that of the base's position. ``residual_m``, ``ratio``, ``n_fixed`` and ``why`` are those of
    the vector.
    """

    t_gpst_ns: int
    kind: FixKind
    rover: Solution
    enu_m: tuple[float, float, float] | None = None
    covariance_enu_m2: Covariance | None = None
    attitude: Attitude | None = None
    ratio: float | None = None
    residual_m: float | None = None
    sats_used: int = 0
    n_fixed: int = 0
    residuals: tuple[Residual, ...] | None = None
    why: str | None = None


class MovingBase:
    """One pair of antennas. ``solve`` is called once an epoch, in their order."""

    def __init__(self, options: MovingBaseOptions | None = None) -> None:
        self.options = options or MovingBaseOptions()
        self.engine = RtkEngine(
            EngineOptions(
                systems=self.options.systems,
                mask_deg=self.options.mask_deg,
                max_age_s=SAME_NS * 1e-9,
                has_moving_base=True,
                has_residuals=self.options.has_residuals,
            )
        )
        self._near: Place | None = None

    def add_orbit(self, orbit: Orbit) -> None:
        """Take a broadcast set."""
        self.engine.add_orbit(orbit)

    def solve(
        self,
        rover: ObservationEpoch,
        base: ObservationEpoch | None,
        base_fix: Solution | None = None,
    ) -> BaselineSolution:
        """Solve the vector of one instant; ``base_fix`` is where the base is, if that is known.

        A base's epoch of another instant, or none, gives no vector, only where the rover is.
        """
        if base is None or abs(rover.t_gpst_ns - base.t_gpst_ns) > SAME_NS:
            return _none(self.engine.solve(rover), "no epoch of the base of this instant")
        single = self.engine.single(base, self._near)
        known = _of_instant(base_fix, base.t_gpst_ns)
        if known is None and single is not None:
            known = solution_of_single(base.t_gpst_ns, single)
        if known is None or known.ecef_m is None:
            return _none(self.engine.solve(rover), "no position of the base")
        self.engine.set_base(known.ecef_m)
        solved = self.engine.solve(rover, base)
        if solved.ecef_m is None or solved.age_s is None:
            return _none(solved, solved.why or "no vector")
        at = self._near = place_of(known.ecef_m)
        step_m, spread_m2 = self._travel(rover, base, single)
        return self._judged(solved, known, at, solved.ecef_m - at.ecef_m - step_m, spread_m2)

    def _travel(
        self, rover: ObservationEpoch, base: ObservationEpoch, single: SinglePoint | None
    ) -> tuple[FloatArray, float]:
        """Give what the base moved from its instant to the rover's, and the variance of that."""
        own = self.engine.single(rover, self._near)
        apart_s = (rover.t_gpst_ns - base.t_gpst_ns) * 1e-9
        if own is None or single is None:
            return np.zeros(3), (_UNKNOWN_SPEED_M_S * (abs(apart_s) + _UNKNOWN_CLOCK_S)) ** 2
        # The true instant is the tag less the error of the clock.
        apart_s += single.clock_s - own.clock_s
        velocity_m_s = own.velocity_m_s if single.velocity_m_s is None else single.velocity_m_s
        if velocity_m_s is None:
            return np.zeros(3), (_UNKNOWN_SPEED_M_S * apart_s) ** 2
        return velocity_m_s * apart_s, (_SPEED_M_S * apart_s) ** 2

    def _judged(
        self, solved: Solution, base: Solution, at: Place, vector_m: FloatArray, spread_m2: float
    ) -> BaselineSolution:
        options, kind, why = self.options, solved.kind, solved.why
        east, north, up = (at.to_enu @ vector_m).tolist()
        ee, en, eu, nn, nu, uu = solved.covariance_enu_m2 or (math.inf,) * 6
        covariance = (ee + spread_m2, en, eu, nn + spread_m2, nu, uu + spread_m2)
        attitude = attitude_of((east, north, up), covariance, offset_deg=options.offset_deg)
        if kind is FixKind.RTK_FIXED:
            why = _length_refusal(attitude, options.length_m)
            if why is not None:
                # Numbers that gave a wrong length would be found again from the same state.
                kind = FixKind.RTK_FLOAT
                self.engine.reset()
        x, y, z = (at.ecef_m + vector_m).tolist()
        place = msgspec.structs.replace(
            base,
            t_gpst_ns=solved.t_gpst_ns,
            ecef_m=(x, y, z),
            velocity_m_s=solved.velocity_m_s,
            residuals=None,
        )
        return BaselineSolution(
            t_gpst_ns=solved.t_gpst_ns,
            kind=kind,
            rover=place,
            enu_m=(east, north, up),
            covariance_enu_m2=covariance,
            attitude=attitude if kind is FixKind.RTK_FIXED else None,
            ratio=solved.ratio,
            residual_m=solved.residual_m,
            sats_used=solved.sats_used,
            n_fixed=solved.n_fixed,
            residuals=solved.residuals,
            why=why,
        )


def _none(alone: Solution, why: str) -> BaselineSolution:
    return BaselineSolution(t_gpst_ns=alone.t_gpst_ns, kind=FixKind.NONE, rover=alone, why=why)


def _of_instant(fix: Solution | None, t_gpst_ns: int) -> Solution | None:
    return None if fix is None or abs(fix.t_gpst_ns - t_gpst_ns) > SAME_NS else fix


def _length_refusal(attitude: Attitude | None, length_m: float | None) -> str | None:
    """Say why a fixed vector is not believed, by what is known of its length."""
    if attitude is None:
        return "a baseline without length"
    if length_m is None:
        return None
    bound_m = _LENGTH_M + _LENGTH_SIGMAS * attitude.acc_length_m
    if abs(attitude.length_m - length_m) <= bound_m:
        return None
    return f"{attitude.length_m:.3f} m long, and not {length_m:.3f} m"
