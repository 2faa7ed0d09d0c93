import io
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyrtcm import RTCMReader

from bdgw.caster.content import Content, MessageRate
from bdgw.caster.station import read_station
from bdgw.wire.checksum import crc24q
from tests.conftest import read_capture, shared_data

STATION = bytes.fromhex("d300133ed7d30202980edeef34b4bd62ac0941986f33360b98")
"""A 1005 of station 2003; source: RTCM 10403.3, the example of a transport frame."""
BRUX_DEG = (50.7981, 4.3586)
"""Brussels, Royal Observatory; source: the site log of the IGS station BRUX."""


def frame_of(number: int, rest: bytes = b"\0" * 6) -> bytes:
    payload = (number << 4).to_bytes(2, "big") + rest
    head = b"\xd3" + len(payload).to_bytes(2, "big") + payload
    return head + crc24q(head).to_bytes(3, "big")


def observation(number: int, tow_ms: int) -> bytes:
    """Head of an MSM with one satellite and signal 2 and 15; its cells are not read here."""
    bits = number << 157 | 0 << 145 | tow_ms << 115 | 1 << 95 | 1 << 30 | 1 << 17
    payload = (bits << 7).to_bytes(22, "big")
    head = b"\xd3" + len(payload).to_bytes(2, "big") + payload
    return head + crc24q(head).to_bytes(3, "big")


def test_all_frames_of_a_capture_come_out_byte_for_byte():
    data = read_capture(shared_data("gnss", "rtcm3", "msm.rtcm"))
    theirs = [raw for raw, _ in RTCMReader(io.BytesIO(data), quitonerror=0) if raw is not None]
    content = Content()
    ours = content.receive(data, now=0.0)
    assert ours == theirs
    assert content.n_frames == len(theirs)
    assert content.n_bytes == sum(map(len, theirs))
    assert content.skipped_bytes <= len(data) - content.n_bytes


def test_numbers_periods_systems_and_place_are_what_an_independent_decoder_reads():
    data = read_capture(shared_data("gnss", "rtcm3", "msm.rtcm"))
    content = Content()
    numbers: Counter[int] = Counter()
    epochs_ms: set[int] = set()
    for raw, message in RTCMReader(io.BytesIO(data), quitonerror=0):
        content.receive(raw, now=float(len(epochs_ms)))
        numbers[int(message.identity)] += 1
        if message.identity == "1077":
            epochs_ms.add(message.DF004)
    rates = {rate.number: rate.period_s for rate in content.rates(float(len(epochs_ms)))}
    assert set(rates) == set(numbers)
    steps_ms = {b - a for a, b in zip(sorted(epochs_ms), sorted(epochs_ms)[1:], strict=False)}
    assert rates[1077] == pytest.approx(sum(steps_ms) / len(steps_ms) / 1000.0)
    assert content.systems(0.0) == ("GPS", "GLO", "GAL", "BDS")
    assert content.carrier(0.0) == 2
    assert content.station is not None
    place = (content.station.lat_deg, content.station.lon_deg)
    assert place == pytest.approx(BRUX_DEG, abs=1e-3)


def test_a_station_is_read_and_nonsense_is_not():
    station = read_station(STATION)
    assert station is not None
    assert station.number == 2003
    # Source: the same example gives X, Y, Z in metres.
    assert station.ecef_m == pytest.approx((1114104.5999, -4850729.7108, 3975521.4643), abs=1e-4)
    assert read_station(frame_of(1005, b"\0" * 17)) is None
    assert read_station(frame_of(1005, b"")) is None
    assert read_station(frame_of(1006, b"\xff" * 19)) is None
    assert read_station(frame_of(1013)) is None


def test_lumps_do_not_change_the_period_of_observations():
    content = Content()
    for epoch in range(0, 20, 5):
        for step in range(5):
            frame = observation(1077, (epoch + step) * 1000)
            content.receive(frame + frame, now=float(epoch))
    assert content.rates(20.0) == (MessageRate(1077, 1.0),)


def test_epochs_go_on_over_the_end_of_the_week_and_a_jump_says_nothing():
    content = Content()
    for tow_ms in (604_799_000, 0, 1_000):
        content.receive(observation(1077, tow_ms), now=0.0)
    assert content.rates(0.0) == (MessageRate(1077, 1.0),)
    content.receive(observation(1077, 300_000_000), now=0.0)
    assert content.rates(0.0) == (MessageRate(1077, None),)


def test_other_messages_count_by_their_arrival():
    content = Content()
    for second in (0.0, 10.0, 20.0):
        content.receive(STATION, now=second)
    assert content.rates(20.0) == (MessageRate(1005, 10.0),)


def test_one_frequency_two_frequencies_and_no_phase_are_told_apart():
    content = Content()
    assert content.carrier(0.0) is None
    content.receive(observation(1071, 0), now=0.0)
    assert content.carrier(0.0) == 0
    content.receive(observation(1077, 0), now=0.0)
    assert content.carrier(0.0) == 2  # signals 2 (1C) and 15 (2S)
    single = Content()
    bits = 1127 << 157 | 1 << 95 | 1 << 30 | 1 << 2  # 2I and 1D: both around 1.6 GHz
    payload = (bits << 7).to_bytes(22, "big")
    head = b"\xd3" + len(payload).to_bytes(2, "big") + payload
    single.receive(head + crc24q(head).to_bytes(3, "big"), now=0.0)
    assert single.carrier(0.0) == 1
    assert single.systems(0.0) == ("BDS",)


def test_what_has_stopped_is_forgotten_and_the_table_is_bounded():
    content = Content()
    for number in range(1, 200):
        content.receive(frame_of(number), now=0.0)
    assert len(content.rates(0.0)) == 64
    content.receive(observation(1077, 0), now=50.0)
    assert [rate.number for rate in content.rates(61.0)] == [1077]
    assert content.systems(61.0) == ("GPS",)
    assert content.systems(111.0) == ()


def test_the_bit_rate_is_measured_over_the_last_minute():
    content = Content()
    assert content.bits_per_s(0.0) is None
    for second in range(200):
        content.receive(STATION * 4, now=float(second))
    assert content.bits_per_s(200.0) == pytest.approx(8 * 4 * len(STATION), rel=0.02)
    assert content.bits_per_s(400.0) == 0.0


def test_a_false_preamble_holds_back_for_two_seconds_at_most():
    content = Content()
    assert content.receive(b"\xd3\x03\xff", now=0.0) == []
    assert content.receive(STATION, now=0.5) == []
    assert content.receive(STATION, now=1.4) == []
    assert content.tick(now=2.0) == [STATION, STATION]
    assert content.skipped_bytes in (0, 3)


@given(
    st.lists(st.one_of(st.just(STATION), st.binary(max_size=60)), max_size=8),
    st.integers(1, 40),
)
def test_any_bytes_in_any_pieces_raise_nothing_and_nothing_is_lost(parts, size):
    data = b"".join(parts)
    content = Content()
    frames = []
    for at in range(0, len(data), size):
        frames += content.receive(data[at : at + size], now=0.0)
    frames += content.tick(now=10.0)
    frames += content.tick(now=20.0)
    assert sum(map(len, frames)) + content.skipped_bytes == len(data)
    assert all(crc24q(frame) == 0 for frame in frames)
    content.rates(0.0)
    content.systems(0.0)
