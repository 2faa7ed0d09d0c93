"""The day of an epoch: NMEA positions carry a time of day, and the date comes separately or never.

Rules (each is a complaint of the field): a date counts only with a valid fix; midnight is passed
by taking the day that puts the epoch nearest to the last known instant; a date that is off by
whole 1,024-week periods is put right where the host clock can tell; a date from the future or
from before any receiver of today was built is marked, never believed.
"""

from __future__ import annotations

import datetime as dt

from bdgw.model import TimeQuality
from bdgw.timescale import DAY_NS, gpst_from_utc, utc_from_gpst

__all__ = ["DayKeeper"]

_EARLIEST = dt.date(2000, 1, 1)
"""Cold receivers report 1980 or the second GPS week epoch, 1999-08-22, as if it were valid."""
_ROLLOVER_NS = 1024 * 7 * DAY_NS
_ROLLOVER_SLACK_NS = DAY_NS


class DayKeeper:
    """Gives epochs their day. One for each connection: nothing is carried over a reconnect.

    ``max_future_ns`` is how far past the host clock a receiver may be before it is disbelieved.
    """

    def __init__(self, *, max_future_ns: int) -> None:
        self._max_future_ns = max_future_ns
        self._known_gpst_ns: int | None = None

    def learn(self, day: dt.date, tod_ns: int, host_gpst_ns: int | None) -> TimeQuality:
        """Take a date that the receiver vouches for; say what it is worth."""
        quality, gpst_ns = self._judge(day, tod_ns, host_gpst_ns)
        if quality is not TimeQuality.IMPLAUSIBLE:
            self._known_gpst_ns = gpst_ns
        return quality

    def resolve(
        self, tod_ns: int, day: dt.date | None, host_gpst_ns: int | None
    ) -> tuple[int | None, TimeQuality]:
        """Give GPST nanoseconds and their quality for an epoch at ``tod_ns`` of the UTC day.

        ``day`` is the date that the epoch itself carries; ``host_gpst_ns`` the host clock where
        it is trusted. Without any of them and without an earlier date the result is None.
        """
        if day is not None:
            quality, gpst_ns = self._judge(day, tod_ns, host_gpst_ns)
            if quality is not TimeQuality.IMPLAUSIBLE:
                self._known_gpst_ns = gpst_ns
            return gpst_ns, quality
        if self._known_gpst_ns is not None:
            gpst_ns = _nearest(tod_ns, self._known_gpst_ns)
            if not self._is_future(gpst_ns, host_gpst_ns):
                self._known_gpst_ns = gpst_ns
                return gpst_ns, TimeQuality.GNSS
            return gpst_ns, TimeQuality.IMPLAUSIBLE
        if host_gpst_ns is not None:
            return _nearest(tod_ns, host_gpst_ns), TimeQuality.HOST_DATE
        return None, TimeQuality.NONE

    def _judge(
        self, day: dt.date, tod_ns: int, host_gpst_ns: int | None
    ) -> tuple[TimeQuality, int | None]:
        try:
            gpst_ns = gpst_from_utc(day, tod_ns)
        except ValueError:
            return TimeQuality.IMPLAUSIBLE, None
        if host_gpst_ns is not None:
            periods = round((host_gpst_ns - gpst_ns) / _ROLLOVER_NS)
            moved_ns = gpst_ns + periods * _ROLLOVER_NS
            if periods and abs(host_gpst_ns - moved_ns) < _ROLLOVER_SLACK_NS:
                return TimeQuality.GNSS_WEEK_RESOLVED, moved_ns
        if day < _EARLIEST or self._is_future(gpst_ns, host_gpst_ns):
            return TimeQuality.IMPLAUSIBLE, gpst_ns
        return TimeQuality.GNSS, gpst_ns

    def _is_future(self, gpst_ns: int, host_gpst_ns: int | None) -> bool:
        return host_gpst_ns is not None and gpst_ns - host_gpst_ns > self._max_future_ns


def _nearest(tod_ns: int, near_gpst_ns: int) -> int:
    """Put a time of day on the UTC day that brings it nearest to a known instant."""
    # The day is found from the instant's own UTC time of day, so leap seconds need no care:
    # half a day of room dwarfs them, and gpst_from_utc applies the table of the day chosen.
    day, near_tod_ns = utc_from_gpst(near_gpst_ns)
    if tod_ns - near_tod_ns > DAY_NS // 2:
        day -= dt.timedelta(days=1)
    elif near_tod_ns - tod_ns > DAY_NS // 2:
        day += dt.timedelta(days=1)
    return gpst_from_utc(day, tod_ns)
