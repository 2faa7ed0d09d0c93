"""Time scales: GPST, BDT and UTC with leap seconds, all in integer nanoseconds.

The gateway's inner time is GPST nanoseconds since 1980-01-06T00:00:00, because it has no leap
seconds; UTC and BDT are made at the edge. What day it is now is never asked here.

Sources: BDS-SIS-ICD-B1I-3.0 clause 3.2 (BDT starts 2006-01-01T00:00:00 UTC, GPST - BDT = 14 s);
IS-GPS-200 clause 20.3.3.5.2.4 (GPST - UTC); IERS Bulletin C 72 (no leap second up to the date of
``LEAP_TABLE_VALID_UNTIL``).
"""

from __future__ import annotations

import datetime as dt
from bisect import bisect_right
from functools import lru_cache
from typing import NamedTuple

__all__ = [
    "DAY_NS",
    "GPST_MINUS_BDT_S",
    "LEAP_TABLE_VALID_UNTIL",
    "BdTime",
    "bdt_from_gpst",
    "format_utc",
    "gpst_from_posix",
    "gpst_from_utc",
    "leap_seconds",
    "posix_from_gpst",
    "resolve_tow",
    "resolve_week",
    "utc_from_gpst",
]

SECOND_NS = 1_000_000_000
DAY_NS = 86_400 * SECOND_NS
WEEK_NS = 7 * DAY_NS
GPST_MINUS_BDT_S = 14
"""BDS-SIS-ICD-B1I-3.0, clause 3.2: BDT started when GPST - UTC was 14 s."""
_BDT_EPOCH_WEEKS = 1356
_GPS_EPOCH = dt.date(1980, 1, 6)
_GPS_EPOCH_ORDINAL = _GPS_EPOCH.toordinal()
_GPS_EPOCH_POSIX_NS = (_GPS_EPOCH_ORDINAL - dt.date(1970, 1, 1).toordinal()) * DAY_NS

LEAP_TABLE_VALID_UNTIL = dt.date(2027, 6, 28)
"""After this day the table may lack a leap second: keep the last value and say so."""

# First UTC day on which GPST - UTC has the value beside it (IERS Bulletin C, all since 1980).
_LEAP_TABLE: tuple[tuple[dt.date, int], ...] = (
    (dt.date(1980, 1, 6), 0),
    (dt.date(1981, 7, 1), 1),
    (dt.date(1982, 7, 1), 2),
    (dt.date(1983, 7, 1), 3),
    (dt.date(1985, 7, 1), 4),
    (dt.date(1988, 1, 1), 5),
    (dt.date(1990, 1, 1), 6),
    (dt.date(1991, 1, 1), 7),
    (dt.date(1992, 7, 1), 8),
    (dt.date(1993, 7, 1), 9),
    (dt.date(1994, 7, 1), 10),
    (dt.date(1996, 1, 1), 11),
    (dt.date(1997, 7, 1), 12),
    (dt.date(1999, 1, 1), 13),
    (dt.date(2006, 1, 1), 14),
    (dt.date(2009, 1, 1), 15),
    (dt.date(2012, 7, 1), 16),
    (dt.date(2015, 7, 1), 17),
    (dt.date(2017, 1, 1), 18),
)
_LEAP_DAYS = tuple(day.toordinal() for day, _ in _LEAP_TABLE)
_LEAP_VALUES = tuple(value for _, value in _LEAP_TABLE)
# GPST at the first instant of each row's UTC day.
_LEAP_STARTS_GPST_NS = tuple(
    (day.toordinal() - _GPS_EPOCH_ORDINAL) * DAY_NS + value * SECOND_NS
    for day, value in _LEAP_TABLE
)


class BdTime(NamedTuple):
    """BDT as the week number since 2006-01-01 (not cut to 13 bits) and the second of the week."""

    week: int
    sow_ns: int


def leap_seconds(day: dt.date) -> int:
    """Tell GPST - UTC in seconds for a UTC day.

    Raises:
        ValueError: the day is before 1980-01-06.
    """
    row = bisect_right(_LEAP_DAYS, day.toordinal()) - 1
    if row < 0:
        raise ValueError(f"{day} is before GPS time began on 1980-01-06")
    return _LEAP_VALUES[row]


