"""GGA: golden strings, roundings, and when one is due."""

from __future__ import annotations

import datetime as dt
import math

import pynmeagps
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bdgw.model import Fix, FixKind
from bdgw.ntrip.gga import GgaPolicy, GgaQuality, GgaWhen, PositionUpload, distance_m, format_gga
from bdgw.ntrip.position_rule import decide_position
from bdgw.ntrip.sourcetable import StreamRecord
from bdgw.timescale import SECOND_NS, gpst_from_utc
from tests.ntrip.dialogue import vectors

TOD_NS = (16 * 3600 + 35 * 60 + 45) * SECOND_NS
FIX = Fix(
    kind=FixKind.RTK_FIXED,
    tod_utc_ns=TOD_NS,
    lat_deg=39 + 54.5232 / 60,
    lon_deg=116 + 23.8488 / 60,
    alt_msl_m=59.876,
    alt_hae_m=59.876 - 9.753,
    sats_used=28,
    hdop=0.6,
    corr_age_s=1.0,
    corr_station=2025,
)


def place(lat_deg: float, lon_deg: float, kind: FixKind = FixKind.SINGLE) -> Fix:
    return Fix(kind=kind, tod_utc_ns=0, lat_deg=lat_deg, lon_deg=lon_deg)


def fields(fix: Fix, **policy) -> list[str]:
    sentence = format_gga(fix, GgaPolicy(**policy))
    assert sentence is not None
    return sentence.decode().partition("*")[0].split(",")


def test_golden_sentence_of_the_vectors():
    request = next(row["text"] for row in vectors()["requests"] if row["name"] == "v2 GET")
    golden = request.partition("Ntrip-GGA: ")[2].partition("\r\n")[0]
    assert format_gga(FIX, GgaPolicy(talker="GN", decimals=7)) == golden.encode()


@pytest.mark.parametrize(
    ("kind", "quality"),
    # NMEA 0183 4.11, GGA, field 6; PPP has no word of its own there.
    [
        (FixKind.SINGLE, "1"),
        (FixKind.DGNSS, "2"),
        (FixKind.PPP, "2"),
        (FixKind.RTK_FIXED, "4"),
        (FixKind.RTK_FLOAT, "5"),
        (FixKind.DEAD_RECKONING, "6"),
        (FixKind.MANUAL, "7"),
        (FixKind.SIMULATED, "8"),
    ],
)
def test_quality_is_the_true_one_unless_told_otherwise(kind, quality):
    assert fields(place(1.0, 2.0, kind))[6] == quality
    assert fields(place(1.0, 2.0, kind), quality=GgaQuality.ONE)[6] == "1"


def test_default_is_the_talker_that_every_caster_reads():
    assert fields(FIX)[0] == "$GPGGA"


@pytest.mark.parametrize(
    ("decimals", "lat", "height"),
    [
        (8, "3954.52320000", "59.876"),
        (5, "3954.52320", "59.876"),
        (3, "3954.523", "59.9"),
        (1, "3954.5", "60"),
    ],
)
def test_coarsening_cuts_position_and_height(decimals, lat, height):
    sentence = fields(FIX, decimals=decimals)
    assert (sentence[2], sentence[9]) == (lat, height)


@pytest.mark.parametrize(
    ("lat_deg", "lon_deg", "expected"),
    [
        (9.9999999999, 0.5, ("1000.00000", "N", "00030.00000", "E")),
        (-33.5, -0.0083333333, ("3330.00000", "S", "00000.50000", "W")),
        (0.0, 179.9999999999, ("0000.00000", "N", "18000.00000", "E")),
        (0.5, 190.0, ("0030.00000", "N", "17000.00000", "W")),
        (90.0, 0.0, ("9000.00000", "N", "00000.00000", "E")),
    ],
)
def test_minutes_never_read_sixty(lat_deg, lon_deg, expected):
    assert tuple(fields(place(lat_deg, lon_deg))[2:6]) == expected


