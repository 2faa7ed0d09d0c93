"""Rover against base, epoch by epoch: codes, float, whole numbers, and what may be said.

The order of an epoch: pairs; codes alone with exclusion; slips; float filter; whole numbers; the
gate; agreement with the epochs before. Each step may end it with what the step before gave.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from bdgw.model import FixKind
from bdgw.positioning.agreement import Agreement
from bdgw.positioning.ambiguity import AmbiguityFilter, FloatSolution
from bdgw.positioning.base_watch import BaseWatch
from bdgw.positioning.code_phase import CodePhase
from bdgw.positioning.double_difference import RangeSolution
from bdgw.positioning.fdma import lacks_level, levels_of
from bdgw.positioning.fixing import Fixing, Floated
from bdgw.positioning.geometry import Place
from bdgw.positioning.integers import candidates, rank
from bdgw.positioning.match import is_one_of, n_distinct
from bdgw.positioning.noise import Noise
from bdgw.positioning.observation import ObservationEpoch
from bdgw.positioning.pairing import Weights
from bdgw.positioning.phase_origin import PhaseOrigin
from bdgw.positioning.preparation import Prepared, Surroundings, normal_equations, prepare
from bdgw.positioning.residual import Details
from bdgw.positioning.sky_lean import SkyLean
from bdgw.positioning.slip import LONG_S, SlipDetector
from bdgw.positioning.solution import Solution, solution_at
from bdgw.positioning.three import squared_in
from bdgw.rtcm.observation import BoolArray

__all__ = ["Rtk", "RtkOptions"]

_FEWEST_PHASES = 4
_ASTRAY_CHI2 = 30.0


class RtkOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How to filter and when to believe.

    ``fix_mask_rad`` is the lowest elevation of phases that are fixed. What is known fades in
    ``memory_s``; an epoch is all new after ``new_s``. With little evidence ``n_epochs`` that span
    ``span_s`` must agree.
    """

    fix_mask_rad: float = math.radians(15.0)
    is_static: bool = False
    memory_s: float = 300.0
    new_s: float = 20.0
    n_epochs: int = 5
    span_s: float = 9.0


