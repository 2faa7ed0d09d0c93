"""Phases may be counted from anywhere, and codes may step by milliseconds without them."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bdgw.model import FixKind
from bdgw.positioning.observation import ObservationEpoch
from bdgw.positioning.solution import Solution
from tests.positioning.scene import BASE_M, C_M_S, ROVER_M, T0_NS, Receiver, replaced
from tests.positioning.test_engine import COLUMNS
from tests.positioning.test_glonass import S_NS, engine, off_m

N = 25


def epochs(seed: int, at_m, systems: str = "GRC") -> list[ObservationEpoch]:
    unit = Receiver(seed, systems=systems)
    return [unit.measure(T0_NS + k * S_NS, at_m) for k in range(N)]


ROVERS, BASES = epochs(1, ROVER_M), epochs(2, BASE_M)


def solved(rovers: list[ObservationEpoch], bases: list[ObservationEpoch]) -> list[Solution]:
    one = engine("GRC")
    return [one.solve(rover, base) for rover, base in zip(rovers, bases, strict=True)]


AS_MEASURED = solved(ROVERS, BASES)


def counted_from_elsewhere(
    recorded: list[ObservationEpoch], seed: int, most: float
) -> list[ObservationEpoch]:
    rng = np.random.default_rng(seed)
    begins = {int(cell): float(np.rint(rng.uniform(-most, most))) for cell in recorded[0].cell}
    return [
        replaced(
            epoch,
            phase_cycles=epoch.phase_cycles
            + np.array([begins.setdefault(int(cell), most) for cell in epoch.cell]),
        )
        for epoch in recorded
    ]


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([1e2, 1e6, 2e8, 1e9]))
def test_from_where_phases_are_counted_changes_nothing(seed: int, most: float) -> None:
    found = solved(
        counted_from_elsewhere(ROVERS, seed, most), counted_from_elsewhere(BASES, seed + 1, most)
    )
    assert [one.kind for one in found] == [one.kind for one in AS_MEASURED]
    assert sum(one.kind is FixKind.RTK_FIXED for one in found) > N // 2
    for one, other in zip(found, AS_MEASURED, strict=True):
        assert one.ecef_m is not None
        assert other.ecef_m is not None
        bound_m = 1e-5 if one.kind is FixKind.RTK_FIXED else 1e-2
        assert math.dist(one.ecef_m, other.ecef_m) < bound_m


def test_clocks_that_step_in_the_codes_alone_end_no_fix() -> None:
    """The rover's clock by 1 ms on, the base's by 3 ms back, each once; the tags step as well."""
    rovers, bases = list(ROVERS), list(BASES)
    for recorded, first, steps in ((rovers, 15, 1), (bases, 18, -3)):
        for k in range(first, N):
            epoch = recorded[k]
            recorded[k] = replaced(
                epoch,
                t_gpst_ns=epoch.t_gpst_ns + steps * 1_000_000,
                pseudorange_m=epoch.pseudorange_m + steps * 1e-3 * C_M_S,
            )
    found = solved(rovers, bases)
    fixed = [one for one in found if one.kind is FixKind.RTK_FIXED]
    assert [one.kind for one in found] == [one.kind for one in AS_MEASURED]
    assert all(off_m(one) < 0.05 for one in fixed)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_phases_without_sense_leave_nothing_behind(data: st.DataObject) -> None:
    """Infinite, not a number, beyond all measure for some epochs: then it goes on as if new."""
    one = engine("GRC")
    odd = st.sampled_from([math.inf, -math.inf, math.nan, 1e300, -1e18])
    for k in range(N - 6):
        rover, base = ROVERS[k], BASES[k]
        if k < 4:
            name = data.draw(st.sampled_from([c for c in COLUMNS if c != "frequency_hz"]))
            column = np.where(
                np.arange(len(rover.satellite)) % data.draw(st.integers(1, 3)) == 0,
                data.draw(odd),
                getattr(rover, name),
            )
            rover = replaced(rover, **{name: column})
        solution = one.solve(rover, base)
    assert solution.kind is FixKind.RTK_FIXED
    assert off_m(solution) < 0.05
