"""Which epoch of the base goes with which of the rover; laws over any arrivals."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bdgw import recorded
from bdgw.solving import matching
from bdgw.solving.gathering import EpochFrames
from bdgw.solving.matching import SAME_INSTANT_NS, Matcher, Pair

S_NS = 1_000_000_000


def epoch(t_s: float, rx_s: float, name: bytes = b"") -> EpochFrames:
    return EpochFrames(t_gpst_ns=round(t_s * S_NS), frames=name, station=1, rx_s=rx_s)


def matcher(**keys) -> Matcher:
    return Matcher(**{"wait_s": 0.5, "max_age_s": 5.0, "has_base": True, **keys})


def times(pairs: list[Pair]) -> list[tuple[float, float | None]]:
    return [
        (p.rover.t_gpst_ns / S_NS, None if p.base is None else p.base.t_gpst_ns / S_NS)
        for p in pairs
    ]


def test_live_and_recorded_mean_the_same_instant():
    assert matching.SAME_INSTANT_NS == recorded._SAME_INSTANT_NS


def test_a_base_that_is_late_is_waited_for():
    one = matcher()
    one.base(epoch(9.0, 9.2))
    one.rover(epoch(10.0, 10.1))
    assert not one.due(10.3)
    assert one.deadline() == pytest.approx(10.6)
    one.base(epoch(10.0, 10.4))
    assert times(one.due(10.4)) == [(10.0, 10.0)]
    assert one.n_waited == 0


def test_one_that_does_not_come_is_replaced_by_the_one_before_and_then_by_none():
    one = matcher()
    one.base(epoch(9.0, 9.2))
    for t_s in (10.0, 14.0):
        one.rover(epoch(t_s, t_s + 0.1))
        assert not one.due(t_s + 0.2)
        assert times(one.due(t_s + 0.6)) == [(t_s, 9.0)]
    assert one.n_waited == 2
    # It has stopped: nothing is waited for any more, and nothing so old is used.
    one.rover(epoch(14.2, 14.3))
    assert times(one.due(14.3)) == [(14.2, None)]


def test_between_the_epochs_of_a_slow_base_nothing_is_waited_for():
    one = matcher()
    for t_s in (8.0, 9.0, 10.0):
        one.base(epoch(t_s, t_s))
    for t_s in (10.2, 10.4, 10.6, 10.8):
        one.rover(epoch(t_s, t_s))
        assert times(one.due(t_s)) == [(t_s, 10.0)]
    one.rover(epoch(11.0, 11.0))
    assert not one.due(11.0)


def test_without_a_base_nothing_is_waited_for():
    one = matcher(has_base=False)
    one.rover(epoch(10.0, 10.0))
    assert times(one.due(10.0)) == [(10.0, None)]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["rover", "base", "forget"]),
            st.integers(-3, 30),  # tenths of a second
            st.floats(0.0, 0.7),
        ),
        max_size=60,
    )
)
def test_laws(steps: list[tuple[str, int, float]]):
    """Order, age and count hold whatever comes when."""
    one, now = matcher(), 100.0
    t_s = {"rover": 50.0, "base": 50.0}
    n_rover, out = 0, []
    for who, step, pause_s in steps:
        now += pause_s
        out += [(pair, now) for pair in one.due(now)]
        if who == "forget":
            one.forget_base()
            continue
        t_s[who] += step / 10.0
        item = epoch(t_s[who], now)
        if who == "rover":
            n_rover += 1
            one.rover(item)
        else:
            one.base(item)
        out += [(pair, now) for pair in one.due(now)]
    out += [(pair, now + 1.0) for pair in one.due(now + 1.0)]
    assert len(out) + one.dropped.total() == n_rover
    instants = [pair.rover.t_gpst_ns for pair, _ in out]
    assert instants == sorted(set(instants))
    for pair, at_s in out:
        assert at_s >= pair.rover.rx_s
        if pair.base is not None:
            age_ns = pair.rover.t_gpst_ns - pair.base.t_gpst_ns
            assert -SAME_INSTANT_NS <= age_ns <= 5 * S_NS
    assert one.deadline() is None


@given(
    st.lists(st.integers(1, 30), min_size=1, max_size=40),
    st.lists(st.integers(1, 30), min_size=1, max_size=40),
)
def test_what_is_in_time_is_matched_as_recorded_data_are(rover: list[int], base: list[int]):
    """All bases before the rovers of their instant: the same pairs as ``bdgw rtk``."""

    def stream(steps: list[int]) -> list[EpochFrames]:
        at, found = 0, []
        for step in steps:
            at += step
            found.append(epoch(at / 10.0, at / 10.0))
        return found

    rovers, bases = stream(rover), stream(base)
    wanted: list[object] = list(recorded.in_step(rovers, bases))  # type: ignore[arg-type]  # times alone count
    one, found, waiting = matcher(max_age_s=1e6, wait_s=0.0), [], list(bases)
    for item in rovers:
        while waiting and waiting[0].t_gpst_ns <= item.t_gpst_ns + SAME_INSTANT_NS:
            one.base(waiting.pop(0))
        one.rover(item)
        found += one.due(item.rx_s)
    pairs: list[object] = [(pair.rover, pair.base) for pair in found]
    assert pairs == wanted
