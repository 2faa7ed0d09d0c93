"""How messages come into the ledger: each submission once, and what terminals received. Pure."""

from __future__ import annotations

import msgspec

from bdgw.errors import BdgwError
from bdgw.shortmsg import submission as submission_rules
from bdgw.shortmsg.fate import fold
from bdgw.shortmsg.ledger_desk import LedgerDesk
from bdgw.shortmsg.ledger_store import Inbound, Store, ValueWrite, Write
from bdgw.shortmsg.message import Event, Message, Step, Submission
from bdgw.shortmsg.message_id import IdMaker
from bdgw.shortmsg.pending import Pending
from bdgw.shortmsg.vocabulary import Received

__all__ = ["LedgerDoor", "LedgerFullError", "Submitted"]


class LedgerFullError(BdgwError):
    """So many messages are unfinished that no more are taken."""


class Submitted(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a submission."""

    message: Message
    is_new: bool
    """False: the same was submitted before under the same key, and this is that message."""


class LedgerDoor:
    """Gives ids, and knows the keys that are on their way to the disk."""

    def __init__(
        self, store: Store, desk: LedgerDesk, *, ids: IdMaker, max_unfinished: int
    ) -> None:
        self._store = store
        self._desk = desk
        self._ids = ids
        self._max_unfinished = max_unfinished
        self._submitting: dict[str, Pending[Submitted]] = {}

    def submit(
        self,
        submission: Submission,
        *,
        at_utc_ns: int,
        then: tuple[Step, ...] = (),
        values: tuple[ValueWrite, ...] = (),
    ) -> Pending[Submitted]:
        """Take a message, or find the one that came under its key; see ``Ledger.submit``."""
        submission_rules.check(submission)
        earlier = self._submitted_before(submission)
        if earlier is not None:
            return earlier
        if self._desk.n_messages >= self._max_unfinished:
            raise LedgerFullError(f"{self._max_unfinished} messages are unfinished")
        submitted = Step(event=Event.SUBMITTED, at_utc_ns=at_utc_ns, cause=submission.origin)
        steps = (submitted, *then)
        message = fold(self._ids.make(at_utc_ns), submission, steps)
        write = Write(message=message, steps=steps, values=values)
        pending = self._desk.commit(write, Submitted(message=message, is_new=True))
        is_open = not pending.is_durable and pending.error is None
        if submission.key is not None and is_open:
            self._submitting[submission.key] = pending
        return pending

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
        """Keep a received message; see ``Ledger.receive``."""
        inbound = Inbound(
            id=self._ids.make(at_utc_ns),
            received_utc_ns=at_utc_ns,
            terminal=terminal,
            sender=received.sender,
            to=received.to,
            service=received.service,
            form=received.form,
            content=received.content,
            n_bits=received.n_bits,
            raw=received.raw,
            terminal_time=received.terminal_time,
            is_intact=received.is_intact,
            kind=kind,
            text=text,
            peer_message=peer_message,
        )
        return self._desk.commit(Write(inbound=inbound, is_fact=True), inbound)

    def _submitted_before(self, submission: Submission) -> Pending[Submitted] | None:
        if submission.key is None:
            return None
        on_its_way = self._submitting.get(submission.key)
        if on_its_way is not None and (on_its_way.is_durable or on_its_way.error):
            del self._submitting[submission.key]
        elif on_its_way is not None:
            first = on_its_way.value.message
            submission_rules.check_same(first.id, first.submission, submission)
            return Pending(Submitted(message=first, is_new=False), *on_its_way.commits)
        first_durable = self._store.message_by_key(submission.key)
        if first_durable is None:
            return None
        submission_rules.check_same(first_durable.id, first_durable.submission, submission)
        return Pending(Submitted(message=self._desk.get(first_durable.id), is_new=False))
