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
from bdgw.positioning.agreement import Agreement, Verdict
from bdgw.positioning.ambiguity import AmbiguityFilter, FloatSolution
from bdgw.positioning.base_watch import BaseWatch
from bdgw.positioning.code_phase import CodePhase
from bdgw.positioning.double_difference import RangeSolution
from bdgw.positioning.fdma import has_own_carriers, lacks_level, levels_of
from bdgw.positioning.fix_gate import Evidence, examine, n_to_spare, of_known
from bdgw.positioning.geometry import Place
from bdgw.positioning.held_out import HeldOut
from bdgw.positioning.integers import Resolved, Resolver, candidates, zeros
from bdgw.positioning.match import is_one_of, n_distinct
from bdgw.positioning.noise import Noise
from bdgw.positioning.observation import ObservationEpoch
from bdgw.positioning.pairing import Weights
from bdgw.positioning.preparation import Prepared, Surroundings, normal_equations, prepare
from bdgw.positioning.residual import Details
from bdgw.positioning.slip import LONG_S, SlipDetector
from bdgw.positioning.solution import (
    Solution,
    accuracy_of,
    enu_covariance,
    velocity_of,
)
from bdgw.positioning.three import squared_in
from bdgw.positioning.vouch import Vouching
from bdgw.rtcm.lock import FloatArray
from bdgw.rtcm.observation import BoolArray

__all__ = ["Rtk", "RtkOptions"]

