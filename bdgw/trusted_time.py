"""What time it is, as far as that can be known, and which fixes cannot be of now.

Three witnesses: the host's clock where something disciplines it, receivers that agree with each
other, and the monotonic clock, which carries a time that was once trusted over any step of the
host's. A single witness that contradicts the others changes nothing. Pure: clocks are given.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Protocol

import msgspec

from bdgw.model import Fix, FixKind, TimeQuality
from bdgw.timescale import DAY_NS, SECOND_NS, WEEK_NS, bdt_from_gpst, gpst_from_posix

__all__ = ["BUILT_POSIX_NS", "ReferenceClock", "TimeState", "TrustedTime"]

BUILT_POSIX_NS = 1_793_491_200 * SECOND_NS
"""2026-11-01T00:00:00Z: this software did not exist before, so it is never earlier now."""
_BUILT_GPST_NS = gpst_from_posix(BUILT_POSIX_NS)
_LATEST_GPST_NS = _BUILT_GPST_NS + 512 * WEEK_NS
"""Receivers alone are not believed further ahead: half of what their week number counts to."""
_TRUSTED_FUTURE_NS = 2 * SECOND_NS
_UNTRUSTED_FUTURE_NS = DAY_NS
"""Without a time that is known to be right only a wrong day can be told from a right one."""
_AGREEMENT_NS = 2 * SECOND_NS
"""Receivers tell their epoch when it is over, by up to a second or two of network and parsing."""
_EARLY_NS = SECOND_NS
"""So far ahead of a time a receiver still stands by it: the time itself may be as late as they."""
_AGREED = 2
"""Fewer receivers than this are a witness that may be wrong."""
_STEP_NS = SECOND_NS
"""No clock that is disciplined, or only drifts, changes by so much between two looks."""
_DRIFT = 200e-6
"""Bound of what the monotonic clock gains or loses where nothing keeps it right."""
_FRESH_S = 30.0
_LOOK_EVERY_S = 1.0
_UNCONTRADICTED_S = 600.0
"""After so long a disciplined clock that nobody contradicts is believed against our own count."""
_GPS_WEEKS, _BDT_WEEKS = 1024, 8192
"""What the week numbers of the signals count to: 10 bits of GPS, 13 bits of BDS."""
_DATED = (TimeQuality.GNSS, TimeQuality.GNSS_WEEK_RESOLVED, TimeQuality.HOST_DATE)


class ReferenceClock(Protocol):
    """The host's clock and what it is worth."""

    def gpst_ns(self, now: float) -> int | None:
        """Its time, None while it has never been set."""
        ...

    def is_synchronised(self) -> bool:
        """Whether something disciplines it."""
        ...


class TimeState(msgspec.Struct, frozen=True, kw_only=True):
    """For the status."""

    source: str
    """``host``, ``receivers``, ``held`` (carried on by the monotonic clock) or ``none``."""
    host_offset_s: float | None
    """Host minus trusted time."""
    is_host_right: bool | None
    """False: the host's clock contradicts what is trusted; None: nothing to compare."""
    n_steps: int
    """How often the host's clock has jumped by more than a second."""
    last_step_s: float | None
    n_receivers_agreeing: int


