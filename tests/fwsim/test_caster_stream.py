"""Frames as the simulated caster cuts, dates and damages them; pyrtcm is the second opinion."""

import ast
import random
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyrtcm import RTCMReader

import fwsim
from fwsim.capture import read_capture
from fwsim.caster_fault import KINDS, Batch, Change, Piece, StreamFault, StreamFaults
from fwsim.caster_frame import (
    cut_frames,
    dated,
    epoch_ms,
    moved,
    number_of,
    with_itrf_year,
)
from fwsim.caster_stream import RecordedSource, StationSource, cut_epochs
from tests.conftest import shared_data

S = 1_000_000_000
WEEK_MS = 604_800_000
# 1005 of the RTCM standard's own example, as the vectors have it.
BASE = bytes.fromhex("d300133ed7d30202980edeef34b4bd62ac0941986f33360b98")


def test_what_decides_and_what_writes_knows_no_clock_and_no_socket():
    pure = ("ban", "reply", "caster_door", "caster_fault", "caster_frame", "caster_request")
    for name in (*pure, "caster_stream", "caster_table"):
        tree = ast.parse((Path(fwsim.__file__).parent / f"{name}.py").read_text())
        imported = {
            alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.Import)
            for alias in node.names
        } | {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert not imported & {"time", "asyncio", "socket", "os", "ssl", "logging"}, name


def capture(name):
    return read_capture(shared_data("gnss", "rtcm3", name))


def parsed(frame):
    return RTCMReader.parse(frame)


@pytest.mark.capture
@pytest.mark.parametrize("name", ["sept.rtcm", "jenoba-jrr32m.rtcm3", "mixed-msm-legacy.rtcm"])
def test_the_frames_of_a_capture_are_those_that_pyrtcm_finds(name):
    path = shared_data("gnss", "rtcm3", name)
    with path.open("rb") as file:
        theirs = [raw for raw, _ in RTCMReader(file, quitonerror=0) if raw]
    ours = list(cut_frames(path.read_bytes()))
    assert ours == theirs
    assert [number_of(frame) for frame in ours] == [int(parsed(f).identity) for f in theirs]


@given(st.binary(max_size=2000), st.integers(0, 3))
def test_any_bytes_give_valid_frames_only(noise, n):
    found = list(cut_frames(noise + BASE * n))
    assert found[len(found) - n :] == [BASE] * n
    for frame in found:
        assert frame in noise + BASE * n


@pytest.mark.capture
def test_all_systems_of_an_epoch_have_one_time():
    # Of 2018: 18 leap seconds, and BDT 14 s behind.
    frames = list(cut_frames(capture("missing-beidou-STR17.rtcm3.gz")))[:400]
    by_epoch: dict[int, set[int]] = {}
    for frame in frames:
        at_ms = epoch_ms(frame)
        if at_ms is not None:
            by_epoch.setdefault(at_ms, set()).add((number_of(frame) or 0) // 10)
    shared = [decades for decades in by_epoch.values() if {107, 108} <= decades]
    assert len(shared) > 10


@pytest.mark.capture
def test_a_dated_frame_differs_in_its_epoch_only():
    gpst_ms = 2400 * WEEK_MS + 345_678_000
    fields = {1077: ("DF004", 0), 1097: ("DF248", 0), 1127: ("DF427", -14_000)}
    seen = set()
    for frame in cut_frames(capture("sept.rtcm")):
        number = number_of(frame)
        new = dated(frame, gpst_ms)
        if epoch_ms(frame) is None:
            assert new == frame
            continue
        assert epoch_ms(new) == gpst_ms % WEEK_MS
        before, after = parsed(frame), parsed(new)
        changed = {
            name
            for name, value in vars(before).items()
            if name.startswith("DF") and getattr(after, name) != value
        }
        if number in fields:
            name, shift_ms = fields[number]
            assert changed == {name}
            assert getattr(after, name) == gpst_ms % WEEK_MS + shift_ms
            seen.add(number)
        if number == 1087:
            seconds = (gpst_ms - 18_000 + 10_800_000) % WEEK_MS
            assert divmod(seconds, 86_400_000) == (after.DF416, after.DF034)
            seen.add(number)
    assert seen >= {1077, 1087}


def test_a_moved_base_tells_a_place_that_far_away():
    before = parsed(BASE)
    shift_m = (30.0, -40.0, 120.0)
    after = parsed(moved(BASE, shift_m))
    steps = [getattr(after, n) - getattr(before, n) for n in ("DF025", "DF026", "DF027")]
    assert sum(step**2 for step in steps) ** 0.5 == pytest.approx(130.0, abs=0.001)
    # Up is away from the centre of the Earth.
    up = parsed(moved(BASE, (0.0, 0.0, 50.0)))
    radii = [
        sum(getattr(at, n) ** 2 for n in ("DF025", "DF026", "DF027")) ** 0.5 for at in (before, up)
    ]
    assert radii[1] - radii[0] == pytest.approx(50.0, abs=0.001)
    assert (after.DF003, after.DF021, after.DF364) == (before.DF003, before.DF021, before.DF364)


def test_another_itrf_year_is_all_that_changes():
    before, after = parsed(BASE), parsed(with_itrf_year(BASE, 14))
    assert after.DF021 == 14
    for name in ("DF003", "DF025", "DF026", "DF027", "DF022"):
        assert getattr(after, name) == getattr(before, name)


@pytest.mark.capture
def test_a_recording_is_paced_by_its_epochs_and_loses_nothing():
    data = capture("piksi-2Hz.rtcm3")
    epochs = cut_epochs(data)
    assert b"".join(frame for _, frames in epochs for frame in frames) == b"".join(cut_frames(data))
    steps = [b[0] - a[0] for a, b in pairwise(epochs)]
    assert set(steps) == {500}


@pytest.mark.capture
def test_a_recording_plays_once_or_for_ever():
    data = capture("piksi-2Hz.rtcm3")
    n = len(cut_epochs(data))
    once = RecordedSource(data, is_loop=False)
    assert len(taken(once, n)) == n
    assert once.due_ns() is None
    endless = RecordedSource(data)
    rounds = taken(endless, 2 * n)
    assert rounds[:n] == rounds[n:]


def due(source):
    due_ns = source.due_ns()
    assert due_ns is not None
    return due_ns


def taken(source, n):
    return [tuple(source.take(Change())) for _ in range(n)]


@pytest.mark.capture
def test_nobody_misses_the_beginning_of_a_recording():
    source = RecordedSource(capture("piksi-2Hz.rtcm3"))
    source.resume(5_000_000_000 * S)
    assert source.due_ns() == 5_000_000_000 * S
    first = source.take(Change())
    source.resume(5_000_000_100 * S)
    assert due(source) >= 5_000_000_100 * S
    assert first == cut_epochs(capture("piksi-2Hz.rtcm3"))[0][1]


@pytest.mark.capture
def test_a_live_recording_says_the_present_and_a_stale_one_the_past():
    source = RecordedSource(capture("piksi-2Hz.rtcm3"), is_live=True)
    source.resume(1_400_000_000 * S)
    due_ns = due(source)
    times = [epoch_ms(frame) for frame in source.take(Change())]
    assert due_ns // 1_000_000 % WEEK_MS in times
    due_ns = due(source)
    times = [epoch_ms(frame) for frame in source.take(Change(age_s=30.0))]
    assert (due_ns // 1_000_000 - 30_000) % WEEK_MS in times


def test_a_recording_without_frames_is_refused():
    with pytest.raises(ValueError, match="no valid RTCM"):
        RecordedSource(b"nothing here")


class Echo:
    """A station whose frames say which epoch was asked for."""

    def move(self, shift_m, *, is_told_only):
        assert shift_m is None

    def frames(self, t_gpst_ns):
        return [str(t_gpst_ns).encode()]


def test_a_station_works_on_a_grid_of_gpst_and_skips_what_nobody_heard():
    source = StationSource(Echo(), rate_hz=2)
    source.resume(10 * S + 1)
    assert source.due_ns() == 10 * S + S // 2
    assert source.take(Change()) == [str(10 * S + S // 2).encode()]
    assert source.due_ns() == 11 * S
    source.resume(100 * S)
    assert source.take(Change(age_s=30.0)) == [str(70 * S).encode()]


def batch(*frames, at_s=0.0):
    return Batch(n=0, at_s=at_s, pieces=tuple(Piece(frame) for frame in frames))


def with_fault(**parameters):
    faults = StreamFaults(seed="t")
    faults.set([StreamFault(**parameters)])
    return faults


def frame_of(number):
    from fwsim.rtcm_frame import frame

    return frame((number << 4).to_bytes(2, "big") + bytes(20))


def test_what_is_missing_is_missing_and_nothing_else():
    frames = [frame_of(n) for n in (1005, 1006, 1019, 1020, 1042, 1045, 1046, 1077, 1127, 1230)]
    left = with_fault(kind="no_ephemeris").apply(batch(*frames))
    assert [number_of(piece.data) for piece in left.pieces] == [1005, 1006, 1077, 1127, 1230]
    left = with_fault(kind="no_base").apply(batch(*frames))
    assert {1005, 1006}.isdisjoint(number_of(piece.data) for piece in left.pieces)
    left = with_fault(kind="without", numbers=(1042,)).apply(batch(*frames))
    assert len(left.pieces) == len(frames) - 1
    assert with_fault(kind="silent").apply(batch(*frames)).pieces == ()


def test_lumps_leave_together_and_late_ones_later_and_order_stays():
    lumpy = with_fault(kind="lumpy", hold_s=8.0)
    assert [lumpy.apply(batch(BASE, at_s=t)).at_s for t in (1.0, 7.9, 8.0, 8.1)] == [8, 8, 8, 16]
    late = with_fault(kind="late", delay_s=5.0)
    assert late.apply(batch(BASE, at_s=1.0)).at_s == 6.0


@pytest.mark.parametrize("kind", ["damaged", "flip", "drop", "false_preamble", "cut", "stray_text"])
def test_damage_is_marked_and_what_is_marked_whole_is_whole(kind):
    faults = with_fault(kind=kind, p=0.5)
    n_intact = n_broken = 0
    for _ in range(200):
        out = faults.apply(batch(BASE, BASE, BASE))
        for piece in out.pieces:
            assert piece.is_intact is (piece.data == BASE)
            n_intact += piece.is_intact
            n_broken += not piece.is_intact
    assert n_intact > 100
    assert n_broken > 100
    if kind in {"false_preamble", "stray_text"}:
        assert n_intact == 600


@given(st.sampled_from(sorted(KINDS)), st.lists(st.integers(1, 4000), max_size=8), st.integers())
def test_no_fault_fails_on_any_batch(kind, numbers, seed):
    faults = StreamFaults(seed=str(seed))
    faults.set([StreamFault(kind=kind, p=1.0)])
    rng = random.Random(seed)
    out = faults.apply(batch(*(frame_of(n) for n in numbers), at_s=rng.random()))
    assert b"".join(piece.data for piece in out.pieces) == out.data


@pytest.mark.parametrize(
    "bad", [{"kind": "dropp"}, {"kind": "flip", "p": 0.0}, {"kind": "late", "delay_s": -1.0}]
)
def test_faults_that_make_no_sense_are_refused(bad):
    with pytest.raises(ValueError):
        StreamFault(**bad)


def test_the_same_seed_gives_the_same_damage():
    runs = []
    for _ in range(2):
        faults = with_fault(kind="damaged", p=0.5)
        runs.append([faults.apply(batch(BASE, BASE)).data for _ in range(50)])
    assert runs[0] == runs[1]
