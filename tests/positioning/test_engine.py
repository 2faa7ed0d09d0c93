"""The engine on a made-up sky: what is fixed is right, and what is broken is not fixed."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bdgw.geodesy import enu_from_ecef
from bdgw.model import FixKind
from bdgw.positioning.engine import EngineOptions, RtkEngine
from bdgw.positioning.observation import ObservationEpoch
from bdgw.positioning.solution import Solution
from tests.positioning.scene import BASE_M, ROVER_M, T0_NS, Receiver, orbits, replaced

S_NS = 1_000_000_000


def engine(**options: object) -> RtkEngine:
    made = RtkEngine(EngineOptions(systems="GC", **options))  # type: ignore[arg-type]
    for orbit in orbits():
        made.add_orbit(orbit)
    made.set_base(BASE_M)
    return made


@lru_cache(maxsize=1)
def recording(n: int = 20) -> tuple[list[ObservationEpoch], list[ObservationEpoch]]:
    rover, base = Receiver(1), Receiver(2)
    times = [T0_NS + k * S_NS for k in range(n)]
    return [rover.measure(t, ROVER_M) for t in times], [base.measure(t, BASE_M) for t in times]


def off_m(solution: Solution, truth=ROVER_M) -> float:
    assert solution.ecef_m is not None
    return math.hypot(*enu_from_ecef(truth, solution.ecef_m))


def test_all_epochs_are_fixed_from_the_first_on() -> None:
    one = engine()
    for rover, base in zip(*recording(), strict=True):
        solution = one.solve(rover, base)
        assert solution.kind is FixKind.RTK_FIXED
        assert off_m(solution) < 0.03
        assert solution.acc_h_m is not None
        assert solution.acc_h_m < 0.03


def test_without_a_base_it_is_a_single_point() -> None:
    solution = engine().solve(recording()[0][0])
    assert solution.kind is FixKind.SINGLE
    assert off_m(solution) < 5.0


def test_codes_alone_give_a_differential_solution() -> None:
    one = engine()
    rover, base = recording()[0][0], recording()[1][0]
    bare = replaced(rover, phase_cycles=np.full(len(rover.satellite), math.nan))
    solution = one.solve(bare, base)
    assert solution.kind in {FixKind.DGNSS, FixKind.RTK_FLOAT}
    assert off_m(solution) < 2.0


def test_an_old_base_is_not_used() -> None:
    one = engine(max_age_s=5.0)
    rovers, bases = recording()
    assert one.solve(rovers[4], bases[0]).age_s == 4.0
    solution = one.solve(rovers[12], bases[0])
    assert solution.kind is FixKind.SINGLE
    assert solution.why == "base too old"


def test_a_base_that_is_moved_ends_the_fixing() -> None:
    rover, base = Receiver(1), Receiver(2)
    one = engine()
    east = np.array([-math.sin(math.radians(121.0)), math.cos(math.radians(121.0)), 0.0])
    moved = tuple((np.array(BASE_M) + 1.0 * east).tolist())
    for k in range(20):
        t = T0_NS + k * S_NS
        solution = one.solve(rover.measure(t, ROVER_M), base.measure(t, BASE_M if k < 8 else moved))
        if k < 8:
            assert solution.kind is FixKind.RTK_FIXED
        else:
            assert solution.kind is not FixKind.RTK_FIXED
            assert solution.why == "the base moved"
    one.set_base(moved)
    t = T0_NS + 20 * S_NS
    solution = one.solve(rover.measure(t, ROVER_M), base.measure(t, moved))
    assert solution.kind is FixKind.RTK_FIXED
    assert off_m(solution) < 0.03


def test_a_base_that_says_another_position_without_moving_is_not_believed() -> None:
    one = engine()
    rovers, bases = recording()
    assert one.solve(rovers[0], bases[0]).kind is FixKind.RTK_FIXED
    one.set_base((BASE_M[0] + 1.0, BASE_M[1], BASE_M[2]))
    for rover, base in zip(rovers[1:], bases[1:], strict=True):
        solution = one.solve(rover, base)
        assert solution.kind is not FixKind.RTK_FIXED


def test_a_slip_that_nobody_tells_does_no_harm() -> None:
    one = engine()
    for k, (rover, base) in enumerate(zip(*recording(), strict=True)):
        off = np.where(rover.satellite == rover.satellite[0], 3.0 if k >= 7 else 0.0, 0.0)
        solution = one.solve(replaced(rover, phase_cycles=rover.phase_cycles + off), base)
        assert solution.kind is FixKind.RTK_FIXED
        assert off_m(solution) < 0.03


@pytest.mark.parametrize("in_code", [True, False])
def test_a_satellite_with_five_metres_of_bias_does_no_harm(in_code: bool) -> None:
    one = engine()
    kinds = []
    for rover, base in zip(*recording(), strict=True):
        bias_m = np.where(rover.satellite == rover.satellite[0], 5.0, 0.0)
        solution = one.solve(
            replaced(
                rover,
                pseudorange_m=rover.pseudorange_m + (bias_m if in_code else 0.0),
                phase_cycles=rover.phase_cycles + bias_m * rover.frequency_hz / 299_792_458.0,
            ),
            base,
        )
        kinds.append(solution.kind)
        if solution.kind is FixKind.RTK_FIXED:
            assert off_m(solution) < 0.03
    assert kinds.count(FixKind.RTK_FIXED) >= 10


def test_an_epoch_again_gives_the_same_again() -> None:
    one = engine()
    rovers, bases = recording()
    first = one.solve(rovers[0], bases[0])
    assert one.solve(rovers[0], bases[0]) == first


def test_the_same_epochs_give_the_same_solutions() -> None:
    one, other = engine(), engine()
    for rover, base in zip(*recording(), strict=True):
        assert one.solve(rover, base) == other.solve(rover, base)


COLUMNS = ("pseudorange_m", "phase_cycles", "doppler_hz", "frequency_hz", "lock_s")
BAD = st.sampled_from([math.nan, math.inf, -math.inf, 0.0, -1.0, 1e30, 2.2e7, 1e-300])


@st.composite
def damaged(draw: st.DrawFn, epoch: ObservationEpoch) -> ObservationEpoch:
    n = len(epoch.satellite)
    keep = draw(st.sampled_from(["all", "half", "two", "none"]))
    count = {"all": n, "half": n // 2, "two": min(2, n), "none": 0}[keep]
    index = np.array(draw(st.permutations(range(n))), dtype=np.int64)[:count]
    epoch = epoch.taken(np.sort(index))
    for name in draw(st.lists(st.sampled_from(COLUMNS), max_size=2)):
        column = getattr(epoch, name).copy()
        for at in draw(st.lists(st.integers(0, max(count - 1, 0)), max_size=6)):
            if count:
                column[at] = draw(BAD)
        epoch = replaced(epoch, **{name: column})
    shift_ns = draw(st.sampled_from([0, 0, 0, 1, -S_NS, -30 * S_NS, 10**15, 10**17]))
    return replaced(epoch, t_gpst_ns=epoch.t_gpst_ns + shift_ns)


@settings(max_examples=40)
@given(st.data())
def test_whatever_comes_nothing_is_raised_and_no_wrong_fix_is_given(data: st.DataObject) -> None:
    one = engine()
    rovers, bases = recording()
    for k in data.draw(st.lists(st.integers(0, 19), min_size=1, max_size=5)):
        rover = data.draw(damaged(rovers[k]))
        base = data.draw(st.one_of(st.none(), damaged(bases[k]), st.just(bases[k])))
        solution = one.solve(rover, base)
        if solution.kind is FixKind.RTK_FIXED:
            assert off_m(solution) < 0.05
        if solution.ecef_m is not None:
            assert all(map(math.isfinite, solution.ecef_m))
