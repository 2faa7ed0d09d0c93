"""Whatever happens in whatever order, restarts included: the promises of the ledger hold."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from bdgw.shortmsg.fate import IllegalTransitionError, fold
from bdgw.shortmsg.ledger import Ledger, Submitted
from bdgw.shortmsg.message import FINAL_STATES, Message, State, Submission
from bdgw.shortmsg.pending import Pending
from bdgw.shortmsg.submission import KeyConflictError
from bdgw.shortmsg.vocabulary import RefusalReason
from bdgw.store.direct import DirectStore
from bdgw.store.retention import RetentionLimits

CARDS = (101, 102)
UNITS = st.integers(min_value=1, max_value=3)


class LedgerMachine(RuleBasedStateMachine):
    """A gateway that submits, sends, hears, forgets and dies; and what the outside saw of it."""

    ids = Bundle("ids")

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="ledger"))
        self.n_lives = 0
        self.path = self.root / "0" / "ledger.db"
        self.store = DirectStore(str(self.path))
        self.ledger = Ledger(self.store, entropy=os.urandom)
        self.now_ns = 1_800_000_000_000_000_000
        self.submitted: dict[str, Submission] = {}
        self.by_key: dict[str, str] = {}
        self.outcome: dict[str, State] = {}
        self.receipts: dict[str, int] = {}
        self.forgotten: set[str] = set()
        self.may_be_out: set[tuple[str, int]] = set()
        """Units that went to a port and were not refused by the terminal."""
        self.in_flight: dict[int, tuple[str, int]] = {}
        self.last_sent: dict[int, int] = {}

    def teardown(self) -> None:
        self.store.close()
        shutil.rmtree(self.root)

    def tick(self) -> int:
        self.now_ns += 1_000_000
        return self.now_ns

    def taken(self, pending: Pending[Message]) -> Message:
        """What is acknowledged is on the disk as it is in memory."""
        assert pending.is_durable
        message = pending.value
        assert self.store.message(message.id) == message
        if message.is_final:
            assert self.outcome.setdefault(message.id, message.state) is message.state
        return message

    def tried(self, message_id: str, act) -> Message | None:
        """Do it; refused is refused without a trace."""
        if message_id in self.forgotten:
            return None
        before = self.ledger.get(message_id)
        try:
            pending = act()
        except IllegalTransitionError:
            assert self.ledger.get(message_id) == before
            assert self.store.message(message_id) == before
            return None
        return self.taken(pending)

    # --- what happens -----------------------------------------------------------------------

    @rule(
        target=ids,
        key=st.sampled_from([None, "a", "b", "c"]),
        to=st.integers(1, 2),
        wants_receipt=st.booleans(),
    )
    def submit(self, key: str | None, to: int, wants_receipt: bool) -> str:
        submission = Submission(
            to=to,
            payload=b"hello",
            key=None if key is None else f"{key} {to}",
            wants_receipt=wants_receipt,
        )
        known = self.by_key.get(submission.key or "")
        try:
            answer = self.ledger.submit(submission, at_utc_ns=self.tick())
        except KeyConflictError as conflict:
            owner = conflict.message_id
        else:
            return self.answered(submission, known, answer)
        assert known == owner
        assert self.submitted[owner].wants_receipt != wants_receipt
        return owner

    def answered(
        self, submission: Submission, known: str | None, answer: Pending[Submitted]
    ) -> str:
        assert answer.is_durable
        message = answer.value.message
        assert answer.value.is_new == (known is None)
        assert known in (None, message.id)
        self.submitted.setdefault(message.id, submission)
        if submission.key is not None:
            self.by_key[submission.key] = message.id
        return message.id

    @rule(message_id=ids, of=st.none() | UNITS)
    def queue(self, message_id: str, of: int | None) -> None:
        self.tried(message_id, lambda: self.ledger.queue(message_id, at_utc_ns=self.tick(), of=of))

    @rule(
        message_id=ids, unit=UNITS, of=UNITS, card=st.sampled_from(CARDS), is_repeat=st.booleans()
    )
    def send(self, message_id: str, unit: int, of: int, card: int, is_repeat: bool) -> None:
        at_utc_ns = self.tick()
        on_air = self.tried(
            message_id,
            lambda: self.ledger.on_air(
                message_id, unit=unit, of=of, card=card, at_utc_ns=at_utc_ns, is_repeat=is_repeat
            ),
        )
        if on_air is None:
            return
        # Here the bytes go to the port.
        assert card not in self.in_flight
        assert is_repeat or (message_id, unit) not in self.may_be_out
        assert message_id not in self.outcome
        self.in_flight[card] = (message_id, unit)
        self.may_be_out.add((message_id, unit))
        self.last_sent[card] = at_utc_ns

    @rule(message_id=ids, unit=UNITS, card=st.sampled_from(CARDS), is_repeat=st.booleans())
    def send_as_planned(self, message_id: str, unit: int, card: int, is_repeat: bool) -> None:
        if message_id in self.forgotten:
            return
        if self.ledger.get(message_id).state is State.ACCEPTED:
            self.queue(message_id, of=2)
        of = max(unit, self.ledger.get(message_id).n_units or 1)
        self.send(message_id, unit, of, card, is_repeat)

    @rule(card=st.sampled_from(CARDS), what=st.sampled_from(["accepted", "unknown"]))
    def terminal_answers(self, card: int, what: str) -> None:
        if card not in self.in_flight:
            return
        message_id, unit = self.in_flight.pop(card)
        if what == "accepted":
            self.taken(self.ledger.unit_accepted(message_id, unit=unit, at_utc_ns=self.tick()))
        else:
            pending = self.ledger.unit_unknown(
                message_id, unit=unit, at_utc_ns=self.tick(), cause="silence"
            )
            assert self.taken(pending).n_possibly_sent

    @rule(card=st.sampled_from(CARDS), reason=st.sampled_from(RefusalReason))
    def terminal_refuses(self, card: int, reason: RefusalReason) -> None:
        if card not in self.in_flight:
            return
        message_id, unit = self.in_flight.pop(card)
        before = self.ledger.get(message_id).unit(unit)
        after = self.taken(
            self.ledger.unit_refused(message_id, unit=unit, reason=reason, at_utc_ns=self.tick())
        )
        if before is not None and not before.has_gone:
            self.may_be_out.discard((message_id, unit))
        if after.state is State.REFUSED and self.outcome[message_id] is State.REFUSED:
            assert after.is_retryable is False

    @rule(message_id=ids)
    def receipt(self, message_id: str) -> None:
        at_utc_ns = self.tick()
        delivered = self.tried(
            message_id, lambda: self.ledger.delivered(message_id, at_utc_ns=at_utc_ns)
        )
        if delivered is not None:
            assert delivered.receipt_utc_ns == self.receipts.setdefault(message_id, at_utc_ns)

    @rule(message_id=ids)
    def cancel(self, message_id: str) -> None:
        self.tried(
            message_id,
            lambda: self.ledger.cancel(message_id, at_utc_ns=self.tick(), cause="user"),
        )

    @rule(message_id=ids)
    def expire(self, message_id: str) -> None:
        self.tried(
            message_id,
            lambda: self.ledger.expire(message_id, at_utc_ns=self.tick(), cause="deadline"),
        )

    @rule(message_id=ids, is_retryable=st.booleans())
    def refuse(self, message_id: str, is_retryable: bool) -> None:
        self.tried(
            message_id,
            lambda: self.ledger.refuse(
                message_id, at_utc_ns=self.tick(), reason="no_lock", is_retryable=is_retryable
            ),
        )

    @rule(has_power_cut=st.booleans())
    def restart(self, has_power_cut: bool) -> None:
        if has_power_cut:
            # The file and its log as they are, without the closing that folds them together.
            self.n_lives += 1
            new = self.root / str(self.n_lives) / "ledger.db"
            new.parent.mkdir()
            for suffix in ("", "-wal"):
                if Path(f"{self.path}{suffix}").exists():
                    shutil.copy(f"{self.path}{suffix}", f"{new}{suffix}")
            self.store.close()
            self.path = new
        else:
            self.store.close()
        self.store = DirectStore(str(self.path))
        self.ledger = Ledger(self.store, entropy=os.urandom)
        recovered = self.ledger.recover(at_utc_ns=self.tick())
        assert recovered.is_durable
        flying = {message_id for message_id, _unit in self.in_flight.values()}
        assert {message.id for message in recovered.value} == flying
        for message_id, unit in self.in_flight.values():
            marked = self.ledger.get(message_id).unit(unit)
            assert marked is not None
            assert marked.has_gone
        self.in_flight.clear()

    @rule()
    def forget(self) -> None:
        unfinished = {message.id for message in self.ledger.unfinished()}
        self.store.file.retain(RetentionLimits(max_age_ns=1), now_utc_ns=self.tick())
        gone = {each for each in self.submitted if self.store.message(each) is None}
        assert not gone & unfinished
        for message_id in gone - self.forgotten:
            self.by_key = {key: each for key, each in self.by_key.items() if each != message_id}
        self.forgotten |= gone

    # --- what holds -------------------------------------------------------------------------

    @invariant()
    def nothing_is_lost_and_outcomes_stand(self) -> None:
        for message_id, submission in self.submitted.items():
            if message_id in self.forgotten:
                continue
            message = self.store.message(message_id)
            assert message is not None
            assert message.submission == submission
            outcome = self.outcome.get(message_id)
            assert (message.state in FINAL_STATES) == (outcome is not None)
            assert outcome in (None, message.state)
            assert message == self.ledger.get(message_id)
            assert fold(message_id, submission, self.store.steps(message_id)) == message

    @invariant()
    def unfinished_is_what_is_not_settled(self) -> None:
        unfinished = [message.id for message in self.ledger.unfinished()]
        assert unfinished == sorted(
            each
            for each in set(self.submitted) - self.forgotten
            if not self.ledger.get(each).is_settled
        )
        assert unfinished == [message.id for message in self.store.unfinished()]

    @invariant()
    def the_times_of_the_cards_are_known(self) -> None:
        for card in CARDS:
            assert self.ledger.values.last_sent_utc_ns(card) == self.last_sent.get(card)


LedgerMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=50, deadline=None)
TestLedger = LedgerMachine.TestCase
