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
_LATEST = dt.date(2080, 1, 1)
"""The two digits of RMC reach no further; the four of ZDA reach to where calendars end."""
_ROLLOVER = dt.timedelta(weeks=1024)
_ROLLOVER_NS = 1024 * 7 * DAY_NS
_ROLLOVER_SLACK_NS = DAY_NS


class DayKeeper:
    """Gives epochs their day. One for each connection: nothing is carried over a reconnect.

    ``max_future_ns`` is how far past the host clock a receiver may be before it is disbelieved;
    it may change with what is known of the time.
    With ``is_recording`` the host clock may only disbelieve: what it says of today is not of the
    day of the recording.
    """

    def __init__(self, *, max_future_ns: int = DAY_NS, is_recording: bool = False) -> None:
        self.max_future_ns = max_future_ns
        self._is_recording = is_recording
        self._known_gpst_ns: int | None = None
        self._is_disbelieved = False

    def learn(self, day: dt.date, tod_ns: int, host_gpst_ns: int | None) -> TimeQuality:
        """Take a date that the receiver vouches for; say what it is worth."""
        return self._learn(day, tod_ns, host_gpst_ns)[1]

    def _learn(
        self, day: dt.date, tod_ns: int, host_gpst_ns: int | None
    ) -> tuple[int | None, TimeQuality]:
        quality, gpst_ns = self._judge(day, tod_ns, host_gpst_ns)
        self._is_disbelieved = quality is TimeQuality.IMPLAUSIBLE
        if not self._is_disbelieved:
            self._known_gpst_ns = gpst_ns
        return gpst_ns, quality

    def resolve(
        self, tod_ns: int, day: dt.date | None, host_gpst_ns: int | None, *, is_fixed: bool
    ) -> tuple[int | None, TimeQuality]:
        """Give GPST nanoseconds and their quality for an epoch at ``tod_ns`` of the UTC day.

        ``day`` is the date that the epoch itself carries; ``host_gpst_ns`` the host clock where
        it is trusted. Without any of them and without an earlier date the result is None. An
        epoch without a fix is dated but not remembered: its clock may be anything.
        """
        before = self._known_gpst_ns, self._is_disbelieved
        gpst_ns, quality = self._resolve(tod_ns, day, host_gpst_ns)
        if not is_fixed:
            self._known_gpst_ns, self._is_disbelieved = before
            if quality in (TimeQuality.GNSS, TimeQuality.HOST_DATE):
                quality = TimeQuality.UNVERIFIED
        return gpst_ns, quality

    def _resolve(
        self, tod_ns: int, day: dt.date | None, host_gpst_ns: int | None
    ) -> tuple[int | None, TimeQuality]:
        if day is not None:
            return self._learn(day, tod_ns, host_gpst_ns)
        if self._known_gpst_ns is not None:
            gpst_ns = _nearest(tod_ns, self._known_gpst_ns)
            if not self._is_future(gpst_ns, host_gpst_ns):
                self._known_gpst_ns = gpst_ns
                return gpst_ns, TimeQuality.GNSS
            return gpst_ns, TimeQuality.IMPLAUSIBLE
        if self._is_disbelieved:
            # The only date that it ever told cannot be; an epoch without one is no better.
            return None, TimeQuality.IMPLAUSIBLE
        if host_gpst_ns is None or self._is_recording:
            return None, TimeQuality.NONE
        gpst_ns = _nearest(tod_ns, host_gpst_ns)
        if self._is_future(gpst_ns, host_gpst_ns):
            gpst_ns = _nearest(tod_ns, gpst_ns - DAY_NS)
        return gpst_ns, TimeQuality.HOST_DATE

    def _judge(
        self, day: dt.date, tod_ns: int, host_gpst_ns: int | None
    ) -> tuple[TimeQuality, int | None]:
        try:
            gpst_ns = gpst_from_utc(day, tod_ns)
        except ValueError:
            return TimeQuality.IMPLAUSIBLE, None
        if host_gpst_ns is not None and not self._is_recording:
            periods = round((host_gpst_ns - gpst_ns) / _ROLLOVER_NS)
            if periods:
                # Moved as a UTC day: the leap seconds are those of the right day.
                moved_ns = gpst_from_utc(day + periods * _ROLLOVER, tod_ns)
                if abs(host_gpst_ns - moved_ns) < _ROLLOVER_SLACK_NS:
                    return TimeQuality.GNSS_WEEK_RESOLVED, moved_ns
        if not _EARLIEST <= day < _LATEST or self._is_future(gpst_ns, host_gpst_ns):
            return TimeQuality.IMPLAUSIBLE, gpst_ns
        return TimeQuality.GNSS, gpst_ns

    def _is_future(self, gpst_ns: int, host_gpst_ns: int | None) -> bool:
        return host_gpst_ns is not None and gpst_ns - host_gpst_ns > self.max_future_ns


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
