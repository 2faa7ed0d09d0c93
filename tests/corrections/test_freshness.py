"""Ages by the epoch: lumps, late streams, wrong clocks, steps. Frames of a live base at 1 Hz."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bdgw.corrections.freshness import Basis, Freshness, Judgement
from bdgw.corrections.timekeeper import Opinions, Timekeeper
from bdgw.model import Fix, FixKind, TimeQuality
from bdgw.rtcm.head import read_head
from tests.corrections.material import (
    GPST_NS,
    NO_CLOCK,
    SECOND_NS,
    at_tow_ms,
    capture,
    cut,
    field_of,
    number_of,
    opinions_at,
    str17,
    tow_ms,
    with_field,
)

MAX_AGE_S = 10.0
HOUR_S = 3600.0
OBSERVATIONS = (1077, 1087, 1097, 1117, 1127)


def first_epoch_ns():
    return str17()[0][0]


def group(index):
    return str17()[index][1]


def judge(freshness, frames, now, opinions):
    """Give each frame's judgement; the observation frames only."""
    results = freshness.judge([read_head(frame) for frame in frames], now, opinions)
    return [
        judgement
        for frame, (judgement, _) in zip(frames, results, strict=True)
        if number_of(frame) in OBSERVATIONS
    ]


def right_clock(now):
    """The time at which epoch i of the capture is i seconds."""
    return opinions_at(first_epoch_ns() + round(now * SECOND_NS), now)


@pytest.mark.parametrize("delay_s", [0.0, 0.4, 5.0, 9.9])
def test_a_live_stream_passes_whole(delay_s):
    freshness = Freshness(MAX_AGE_S)
    for i in range(60):
        now = i + delay_s
        assert set(judge(freshness, group(i), now, right_clock(now))) == {Judgement.FRESH}
        assert freshness.age_s(now) == pytest.approx(delay_s, abs=1e-6)
        assert freshness.delay_s == pytest.approx(delay_s, abs=1e-6)
    assert freshness.basis is Basis.HOST
    assert freshness.age_s(100.0) == pytest.approx(100.0 - 59.0, abs=1e-6)


def test_a_stream_that_is_late_by_more_than_the_limit_never_passes():
    freshness = Freshness(MAX_AGE_S)
    for i in range(60):
        now = i + 10.5
        assert set(judge(freshness, group(i), now, right_clock(now))) == {Judgement.STALE}
    assert freshness.age_s(70.0) is None


def test_after_a_silence_only_the_newest_of_what_comes_at_once_passes():
    """Ten seconds in one read: epochs that are overtaken would only fill the rover's port."""
    freshness = Freshness(30.0)
    for i in range(5):
        judge(freshness, group(i), i + 0.2, right_clock(i + 0.2))
    lump = [frame for i in range(5, 15) for frame in group(i)]
    judged = judge(freshness, lump, 14.4, right_clock(14.4))
    n = len([frame for frame in group(14) if number_of(frame) in OBSERVATIONS])
    assert judged[-n:] == [Judgement.FRESH] * n
    assert set(judged[:-n]) == {Judgement.OVERTAKEN}


def test_of_a_lump_the_too_old_are_stale_even_where_nothing_overtakes_them():
    freshness = Freshness(3.0)
    lump = [frame for i in range(10) for frame in group(i) if number_of(frame) == 1127]
    lump = [with_field(frame, 54, 1, 1) for frame in lump]  # never the last of its epoch
    judged = judge(freshness, lump, 9.5, right_clock(9.5))
    assert judged == [Judgement.STALE] * 7 + [Judgement.FRESH] * 3


def test_an_epoch_that_is_not_whole_yet_overtakes_nothing():
    """The read ended inside an epoch: the whole one before it must go out as it is."""
    freshness = Freshness(MAX_AGE_S)
    frames = [*group(0), *[frame for frame in group(1) if number_of(frame) == 1077]]
    assert set(judge(freshness, frames, 1.2, right_clock(1.2))) == {Judgement.FRESH}


