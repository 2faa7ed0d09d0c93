"""The day of an epoch; each rule is a complaint of the field or a vector of the reference."""

import datetime as dt
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bdgw import timescale
from bdgw.model import TimeQuality
from bdgw.nmea.dating import DayKeeper
from bdgw.timescale import DAY_NS, format_utc, gpst_from_utc
from tests.conftest import shared_data

SECOND_NS = 1_000_000_000
DAY_AHEAD_NS = DAY_NS
WEEK_DAYS = 7


def at(text: str) -> tuple[dt.date, int]:
    moment = dt.datetime.fromisoformat(text.removesuffix("Z"))
    seconds = moment.hour * 3600 + moment.minute * 60 + moment.second
    return moment.date(), seconds * SECOND_NS + moment.microsecond * 1000


def gpst(text: str) -> int:
    return gpst_from_utc(*at(text))


def keeper() -> DayKeeper:
    return DayKeeper(max_future_ns=DAY_AHEAD_NS)


def test_the_vectors_of_midnight():
    vectors = json.loads(shared_data("vectors", "time.json").read_text(encoding="utf-8"))
    for row in vectors["nmea_midnight"]:
        days = keeper()
        day, tod_ns = at(row["last_utc"])
        assert days.learn(day, tod_ns, None) is TimeQuality.GNSS
        text = row["hhmmss"]
        _, tod_ns = at(f"2000-01-01T{text[:2]}:{text[2:4]}:{text[4:]}0")
        found, quality = days.resolve(tod_ns, None, None, is_fixed=True)
        assert found is not None
        assert format_utc(found) == row["expect"]
        assert quality is TimeQuality.GNSS


@given(
    st.integers(min_value=1, max_value=29_000 * 86_400),
    st.integers(min_value=-11 * 3600, max_value=11 * 3600),
)
def test_an_epoch_within_half_a_day_of_the_last_gets_the_right_day(last_s, step_s):
    last = dt.datetime.fromisoformat("2000-01-02T00:00:00") + dt.timedelta(seconds=last_s)
    following = last + dt.timedelta(seconds=step_s)
    days = keeper()
    days.learn(*at(last.isoformat()), None)
    found, quality = days.resolve(at(following.isoformat())[1], None, None, is_fixed=True)
    assert found == gpst(following.isoformat())
    assert quality is TimeQuality.GNSS


def test_a_night_of_epochs_passes_midnight_once():
    days = keeper()
    days.learn(*at("2023-12-31T20:00:00"), None)
    moment = dt.datetime.fromisoformat("2023-12-31T20:00:00")
    for _ in range(9 * 60):
        moment += dt.timedelta(minutes=1)
        found, _ = days.resolve(at(moment.isoformat())[1], None, None, is_fixed=True)
        assert found == gpst(moment.isoformat())


def test_without_any_date_and_without_a_host_clock_there_is_no_day():
    assert keeper().resolve(SECOND_NS, None, None, is_fixed=True) == (None, TimeQuality.NONE)


@pytest.mark.parametrize(
    ("host", "tod", "expected"),
    [
        ("2026-11-22T08:00:05", "08:00:00", "2026-11-22T08:00:00.000Z"),
        ("2026-11-22T00:00:05", "23:59:59", "2026-11-21T23:59:59.000Z"),
        ("2026-11-21T23:59:55", "00:00:01", "2026-11-22T00:00:01.000Z"),
    ],
)
def test_a_missing_date_is_taken_from_the_host_clock_and_says_so(host, tod, expected):
    _, tod_ns = at(f"2000-01-01T{tod}")
    found, quality = keeper().resolve(tod_ns, None, gpst(host), is_fixed=True)
    assert found is not None
    assert (format_utc(found), quality) == (expected, TimeQuality.HOST_DATE)


@pytest.mark.parametrize("day", ["1980-01-06", "1999-08-22", "1999-12-31"])
@pytest.mark.parametrize("host", [None, "2026-11-22T08:00:00"])
def test_the_dates_of_a_cold_receiver_are_marked_and_not_remembered(day, host):
    days = keeper()
    host_ns = None if host is None else gpst(host)
    date, tod_ns = at(f"{day}T00:00:10")
    _, quality = days.resolve(tod_ns, date, host_ns, is_fixed=True)
    assert quality is TimeQuality.IMPLAUSIBLE
    # An epoch without a date is no better than the date before it, until a good one comes.
    assert days.resolve(tod_ns, None, host_ns, is_fixed=True) == (None, TimeQuality.IMPLAUSIBLE)
    date, tod_ns = at("2026-11-22T08:00:00")
    assert days.resolve(tod_ns, date, host_ns, is_fixed=True)[1] is TimeQuality.GNSS
    assert days.resolve(tod_ns, None, host_ns, is_fixed=True)[1] is TimeQuality.GNSS


