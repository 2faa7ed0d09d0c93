"""Two antennas on one vehicle: the vector between them, and what it says of the heading."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bdgw.geodesy import ecef_from_geodetic, enu_from_ecef
from bdgw.model import FixKind
from bdgw.positioning.baseline import attitude_of
from bdgw.positioning.geometry import place_of
from bdgw.positioning.moving_base import BaselineSolution, MovingBase, MovingBaseOptions
from bdgw.positioning.observation import ObservationEpoch
from bdgw.positioning.solution import Solution
from bdgw.recorded import in_step, read_recording
from tests.conftest import read_capture, shared_data
from tests.positioning.scene import BASE_M, T0_NS, Receiver, orbits, replaced

S_NS = 1_000_000_000
NONE = (0.0,) * 6
LENGTH_M = 2.5
SPEED_M_S = 20.0
TURN_DEG_S = 9.0


def solver(**options: object) -> MovingBase:
    made = MovingBase(MovingBaseOptions(systems="GC", **options))  # type: ignore[arg-type]
    for orbit in orbits():
        made.add_orbit(orbit)
    return made


def on_the_road(t_s: float) -> tuple[np.ndarray, np.ndarray, float]:
    """Where the rear antenna is, its velocity, and the heading: a circle at 20 m/s."""
    turn = math.radians(TURN_DEG_S)
    heading = turn * t_s
    radius_m = SPEED_M_S / turn
    home = place_of(BASE_M)
    enu = np.array([radius_m * (1.0 - math.cos(heading)), radius_m * math.sin(heading), 0.0])
    velocity = SPEED_M_S * np.array([math.sin(heading), math.cos(heading), 0.0])
    return home.ecef_m + home.to_enu.T @ enu, home.to_enu.T @ velocity, heading


def drive(
    n: int, *, clocks_s: tuple[float, float] = (0.0, 0.0), has_doppler: bool = True
) -> Iterator[tuple[ObservationEpoch, ObservationEpoch, np.ndarray, float]]:
    """The front antenna (rover), the rear one, the true vector and heading of the rover's instant.

    Each end measures where it is at its own true instant: the tag less its clock.
    """
    front, rear = Receiver(1), Receiver(2)
    front.clock_s, rear.clock_s = clocks_s
    home = place_of(BASE_M)

    def ends(t_s: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
        at, velocity, heading = on_the_road(t_s)
        bow = np.array([math.sin(heading), math.cos(heading), 0.02])
        return at, velocity, LENGTH_M * (home.to_enu.T @ bow), heading

    for k in range(n):
        t_ns = T0_NS + k * S_NS
        at, velocity, vector, heading = ends(k - front.clock_s)
        there, slow, _, _ = ends(k - rear.clock_s)
        ahead = at + vector
        yield (
            front.measure(t_ns, tuple(ahead.tolist()), tuple(velocity) if has_doppler else None),
            rear.measure(t_ns, tuple(there.tolist()), tuple(slow) if has_doppler else None),
            vector,
            math.degrees(heading) % 360.0,
        )


def apart_deg(one: float, other: float) -> float:
    return abs((one - other + 180.0) % 360.0 - 180.0)


def test_both_ends_move_and_the_heading_follows() -> None:
    one = solver(length_m=LENGTH_M)
    for rover, base, vector, heading_deg in drive(30):
        solved = one.solve(rover, base)
        assert solved.kind is FixKind.RTK_FIXED, solved.why
        assert solved.attitude is not None
        assert solved.enu_m is not None
        assert abs(solved.attitude.length_m - float(np.linalg.norm(vector))) < 0.015
        # 10 mm over 2.5 m.
        assert apart_deg(solved.attitude.heading_deg or 0.0, heading_deg) < 0.25
        assert abs(solved.attitude.pitch_deg - math.degrees(math.atan(0.02))) < 0.5
        # Where the rover is, is known as well as the base's single point is.
        assert solved.rover.kind is FixKind.SINGLE
        assert solved.rover.acc_h_m is not None
        assert 0.3 < solved.rover.acc_h_m < 5.0


def test_clocks_that_part_by_a_millisecond_do_not_shift_the_vector() -> None:
    one = solver()
    errors = []
    for rover, base, vector, _ in drive(12, clocks_s=(1.0e-3, -1.0e-3)):
        solved = one.solve(rover, base)
        assert solved.kind is FixKind.RTK_FIXED, solved.why
        truth = place_of(BASE_M).to_enu @ vector
        errors.append(np.array(solved.enu_m) - truth)
    # The vehicle goes 40 mm between both instants.
    assert float(np.linalg.norm(np.mean(errors, axis=0))) < 0.005
    assert max(float(np.linalg.norm(error)) for error in errors) < 0.02


def test_without_doppler_the_heading_says_that_it_knows_less() -> None:
    told, untold = solver(), solver()
    clocks_s = (0.5e-3, -0.5e-3)
    with_it = [told.solve(r, b) for r, b, *_ in drive(3, clocks_s=clocks_s)]
    without = [untold.solve(r, b) for r, b, *_ in drive(3, clocks_s=clocks_s, has_doppler=False)]
    for known, unknown in zip(with_it, without, strict=True):
        assert known.attitude is not None
        assert unknown.attitude is not None
        assert unknown.attitude.acc_length_m > known.attitude.acc_length_m + 0.005


def test_a_vector_of_another_length_is_not_published_as_fixed() -> None:
    one = solver(length_m=LENGTH_M + 0.2)
    for rover, base, *_ in drive(6):
        solved = one.solve(rover, base)
        assert solved.kind is FixKind.RTK_FLOAT
        assert solved.attitude is None
        assert solved.why is not None
        assert "m long, and not 2.700 m" in solved.why


def test_only_epochs_of_one_instant_are_joined() -> None:
    one = solver()
    epochs = list(drive(3))
    assert one.solve(epochs[0][0], epochs[0][1]).kind is FixKind.RTK_FIXED
    for base in (epochs[0][1], None):
        solved = one.solve(epochs[1][0], base)
        assert solved.kind is FixKind.NONE
        assert solved.attitude is None
        assert solved.enu_m is None
        assert solved.rover.kind is FixKind.SINGLE
    # What was found of the whole numbers is still good.
    assert one.solve(epochs[2][0], epochs[2][1]).kind is FixKind.RTK_FIXED


def test_a_better_position_of_the_base_carries_over_to_the_rover() -> None:
    one = solver()
    for k, (rover, base, vector, _) in enumerate(drive(4)):
        x, y, z = on_the_road(float(k))[0].tolist()
        fix = Solution(
            t_gpst_ns=base.t_gpst_ns, kind=FixKind.RTK_FIXED, ecef_m=(x, y, z), acc_h_m=0.01
        )
        solved = one.solve(rover, base, fix)
        assert solved.rover.kind is FixKind.RTK_FIXED
        assert solved.rover.ecef_m is not None
        truth = np.array([x, y, z]) + vector
        assert float(np.linalg.norm(np.array(solved.rover.ecef_m) - truth)) < 0.02


def test_a_slip_that_nobody_tells_does_not_turn_the_vehicle() -> None:
    one = solver()
    for k, (rover, base, _, heading_deg) in enumerate(drive(16)):
        slip = np.where(rover.satellite == rover.satellite[0], 2.0 if k >= 7 else 0.0, 0.0)
        solved = one.solve(replaced(rover, phase_cycles=rover.phase_cycles + slip), base)
        if solved.attitude is not None:
            assert apart_deg(solved.attitude.heading_deg or 0.0, heading_deg) < 0.3


@pytest.mark.parametrize(
    ("enu_m", "heading_deg", "pitch_deg"),
    [
        ((0.0, 2.0, 0.0), 0.0, 0.0),
        ((3.0, 0.0, 0.0), 90.0, 0.0),
        ((0.0, -1.0, 1.0), 180.0, 45.0),
        ((-1.0, 0.0, 0.0), 270.0, 0.0),
        ((-1.0, 1.0, -math.sqrt(2.0)), 315.0, -45.0),
    ],
)
def test_directions(enu_m, heading_deg, pitch_deg) -> None:
    told = attitude_of(enu_m, NONE)
    assert told is not None
    assert told.heading_deg == pytest.approx(heading_deg)
    assert told.pitch_deg == pytest.approx(pitch_deg)
    turned = attitude_of(enu_m, NONE, offset_deg=-100.0)
    assert turned is not None
    assert turned.heading_deg == pytest.approx((heading_deg - 100.0) % 360.0)


def test_an_upright_baseline_has_no_heading() -> None:
    told = attitude_of((0.001, 0.001, 2.0), (1e-6, 0.0, 0.0, 1e-6, 0.0, 4e-6))
    assert told is not None
    assert told.heading_deg is None
    assert told.acc_heading_deg is None
    assert told.pitch_deg == pytest.approx(90.0, abs=0.1)
    assert told.acc_length_m == pytest.approx(0.002, rel=1e-3)
    assert attitude_of((0.0, 0.0, 0.0), NONE) is None


@given(
    st.tuples(*[st.floats(-50.0, 50.0)] * 3).filter(lambda b: math.hypot(b[0], b[1]) > 1.0),
    st.lists(st.floats(-1.0, 1.0), min_size=9, max_size=9),
)
def test_deviations_are_those_of_the_vector_carried_on(enu_m, entries) -> None:
    """Against derivatives taken by differences, and not by formulas."""
    root = np.array(entries).reshape(3, 3) * 1e-3 + np.eye(3) * 1e-3
    covariance = root @ root.T
    told = attitude_of(enu_m, tuple(covariance[np.triu_indices(3)].tolist()))
    assert told is not None

    def values(b: np.ndarray) -> np.ndarray:
        return np.array(
            [
                math.sqrt(float(b @ b)),
                math.degrees(math.atan2(b[0], b[1])),
                math.degrees(math.atan2(b[2], math.hypot(b[0], b[1]))),
            ]
        )

    step = 1e-5
    columns = []
    for k in range(3):
        off = np.zeros(3)
        off[k] = step
        change = values(np.array(enu_m) + off) - values(np.array(enu_m) - off)
        change[1] = (change[1] + 180.0) % 360.0 - 180.0
        columns.append(change / (2.0 * step))
    by_difference = np.array(columns).T
    spread = np.sqrt(np.diag(by_difference @ covariance @ by_difference.T))
    assert (told.acc_length_m, told.acc_heading_deg, told.acc_pitch_deg) == pytest.approx(
        tuple(spread), rel=1e-3, abs=1e-9
    )


MAT = ("gnss", "rtk", "matrtklib-static")


@pytest.mark.capture
@pytest.mark.parametrize("systems", ["GRECJ", "C"])
def test_two_antennas_a_metre_apart_on_a_roof(systems: str) -> None:
    """The base's position is not given; the vector is known from both given positions."""
    rover, base, nav = (
        read_recording(read_capture(shared_data(*MAT, name)))
        for name in ("rover.obs.gz", "base.obs.gz", "base.nav")
    )
    one = MovingBase(MovingBaseOptions(systems=systems, length_m=0.99))
    for orbit in (*nav.orbits, *base.orbits, *rover.orbits):
        one.add_orbit(orbit)
    solved: list[BaselineSolution] = [
        one.solve(r, b) for r, b in in_step(rover.epochs[:60], base.epochs[:60])
    ]
    assert all(solution.kind is FixKind.RTK_FIXED for solution in solved)
    found = [solution.attitude for solution in solved if solution.attitude is not None]
    headings = [told.heading_deg or 0.0 for told in found]
    lengths = [told.length_m for told in found]
    given_m = enu_from_ecef(
        ecef_from_geodetic(35.134707705, 136.977577939, 104.853),
        ecef_from_geodetic(35.13469901, 136.97757549, 104.8626),
    )
    given_deg = math.degrees(math.atan2(given_m[0], given_m[1])) % 360.0
    # The given positions are written to a millimetre, 0.06 degrees.
    assert apart_deg(float(np.mean(headings)), given_deg) < 0.1
    assert max(apart_deg(heading, given_deg) for heading in headings) < 0.25
    assert abs(float(np.mean(lengths)) - math.hypot(*given_m)) < 0.003
    # RTKLIB 2.4.3 b34, rnx2rtkp in moving-base mode, L1+L2, the mean of its 300 fixed epochs.
    theirs_m = np.array([-0.223668, -0.964693, 0.009629])
    ours_m = np.mean([np.array(solution.enu_m) for solution in solved], axis=0)
    assert float(np.linalg.norm(ours_m - theirs_m)) < 0.004
    # The deviations that are claimed are no smaller than those that are seen.
    claimed = float(np.mean([told.acc_heading_deg or 0.0 for told in found]))
    assert float(np.std(headings)) < claimed < 0.5