_FEWEST_PHASES = 4
_RATIO = 3.0
_ASTRAY_CHI2 = 30.0
_FIX_SIGMA_M = 0.03


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
        self._slips = SlipDetector()
        self._resolver = Resolver()
        self._held = HeldOut()
        self._agreed = Agreement(
            n_epochs=options.n_epochs, span_s=options.span_s, memory_s=options.memory_s
        )
        self._code_phase = CodePhase(n_epochs=options.n_epochs, span_s=options.span_s)
        self._watch = watch
        self._last_s: float | None = None
        self._last_base_ns: set[int] = set()
        self._watched_ns = 0
        self._code_noise, self._vouching = Noise(), Vouching()
        self._anchor: Place | None = None
        self._changed = np.zeros(0, dtype=np.int64)
        self._is_fresh = np.zeros(0, dtype=np.bool_)
        self.details: Details | None = None
        """The last epoch as it was solved, for its residuals."""

    def reset(self) -> None:
        """Begin anew, as after a jump of time or another base."""
        self._filter.reset()
        self._slips.reset()
        self._agreed.reset()
        self._code_phase.reset()
        self._last_s = self._anchor = None
        self._changed = np.zeros(0, dtype=np.int64)
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
        prepared = prepare(rover, bases, around, place, self._code_noise, self._vouching.phases)
        if prepared is None:
            return None
        self.details = Details(prepared, None)
        if self._options.is_static and prepared.place is not self._anchor:
            # The state holds the step from the anchor: another one begins another state.
            self._filter.reset()
            self._anchor = prepared.place
        newest_ns = int(prepared.pairs.base_ns.max())
        if newest_ns != self._watched_ns:
            self._watched_ns = newest_ns
            is_new = prepared.pairs.base_ns == newest_ns
            new = prepared.pairs if is_new.all() else prepared.pairs.taken(is_new)
            if self._watch.see(newest_ns * 1e-9, new):
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
        as_float = _solution(
            rover.t_gpst_ns,
            FixKind.RTK_FLOAT,
            prepared,
            floating.step_m,
            floating.covariance[:3, :3],
            n_satellites,
        )
        return self._fix(as_float, floating, prepared, allowed)

    def _float(
        self, elapsed_s: float, prepared: Prepared
    ) -> tuple[FloatSolution | None, BoolArray]:
        """Take the epoch into the filter and solve it; give the pairs that may be fixed too."""
        pairs, weights, groups = prepared.pairs, prepared.weights, prepared.groups
        slipped = self._slips.find(pairs, groups, elapsed_s)
        slipped |= is_one_of(pairs.key, self._changed)
        self._changed = self._changed[:0]
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
            & ~lacks_level(pairs, weights)
        )
        return self._solve_float(prepared, allowed), allowed

    def _solve_float(self, prepared: Prepared, allowed: BoolArray) -> FloatSolution | None:
        pairs = prepared.pairs
        is_own = has_own_carriers(pairs)
        if not is_own.any():
            return self._filter.solve(*candidates(pairs.elevation_rad, pairs.group, allowed))
        # They are searched after the others, but always while their level is not known: only
        # whole numbers tell it.
        worth = pairs.elevation_rad - 2.0 * is_own
        zero = zeros(worth, pairs.group, allowed)
        levels = levels_of(pairs, prepared.weights, zero, is_own, self._code_phase)
        unknown = [level.group for level in levels if not level.bias.is_known]
        beside = is_own & is_one_of(pairs.group, unknown)
        return self._filter.solve(*candidates(worth, pairs.group, allowed, beside), levels)

    def _fix(
        self,
        as_float: Solution,
        floating: FloatSolution,
        prepared: Prepared,
        allowed: BoolArray,
    ) -> Solution:
        if self._watch.doubt is not None:
            return _with_reason(as_float, self._watch.doubt)
        pairs = prepared.pairs
        settled = allowed & ~self._is_fresh
        if self._vouching.is_plenty(n_to_spare(pairs.satellite[settled])):
            # The first phase of an arc can be checked against none before it.
            allowed = settled
        known = self._recall(floating, prepared, allowed)
        first: Solution | None = None
        for left_out in self._held.trials(pairs.satellite[allowed]):
            some, solved = allowed, floating
            if left_out:
                some = allowed & ~is_one_of(pairs.satellite, left_out)
                again = self._solve_float(prepared, some)
                if again is None:
                    break
                solved = again
            attempt = self._try(as_float, solved, prepared, some)
            if not isinstance(attempt, Solution):
                self._held.succeed(left_out)
                return self._publish(as_float, *attempt, prepared, floating, some, known)
            first = first or attempt
            if attempt.ratio is None or attempt.ratio <= 1.0 or known is not None:
                break
        if known is not None:
            return self._publish(as_float, *known, prepared, floating, allowed, known)
        self._agreed.fail()
        if first is not None and first.ratio is not None:
            self._code_phase.fail()
        return first or as_float

    def _recall(
        self, floating: FloatSolution, prepared: Prepared, allowed: BoolArray
    ) -> tuple[Resolved, Evidence] | None:
        """Try the whole numbers that are proven by epochs before."""
        pairs, weights, groups = prepared.pairs, prepared.weights, prepared.groups
        t_s = float(self._last_s or 0.0)
        is_known, cycles = self._agreed.known(t_s, pairs.key)
        is_known &= allowed & ~has_own_carriers(pairs)
        if not self._vouching.may_try(n_to_spare(pairs.satellite[is_known])):
            return None
        resolved = of_known(floating, pairs, weights, groups, is_known, cycles)
        if resolved is None or resolved.ratio < _RATIO:
            return None
        evidence = examine(resolved, floating, pairs, weights, groups, allowed)
        return None if evidence is None or evidence.refusal is not None else (resolved, evidence)

    def _try(
        self,
        as_float: Solution,
        floating: FloatSolution,
        prepared: Prepared,
        allowed: BoolArray,
    ) -> tuple[Resolved, Evidence] | Solution:
        """Search whole numbers among some of the pairs; the float solution where it fails."""
        pairs = prepared.pairs
        resolved = self._resolver.resolve(floating, pairs.key, pairs.wavelength_m)
        if resolved is None:
            return _with_reason(as_float, "too few or too imprecise ambiguities")
        as_float = msgspec.structs.replace(as_float, ratio=resolved.ratio)
        if resolved.ratio < _RATIO:
            return _with_reason(as_float, "ratio")
        weights, groups = prepared.weights, prepared.groups
        evidence = examine(resolved, floating, pairs, weights, groups, allowed)
        if evidence is None or evidence.refusal is not None:
            return _with_reason(as_float, (evidence and evidence.refusal) or "no position")
        return resolved, evidence

    def _publish(
        self,
        as_float: Solution,
        resolved: Resolved,
        evidence: Evidence,
        prepared: Prepared,
        floating: FloatSolution,
        allowed: BoolArray,
        known: tuple[Resolved, Evidence] | None,
    ) -> Solution:
        pairs = prepared.pairs
        found = evidence
        is_found = known is None or evidence is not known[1]
        if known is not None:
            evidence = known[1]
        changed = self._agreed.changed(pairs.key, pairs.group, evidence)
        self._changed = changed
        if len(changed):
            # Of one arc alone it is its phase that changed: it says nothing of the position.
            at = resolved._replace(step_m=evidence.step_m, covariance=evidence.covariance)
            some = allowed & ~is_one_of(pairs.key, changed)
            again = examine(at, floating, pairs, prepared.weights, prepared.groups, some)
            if again is None or again.refusal is not None:
                self._agreed.fail()
                return _with_reason(as_float, "other whole numbers than before")
            evidence = again
        lasts = (prepared.weights.phase > 0.0) & ~self._is_fresh
        if self._agreed.is_minority(pairs.key, pairs.group, evidence, lasts):
            self._agreed.fail()
            return _with_reason(as_float, "too few of the whole numbers of before")
        doubt = self._vouching.doubt(evidence)
        if doubt is not None:
            self._agreed.fail()
            return _with_reason(as_float, doubt)
        if not self._vouching.is_enough(evidence):
            # What does not vouch for itself is not proven by coming again.
            self._agreed.fail()
            return _with_reason(as_float, "too few satellites to vouch for it")
        t_s = as_float.t_gpst_ns * 1e-9
        verdict = self._agreed.add(t_s, pairs.key, pairs.group, found, is_found=is_found)
        if verdict is Verdict.CONTRADICTED:
            self._code_phase.forget()
            return _with_reason(as_float, "other whole numbers than before")
        is_strong = verdict is Verdict.NEW and self._vouching.is_strong(evidence)
        if verdict is not Verdict.PROVEN and not is_strong:
            return _with_reason(as_float, "not yet proven")
        fixed = _of_phases(as_float, resolved, evidence, prepared)
        if fixed.kind is FixKind.RTK_FIXED:
            self.details = Details(prepared, evidence)
            self._code_phase.learn(t_s, evidence.levels)
        return fixed