def test_a_date_before_gps_time_is_implausible_and_has_no_instant():
    assert keeper().resolve(0, dt.date(1980, 1, 1), None, is_fixed=True) == (
        None,
        TimeQuality.IMPLAUSIBLE,
    )


def test_a_date_from_the_future_is_marked_and_not_remembered():
    days = keeper()
    host = gpst("2026-11-22T08:00:00")
    date, tod_ns = at("2027-03-01T08:00:00")
    found, quality = days.resolve(tod_ns, date, host, is_fixed=True)
    assert quality is TimeQuality.IMPLAUSIBLE
    assert found == gpst("2027-03-01T08:00:00")
    assert days.resolve(tod_ns, None, host, is_fixed=True) == (None, TimeQuality.IMPLAUSIBLE)


def test_the_day_of_the_host_never_puts_an_epoch_into_the_future():
    host = gpst("2026-11-22T08:00:00")
    days = DayKeeper(max_future_ns=2 * SECOND_NS)
    _, tod_ns = at("2000-01-01T19:00:00")
    found, quality = days.resolve(tod_ns, None, host, is_fixed=True)
    assert (found, quality) == (gpst("2026-11-21T19:00:00"), TimeQuality.HOST_DATE)


def test_a_recording_is_not_lent_the_day_of_the_host_but_may_not_be_of_the_future():
    host = gpst("2026-11-22T08:00:00")
    days = DayKeeper(max_future_ns=2 * SECOND_NS, is_recording=True)
    _, tod_ns = at("2000-01-01T07:00:00")
    assert days.resolve(tod_ns, None, host, is_fixed=True) == (None, TimeQuality.NONE)
    date, tod_ns = at("2030-01-01T07:00:00")
    assert days.resolve(tod_ns, date, host, is_fixed=True)[1] is TimeQuality.IMPLAUSIBLE


def test_the_allowance_for_a_host_clock_that_is_slow_ends_where_it_says():
    host = gpst("2026-11-22T08:00:00")
    for text, quality in [
        ("2026-11-23T08:00:00", TimeQuality.GNSS),
        ("2026-11-23T08:00:01", TimeQuality.IMPLAUSIBLE),
    ]:
        day, tod_ns = at(text)
        assert keeper().resolve(tod_ns, day, host, is_fixed=True)[1] is quality


def test_a_date_beyond_the_calendar_of_receivers_neither_counts_nor_overflows():
    days = keeper()
    assert days.learn(dt.date(9999, 12, 31), 86_399 * SECOND_NS, None) is TimeQuality.IMPLAUSIBLE
    assert days.resolve(SECOND_NS, None, None, is_fixed=True) == (None, TimeQuality.IMPLAUSIBLE)


def test_a_date_off_by_1024_weeks_is_put_right_by_the_host_clock():
    host = gpst("2026-11-22T08:00:03")
    wrong = dt.date(2026, 11, 22) - dt.timedelta(days=1024 * WEEK_DAYS)
    assert wrong == dt.date(2007, 4, 8)  # by hand: 7,168 days
    _, tod_ns = at("2000-01-01T08:00:00")
    days = keeper()
    found, quality = days.resolve(tod_ns, wrong, host, is_fixed=True)
    assert quality is TimeQuality.GNSS_WEEK_RESOLVED
    assert found is not None
    # To the second: the leap seconds are those of the right day, four more than of the wrong one.
    assert format_utc(found) == "2026-11-22T08:00:00.000Z"
    found, quality = days.resolve(tod_ns + SECOND_NS, None, host, is_fixed=True)
    assert found == gpst("2026-11-22T08:00:01")