class TrustedTime:
    """One for the gateway. ``now`` is monotonic seconds everywhere."""

    def __init__(self, host: ReferenceClock) -> None:
        self._host = host
        self._anchor_ns: int | None = None
        """Trusted time less the monotonic clock."""
        self._source = "none"
        self._confirmed_s = 0.0
        """When somebody last stood by it."""
        self._claims: dict[str, tuple[int, float]] = {}
        """What each receiver says, less the monotonic clock, and when it said so."""
        self._host_ns: int | None = None
        self._looked_s: float | None = None
        self._contradicted_s: float | None = None
        self._n_steps = 0
        self._last_step_ns: int | None = None
        self._n_agreeing = 0

    def hear(self, device: str, fix: Fix, rx_s: float) -> None:
        """Note what a live receiver says of the time; only with a fix its clock says anything."""
        is_telling = fix.time_quality in (TimeQuality.GNSS, TimeQuality.IMPLAUSIBLE)
        if fix.kind is not FixKind.NONE and is_telling and fix.t_gpst_ns is not None:
            self._claims[device] = (fix.t_gpst_ns - _ns(rx_s), rx_s)

    def trusted_gpst_ns(self, now: float) -> int | None:
        """The time, where it is known to be right to seconds."""
        self._look(now)
        return None if self._anchor_ns is None else self._anchor_ns + _ns(now)

    def gpst_ns(self, now: float) -> int | None:
        """The best there is to tell days and weeks by; None where nothing is known."""
        trusted_ns = self.trusted_gpst_ns(now)
        return self._host.gpst_ns(now) if trusted_ns is None else trusted_ns

    def max_future_ns(self, now: float) -> int:
        """How far past ``gpst_ns`` a fix may be."""
        if self.trusted_gpst_ns(now) is None:
            return _UNTRUSTED_FUTURE_NS
        return _TRUSTED_FUTURE_NS + self._drift_ns(now)

    def reason_against(self, fix: Fix, rx_s: float, now: float) -> str | None:
        """Tell why a live fix, read at ``rx_s``, cannot be of then; None: nothing against it."""
        self._look(now)
        t_gpst_ns = fix.t_gpst_ns
        if fix.time_quality is TimeQuality.GNSS and t_gpst_ns is not None:
            # Nearly all fixes end here.
            anchor_ns = self._anchor_ns
            if anchor_ns is not None and (
                -DAY_NS < t_gpst_ns - anchor_ns - int(rx_s * 1e9) <= _TRUSTED_FUTURE_NS
            ):
                return None
        if fix.time_quality is not TimeQuality.IMPLAUSIBLE and (
            t_gpst_ns is None or fix.time_quality not in _DATED
        ):
            return None
        if t_gpst_ns is None:
            return "no_such_date"
        reference_ns = self.gpst_ns(rx_s)
        reason = self._reason(t_gpst_ns, reference_ns, self.max_future_ns(rx_s))
        if reason is None and fix.time_quality is TimeQuality.IMPLAUSIBLE:
            return "no_such_date"
        return reason

    @staticmethod
    def _reason(t_gpst_ns: int, reference_ns: int | None, max_future_ns: int) -> str | None:
        if reference_ns is None:
            return "before_this_software" if t_gpst_ns < _BUILT_GPST_NS - DAY_NS else None
        ahead_ns = t_gpst_ns - reference_ns
        if abs(ahead_ns) > DAY_NS and (_is_weeks_off(ahead_ns) or _is_first_week(t_gpst_ns)):
            return "wrong_week"
        return "future" if ahead_ns > max_future_ns else None

    def state(self, now: float) -> TimeState:
        """What is trusted and why."""
        self._look(now)
        offset_ns = (
            None
            if self._anchor_ns is None or self._host_ns is None
            else self._host_ns - self._anchor_ns
        )
        return TimeState(
            source=self._source,
            host_offset_s=None if offset_ns is None else round(offset_ns / 1e9, 3),
            is_host_right=None if offset_ns is None else abs(offset_ns) <= _AGREEMENT_NS,
            n_steps=self._n_steps,
            last_step_s=None if self._last_step_ns is None else round(self._last_step_ns / 1e9, 3),
            n_receivers_agreeing=self._n_agreeing,
        )

    def _look(self, now: float) -> None:
        """Hear all witnesses, at most once a second."""
        if self._looked_s is not None and now - self._looked_s < _LOOK_EVERY_S:
            return
        self._looked_s = now
        self._look_at_host(now)
        for device in [name for name, (_, at_s) in self._claims.items() if now - at_s > _FRESH_S]:
            del self._claims[device]
        claims_ns = sorted(offset_ns for offset_ns, _ in self._claims.values())
        is_host_good = self._host_ns is not None and self._host.is_synchronised()
        if self._anchor_ns is None:
            self._begin(claims_ns, now, is_host_good=is_host_good)
        elif is_host_good:
            self._compare_with_host(claims_ns, now)
        else:
            self._follow_receivers(claims_ns, now)
        anchor_ns = self._anchor_ns
        self._n_agreeing = 0 if anchor_ns is None else _n_near(claims_ns, anchor_ns)

    def _look_at_host(self, now: float) -> None:
        host_ns = self._host.gpst_ns(now)
        before_ns = self._host_ns
        self._host_ns = None if host_ns is None else host_ns - _ns(now)
        if before_ns is not None and self._host_ns is not None:
            step_ns = self._host_ns - before_ns
            if abs(step_ns) > _STEP_NS:
                self._n_steps += 1
                self._last_step_ns = step_ns

    def _begin(self, claims_ns: list[int], now: float, *, is_host_good: bool) -> None:
        if is_host_good:
            self._trust(self._host_ns, "host", now)
        else:
            self._trust_receivers(claims_ns, now)

    def _compare_with_host(self, claims_ns: list[int], now: float) -> None:
        """Follow the disciplined host; when it jumps away, let the receivers decide."""
        host_ns, anchor_ns = self._host_ns, self._anchor_ns
        assert host_ns is not None  # noqa: S101 - asked by the caller
        assert anchor_ns is not None  # noqa: S101 - asked by the caller
        is_near = abs(host_ns - anchor_ns) <= _AGREEMENT_NS + self._drift_ns(now)
        n_for_host, n_for_us = _n_near(claims_ns, host_ns), _n_near(claims_ns, anchor_ns)
        # Of several small steps each is near to the one before: receivers that agree stop them.
        is_walking = n_for_us >= _AGREED and n_for_us > n_for_host
        if (is_near and not is_walking) or n_for_host > n_for_us:
            self._trust(host_ns, "host", now)
            return
        if n_for_us:
            self._follow_receivers(claims_ns, now)
            self._contradicted_s = now
            return
        self._source = "held"
        if self._contradicted_s is None:
            self._contradicted_s = now
        elif now - self._contradicted_s > _UNCONTRADICTED_S:
            self._trust(host_ns, "host", now)

    def _follow_receivers(self, claims_ns: list[int], now: float) -> None:
        """Without a disciplined host the receivers keep our count from drifting away.

        It follows them no faster than it can drift, so that none of them drags it along.
        """
        anchor_ns, drift_ns = self._anchor_ns, self._drift_ns(now)
        assert anchor_ns is not None  # noqa: S101 - asked by the caller
        near_ns = [
            claim_ns - anchor_ns
            for claim_ns in claims_ns
            if abs(claim_ns - anchor_ns) <= _AGREEMENT_NS + drift_ns
        ]
        if near_ns:
            by_ns = min(max(max(near_ns), -drift_ns), drift_ns)
            self._trust(anchor_ns + by_ns, "receivers", now)
            return
        self._source = "held"
        # None of them stands by our count, which nothing has kept right.
        self._trust_receivers(claims_ns, now)

    def _trust_receivers(self, claims_ns: list[int], now: float) -> None:
        agreed_ns = _agreed(claims_ns)
        if agreed_ns is not None and _BUILT_GPST_NS <= agreed_ns + _ns(now) <= _LATEST_GPST_NS:
            self._trust(agreed_ns, "receivers", now)

    def _trust(self, anchor_ns: int | None, source: str, now: float) -> None:
        self._anchor_ns, self._source = anchor_ns, source
        self._confirmed_s, self._contradicted_s = now, None

    def _drift_ns(self, now: float) -> int:
        return _ns(max(0.0, now - self._confirmed_s) * _DRIFT)


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)