@given(st.floats(-90, 90), st.floats(-180, 180), st.integers(1, 8), st.integers(0, 86_400 * 10**9))
def test_an_independent_reader_finds_what_was_written(lat_deg, lon_deg, decimals, tod_ns):
    fix = Fix(kind=FixKind.DGNSS, tod_utc_ns=tod_ns, lat_deg=lat_deg, lon_deg=lon_deg)
    sentence = format_gga(fix, GgaPolicy(decimals=decimals))
    if sentence is None:
        assert lat_deg == 0.0
        assert lon_deg == 0.0
        return
    read = pynmeagps.NMEAReader.parse(sentence + b"\r\n", validate=pynmeagps.VALCKSUM)
    step_deg = 0.51 / 60 / 10**decimals + 1e-9
    assert float(read.lat or 0.0) == pytest.approx(lat_deg, abs=step_deg)
    turned = abs(float(read.lon or 0.0) - lon_deg)
    assert min(turned, 360.0 - turned) <= step_deg
    assert read.quality == 2


def test_time_comes_from_the_fix_or_else_from_the_host():
    day = dt.date(2026, 1, 1)
    gpst = Fix(kind=FixKind.SINGLE, t_gpst_ns=gpst_from_utc(day, TOD_NS), lat_deg=1.0, lon_deg=2.0)
    assert fields(gpst)[1] == "163545.00"
    leap = gpst_from_utc(dt.date(2016, 12, 31), 86_400 * SECOND_NS)
    assert (
        fields(Fix(kind=FixKind.SINGLE, t_gpst_ns=leap, lat_deg=1.0, lon_deg=2.0))[1] == "235960.00"
    )
    bare = Fix(kind=FixKind.SINGLE, lat_deg=1.0, lon_deg=2.0)
    assert fields(bare)[1] == ""
    told = format_gga(bare, GgaPolicy(), tod_utc_ns=3_723 * SECOND_NS)
    assert told is not None
    assert told.split(b",")[1] == b"010203.00"


def test_heights_add_up_to_the_ellipsoidal_one():
    only_hae = Fix(kind=FixKind.SINGLE, lat_deg=1.0, lon_deg=2.0, alt_hae_m=12.5)
    assert fields(only_hae)[9:13] == ["12.500", "M", "0.000", "M"]
    only_msl = Fix(kind=FixKind.SINGLE, lat_deg=1.0, lon_deg=2.0, alt_msl_m=12.5)
    assert fields(only_msl)[9:13] == ["12.500", "M", "", "M"]
    assert fields(place(1.0, 2.0))[9:13] == ["", "M", "", "M"]


@pytest.mark.parametrize(
    "fix",
    [
        Fix(kind=FixKind.NONE, lat_deg=1.0, lon_deg=2.0),
        Fix(kind=FixKind.SINGLE),
        place(0.0, 0.0),
        place(math.nan, 1.0),
        place(91.0, 1.0),
        place(1.0, math.inf),
    ],
)
def test_no_position_no_sentence(fix):
    assert format_gga(fix, GgaPolicy()) is None
    upload = PositionUpload(GgaPolicy(), is_on=True)
    assert upload.next(fix, now=0.0) is None
    assert upload.n_sent == 0


def test_first_at_once_then_by_period_then_at_once_after_a_move():
    upload = PositionUpload(GgaPolicy(period_s=10.0, move_m=5000.0), is_on=True)
    assert upload.next(None, now=0.0) is None
    assert upload.next(place(31.0, 121.0), now=1.0) is not None
    assert upload.next(place(31.0, 121.0), now=10.9) is None
    assert upload.next(place(31.0, 121.0), now=11.0) is not None
    assert upload.next(place(31.044, 121.0), now=12.0) is None  # 4.9 km
    assert upload.next(place(31.046, 121.0), now=13.0) is not None  # 5.1 km
    assert upload.n_sent == 3


