"""From the queue to the terminals, and what their answers mean for the messages. Pure.

Too early and no lock cost nothing but time: nothing was on air. Where a terminal says nothing, a
unit of a long message is left to its peer to ask for again, and a plain text is possibly sent: it
goes once more only where its submitter allowed that. To a bdgw peer a receipt may still come.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from bdgw.errors import BdgwError, EncodeError
from bdgw.shortmsg.budget import AirBudget, Job, Priority
from bdgw.shortmsg.card_pool import CardPool, Seat
from bdgw.shortmsg.compose import SealLaterError, record_frame
from bdgw.shortmsg.fleet import CourierRules, Fleet
from bdgw.shortmsg.flight import Flight, Unit
from bdgw.shortmsg.inbox import Inbox, Incoming, Lost
from bdgw.shortmsg.interval import FEEDBACK_LIMIT_S
from bdgw.shortmsg.ledger import Ledger
from bdgw.shortmsg.outgoing import Dispatch, Submission
from bdgw.shortmsg.pending import Pending
from bdgw.shortmsg.planner import Planner
from bdgw.shortmsg.slot import since_restart
from bdgw.shortmsg.vocabulary import Card, OutgoingFrame, RefusalReason, Service

__all__ = ["Courier"]

_NS_PER_S = 1_000_000_000
_ANSWER = "answer"
"""The one job of all that peers must be told; what it is, is decided when it has a slot."""
_UNITS_MAX = 4000
_TRANSFER_RETRY_S = 5.0
_SEAL_RETRY_S = 1.0
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


class Courier:
    """Gives slots to jobs, and answers of terminals to messages."""

    def __init__(
        self,
        *,
        rules: CourierRules,
        ledger: Ledger,
        pool: CardPool,
        budget: AirBudget,
        planner: Planner,
        inbox: Inbox,
        fleet: Fleet,
        utc_ns: Callable[[], int],
    ) -> None:
        self._rules = rules
        self._ledger = ledger
        self._pool = pool
        self._budget = budget
        self._planner = planner
        self._inbox = inbox
        self._fleet = fleet
        self._utc_ns = utc_ns
        self._answers: dict[str, tuple[int, bytes]] = {}
        """By terminal: the record that it was given, to be sent again if it refuses."""
        self._answer_again: list[tuple[int, bytes]] = []
        self.n_too_early = 0

    # Cards

    def card_in(self, terminal: str, card: Card, *, now: float) -> None:
        """A terminal has shown its card."""
        left = self._pool.insert(terminal, card)
        if left is not None:
            self._gone(left)
        self.refresh(terminal, now=now)

    def card_out(self, terminal: str, *, now: float) -> None:
        """A terminal has no card."""
        left = self._pool.eject(terminal)
        if left is not None:
            self._gone(left)
        self.refresh(terminal, now=now)

    def refresh(self, terminal: str, *, now: float) -> None:
        """What is known of a terminal has changed."""
        seat = self._pool[terminal]
        card = seat.card
        if card is None:
            return
        if not seat.may_send or seat.family is None:
            self._budget.unset_card(card.address)
            if self._budget.usable_cards():
                self._fleet.unbind(card.address)
            return
        self._restore_timer(card, now)
        intervals = {Service.REGIONAL: float(card.interval_s)}
        if card.global_interval_s:
            intervals[Service.GLOBAL] = float(card.global_interval_s)
        self._budget.set_card(card.address, intervals)
        self._fleet.replan()

    def _gone(self, card: int) -> None:
        self._budget.unset_card(card)
        self._fleet.unbind(card)

    def _restore_timer(self, card: Card, now: float) -> None:
        """When an earlier run used this card; the ledger knows the request, not the answer."""
        if self._budget.timer(card.address, Service.REGIONAL) is not None:
            return
        sent_utc_ns = self._ledger.values.last_sent_utc_ns(card.address)
        if sent_utc_ns is None:
            return
        now_utc_s = self._utc_ns() / _NS_PER_S
        asked_s = since_restart(sent_utc_ns / _NS_PER_S, now_utc_s=now_utc_s, now=now)
        sent_s = min(now, asked_s + FEEDBACK_LIMIT_S)
        self._budget.restore_sent(card.address, Service.REGIONAL, sent_s, float(card.interval_s))
        if card.global_interval_s:
            self._budget.restore_sent(
                card.address, Service.GLOBAL, sent_s, float(card.global_interval_s)
            )

    # Out

    def due(self, now: float) -> list[Dispatch]:
        """What is to be sent now, one for a terminal at most."""
        self._offer_answers(now)
        dispatches = []
        for seat in sorted(self._pool.seats(), key=lambda one: self._free_at_s(one)):
            if seat.may_send and seat.in_flight is None:
                dispatch = self._next_of(seat, now)
                if dispatch is not None:
                    dispatches.append(dispatch)
        self._offer_answers(now)
        return dispatches

    def _free_at_s(self, seat: Seat) -> float:
        timer = None if seat.address is None else self._budget.timer(seat.address, Service.REGIONAL)
        return float("-inf") if timer is None else timer.next_s()

    def _next_of(self, seat: Seat, now: float) -> Dispatch | None:
        passed: set[str] = set()
        for service in Service:
            while seat.address is not None:
                job = self._budget.pick(seat.address, service, now=now, without=passed)
                if job is None:
                    break
                passed.add(job.id)
                is_urgent = job.priority is Priority.DISTRESS
                if self._pool.open_at_s(seat.name, is_urgent=is_urgent) > now:
                    break
                dispatch = self._dispatch(seat, job, now)
                if dispatch is not None:
                    return dispatch
        return None

    def _dispatch(self, seat: Seat, job: Job, now: float) -> Dispatch | None:
        if job.id == _ANSWER:
            return self._dispatch_answer(seat, job, now)
        flight = self._fleet.get(job.id)
        if flight is None:
            self._budget.remove(job.id)
            return None
        try:
            made = self._unit_of(flight, seat, now)
        except SealLaterError:
            self._budget.change(flight.id, not_before_s=now + _SEAL_RETRY_S)
            return None
        except EncodeError as error:
            self._fleet.refuse(flight.id, str(error)[:200], is_retryable=False)
            return None
        if made is None or seat.card is None:
            return None
        frame, unit = made
        try:
            durable = self._ledger.on_air(
                flight.id,
                unit=unit.number,
                of=flight.n_units,
                card=seat.card.address,
                at_utc_ns=self._utc_ns(),
                is_repeat=unit.is_repeat,
            )
        except BdgwError:
            # Its submission never became durable, or its fate is decided already.
            self._fleet.forget(flight.id)
            return None
        self._fleet.handed(flight)
        flight.in_flight, flight.again = unit, None
        if not flight.is_long:
            self._budget.remove(flight.id)
        self._asked(seat, job, now, unit=unit.number)
        return Dispatch(terminal=seat.name, frame=frame, message_id=flight.id, durable=durable)

    def _asked(self, seat: Seat, job: Job, now: float, *, unit: int | None = None) -> None:
        if seat.address is None:
            return
        self._budget.sent(job, seat.address, job.service, at_s=now)
        seat.in_flight, seat.in_flight_service = job.id, job.service
        seat.in_flight_unit, seat.in_flight_card, seat.asked_at_s = unit, seat.address, now

    def _unit_of(self, flight: Flight, seat: Seat, now: float) -> tuple[OutgoingFrame, Unit] | None:
        submission = flight.submission
        if not flight.is_long:
            fit = self._planner.plain(submission, seat)
            if fit.frame is None:
                raise EncodeError(f"too long for card {seat.address}: {fit.explanation}")
            unit = Unit(number=1, content=fit.frame.content, is_repeat=flight.repeat_next)
            return fit.frame, unit
        if flight.transfer is None and seat.address is not None:
            unit_bytes = self._planner.unit_bytes(submission, seat)
            self._fleet.begin_transfer(flight, seat.address, unit_bytes)
        next_unit = flight.next_unit(now)
        if next_unit is None:
            if not self._fleet.settle(flight):
                due_s = None if flight.transfer is None else flight.transfer.deadline()
                later_s = now + _TRANSFER_RETRY_S if due_s is None else max(due_s, now + 0.001)
                self._budget.change(flight.id, not_before_s=later_s)
            return None
        if next_unit.number > _UNITS_MAX:
            raise EncodeError(f"{_UNITS_MAX} units and the peer still has not all")
        frame = record_frame(submission.to, next_unit.content, submission.service)
        return frame, next_unit

    # Answers to peers

    def _offer_answers(self, now: float) -> None:
        if _ANSWER in self._budget:
            return
        if self._answer_again or self._inbox.has_answer(now):
            job = Job(id=_ANSWER, priority=Priority.COMMAND, submitted_s=now)
            self._budget.requeue(job)

    def _dispatch_answer(self, seat: Seat, job: Job, now: float) -> Dispatch | None:
        try:
            max_bytes = self._planner.unit_bytes(Submission(to=1, data=b"\0"), seat)
        except EncodeError:
            return None
        answer = (
            self._answer_again.pop(0)
            if self._answer_again
            else self._inbox.answer(now, max_bytes=max_bytes)
        )
        self._budget.remove(_ANSWER)
        if answer is None or seat.address is None:
            return None
        to, record = answer
        noted = self._ledger.values.note_sent(seat.address, at_utc_ns=self._utc_ns())
        self._asked(seat, job, now)
        self._answers[seat.name] = answer
        frame = record_frame(to, record, Service.REGIONAL)
        return Dispatch(
            terminal=seat.name, frame=frame, message_id=None, durable=Pending(None, *noted.commits)
        )

    # What terminals answer

    def accepted(self, terminal: str, *, now: float) -> None:
        """The terminal has taken the request."""
        asked = self._answered(terminal)
        if asked is None:
            return
        self._confirm(asked.seat, now)
        self._pool.worked(terminal)
        if asked.unit is not None:
            self._ledger.unit_accepted(asked.id, unit=asked.unit, at_utc_ns=self._utc_ns())
        if asked.flight is not None and not asked.flight.is_long:
            asked.flight.repeat_next = False
            self._fleet.plain_gone(asked.flight, is_sure=True, now=now)

    def unknown(self, terminal: str, why: str, *, now: float) -> None:
        """The terminal has not said whether it sent."""
        asked = self._answered(terminal)
        if asked is None:
            return
        self._confirm(asked.seat, now)
        if asked.unit is not None:
            self._ledger.unit_unknown(
                asked.id, unit=asked.unit, at_utc_ns=self._utc_ns(), cause=why[:200]
            )
        if asked.flight is not None and not asked.flight.is_long:
            asked.flight.repeat_next = False
            self._fleet.plain_gone(asked.flight, is_sure=False, now=now)

    def refused(
        self, terminal: str, reason: RefusalReason, wait_s: float | None, *, now: float
    ) -> None:
        """The terminal has not sent."""
        asked = self._answered(terminal)
        if asked is None:
            return
        answer = self._answers.pop(terminal, None)
        if answer is not None:
            self._answer_again.append(answer)
        flight = asked.flight
        if flight is not None and flight.is_long:
            flight.again = asked.sent
        if asked.unit is not None:
            # Another card may do what this one cannot: the message is not refused for that.
            said = RefusalReason.UNKNOWN if reason is RefusalReason.NO_CARD else reason
            done = self._ledger.unit_refused(
                asked.id, unit=asked.unit, reason=said, at_utc_ns=self._utc_ns()
            )
            if flight is not None and done.value.is_final:
                self._fleet.forget(flight.id)
            elif flight is not None:
                self._again(flight, reason)
        self._not_sent(asked.seat, reason, wait_s, now)

    def not_dispatched(self, terminal: str, *, now: float) -> None:
        """The request never left the host, and its mark in the ledger may not be durable."""
        asked = self._answered(terminal)
        if asked is None:
            return
        answer = self._answers.pop(terminal, None)
        if answer is not None:
            self._answer_again.append(answer)
        flight = asked.flight
        if asked.unit is not None and self._ledger.is_in_flight(asked.id, asked.unit):
            self._ledger.unit_refused(
                asked.id, unit=asked.unit, reason=RefusalReason.BUSY, at_utc_ns=self._utc_ns()
            )
        if flight is not None and flight.is_long:
            flight.again = asked.sent
        elif flight is not None:
            self._budget.requeue(flight.job)
        self._not_sent(asked.seat, RefusalReason.BUSY, None, now)

    def undeliverable(self, terminal: str, why: str, *, now: float) -> None:
        """The request cannot be put to this terminal, now or ever; nothing left the host."""
        asked = self._answered(terminal)
        if asked is None:
            return
        self._answers.pop(terminal, None)
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
        card, service = seat.in_flight_card, seat.in_flight_service
        timer = None if card is None else self._budget.timer(card, service)
        if timer is not None:
            timer.refused()
        if reason is RefusalReason.TOO_EARLY:
            self.n_too_early += 1
            if timer is not None:
                timer.hold(wait_s, now=now)
        elif reason is RefusalReason.NO_CARD:
            self.card_out(seat.name, now=now)
        elif reason in _WAITS:
            seat.is_suppressed = True
            self.refresh(seat.name, now=now)
        else:
            self._pool.failed(seat.name, now=now)

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

    def _confirm(self, seat: Seat, now: float) -> None:
        card = seat.in_flight_card
        timer = None if card is None else self._budget.timer(card, seat.in_flight_service)
        if timer is not None:
            timer.confirmed(now)
        self._answers.pop(seat.name, None)

    # Time

    def tick(self, now: float) -> list[Incoming | Lost]:
        """Let timers act."""
        for seat in self._pool.seats():
            if seat.in_flight is not None and now >= seat.asked_at_s + self._rules.feedback_s:
                self.unknown(seat.name, "the session says nothing", now=now)
        self._fleet.tick(now)
        return self._inbox.tick(now)

    def deadline(self) -> float | None:
        """When something is due."""
        free: dict[int, tuple[float, float]] = {}
        times = [self._fleet.deadline(), self._inbox.deadline()]
        if _ANSWER not in self._budget:
            times.append(self._inbox.receipts.next_s())
        for seat in self._pool.seats():
            if seat.in_flight is not None:
                times.append(seat.asked_at_s + self._rules.feedback_s)
            elif seat.may_send and seat.address is not None:
                free[seat.address] = (
                    self._pool.open_at_s(seat.name, is_urgent=True),
                    self._pool.open_at_s(seat.name, is_urgent=False),
                )
        times.append(self._budget.next_s(free))
        return min((time for time in times if time is not None), default=None)
