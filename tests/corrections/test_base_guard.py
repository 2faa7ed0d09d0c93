"""Range and jump checks. Positions out of captures; distances by the chord between them."""

import json
import math

import pytest

from bdgw.corrections.base_guard import BaseGuard, BaseJump, GuardEvent
from bdgw.geodesy import WGS84, ecef_from_geodetic
from tests.conftest import shared_data

STR1 = (-4467102.3061, 2683039.5304, -3666949.9820)
STR2 = (-4467074.3577, 2683011.9038, -3667008.2845)
"""Two antennas on Mount Stromlo, as their captures are documented."""


def moved(by_m):
    """Go east from STR1 on the level."""
    x, y, z = STR1
    across_m = math.hypot(x, y)
    return (x - by_m * y / across_m, y + by_m * x / across_m, z)


def see(guard, ecef_m, *, station=1, now=0.0, is_virtual=False):
    return guard.position_seen(station, ecef_m, now, is_virtual=is_virtual)


def test_places_of_the_vectors_are_on_the_earth():
    for row in json.loads(shared_data("vectors", "coords.json").read_text())["ecef"]:
        may_pass, news = see(BaseGuard(), tuple(row["wgs84_ecef"]))
        assert may_pass
        assert news is None


@pytest.mark.parametrize(
    ("ecef_m", "words"),
    [
        ((0.0, 0.0, 0.0), "centre of the Earth"),
        ((0.0, 0.0, 6_300_000.0), "height of -56752 m"),
        (ecef_from_geodetic(40.0, 116.0, -501.0, WGS84), "height of -501 m"),
        (ecef_from_geodetic(40.0, 116.0, 9001.0, WGS84), "height of 9001 m"),
        (ecef_from_geodetic(40.0, 116.0, 20_200_000.0, WGS84), "height of 20200000 m"),
        ((13_000_000.0, 13_000_000.0, 13_000_000.0), "height of"),
    ],
)
def test_a_base_that_cannot_be_is_told_once_and_its_message_dropped(ecef_m, words):
    guard = BaseGuard()
    assert see(guard, STR1) == (True, None)
    may_pass, news = see(guard, ecef_m)
    assert not may_pass
    assert news is not None
    assert news.event is GuardEvent.IMPLAUSIBLE
    assert words in news.text
    assert see(guard, ecef_m) == (False, None)
    assert guard.base is not None
    assert guard.base.ecef_m == STR1
    assert guard.held_reason is None
    assert see(guard, STR1) == (True, None)
    assert see(guard, ecef_m)[1] is not None
    assert guard.n_implausible == 3


def test_a_small_step_is_no_move_but_creeping_is():
    guard = BaseGuard()
    alarms = [see(guard, moved(i * 0.03))[1] for i in range(10)]
    assert alarms[:4] == [None] * 4
    news = alarms[4]
    assert news is not None
    assert news.event is GuardEvent.MOVED
    assert news.moved_m == pytest.approx(0.12, abs=1e-4)
    assert sum(alarm is not None for alarm in alarms) == 2


@pytest.mark.parametrize("by_m", [0.11, 1.0, 99.9])
def test_a_new_survey_is_told_once_and_goes_on(by_m):
    guard = BaseGuard()
    see(guard, STR1)
    may_pass, news = see(guard, moved(by_m))
    assert may_pass
    assert news is not None
    assert news.text == f"the base of station 1 has moved {by_m:.2f} m"
    assert see(guard, moved(by_m)) == (True, None)
    assert guard.n_moves == 1
    assert guard.last_move == news.text


def test_a_far_jump_within_a_station_holds_the_stream_until_the_base_is_back():
    guard = BaseGuard()
    see(guard, STR1)
    may_pass, news = see(guard, moved(250.0))
    assert not may_pass
    assert news is not None
    assert see(guard, moved(250.0)) == (False, None)
    assert guard.held_reason is not None
    assert "250.00 m" in guard.held_reason
    assert see(guard, STR1) == (True, None)
    assert guard.held_reason is None


def test_an_operator_may_accept_the_new_place():
    guard = BaseGuard()
    see(guard, STR1)
    see(guard, moved(250.0))
    assert guard.accept()
    assert not guard.accept()
    # Observations of the new place before its position would mislead a rover.
    assert "until it says its place again" in (guard.held_reason or "")
    assert see(guard, moved(250.0)) == (True, None)
    assert guard.held_reason is None
    assert guard.base is not None
    assert guard.base.ecef_m == moved(250.0)


def test_what_was_accepted_is_one_place_and_no_other():
    guard = BaseGuard()
    see(guard, STR1)
    assert not guard.accept()
    see(guard, moved(250.0))
    assert guard.accept()
    may_pass, news = see(guard, moved(900.0))
    assert not may_pass
    assert news is not None
    assert see(guard, moved(900.0)) == (False, None)


def test_where_it_is_so_configured_a_far_jump_goes_on_after_the_alarm():
    guard = BaseGuard(jump=BaseJump.ALARM)
    see(guard, STR1)
    may_pass, news = see(guard, moved(5000.0))
    assert may_pass
    assert news is not None
    assert "5.0 km" in news.text


def test_another_station_is_another_base_and_goes_on():
    guard = BaseGuard()
    see(guard, STR1, station=1)
    may_pass, news = see(guard, STR2, station=2)
    assert may_pass
    assert news is not None
    distance_m = math.dist(STR1, STR2)
    assert news.moved_m == pytest.approx(distance_m, abs=1e-3)
    assert (
        news.text == f"the stream has changed from station 1 to station 2, {distance_m:.2f} m away"
    )


def test_two_bases_that_take_turns_are_told_once_each_and_counted():
    guard = BaseGuard()
    news = [see(guard, STR1 if i % 2 else STR2, station=i % 2)[1] for i in range(20)]
    assert sum(item is not None for item in news) == 1
    assert guard.n_moves == 19


def test_a_virtual_base_follows_its_rover_without_a_word():
    guard = BaseGuard()
    for i in range(10):
        assert see(guard, moved(i * 7000.0), is_virtual=True) == (True, None)
    guard = BaseGuard(is_virtual_expected=True)
    for i in range(10):
        assert see(guard, moved(i * 7000.0)) == (True, None)
