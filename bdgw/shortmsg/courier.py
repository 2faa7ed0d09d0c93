"""From the queue to the terminals: who gets the slot that a card has now. Pure."""

from __future__ import annotations

from collections.abc import Callable

from bdgw.errors import BdgwError, EncodeError
from bdgw.shortmsg.budget import AirBudget, Job, Priority
from bdgw.shortmsg.card_pool import CardPool, Seat
from bdgw.shortmsg.compose import SealLaterError, record_frame
from bdgw.shortmsg.courier_rules import CourierRules
from bdgw.shortmsg.feedback_desk import FeedbackDesk
from bdgw.shortmsg.fleet import Fleet
from bdgw.shortmsg.flight import Flight, Unit
from bdgw.shortmsg.inbox import Inbox, Incoming, Lost
from bdgw.shortmsg.ledger import Ledger
from bdgw.shortmsg.outgoing import Dispatch
from bdgw.shortmsg.peer_answer import PeerAnswers
from bdgw.shortmsg.pending import Pending
from bdgw.shortmsg.planner import Planner
from bdgw.shortmsg.vocabulary import OutgoingFrame, Service

__all__ = ["Courier"]

_ANSWER = "answer"
"""The one job of all that peers must be told; what it is, is decided when it has a slot."""
_UNITS_MAX = 4000
_TRANSFER_RETRY_S = 5.0
_SEAL_RETRY_S = 1.0


class Courier:
    """Gives slots to jobs."""

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
        answers: PeerAnswers,
        feedback: FeedbackDesk,
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
        self._answers = answers
        self._feedback = feedback

    # Out

    def due(self, now: float) -> list[Dispatch]:
        """What is to be sent now, one for a terminal at most."""
        self._offer_answers(now)
        dispatches = []
        for seat in sorted(self._pool.free_seats(), key=self._free_at_s):
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
        if self._answers.has_one(now):
            job = Job(id=_ANSWER, priority=Priority.COMMAND, submitted_s=now)
            self._budget.requeue(job)

    def _dispatch_answer(self, seat: Seat, job: Job, now: float) -> Dispatch | None:
        try:
            max_bytes = self._planner.answer_bytes(seat)
        except EncodeError:
            return None
        answer = self._answers.take(seat.name, max_bytes=max_bytes, now=now)
        self._budget.remove(_ANSWER)
        if answer is None or seat.address is None:
            return None
        to, record = answer
        noted = self._ledger.values.note_sent(seat.address, at_utc_ns=self._utc_ns())
        self._asked(seat, job, now)
        frame = record_frame(to, record, Service.REGIONAL)
        return Dispatch(
            terminal=seat.name, frame=frame, message_id=None, durable=Pending(None, *noted.commits)
        )

    # Time

    def tick(self, now: float) -> list[Incoming | Lost]:
        """Let timers act."""
        for seat in self._pool.seats():
            if seat.in_flight is not None and now >= seat.asked_at_s + self._rules.feedback_s:
                self._feedback.unknown(seat.name, "the session says nothing", now=now)
        self._fleet.tick(now)
        return self._inbox.tick(now)

    def deadline(self) -> float | None:
        """When something is due."""
        free: dict[int, tuple[float, float]] = {}
        times = [self._fleet.deadline(), self._inbox.deadline()]
        if _ANSWER not in self._budget:
            times.append(self._answers.batch_due_s())
        asked = [seat for seat in self._pool.seats() if seat.in_flight is not None]
        times += [seat.asked_at_s + self._rules.feedback_s for seat in asked]
        for seat in self._pool.free_seats():
            if seat.address is not None:
                free[seat.address] = (
                    self._pool.open_at_s(seat.name, is_urgent=True),
                    self._pool.open_at_s(seat.name, is_urgent=False),
                )
        times.append(self._budget.next_s(free))
        return min((time for time in times if time is not None), default=None)