class Rtk:
    """The memory of one rover against one base."""

    def __init__(self, options: RtkOptions, watch: BaseWatch) -> None:
        self._options = options
        self._filter = AmbiguityFilter(memory_s=options.memory_s)
        self._origin = PhaseOrigin()
        self._slips = SlipDetector()
        self._agreed = Agreement(
            n_epochs=options.n_epochs, span_s=options.span_s, memory_s=options.memory_s
        )
        self._code_phase = CodePhase(n_epochs=options.n_epochs, span_s=options.span_s)
        self._watch = watch
        self._last_s: float | None = None
        self._last_base_ns: set[int] = set()
        self._watched_ns = 0
        self._code_noise = Noise()
        self._lean = SkyLean(memory_s=options.memory_s, new_s=options.new_s)
        self._fixing = Fixing(self._agreed, self._code_phase, self._lean, self._solve_float)
        self._anchor: Place | None = None
        self._is_fresh = np.zeros(0, dtype=np.bool_)
        self.details: Details | None = None
        """The last epoch as it was solved, for its residuals."""

    def reset(self) -> None:
        """Begin anew, as after a jump of time or another base."""
        self._filter.reset()
        self._slips.reset()
        self._agreed.reset()
        self._code_phase.reset()
        self._lean.reset()
        self._last_s = self._anchor = None
        self._fixing.take_changed()
        self._last_base_ns = set()

    def declare_code_phase(
        self,
        *,
        rover_m: Mapping[int, float] | None = None,
        base_m: Mapping[int, float] | None = None,
    ) -> None:
        """Take the GLONASS code-phase biases of an end by signal; None leaves it as it was."""
        self._code_phase.declare(rover_m=rover_m, base_m=base_m)

    def solve(
        self,
        rover: ObservationEpoch,
        bases: Sequence[ObservationEpoch],
        around: Surroundings,
        near: Place,
    ) -> Solution | None:
        """Solve an epoch with the rover within 100 m of ``near``; None where no code solution."""
        self.details = None
        place = self._anchor or near
        phase_noise = self._fixing.vouching.phases
        prepared = prepare(rover, bases, around, place, self._code_noise, phase_noise)
        if prepared is None:
            return None
        prepared = prepared._replace(pairs=self._origin.near_codes(prepared.pairs))
        self.details = Details(prepared, None)
        if self._options.is_static and prepared.place is not self._anchor:
            # The state holds the step from the anchor: another one begins another state.
            self._filter.reset()
            self._anchor = prepared.place
        newest_ns = int(prepared.pairs.base_ns.max())
        if newest_ns != self._watched_ns:
            self._watched_ns = newest_ns
            is_new = prepared.pairs.base_ns == newest_ns
            new, groups = prepared.pairs, prepared.groups
            if not is_new.all():
                new, groups = new.taken(is_new), groups.taken(is_new)
            if self._watch.see(newest_ns * 1e-9, new, groups):
                self.reset()
        t_s = rover.t_gpst_ns * 1e-9
        elapsed_s = 0.0 if self._last_s is None else t_s - self._last_s
        self._last_s = t_s
        floating, allowed = self._float(elapsed_s, prepared)
        if floating is not None and _is_astray(floating, prepared.ranges):
            # The codes of this epoch deny what the filter has come to: let go.
            self._filter.reset()
            self._agreed.reset()
            self._code_phase.forget()
            floating, allowed = self._float(0.0, prepared)
        if floating is None:
            return _of_codes(rover.t_gpst_ns, prepared)
        n_satellites = n_distinct(prepared.pairs.satellite[prepared.weights.phase > 0.0])
        if n_satellites < _FEWEST_PHASES:
            return _of_codes(rover.t_gpst_ns, prepared)
        said = solution_at(
            rover.t_gpst_ns,
            FixKind.RTK_FLOAT,
            prepared,
            floating.step_m,
            floating.covariance[:3, :3],
            n_satellites,
        )
        epoch = Floated(prepared, floating, said, allowed, self._is_fresh)
        if self._watch.doubt is not None:
            return epoch.without(self._watch.doubt)
        solution, evidence = self._fixing.fix(epoch)
        self.details = Details(prepared, evidence)
        return solution

    def _float(
        self, elapsed_s: float, prepared: Prepared
    ) -> tuple[FloatSolution | None, BoolArray]:
        """Take the epoch into the filter and solve it; give the pairs that may be fixed too."""
        pairs, weights, groups = prepared.pairs, prepared.weights, prepared.groups
        slipped = self._slips.find(pairs, groups, elapsed_s)
        changed = self._fixing.take_changed()
        if len(changed):
            slipped |= is_one_of(pairs.key, changed)
        has_phase = weights.phase > 0.0
        self._agreed.forget(pairs.key[slipped])
        if elapsed_s > LONG_S:
            self._agreed.pause()
        self._is_fresh = slipped
        self._filter.begin(elapsed_s, pairs.key, slipped | ~has_phase)
        matrix, vector = normal_equations(pairs, weights, groups)
        self._filter.add(matrix, vector)
        base_ns = set(pairs.base_ns.tolist())
        part = 1.0
        if elapsed_s > 0.0:
            # Multipath changes slowly: of an epoch soon after another only a part is new. With
            # the base's epoch of before nothing is, as its noise is in already.
            part = min(1.0, elapsed_s / self._options.new_s)
            old = base_ns & self._last_base_ns
            if old:
                is_new = ~is_one_of(pairs.base_ns, list(old))
                fresh = Weights(weights.code * is_new, weights.phase * is_new)
                matrix, vector = normal_equations(pairs, fresh, groups)
        self._filter.keep(matrix, vector, part, moves=not self._options.is_static)
        self._last_base_ns = base_ns
        allowed = (
            has_phase
            & ~pairs.is_half_cycle
            & (pairs.elevation_rad >= self._options.fix_mask_rad)
            & ~lacks_level(pairs, weights, prepared.is_own)
        )
        return self._solve_float(prepared, allowed), allowed

    def _solve_float(self, prepared: Prepared, allowed: BoolArray) -> FloatSolution | None:
        pairs, is_own = prepared.pairs, prepared.is_own
        if not is_own.any():
            ranked = rank(pairs.elevation_rad, pairs.group, allowed)
            return self._filter.solve(ranked.zero, candidates(ranked))
        # They are searched after the others, but always while their level is not known: only
        # whole numbers tell it.
        ranked = rank(pairs.elevation_rad - 2.0 * is_own, pairs.group, allowed)
        levels = levels_of(pairs, prepared.weights, ranked.zero, is_own, self._code_phase)
        unknown = [level.group for level in levels if not level.bias.is_known]
        beside = is_own & is_one_of(pairs.group, unknown) if unknown else None
        return self._filter.solve(ranked.zero, candidates(ranked, beside), levels)


def _is_astray(floating: FloatSolution, ranges: RangeSolution) -> bool:
    """Whether float solution and codes of the epoch contradict each other."""
    apart = floating.step_m - ranges.step_m
    both = ranges.covariance + floating.covariance[:3, :3]
    return squared_in(both, apart) > _ASTRAY_CHI2


def _of_codes(t_gpst_ns: int, prepared: Prepared) -> Solution:
    ranges, n_satellites = prepared.ranges, n_distinct(prepared.pairs.satellite)
    return solution_at(
        t_gpst_ns, FixKind.DGNSS, prepared, ranges.step_m, ranges.covariance, n_satellites
    )
