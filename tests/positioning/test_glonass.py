"""GLONASS on a made-up sky: what is fixed is right, whatever the code-phase biases are."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import pytest

from bdgw.geodesy import enu_from_ecef
from bdgw.model import FixKind
from bdgw.positioning.engine import EngineOptions, RtkEngine
from bdgw.positioning.observation import ObservationEpoch
from bdgw.positioning.satellite import signal_id
from bdgw.positioning.solution import Solution
from tests.positioning.scene import BASE_M, ROVER_M, T0_NS, Receiver, orbits

S_NS = 1_000_000_000
LEICA_M = -71.94
"""As a 1230 of a station has it (rtcm3/leica.rtcm of the shared captures)."""
Epochs = list[tuple[ObservationEpoch, ObservationEpoch]]


@lru_cache(maxsize=8)
def recording(systems: str, n: int, rover_m: float, base_m: float, seed: int = 1) -> Epochs:
    rover = Receiver(seed, systems=systems, code_phase_m=rover_m)
    base = Receiver(seed + 100, systems=systems, code_phase_m=base_m)
    times = [T0_NS + k * S_NS for k in range(n)]
    return [(rover.measure(t, ROVER_M), base.measure(t, BASE_M)) for t in times]


def engine(systems: str) -> RtkEngine:
    made = RtkEngine(EngineOptions(systems=systems))
    for orbit in orbits(systems):
        made.add_orbit(orbit)
    made.set_base(BASE_M)
    return made


def of(bias_m: float) -> dict[int, float]:
    return {signal_id("R", code): bias_m for code in ("1C", "2C")}


def off_m(solution: Solution) -> float:
    assert solution.ecef_m is not None
    return math.hypot(*enu_from_ecef(ROVER_M, solution.ecef_m))


def fixed(solutions: list[Solution]) -> list[Solution]:
    found = [one for one in solutions if one.kind is FixKind.RTK_FIXED]
    assert all(off_m(one) < 0.05 for one in found)
    return found


def few(epoch: ObservationEpoch, n_gps: int, bands: tuple[int, ...] = (1, 2)) -> ObservationEpoch:
    """Leave GLONASS and some satellites of GPS, on some carriers."""
    gps = np.unique(epoch.satellite[epoch.satellite < 100])[:n_gps]
    stays = (epoch.satellite >= 100) | np.isin(epoch.satellite, gps)
    return epoch.taken(stays & np.isin(epoch.signal // 26, bands))


def solve(one: RtkEngine, epochs: Epochs, n_gps: int, bands=(1, 2)) -> list[Solution]:
    return [one.solve(few(r, n_gps, bands), few(b, n_gps, bands)) for r, b in epochs]


def learned(one: RtkEngine) -> list[float]:
    """Give the biases that an engine has learned, rover less base."""
    return [bias.mean_m for bias in one._rtk._code_phase._learned.values()]


BIASES = pytest.mark.parametrize(
    ("rover_m", "base_m"), [(0.0, 0.0), (LEICA_M, 0.0), (LEICA_M, 19.06), (150.0, 0.0)]
)


@BIASES
def test_biases_that_both_ends_declare_let_few_satellites_be_fixed(rover_m, base_m) -> None:
    one = engine("GR")
    one.set_code_phase(rover_m=of(rover_m), base_m=of(base_m))
    found = fixed(solve(one, recording("GR", 40, rover_m, base_m), 4))
    assert len(found) >= 12
    assert learned(one) == pytest.approx([rover_m - base_m] * 2, abs=1.0)


@BIASES
def test_of_few_satellites_nothing_wrong_is_fixed_without_them(rover_m, base_m) -> None:
    one = engine("GR")
    one.set_code_phase(base_m=of(base_m))
    fixed(solve(one, recording("GR", 40, rover_m, base_m), 4))


@BIASES
def test_a_bias_that_nobody_declares_is_learned(rover_m, base_m) -> None:
    one = engine("GR")
    found = fixed(solve(one, recording("GR", 40, rover_m, base_m), 8))
    assert len(found) >= 38
    assert learned(one) == pytest.approx([rover_m - base_m] * 2, abs=1.0)


@pytest.mark.parametrize("n_gps", [0, 3, 8])
@pytest.mark.parametrize("bands", [(1,), (1, 2)])
def test_a_bias_that_is_declared_falsely_gives_no_wrong_fix(n_gps, bands) -> None:
    one = engine("GR")
    one.set_code_phase(rover_m=of(0.0), base_m=of(0.0))
    fixed(solve(one, recording("GR", 40, LEICA_M, 0.0), n_gps, bands))


def test_a_false_bias_is_let_go_of_when_nothing_can_be_fixed_with_it() -> None:
    one = engine("GR")
    one.set_code_phase(rover_m=of(0.0), base_m=of(0.0))
    found = solve(one, recording("GR", 40, LEICA_M, 0.0), 8)
    assert fixed(found)[-1] is found[-1]


@pytest.mark.parametrize("declared", [True, False])
def test_glonass_alone_gives_no_wrong_fix(declared: bool) -> None:
    one = engine("R")
    if declared:
        one.set_code_phase(rover_m=of(LEICA_M), base_m=of(19.06))
    found = solve(one, recording("R", 90, LEICA_M, 19.06), 0)
    fixed(found)
    # Whole numbers are found and proven, but five satellites do not make a position precise.
    assert any(one.why == "fixed, but imprecise" for one in found) == declared


def test_the_sign_is_that_of_the_message() -> None:
    """Declared the wrong way round, twice the bias is left: nothing is fixed by it."""
    one = engine("GR")
    one.set_code_phase(rover_m=of(-LEICA_M), base_m=of(0.0))
    assert not fixed(solve(one, recording("GR", 25, LEICA_M, 0.0), 3))
