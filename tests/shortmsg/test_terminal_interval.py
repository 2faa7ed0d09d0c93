"""The card's interval by our own clock: marks, corrections, restarts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bdgw.shortmsg.interval import IntervalRules, IntervalTimer, SendMark
from bdgw.shortmsg.vocabulary import Card, Service

REGIONAL, GLOBAL = Service.REGIONAL, Service.GLOBAL
CARD = Card(address=175607, interval_s=60, level=3, global_interval_s=300, global_level=1)


def timer(*marks: SendMark, **rules: float) -> IntervalTimer:
    return IntervalTimer(IntervalRules(**rules), marks)


def test_nothing_sent_is_ready_at_once():
    assert timer().ready_at_s(CARD, REGIONAL) == float("-inf")
    assert timer().marks == ()


def test_the_interval_and_2_s_are_counted_from_the_request_that_was_accepted():
    clock = timer()
    assert clock.requested(REGIONAL, 15.0, now=100.0).at_s == 115.0
    assert clock.accepted(REGIONAL, now=104.0).at_s == 100.0
    assert clock.ready_at_s(CARD, REGIONAL) == 162.0


def test_without_feedback_they_are_counted_from_the_end_of_the_waiting():
    clock = timer()
    clock.requested(REGIONAL, 15.0, now=100.0)
    assert clock.over(REGIONAL, now=115.0).at_s == 115.0
    assert clock.ready_at_s(CARD, REGIONAL) == 177.0


def test_a_terminal_that_transmits_late_is_learnt_once():
    """It counts from its transmission 8 s after the request; its feedback comes after 9 s."""
    clock = timer()
    clock.requested(REGIONAL, 15.0, now=0.0)
    clock.accepted(REGIONAL, now=9.0)
    assert clock.ready_at_s(CARD, REGIONAL) == 62.0
    clock.requested(REGIONAL, 15.0, now=62.0)
    clock.not_sent(REGIONAL)
    clock.too_early(CARD, REGIONAL, 6.0, now=62.0)
    assert clock.ready_at_s(CARD, REGIONAL) == 70.0
    clock.requested(REGIONAL, 15.0, now=70.0)
    assert clock.accepted(REGIONAL, now=79.0).at_s == 78.0
    assert clock.ready_at_s(CARD, REGIONAL) == 140.0


def test_a_lag_is_never_longer_than_the_feedback_took():
    clock = timer()
    clock.requested(REGIONAL, 15.0, now=0.0)
    clock.accepted(REGIONAL, now=3.0)
    clock.requested(REGIONAL, 15.0, now=62.0)
    clock.not_sent(REGIONAL)
    clock.too_early(CARD, REGIONAL, 55.0, now=62.0)
    clock.requested(REGIONAL, 15.0, now=119.0)
    assert clock.accepted(REGIONAL, now=124.0).at_s == 122.0


def test_a_refusal_puts_the_mark_before_it_back():
    clock = timer(SendMark(service=REGIONAL, at_s=-5.0))
    clock.requested(REGIONAL, 15.0, now=100.0)
    clock.not_sent(REGIONAL)
    assert clock.mark(REGIONAL) == SendMark(service=REGIONAL, at_s=-5.0)
    fresh = timer()
    fresh.requested(REGIONAL, 15.0, now=100.0)
    fresh.not_sent(REGIONAL)
    assert fresh.mark(REGIONAL) is None


def test_services_have_intervals_of_their_own_and_express_is_regional():
    clock = timer()
    clock.requested(GLOBAL, 15.0, now=0.0)
    clock.accepted(GLOBAL, now=3.0)
    assert clock.ready_at_s(CARD, GLOBAL) == 302.0
    assert clock.ready_at_s(CARD, REGIONAL) == float("-inf")
    clock.requested(REGIONAL, 15.0, now=10.0)
    clock.accepted(REGIONAL, now=12.0)
    assert clock.ready_at_s(CARD, REGIONAL, is_express=True) == 72.0
    quick = timer(*clock.marks, express_interval_s=10.0)
    assert quick.ready_at_s(CARD, REGIONAL, is_express=True) == 22.0
    assert quick.ready_at_s(CARD, REGIONAL) == 72.0


def test_a_card_without_global_service_is_never_ready_for_it():
    plain = Card(address=1, interval_s=60, level=3)
    assert timer().ready_at_s(plain, GLOBAL) is None
    zero = Card(address=1, interval_s=60, level=3, global_interval_s=0)
    assert timer().ready_at_s(zero, GLOBAL) is None


def test_an_interval_of_0_is_none_and_the_usual_one_holds():
    clock = timer(SendMark(service=REGIONAL, at_s=0.0))
    assert clock.ready_at_s(Card(address=1, interval_s=0, level=1), REGIONAL) == 62.0


@pytest.mark.parametrize(
    ("wait_s", "ready_s"),
    [
        pytest.param(58.0, 1060.0, id="the one of the 2.1 sample"),
        pytest.param(60.0, 1062.0, id="a whole interval"),
        pytest.param(0.0, 1062.0, id="0 is no answer"),
        pytest.param(None, 1062.0, id="none given"),
        pytest.param(61.0, 1062.0, id="longer than the interval"),
        pytest.param(-3.0, 1062.0, id="negative"),
    ],
)
def test_a_too_early_answer_corrects_the_timer(wait_s, ready_s):
    clock = timer()
    clock.requested(REGIONAL, 15.0, now=999.0)
    clock.not_sent(REGIONAL)
    clock.too_early(CARD, REGIONAL, wait_s, now=1000.0)
    assert clock.ready_at_s(CARD, REGIONAL) == ready_s


def test_a_wait_of_an_express_request_is_a_wait_of_that_length():
    clock = timer(express_interval_s=10.0)
    clock.too_early(CARD, REGIONAL, 4.0, now=1000.0, is_express=True)
    assert clock.ready_at_s(CARD, REGIONAL, is_express=True) == 1006.0


def test_the_second_too_early_in_a_row_is_a_whole_interval():
    clock = timer()
    clock.too_early(CARD, REGIONAL, 5.0, now=1000.0)
    clock.too_early(CARD, REGIONAL, 5.0, now=1007.0)
    assert clock.ready_at_s(CARD, REGIONAL) == 1069.0
    clock.requested(REGIONAL, 15.0, now=1069.0)
    clock.accepted(REGIONAL, now=1070.0)
    clock.too_early(CARD, REGIONAL, 5.0, now=1132.0)
    assert clock.ready_at_s(CARD, REGIONAL) == 1139.0


def test_a_short_wait_never_shortens_our_own():
    clock = timer(SendMark(service=REGIONAL, at_s=990.0))
    clock.too_early(CARD, REGIONAL, 5.0, now=1000.0)
    assert clock.ready_at_s(CARD, REGIONAL) == 1052.0


def test_a_transmission_of_somebody_else_outlives_the_refusal_of_ours():
    clock = timer()
    clock.requested(REGIONAL, 15.0, now=100.0)
    clock.sent_elsewhere(REGIONAL, now=101.0)
    clock.not_sent(REGIONAL)
    assert clock.ready_at_s(CARD, REGIONAL) == 163.0


def test_of_two_marks_of_a_service_the_later_holds():
    clock = timer(SendMark(service=REGIONAL, at_s=5.0), SendMark(service=REGIONAL, at_s=3.0))
    assert clock.ready_at_s(CARD, REGIONAL) == 67.0


@pytest.mark.parametrize(
    "rules",
    [
        {"margin_s": -1.0},
        {"margin_s": float("inf")},
        {"margin_s": float("nan")},
        {"default_interval_s": 0.0},
        {"express_interval_s": 0.0},
    ],
)
def test_rules_that_cannot_be_kept_are_refused(rules):
    with pytest.raises(ValueError, match="must be"):
        IntervalRules(**rules)


@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["accepted", "refused", "early", "lost", "elsewhere"]),
            st.integers(0, 200 * 64).map(lambda ticks: ticks / 64),
            st.integers(0, 15 * 64).map(lambda ticks: ticks / 64),
            st.sampled_from([REGIONAL, GLOBAL]),
        ),
        max_size=20,
    )
)
def test_a_mark_given_out_before_a_request_is_safe_whatever_comes(steps):
    """The law of a crash: the mark of the request is not before any later mark of it."""
    clock, now = timer(), 0.0
    sent: dict[Service, float] = {}
    for what, pause_s, answer_s, service in steps:
        now += pause_s
        ready_s = clock.ready_at_s(CARD, service)
        assert ready_s is not None
        now = max(now, ready_s)
        if service in sent:
            assert now - sent[service] >= (62.0 if service is REGIONAL else 302.0)
        promise = clock.requested(service, 15.0, now=now)
        now += answer_s
        if what == "accepted":
            asked_s = now - answer_s
            assert asked_s <= clock.accepted(service, now=now).at_s <= promise.at_s
            sent[service] = asked_s
        elif what == "lost":
            assert clock.over(service, now=now).at_s <= promise.at_s
            sent[service] = now
        else:
            clock.not_sent(service)
            if what == "early":
                clock.too_early(CARD, service, answer_s, now=now)
            if what == "elsewhere":
                clock.sent_elsewhere(service, now=now)
                sent[service] = now
