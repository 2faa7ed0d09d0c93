"""The sky is believable: checked against textbook geometry, not against itself."""

import math

import pytest

from fwsim.constellation import System
from fwsim.scene import Place, Static
from fwsim.sky import CN0_ZENITH_DBHZ, HORIZON_DEG, Sky, noise

SHANGHAI = Static(place=Place(lat_deg=31.3, lon_deg=121.5)).at(0)
ALL = tuple(System)
DAY = range(0, 86_400, 1800)


def geostationary_elevation_deg(lat_deg, d_lon_deg):
    """Source: any textbook of satellite television; spherical Earth."""
    ratio = 6378.137 / 42164.2
    cos_gamma = math.cos(math.radians(lat_deg)) * math.cos(math.radians(d_lon_deg))
    return math.degrees(math.atan2(cos_gamma - ratio, math.sqrt(1 - cos_gamma**2)))


@pytest.mark.parametrize(("prn", "lon_deg"), [(1, 140.0), (2, 80.0), (3, 110.5), (4, 160.0)])
def test_geostationary_satellites_stand_where_they_should(prn, lon_deg):
    sky = Sky([System.BEIDOU], seed="x")
    expected_deg = geostationary_elevation_deg(31.3, 121.5 - lon_deg)
    for elapsed_s in DAY:
        seen = {s.prn: s for s in sky.sightings(SHANGHAI, elapsed_s)}
        # Half a degree of inclination, a flattened Earth, and rounding to whole degrees.
        assert seen[prn].elevation_deg == pytest.approx(expected_deg, abs=1.6)


def test_beidou_shows_numbers_of_all_kinds_up_to_60_and_more():
    sky = Sky([System.BEIDOU], seed="x")
    prns = {s.prn for elapsed_s in DAY for s in sky.sightings(SHANGHAI, elapsed_s)}
    assert {1, 3, 6, 9, 11, 19, 30, 38, 46, 59, 60, 61} <= prns


def test_medium_orbits_rise_and_set_slowly():
    sky = Sky([System.GPS], seed="x")
    before = {s.prn: s for s in sky.sightings(SHANGHAI, 0)}
    after = {s.prn: s for s in sky.sightings(SHANGHAI, 60)}
    both = [
        (a, b)
        for prn in before.keys() & after.keys()
        if (a := before[prn].elevation_deg) is not None
        and (b := after[prn].elevation_deg) is not None
    ]
    assert len(both) >= 6
    assert max(abs(a - b) for a, b in both) <= 2
    assert any(
        before.keys() != {s.prn for s in sky.sightings(SHANGHAI, t)} for t in (3600, 7200, 10800)
    )


def test_counts_of_an_open_sky_in_east_asia():
    sky = Sky(ALL, seed="x")
    for elapsed_s in DAY:
        seen = sky.sightings(SHANGHAI, elapsed_s)
        count = {system: sum(s.system is system for s in seen) for system in ALL}
        assert 7 <= count[System.GPS] <= 14
        assert 5 <= count[System.GLONASS] <= 11
        assert 6 <= count[System.GALILEO] <= 13
        assert 15 <= count[System.BEIDOU] <= 32


def test_strength_grows_with_elevation_and_empty_fields_occur():
    sky = Sky(ALL, seed="x")
    low, high, silent, fresh = [], [], 0, 0
    for elapsed_s in DAY:
        for seen in sky.sightings(SHANGHAI, elapsed_s):
            level = next(iter(seen.cn0_dbhz.values()))
            if seen.elevation_deg is None:
                fresh += 1
                assert any(value is not None for value in seen.cn0_dbhz.values())
                assert not seen.is_used
                continue
            assert seen.elevation_deg >= math.floor(HORIZON_DEG)
            if level is None:
                silent += 1
            elif seen.elevation_deg > 60:
                high.append(level)
            elif seen.elevation_deg < 15:
                low.append(level)
    assert silent > 10
    assert fresh > 3
    assert sum(high) / len(high) - sum(low) / len(low) > 5
    assert max(high) <= CN0_ZENITH_DBHZ + 5


def test_same_seed_same_sky_other_seed_other_sky():
    again = [Sky(ALL, seed="x").sightings(SHANGHAI, 5000.0) for _ in range(2)]
    assert again[0] == again[1]
    assert again[0] != Sky(ALL, seed="y").sightings(SHANGHAI, 5000.0)


def test_noise_is_spread_evenly():
    values = [noise(1, "C", prn, "B1I", second) for prn in range(40) for second in range(50)]
    assert all(0.0 <= value < 1.0 for value in values)
    for edge in (0.1, 0.25, 0.5, 0.9):
        share = sum(value < edge for value in values) / len(values)
        assert share == pytest.approx(edge, abs=0.05)
