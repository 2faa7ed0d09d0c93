"""Every message of the gateway and its fate: rules in memory, each step on the disk.

Every method that changes something acts in memory at once and gives a ``Pending``: it is done
when the change is safe on the disk, and whoever acknowledges, or puts bytes on a port, waits for
that. Intentions (submit, queue, on_air, cancel, reserve) that the disk does not take are undone and
raise; facts (what a terminal or a peer said, expiry, a received message) are tried again until they
are there. Knows no clock, thread or file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from bdgw.shortmsg.fate import IllegalTransitionError, advance
from bdgw.shortmsg.ledger_desk import LedgerDesk, UnknownMessageError
from bdgw.shortmsg.ledger_door import LedgerDoor, LedgerFullError, Submitted
from bdgw.shortmsg.ledger_store import (
    Inbound,
    InboundPage,
    InboundQuery,
    Page,
    Query,
    Store,
    ValueWrite,
    Write,
)
from bdgw.shortmsg.message import Event, Message, Step, Submission
from bdgw.shortmsg.message_id import IdMaker
from bdgw.shortmsg.pending import Pending
from bdgw.shortmsg.value_table import ValueTable, last_sent
from bdgw.shortmsg.vocabulary import Received, RefusalReason

__all__ = [
    "Ledger",
    "LedgerFullError",
    "Pending",
    "Submitted",
    "UnknownMessageError",
]


class Ledger:
    """The messages of one gateway."""

    def __init__(
        self,
        store: Store,
        *,
        entropy: Callable[[int], bytes],
        max_unfinished: int = 10_000,
        on_durable: Callable[[Message, tuple[Step, ...]], None] = lambda _message, _steps: None,
    ) -> None:
        """Load what is unfinished. Call ``recover`` before anything is sent.

        ``entropy`` gives so many bytes that nobody can guess. ``on_durable`` is told of every
        step once it is on the disk; it must not raise.
        """
        self._store = store
        self._desk = LedgerDesk(store, on_durable)
        self._door = LedgerDoor(
            store, self._desk, ids=IdMaker(entropy), max_unfinished=max_unfinished
        )
        self.values = ValueTable(self._desk)
        """Times of cards, counters, and whatever else must be known after a restart."""
        self._flying = {each.id for each in self.unfinished() if each.in_flight}
        """Every message with a unit in flight, and perhaps some that had one."""

    @property
    def n_facts_lost(self) -> int:
        """Facts that no disk has taken: the store was closed, or given up as damaged."""
        return self._desk.n_facts_lost

    # --- out ----------------------------------------------------------------------------------

    def submit(
        self,
        submission: Submission,
        *,
        at_utc_ns: int,
        of: int | None = None,
        air_number: int | None = None,
        values: tuple[ValueWrite, ...] = (),
    ) -> Pending[Submitted]:
        """Take a message; it may be acknowledged once the result is durable.

        With ``of`` it is queued in the same write, as so many units; ``values`` are written with
        it. So it is on the disk with its place in the plan, or not at all.

        Raises:
            SubmissionError: a field is out of its bounds.
            KeyConflictError: the key belongs to a message of another content.
            LedgerFullError: too many messages are unfinished.
        """
        queued = Step(event=Event.QUEUED, at_utc_ns=at_utc_ns, of=of, air_number=air_number)
        return self._door.submit(
            submission,
            at_utc_ns=at_utc_ns,
            then=() if of is None else (queued,),
            values=values,
        )

    def queue(
        self,
        message_id: str,
        *,
        at_utc_ns: int,
        of: int | None = None,
        air_number: int | None = None,
        cause: str = "",
    ) -> Pending[Message]:
        """It has its place in the plan, as ``of`` units; ``air_number`` is in its receipts."""
        return self._step(
            message_id,
            Step(
                event=Event.QUEUED, at_utc_ns=at_utc_ns, of=of, air_number=air_number, cause=cause
            ),
        )

    def on_air(
        self,
        message_id: str,
        *,
        unit: int,
        of: int,
        card: int,
        at_utc_ns: int,
        is_repeat: bool = False,
        cause: str = "",
    ) -> Pending[Message]:
        """Unit ``unit`` of ``of`` is about to go out by ``card``: wait for this, then send.

        The time is the last one of the card as well. A unit that may have gone is sent again
        only with ``is_repeat``.

        Raises:
            IllegalTransitionError: it must not be sent now; nothing has changed.
        """
        busy = self._sending_by(card)
        step = Step(
            event=Event.ON_AIR,
            at_utc_ns=at_utc_ns,
            unit=unit,
            of=of,
            card=card,
            is_repeat=is_repeat,
            cause=cause,
        )
        if busy is not None:
            raise IllegalTransitionError(
                message_id, step.event, f"while card {card} is sending message {busy}"
            )
        pending = self._step(message_id, step, values=(last_sent(card, at_utc_ns),))
        self._flying.add(message_id)
        return pending

    def unit_accepted(
        self,
        message_id: str,
        *,
        unit: int,
        at_utc_ns: int,
        cause: str = "",
        values: tuple[ValueWrite, ...] = (),
    ) -> Pending[Message]:
        """The terminal has taken the unit; with the last one the message is accepted by it.

        ``values`` are written with it, here and below.
        """
        step = Step(event=Event.UNIT_ACCEPTED, at_utc_ns=at_utc_ns, unit=unit, cause=cause)
        return self._step(message_id, step, values=values, is_fact=True)

    def unit_refused(
        self,
        message_id: str,
        *,
        unit: int,
        reason: RefusalReason,
        at_utc_ns: int,
        values: tuple[ValueWrite, ...] = (),
    ) -> Pending[Message]:
        """The terminal has not sent the unit.

        A retryable reason puts it back, a final one refuses the message.
        """
        refusal = Step(
            event=Event.UNIT_REFUSED,
            at_utc_ns=at_utc_ns,
            unit=unit,
            cause=reason.value,
            is_retryable=reason.is_retryable,
        )
        steps = [refusal]
        after = advance(self.get(message_id), refusal)
        refused = after.unit(unit)
        has_gone = refused is not None and refused.has_gone
        if not (reason.is_retryable or after.is_final or after.in_flight or has_gone):
            steps.append(msgspec.structs.replace(refusal, event=Event.REFUSED, unit=None))
        return self._step(message_id, *steps, values=values, is_fact=True)

    def unit_unknown(
        self,
        message_id: str,
        *,
        unit: int,
        at_utc_ns: int,
        cause: str,
        values: tuple[ValueWrite, ...] = (),
    ) -> Pending[Message]:
        """Nobody knows whether the unit went out: it is possibly sent."""
        step = Step(event=Event.UNIT_POSSIBLY_SENT, at_utc_ns=at_utc_ns, unit=unit, cause=cause)
        return self._step(message_id, step, values=values, is_fact=True)

    def delivered(self, message_id: str, *, at_utc_ns: int, cause: str = "") -> Pending[Message]:
        """The peer has acknowledged; a second time changes nothing.

        After another outcome the receipt is noted, and the outcome stands.
        """
        message = self.get(message_id)
        if message.receipt_utc_ns is not None:
            return Pending(message)
        event = Event.LATE_RECEIPT if message.is_final else Event.DELIVERED
        return self._step(
            message_id, Step(event=event, at_utc_ns=at_utc_ns, cause=cause), is_fact=True
        )

    def expire(self, message_id: str, *, at_utc_ns: int, cause: str) -> Pending[Message]:
        """Its time has run out, for its slot or for its receipt."""
        step = Step(event=Event.EXPIRED, at_utc_ns=at_utc_ns, cause=cause)
        return self._step(message_id, step, is_fact=True)

    def refuse(
        self, message_id: str, *, at_utc_ns: int, reason: str, is_retryable: bool
    ) -> Pending[Message]:
        """Give it up; ``is_retryable`` tells the submitter whether the same may succeed later."""
        step = Step(
            event=Event.REFUSED, at_utc_ns=at_utc_ns, cause=reason, is_retryable=is_retryable
        )
        return self._step(message_id, step, is_fact=True)

    def cancel(self, message_id: str, *, at_utc_ns: int, cause: str) -> Pending[Message]:
        """Call it back.

        Raises:
            IllegalTransitionError: all of it may have gone out, or its outcome is known.
        """
        return self._step(message_id, Step(event=Event.CANCELLED, at_utc_ns=at_utc_ns, cause=cause))

    def recover(self, *, at_utc_ns: int, cause: str = "restart") -> Pending[tuple[Message, ...]]:
        """Mark what was in flight when the gateway ended as possibly sent, and give it."""
        marked: list[Pending[Message]] = []
        for message in [each for each in self.unfinished() if each.in_flight]:
            steps = (
                Step(
                    event=Event.UNIT_POSSIBLY_SENT,
                    at_utc_ns=at_utc_ns,
                    unit=unit.number,
                    cause=cause,
                )
                for unit in message.in_flight
            )
            marked.append(self._step(message.id, *steps, is_fact=True))
        commits = (commit for pending in marked for commit in pending.commits)
        return Pending(tuple(pending.value for pending in marked), *commits)

    # --- in -----------------------------------------------------------------------------------

    def receive(
        self,
        received: Received,
        *,
        terminal: str,
        at_utc_ns: int,
        kind: str = "binary",
        text: str | None = None,
        peer_message: str | None = None,
    ) -> Pending[Inbound]:
        """Keep a received message, its raw bytes always."""
        return self._door.receive(
            received,
            terminal=terminal,
            at_utc_ns=at_utc_ns,
            kind=kind,
            text=text,
            peer_message=peer_message,
        )

    # --- reading ------------------------------------------------------------------------------

    def get(self, message_id: str) -> Message:
        """Give a message as it is now, the newest step perhaps not durable yet.

        Raises:
            UnknownMessageError: there is none.
        """
        return self._desk.get(message_id)

    def is_in_flight(self, message_id: str, unit: int) -> bool:
        """Whether a unit is with a terminal that has not answered."""
        try:
            flying = self.get(message_id).in_flight
        except UnknownMessageError:
            return False
        return any(each.number == unit for each in flying)

    def unfinished(self) -> Iterator[Message]:
        """Give every message that is not settled, by id."""
        return (message for message in self._desk.messages() if not message.is_settled)

    def by_air_number(self, to: int, air_number: int) -> Message | None:
        """Give the newest message to a peer that has this number in its receipts."""
        for message in reversed(self._desk.messages()):
            if message.air_number == air_number and message.submission.to == to:
                return message
        return self._store.message_by_air_number(to, air_number)

    def steps(self, message_id: str) -> tuple[Step, ...]:
        """Give the life of a message, as far as it is durable."""
        return self._store.steps(message_id)

    def find(self, query: Query) -> Page:
        """Give a page of messages, as far as they are durable."""
        return self._store.find(query)

    def inbound(self, query: InboundQuery) -> InboundPage:
        """Give a page of received messages."""
        return self._store.inbound(query)

    # --- inside -------------------------------------------------------------------------------

    def _sending_by(self, card: int) -> str | None:
        for message_id in tuple(self._flying):
            try:
                flying = self.get(message_id).in_flight
            except UnknownMessageError:
                # It has ended, and retention has taken it since.
                flying = ()
            if not flying:
                self._flying.discard(message_id)
            if any(unit.card == card for unit in flying):
                return message_id
        return None

    def _step(
        self,
        message_id: str,
        *steps: Step,
        values: tuple[ValueWrite, ...] = (),
        is_fact: bool = False,
    ) -> Pending[Message]:
        message = self.get(message_id)
        for step in steps:
            message = advance(message, step)
        write = Write(message=message, steps=steps, values=values, is_fact=is_fact)
        return self._desk.commit(write, message)
