"""From the epoch that a message states to a full instant, by the nearest to a reference.

No message names its week or day, so the caller says about when it came. A week is found within
half a week of the reference, a GLONASS day within half a day.
"""

from __future__ import annotations

import datetime as dt

from bdgw.rtcm.head import Head, RawEpoch, TimeScale
from bdgw.timescale import (
    DAY_NS,
    GPST_MINUS_BDT_S,
    gpst_from_utc,
    resolve_tow,
    utc_from_gpst,
)

__all__ = ["epoch_gpst_ns", "nearest_glonass_gpst_ns", "nearest_week_gpst_ns", "raw_epoch_gpst_ns"]

_MS_NS = 1_000_000
_WEEK_MS = 604_800_000
_DAY_MS = 86_400_000
_LEAP_MS = 1000
_HOURS_AHEAD_NS = 3 * 3600 * 1_000_000_000
"""GLONASS time is UTC(SU) + 3 h (GLONASS ICD 5.1, clause 3.3.3)."""


def epoch_gpst_ns(head: Head, near_gpst_ns: int) -> int | None:
    """Give the epoch of an observation message as GPST nanoseconds nearest to a reference.

    None where the message states no epoch, or one out of its range (unknown).
    """
    return None if head.epoch is None else raw_epoch_gpst_ns(head.epoch, near_gpst_ns)


def raw_epoch_gpst_ns(epoch: RawEpoch, near_gpst_ns: int) -> int | None:
    """Give a raw epoch as GPST nanoseconds nearest to a reference; None where out of range.

    The day of the week in GLONASS messages is not used: receivers are known to change it late,
    and the reference already says the day.
    """
    if epoch.scale is TimeScale.GLONASS:
        return nearest_glonass_gpst_ns(epoch.time_ms, near_gpst_ns)
    offset_ms = GPST_MINUS_BDT_S * 1000 if epoch.scale is TimeScale.BDT else 0
    return nearest_week_gpst_ns(epoch.time_ms, near_gpst_ns, offset_ms=offset_ms)


def nearest_week_gpst_ns(tow_ms: int, near_gpst_ns: int, *, offset_ms: int = 0) -> int | None:
    """Give the instant of a time of week that is within half a week of the reference.

    ``offset_ms`` is what GPST is ahead of the scale of ``tow_ms``.
    """
    if not 0 <= tow_ms < _WEEK_MS:
        return None
    return resolve_tow((tow_ms + offset_ms) * _MS_NS, near_gpst_ns)


def nearest_glonass_gpst_ns(tod_ms: int, near_gpst_ns: int) -> int | None:
    """Give the instant of a GLONASS time of day that is within half a day of the reference.

    The day may have a 61st second at its end (DF034 runs to 86,400,999 ms); leap seconds of the
    day decide what the instant is in GPST. None where the field is out of range.
    """
    if not 0 <= tod_ms < _DAY_MS + _LEAP_MS:
        return None
    utc_day, _ = utc_from_gpst(near_gpst_ns)
    day_shift, tod_ns = divmod(tod_ms * _MS_NS - _HOURS_AHEAD_NS, DAY_NS)
    found: list[int] = []
    for days in (-1, 0, 1, 2):
        day = utc_day + dt.timedelta(days=days + day_shift)
        try:
            found.append(gpst_from_utc(day, tod_ns))
        except ValueError:  # before GPST began
            continue
    return min(found, key=lambda ns: abs(ns - near_gpst_ns)) if found else None