def test_two_rollovers_are_put_right_too():
    host = gpst("2026-11-22T08:00:03")
    wrong = dt.date(2026, 11, 22) - dt.timedelta(days=2048 * WEEK_DAYS)
    _, tod_ns = at("2000-01-01T08:00:00")
    found, quality = keeper().resolve(tod_ns, wrong, host, is_fixed=True)
    assert found is not None
    assert (format_utc(found), quality) == (
        "2026-11-22T08:00:00.000Z",
        TimeQuality.GNSS_WEEK_RESOLVED,
    )


def test_a_recording_of_the_past_keeps_its_own_date_beside_the_clock_of_today():
    host = gpst("2026-11-22T08:00:00")
    day, tod_ns = at("2016-03-10T22:57:04")
    found, quality = keeper().resolve(tod_ns, day, host, is_fixed=True)
    assert (found, quality) == (gpst("2016-03-10T22:57:04"), TimeQuality.GNSS)


def test_without_a_host_clock_an_old_date_is_believed():
    day, tod_ns = at("2007-04-08T08:00:00")
    found, quality = keeper().resolve(tod_ns, day, None, is_fixed=True)
    assert (found, quality) == (gpst("2007-04-08T08:00:00"), TimeQuality.GNSS)


def test_a_leap_second_has_its_place_with_and_without_its_date():
    leap_ns = DAY_NS + SECOND_NS // 2  # 23:59:60.5
    days = keeper()
    found, _ = days.resolve(leap_ns, dt.date(2016, 12, 31), None, is_fixed=True)
    assert found is not None
    assert format_utc(found) == "2016-12-31T23:59:60.500Z"
    days = keeper()
    days.learn(*at("2016-12-31T23:59:59"), None)
    texts = []
    for tod_ns in (DAY_NS, 0, SECOND_NS):
        found, _ = days.resolve(tod_ns, None, None, is_fixed=True)
        assert found is not None
        texts.append(format_utc(found))
    assert texts == [
        "2016-12-31T23:59:60.000Z",
        "2017-01-01T00:00:00.000Z",
        "2017-01-01T00:00:01.000Z",
    ]


def test_epochs_without_a_fix_do_not_move_the_day():
    days = keeper()
    days.learn(*at("2024-03-13T13:00:00"), None)
    for clock in ("06:00:00", "20:00:00", "06:00:00", "20:00:00"):  # of a clock gone astray
        days.resolve(at(f"2000-01-01T{clock}")[1], None, None, is_fixed=False)
    found, _ = days.resolve(at("2000-01-01T13:10:00")[1], None, None, is_fixed=True)
    assert found is not None
    assert format_utc(found) == "2024-03-13T13:10:00.000Z"


def test_the_day_of_an_epoch_without_a_fix_is_not_verified():
    host = gpst("2026-11-22T08:00:00")
    _, tod_ns = at("2026-11-22T08:00:00")
    assert keeper().resolve(tod_ns, None, host, is_fixed=False) == (host, TimeQuality.UNVERIFIED)
    days = keeper()
    days.learn(*at("2026-11-22T07:59:59"), host)
    assert days.resolve(tod_ns, None, host, is_fixed=False) == (host, TimeQuality.UNVERIFIED)


def test_a_believable_date_ends_the_disbelief_of_an_earlier_one():
    days = keeper()
    assert days.learn(dt.date(1980, 1, 6), 0, None) is TimeQuality.IMPLAUSIBLE
    day, tod_ns = at("2024-03-13T08:00:00")
    expected = (gpst("2024-03-13T08:00:00"), TimeQuality.GNSS)
    assert days.resolve(tod_ns, day, None, is_fixed=True) == expected
    assert days.resolve(tod_ns, None, None, is_fixed=True) == expected


@given(
    st.dates(),
    st.integers(min_value=0, max_value=DAY_NS + SECOND_NS - 1),
    st.one_of(st.none(), st.integers(gpst("2000-01-01T00:00:00"), gpst("2079-01-01T00:00:00"))),
)
def test_any_date_gives_an_answer(day, tod_ns, host):
    days = keeper()
    days.learn(day, tod_ns, host)
    for known_day in (day, None):
        found, quality = days.resolve(tod_ns, known_day, host, is_fixed=True)
        assert quality in TimeQuality
        if quality in {TimeQuality.GNSS, TimeQuality.GNSS_WEEK_RESOLVED, TimeQuality.HOST_DATE}:
            assert found is not None
            assert timescale.format_utc(found)