def test_a_message_at_a_slower_rate_is_not_overtaken_by_the_others():
    freshness = Freshness(MAX_AGE_S)
    frames = [
        *group(0),
        *[f for f in group(1) if number_of(f) != 1127][:-1],
        with_field(next(f for f in group(1) if number_of(f) == 1117), 54, 1, 0),
    ]
    heads = [read_head(frame) for frame in frames]
    judged = freshness.judge(heads, 1.2, right_clock(1.2))
    by_number = {
        (number_of(frame), i < len(group(0))): judgement
        for i, (frame, (judgement, _)) in enumerate(zip(frames, judged, strict=True))
    }
    assert by_number[1127, True] is Judgement.FRESH
    assert by_number[1077, True] is Judgement.OVERTAKEN
    assert by_number[1077, False] is Judgement.FRESH


def test_five_epochs_a_second_in_one_read_are_no_lump():
    frame = next(frame for frame in group(0) if number_of(frame) == 1077)
    frames = [with_field(at_tow_ms(frame, tow_ms(frame) + i * 200), 54, 1, 0) for i in range(5)]
    judged = judge(Freshness(MAX_AGE_S), frames, 0.9, right_clock(0.9))
    assert judged == [Judgement.FRESH] * 5


def test_what_a_caster_repeats_after_a_reconnection_does_not_go_out_again():
    freshness = Freshness(MAX_AGE_S)
    for i in range(6):
        judge(freshness, group(i), i + 0.1, right_clock(i + 0.1))
    assert set(judge(freshness, group(3), 6.0, right_clock(6.0))) == {Judgement.OVERTAKEN}
    assert set(judge(freshness, group(6), 6.1, right_clock(6.1))) == {Judgement.FRESH}


def test_stations_and_ephemerides_are_as_old_as_their_arrival():
    freshness = Freshness(MAX_AGE_S)
    frames = cut(capture("ntrip", "ntrip_encode_none.bin"))
    others = [f for f in frames if number_of(f) in (1006, 1019, 1020, 1033, 1042, 1046, 1230)]
    results = freshness.judge([read_head(frame) for frame in others], 1e6, right_clock(0.0))
    assert results == [(Judgement.FRESH, None)] * len(others)


# --- Whom to believe ---------------------------------------------------------------------------


def run(clock, *, n=300, start=0, delay_s=0.3, freshness=None):
    """Deliver n epochs; ``clock(now)`` gives the opinions. How many passed, by epoch index."""
    freshness = freshness or Freshness(MAX_AGE_S)
    passed = []
    for i in range(start, start + n):
        now = i + delay_s
        judged = judge(freshness, group(i), now, clock(now))
        passed += [i] * (set(judged) == {Judgement.FRESH})
    return passed


def host_with(error_s, now):
    return first_epoch_ns() + round((now + error_s) * SECOND_NS)


@pytest.mark.parametrize("step_s", [HOUR_S, -HOUR_S, 25.0, -25.0])
@pytest.mark.parametrize("has_receiver", [False, True])
def test_a_step_of_the_hosts_clock_stops_nothing(step_s, has_receiver):
    keeper = Timekeeper()

    def clock(now):
        keeper.host_seen(host_with(step_s if now > 100 else 0.0, now), now)
        if has_receiver:
            t = first_epoch_ns() + round((now - 0.4) * SECOND_NS)
            quality = TimeQuality.GNSS
            keeper.fix_seen("r", Fix(kind=FixKind.SINGLE, t_gpst_ns=t, time_quality=quality), now)
        return keeper.opinions(now)

    assert run(clock) == list(range(300))


@pytest.mark.parametrize("error_s", [HOUR_S, -HOUR_S])
def test_a_host_that_was_wrong_and_is_put_right_stops_nothing_after(error_s):
    keeper = Timekeeper()

    def clock(now):
        keeper.host_seen(host_with(error_s if now < 100 else 0.0, now), now)
        return keeper.opinions(now)

    passed = run(clock)
    assert passed[-200:] == list(range(100, 300))
    # An hour ahead looks as if the stream were an hour late, until another clock speaks.
    assert (len(passed) == 300) == (error_s < 0)


