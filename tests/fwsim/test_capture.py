"""A replay loses nothing, adds nothing, and keeps the pace of the capture."""

import gzip
import itertools
import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fwsim.capture import CaptureSource, cut_by_rate, cut_by_time, read_capture
from tests.conftest import shared_data

RMC = b"$GNRMC,%s,A,4739.71890,N,12219.58362,W,0.00,286.35,050826,,,A,V*00\r\n"
GLL = b"$GNGLL,4739.71890,N,12219.58362,W,%s,A,A*00\r\n"
GSV = b"$GPGSV,3,1,12,01,17,083,03*00\r\n"


def play(source, limit=10_000):
    out: list[tuple[float, bytes]] = []
    while source.next_at_s() is not None and len(out) < limit:
        out.append((source.next_at_s(), source.take().burst.data))
    return out


@given(
    st.lists(
        st.one_of(
            st.binary(max_size=40),
            st.builds(lambda t: RMC % b"%06d.00" % t, st.integers(0, 235959)),
            st.builds(lambda t: GLL % b"%06d" % t, st.integers(0, 235959)),
        ),
        max_size=12,
    ).map(b"".join)
)
@example(b"")
@example(GSV + RMC % b"120000.00")
def test_groups_are_the_bytes_of_the_capture_in_order_of_time(data):
    for groups in (cut_by_time(data), cut_by_rate(data, 100.0)):
        assert b"".join(group.data for group in groups) == data
        times = [group.at_s for group in groups]
        assert times == sorted(times)
        assert times[:1] in ([], [0.0])


def test_a_group_begins_at_the_first_sentence_of_a_new_time():
    first = RMC % b"120000.00" + GLL % b"120000.00" + GSV
    second = GLL % b"120000.20" + GSV + RMC % b"120000.20"
    groups = cut_by_time(GSV + first + second)
    assert [group.data for group in groups] == [GSV + first, second]
    assert [group.at_s for group in groups] == pytest.approx([0.0, 0.2])


def test_midnight_is_one_second_and_a_stop_of_the_recording_is_short():
    times = (b"235959.00", b"000000.00", b"030000.00", b"025959.00")
    groups = cut_by_time(b"".join(RMC % time for time in times))
    assert [group.at_s for group in groups] == [0.0, 1.0, 11.0, 11.0]


@pytest.mark.parametrize(("speed", "expected"), [(1.0, 4.0), (2.0, 2.0), (0.1, 40.0)])
def test_speed_stretches_the_schedule(speed, expected):
    data = b"".join(RMC % b"1200%02d" % i for i in range(5))
    assert play(CaptureSource(data, speed=speed))[-1][0] == pytest.approx(expected)


def test_max_speed_has_everything_due_at_once():
    data = b"".join(RMC % b"1200%02d" % i for i in range(5))
    got = play(CaptureSource(data, speed=math.inf))
    assert {at_s for at_s, _ in got} == {0.0}
    assert b"".join(part for _, part in got) == data


def test_a_capture_without_times_goes_at_a_byte_rate():
    got = play(CaptureSource(bytes(1000), byte_rate=1000.0))
    assert b"".join(part for _, part in got) == bytes(1000)
    assert got[-1][0] == pytest.approx(0.95)
    assert len(play(CaptureSource(bytes(11_520)))) == 20  # 115200 baud, slices of 50 ms


def test_byte_rate_overrules_the_times_inside():
    data = b"".join(RMC % b"1200%02d" % i for i in range(5))
    assert play(CaptureSource(data, byte_rate=1e6))[-1][0] < 0.1


@given(chunk=st.integers(1, 200))
def test_chunks_limit_the_size_of_a_write(chunk):
    data = b"".join(RMC % b"1200%02d" % i for i in range(3))
    got = play(CaptureSource(data, chunk_bytes=chunk))
    assert b"".join(part for _, part in got) == data
    assert max(len(part) for _, part in got) <= chunk


def test_loop_goes_on_after_one_typical_pause():
    data = RMC % b"120000" + RMC % b"120001"
    got = play(CaptureSource(data, is_loop=True), limit=6)
    assert [at_s for at_s, _ in got] == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    assert b"".join(part for _, part in got) == data * 3
    with pytest.raises(ValueError, match="empty"):
        CaptureSource(b"", is_loop=True)


def test_nothing_leaves_at_or_after_the_end():
    data = b"".join(RMC % b"1200%02d" % i for i in range(5))
    assert [at_s for at_s, _ in play(CaptureSource(data, max_s=2.0))] == [0.0, 1.0]


def test_an_empty_capture_is_over_at_once():
    source = CaptureSource(b"")
    assert source.next_at_s() is None
    with pytest.raises(ValueError, match="over"):
        source.take()


def test_packed_captures_are_unpacked(tmp_path):
    plain, packed = tmp_path / "a.log", tmp_path / "b.log.gz"
    plain.write_bytes(GSV)
    packed.write_bytes(gzip.compress(GSV))
    assert read_capture(plain) == read_capture(packed) == GSV


@pytest.mark.parametrize(
    ("name", "step_s", "min_groups"),
    [("gpsd/quectel-l76k-nmea.log", 0.2, 40), ("nmea/gps.log.gz", 1.0, 1000)],
)
def test_a_real_capture_has_the_pace_of_its_receiver(name, step_s, min_groups):
    data = read_capture(shared_data("gnss", *name.split("/")))
    groups = cut_by_time(data)
    assert b"".join(group.data for group in groups) == data
    assert len(groups) >= min_groups
    steps = sorted(b.at_s - a.at_s for a, b in itertools.pairwise(groups))
    assert steps[len(steps) // 2] == pytest.approx(step_s)