def _of_phases(
    as_float: Solution, resolved: Resolved, evidence: Evidence, prepared: Prepared
) -> Solution:
    """Give the fixed solution of believed phases, if it is precise."""
    fixed = _solution(
        as_float.t_gpst_ns,
        FixKind.RTK_FIXED,
        prepared,
        evidence.step_m,
        evidence.covariance,
        n_distinct(prepared.pairs.satellite[evidence.used]),
    )
    if math.hypot(fixed.acc_h_m or 0.0, fixed.acc_v_m or 0.0) > 3.0 * _FIX_SIGMA_M:
        return _with_reason(as_float, "fixed, but imprecise")
    return msgspec.structs.replace(
        fixed,
        ratio=resolved.ratio,
        residual_m=evidence.residual_m,
        n_fixed=int(evidence.used.sum()),
    )


def _is_astray(floating: FloatSolution, ranges: RangeSolution) -> bool:
    """Whether float solution and codes of the epoch contradict each other."""
    apart = floating.step_m - ranges.step_m
    both = ranges.covariance + floating.covariance[:3, :3]
    return squared_in(both, apart) > _ASTRAY_CHI2


def _solution(
    t_gpst_ns: int,
    kind: FixKind,
    prepared: Prepared,
    step_m: FloatArray,
    covariance: FloatArray,
    n_satellites: int,
) -> Solution:
    x, y, z = (prepared.place.ecef_m + step_m).tolist()
    covariance_enu_m2 = enu_covariance(prepared.place, covariance)
    acc_h_m, acc_v_m = accuracy_of(covariance_enu_m2)
    return Solution(
        t_gpst_ns=t_gpst_ns,
        kind=kind,
        ecef_m=(x, y, z),
        velocity_m_s=velocity_of(prepared.velocity_m_s),
        acc_h_m=acc_h_m,
        acc_v_m=acc_v_m,
        covariance_enu_m2=covariance_enu_m2,
        sats_used=n_satellites,
        age_s=prepared.age_s,
    )


def _of_codes(t_gpst_ns: int, prepared: Prepared) -> Solution:
    ranges, n_satellites = prepared.ranges, n_distinct(prepared.pairs.satellite)
    return _solution(
        t_gpst_ns, FixKind.DGNSS, prepared, ranges.step_m, ranges.covariance, n_satellites
    )


def _with_reason(solution: Solution, why: str) -> Solution:
    return msgspec.structs.replace(solution, why=why)