def test_a_receiver_overrules_a_host_that_is_an_hour_wrong_from_the_start():
    opinions = Opinions(
        first_epoch_ns() - SECOND_NS // 2, first_epoch_ns() + round(HOUR_S * SECOND_NS), False
    )
    freshness = Freshness(MAX_AGE_S)
    assert run(lambda _: opinions, n=20, freshness=freshness) == list(range(20))
    assert freshness.basis is Basis.RECEIVER


def test_a_receiver_that_is_an_hour_wrong_does_not_overrule_a_right_host():
    opinions = Opinions(first_epoch_ns() + round(HOUR_S * SECOND_NS), first_epoch_ns(), False)
    freshness = Freshness(MAX_AGE_S)
    assert run(lambda _: opinions, n=20, freshness=freshness) == list(range(20))
    assert freshness.basis is Basis.HOST


def test_a_receiver_that_replays_another_year_disturbs_nothing():
    years_ns = 500 * 7 * 86_400 * SECOND_NS - 200_000 * SECOND_NS
    opinions = Opinions(first_epoch_ns() - years_ns, first_epoch_ns(), False)
    freshness = Freshness(MAX_AGE_S)
    assert run(lambda _: opinions, n=50, freshness=freshness) == list(range(50))
    assert freshness.basis is Basis.HOST


def test_a_receiver_whose_fixes_come_too_late_does_not_make_the_stream_one_of_the_future():
    opinions = Opinions(first_epoch_ns() - 15 * SECOND_NS, None, False)
    freshness = Freshness(MAX_AGE_S)
    assert run(lambda _: opinions, n=50, freshness=freshness) == list(range(50))
    assert freshness.basis is Basis.DELIVERY


def test_a_late_stream_is_dropped_when_both_clocks_say_so_even_after_a_step():
    keeper = Timekeeper()

    def clock(now):
        keeper.host_seen(host_with(0.0, now) if now > 50 else host_with(-HOUR_S, now), now)
        t = first_epoch_ns() + round((now - 0.4) * SECOND_NS)
        keeper.fix_seen(
            "r", Fix(kind=FixKind.SINGLE, t_gpst_ns=t, time_quality=TimeQuality.GNSS), now
        )
        return keeper.opinions(now)

    assert run(clock, delay_s=30.0, n=100) == []


def test_without_any_clock_the_fastest_delivery_is_the_measure():
    freshness = Freshness(MAX_AGE_S)
    assert run(lambda _: NO_CLOCK, n=100, freshness=freshness) == list(range(100))
    assert freshness.basis is Basis.DELIVERY
    # 40 s of silence, then all at once: by the deliveries before it is known how old they are.
    lump = [frame for i in range(100, 140) for frame in group(i) if number_of(frame) == 1077]
    lump = [with_field(frame, 54, 1, 1) for frame in lump]
    judged = judge(freshness, lump, 140.3, NO_CLOCK)
    assert judged == [Judgement.STALE] * 30 + [Judgement.FRESH] * 10


def test_without_any_clock_a_first_lump_is_judged_by_its_newest_epoch():
    lump = [frame for i in range(40) for frame in group(i) if number_of(frame) == 1077]
    lump = [with_field(frame, 54, 1, 1) for frame in lump]
    judged = judge(Freshness(MAX_AGE_S), lump, 0.0, NO_CLOCK)
    assert judged == [Judgement.STALE] * 29 + [Judgement.FRESH] * 11


def test_without_any_clock_glonass_before_the_others_costs_two_reads_at_most():
    freshness = Freshness(MAX_AGE_S)
    glonass = [f for f in group(0) if number_of(f) == 1087]
    judge(freshness, glonass, 0.1, NO_CLOCK)
    assert run(lambda _: NO_CLOCK, start=2, n=20, freshness=freshness) == list(range(2, 22))


