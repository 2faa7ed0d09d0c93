"""All messages on their way out, and what ends each of them. Pure.

Every end goes through the ledger, so a message has one outcome; what is here is only what it takes
to get there, and is rebuilt from the ledger after a restart.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import msgspec

from bdgw.errors import EncodeError
from bdgw.shortmsg.budget import AirBudget, Job
from bdgw.shortmsg.courier_rules import CourierRules
from bdgw.shortmsg.flight import Flight
from bdgw.shortmsg.ledger import Ledger
from bdgw.shortmsg.ledger_store import ValueWrite
from bdgw.shortmsg.message import Message, State
from bdgw.shortmsg.outgoing import Peer, Refusal, Submission
from bdgw.shortmsg.planner import Plan, Planner
from bdgw.shortmsg.segment import ID_MAX, even_unit_bytes
from bdgw.shortmsg.shelf import Shelf, ShelfEntry
from bdgw.shortmsg.transfer import OutgoingTransfer
from bdgw.shortmsg.transfer_state import Outcome

__all__ = ["CourierRules", "Fleet", "units_kept"]

_PLACES = 64
_UNITS_MAX = 4000


class Fleet:
    """The unfinished messages by id."""

    def __init__(
        self,
        *,
        rules: CourierRules,
        ledger: Ledger,
        budget: AirBudget,
        planner: Planner,
        utc_ns: Callable[[], int],
    ) -> None:
        self._rules = rules
        self._ledger = ledger
        self._budget = budget
        self._planner = planner
        self._utc_ns = utc_ns
        self.shelf = Shelf(ledger.values, name="shortmsg/flight", n_places=_PLACES)
        self._flights: dict[str, Flight] = {}

    def get(self, message_id: str) -> Flight | None:
        """An unfinished message."""
        return self._flights.get(message_id)

    def flights_to(self, peer: Peer) -> list[Flight]:
        """The unfinished messages to a peer."""
        return [flight for flight in self._flights.values() if flight.peer is peer]

    def id_of_key(self, key: str) -> str | None:
        """The unfinished message of an idempotency key."""
        for flight in self._flights.values():
            if flight.submission.idempotency_key == key:
                return flight.id
        return None

    # Beginnings

    def number_for(
        self, submission: Submission, plan: Plan
    ) -> tuple[int | None, tuple[ValueWrite, ...]]:
        """By what its peer will name a new message, and what is to be written with it."""
        peer = self._planner.peer(submission.to)
        if plan.payload is None or peer is None:
            return plan.digest, ()
        taken, change = self._ledger.values.next_numbers(_numbers_of(peer), 1)
        return taken[0] & ID_MAX, (change,)

    def launch(
        self,
        message_id: str,
        submission: Submission,
        plan: Plan,
        job: Job,
        *,
        air_number: int | None,
    ) -> None:
        """A new message; its job is queued already, and the ledger has its place."""
        self._made(message_id, submission, plan, job).air_number = air_number

    def relaunch(
        self,
        message: Message,
        submission: Submission,
        plan: Plan,
        job: Job,
        shelved: ShelfEntry | None,
        *,
        now: float,
    ) -> None:
        """A message of an earlier run goes on."""
        if message.state is State.ACCEPTED:
            # Of a version that wrote its place after it.
            self._budget.requeue(job)
            self._queue(self._made(message.id, submission, plan, job), plan)
            return
        flight = self._made(message.id, submission, plan, job)
        flight.take_up(message)
        flight.give_up_s = job.deadline_s
        if flight.is_long:
            if shelved is not None and shelved.state is not None:
                flight.card = shelved.card
                self._restored(flight, shelved)
            self._budget.requeue(self._bound(flight))
        elif message.n_units_gone:
            self.plain_gone(flight, is_sure=not message.is_possibly_sent, now=now)
        else:
            self._budget.requeue(job)

    def _made(self, message_id: str, submission: Submission, plan: Plan, job: Job) -> Flight:
        flight = Flight(
            id=message_id,
            submission=submission,
            peer=self._planner.peer(submission.to),
            job=job,
            n_units=plan.n_units,
            payload=plan.payload,
            n_repeats_left=submission.n_repeats,
            give_up_s=job.deadline_s,
        )
        self._flights[message_id] = flight
        return flight

    def _restored(self, flight: Flight, shelved: ShelfEntry) -> None:
        if shelved.state is None:
            return
        flight.wire_payload = shelved.payload
        try:
            flight.transfer = OutgoingTransfer.restore(
                shelved.state, shelved.payload, options=self._planner.transfer_options(flight.peer)
            )
            flight.n_reported = flight.transfer.reported
        except EncodeError:
            flight.card = None

    def _bound(self, flight: Flight) -> Job:
        cards = flight.job.cards if flight.card is None else frozenset([flight.card])
        return msgspec.structs.replace(
            flight.job, cards=cards, n_slots=flight.n_slots_left(), has_started=flight.n_handed > 0
        )

    def _next_number(self, peer: Peer) -> int:
        taken = self._ledger.values.reserve(_numbers_of(peer), 1)
        return taken.value[0] & ID_MAX

    # Long messages

    def begin_transfer(self, flight: Flight, card: int, unit_bytes: int) -> None:
        """The units of a long message will come from this card.

        Raises:
            EncodeError: it does not fit in units of this size.
        """
        if flight.payload is None or flight.air_number is None or flight.peer is None:
            raise EncodeError("a plain message has no units")
        wire = self._planner.wire_payload(flight.submission, flight.payload, card=card)
        if wire != flight.payload and flight.n_handed:
            # Sealed anew, so it is another message to the peer.
            flight.air_number = self._next_number(flight.peer)
        flight.wire_payload = wire
        flight.transfer = OutgoingTransfer(
            flight.air_number,
            wire,
            unit_bytes=even_unit_bytes(len(wire), unit_bytes),
            options=self._planner.transfer_options(flight.peer),
        )
        flight.n_reported = (0, 0)
        flight.card = card
        flight.again = None
        self._budget.requeue(self._bound(flight))

    def handed(self, flight: Flight) -> None:
        """A unit of a long message is about to go: keep what the transfer must remember."""
        if flight.transfer is None or flight.wire_payload is None:
            return
        self.shelf.put(
            ShelfEntry(
                id=flight.id,
                payload=flight.wire_payload,
                state=flight.transfer.state(),
                card=flight.card,
            )
        )
        self._budget.change(flight.id, n_slots=flight.n_slots_left(), has_started=True)

    def replan(self) -> None:
        """The cards have changed: who may be sent by which is asked again.

        What none of them can send waits for the card that could.
        """
        for flight in list(self._flights.values()):
            if flight.transfer is not None or flight.in_flight is not None:
                continue
            if flight.is_unnamed and flight.id in self._budget:
                self._plan_anew(flight)
                continue
            cards = self._planner.cards_for(flight.submission, is_long=flight.is_long)
            if cards:
                flight.job = msgspec.structs.replace(flight.job, cards=cards)
                self._budget.release(flight.id, cards)

    def _plan_anew(self, flight: Flight) -> None:
        """It was accepted while no card was known, so nobody could say how it would go."""
        plan = self._planner.plan(flight.submission)
        if isinstance(plan, Refusal):
            self.refuse(flight.id, plan.cause.value, is_retryable=plan.is_retryable)
            return
        if plan.digest is None and plan.payload is None:
            return
        flight.payload, flight.n_units = plan.payload, plan.n_units
        flight.job = msgspec.structs.replace(
            flight.job,
            n_slots=plan.n_slots,
            is_transfer=plan.payload is not None,
            cards=plan.cards,
        )
        self._queue(flight, plan, cause="planned with a card")
        self._budget.requeue(flight.job)

    def _queue(self, flight: Flight, plan: Plan, *, cause: str = "") -> None:
        flight.air_number = plan.digest
        if plan.payload is not None and flight.peer is not None:
            flight.air_number = self._next_number(flight.peer)
        self._ledger.queue(
            flight.id,
            at_utc_ns=self._utc_ns(),
            of=units_kept(plan),
            air_number=flight.air_number,
            cause=cause,
        )

    def unbind(self, card: int) -> None:
        """A card is away: its long messages begin anew with another, under their own number."""
        for flight in self._flights.values():
            if flight.card == card and flight.submission.card is None:
                flight.card = flight.transfer = flight.again = None
                self._budget.release(flight.id, flight.job.cards)

    def settle(self, flight: Flight) -> bool:
        """Act on how a transfer has ended; False: it goes on."""
        outcome = None if flight.transfer is None else flight.transfer.outcome
        if outcome is None:
            return False
        if outcome is Outcome.DELIVERED:
            self.delivered(flight.id)
        elif outcome is Outcome.ID_IN_USE and flight.peer is not None:
            flight.air_number = self._next_number(flight.peer)
            flight.transfer = flight.again = None
            return False
        elif outcome is Outcome.SILENT:
            self.expire(flight.id, "nothing heard of the peer")
        else:
            self.refuse(flight.id, f"peer: {outcome}", is_retryable=outcome.is_retryable)
        return True

    # Plain messages

    def plain_gone(self, flight: Flight, *, is_sure: bool, now: float) -> None:
        """A plain message went out, or may have: what follows depends on who could tell."""
        rules = self._rules
        may_repeat = flight.n_repeats_left > 0
        if flight.peer is None:
            if is_sure:
                self._end(flight.id)
            elif may_repeat:
                self.repeat(flight)
            else:
                self.refuse(flight.id, "possibly_sent", is_retryable=True)
            return
        if flight.job.deadline_s is None:
            flight.give_up_s = now + rules.receipt_wait_s
        if may_repeat:
            flight.repeat_at_s = now + rules.repeat_after_s

    def repeat(self, flight: Flight) -> None:
        """Send a plain message that may have gone once more."""
        flight.n_repeats_left -= 1
        flight.repeat_next = True
        flight.repeat_at_s = None
        self._budget.requeue(flight.job)

    # Ends

    def delivered(self, message_id: str) -> None:
        """Its peer has it."""
        self._ledger.delivered(message_id, at_utc_ns=self._utc_ns(), cause="peer")
        self._end(message_id)

    def refuse(self, message_id: str, reason: str, *, is_retryable: bool) -> None:
        """Give it up, once the terminal has answered if a unit is in flight."""
        flight = self._flights.get(message_id)
        if flight is not None and flight.in_flight is not None:
            return
        self._ledger.refuse(
            message_id, at_utc_ns=self._utc_ns(), reason=reason, is_retryable=is_retryable
        )
        self._end(message_id)

    def expire(self, message_id: str, cause: str) -> None:
        """Its time is over."""
        self._ledger.expire(message_id, at_utc_ns=self._utc_ns(), cause=cause)
        self._end(message_id)

    def superseded(self, message_id: str) -> None:
        """A newer message has its place in the queue."""
        if message_id in self._flights:
            self.refuse(message_id, "superseded", is_retryable=False)

    def waits_again(self, job: Job) -> None:
        """What was to take its place came to nothing."""
        if job.id in self._flights and job.id not in self._budget:
            self._budget.requeue(job)

    def _end(self, message_id: str) -> None:
        self._flights.pop(message_id, None)
        self._budget.remove(message_id)
        self.shelf.drop(message_id)

    def forget(self, message_id: str) -> None:
        """The ledger has its outcome already."""
        self._end(message_id)

    def bring_back(self, flight: Flight) -> None:
        """Forgotten for an outcome that the ledger has not taken, it goes on."""
        self._flights[flight.id] = flight
        flight.in_flight = None
        self._budget.requeue(self._bound(flight) if flight.is_long else flight.job)

    # Time

    def tick(self, now: float) -> None:
        """Repeat and give up what is due."""
        for message_id in self._budget.overdue(now):
            if message_id in self._flights:
                self.expire(message_id, "deadline")
        for flight in list(self._flights.values()):
            if flight.in_flight is not None or flight.id in self._budget:
                continue
            if flight.give_up_s is not None and flight.give_up_s <= now:
                self.expire(flight.id, "no receipt")
            elif flight.repeat_at_s is not None and flight.repeat_at_s <= now:
                self.repeat(flight)

    def deadline(self) -> float | None:
        """When ``tick`` has something to do."""
        times = [self._budget.next_deadline_s()]
        times += [
            time
            for flight in self._flights.values()
            if flight.in_flight is None and flight.id not in self._budget
            for time in (flight.give_up_s, flight.repeat_at_s)
        ]
        return functools.reduce(_earlier, times, None)


def units_kept(plan: Plan) -> int:
    """The number of units as the ledger counts them."""
    return min(plan.n_units, _UNITS_MAX)


def _numbers_of(peer: Peer) -> str:
    return f"shortmsg/air/{peer.name}"


def _earlier(one: float | None, other: float | None) -> float | None:
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)
