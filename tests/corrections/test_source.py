"""One stream from bytes to what goes out: real captures, damage, lumps, faults of decoders."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bdgw.corrections import source as source_module
from bdgw.corrections.base_guard import BaseGuard, BaseJump
from bdgw.corrections.datum import Datum
from bdgw.corrections.source import SourceState, SourceStream, StreamLimits
from bdgw.wire.checksum import crc24q
from tests.corrections.material import (
    GPST_NS,
    NO_CLOCK,
    SECOND_NS,
    as_station,
    at_ecef,
    capture,
    cut,
    number_of,
    opinions_at,
    station_of,
    str17,
    tow_ms,
)

SWITCH = ("rtcm3", "switch-legacy-msm-legacy-msm.rtcm")
STROMLO = (-4467102.3061, 2683039.5304, -3666949.9820)
"""The base of the capture, as documented beside it."""


def new(*, max_age_s=10.0, jump=BaseJump.STOP, began_s=0.0, announced=()):
    return SourceStream(
        datum=Datum.of("WGS84", None, owner="s"),
        limits=StreamLimits(max_age_s=max_age_s, announced=announced),
        guard=BaseGuard(jump=jump),
        began_s=began_s,
    )


def clock(now):
    """Epoch i of the capture is i seconds."""
    return opinions_at(str17()[0][0] + round(now * SECOND_NS), now)


def group_bytes(index):
    return b"".join(str17()[index][1])


def play(source, first, last, *, delay_s=0.2, at_s=None):
    """Deliver epochs; gives what went out."""
    out = []
    for i in range(first, last):
        now = (i if at_s is None else at_s + i - first) + delay_s
        delivery = source.receive(group_bytes(i), now, clock(now))
        if delivery is not None:
            out.append(delivery)
        source.tick(now, clock(now))
    return out


def test_a_live_stream_goes_out_byte_for_byte():
    source = new()
    out = play(source, 0, 120)
    assert b"".join(delivery.data for delivery in out) == b"".join(map(group_bytes, range(120)))
    assert sum(delivery.n_frames for delivery in out) == source.n_frames
    assert {station for delivery in out for station in delivery.stations} == {
        station_of(str17()[0][1][0])
    }
    assert [delivery.epoch_gpst_ns for delivery in out] == [str17()[i][0] for i in range(120)]
    assert source.state is SourceState.LIVE
    assert not source.dropped
    assert source.inspection_failures == 0
    assert source.guard.base is not None
    assert source.guard.base.ecef_m == pytest.approx(STROMLO, abs=1e-4)
    assert source.news() == []


def test_silence_and_then_ten_seconds_at_once_only_the_newest_epoch_goes_out():
    source = new()
    play(source, 0, 20)
    lump = b"".join(map(group_bytes, range(20, 30)))
    delivery = source.receive(lump, 29.4, clock(29.4))
    assert delivery is not None
    observed = [frame for frame in cut(delivery.data) if 1070 < number_of(frame) < 1130]
    assert {tow_ms(f) for f in observed if number_of(f) == 1077} == {tow_ms(str17()[29][1][0])}
    assert len(observed) == 5
    assert source.dropped == {"overtaken": 9 * 5}
    others = [frame for frame in cut(lump) if not 1070 < number_of(frame) < 1130]
    assert [f for f in cut(delivery.data) if f not in observed] == others


def test_a_lump_that_is_too_old_gives_no_observation_at_all():
    source = new()
    play(source, 0, 20)
    lump = b"".join(map(group_bytes, range(20, 30)))
    delivery = source.receive(lump, 60.0, clock(60.0))
    assert delivery is None or not any(1070 < number_of(f) < 1130 for f in cut(delivery.data))
    assert source.dropped == {"stale": 50}


def test_a_stream_that_is_always_late_is_stale_and_raises_one_alarm():
    source = new()
    for i in range(100):
        now = i + 30.0
        source.receive(group_bytes(i), now, clock(now))
        source.tick(now, clock(now))
    assert source.state is SourceState.STALE
    assert source.reason(129.0) == (
        "no observations newer than 30 s by the host's time (limit 10 s)"
    )
    (news,) = source.news()
    assert news.kind == "correction_stale"


def test_alarms_of_an_outage_come_once_and_are_taken_back_once():
    source = new()
    play(source, 0, 60)
    kinds = []
    for second in range(60, 200):
        source.tick(float(second), clock(second))
        kinds += [(second, news.kind) for news in source.news()]
    assert kinds == [(100, "correction_lost")]  # 10 s until it is lost, 30 s of patience
    for i in range(200, 260):
        source.receive(group_bytes(i), i + 0.2, clock(i + 0.2))
        source.tick(i + 0.2, clock(i + 0.2))
        kinds += [(i, news.kind) for news in source.news()]
    assert kinds == [(100, "correction_lost"), (210, "correction_restored")]


def test_a_stream_that_comes_and_goes_raises_one_alarm_and_not_twenty():
    source = new(max_age_s=2.0)
    kinds = []
    for i in range(400):
        now = i + 0.2
        if i % 8 == 0:  # one epoch in eight: live for two seconds, lost for six
            source.receive(group_bytes(i), now, clock(now))
        source.tick(now, clock(now))
        kinds += [news.kind for news in source.news()]
    # The usual step adapts to 8 s after a while, and then this is how the stream is.
    assert kinds.count("correction_lost") <= 1
    assert kinds.count("correction_restored") <= 1


def test_an_outage_that_goes_to_and_fro_between_late_and_lost_is_told_once_each():
    source = new()
    play(source, 0, 30)
    kinds = []
    for i in range(30, 400):
        now = i + 60.0
        if i // 40 % 2:
            source.receive(group_bytes(i), now, clock(now))  # a minute late
        source.tick(now, clock(now))
        kinds += [news.kind for news in source.news()]
    assert sorted(kinds) == ["correction_lost", "correction_stale"]


def test_a_source_that_never_gave_anything_is_told_as_well():
    source = new()
    kinds = []
    for second in range(100):
        source.tick(float(second), NO_CLOCK)
        kinds += [(second, news.kind, news.text) for news in source.news()]
    assert kinds == [(30, "correction_lost", "nothing has come yet")]


def test_a_base_that_changes_three_times_inside_one_stream():
    source = new(jump=BaseJump.STOP)
    out, alarms = [], []
    for i, frame in enumerate(cut(capture(*SWITCH))):
        delivery = source.receive(frame, i * 0.01, NO_CLOCK)
        out += [] if delivery is None else [delivery.data]
        alarms += [(news.kind, news.fields["station"]) for news in source.news()]
    assert alarms == [("base_moved", 1014), ("base_moved", 59), ("base_moved", 0)]
    assert source.guard.base is not None
    assert source.guard.base.station == 0
    assert source.guard.held_reason is None
    assert source.guard.n_moves == 3


@pytest.mark.parametrize("jump", list(BaseJump))
def test_a_far_jump_within_the_station_stops_the_stream_where_it_is_so_configured(jump):
    source = new(jump=jump)
    elsewhere = (STROMLO[0] + 3000.0, STROMLO[1] + 5000.0, STROMLO[2])
    play(source, 0, 40)
    position = next(f for _, group in str17() for f in group if number_of(f) == 1006)
    source.receive(at_ecef(position, elsewhere), 40.0, clock(40.0))
    (news,) = source.news()
    assert news.kind == "base_moved"
    delivery = source.receive(group_bytes(40), 40.2, clock(40.2))
    source.tick(40.3, clock(40.3))
    if jump is BaseJump.ALARM:
        assert delivery is not None
        assert delivery.data == group_bytes(40)
        return
    assert delivery is None
    assert source.state is SourceState.HELD
    assert source.dropped["base_held"] > 0
    assert not source.facts(40.3).is_live
    assert source.handover(40.3) == b""
    source.receive(position, 41.0, clock(41.0))
    assert source.receive(group_bytes(41), 41.2, clock(41.2)) is not None


def test_an_implausible_position_is_the_only_frame_that_is_taken_out():
    source = new()
    position = next(f for _, group in str17() for f in group if number_of(f) == 1006)
    zero = at_ecef(position, (0.0, 0.0, 0.0))
    delivery = source.receive(str17()[0][1][0] + zero + str17()[0][1][1], 0.2, clock(0.2))
    assert delivery is not None
    assert cut(delivery.data) == list(str17()[0][1][:2])
    assert source.dropped == {"base_implausible": 1}
    assert [news.kind for news in source.news()] == ["base_implausible"]


@pytest.mark.parametrize("broken", ["read_head", "read_position"])
def test_a_fault_of_a_decoder_never_stops_forwarding(monkeypatch, broken):
    def fail(_frame):
        raise RuntimeError("a mistake")

    monkeypatch.setattr(source_module, broken, fail)
    source = new()
    out = b"".join(delivery.data for delivery in play(source, 0, 30))
    assert out == b"".join(map(group_bytes, range(30)))
    assert source.inspection_failures > 0
    assert source.last_failure == "RuntimeError: a mistake"


def test_a_fault_of_the_judge_of_ages_never_stops_forwarding(monkeypatch):
    source = new()

    def fail(*_args):
        raise ZeroDivisionError

    monkeypatch.setattr(source.freshness, "judge", fail)
    out = b"".join(delivery.data for delivery in play(source, 0, 30))
    assert out == b"".join(map(group_bytes, range(30)))


def test_unknown_and_truncated_messages_travel_on():
    rng = random.Random(5)
    frames = cut(capture("rtcm3", "clk.rtcm"))[:20]
    for number in (1, 1005, 1006, 1077, 1127, 1004, 1012, 4095):
        payload = (number << 4 | rng.randrange(16)).to_bytes(2, "big") + rng.randbytes(3)
        body = b"\xd3\x00" + bytes([len(payload)]) + payload
        frames.append(body + crc24q(body).to_bytes(3, "big"))
    frames.append(bytes.fromhex("d3000047ea4b"))
    source = new()
    delivery = source.receive(b"".join(frames), 0.0, NO_CLOCK)
    assert delivery is not None
    assert cut(delivery.data) == frames
    assert source.inspection_failures == 2  # the two positions that are too short


def test_what_describes_the_base_is_kept_for_a_rover_that_begins():
    source = new()
    play(source, 0, 60)
    kept = cut(source.handover(60.0))
    assert [number_of(frame) for frame in kept] == [1006, 1008, 1033, 1230]
    assert all(frame in cut(capture("rtcm3", "missing-beidou-STR17.rtcm3.gz")) for frame in kept)
    assert source.handover(1000.0) == b""


def test_what_describes_the_base_is_forgotten_with_its_station():
    source = new()
    play(source, 0, 60)
    position = next(f for _, group in str17() for f in group if number_of(f) == 1006)
    source.receive(as_station(position, 77), 60.0, clock(60.0))
    assert [station_of(frame) for frame in cut(source.handover(60.0))] == [77]


def test_a_position_of_another_station_than_the_observations_is_remarked():
    source = new()
    play(source, 0, 60)
    assert source.remarks(60.0) == ()
    position = next(f for _, group in str17() for f in group if number_of(f) == 1006)
    source.receive(as_station(position, 77), 60.0, clock(60.0))
    source.receive(group_bytes(60), 60.2, clock(60.2))
    station = station_of(str17()[0][1][0])
    assert source.remarks(60.3) == (
        f"observations are of station {station}, the base position of 77: "
        "receivers do not join them",
    )


@given(
    st.lists(st.integers(min_value=1, max_value=900), max_size=40),
    st.lists(st.sampled_from([0.0, 0.1, 1.0, 5.0, 30.0]), max_size=40),
    st.integers(min_value=0, max_value=2**32),
)
def test_what_goes_out_is_whole_frames_of_the_input_in_their_order(sizes, pauses, seed):
    """For any split, any pauses and any damage."""
    rng = random.Random(seed)
    data = bytearray(b"".join(map(group_bytes, range(6))))
    for _ in range(rng.randrange(6)):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    source = new()
    out, now, at = [], 0.0, 0
    for i, size in enumerate([*sizes, len(data)]):
        now += pauses[i] if i < len(pauses) else 0.0
        for delivery in (
            source.tick(now, clock(now)),
            source.receive(bytes(data[at : at + size]), now, clock(now)),
        ):
            out += [] if delivery is None else cut(delivery.data)
            if delivery is not None:
                assert b"".join(cut(delivery.data)) == delivery.data
                assert len(cut(delivery.data)) == delivery.n_frames
        at += size
    position = 0
    for frame in out:
        position = data.index(frame, position) + len(frame)
    assert len(out) + sum(source.dropped.values()) == source.n_frames


@given(st.binary(max_size=3000))
def test_any_bytes_are_survived(data):
    source = new()
    source.receive(data, 0.0, NO_CLOCK)
    source.tick(100.0, NO_CLOCK)
    source.restart(101.0, NO_CLOCK)
    source.facts(102.0)
    assert source.reason(102.0)
    assert source.stream.bytes_in == len(data)


def test_time_is_not_needed_to_begin():
    """No clock, no fix: the first epochs go out, as they may be as fresh as can be."""
    source = new()
    delivery = source.receive(group_bytes(0), 0.0, NO_CLOCK)
    assert delivery is not None
    assert delivery.data == group_bytes(0)
    assert delivery.epoch_gpst_ns is not None
    assert (delivery.epoch_gpst_ns - str17()[0][0]) % (604_800 * SECOND_NS) == 0
    assert str17()[0][0] > GPST_NS
