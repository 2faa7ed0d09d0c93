"""What a stream carries and what it lacks, from captures whose contents are documented."""

import msgspec
import pytest
from pyrtcm import RTCMReader

from bdgw.corrections.health import StreamHealth
from bdgw.rtcm.epoch import epoch_gpst_ns
from bdgw.rtcm.head import Head, MessageKind, read_head
from tests.corrections.material import GPST_NS, capture, cut, number_of, str17


def feed(health, frames, now):
    for frame in frames:
        head = read_head(frame)
        epoch = None if head is None or head.epoch is None else epoch_gpst_ns(head, GPST_NS)
        health.frame_seen(head, epoch, now)


def play(n, *, without=(), skip=()):
    health = StreamHealth(0.0)
    for i in range(n):
        if i not in skip:
            feed(health, [f for f in str17()[i][1] if number_of(f) not in without], float(i))
    return health


def test_counts_and_rates_are_those_of_the_capture():
    health = play(501)
    assert health.counts[1127] == health.counts[1077] == 501
    rates = health.rates_hz(500.9)
    assert rates[1127] == pytest.approx(1.0, abs=0.03)
    assert 0.01 <= rates[1006] <= 0.05
    assert health.period_s == 1.0
    assert health.gaps == 0


def test_systems_satellites_and_signals_are_those_of_the_last_epoch():
    health = play(60)
    satellites = health.satellites()
    assert set(satellites) == {"G", "R", "E", "J", "C"}
    frame = next(f for f in str17()[59][1] if number_of(f) == 1127)
    message = RTCMReader.parse(frame)
    assert satellites["C"] == message.NSat
    signals = {getattr(message, f"CELLSIG_{i:02d}") for i in range(1, message.NCell + 1)}
    assert set(health.signals()["C"]) == signals
    assert health.systems(59.0) == frozenset("GREJC")
    assert health.systems(200.0) == frozenset()


def test_a_split_epoch_counts_the_satellites_of_all_its_parts():
    health = StreamHealth(0.0)
    for mask in (0b1100, 0b0011):
        head = Head(
            number=1077, kind=MessageKind.OBSERVATION, system="G", satellite_mask=mask, station=1
        )
        health.frame_seen(head, GPST_NS, 0.0)
    assert health.satellites() == {"G": 4}


def test_gaps_are_counted_by_epochs():
    health = play(100, skip=[*range(20, 30), 50, 70, 71, 72])
    assert health.gaps == 2  # one missing epoch is no gap
    assert health.longest_gap_s == 11.0


def test_epochs_that_are_dated_anew_are_no_gap():
    """Before any clock was known the week was a guess; then a receiver told the time."""
    health = StreamHealth(0.0)
    head = read_head(cut(capture("ntrip", "ntrip_encode_none.bin"))[0])
    assert head is not None
    observed = msgspec.structs.replace(
        head, kind=MessageKind.OBSERVATION, number=1077, system="G", satellite_mask=1
    )
    week_ns = 7 * 86_400 * 10**9
    for i in range(10):
        health.frame_seen(observed, 2400 * week_ns + i * 10**9, float(i))
    for i in range(10, 20):
        health.frame_seen(observed, 2446 * week_ns + i * 10**9, float(i))
    assert (health.gaps, health.longest_gap_s) == (0, 0.0)
    health.frame_seen(observed, 2446 * week_ns + 60 * 10**9, 60.0)
    assert (health.gaps, health.longest_gap_s) == (1, 41.0)


def test_nothing_is_missed_in_a_stream_that_has_everything():
    health = StreamHealth(0.0)
    for i in range(34):
        feed(health, cut(capture("ntrip", "ntrip_encode_none.bin")), i * 10.0)
    assert health.remarks(331.0) == ()


def test_missing_ephemerides_are_remarked_by_name():
    remarks = play(400, without=[1019, 1020, 1044, 1045]).remarks(399.0)
    assert "BDS: no ephemeris (needs 1042)" in remarks
    assert "GPS: no ephemeris (needs 1019)" in remarks
    assert not any("ephemeris" in remark for remark in play(250).remarks(249.0))


def test_a_missing_base_position_is_remarked_after_a_minute():
    words = "no base position (needs 1005 or 1006)"
    assert words in play(70, without=[1006]).remarks(69.0)
    assert words not in play(50, without=[1006]).remarks(49.0)
    assert words not in play(70).remarks(69.0)


def test_what_is_announced_and_does_not_come_is_remarked_with_its_rate():
    health = play(60, without=[1127])
    announced = ((1077, 1.0), (1127, 1.0), (1005, 10.0), (1033, None))
    remarks = health.remarks(59.0, announced)
    assert "announced 1127 every 1 s, none for 59 s" in remarks
    assert not any("1077" in remark or "1005" in remark for remark in remarks)
    assert "announced 1005 every 10 s, none for 100 s" in health.remarks(100.0, announced)


def test_ranges_without_their_milliseconds_are_nothing_for_a_rover():
    health = StreamHealth(0.0)
    for second in (0.0, 40.0):
        feed(health, cut(capture("rtcm3", "pyrtcm", "pygpsdata-RTCMMSM3.log")), second)
    assert health.systems(40.0) == frozenset()
    assert "GPS: only ranges modulo 1 ms (needs MSM4 to MSM7)" in health.remarks(40.0)


def test_a_stream_without_observations_says_so():
    health = StreamHealth(0.0)
    for second in (0.0, 40.0):
        feed(health, cut(capture("rtcm3", "clk.rtcm"))[:50], second)
    assert any(remark.startswith("no observations") for remark in health.remarks(40.0))


def test_silence_has_better_reasons_than_remarks():
    assert StreamHealth(0.0).remarks(1000.0, ((1077, 1.0),)) == ()


def test_made_up_message_numbers_do_not_fill_the_memory():
    health = StreamHealth(0.0)
    for number in range(4096):
        health.frame_seen(Head(number=number, kind=MessageKind.OTHER), None, 0.0)
    assert len(health.counts) <= 65
    assert sum(health.counts.values()) == 4096
