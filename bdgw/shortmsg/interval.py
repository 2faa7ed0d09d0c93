"""When the card allows the next request (服务频度), counted by our own clock.

The interval is counted from the last request that was accepted, as hosts do, plus a margin. The
transmission itself lies somewhere between that request and its feedback; a terminal that
transmits late shows it by "too early", and what it shows is added from then on.

A mark is what the interval counts from. While feedback is awaited it is the end of that waiting,
the latest transmission that there can have been: a mark that is written down before the request
leaves is on the safe side, whatever happens afterwards. Regional and global requests have
intervals of their own; an express request is a regional one.

Source: RDSS digest 2.3 and 7.
"""

from __future__ import annotations

import msgspec

from bdgw.shortmsg.vocabulary import Card, Service

__all__ = [
    "DEFAULT_INTERVAL_S",
    "FEEDBACK_LIMIT_S",
    "MARGIN_S",
    "IntervalRules",
    "IntervalTimer",
    "SendMark",
]

MARGIN_S = 2.0
"""On top of the card's interval, for the clocks differ (RDSS digest 7)."""
DEFAULT_INTERVAL_S = 60.0
"""Taken where a card says 0, which no service has."""

FEEDBACK_LIMIT_S = 15.0
"""Feedback comes 2 to 15 s after the request (RDSS digest 6.5)."""


class SendMark(msgspec.Struct, frozen=True, kw_only=True):
    """What the interval of one service counts from.

    ``at_s`` is monotonic seconds of the session's clock. Kept across a restart it is turned into
    UTC and back by the owner; it may lie before the clock's zero and, by up to the feedback limit
    or by what a terminal demands, ahead of now.
    """

    service: Service
    at_s: float


class IntervalRules(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds."""

    margin_s: float = MARGIN_S
    express_interval_s: float | None = None
    """Before an express request, where the card's own interval does not hold for it."""
    default_interval_s: float = DEFAULT_INTERVAL_S

    def __post_init__(self) -> None:
        if not 0.0 <= self.margin_s < float("inf"):
            raise ValueError("margin_s must be 0 or more")
        if not 0.0 < self.default_interval_s < float("inf"):
            raise ValueError("default_interval_s must be above 0")
        if self.express_interval_s is not None and not 0.0 < self.express_interval_s < float("inf"):
            raise ValueError("express_interval_s must be above 0")


class IntervalTimer:
    """The intervals of one terminal.

    Marks belong to the terminal and stay when its card changes: whichever card went out and comes
    back, its own last request is not later than the mark.
    """

    def __init__(self, rules: IntervalRules, marks: tuple[SendMark, ...] = ()) -> None:
        """Start with what was sent before a restart; of two marks of a service the later holds."""
        self._rules = rules
        self._marks: dict[Service, float] = {}
        for mark in marks:
            self._later(mark.service, mark.at_s)
        self._pending: Service | None = None
        """The service of the request under way."""
        self._before_s: float | None = None
        """The mark before that request, for the case that it is refused."""
        self._requested_at_s = 0.0
        self._lag_s: dict[Service, float] = {}
        """How much later than a request the terminal is known to transmit."""
        self._lag_max_s: dict[Service, float] = {}
        """How late it can have been the last time: when the feedback came."""
        self._n_too_early: dict[Service, int] = {}

    def interval_s(self, card: Card, service: Service, *, is_express: bool = False) -> float | None:
        """Give the interval before a request; None where the card has no such service."""
        if service is Service.GLOBAL:
            interval_s: float | None = card.global_interval_s
            return float(interval_s) if interval_s else None
        if is_express and self._rules.express_interval_s is not None:
            return self._rules.express_interval_s
        return float(card.interval_s) if card.interval_s > 0 else self._rules.default_interval_s

    def ready_at_s(self, card: Card, service: Service, *, is_express: bool = False) -> float | None:
        """Give the earliest instant of a request of this kind, possibly past; None: never."""
        interval_s = self.interval_s(card, service, is_express=is_express)
        if interval_s is None:
            return None
        at_s = self._marks.get(service)
        return float("-inf") if at_s is None else at_s + interval_s + self._rules.margin_s

    def mark(self, service: Service) -> SendMark | None:
        """Give the mark of a service, None where nothing was sent."""
        at_s = self._marks.get(service)
        return None if at_s is None else SendMark(service=service, at_s=at_s)

    @property
    def marks(self) -> tuple[SendMark, ...]:
        """All marks, to be kept."""
        return tuple(SendMark(service=service, at_s=at_s) for service, at_s in self._marks.items())

    def requested(self, service: Service, limit_s: float, *, now: float) -> SendMark:
        """A request leaves; its feedback is awaited for ``limit_s``."""
        self._pending, self._before_s = service, self._marks.get(service)
        self._requested_at_s = now
        return self._later(service, now + limit_s)

    def accepted(self, service: Service, *, now: float) -> SendMark:
        """The request under way was taken: the transmission was not later than now."""
        self._n_too_early[service] = 0
        self._lag_max_s[service] = max(0.0, now - self._requested_at_s)
        sent_s = self._requested_at_s + self._lag_s.get(service, 0.0)
        return self._settle(service, min(now, sent_s))

    def over(self, service: Service, *, now: float) -> SendMark:
        """No feedback will come: the transmission was not later than now."""
        self._lag_max_s.pop(service, None)
        return self._settle(service, now)

    def not_sent(self, service: Service) -> None:
        """The request under way was refused: the mark before it holds again."""
        before_s = self._before_s
        self._pending = self._before_s = None
        if before_s is None:
            self._marks.pop(service, None)
        else:
            self._marks[service] = before_s

    def too_early(
        self,
        card: Card,
        service: Service,
        wait_s: float | None,
        *,
        now: float,
        is_express: bool = False,
    ) -> None:
        """The terminal wants ``wait_s`` more; never shortens what our own timer says.

        What cannot be believed (0, longer than the interval, the second time in a row) counts as
        a whole interval, because there are four readings of that field (RDSS digest 3.8).
        """
        interval_s = self.interval_s(card, service, is_express=is_express)
        if interval_s is None:
            return
        n_before = self._n_too_early.get(service, 0)
        self._n_too_early[service] = n_before + 1
        if wait_s is None or not 0.0 < wait_s <= interval_s or n_before:
            wait_s = interval_s
        else:
            self._learn_lag(service, now + wait_s - interval_s)
        self._later(service, now + wait_s - interval_s)

    def sent_elsewhere(self, service: Service, *, now: float) -> SendMark:
        """The terminal speaks of a transmission that is not ours, or of one we gave up."""
        if self._pending is service:
            self._before_s = now if self._before_s is None else max(now, self._before_s)
        return self._later(service, now)

    def _learn_lag(self, service: Service, sent_s: float) -> None:
        """The terminal counts from ``sent_s``, after the mark that we counted from."""
        mark_s, lag_max_s = self._marks.get(service), self._lag_max_s.get(service)
        if mark_s is not None and lag_max_s is not None and sent_s > mark_s:
            lag_s = self._lag_s.get(service, 0.0)
            self._lag_s[service] = min(lag_s + sent_s - mark_s, max(lag_s, lag_max_s))

    def _settle(self, service: Service, at_s: float) -> SendMark:
        before_s = self._before_s
        self._pending = self._before_s = None
        self._marks[service] = at_s if before_s is None else max(at_s, before_s)
        return SendMark(service=service, at_s=self._marks[service])

    def _later(self, service: Service, at_s: float) -> SendMark:
        self._marks[service] = max(at_s, self._marks.get(service, at_s))
        return SendMark(service=service, at_s=self._marks[service])
