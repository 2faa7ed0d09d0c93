"""The constellation as it broadcasts: in place, smooth, and exactly on the grid of its messages."""

import math

import pytest

from fwsim.broadcast import ISSUE_S, ORIGIN_NS, constellation
from fwsim.constellation import System
from fwsim.gnss_time import (
    NS_PER_S,
    bdt_ns,
    glonass_ns,
    gpst_of_bdt_ns,
    gpst_of_glonass_ns,
    gpst_of_utc_ns,
    leap_seconds,
    utc_of_gpst_ns,
)
from fwsim.orbit import GlonassEphemeris, KeplerEphemeris

NOW_NS = gpst_of_utc_ns(1_795_348_800 * NS_PER_S)
YEAR_NS = 365 * 86_400 * NS_PER_S


def position_m(satellite, gpst_ns, issued_ns=None):
    eph = satellite.ephemeris(gpst_ns if issued_ns is None else issued_ns)
    return eph.position_m((gpst_ns - eph.toe_gpst_ns) / NS_PER_S)


def geodetic_deg(xyz_m):
    x, y, z = xyz_m
    return math.degrees(math.atan2(z, math.hypot(x, y))), math.degrees(math.atan2(y, x))


def change_ns(satellite, gpst_ns):
    """Find the instant, to the second, at which the next ephemeris comes into force."""
    here = satellite.ephemeris(gpst_ns)
    step_ns = ISSUE_S[satellite.system] * NS_PER_S
    return next(
        at_ns
        for at_ns in range(gpst_ns, gpst_ns + step_ns + NS_PER_S, NS_PER_S)
        if satellite.ephemeris(at_ns) != here
    )


@pytest.mark.parametrize("system", list(System))
def test_satellites_pass_smoothly_from_one_ephemeris_to_the_next(system):
    # Half a step of the angles is 2 cm, of the GLONASS state 1 m after a quarter of an hour.
    limit_m = 2.5 if system is System.GLONASS else 0.25
    satellites = constellation([system], seed="1")
    at_ns = change_ns(satellites[0], NOW_NS)
    for satellite in satellites:
        before = position_m(satellite, at_ns, at_ns - NS_PER_S)
        after = position_m(satellite, at_ns)
        assert satellite.ephemeris(at_ns) != satellite.ephemeris(at_ns - NS_PER_S)
        assert math.dist(before, after) < limit_m, str(satellite)


@pytest.mark.parametrize("system", list(System))
def test_clocks_pass_smoothly_too(system):
    satellite = constellation([system], seed="1")[3]
    at_ns = change_ns(satellite, NOW_NS)
    clocks = []
    for issued_ns in (at_ns - NS_PER_S, at_ns):
        eph = satellite.ephemeris(issued_ns)
        clocks.append(eph.clock_s((at_ns - eph.toe_gpst_ns) / NS_PER_S))
    assert 1e-12 < abs(clocks[1]) < 1e-3
    assert clocks[0] == pytest.approx(clocks[1], abs=2e-9)


@pytest.mark.parametrize("years", [-4, 0, 8])
def test_geostationary_satellites_stay_over_their_longitude(years):
    longitudes = {1: 140.0, 2: 80.0, 3: 110.5, 4: 160.0, 5: 58.75, 59: 140.0, 60: 80.0, 61: 110.5}
    satellites = [s for s in constellation([System.BEIDOU], seed="1") if s.prn in longitudes]
    assert len(satellites) == 8
    for satellite in satellites:
        for hour in (0, 5, 13):
            at_ns = NOW_NS + years * YEAR_NS + hour * 3600 * NS_PER_S
            lat_deg, lon_deg = geodetic_deg(position_m(satellite, at_ns))
            assert abs(lat_deg) < 1.0
            assert lon_deg == pytest.approx(longitudes[satellite.prn], abs=0.6)
            eph = satellite.ephemeris(at_ns)
            assert isinstance(eph, KeplerEphemeris)
            assert eph.is_geostationary
            # The plane is told in axes that lean by five degrees.
            assert 4.0 < math.degrees(eph.i0) < 6.0


def test_inclined_satellites_cross_the_equator_at_their_longitude():
    crossings = {9: 95.0, 16: 112.0, 38: 110.5, 40: 108.0}
    found = {}
    for satellite in constellation([System.BEIDOU], seed="1"):
        if satellite.prn not in crossings:
            continue
        for minute in range(0, 24 * 60, 4):
            at_ns = NOW_NS + minute * 60 * NS_PER_S
            lat_deg, lon_deg = geodetic_deg(position_m(satellite, at_ns))
            ahead_deg, _ = geodetic_deg(position_m(satellite, at_ns + 240 * NS_PER_S))
            if lat_deg < 0.0 <= ahead_deg:
                found[satellite.prn] = lon_deg
    assert found == {prn: pytest.approx(lon_deg, abs=1.5) for prn, lon_deg in crossings.items()}


def test_the_reference_time_is_the_nearest_one():
    for system, period_s in ISSUE_S.items():
        satellite = constellation([system], seed="1")[0]
        for shift_s in (0, 1234, 5000, 86_399):
            at_ns = NOW_NS + shift_s * NS_PER_S
            eph = satellite.ephemeris(at_ns)
            if system is System.GALILEO:
                assert 0 <= at_ns - eph.toe_gpst_ns < period_s * NS_PER_S
            else:
                assert abs(eph.toe_gpst_ns - at_ns) <= period_s * NS_PER_S // 2
            if isinstance(eph, GlonassEphemeris):
                assert eph.tb_glonass_ns // NS_PER_S % 3600 in {900, 2700}
            else:
                assert eph.toe_s % period_s == 0


def test_seed_alone_makes_the_sky():
    first, same, other = (constellation([System.GPS], seed=seed) for seed in ("1", "1", "2"))
    assert [s.ephemeris(NOW_NS) for s in first] == [s.ephemeris(NOW_NS) for s in same]
    assert first[0].ephemeris(NOW_NS) != other[0].ephemeris(NOW_NS)
    # An ephemeris does not depend on which others were asked for before.
    for satellite in first:
        satellite.ephemeris(NOW_NS + 7200 * NS_PER_S)
    assert [s.ephemeris(NOW_NS) for s in first] == [s.ephemeris(NOW_NS) for s in same]


def test_scales_of_time():
    # 2017-01-01 00:00:00 UTC is 18 s into GPS week 1930's first day.
    assert gpst_of_utc_ns(1_483_228_800 * NS_PER_S) == (1930 * 604_800 + 18) * NS_PER_S
    assert leap_seconds(gpst_of_utc_ns(1_483_228_799 * NS_PER_S)) == 17
    assert leap_seconds(NOW_NS) == 18
    for at_ns in (NOW_NS, ORIGIN_NS, gpst_of_utc_ns(1_300_000_000 * NS_PER_S)):
        assert gpst_of_utc_ns(utc_of_gpst_ns(at_ns)) == at_ns
        assert gpst_of_bdt_ns(bdt_ns(at_ns)) == at_ns
        assert gpst_of_glonass_ns(glonass_ns(at_ns)) == at_ns
    assert bdt_ns((1356 * 604_800 + 14) * NS_PER_S) == 0
