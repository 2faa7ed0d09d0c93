"""Residuals of an epoch: each satellite and signal, and whose error it was."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest

from bdgw.model import FixKind
from bdgw.positioning.engine import EngineOptions, RtkEngine
from bdgw.positioning.geometry import place_of, view_from
from bdgw.positioning.residual import Residual
from bdgw.positioning.satellite import satellite_id, satellite_name_of
from bdgw.positioning.solution import Solution
from tests.positioning.scene import BASE_M, ROVER_M, T0_NS, Receiver, orbits, replaced

C_M_S = 299_792_458.0


def engine() -> RtkEngine:
    made = RtkEngine(EngineOptions(systems="GC", has_residuals=True))
    for orbit in orbits():
        made.add_orbit(orbit)
    made.set_base(BASE_M)
    return made


def solved(code_m: float = 0.0, phase_m: float = 0.0, satellite: str = "") -> Solution:
    """A fixed epoch with something added to one satellite of the rover, on all its signals."""
    rover, base = Receiver(1).measure(T0_NS, ROVER_M), Receiver(2).measure(T0_NS, BASE_M)
    number = satellite_id(satellite) if satellite else -1
    mine = rover.satellite == number
    rover = replaced(
        rover,
        pseudorange_m=rover.pseudorange_m + mine * code_m,
        phase_cycles=rover.phase_cycles + mine * phase_m * rover.frequency_hz / C_M_S,
    )
    return engine().solve(rover, base)


def by_satellite(residuals: tuple[Residual, ...] | None, name: str) -> dict[str, float]:
    found = defaultdict(list)
    for one in residuals or ():
        value = getattr(one, name)
        if value is not None:
            found[one.satellite].append(value)
    return {satellite: float(np.mean(values)) for satellite, values in found.items()}


def test_a_fixed_epoch_has_residuals_of_codes_and_phases() -> None:
    solution = solved()
    assert solution.kind is FixKind.RTK_FIXED
    used = [one for one in solution.residuals or () if one.is_phase_used]
    assert len(used) == solution.n_fixed
    assert len({one.satellite for one in used}) == solution.sats_used
    rms_m = float(np.sqrt(np.mean([(one.phase_m or 0.0) ** 2 for one in used])))
    assert rms_m == pytest.approx(solution.residual_m)
    assert 0.1 < np.std([one.code_m or 0.0 for one in solution.residuals or ()]) < 1.0
    assert {one.signal for one in used} == {"1C", "2W", "5Q", "2I", "6I", "5P"}


def test_directions_are_those_of_the_satellites() -> None:
    solution = solved()
    receiver = Receiver(1)
    receiver.measure(T0_NS, ROVER_M)
    names = np.array(sorted(receiver._store.satellites()))
    states = receiver._sky.states(np.full(len(names), T0_NS), names, np.full(len(names), 2.2e7))
    view = view_from(place_of(ROVER_M), states.position_m)
    for one in solution.residuals or ():
        k = [satellite_name_of(int(name)) for name in names].index(one.satellite)
        assert one.elevation_deg == pytest.approx(np.degrees(view.elevation_rad[k]), abs=0.1)
        assert one.azimuth_deg == pytest.approx(np.degrees(view.azimuth_rad[k]) % 360.0, abs=0.1)


def test_the_largest_residual_is_of_the_satellite_that_was_wrong() -> None:
    wrong = next(
        one.satellite for one in solved().residuals or () if 35.0 < one.elevation_deg < 70.0
    )
    before = by_satellite(solved().residuals, "phase_m")
    after = by_satellite(solved(phase_m=0.02, satellite=wrong).residuals, "phase_m")
    change = {name: after[name] - before[name] for name in before}
    # Of 20 mm the position of twelve satellites takes a part.
    assert max(change, key=lambda name: abs(change[name])) == wrong
    assert 0.004 < change[wrong] < 0.02
    codes = by_satellite(solved(code_m=5.0, satellite=wrong).residuals, "code_m")
    assert codes[wrong] == pytest.approx(5.0, abs=1.0)


def test_what_was_excluded_is_not_said_to_be_used() -> None:
    wrong = next(
        one.satellite for one in solved().residuals or () if 35.0 < one.elevation_deg < 70.0
    )
    solution = solved(code_m=30.0, satellite=wrong)
    mine = [one for one in solution.residuals or () if one.satellite == wrong]
    assert mine
    assert not any(one.is_code_used for one in mine)


def test_a_single_point_has_residuals_of_its_codes() -> None:
    solution = engine().solve(Receiver(1).measure(T0_NS, ROVER_M))
    assert solution.kind is FixKind.SINGLE
    codes = [one.code_m for one in solution.residuals or ()]
    assert len({one.satellite for one in solution.residuals or ()}) == solution.sats_used
    rms_m = float(np.sqrt(np.mean([(value or 0.0) ** 2 for value in codes])))
    assert rms_m == pytest.approx(solution.residual_m)
    assert all(one.phase_m is None for one in solution.residuals or ())


def test_without_being_asked_none_are_given() -> None:
    one = RtkEngine(EngineOptions(systems="GC"))
    for orbit in orbits():
        one.add_orbit(orbit)
    assert one.solve(Receiver(1).measure(T0_NS, ROVER_M)).residuals is None
