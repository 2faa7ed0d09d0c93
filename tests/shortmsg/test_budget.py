"""The air budget: order, promises, refusals; what is promised is what happens."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bdgw.shortmsg.budget import AirBudget, BudgetLimits, BudgetRefusal, Job, Offered, Priority
from bdgw.shortmsg.slot import SlotTimer, since_restart
from bdgw.shortmsg.vocabulary import Service

CARD = 4238473
OTHER = 4238474
INTERVAL_S = 60.0
LIMITS = BudgetLimits()
PERIOD_S = INTERVAL_S + LIMITS.margin_s


def budget_of(*cards: int, interval_s: float = INTERVAL_S) -> AirBudget:
    budget = AirBudget(LIMITS)
    for card in cards:
        budget.set_card(card, {Service.REGIONAL: interval_s})
    return budget


def job(name: str, priority: Priority = Priority.ROUTINE, **more: object) -> Job:
    fields: dict[str, object] = {"submitted_s": 0.0, **more}
    return Job(id=name, priority=priority, **fields)  # type: ignore[arg-type]


def queued(budget: AirBudget, *jobs: Job, now: float = 0.0) -> None:
    for one in jobs:
        assert isinstance(budget.offer(one, now=now), Offered), one.id


def run(budget: AirBudget, until_s: float, *, start_s: float = 0.0, lag_s: float = 0.0):
    """Every slot, taken as early as possible; the terminal takes ``lag_s`` to answer."""
    log: list[tuple[float, str, int]] = []
    now = start_s
    while now <= until_s:
        for card in sorted(budget.usable_cards()):
            for service in Service:
                found = budget.pick(card, service, now=now)
                if found is None:
                    continue
                budget.sent(found, card, service, at_s=now)
                timer = budget.timer(card, service)
                assert timer is not None
                timer.confirmed(now + lag_s, latest_s=now + lag_s)
                log.append((now, found.id, card))
                if found.n_slots == 1:
                    budget.remove(found.id)
                else:
                    budget.change(found.id, n_slots=found.n_slots - 1, has_started=True)
        due_s = budget.next_s()
        if due_s is None:
            break
        now = max(due_s, math.nextafter(now, math.inf))
    return log


def test_the_more_urgent_goes_first_and_the_oldest_deadline_within_one_priority() -> None:
    budget = budget_of(CARD)
    queued(
        budget,
        job("routine"),
        job("data late", Priority.DATA, deadline_s=9000.0),
        job("data soon", Priority.DATA, deadline_s=900.0),
        job("command", Priority.COMMAND),
        job("alarm", Priority.ALARM),
        job("distress", Priority.DISTRESS),
    )
    order = [name for _, name, _ in run(budget, 1000.0)]
    assert order == ["distress", "alarm", "command", "data soon", "data late", "routine"]


def test_a_transfer_leaves_every_other_slot_to_single_messages() -> None:
    budget = budget_of(CARD)
    queued(
        budget,
        job("long", Priority.DATA, is_transfer=True, n_slots=5, deadline_s=2000.0),
        *(job(f"short {n}", Priority.DATA, deadline_s=3000.0 + n) for n in range(3)),
    )
    order = [name for _, name, _ in run(budget, 1000.0)]
    assert order == ["short 0", "long", "short 1", "long", "short 2", "long", "long", "long"]


def test_the_first_slot_of_a_fresh_queue_goes_to_a_single_message_or_to_who_is_there() -> None:
    budget = budget_of(CARD)
    queued(budget, job("long", is_transfer=True, n_slots=2))
    assert [at for at, _, _ in run(budget, 1000.0)] == [0.0, PERIOD_S]


def test_distress_takes_the_first_free_card_and_no_deadline_keeps_it_out() -> None:
    budget = budget_of(CARD, OTHER)
    budget.restore_sent(CARD, Service.REGIONAL, -10.0, INTERVAL_S)
    budget.restore_sent(OTHER, Service.REGIONAL, -40.0, INTERVAL_S)
    offered = budget.offer(job("sos", Priority.DISTRESS, deadline_s=1.0), now=0.0)
    assert isinstance(offered, Offered), "no deadline keeps distress out"
    assert offered.promise is not None
    assert (offered.promise.card, offered.promise.t_send_s) == (OTHER, PERIOD_S - 40.0)


def test_distress_passes_everything_that_was_promised_before() -> None:
    budget = budget_of(CARD)
    queued(budget, *(job(f"alarm {n}", Priority.ALARM) for n in range(20)))
    offered = budget.offer(job("sos", Priority.DISTRESS, submitted_s=5.0), now=5.0)
    assert isinstance(offered, Offered)
    assert offered.promise is not None
    assert offered.promise.t_send_s == 5.0


def test_a_deadline_that_cannot_be_met_is_refused_before_queueing() -> None:
    budget = budget_of(CARD)
    queued(budget, job("first", Priority.ALARM))
    refusal = budget.offer(job("late", deadline_s=PERIOD_S), now=0.0)
    assert isinstance(refusal, BudgetRefusal)
    assert refusal.reason == "deadline"
    assert refusal.promise is not None
    assert refusal.promise.t_arrival_s == PERIOD_S + LIMITS.transit_s
    assert len(budget) == 1
    queued(budget, job("in time", deadline_s=PERIOD_S + LIMITS.transit_s))


def test_a_newcomer_does_not_break_the_promise_of_its_own_priority() -> None:
    budget = budget_of(CARD)
    queued(budget, job("tight", Priority.DATA, deadline_s=100.0, n_slots=2, is_transfer=True))
    refusal = budget.offer(job("newer", Priority.DATA, deadline_s=90.0), now=0.0)
    assert isinstance(refusal, BudgetRefusal)
    assert (refusal.reason, refusal.displaced) == ("displaces", "tight")
    queued(budget, job("urgent", Priority.ALARM, deadline_s=90.0))


def test_what_cannot_be_promised_is_queued_without_a_promise() -> None:
    budget = AirBudget(LIMITS)
    offered = budget.offer(job("early bird", deadline_s=50.0), now=0.0)
    assert isinstance(offered, Offered)
    assert offered.promise is None
    assert budget.next_s() is None
    refusal = budget.offer(job("past", deadline_s=-1.0), now=0.0)
    assert isinstance(refusal, BudgetRefusal)


def test_a_newer_position_takes_the_turn_of_the_one_it_replaces() -> None:
    budget = budget_of(CARD)
    budget.restore_sent(CARD, Service.REGIONAL, 0.0, INTERVAL_S)
    queued(budget, job("p0", supersede_key="position"), job("text", submitted_s=1.0))
    for n in range(1, 6):
        offered = budget.offer(
            job(f"p{n}", supersede_key="position", submitted_s=10.0 * n), now=10.0 * n
        )
        assert isinstance(offered, Offered)
        assert offered.superseded == (f"p{n - 1}",)
    assert [name for _, name, _ in run(budget, 500.0, start_s=50.0)] == ["p5", "text"]


def test_nothing_replaces_what_was_partly_on_air() -> None:
    budget = budget_of(CARD)
    queued(budget, job("p0", supersede_key="k", n_slots=2, is_transfer=True))
    budget.change("p0", has_started=True)
    offered = budget.offer(job("p1", supersede_key="k"), now=0.0)
    assert isinstance(offered, Offered)
    assert offered.superseded == ()


def test_a_full_queue_refuses_all_but_distress_and_what_it_replaces() -> None:
    budget = AirBudget(BudgetLimits(n_jobs_max=2, n_distress_max=1))
    queued(budget, job("a", supersede_key="k"), job("b"))
    refusal = budget.offer(job("c"), now=0.0)
    assert isinstance(refusal, BudgetRefusal)
    assert refusal.reason == "queue_full"
    queued(budget, job("d", supersede_key="k"), job("sos", Priority.DISTRESS))
    assert isinstance(budget.offer(job("sos 2", Priority.DISTRESS), now=0.0), BudgetRefusal)
    assert isinstance(budget.offer(job("e", Priority.ALARM), now=0.0), BudgetRefusal)


def test_global_and_regional_slots_are_counted_apart() -> None:
    budget = AirBudget(LIMITS)
    budget.set_card(CARD, {Service.REGIONAL: 60.0, Service.GLOBAL: 300.0})
    queued(
        budget,
        *(job(f"r{n}") for n in range(3)),
        *(job(f"g{n}", service=Service.GLOBAL) for n in range(2)),
    )
    log = run(budget, 1000.0)
    assert [at for at, name, _ in log if name[0] == "r"] == [0.0, 62.0, 124.0]
    assert [at for at, name, _ in log if name[0] == "g"] == [0.0, 302.0]
    budget.set_card(CARD, {Service.REGIONAL: 60.0})
    queued(budget, job("g9", service=Service.GLOBAL), now=1000.0)
    assert budget.forecast(1000.0) == {}, "the card has no global service any more"


def test_a_card_that_goes_away_keeps_its_interval_for_the_day_it_comes_back() -> None:
    budget = budget_of(CARD)
    queued(budget, job("a"), job("b"))
    first = budget.pick(CARD, Service.REGIONAL, now=0.0)
    assert first is not None
    budget.sent(first, CARD, Service.REGIONAL, at_s=0.0)
    budget.remove(first.id)
    budget.unset_card(CARD)
    assert budget.next_s() is None
    assert budget.pick(CARD, Service.REGIONAL, now=500.0) is None
    budget.set_card(CARD, {Service.REGIONAL: INTERVAL_S})
    assert budget.next_s() == PERIOD_S


def test_a_refused_request_gives_the_slot_back_and_an_unanswered_one_does_not() -> None:
    timer = SlotTimer(60.0, 2.0)
    timer.sent(100.0)
    timer.confirmed(105.0, latest_s=110.0)
    assert timer.next_s() == 167.0
    timer.sent(170.0)
    timer.refused()
    assert timer.next_s() == 167.0
    timer.sent(170.0)
    timer.confirmed(185.0, latest_s=185.0)
    assert timer.next_s() == 247.0
    timer.hold(12.0, now=190.0)
    assert timer.next_s() == 247.0
    timer.hold(100.0, now=190.0)
    assert timer.next_s() == 290.0


@pytest.mark.parametrize(("wait_s", "next_s"), [(None, 62.0), (-5.0, 0.0), (1e9, 600.0)])
def test_an_absurd_waiting_time_is_cut(wait_s: float | None, next_s: float) -> None:
    timer = SlotTimer(60.0, 2.0)
    timer.hold(wait_s, now=0.0)
    assert timer.next_s() == next_s


def test_a_send_before_the_restart_counts_even_when_the_clock_went_back() -> None:
    assert since_restart(1000.0, now_utc_s=1030.0, now=5.0) == -25.0
    assert since_restart(1000.0, now_utc_s=900.0, now=5.0) == 5.0


PRIORITIES = st.sampled_from([p for p in Priority if p is not Priority.DISTRESS])
JOBS = st.lists(
    st.tuples(
        PRIORITIES,
        st.integers(1, 6),
        st.one_of(st.none(), st.floats(100.0, 20_000.0)),
        st.sampled_from([None, frozenset([CARD]), frozenset([OTHER])]),
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=80, deadline=None)
@given(JOBS, st.floats(0.0, 15.0), st.sampled_from([1.0, 40.0, 60.0]), st.booleans())
def test_the_last_forecast_is_kept_within_one_slot(specs, lag_s, interval_s, two_cards) -> None:
    cards = (CARD, OTHER) if two_cards else (CARD,)
    budget = budget_of(*cards, interval_s=interval_s)
    warm = job("warm", n_slots=12, is_transfer=True)
    queued(budget, warm)
    start_s = 40.0 * (interval_s + LIMITS.margin_s + lag_s)
    run(budget, start_s, lag_s=lag_s)
    for n, (priority, n_slots, end_s, bound) in enumerate(specs):
        budget.offer(
            job(
                f"{n}",
                priority,
                n_slots=n_slots,
                is_transfer=n_slots > 1,
                deadline_s=None if end_s is None else start_s + end_s,
                cards=bound,
                submitted_s=start_s,
            ),
            now=start_s,
        )
    promised = budget.forecast(start_s)
    bound_for_nobody = {j for j in range(len(specs)) if not two_cards and specs[j][3] == {OTHER}}
    assert all(f"{n}" not in promised for n in bound_for_nobody)
    log = run(budget, start_s + 100_000.0, start_s=start_s, lag_s=lag_s)
    slot_s = interval_s + LIMITS.margin_s + lag_s
    for name, promise in promised.items():
        times = [at for at, who, _ in log if who == name]
        assert abs(times[0] - promise.t_send_s) <= slot_s
        arrival_s = times[-1] + LIMITS.transit_s
        assert abs(arrival_s - promise.t_arrival_s) <= slot_s
        end_s = specs[int(name)][2]
        if end_s is not None:
            higher = [s for s in specs if s[0].rank < specs[int(name)][0].rank]
            assert higher or arrival_s <= start_s + end_s + slot_s
    for card in cards:
        times = [at for at, _, who in log if who == card]
        gaps = [b - a for a, b in itertools.pairwise(times)]
        assert all(gap >= interval_s + LIMITS.margin_s - 1e-6 for gap in gaps)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(PRIORITIES, st.floats(0.0, 300.0)), min_size=1, max_size=12))
def test_the_first_promise_holds_for_who_is_not_passed_later(arrivals) -> None:
    """Submitted one after the other on a running card: only a later, more urgent one shifts it."""
    budget = budget_of(CARD)
    now = 0.0
    promises: dict[str, float] = {}
    passed: dict[str, int] = {}
    log: list[tuple[float, str, int]] = []
    ranks: dict[str, Priority] = {}
    for n, (priority, gap_s) in enumerate(arrivals):
        log += run(budget, now + gap_s, start_s=now)
        now += gap_s
        offered = budget.offer(job(f"{n}", priority, submitted_s=now), now=now)
        assert isinstance(offered, Offered)
        assert offered.promise is not None
        promises[f"{n}"] = offered.promise.t_send_s
        ranks[f"{n}"] = priority
        waiting = [name for name in passed if name in budget]
        for name in waiting:
            passed[name] += priority.rank < ranks[name].rank
        passed[f"{n}"] = 0
    log += run(budget, now + 10_000.0, start_s=now)
    assert {name for _, name, _ in log} == set(promises), "nobody starves and nobody is lost"
    for at, name, _ in log:
        assert -PERIOD_S <= at - promises[name] <= (1 + passed[name]) * PERIOD_S
