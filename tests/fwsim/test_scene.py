"""Trajectories are what they say they are, and epochs lie on the grid of UTC."""

import math
import random
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwsim.scene import (
    Circle,
    EpochGrid,
    Place,
    Static,
    line_through,
    offset,
    random_waypoints,
)

SHANGHAI = Place(lat_deg=31.2994, lon_deg=121.5033, alt_hae_m=20.0)
EARTH_RADIUS_M = 6_371_008.8
# A sphere differs from the ellipsoid by at most 0.6 % in length.
SPHERE_TOLERANCE = 0.006


def haversine_m(a, b):
    lat_a, lat_b = math.radians(a.lat_deg), math.radians(b.lat_deg)
    d_lon = math.radians(b.lon_deg - a.lon_deg)
    h = (
        math.sin((lat_b - lat_a) / 2) ** 2
        + math.cos(lat_a) * math.cos(lat_b) * math.sin(d_lon / 2) ** 2
    )
    return 2 * EARTH_RADIUS_M * math.asin(math.sqrt(h))


def bearing_deg(a, b):
    lat_a, lat_b = math.radians(a.lat_deg), math.radians(b.lat_deg)
    d_lon = math.radians(b.lon_deg - a.lon_deg)
    east = math.sin(d_lon) * math.cos(lat_b)
    north = math.cos(lat_a) * math.sin(lat_b) - math.sin(lat_a) * math.cos(lat_b) * math.cos(d_lon)
    return math.degrees(math.atan2(east, north)) % 360


def turn_deg(a, b):
    return abs((a - b + 180) % 360 - 180)


@given(
    rate_hz=st.sampled_from([1, 2, 4, 5, 8, 10, 20]),
    start_ns=st.integers(0, 2_000_000_000_000_000_000),
    n=st.integers(0, 10_000),
)
def test_epochs_lie_on_multiples_of_the_period_and_not_before_the_start(rate_hz, start_ns, n):
    grid = EpochGrid(rate_hz=Fraction(rate_hz), start_utc_ns=start_ns)
    period_ns = 1_000_000_000 // rate_hz
    assert grid.utc_ns(n) % period_ns == 0
    assert 0 <= grid.utc_ns(0) - start_ns < period_ns
    assert grid.utc_ns(n) - grid.utc_ns(0) == n * period_ns


def test_a_rate_that_does_not_divide_a_second_still_hits_every_second():
    grid = EpochGrid(rate_hz=Fraction(3), start_utc_ns=5_000_000_000)
    assert [grid.utc_ns(n) for n in (0, 1, 2, 3)] == [
        5_000_000_000,
        5_333_333_333,
        5_666_666_667,
        6_000_000_000,
    ]


def test_static_antenna_stays():
    track = Static(place=SHANGHAI)
    assert track.at(0.0) == track.at(86_400.0)
    assert track.at(3.0).speed_m_s == 0.0


@given(elapsed_s=st.floats(0, 10_000))
def test_circle_moves_with_its_speed_along_its_course(elapsed_s):
    track = Circle(place=SHANGHAI, radius_m=120.0, speed_m_s=2.5)
    now, soon = track.at(elapsed_s), track.at(elapsed_s + 0.5)
    assert haversine_m(now, soon) == pytest.approx(1.25, rel=SPHERE_TOLERANCE)
    middle = track.at(elapsed_s + 0.25)
    assert turn_deg(bearing_deg(now, soon), middle.course_deg) < 0.5
    centre = Static(place=SHANGHAI).at(0)
    assert haversine_m(centre, now) == pytest.approx(120.0, rel=SPHERE_TOLERANCE)


def test_line_goes_along_its_waypoints_and_back():
    north = Place(lat_deg=31.31, lon_deg=121.5033, alt_hae_m=30.0)
    east = Place(lat_deg=31.31, lon_deg=121.52, alt_hae_m=30.0)
    track = line_through([SHANGHAI, north, east], speed_m_s=10.0)
    first_s = track.legs[0].length_m / 10.0
    assert track.at(0.0).course_deg == pytest.approx(0.0, abs=1e-9)
    assert track.at(first_s / 2).alt_hae_m == pytest.approx(25.0)
    assert track.at(first_s + 1).course_deg == pytest.approx(90.0)
    end_s = track.length_m / 10.0
    assert haversine_m(track.at(end_s), Static(place=east).at(0)) < 0.01
    assert track.at(end_s + 1).course_deg == pytest.approx(270.0)
    assert haversine_m(track.at(2 * end_s), Static(place=SHANGHAI).at(0)) < 0.01
    step_m = haversine_m(track.at(5.0), track.at(6.0))
    assert step_m == pytest.approx(10.0, rel=SPHERE_TOLERANCE)


@pytest.mark.parametrize("waypoints", [[], [SHANGHAI], [SHANGHAI, SHANGHAI]])
def test_line_without_a_way_is_refused(waypoints):
    with pytest.raises(ValueError, match="two or more waypoints"):
        line_through(waypoints, speed_m_s=1.0)


def test_random_waypoints_depend_on_the_seed_alone():
    first = random_waypoints(SHANGHAI, random.Random("a"))
    assert first == random_waypoints(SHANGHAI, random.Random("a"))
    assert first != random_waypoints(SHANGHAI, random.Random("b"))


def test_offset_crosses_the_date_line():
    fiji = Place(lat_deg=-17.0, lon_deg=179.9999, alt_hae_m=0.0)
    _, lon_deg = offset(fiji, east_m=100.0, north_m=0.0)
    assert -180.0 <= lon_deg < -179.99
