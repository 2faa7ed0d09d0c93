"""The one request that a terminal may have under way, and what comes of it.

Feedback carries no number: it belongs to the request under way, or else to one that was given up,
or to somebody who shares the terminal. Whatever speaks of a transmission moves the interval;
what speaks of none does so only for the request that it answers.
"""

from __future__ import annotations

import msgspec

from bdgw.shortmsg.interval import IntervalRules, IntervalTimer, SendMark
from bdgw.shortmsg.terminal_event import (
    Accepted,
    LateFeedback,
    Refused,
    Requested,
    SentElsewhere,
    Unknown,
)
from bdgw.shortmsg.vocabulary import Accepted as Taken
from bdgw.shortmsg.vocabulary import Card, OutgoingFrame, RefusalReason, Service
from bdgw.shortmsg.vocabulary import Refused as Declined

__all__ = ["Flight", "is_for_send", "takes_the_air"]

_SEND_COMMANDS = ("TXSQ", "TXA", "TCQ", "MSG")
_AIR_COMMANDS = (*_SEND_COMMANDS, "DWSQ", "DWA", "WAA", "WBA", "CXA", "EPQ", "QRQ", "LOC")
"""Positions and queries are requests of the card like any other; a box may make its own."""
_MISSED_LATELY_S = 60.0
_BATTERY_REST_S = 60.0
"""A battery that is too low for one transmission is so a second later."""


def is_for_send(command: str | None) -> bool:
    """Whether feedback names a message as what it answers; without a name it does."""
    return not command or command.endswith(_SEND_COMMANDS)


def takes_the_air(command: str | None) -> bool:
    """Whether what a terminal has accepted starts the card's interval."""
    return not command or command.endswith(_AIR_COMMANDS)


class _UnderWay(msgspec.Struct, frozen=True):
    ticket: int
    frame: OutgoingFrame
    at_s: float
    due_s: float


class Flight:
    """Tickets, intervals and outcomes of one connection."""

    def __init__(
        self,
        rules: IntervalRules,
        *,
        feedback_s: float,
        marks: tuple[SendMark, ...],
        first_ticket: int,
    ) -> None:
        """``feedback_s``: how long feedback is waited for; ``marks``: of the time before."""
        self.timer = IntervalTimer(rules, marks)
        self._feedback_s = feedback_s
        self._ticket = first_ticket
        self._under_way: _UnderWay | None = None
        self._given_up: _UnderWay | None = None
        self._rest_until_s = float("-inf")
        self.n_stray = 0
        """Feedback that answers no request of ours."""

    @property
    def is_under_way(self) -> bool:
        """A request awaits its feedback."""
        return self._under_way is not None

    def misses_feedback(self, now: float) -> bool:
        """Feedback is awaited, or was so until a short time ago."""
        late = self._given_up
        return self._under_way is not None or (
            late is not None and now - late.due_s < _MISSED_LATELY_S
        )

    def ready_at_s(self, card: Card, service: Service, *, is_express: bool) -> float | None:
        """Give when the card and the last refusal allow a request; None: it has no such service."""
        at_s = self.timer.ready_at_s(card, service, is_express=is_express)
        return None if at_s is None else max(at_s, self._rest_until_s)

    def deadline(self) -> float | None:
        """When the feedback is given up; None while none is awaited."""
        return None if self._under_way is None else self._under_way.due_s

    def refuse(
        self, frame: OutgoingFrame, reason: RefusalReason, wait_s: float | None, text: str
    ) -> Refused:
        """Give a ticket and its outcome at once: nothing leaves the host."""
        return Refused(
            ticket=self._next_ticket(),
            reason=reason,
            wait_s=wait_s,
            text=text,
            mark=self.timer.mark(frame.service),
            is_by_terminal=False,
        )

    def start(self, frame: OutgoingFrame, *, now: float) -> Requested:
        """A request leaves."""
        ticket = self._next_ticket()
        self._under_way = _UnderWay(ticket, frame, now, now + self._feedback_s)
        self._given_up = None
        mark = self.timer.requested(frame.service, self._feedback_s, now=now)
        return Requested(ticket=ticket, mark=mark)

    def accepted(
        self, event: Taken, *, now: float
    ) -> Accepted | LateFeedback | SentElsewhere | None:
        """The terminal has taken something."""
        flight = self._under_way
        if flight is not None and is_for_send(event.command):
            self._under_way = None
            mark = self.timer.accepted(flight.frame.service, now=now)
            return Accepted(ticket=flight.ticket, mark=mark)
        if not takes_the_air(event.command):
            return None
        late = self._given_up
        service = late.frame.service if late is not None else Service.REGIONAL
        mark = self.timer.sent_elsewhere(service, now=now)
        if late is None or not is_for_send(event.command):
            self.n_stray += 1
            return SentElsewhere(mark=mark)
        self._given_up = None
        return LateFeedback(ticket=late.ticket, is_accepted=True, mark=mark)

    def refused(self, event: Declined, card: Card, *, now: float) -> Refused | LateFeedback | None:
        """The terminal has not taken something."""
        flight = self._under_way
        if not is_for_send(event.command):
            return None
        if flight is None:
            return self._refused_late(event)
        self._under_way = None
        service, is_express = flight.frame.service, flight.frame.is_express
        self.timer.not_sent(service)
        if event.reason is RefusalReason.TOO_EARLY:
            self.timer.too_early(card, service, event.wait_s, now=now, is_express=is_express)
        # A second, contrary answer to this request must come before the next one goes out.
        self._rest_until_s = max(now, flight.due_s)
        if event.reason is RefusalReason.BATTERY:
            self._rest_until_s = max(self._rest_until_s, now + _BATTERY_REST_S)
        ready_s = self.ready_at_s(card, service, is_express=is_express)
        return Refused(
            ticket=flight.ticket,
            reason=event.reason,
            wait_s=None if ready_s is None else max(0.0, ready_s - now),
            text=_words(event),
            mark=self.timer.mark(service),
        )

    def _refused_late(self, event: Declined) -> LateFeedback | None:
        late, self._given_up = self._given_up, None
        if late is None:
            self.n_stray += 1
            return None
        return LateFeedback(ticket=late.ticket, is_accepted=False, reason=event.reason)

    def give_up(self, text: str, *, now: float) -> Unknown | None:
        """No feedback is waited for any more."""
        flight = self._under_way
        if flight is None:
            return None
        self._under_way, self._given_up = None, flight
        mark = self.timer.over(flight.frame.service, now=now)
        return Unknown(ticket=flight.ticket, mark=mark, text=text)

    def _next_ticket(self) -> int:
        ticket = self._ticket
        self._ticket += 1
        return ticket


def _words(event: Declined) -> str:
    said = "" if event.raw_reason is None else f" (it says {event.raw_reason})"
    wait = "" if event.wait_s is None else f", it asks for {event.wait_s:g} s"
    return f"refused by the terminal: {event.reason.value.replace('_', ' ')}{said}{wait}"
