import datetime as dt
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bdgw import timescale
from tests.conftest import shared_data

SECOND_NS = 1_000_000_000
WEEK_NS = 7 * timescale.DAY_NS


def gpst(text: str) -> int:
    moment = dt.datetime.fromisoformat(text)
    tod_ns = (moment.hour * 3600 + moment.minute * 60 + moment.second) * SECOND_NS
    return timescale.gpst_from_utc(moment.date(), tod_ns + moment.microsecond * 1000)


# IERS Bulletin C and the BeiDou ICD give these by hand.
@pytest.mark.parametrize(
    ("utc", "gps_week", "gps_tow_s", "bdt_week", "bdt_sow_s"),
    [
        ("2006-01-01T00:00:00", 1356, 14, 0, 0),
        ("2016-12-31T23:59:59", 1930, 16, 574, 2),
        ("2017-01-01T00:00:00", 1930, 18, 574, 4),
        ("2019-04-06T23:59:42", 2048, 0, 691, 604_786),
        ("2038-11-20T23:59:42", 3072, 0, 1715, 604_786),
        ("2026-11-22T08:00:00", 2446, 28_818, 1090, 28_804),
    ],
)
def test_utc_becomes_gps_and_beidou_week_and_second(utc, gps_week, gps_tow_s, bdt_week, bdt_sow_s):
    ns = gpst(utc)
    assert divmod(ns, WEEK_NS) == (gps_week, gps_tow_s * SECOND_NS)
    assert timescale.bdt_from_gpst(ns) == (bdt_week, bdt_sow_s * SECOND_NS)


def test_vectors_of_conversions_and_leap_table_agree():
    vectors = json.loads(shared_data("vectors", "time.json").read_text(encoding="utf-8"))
    for row in vectors["conversions"]:
        ns = gpst(row["utc"].removesuffix("Z"))
        assert divmod(ns, WEEK_NS) == (row["gps_week"], row["gps_tow"] * SECOND_NS)
        assert timescale.bdt_from_gpst(ns) == (row["bds_week"], row["bds_sow"] * SECOND_NS)
    for row in vectors["leap_table_gps_minus_utc"]:
        day = dt.date.fromisoformat(row["from_utc"])
        assert timescale.leap_seconds(day) == row["offset"]
        assert timescale.leap_seconds(day - dt.timedelta(days=1)) == row["offset"] - 1
    assert vectors["leap_table_valid_until_utc"] == str(timescale.LEAP_TABLE_VALID_UNTIL)


def test_leap_second_has_a_place_of_its_own():
    before = timescale.gpst_from_utc(dt.date(2016, 12, 31), 86_399 * SECOND_NS)
    inside = timescale.gpst_from_utc(dt.date(2016, 12, 31), 86_400 * SECOND_NS + 250_000_000)
    after = timescale.gpst_from_utc(dt.date(2017, 1, 1), 0)
    assert after - before == 2 * SECOND_NS
    assert timescale.format_utc(before) == "2016-12-31T23:59:59.000Z"
    assert timescale.format_utc(inside) == "2016-12-31T23:59:60.250Z"
    assert timescale.format_utc(after) == "2017-01-01T00:00:00.000Z"


def test_rounding_to_milliseconds_carries_into_the_next_day():
    ns = timescale.gpst_from_utc(dt.date(2026, 11, 21), timescale.DAY_NS - 400_000)
    assert timescale.format_utc(ns) == "2026-11-22T00:00:00.000Z"


def test_a_day_before_gps_time_is_refused():
    with pytest.raises(ValueError, match="1980-01-06"):
        timescale.leap_seconds(dt.date(1980, 1, 5))


@given(st.integers(min_value=946_684_800, max_value=4_000_000_000))
def test_posix_and_gpst_are_inverse_and_agree_with_datetime(posix_s):
    ns = timescale.gpst_from_posix(posix_s * SECOND_NS)
    assert timescale.posix_from_gpst(ns) == posix_s * SECOND_NS
    moment = dt.datetime.fromtimestamp(posix_s, dt.UTC)
    assert timescale.format_utc(ns) == moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")


@given(st.integers(min_value=0, max_value=9000), st.integers(min_value=-4096, max_value=4095))
def test_a_13_bit_beidou_week_is_resolved_within_half_a_cycle(week, offset):
    near = max(week + offset, 0)
    if abs(near - week) < 4096:
        assert timescale.resolve_week(week % 8192, 8192, near) == week


@pytest.mark.parametrize(
    ("field", "near", "full"), [(257, 2300, 2305), (0, 2047, 2048), (1023, 2048, 2047)]
)
def test_gps_week_rollover(field, near, full):
    assert timescale.resolve_week(field, 1024, near) == full
