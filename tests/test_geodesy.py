"""Geodesy against coordinates that PROJ computed, and the laws of the way there and back."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bdgw.geodesy import (
    CGCS2000,
    WGS84,
    chord_m,
    ecef_from_geodetic,
    enu_from_ecef,
    geodetic_from_ecef,
)
from tests.conftest import shared_data

TOLERANCE_M = 1.1e-5
"""The vectors are printed with five decimals."""


def vectors():
    return json.loads(shared_data("vectors", "coords.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(("ellipsoid", "key"), [(WGS84, "wgs84_ecef"), (CGCS2000, "cgcs2000_ecef")])
def test_both_directions_agree_with_proj(ellipsoid, key):
    rows = vectors()["ecef"]
    assert len(rows) == 6
    for row in rows:
        ecef = ecef_from_geodetic(row["lat"], row["lon"], row["h"], ellipsoid)
        assert ecef == pytest.approx(row[key], abs=TOLERANCE_M)
        back = geodetic_from_ecef(tuple(row[key]), ellipsoid)
        assert back.height_m == pytest.approx(row["h"], abs=TOLERANCE_M)
        assert back.lat_deg == pytest.approx(row["lat"], abs=1e-10)
        if abs(row["lat"]) < 90:
            assert back.lon_deg == pytest.approx(row["lon"], abs=1e-10)


def test_local_coordinates_agree_with_the_vector():
    (row,) = vectors()["enu"]
    origin, target = (
        ecef_from_geodetic(lat_deg, lon_deg, height_m, WGS84)
        for lat_deg, lon_deg, height_m in (row["origin"], row["target"])
    )
    assert enu_from_ecef(origin, target, WGS84) == pytest.approx(row["enu"], abs=TOLERANCE_M)
    assert chord_m(origin, target) == pytest.approx(math.hypot(*row["enu"]), abs=1e-4)


@given(
    st.floats(min_value=-90, max_value=90),
    st.floats(min_value=-180, max_value=180),
    st.floats(min_value=-10_000, max_value=50_000_000),
    st.sampled_from([CGCS2000, WGS84]),
)
def test_there_and_back_closes_to_a_micrometre(lat_deg, lon_deg, height_m, ellipsoid):
    ecef = ecef_from_geodetic(lat_deg, lon_deg, height_m, ellipsoid)
    back = geodetic_from_ecef(ecef, ellipsoid)
    assert chord_m(ecef_from_geodetic(*back, ellipsoid), ecef) < 1e-6
    assert back.height_m == pytest.approx(height_m, abs=1e-6)
    assert -180.0 <= back.lon_deg <= 180.0


@given(st.tuples(*[st.floats(min_value=-1e8, max_value=1e8)] * 3))
def test_any_finite_place_has_coordinates(ecef):
    back = geodetic_from_ecef(ecef)
    assert all(map(math.isfinite, back))
    assert abs(back.lat_deg) <= 90.0


@given(
    st.floats(min_value=-89, max_value=89),
    st.floats(min_value=-180, max_value=180),
    st.tuples(*[st.floats(min_value=-1e5, max_value=1e5)] * 3),
)
def test_turning_into_the_local_frame_keeps_lengths(lat_deg, lon_deg, step):
    origin = ecef_from_geodetic(lat_deg, lon_deg, 100.0)
    x, y, z = (a + b for a, b in zip(origin, step, strict=True))
    enu = enu_from_ecef(origin, (x, y, z))
    assert math.hypot(*enu) == pytest.approx(chord_m(origin, (x, y, z)), abs=1e-6)
    up = ecef_from_geodetic(lat_deg, lon_deg, 150.0)
    assert enu_from_ecef(origin, up) == pytest.approx((0.0, 0.0, 50.0), abs=1e-6)


def test_what_is_no_number_is_refused():
    with pytest.raises(ValueError, match="finite"):
        geodetic_from_ecef((math.nan, 0.0, 0.0))
    with pytest.raises(ValueError, match="finite"):
        ecef_from_geodetic(0.0, math.inf, 0.0)
    with pytest.raises(ValueError, match="latitude"):
        ecef_from_geodetic(90.5, 0.0, 0.0)
    with pytest.raises(ValueError, match="finite"):
        enu_from_ecef((6378137.0, 0.0, 0.0), (0.0, math.nan, 0.0))
