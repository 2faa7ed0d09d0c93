"""Frames to epochs, whatever the frames are."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bdgw.rtcm.frame import seal_rtcm3
from bdgw.solving.gathering import (
    EpochFrames,
    Gatherer,
    OrbitFrame,
    PositionFrame,
    cut_frames,
)
from tests.solving.streams import T0_GPST_NS, station


def gathered(seconds: int, near_ns: int | None = T0_GPST_NS):
    gatherer, found = Gatherer(), []
    for second, frames in enumerate(station("base", seconds)):
        for frame in frames:
            found += gatherer.receive(frame, near_gpst_ns=near_ns, now=float(second))
    return found


def test_a_stream_gives_its_epochs_positions_and_ephemerides():
    found = gathered(3)
    epochs = [item for item in found if isinstance(item, EpochFrames)]
    assert [epoch.t_gpst_ns - T0_GPST_NS for epoch in epochs] == [0, 10**9, 2 * 10**9]
    assert {epoch.station for epoch in epochs} == {7}
    sent = b"".join(frame for second in station("base", 3) for frame in second)
    assert all(epoch.frames in sent for epoch in epochs)
    places = [item for item in found if isinstance(item, PositionFrame)]
    assert [place.station for place in places] == [7, 7, 7]
    keys = {item.key for item in found if isinstance(item, OrbitFrame)}
    assert len(keys) > 15


def test_without_a_date_the_steps_are_right_all_the_same():
    epochs = [item for item in gathered(3, None) if isinstance(item, EpochFrames)]
    assert [epoch.t_gpst_ns - epochs[0].t_gpst_ns for epoch in epochs] == [0, 10**9, 2 * 10**9]


def test_an_epoch_whose_end_is_lost_is_closed_by_time():
    gatherer = Gatherer()
    frames = [f for f in station("base", 1)[0] if 1070 < (f[3] << 4 | f[4] >> 4) < 1138]
    for frame in frames[:-1]:
        assert not gatherer.receive(frame, near_gpst_ns=T0_GPST_NS, now=5.0)
    deadline_s = gatherer.deadline()
    assert deadline_s is not None
    assert not gatherer.tick(now=deadline_s - 0.01)
    (epoch,) = gatherer.tick(now=deadline_s)
    assert isinstance(epoch, EpochFrames)
    assert epoch.frames == b"".join(frames[:-1])
    assert gatherer.deadline() is None


@given(st.lists(st.binary(max_size=60)), st.binary(max_size=40))
def test_whole_frames_are_cut_and_a_rest_is_left(payloads: list[bytes], rest: bytes):
    frames = [seal_rtcm3(payload) for payload in payloads]
    assert list(cut_frames(b"".join(frames))) == frames
    list(cut_frames(b"".join(frames) + rest))


@given(st.lists(st.tuples(st.integers(1, 4095), st.binary(max_size=40), st.floats(0.0, 0.3))))
def test_any_payloads_are_taken(parts: list[tuple[int, bytes, float]]):
    gatherer, now, n_in, n_out = Gatherer(), 0.0, 0, 0
    for number, rest, step_s in parts:
        now += step_s
        head = bytes((number >> 4, (number & 15) << 4))
        found = gatherer.tick(now=now)
        found += gatherer.receive(seal_rtcm3(head + rest), near_gpst_ns=T0_GPST_NS, now=now)
        n_in += 1
        for item in found:
            n_out += len(list(cut_frames(item.frames))) if isinstance(item, EpochFrames) else 1
    assert n_out <= n_in
