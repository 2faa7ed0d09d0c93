"""Delays grow, stay inside their bounds, and start over after a reset."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bdgw.backoff import Backoff

bounds = st.tuples(
    st.floats(0.001, 100.0, allow_nan=False), st.floats(1.0, 1e6, allow_nan=False)
).map(lambda pair: (pair[0], pair[0] * pair[1]))


@given(bounds, st.integers(0, 2**32), st.integers(1, 200))
def test_every_delay_lies_between_floor_and_the_ceiling_of_its_attempt(
    floor_cap_s: tuple[float, float], seed: int, n_attempts: int
) -> None:
    floor_s, cap_s = floor_cap_s
    backoff = Backoff(floor_s, cap_s, random.Random(seed))
    for attempt in range(1, n_attempts + 1):
        ceiling_s = min(cap_s, floor_s * 2.0**attempt)
        assert floor_s <= backoff.next_delay_s() <= ceiling_s * (1 + 1e-12)
        assert backoff.attempts == attempt


@given(st.integers(0, 2**32))
def test_reset_makes_the_next_delay_short_again(seed: int) -> None:
    backoff = Backoff(1.0, 1000.0, random.Random(seed))
    for _ in range(20):
        backoff.next_delay_s()
    backoff.reset()
    assert backoff.attempts == 0
    assert backoff.next_delay_s() <= 2.0


def test_delays_are_spread_and_reach_the_cap() -> None:
    backoff = Backoff(1.0, 64.0, random.Random(5))
    late_s = [backoff.next_delay_s() for _ in range(400)][10:]
    assert min(late_s) < 6.0
    assert max(late_s) > 58.0
    assert 25.0 < sum(late_s) / len(late_s) < 40.0


def test_a_thousand_devices_do_not_come_back_together() -> None:
    rng = random.Random(11)
    delays_s = []
    for _ in range(1000):
        backoff = Backoff(1.0, 60.0, rng)
        for _ in range(5):
            backoff.next_delay_s()
        delays_s.append(backoff.next_delay_s())
    per_second = [sum(second <= delay < second + 1 for delay in delays_s) for second in range(60)]
    assert max(per_second) < 50


@pytest.mark.parametrize(
    ("floor_s", "cap_s"),
    [(0.0, 1.0), (-1.0, 1.0), (2.0, 1.0), (float("nan"), 1.0), (1.0, float("inf"))],
)
def test_senseless_bounds_are_refused(floor_s: float, cap_s: float) -> None:
    with pytest.raises(ValueError, match="floor"):
        Backoff(floor_s, cap_s, random.Random(1))