def test_off_until_turned_on():
    upload = PositionUpload(GgaPolicy(), is_on=False)
    assert upload.next(FIX, now=0.0) is None
    upload.turn_on()
    line = upload.next(FIX, now=0.0)
    assert line is not None
    assert line.endswith(b"\r\n")


@given(
    st.floats(1, 60),
    st.lists(st.tuples(st.floats(0.1, 30), st.none() | st.floats(-80, 80)), max_size=60),
)
def test_never_more_often_than_the_period_without_a_move(period_s, steps):
    upload = PositionUpload(GgaPolicy(period_s=period_s), is_on=True)
    now, sent_at_s, sent_lat = 0.0, None, 0.0
    for step_s, lat_deg in steps:
        now += step_s
        fix = None if lat_deg is None else place(lat_deg, 10.0)
        if upload.next(fix, now=now) is None:
            continue
        assert fix is not None
        assert lat_deg is not None
        if sent_at_s is not None and now - sent_at_s < period_s:
            assert distance_m(place(sent_lat, 10.0), fix) > 5000.0
        sent_at_s, sent_lat = now, lat_deg


def test_distance_against_known_arcs():
    # One degree of a sphere of 6,371 km is 111.195 km.
    assert distance_m(place(0.1, 0.0), place(1.1, 0.0)) == pytest.approx(111_195, abs=1)
    assert distance_m(place(60.0, 179.5), place(60.0, -179.5)) == pytest.approx(55_597, rel=1e-3)
    assert distance_m(place(1.0, 1.0), Fix(kind=FixKind.SINGLE)) == 0.0


@pytest.mark.parametrize(
    "wrong",
    [
        {"talker": "gp"},
        {"talker": "GPS"},
        {"period_s": 0.5},
        {"decimals": 0},
        {"decimals": 9},
        {"move_m": 0.0},
    ],
)
def test_senseless_settings_are_refused(wrong):
    with pytest.raises(ValueError):
        GgaPolicy(**wrong)


def listed_as(**flags) -> StreamRecord:
    return StreamRecord(mount="MP", **flags)


@pytest.mark.parametrize(
    ("when", "needs", "learned", "listed", "mount", "is_on", "is_known"),
    [
        (GgaWhen.ALWAYS, False, False, listed_as(needs_gga=False), "MP", True, True),
        (GgaWhen.NEVER, True, True, listed_as(needs_gga=True), "MP", False, True),
        (GgaWhen.AUTO, True, False, listed_as(needs_gga=False), "MP", True, True),
        (GgaWhen.AUTO, False, False, listed_as(needs_gga=True), "MP", False, True),
        (GgaWhen.AUTO, None, True, listed_as(needs_gga=False), "MP", True, True),
        (GgaWhen.AUTO, None, False, listed_as(needs_gga=True), "MP", True, True),
        (GgaWhen.AUTO, None, False, listed_as(needs_gga=False), "MP", False, True),
        (GgaWhen.AUTO, None, False, listed_as(needs_gga=False, is_network=True), "MP", True, True),
        (GgaWhen.AUTO, None, False, listed_as(), "MP", False, False),
        (GgaWhen.AUTO, None, False, None, "MP", False, False),
        (GgaWhen.AUTO, None, False, None, "AUTO", True, False),
        (GgaWhen.AUTO, None, False, None, "RTCM3_VRS", True, False),
        (GgaWhen.AUTO, None, False, None, "VRS_3_2G", True, False),
        (GgaWhen.AUTO, None, False, None, "NEAR-BDS", True, False),
        (GgaWhen.AUTO, None, False, None, "IMAX3", True, False),
        (GgaWhen.AUTO, None, False, None, "MAXAU", False, False),
        (GgaWhen.AUTO, None, False, None, "AUTOBAHN", False, False),
    ],
)
def test_the_first_that_knows_decides(when, needs, learned, listed, mount, is_on, is_known):
    rule = decide_position(
        GgaPolicy(when=when), mount, needs_gga=needs, is_learned=learned, record=listed
    )
    assert (rule.is_on, rule.is_known) == (is_on, is_known)
    assert rule.text
