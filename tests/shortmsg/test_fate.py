"""The life of one message: every event in every state, and the rules behind them."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bdgw.shortmsg.fate import CAUSE_CHARS_MAX, UNITS_MAX, IllegalTransitionError, advance, fold
from bdgw.shortmsg.message import FINAL_STATES, Event, Message, State, Step, Submission, UnitFate

CARD, OTHER_CARD = 123456, 123457
SUBMITTED = Step(event=Event.SUBMITTED, at_utc_ns=0, cause="rest")


def step(event: Event, **fields) -> Step:
    """A step that lacks nothing that its event needs; one unit of one."""
    needs: dict[Event, dict[str, Any]] = {
        Event.ON_AIR: {"unit": 1, "of": 1, "card": CARD},
        Event.UNIT_ACCEPTED: {"unit": 1},
        Event.UNIT_REFUSED: {"unit": 1, "cause": "busy", "is_retryable": True},
        Event.UNIT_POSSIBLY_SENT: {"unit": 1, "cause": "restart"},
        Event.REFUSED: {"cause": "no_card", "is_retryable": False},
    }
    return Step(**{"event": event, "at_utc_ns": 1, **needs.get(event, {}), **fields})


def message(*events: Event | Step, wants_receipt: bool = True) -> Message:
    submission = Submission(to=1, payload=b"\x01", wants_receipt=wants_receipt)
    steps = [each if isinstance(each, Step) else step(each) for each in events]
    return fold("id", submission, (SUBMITTED, *steps))


def unit_on_air(number: int, of: int, *, card: int = CARD, is_repeat: bool = False) -> Step:
    return step(Event.ON_AIR, unit=number, of=of, card=card, is_repeat=is_repeat)


def accepted(number: int) -> Step:
    return step(Event.UNIT_ACCEPTED, unit=number)


WAYS = {
    "accepted": (),
    "queued": (Event.QUEUED,),
    "in flight": (Event.QUEUED, Event.ON_AIR),
    "possibly sent": (Event.QUEUED, Event.ON_AIR, Event.UNIT_POSSIBLY_SENT),
    "1 of 2": (Event.QUEUED, unit_on_air(1, 2), accepted(1)),
    "by terminal": (Event.QUEUED, Event.ON_AIR, Event.UNIT_ACCEPTED),
    "delivered": (Event.QUEUED, Event.ON_AIR, Event.UNIT_ACCEPTED, Event.DELIVERED),
    "expired": (Event.QUEUED, Event.EXPIRED),
    "refused": (Event.QUEUED, Event.REFUSED),
    "cancelled": (Event.QUEUED, Event.CANCELLED),
}
# The whole table by hand: where each event leads, from each way; what is not here is refused.
LEADS = {
    ("accepted", Event.QUEUED): State.QUEUED,
    ("accepted", Event.EXPIRED): State.EXPIRED,
    ("accepted", Event.REFUSED): State.REFUSED,
    ("accepted", Event.CANCELLED): State.CANCELLED,
    ("queued", Event.QUEUED): State.QUEUED,
    ("queued", Event.ON_AIR): State.ON_AIR,
    ("queued", Event.EXPIRED): State.EXPIRED,
    ("queued", Event.REFUSED): State.REFUSED,
    ("queued", Event.CANCELLED): State.CANCELLED,
    ("in flight", Event.UNIT_ACCEPTED): State.ACCEPTED_BY_TERMINAL,
    ("in flight", Event.UNIT_REFUSED): State.QUEUED,
    ("in flight", Event.UNIT_POSSIBLY_SENT): State.ON_AIR,
    ("in flight", Event.DELIVERED): State.DELIVERED,
    ("in flight", Event.EXPIRED): State.EXPIRED,
    ("possibly sent", Event.DELIVERED): State.DELIVERED,
    ("possibly sent", Event.EXPIRED): State.EXPIRED,
    ("possibly sent", Event.REFUSED): State.REFUSED,
    ("1 of 2", Event.DELIVERED): State.DELIVERED,
    ("1 of 2", Event.EXPIRED): State.EXPIRED,
    ("1 of 2", Event.REFUSED): State.REFUSED,
    ("1 of 2", Event.CANCELLED): State.CANCELLED,
    ("by terminal", Event.DELIVERED): State.DELIVERED,
    ("by terminal", Event.EXPIRED): State.EXPIRED,
    ("expired", Event.LATE_RECEIPT): State.EXPIRED,
    ("refused", Event.LATE_RECEIPT): State.REFUSED,
    ("cancelled", Event.LATE_RECEIPT): State.CANCELLED,
}


@pytest.mark.parametrize(("way", "event"), [*itertools.product(WAYS, Event)])
def test_every_event_in_every_state(way: str, event: Event):
    before = message(*WAYS[way])
    expected = LEADS.get((way, event))
    if expected is None:
        with pytest.raises(IllegalTransitionError) as caught:
            advance(before, step(event))
        assert (caught.value.message_id, caught.value.event) == ("id", event)
    else:
        after = advance(before, step(event))
        assert (after.state, after.revision) == (expected, before.revision + 1)


def test_the_terminals_acceptance_is_never_a_delivery():
    sent = message(*WAYS["by terminal"])
    assert (sent.state, sent.receipt_utc_ns) == (State.ACCEPTED_BY_TERMINAL, None)
    assert not sent.is_final


def test_without_a_receipt_to_come_the_terminals_acceptance_settles_it():
    sent = message(*WAYS["by terminal"], wants_receipt=False)
    assert sent.is_settled
    assert not sent.is_final
    for event in (Event.EXPIRED, Event.CANCELLED, Event.ON_AIR):
        with pytest.raises(IllegalTransitionError):
            advance(sent, step(event, is_repeat=True))
    assert advance(sent, step(Event.DELIVERED)).state is State.DELIVERED


def test_n_of_m_is_accepted_by_the_terminal_with_the_last_one_only():
    sent = message(Event.QUEUED, unit_on_air(2, 3), accepted(2), unit_on_air(1, 3), accepted(1))
    assert (sent.state, sent.n_units_accepted, sent.n_units) == (State.ON_AIR, 2, 3)
    sent = advance(advance(sent, unit_on_air(3, 3)), accepted(3))
    assert (sent.state, sent.n_sends) == (State.ACCEPTED_BY_TERMINAL, 3)


def test_a_possibly_sent_unit_is_not_sent_again_in_silence():
    before = message(*WAYS["possibly sent"])
    assert before.is_possibly_sent
    with pytest.raises(IllegalTransitionError, match="only as a repeat"):
        advance(before, unit_on_air(1, 1))
    again = advance(before, unit_on_air(1, 1, is_repeat=True))
    assert again.units[0].n_sends == 2
    sent = advance(again, accepted(1))
    assert (sent.is_possibly_sent, sent.n_possibly_sent) == (False, 1)


def test_a_refused_unit_has_not_gone_and_is_sent_again_without_more():
    refused = message(Event.QUEUED, Event.ON_AIR, Event.UNIT_REFUSED)
    assert (refused.n_units_gone, refused.cause, refused.is_retryable) == (0, "busy", True)
    assert advance(refused, unit_on_air(1, 1)).in_flight


def test_repairs_after_all_was_accepted():
    sent = message(Event.QUEUED, unit_on_air(1, 2), accepted(1), unit_on_air(2, 2), accepted(2))
    repair = advance(sent, unit_on_air(1, 2, is_repeat=True))
    assert repair.state is State.ON_AIR
    # A repair that the terminal refuses takes nothing away from what was accepted before.
    assert advance(repair, step(Event.UNIT_REFUSED)).state is State.ACCEPTED_BY_TERMINAL
    # One more unit, of the erasure code.
    assert advance(sent, unit_on_air(3, 3)).n_units == 3


def test_two_units_by_two_cards():
    both = message(Event.QUEUED, unit_on_air(1, 2), unit_on_air(2, 2, card=OTHER_CARD))
    assert [unit.card for unit in both.in_flight] == [CARD, OTHER_CARD]
    half = advance(both, accepted(2))
    assert half.state is State.ON_AIR
    assert advance(half, step(Event.UNIT_REFUSED)).state is State.ON_AIR


@pytest.mark.parametrize("end", [Event.EXPIRED, Event.CANCELLED])
def test_what_the_terminal_says_after_the_end_is_kept_and_the_outcome_stands(end: Event):
    ended = message(Event.QUEUED, unit_on_air(1, 2), step(end))
    assert ended.is_final
    assert not ended.is_settled
    after = advance(ended, accepted(1))
    assert (after.state, after.is_settled, after.n_units_gone) == (ended.state, True, 1)


def test_cancel_is_too_late_once_all_of_it_may_have_gone():
    for way in ("in flight", "possibly sent", "by terminal"):
        with pytest.raises(IllegalTransitionError):
            advance(message(*WAYS[way]), step(Event.CANCELLED))


def test_it_is_not_given_up_while_the_terminal_has_it():
    with pytest.raises(IllegalTransitionError, match="in flight"):
        advance(message(*WAYS["in flight"]), step(Event.REFUSED))


@pytest.mark.parametrize(
    "wrong",
    [
        step(Event.ON_AIR, unit=0, of=1),
        step(Event.ON_AIR, unit=2, of=1),
        step(Event.ON_AIR, unit=None),
        step(Event.ON_AIR, of=None),
        step(Event.ON_AIR, of=UNITS_MAX + 1),
        step(Event.ON_AIR, card=None),
        step(Event.QUEUED, of=0),
        step(Event.REFUSED, cause=""),
        step(Event.REFUSED, is_retryable=None),
        step(Event.EXPIRED, cause="x" * (CAUSE_CHARS_MAX + 1)),
    ],
)
def test_a_step_that_lacks_something_is_refused(wrong: Step):
    with pytest.raises(IllegalTransitionError):
        advance(message(Event.QUEUED), wrong)


def test_the_number_of_units_does_not_shrink():
    with pytest.raises(IllegalTransitionError, match="after 3"):
        advance(message(Event.QUEUED, unit_on_air(1, 3)), unit_on_air(2, 2))


def test_only_a_submission_begins():
    with pytest.raises(IllegalTransitionError):
        fold("id", Submission(to=1, payload=b"x"), (step(Event.QUEUED),))
    with pytest.raises(IllegalTransitionError):
        fold("id", Submission(to=1, payload=b"x"), ())


def test_the_first_receipt_is_the_one_that_counts():
    late = message(*WAYS["expired"], step(Event.LATE_RECEIPT, at_utc_ns=77))
    assert (late.state, late.receipt_utc_ns) == (State.EXPIRED, 77)
    with pytest.raises(IllegalTransitionError, match="known"):
        advance(late, step(Event.LATE_RECEIPT, at_utc_ns=78))


STEPS = st.builds(
    step,
    st.sampled_from(Event),
    unit=st.integers(1, 3),
    of=st.integers(1, 3),
    card=st.sampled_from([CARD, OTHER_CARD]),
    at_utc_ns=st.integers(0, 10**18),
    is_repeat=st.booleans(),
    is_retryable=st.booleans(),
    cause=st.sampled_from(["", "why"]),
)


@given(st.lists(STEPS, max_size=40), st.booleans())
def test_whatever_happens_there_is_one_outcome_and_no_silent_repeat(
    steps: list[Step], wants_receipt: bool
):
    now = message(wants_receipt=wants_receipt)
    taken = [SUBMITTED]
    outcomes = set()
    possibly_out: set[int | None] = set()
    for each in steps:
        try:
            after = advance(now, each)
        except IllegalTransitionError:
            continue
        if each.event is Event.ON_AIR and not each.is_repeat:
            assert each.unit not in possibly_out
        if each.event in (Event.UNIT_ACCEPTED, Event.UNIT_POSSIBLY_SENT):
            possibly_out.add(each.unit)
        if now.is_final:
            assert after.state is now.state
        if after.state is State.ACCEPTED_BY_TERMINAL:
            assert {unit.number for unit in after.units if unit.is_accepted} == set(
                range(1, (after.n_units or 0) + 1)
            )
        outcomes |= {after.state} & FINAL_STATES
        taken.append(each)
        now = after
    assert len(outcomes) <= 1
    assert fold("id", now.submission, tuple(taken)) == now
    assert now.revision == len(taken)
    assert {unit.number for unit in now.units if unit.has_gone} == possibly_out
    assert (State.DELIVERED in outcomes) == any(each.event is Event.DELIVERED for each in taken)
    assert msgspec.json.decode(msgspec.json.encode(now), type=Message) == now
    assert all(unit.fate in UnitFate for unit in now.units)