def gpst_from_utc(day: dt.date, tod_ns: int) -> int:
    """Turn a UTC day and nanoseconds of that day into GPST nanoseconds.

    ``tod_ns`` may reach into a 61st second (23:59:60) where the day has one; on other days that
    second falls on the first of the next day, as ``23:59:60`` then can only be a rounding.

    Raises:
        ValueError: the day is before 1980-01-06, or ``tod_ns`` is not within 0 to 86,401 s.
    """
    if not 0 <= tod_ns < DAY_NS + SECOND_NS:
        raise ValueError(f"time of day {tod_ns} ns is outside a day")
    return (day.toordinal() - _GPS_EPOCH_ORDINAL) * DAY_NS + tod_ns + leap_seconds(day) * SECOND_NS


def _utc_parts(gpst_ns: int) -> tuple[int, int]:
    """Give (proleptic ordinal of the UTC day, nanoseconds of that day up to 86,401 s)."""
    row = bisect_right(_LEAP_STARTS_GPST_NS, gpst_ns) - 1
    value = _LEAP_VALUES[max(row, 0)]
    days, tod_ns = divmod(gpst_ns - value * SECOND_NS, DAY_NS)
    following = row + 1
    if 0 < following < len(_LEAP_VALUES):
        # Inside the inserted second the old offset points at the first second of the next day.
        into_ns = gpst_ns - (_LEAP_STARTS_GPST_NS[following] - SECOND_NS)
        if 0 <= into_ns < SECOND_NS:
            return _LEAP_DAYS[following] - 1, DAY_NS + into_ns
    return days + _GPS_EPOCH_ORDINAL, tod_ns


def utc_from_gpst(gpst_ns: int) -> tuple[dt.date, int]:
    """Give the UTC day of GPST nanoseconds and the nanoseconds of that day (up to 86,401 s)."""
    ordinal, tod_ns = _utc_parts(gpst_ns)
    return dt.date.fromordinal(ordinal), tod_ns


@lru_cache(maxsize=64)
def _iso_day(ordinal: int) -> str:
    return dt.date.fromordinal(ordinal).isoformat()


def format_utc(gpst_ns: int) -> str:
    """Write GPST nanoseconds as UTC in ISO 8601 with milliseconds; a leap second reads ``:60``.

    Rounds half up to the millisecond, before splitting, so ``59.9996`` never reads ``:60.000``.
    """
    ordinal, tod_ns = _utc_parts(gpst_ns + 500_000)
    ms = tod_ns // 1_000_000
    second, ms = divmod(ms, 1000)
    if second >= 86_400:
        return f"{_iso_day(ordinal)}T23:59:60.{ms:03d}Z"
    minute, second = divmod(second, 60)
    hour, minute = divmod(minute, 60)
    return f"{_iso_day(ordinal)}T{hour:02d}:{minute:02d}:{second:02d}.{ms:03d}Z"


def bdt_from_gpst(gpst_ns: int) -> BdTime:
    """Turn GPST nanoseconds into BDT week and nanoseconds of the week."""
    week, sow_ns = divmod(gpst_ns - GPST_MINUS_BDT_S * SECOND_NS, WEEK_NS)
    return BdTime(week - _BDT_EPOCH_WEEKS, sow_ns)


def gpst_from_posix(posix_ns: int) -> int:
    """Turn POSIX nanoseconds (host clock, no leap seconds in it) into GPST nanoseconds.

    Raises:
        ValueError: the instant is before 1980-01-06.
    """
    days, tod_ns = divmod(posix_ns - _GPS_EPOCH_POSIX_NS, DAY_NS)
    return gpst_from_utc(dt.date.fromordinal(days + _GPS_EPOCH_ORDINAL), tod_ns)


def posix_from_gpst(gpst_ns: int) -> int:
    """Turn GPST nanoseconds into POSIX nanoseconds; a leap second repeats the second after it."""
    ordinal, tod_ns = _utc_parts(gpst_ns)
    return (ordinal - _GPS_EPOCH_ORDINAL) * DAY_NS + tod_ns + _GPS_EPOCH_POSIX_NS


def resolve_week(week_field: int, modulus: int, near_week: int) -> int:
    """Give the full week number that a truncated field means, nearest to ``near_week``.

    ``modulus`` is 1024 for GPS (10 bits) and 8192 for BeiDou (13 bits).
    """
    return near_week + (week_field - near_week + modulus // 2) % modulus - modulus // 2


def resolve_tow(tow_ns: int, near_ns: int) -> int:
    """Give the instant of a time of week that is within half a week of ``near_ns``.

    Both are of one scale, in nanoseconds; the answer is too. A time past the end of its week
    counts on into the next.
    """
    return resolve_week(tow_ns, WEEK_NS, near_ns)