def test_glonass_with_wrong_leap_seconds_is_no_measure_for_the_others():
    """A base that is some seconds ahead with GLONASS alone, each message in a read of its own."""
    freshness = Freshness(MAX_AGE_S)
    for i in range(40):
        for frame in group(i):
            if number_of(frame) == 1077:
                assert judge(freshness, [frame], i + 0.1, NO_CLOCK) == [Judgement.FRESH]
                assert freshness.delay_s == pytest.approx(0.0, abs=1e-6)
            elif number_of(frame) == 1087:
                ahead = with_field(frame, 27, 27, field_of(frame, 27, 27) + 4000)
                judge(freshness, [ahead], i + 0.1, NO_CLOCK)


def test_one_epoch_far_ahead_is_dropped_and_does_not_make_all_others_late():
    freshness = Freshness(MAX_AGE_S)
    run(lambda _: NO_CLOCK, n=50, freshness=freshness)
    frame = next(frame for frame in group(50) if number_of(frame) == 1077)
    ahead = at_tow_ms(frame, tow_ms(frame) + 7_200_000)
    assert judge(freshness, [ahead], 50.1, NO_CLOCK) == [Judgement.FUTURE]
    assert run(lambda _: NO_CLOCK, start=50, n=20, freshness=freshness) == list(range(50, 70))


def test_a_base_whose_own_clock_jumps_ahead_is_followed_where_nobody_knows_better():
    freshness = Freshness(MAX_AGE_S)
    run(lambda _: NO_CLOCK, n=20, freshness=freshness)
    judged = []
    for i in range(20, 30):
        frames = [
            at_tow_ms(f, tow_ms(f) + 60_000) for f in group(i) if number_of(f) in (1077, 1097)
        ]
        judged.append(set(judge(freshness, frames, i + 0.3, NO_CLOCK)))
    assert judged[:2] == [{Judgement.FUTURE}] * 2
    assert judged[3:] == [{Judgement.FRESH}] * 7


def test_the_end_of_the_week_is_no_jump():
    """Epochs run from the last second of a week into the next; host and capture agree."""
    frame = next(frame for frame in group(0) if number_of(frame) == 1077)
    end_ns = GPST_NS + 604_800 * SECOND_NS
    for opinions_of in (lambda now: opinions_at(end_ns + round(now * SECOND_NS), now), None):
        freshness = Freshness(MAX_AGE_S)
        for i in range(-5, 6):
            now = 100.0 + i
            opinions = (
                NO_CLOCK if opinions_of is None else opinions_at(end_ns + round(i * SECOND_NS), now)
            )
            frames = [at_tow_ms(frame, (604_800 + i) * 1000)]
            assert judge(freshness, frames, now, opinions) == [Judgement.FRESH]


@given(
    st.lists(
        st.tuples(
            st.integers(min_value=0, max_value=400),
            st.floats(min_value=0.0, max_value=60.0),
            st.sampled_from(["none", "right", "ahead", "behind"]),
        ),
        max_size=30,
    )
)
def test_nothing_older_than_the_limit_passes_by_the_time_that_is_believed(reads):
    """Any order, any pauses, any clock: judged by the time believed, ages are within the limit."""
    freshness = Freshness(MAX_AGE_S)
    now = 0.0
    for index, pause_s, clock in reads:
        now += pause_s
        error_s = {"right": 0.0, "ahead": HOUR_S, "behind": -HOUR_S}.get(clock)
        opinions = (
            NO_CLOCK
            if error_s is None
            else opinions_at(first_epoch_ns() + round((now + error_s) * SECOND_NS), now)
        )
        frames = group(index)
        results = freshness.judge([read_head(frame) for frame in frames], now, opinions)
        assert len(results) == len(frames)
        for judgement, epoch in results:
            if epoch is not None and judgement is Judgement.FRESH:
                time_ns = round(now * SECOND_NS) + (freshness._offset_ns or 0)
                assert abs(time_ns - epoch) <= MAX_AGE_S * SECOND_NS
