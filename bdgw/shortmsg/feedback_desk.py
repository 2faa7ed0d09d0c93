"""What terminals answer to requests, and what that means for messages and cards. Pure.

Too early and no lock cost nothing but time: nothing was on air. Where a terminal says nothing, a
unit of a long message is left to its peer to ask for again, and a plain text is possibly sent: it
goes once more only where its submitter allowed that. To a bdgw peer a receipt may still come.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from bdgw.shortmsg.budget import AirBudget
from bdgw.shortmsg.card_desk import CardDesk
from bdgw.shortmsg.card_pool import CardPool, Seat
from bdgw.shortmsg.courier_rules import CourierRules
from bdgw.shortmsg.fleet import Fleet
from bdgw.shortmsg.flight import Flight, Unit
from bdgw.shortmsg.interval import FEEDBACK_LIMIT_S, SendMark
from bdgw.shortmsg.ledger import Ledger
from bdgw.shortmsg.ledger_store import ValueWrite
from bdgw.shortmsg.peer_answer import PeerAnswers
from bdgw.shortmsg.slot import SlotTimer
from bdgw.shortmsg.vocabulary import RefusalReason, Service

__all__ = ["FeedbackDesk"]

_REST_MAX_S = 120.0
"""A session never rests longer after a refusal that is not for the interval."""
_DISK_RETRY_S = 5.0
_NS_PER_S = 1_000_000_000
_WAITS = frozenset({RefusalReason.SUPPRESSED, RefusalReason.SILENT})


class _Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A request that a terminal has answered."""

    seat: Seat
    id: str
    unit: int | None
    """None: it was no message."""
    flight: Flight | None
    """None: the message has its outcome already."""
    sent: Unit | None


