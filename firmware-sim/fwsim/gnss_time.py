"""Time scales as whole nanoseconds: UTC, GPST, BDT and GLONASS time.

GPST counts from 1980-01-06 without leap seconds, BDT runs 14 s behind it and starts 1,356 weeks
later, GLONASS time is UTC plus three hours. UTC here is POSIX time: 86,400 s a day.

Source: IS-GPS-200, BDS-SIS-ICD 3.3, GLONASS ICD 3.3.3; leap seconds from IERS Bulletin C.
"""

from bisect import bisect_right

NS_PER_S = 1_000_000_000
WEEK_S = 604_800
DAY_S = 86_400
# POSIX seconds of 1980-01-06.
GPS_EPOCH_S = 315_964_800
BDT_BEHIND_S = 14
BDT_FIRST_WEEK = 1356
GST_FIRST_WEEK = 1024
GLONASS_AHEAD_S = 3 * 3600

# POSIX second from which on GPST is so many seconds ahead of UTC; before the first, 14.
_LEAPS = (
    (1_230_768_000, 15),
    (1_341_100_800, 16),
    (1_435_708_800, 17),
    (1_483_228_800, 18),
)
_LEAP_UTC_S = tuple(utc_s for utc_s, _ in _LEAPS)
_LEAP_GPST_S = tuple(utc_s - GPS_EPOCH_S + ahead_s for utc_s, ahead_s in _LEAPS)


def gpst_of_utc_ns(utc_ns: int) -> int:
    """Return GPST (ns since 1980-01-06) of a UTC instant (ns since 1970-01-01)."""
    ahead_s = 14 + bisect_right(_LEAP_UTC_S, utc_ns // NS_PER_S)
    return utc_ns + (ahead_s - GPS_EPOCH_S) * NS_PER_S


def utc_of_gpst_ns(gpst_ns: int) -> int:
    """Return UTC (ns since 1970-01-01) of a GPST instant (ns since 1980-01-06)."""
    ahead_s = 14 + bisect_right(_LEAP_GPST_S, gpst_ns // NS_PER_S)
    return gpst_ns + (GPS_EPOCH_S - ahead_s) * NS_PER_S


def leap_seconds(gpst_ns: int) -> int:
    """Return how many seconds GPST is ahead of UTC."""
    return (gpst_ns - utc_of_gpst_ns(gpst_ns)) // NS_PER_S + GPS_EPOCH_S


def bdt_ns(gpst_ns: int) -> int:
    """Return BDT (ns since 2006-01-01) of a GPST instant."""
    return gpst_ns - (BDT_FIRST_WEEK * WEEK_S + BDT_BEHIND_S) * NS_PER_S


def gpst_of_bdt_ns(bdt: int) -> int:
    """Return GPST of a BDT instant (ns since 2006-01-01)."""
    return bdt + (BDT_FIRST_WEEK * WEEK_S + BDT_BEHIND_S) * NS_PER_S


def glonass_ns(gpst_ns: int) -> int:
    """Return GLONASS time as nanoseconds since 1970-01-01 of its own calendar."""
    return utc_of_gpst_ns(gpst_ns) + GLONASS_AHEAD_S * NS_PER_S


def gpst_of_glonass_ns(glonass: int) -> int:
    """Return GPST of a GLONASS instant."""
    return gpst_of_utc_ns(glonass - GLONASS_AHEAD_S * NS_PER_S)
