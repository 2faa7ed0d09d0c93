"""The ledger over a real store: keys, cards, units, receipts, restarts."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from bdgw.shortmsg import submission as submission_rules
from bdgw.shortmsg.fate import IllegalTransitionError
from bdgw.shortmsg.ledger import Ledger, LedgerFullError
from bdgw.shortmsg.ledger_desk import UnknownMessageError
from bdgw.shortmsg.ledger_store import Inbound, InboundQuery
from bdgw.shortmsg.message import Event, Message, State, Step, Submission
from bdgw.shortmsg.message_id import made_at_utc_ns
from bdgw.shortmsg.submission import KeyConflictError, SubmissionError
from bdgw.shortmsg.vocabulary import Form, Received, RefusalReason, Service
from bdgw.store.direct import DirectStore
from bdgw.store.retention import RetentionLimits
from bdgw.store.sqlite import SqliteStore

T0 = 1_800_000_000_000_000_000
CARD, OTHER_CARD = 123456, 123457


@pytest.fixture
def store() -> Iterator[DirectStore]:
    with contextlib.closing(DirectStore()) as made:
        yield made


@pytest.fixture
def ledger(store: DirectStore) -> Ledger:
    return Ledger(store, entropy=os.urandom)


def restarted(store: DirectStore) -> Ledger:
    return Ledger(store, entropy=os.urandom)


def wanted(**fields) -> Submission:
    return Submission(**{"to": 654321, "payload": b"hello", **fields})


def queued(ledger: Ledger, **fields) -> str:
    message_id = ledger.submit(wanted(**fields), at_utc_ns=T0).value.message.id
    ledger.queue(message_id, at_utc_ns=T0 + 1)
    return message_id


def flying(ledger: Ledger, *, card: int = CARD, of: int = 1, **fields) -> str:
    message_id = queued(ledger, **fields)
    ledger.on_air(message_id, unit=1, of=of, card=card, at_utc_ns=T0 + 2)
    return message_id


# --- submissions ---------------------------------------------------------------------------------


def test_the_same_key_and_content_is_the_same_message(ledger: Ledger, store: DirectStore):
    first = ledger.submit(wanted(key="k"), at_utc_ns=T0).value
    again = ledger.submit(wanted(key="k", origin="mqtt", deadline_utc_ns=T0), at_utc_ns=T0 + 9)
    assert (first.is_new, again.value.is_new) == (True, False)
    assert again.value.message == first.message
    ledger.cancel(first.message.id, at_utc_ns=T0 + 10, cause="user")
    for later in (ledger, restarted(store)):
        found = later.submit(wanted(key="k"), at_utc_ns=T0 + 11).value
        assert (found.is_new, found.message.state) == (False, State.CANCELLED)


@pytest.mark.parametrize(
    ("field", "other"),
    [
        ("to", 1),
        ("payload", b"hello "),
        ("priority", "alarm"),
        ("service", Service.GLOBAL),
        ("supersede_key", "p"),
        ("wants_receipt", True),
        ("options", '{"a":1}'),
    ],
)
def test_the_same_key_and_another_content_is_a_conflict(ledger: Ledger, field: str, other: object):
    first = ledger.submit(wanted(key="k"), at_utc_ns=T0).value.message
    with pytest.raises(KeyConflictError) as caught:
        ledger.submit(wanted(**{"key": "k", field: other}), at_utc_ns=T0)
    assert (caught.value.message_id, caught.value.field) == (first.id, field)
    assert len(list(ledger.unfinished())) == 1


def test_without_a_key_every_submission_is_another_message(ledger: Ledger):
    ids = [ledger.submit(wanted(), at_utc_ns=T0).value.message.id for _ in range(20)]
    assert ids == sorted(set(ids))
    assert made_at_utc_ns(ids[0]) == pytest.approx(T0, abs=250)


@pytest.mark.parametrize(
    "fields",
    [
        {"to": -1},
        {"to": 1 << 32},
        {"payload": b""},
        {"payload": bytes(submission_rules.PAYLOAD_BYTES_MAX + 1)},
        {"key": ""},
        {"key": "x" * 201},
        {"origin": "a\nb"},
        {"priority": ""},
        {"supersede_key": "x" * 201},
        {"options": "[]"},
        {"options": "{"},
        {"options": '{"a":"' + "x" * 17000 + '"}'},
        {"options": '{"\ud800":1}'},
        {"deadline_utc_ns": 1 << 63},
    ],
)
def test_what_is_out_of_bounds_is_refused_by_name(ledger: Ledger, fields: dict[str, object]):
    with pytest.raises(SubmissionError, match=next(iter(fields))):
        ledger.submit(wanted(**fields), at_utc_ns=T0)
    assert not list(ledger.unfinished())


def test_unfinished_messages_are_bounded(store: DirectStore):
    ledger = Ledger(store, entropy=os.urandom, max_unfinished=2)
    first = ledger.submit(wanted(), at_utc_ns=T0).value.message
    ledger.submit(wanted(key="k"), at_utc_ns=T0)
    with pytest.raises(LedgerFullError):
        ledger.submit(wanted(), at_utc_ns=T0)
    # What was taken before is still answered, and what ends makes room.
    assert not ledger.submit(wanted(key="k"), at_utc_ns=T0).value.is_new
    ledger.cancel(first.id, at_utc_ns=T0, cause="user")
    assert ledger.submit(wanted(), at_utc_ns=T0).value.is_new


def test_an_unknown_id_is_told(ledger: Ledger):
    with pytest.raises(UnknownMessageError, match="nobody"):
        ledger.cancel("nobody", at_utc_ns=T0, cause="user")


# --- on air --------------------------------------------------------------------------------------


def test_one_life_with_all_its_times(ledger: Ledger):
    message_id = queued(ledger, wants_receipt=True)
    for unit in (1, 2):
        ledger.on_air(message_id, unit=unit, of=2, card=CARD, at_utc_ns=T0 + 10 * unit)
        ledger.unit_accepted(message_id, unit=unit, at_utc_ns=T0 + 10 * unit + 1)
    assert ledger.get(message_id).state is State.ACCEPTED_BY_TERMINAL
    ledger.delivered(message_id, at_utc_ns=T0 + 99, cause="receipt")
    assert [(step.event, step.at_utc_ns - T0, step.unit) for step in ledger.steps(message_id)] == [
        (Event.SUBMITTED, 0, None),
        (Event.QUEUED, 1, None),
        (Event.ON_AIR, 10, 1),
        (Event.UNIT_ACCEPTED, 11, 1),
        (Event.ON_AIR, 20, 2),
        (Event.UNIT_ACCEPTED, 21, 2),
        (Event.DELIVERED, 99, None),
    ]
    delivered = ledger.get(message_id)
    assert (delivered.state, delivered.receipt_utc_ns) == (State.DELIVERED, T0 + 99)
    assert not list(ledger.unfinished())


def test_a_card_has_one_unit_in_flight(ledger: Ledger):
    first, second = flying(ledger), queued(ledger)
    with pytest.raises(IllegalTransitionError, match=f"card {CARD} is sending message {first}"):
        ledger.on_air(second, unit=1, of=1, card=CARD, at_utc_ns=T0)
    ledger.on_air(second, unit=1, of=1, card=OTHER_CARD, at_utc_ns=T0)
    ledger.unit_refused(first, unit=1, reason=RefusalReason.TOO_EARLY, at_utc_ns=T0)
    assert ledger.on_air(first, unit=1, of=1, card=CARD, at_utc_ns=T0).is_durable


def test_what_retention_took_keeps_no_card_busy(ledger: Ledger, store: DirectStore):
    gone = flying(ledger, of=2)
    ledger.cancel(gone, at_utc_ns=T0 + 3, cause="user")
    ledger.unit_accepted(gone, unit=1, at_utc_ns=T0 + 4)
    store.file.retain(RetentionLimits(max_age_ns=1), now_utc_ns=T0 + 10**12)
    with pytest.raises(UnknownMessageError):
        ledger.get(gone)
    assert flying(ledger) != gone


def test_the_last_time_of_a_card_outlives_a_restart(ledger: Ledger, store: DirectStore):
    flying(ledger)
    ledger.values.note_sent(OTHER_CARD, at_utc_ns=T0 + 7)
    again = restarted(store)
    assert again.values.last_sent_utc_ns(CARD) == T0 + 2
    assert again.values.last_sent_utc_ns(OTHER_CARD) == T0 + 7
    assert again.values.last_sent_utc_ns(1) is None


def test_a_retryable_refusal_puts_it_back_and_a_final_one_ends_it(ledger: Ledger):
    message_id = flying(ledger)
    back = ledger.unit_refused(message_id, unit=1, reason=RefusalReason.BUSY, at_utc_ns=T0).value
    assert (back.state, back.cause, back.is_retryable) == (State.QUEUED, "busy", True)
    ledger.on_air(message_id, unit=1, of=1, card=CARD, at_utc_ns=T0)
    end = ledger.unit_refused(message_id, unit=1, reason=RefusalReason.NO_CARD, at_utc_ns=T0).value
    assert (end.state, end.cause, end.is_retryable) == (State.REFUSED, "no_card", False)
    events = [step.event for step in ledger.steps(message_id)]
    assert events[-2:] == [Event.UNIT_REFUSED, Event.REFUSED]


def test_a_refusal_that_is_given_up_may_be_retryable_by_the_submitter(ledger: Ledger):
    message_id = queued(ledger)
    end = ledger.refuse(message_id, at_utc_ns=T0, reason="no_lock", is_retryable=True).value
    assert (end.state, end.is_retryable) == (State.REFUSED, True)


def test_a_final_refusal_of_a_repeat_does_not_deny_what_has_gone(ledger: Ledger):
    message_id = flying(ledger, wants_receipt=True)
    ledger.unit_unknown(message_id, unit=1, at_utc_ns=T0, cause="no feedback")
    ledger.on_air(message_id, unit=1, of=1, card=CARD, at_utc_ns=T0, is_repeat=True)
    after = ledger.unit_refused(message_id, unit=1, reason=RefusalReason.CRYPTO, at_utc_ns=T0)
    assert (after.value.state, after.value.is_possibly_sent) == (State.ON_AIR, True)
    assert ledger.delivered(message_id, at_utc_ns=T0).value.state is State.DELIVERED


# --- receipts ------------------------------------------------------------------------------------


def test_a_second_receipt_changes_nothing(ledger: Ledger):
    message_id = flying(ledger)
    first = ledger.delivered(message_id, at_utc_ns=T0 + 5).value
    second = ledger.delivered(message_id, at_utc_ns=T0 + 6)
    assert second.is_durable
    assert second.value == first


def test_a_late_receipt_is_noted_and_the_outcome_stands(ledger: Ledger, store: DirectStore):
    message_id = flying(ledger, wants_receipt=True)
    ledger.unit_accepted(message_id, unit=1, at_utc_ns=T0 + 3)
    ledger.expire(message_id, at_utc_ns=T0 + 4, cause="no receipt")
    late = restarted(store).delivered(message_id, at_utc_ns=T0 + 5).value
    assert (late.state, late.receipt_utc_ns) == (State.EXPIRED, T0 + 5)
    assert store.steps(message_id)[-1].event is Event.LATE_RECEIPT


def test_a_receipt_finds_its_message_by_peer_and_number(ledger: Ledger, store: DirectStore):
    ids = []
    for to in (7, 7, 8):
        message_id = ledger.submit(wanted(to=to), at_utc_ns=T0).value.message.id
        ledger.queue(message_id, at_utc_ns=T0, of=1, air_number=5)
        ids.append(message_id)
    for each in (ledger, restarted(store)):
        found = each.by_air_number(7, 5)
        assert found is not None
        assert found.id == ids[1]
        assert each.by_air_number(8, 6) is None
    ledger.cancel(ids[1], at_utc_ns=T0, cause="user")
    ledger.cancel(ids[2], at_utc_ns=T0, cause="user")
    finished = ledger.by_air_number(8, 5)
    assert finished is not None
    assert (finished.id, finished.state) == (ids[2], State.CANCELLED)


# --- restarts ------------------------------------------------------------------------------------


def test_what_was_in_flight_is_possibly_sent_after_a_restart(ledger: Ledger, store: DirectStore):
    by_card, by_other, waiting = (
        flying(ledger),
        flying(ledger, card=OTHER_CARD, of=2),
        queued(ledger),
    )
    again = restarted(store)
    with pytest.raises(IllegalTransitionError, match="in flight"):
        again.on_air(by_card, unit=1, of=1, card=1, at_utc_ns=T0)
    marked = again.recover(at_utc_ns=T0 + 50)
    assert marked.is_durable
    assert [message.id for message in marked.value] == sorted([by_card, by_other])
    assert all(message.is_possibly_sent for message in marked.value)
    with pytest.raises(IllegalTransitionError, match="repeat"):
        again.on_air(by_card, unit=1, of=1, card=CARD, at_utc_ns=T0)
    assert again.get(waiting).state is State.QUEUED
    assert again.recover(at_utc_ns=T0 + 60).value == ()
    assert {message.id for message in restarted(store).unfinished()} == {by_card, by_other, waiting}


def test_what_was_in_flight_when_it_was_cancelled_is_marked_as_well(
    ledger: Ledger, store: DirectStore
):
    message_id = flying(ledger, of=2)
    ledger.cancel(message_id, at_utc_ns=T0, cause="user")
    (marked,) = restarted(store).recover(at_utc_ns=T0).value
    assert (marked.id, marked.state, marked.n_possibly_sent) == (message_id, State.CANCELLED, 1)
    assert not restarted(store).recover(at_utc_ns=T0).value


# --- values --------------------------------------------------------------------------------------


def test_compare_and_set(ledger: Ledger, store: DirectStore):
    values = ledger.values
    assert values.compare_and_set("a", None, b"1").value
    assert not values.compare_and_set("a", None, b"2").value
    assert not values.compare_and_set("b", b"", b"2").value
    assert values.compare_and_set("a", b"1", b"3").value
    assert restarted(store).values.get("a") == b"3"
    with pytest.raises(ValueError, match="too long"):
        values.compare_and_set("", None, b"1")


def test_a_store_that_moved_on_refuses_what_was_made_of_the_old(store: DirectStore):
    one, other = restarted(store), restarted(store)
    assert one.values.reserve("nonce", 10).is_durable
    assert other.values.reserve("nonce", 10).error is not None
    message_id = one.submit(wanted(), at_utc_ns=T0).value.message.id
    third = restarted(store)
    one.queue(message_id, at_utc_ns=T0)
    assert third.cancel(message_id, at_utc_ns=T0, cause="user").error is not None
    assert store.message(message_id) == one.get(message_id)


def test_reserved_numbers_are_never_given_again(ledger: Ledger, store: DirectStore):
    given = [*ledger.values.reserve("nonce", 3).value, *ledger.values.reserve("nonce", 2).value]
    given += restarted(store).values.reserve("nonce", 4).value
    assert given == list(range(9))
    with pytest.raises(ValueError, match="0 numbers"):
        ledger.values.reserve("nonce", 0)


# --- in ------------------------------------------------------------------------------------------


def test_a_received_message_keeps_its_raw_bytes(ledger: Ledger, store: DirectStore):
    raw = bytes(range(256))
    received = Received(
        sender=7,
        form=Form.MIXED,
        content=b"\xa4\x00\xff",
        n_bits=24,
        raw=raw,
        to=8,
        is_intact=False,
    )
    kept = ledger.receive(received, terminal="t-1", at_utc_ns=T0, kind="binary")
    assert kept.is_durable
    (inbound,) = store.inbound(InboundQuery()).messages
    assert inbound == kept.value
    assert isinstance(inbound, Inbound)
    assert (inbound.raw, inbound.content, inbound.is_intact) == (raw, b"\xa4\x00\xff", False)


# --- waiting for the disk ------------------------------------------------------------------------


async def test_news_and_answers_come_only_when_it_is_durable(tmp_path: Path):
    news: list[tuple[Message, tuple[Step, ...]]] = []
    async with SqliteStore(str(tmp_path / "ledger.db")) as store:
        ledger = Ledger(
            store,
            entropy=os.urandom,
            on_durable=lambda message, steps: news.append((message, steps)),
        )
        pending = ledger.submit(wanted(key="k"), at_utc_ns=T0)
        again = ledger.submit(wanted(key="k"), at_utc_ns=T0)
        with pytest.raises(KeyConflictError):
            ledger.submit(wanted(key="k", to=1), at_utc_ns=T0)
        assert (pending.is_durable, again.is_durable, news) == (False, False, [])
        assert store.message(pending.value.message.id) is None
        assert (await again).message == (await pending).message
        assert (again.value.is_new, pending.is_durable, again.is_durable) == (False, True, True)
        assert store.message(pending.value.message.id) is not None
        on_air = flying(ledger)
        last = ledger.unit_accepted(on_air, unit=1, at_utc_ns=T0)
        await last
        assert [steps[0].event for _message, steps in news] == [
            Event.SUBMITTED,
            Event.SUBMITTED,
            Event.QUEUED,
            Event.ON_AIR,
            Event.UNIT_ACCEPTED,
        ]
        assert store.n_commits == 2