class FeedbackDesk:
    """Gives answers of terminals to messages, and to the timers of their cards."""

    def __init__(
        self,
        *,
        rules: CourierRules,
        ledger: Ledger,
        pool: CardPool,
        budget: AirBudget,
        fleet: Fleet,
        cards: CardDesk,
        answers: PeerAnswers,
        utc_ns: Callable[[], int],
    ) -> None:
        self._rules = rules
        self._ledger = ledger
        self._pool = pool
        self._budget = budget
        self._fleet = fleet
        self._cards = cards
        self._answers = answers
        self._utc_ns = utc_ns
        self.n_too_early = 0
        """Refusals by terminals; more than a few mean that somebody else uses the card."""
        self.n_misplanned = 0
        """Requests that sessions did not even put to their terminals."""

    def accepted(self, terminal: str, mark: SendMark | None, *, now: float) -> None:
        """The terminal has taken the request."""
        asked = self._answered(terminal)
        if asked is None:
            return
        self._confirm(asked.seat, mark, now)
        self._pool.worked(terminal)
        if asked.unit is not None:
            self._ledger.unit_accepted(
                asked.id,
                unit=asked.unit,
                at_utc_ns=self._utc_ns(),
                values=self._counted_from(asked.seat, mark, now),
            )
        if asked.flight is not None and not asked.flight.is_long:
            asked.flight.repeat_next = False
            self._fleet.plain_gone(asked.flight, is_sure=True, now=now)

    def unknown(self, terminal: str, why: str, mark: SendMark | None = None, *, now: float) -> None:
        """The terminal has not said whether it sent."""
        asked = self._answered(terminal)
        if asked is None:
            return
        self._confirm(asked.seat, mark, now)
        if asked.unit is not None:
            self._ledger.unit_unknown(
                asked.id,
                unit=asked.unit,
                at_utc_ns=self._utc_ns(),
                cause=why[:200],
                values=self._counted_from(asked.seat, mark, now),
            )
        if asked.flight is not None and not asked.flight.is_long:
            asked.flight.repeat_next = False
            self._fleet.plain_gone(asked.flight, is_sure=False, now=now)

    def refused(
        self,
        terminal: str,
        reason: RefusalReason,
        wait_s: float | None,
        mark: SendMark | None = None,
        *,
        now: float,
        is_by_terminal: bool = True,
    ) -> None:
        """The terminal has not sent."""
        asked = self._answered(terminal)
        if asked is None:
            return
        self._answers.put_back(terminal)
        flight = asked.flight
        if flight is not None and flight.is_long:
            flight.again = asked.sent
        if asked.unit is not None:
            # Another card may do what this one cannot: the message is not refused for that.
            said = RefusalReason.UNKNOWN if reason is RefusalReason.NO_CARD else reason
            self._slot_back(asked.seat)
            done = self._ledger.unit_refused(
                asked.id,
                unit=asked.unit,
                reason=said,
                at_utc_ns=self._utc_ns(),
                values=self._counted_from(asked.seat, mark, now),
            )
            if flight is not None and done.value.is_final:
                self._fleet.forget(flight.id)
            elif flight is not None:
                self._again(flight, reason)
        self.n_misplanned += not is_by_terminal
        if is_by_terminal or wait_s is None:
            self._not_sent(asked.seat, reason, wait_s, now)
        else:
            self._put_off(asked.seat, wait_s, now)

    def undispatched(self, terminal: str, *, now: float) -> None:
        """What was to be sent never left the host: it is tried again.

        The disk did not take it, or it did and the gateway stops before the port has it.
        """
        asked = self._answered(terminal)
        if asked is None:
            return
        self._answers.put_back(terminal)
        flight = asked.flight
        if asked.unit is not None and self._ledger.is_in_flight(asked.id, asked.unit):
            self._ledger.unit_refused(
                asked.id, unit=asked.unit, reason=RefusalReason.BUSY, at_utc_ns=self._utc_ns()
            )
        if flight is not None and flight.is_long:
            flight.again = asked.sent
        elif flight is not None:
            self._budget.requeue(flight.job)
        self._slot_back(asked.seat)
        asked.seat.ready_s = max(asked.seat.ready_s, now + _DISK_RETRY_S)

    def undeliverable(self, terminal: str, why: str, *, now: float) -> None:
        """The request cannot be put to this terminal, now or ever; nothing left the host."""
        asked = self._answered(terminal)
        if asked is None:
            return
        self._answers.done(terminal)
        self._not_sent(asked.seat, RefusalReason.UNKNOWN, None, now)
        if asked.unit is not None:
            self._ledger.unit_refused(
                asked.id,
                unit=asked.unit,
                reason=RefusalReason.UNKNOWN,
                at_utc_ns=self._utc_ns(),
            )
        if asked.flight is not None:
            self._fleet.refuse(asked.id, why[:200], is_retryable=False)

    def _again(self, flight: Flight, reason: RefusalReason) -> None:
        if reason in (RefusalReason.UNKNOWN, RefusalReason.CRC, RefusalReason.CRYPTO):
            flight.n_refusals += 1
        if flight.n_refusals >= self._rules.n_refusals_max or not (
            reason.is_retryable or reason is RefusalReason.NO_CARD
        ):
            self._fleet.refuse(flight.id, reason.value, is_retryable=reason.is_retryable)
        elif not flight.is_long:
            self._budget.requeue(flight.job)

    def _not_sent(
        self, seat: Seat, reason: RefusalReason, wait_s: float | None, now: float
    ) -> None:
        timer = self._slot_back(seat)
        if wait_s is not None:
            is_early = reason is RefusalReason.TOO_EARLY
            rest_s = min(wait_s, FEEDBACK_LIMIT_S if is_early else _REST_MAX_S)
            seat.ready_s = max(seat.ready_s, now + rest_s)
        if reason is RefusalReason.TOO_EARLY:
            self.n_too_early += 1
            if timer is not None:
                timer.hold(wait_s, now=now)
        elif reason is RefusalReason.NO_CARD:
            self._cards.card_out(seat.name, now=now)
        elif reason in _WAITS:
            seat.is_suppressed = True
            self._cards.refresh(seat.name, now=now)
        else:
            self._pool.failed(seat.name, now=now)

    def _put_off(self, seat: Seat, wait_s: float, now: float) -> None:
        """The session has not even asked the terminal: the plan was wrong by so much."""
        self._slot_back(seat)
        seat.ready_s = max(seat.ready_s, now + wait_s)

    def _slot_back(self, seat: Seat) -> SlotTimer | None:
        card = seat.in_flight_card
        timer = None if card is None else self._budget.timer(card, seat.in_flight_service)
        if timer is not None:
            timer.refused()
        return timer

    def _answered(self, terminal: str) -> _Asked | None:
        """What this terminal was asked; its message may have ended meanwhile."""
        seat = self._pool[terminal]
        message_id = seat.in_flight
        if message_id is None:
            return None
        seat.in_flight = None
        flight = self._fleet.get(message_id)
        sent = None if flight is None else flight.in_flight
        if flight is not None:
            flight.in_flight = None
        return _Asked(seat=seat, id=message_id, unit=seat.in_flight_unit, flight=flight, sent=sent)

    def _counted_from(
        self, seat: Seat, mark: SendMark | None, now: float
    ) -> tuple[ValueWrite, ...]:
        """What the intervals of a card count from after an answer, for the next run."""
        card = seat.in_flight_card
        if card is None:
            return ()
        timers = [self._budget.timer(card, service) for service in Service]
        times = [timer.last_sent_s for timer in timers if timer is not None]
        times.append(None if mark is None else mark.at_s)
        # One time for all services: the latest.
        at_s = max((time for time in times if time is not None), default=None)
        if at_s is None:
            return ()
        mark_utc_ns = self._utc_ns() + round((at_s - now) * _NS_PER_S)
        return self._ledger.values.counted_from(card, mark_utc_ns, terminal=seat.name)

    def _confirm(self, seat: Seat, mark: SendMark | None, now: float) -> None:
        card = seat.in_flight_card
        timer = None if card is None else self._budget.timer(card, seat.in_flight_service)
        if timer is not None:
            timer.confirmed(now if mark is None else mark.at_s, latest_s=now)
        self._answers.done(seat.name)