def _n_near(claims_ns: list[int], offset_ns: int) -> int:
    """Count the receivers that stand by a time: they tell theirs late, and hardly early."""
    low = bisect_right(claims_ns, offset_ns - _AGREEMENT_NS - 1)
    return bisect_right(claims_ns, offset_ns + _EARLY_NS) - low


def _agreed(claims_ns: list[int]) -> int | None:
    """Give the offset that most receivers, and at least two, agree on: their latest.

    An epoch is told after its instant, never before: of those that agree the latest is nearest to
    the truth. Where two parties are of one size nothing is agreed.
    """
    best: tuple[int, int] | None = None
    has_rival = False
    start = 0
    for end, claim_ns in enumerate(claims_ns):
        while claim_ns - claims_ns[start] > _AGREEMENT_NS:
            start += 1
        n = end - start + 1
        if best is None or n > best[0]:
            best, has_rival = (n, claim_ns), False
        elif n == best[0] and claim_ns - best[1] > _AGREEMENT_NS:
            has_rival = True
    if best is None or best[0] < _AGREED or has_rival:
        return None
    return best[1]


def _is_weeks_off(ahead_ns: int) -> bool:
    """Whether a difference is whole rollovers of the week number of GPS, or of BDS."""
    period_ns = _GPS_WEEKS * WEEK_NS  # 8192 weeks are eight of them
    turns = round(ahead_ns / period_ns)
    return turns != 0 and abs(ahead_ns - turns * period_ns) < DAY_NS


def _is_first_week(t_gpst_ns: int) -> bool:
    """Whether it is the week number 0, which receivers say that know no week."""
    bdt_week = bdt_from_gpst(t_gpst_ns).week
    return t_gpst_ns // WEEK_NS % _GPS_WEEKS == 0 or bdt_week % _BDT_WEEKS == 0
