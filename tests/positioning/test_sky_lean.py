"""An ionosphere that leans over the baseline: what a fix is off by, it does not hide."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bdgw.geodesy import ecef_from_geodetic
from bdgw.model import FixKind
from bdgw.positioning.constellation import Constellation
from bdgw.positioning.ephemeris import EphemerisStore
from bdgw.positioning.geometry import place_of, view_from
from bdgw.positioning.observation import ObservationEpoch
from bdgw.positioning.solution import Solution
from tests.positioning.scene import BASE_M, C_M_S, T0_NS, Receiver, orbits, replaced
from tests.positioning.test_glonass import S_NS, engine

FAR_M = ecef_from_geodetic(31.03, 121.035, 25.0)
L1_HZ = 1575.42e6


def leaning(epoch: ObservationEpoch, vertical_m: float) -> ObservationEpoch:
    """Delay the codes and advance the phases by a thin shell over the rover."""
    store = EphemerisStore()
    store.extend(orbits("GC"))
    sky = Constellation(store)
    sky.choose(epoch.t_gpst_ns)
    times = np.full(len(epoch.satellite), epoch.t_gpst_ns)
    states = sky.states(times, epoch.satellite, epoch.pseudorange_m)
    elevation = view_from(place_of(FAR_M), states.position_m).elevation_rad
    slant = 1.0 / np.sqrt(1.0 - (6378.0 / 6753.0 * np.cos(elevation)) ** 2)
    delay_m = vertical_m * slant * (L1_HZ / epoch.frequency_hz) ** 2
    return replaced(
        epoch,
        pseudorange_m=epoch.pseudorange_m + delay_m,
        phase_cycles=epoch.phase_cycles - delay_m * epoch.frequency_hz / C_M_S,
    )


def fixed(vertical_m: float) -> list[Solution]:
    one, rover, base = engine("GC"), Receiver(1, systems="GC"), Receiver(2, systems="GC")
    found = []
    for k in range(60):
        t_ns = T0_NS + k * S_NS
        epoch = leaning(rover.measure(t_ns, FAR_M), vertical_m)
        found.append(one.solve(epoch, base.measure(t_ns, BASE_M)))
    return [each for each in found if each.kind is FixKind.RTK_FIXED]


def claimed_m(solution: Solution) -> float:
    return math.hypot(solution.acc_h_m or 0.0, solution.acc_v_m or 0.0)


def off_m(solution: Solution) -> float:
    assert solution.ecef_m is not None
    return math.dist(solution.ecef_m, FAR_M)


@pytest.mark.parametrize("vertical_m", [-0.022, -0.01, 0.01, 0.022])
def test_what_a_fix_is_off_by_is_within_what_it_claims(vertical_m: float) -> None:
    """Up to 5 parts of a million of 4.7 km."""
    assert math.dist(FAR_M, BASE_M) == pytest.approx(4700.0, rel=0.02)
    straight, bent = fixed(0.0), fixed(vertical_m)
    assert len(straight) == 60
    for solution in bent:
        assert off_m(solution) < max(0.05, 3.0 * claimed_m(solution))
    if abs(vertical_m) > 0.02:
        # So much stands out of the noise. What it makes of the position is too much for a fix, or
        # is claimed.
        assert len(bent) < 60 or claimed_m(bent[-1]) > claimed_m(straight[-1]) + 0.01
    else:
        assert len(bent) > 50


def test_a_sky_that_does_not_lean_costs_no_accuracy() -> None:
    assert max(map(claimed_m, fixed(0.0)[20:])) < 0.03
