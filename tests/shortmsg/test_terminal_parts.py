"""The small machines inside a terminal session."""

from __future__ import annotations

import pytest

from bdgw.shortmsg.terminal_card import CardReader
from bdgw.shortmsg.terminal_inquiry import Inquiry, InquiryPeriods, Question
from bdgw.shortmsg.terminal_line import TerminalLine
from bdgw.shortmsg.terminal_restart import RestartWatch
from bdgw.shortmsg.terminal_subordinate import SubordinateList
from bdgw.shortmsg.vocabulary import Card

OLD_FORM = Card(address=4238473, interval_s=60, level=4, is_encrypted=False, user_class=6)
NEW_FORM = Card(
    address=4238473, interval_s=40, level=2, global_interval_s=300, global_level=1, broadcast=7
)


# --- the card in two dialects -----------------------------------------------------------------


@pytest.mark.parametrize("order", [(OLD_FORM, NEW_FORM), (NEW_FORM, OLD_FORM)])
def test_two_views_of_one_card_are_joined_and_the_longer_interval_holds(order):
    reader = CardReader(settle_s=1.0)
    for card in order:
        reader.card_seen(card, now=5.0)
    assert reader.settle(now=5.9) is None
    before, card = reader.settle(now=6.0) or (None, None)
    assert before is None
    assert card == Card(
        address=4238473,
        interval_s=60,
        level=2,
        is_encrypted=False,
        user_class=6,
        broadcast=7,
        global_interval_s=300,
        global_level=1,
    )


@pytest.mark.parametrize("is_card_first", [True, False])
def test_a_card_outweighs_no_card_in_the_same_answer(is_card_first):
    reader = CardReader(settle_s=1.0)
    if is_card_first:
        reader.card_seen(NEW_FORM, now=0.0)
    reader.no_card_seen(now=0.1)
    if not is_card_first:
        reader.card_seen(NEW_FORM, now=0.2)
    assert reader.settle(now=2.0) == (None, NEW_FORM)
    reader.no_card_seen(now=10.0)
    assert reader.settle(now=11.0) == (NEW_FORM, None)


def test_of_two_cards_in_one_answer_the_last_is_believed():
    reader = CardReader(settle_s=1.0)
    reader.card_seen(OLD_FORM, now=0.0)
    other = Card(address=15240507, interval_s=1, level=5)
    reader.card_seen(other, now=0.5)
    assert reader.settle(now=1.0) == (None, other)


# --- questions --------------------------------------------------------------------------------


def inquiry() -> Inquiry:
    return Inquiry(InquiryPeriods(answer_s=3.0, gap_s=1.0), now=0.0)


def test_one_question_at_a_time_the_most_urgent_first_with_a_gap():
    it = inquiry()
    it.want(Question.VERSION, at_s=0.0)
    it.want(Question.CARD, at_s=0.0)
    assert it.next(now=0.0) is Question.CARD
    assert it.next(now=0.0) is None
    assert it.deadline() == 3.0
    assert it.answered(Question.CARD, now=0.5)
    assert not it.answered(Question.CARD, now=0.6)
    assert it.next(now=1.4) is None
    assert it.deadline() == 1.5
    assert it.next(now=1.5) is Question.VERSION


def test_a_question_that_a_request_interrupts_is_asked_again():
    it = inquiry()
    it.want(Question.SELF_CHECK, at_s=0.0)
    it.next(now=0.0)
    it.interrupt(now=1.0)
    assert it.expired(now=9.0) is None
    it.resume(now=10.0)
    assert it.next(now=10.9) is None
    assert it.next(now=11.0) is Question.SELF_CHECK


def test_an_unanswered_question_expires_once():
    it = inquiry()
    it.want(Question.CARD, at_s=0.0)
    it.next(now=0.0)
    assert it.expired(now=2.9) is None
    assert it.expired(now=3.0) is Question.CARD
    assert it.expired(now=3.0) is None
    assert it.deadline() is None


def test_periods_without_end_or_sense_are_refused():
    for bad in (0.0, -1.0, float("inf"), float("nan")):
        with pytest.raises(ValueError, match="above 0"):
            InquiryPeriods(signal_s=bad)


# --- restarts ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    ["BOOT V1.02 2019", "RDSS TERMINAL", "system reset", "Power-on", "SW ver 2.10", "started"],
)
def test_banners(text):
    watch = RestartWatch()
    why = watch.printed(text, 10.0, is_sending=False)
    assert why is not None
    assert text in why
    assert watch.printed(text, 12.0, is_sending=False) is None, "the same banner"
    assert watch.printed(text, 30.0, is_sending=False) is not None


@pytest.mark.parametrize("text", ["TCQ OK!", "READY FOR TRANSMISSION", "OK", "1.25", "$BDFKI,T"])
def test_chatter_is_no_restart(text):
    assert RestartWatch().printed(text, 10.0, is_sending=False) is None


def test_chatter_in_the_place_of_a_feedback_is_one():
    watch = RestartWatch()
    watch.sending()
    assert watch.printed("hello there", 10.0, is_sending=True) is None
    assert "hello there" in (watch.feedback_lost(20.0) or "")
    assert watch.feedback_lost(60.0) is None


def test_half_a_frame_is_no_text():
    watch = RestartWatch()
    watch.sending()
    watch.printed("$BDFKI,T", 10.0, is_sending=True)
    assert watch.feedback_lost(20.0) is None


def test_a_card_unasked_is_a_restart_unless_it_is_a_habit():
    watch = RestartWatch()
    assert watch.card_shown(100.0, is_feedback_missing=False) is not None
    for now in (400.0, 900.0, 1400.0):
        assert watch.card_shown(now, is_feedback_missing=False) is None
    assert watch.card_shown(1500.0, is_feedback_missing=True) is not None
    assert watch.card_shown(2200.0, is_feedback_missing=False) is not None


def test_an_answer_is_not_unasked_however_late():
    watch = RestartWatch()
    watch.card_asked(100.0)
    assert watch.card_shown(114.0, is_feedback_missing=True) is None
    assert watch.card_shown(116.0, is_feedback_missing=True) is not None


# --- the line ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command", [b"$CCZHS,1*00\r\n", b"$JJZH\x00\x0f", b"$CCJMS,E*00", b"$CCLZM,1,5*00"]
)
def test_the_port_lets_no_forbidden_command_out(command):
    """The last guard, behind codecs that cannot build them."""
    line = TerminalLine()
    assert not line.write(b"x" + command)
    assert line.data_to_send() == b""
    assert line.write(command[:3])
    assert not line.write(command[3:]), "in two writes"
    assert line.data_to_send() == command[:3]
    assert line.counters.n_withheld == 2


# --- subordinates -----------------------------------------------------------------------------


def test_a_list_ends_when_it_is_whole_or_stops_growing():
    book = SubordinateList()
    assert not book.begin(0)
    assert book.begin(5)
    assert book.page_seen((1, 2, 3))
    assert book.page == 2
    assert not book.page_seen((4, 5))
    assert book.end() == (1, 2, 3, 4, 5)
    book.begin(5)
    assert book.page_seen((1, 2, 3))
    assert not book.page_seen((1, 2, 3)), "a terminal that repeats a page would go on for ever"
    assert book.end() == (1, 2, 3)


def test_a_list_is_bounded():
    book = SubordinateList()
    book.begin(65_535)
    n_pages = 1
    while book.page_seen(tuple(range(n_pages * 400, n_pages * 400 + 400))):
        n_pages += 1
    assert len(book.end() or ()) == 20_000
    assert n_pages <= 125
