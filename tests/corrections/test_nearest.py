"""The nearest base with hysteresis, on a straight road of bases."""

import math

from hypothesis import given
from hypothesis import strategies as st

from bdgw.corrections.choice import StreamKey
from bdgw.corrections.nearest import Nearest, NearestRules
from bdgw.geodesy import chord_m, ecef_from_geodetic

RULES = NearestRules()
KM = 180.0 / math.pi / 6378.137
"""Degrees of longitude at the equator in a kilometre."""


def at_km(km):
    return ecef_from_geodetic(0.0, km * KM, 0.0)


def key(name):
    return StreamKey("net", name)


A, B, C = key("A"), key("B"), key("C")
ROAD = {A: at_km(0), B: at_km(40), C: at_km(80)}


def test_without_a_position_nothing_is_chosen():
    nearest = Nearest(RULES)
    assert nearest.choose(None, ROAD, 0.0) is None
    assert nearest.reason == "waiting for a position"


def test_the_nearest_is_taken_at_once_when_there_was_none():
    nearest = Nearest(RULES)
    assert nearest.choose(at_km(27), ROAD, 0.0) == B
    assert nearest.reason == "net/B is 13.0 km away"


def test_another_is_taken_only_after_it_was_nearer_for_a_minute():
    nearest = Nearest(RULES)
    nearest.choose(at_km(0), ROAD, 0.0)
    for second in range(1, 61):
        assert nearest.choose(at_km(30), ROAD, float(second)) == A
    assert nearest.choose(at_km(30), ROAD, 61.0) == B


def test_equal_distances_never_change_anything():
    nearest = Nearest(RULES)
    nearest.choose(at_km(19), ROAD, 0.0)
    for second in range(1, 2000):
        km = 20.0 + 0.9 * math.sin(second / 30.0)  # 1.8 km to and fro about the middle
        assert nearest.choose(at_km(km), ROAD, float(second)) == A


def test_a_short_stay_near_another_starts_the_minute_anew():
    nearest = Nearest(RULES)
    nearest.choose(at_km(0), ROAD, 0.0)
    for second in range(1, 300):
        place = at_km(35) if second % 50 else at_km(0)
        assert nearest.choose(place, ROAD, float(second)) == A


def test_the_minute_is_one_of_the_same_base():
    nearest = Nearest(RULES)
    nearest.choose(at_km(0), ROAD, 0.0)
    for second in range(1, 100):
        place = at_km(38) if second < 45 else at_km(82)
        assert nearest.choose(place, ROAD, float(second)) == A
    assert nearest.choose(at_km(82), ROAD, 105.0) == C


def test_the_share_counts_far_away_and_the_metres_near():
    far = {A: at_km(0), B: at_km(108)}
    nearest = Nearest(RULES)
    nearest.choose(at_km(50), far, 0.0)
    assert all(nearest.choose(at_km(57.0), far, float(t)) == A for t in range(1, 200))  # 57, 51
    near = {A: at_km(0), B: at_km(3)}
    nearest = Nearest(RULES)
    nearest.choose(at_km(0), near, 0.0)
    assert all(nearest.choose(at_km(2.4), near, float(t)) == A for t in range(1, 200))  # 2.4, 0.6
    assert [nearest.choose(at_km(3.0), near, 300.0 + t) for t in (0, 61)] == [A, B]


def test_a_base_that_gives_nothing_is_left_aside_for_five_minutes():
    nearest = Nearest(RULES)
    assert nearest.choose(at_km(5), ROAD, 0.0) == A
    nearest.exclude(A, 30.0)
    assert nearest.choose(at_km(5), ROAD, 30.0) == B
    assert nearest.choose(at_km(5), ROAD, 329.0) == B
    assert nearest.choose(at_km(5), ROAD, 331.0) == B
    assert nearest.choose(at_km(5), ROAD, 391.0) == A


def test_nothing_beyond_reach_is_taken_and_the_reason_says_how_far():
    nearest = Nearest(RULES)
    assert nearest.choose(at_km(-150), ROAD, 0.0) is None
    assert nearest.reason == "the nearest base is 150 km away (limit 100 km)"
    assert nearest.choose(at_km(-90), ROAD, 1.0) == A
    assert nearest.choose(at_km(-150), ROAD, 2.0) is None


def test_a_rover_without_a_position_stays_with_its_base():
    nearest = Nearest(RULES)
    nearest.choose(at_km(0), ROAD, 0.0)
    assert nearest.choose(None, ROAD, 500.0) == A


def test_an_empty_table_and_one_without_working_bases_say_so():
    nearest = Nearest(RULES)
    assert nearest.choose(at_km(0), {}, 0.0) is None
    assert nearest.reason.startswith("no base is known")
    nearest.exclude(A, 0.0)
    assert nearest.choose(at_km(0), {A: at_km(0)}, 1.0) is None
    assert nearest.reason == "no base in reach delivers"


@given(
    st.lists(
        st.tuples(st.floats(min_value=-20, max_value=100), st.floats(min_value=0, max_value=90)),
        max_size=40,
    )
)
def test_a_change_is_always_worth_it_and_never_hasty(walk):
    nearest = Nearest(RULES)
    now, changed_at, before = 0.0, -math.inf, None
    for km, pause_s in walk:
        now += pause_s
        chosen = nearest.choose(at_km(km), ROAD, now)
        if before is not None and chosen != before:
            assert chosen is not None
            old_m, new_m = chord_m(at_km(km), ROAD[before]), chord_m(at_km(km), ROAD[chosen])
            assert new_m <= old_m - 2000.0
            assert new_m <= 0.8 * old_m
            assert now - changed_at >= 60.0
            changed_at = now
        before = chosen
