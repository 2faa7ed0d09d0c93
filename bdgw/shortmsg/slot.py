"""Slots of a card: when the next one is, and whose turn it is within a priority. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from bdgw.shortmsg.job import Job
from bdgw.shortmsg.vocabulary import Service

__all__ = ["Lane", "SlotTimer", "Turns", "since_restart"]

Lane = tuple[int, Service]
"""A service of a card: each has an interval of its own. Express shares the regional one."""

_LAG_WEIGHT = 0.25
_HOLD_INTERVALS_MAX = 3.0
_HOLD_MAX_S = 600.0


class SlotTimer:
    """When one service of one card may send next. All times in seconds of the caller's clock."""

    def __init__(self, interval_s: float, margin_s: float) -> None:
        """Start with a card that may send at once.

        Raises:
            ValueError: a negative or endless time.
        """
        if not (0.0 <= interval_s < math.inf and 0.0 <= margin_s < math.inf):
            raise ValueError(f"an interval of {interval_s} s with {margin_s} s of margin")
        self.interval_s = interval_s
        self.is_offered = True
        """The card has this service."""
        self._margin_s = margin_s
        self._asked_s: float | None = None
        self._before_s: float | None = None
        self._hold_s = -math.inf
        self._lag_s: float | None = None
        self.last_sent_s: float | None = None
        """What the interval counts from: the marks of the session that drives the terminal."""
        self._latest_s = -math.inf
        """The latest instant at which it may have begun to transmit."""
        self.n_sent = 0

    def next_s(self) -> float:
        """Not before this; may lie in the past."""
        if self.last_sent_s is None:
            return self._hold_s
        return max(self._hold_s, self.last_sent_s + self.interval_s + self._margin_s)

    def period_s(self) -> float:
        """From one slot to the next: the interval, the margin, and how long terminals answer."""
        return self.interval_s + self._margin_s + (self._lag_s or 0.0)

    def sent(self, at_s: float) -> None:
        """A request went to the terminal; from here on the interval may run."""
        self._before_s = self.last_sent_s
        self._asked_s = at_s
        self.last_sent_s = at_s if self.last_sent_s is None else max(self.last_sent_s, at_s)
        self.n_sent += 1

    def confirmed(self, at_s: float, *, latest_s: float) -> None:
        """The terminal has taken it, or has not said so: the interval counts from ``at_s``.

        It may have sent as late as ``latest_s``, which matters once the card is elsewhere.
        """
        if self._asked_s is not None:
            lag_s = max(0.0, at_s - self._asked_s)
            known_s = lag_s if self._lag_s is None else self._lag_s
            self._lag_s = known_s + _LAG_WEIGHT * (lag_s - known_s)
        self._asked_s = None
        self.counts_from(at_s)
        self._latest_s = max(self._latest_s, latest_s)

    def counts_from(self, at_s: float) -> None:
        """Something was sent that was not asked for here."""
        self.last_sent_s = at_s if self.last_sent_s is None else max(self.last_sent_s, at_s)

    def moved(self) -> None:
        """The card is in another terminal, which may transmit faster than the one before."""
        if self._latest_s > -math.inf:
            self.counts_from(self._latest_s)

    def refused(self) -> None:
        """The terminal has not sent: the interval of the request before goes on."""
        if self._asked_s is not None:
            self.last_sent_s = self._before_s
            self._asked_s = None
            self.n_sent -= 1

    def hold(self, wait_s: float | None, *, now: float) -> None:
        """The session says how long to wait; None: it does not, so a whole interval.

        What cannot be is cut.
        """
        longest_s = max(_HOLD_MAX_S, _HOLD_INTERVALS_MAX * self.interval_s)
        if wait_s is None:
            wait_s = self.interval_s + self._margin_s
        self.hold_until(now + min(max(wait_s, 0.0), longest_s))

    def hold_until(self, at_s: float) -> None:
        """Nothing before this."""
        self._hold_s = max(self._hold_s, at_s)


class Turns:
    """Whose turn: the first in order, but a transfer at most every other time."""

    def __init__(self) -> None:
        self._was_transfer: dict[tuple[Lane, int], bool] = {}

    def copy(self) -> Turns:
        """For a look ahead."""
        other = Turns()
        other._was_transfer = dict(self._was_transfer)
        return other

    def pick(
        self,
        ordered: Sequence[Job],
        lane: Lane,
        at_s: float,
        n_of_kind: Mapping[tuple[int, bool], int],
    ) -> Job | None:
        """The job of an ordered queue that has the slot at this time; None: none is ready.

        ``n_of_kind`` counts the queue by rank and whether it is a transfer: there is no need to
        search for a kind that is not there.
        """
        chosen: Job | None = None
        for job in ordered:
            if chosen is not None and job.priority is not chosen.priority:
                break
            if not _fits(job, lane) or job.not_before_s > at_s:
                continue
            wants_transfer = not self._was_transfer.get((lane, job.priority.rank), True)
            is_alone = not n_of_kind.get((job.priority.rank, wants_transfer))
            if job.is_transfer is wants_transfer or is_alone:
                return job
            chosen = chosen or job
        return chosen

    def next_s(self, ordered: Sequence[Job], lane: Lane, at_s: float) -> float | None:
        """When a job that is not ready yet will be."""
        times = [
            job.not_before_s for job in ordered if _fits(job, lane) and job.not_before_s > at_s
        ]
        return min(times, default=None)

    def used(self, job: Job, lane: Lane) -> None:
        """The slot was used."""
        self._was_transfer[lane, job.priority.rank] = job.is_transfer


def _fits(job: Job, lane: Lane) -> bool:
    card, service = lane
    return job.service is service and job.may_use(card)


def since_restart(sent_utc_s: float, *, now_utc_s: float, now: float) -> float:
    """When a request of an earlier run was, in this run's monotonic clock, seconds.

    A wall clock that was set back makes it look as if it were still to come: it counts as now.
    """
    return now - max(0.0, now_utc_s - sent_utc_s)
