"""A receiver of UBX or Unicore, live, is solved as ``bdgw rtk --as-live`` solves its file."""

from __future__ import annotations

import gzip
import math
import random
from collections.abc import Iterator

import msgspec
import pytest

from bdgw.model import FixKind, Provenance, TimeQuality
from bdgw.positioning.engine import EngineOptions
from bdgw.positioning.solution import Solution
from bdgw.rawlog.ubx_measurement import epoch_gpst_ns_of_rawx
from bdgw.receiver import ReceiverSession
from bdgw.recorded import read_recording, solutions
from bdgw.rtcm.epoch import epoch_gpst_ns
from bdgw.rtcm.head import MessageKind, read_head
from bdgw.solving.feed import Feed
from bdgw.solving.rover_solver import RoverSolver
from bdgw.solving.spec import SolveMode, SolverSpec
from bdgw.stream import Decoded, StreamDecoder
from bdgw.ubx import frame as ubx
from bdgw.unicore import frame as unicore
from bdgw.wire.splitter import Frame
from fwsim.ubx_message import frame as sealed
from fwsim.ubx_modern_words import ModernTerms, b_cnav2
from tests.conftest import shared_data
from tests.rawlog.modern_ephemeris import some_ephemeris
from tests.solving.streams import T0_GPST_NS, raw_rover, station, truth_m

SPEC = SolverSpec(device="r", mode=SolveMode.GATEWAY, has_base=True)
SOURCE = Provenance(name="net", mount="A", frame="CGCS2000", frame_epoch_year=2000.0)
JDE = ("gnss", "rtk", "jdesbonnet-20181004-static")
SAME_NS = 50_000_000


def frames_of(data: bytes, seed: int) -> Iterator[Frame]:
    """What the session of a device gives out, of bytes that come in pieces of any size."""
    rng, session, at = random.Random(seed), ReceiverSession(), 0
    while at < len(data):
        size = rng.randint(1, 3000)
        session.receive(data[at : at + size], now=0.0)
        at += size
        yield from (event for event in session.events() if isinstance(event, Frame))


def raw_words() -> list[bytes]:
    return b_cnav2(some_ephemeris(30), ModernTerms(), T0_GPST_NS)


def base_frames_of(data: bytes) -> list[bytes]:
    decoder = StreamDecoder(protocols=("rtcm3",))
    decoder.receive(data, now=0.0)
    decoder.receive(b"", now=0.0)
    return [item.frame.data for item in decoder.events() if isinstance(item, Decoded)]


def live(
    rover: bytes, base: list[bytes], near_ns: int, seed: int, told_ns: int | None = None
) -> tuple[list[Solution], Feed]:
    """The base's epochs come just before the rover's of the same time."""
    feed, solver, found = Feed(SPEC), RoverSolver(), []
    waiting = [(time_of(frame, near_ns), frame) for frame in base]
    second = 0.0
    for frame in frames_of(rover, seed):
        t_ns = time_of_raw(frame)
        if t_ns is not None:
            second += 1.0
            n = next(
                (i for i, (t, _) in enumerate(waiting) if t is not None and t > t_ns + SAME_NS),
                len(waiting),
            )
            data, waiting = b"".join(f for _, f in waiting[:n]), waiting[n:]
            if data:
                # Where no date is told the receiver's own has to serve.
                feed.base_frames(data, source=SOURCE, near_gpst_ns=told_ns, now=second)
                feed.tick(now=second + 0.3)
        feed.rover_frame(frame.data, near_gpst_ns=told_ns, now=second + 0.3)
        feed.tick(now=second + 0.95)
        while (ready := feed.take()) is not None:
            outcome = solver.solve(ready.job)
            assert outcome.error is None
            if outcome.solution is not None:
                found.append(outcome.solution)
            feed.solved(ready, outcome, second + 0.95)
    return found, feed


def time_of_raw(frame: Frame) -> int | None:
    if frame.protocol == "unicore":
        kind, t_ns = unicore.head_of_frame(frame.data)
        return t_ns if unicore.is_observation(kind) else None
    if frame.protocol == "ubx" and ubx.kind_of_frame(frame.data) == ubx.RAWX:
        return epoch_gpst_ns_of_rawx(ubx.payload_of_frame(frame.data))
    return None


def time_of(frame: bytes, near_ns: int) -> int | None:
    head = read_head(frame)
    if head is None or head.kind is not MessageKind.OBSERVATION:
        return None
    return epoch_gpst_ns(head, near_ns)


@pytest.mark.capture
def test_a_rover_s_ubx_played_live_is_solved_as_its_file_is():
    """Half an hour of a standing NEO-M8P and its base, GPS and GLONASS on one frequency."""
    rover = gzip.decompress(shared_data(*JDE, "rover-20181004-1237.ubx.gz").read_bytes())
    whole = gzip.decompress(shared_data(*JDE, "base-20181004-1236.ubx.gz").read_bytes())
    base = base_frames_of(whole)
    of_rover = read_recording(rover)
    near_ns = of_rover.epochs[0].t_gpst_ns
    of_base = read_recording(b"".join(base), near_ns)
    options = EngineOptions(systems=SPEC.systems, mask_deg=SPEC.mask_deg, max_age_s=SPEC.max_age_s)
    wanted = list(solutions(of_rover, of_base, [], options, is_as_live=True))
    found, feed = live(rover, base, near_ns, 1)
    assert len(found) == len(wanted) == 1205
    for one, other in zip(found, wanted, strict=True):
        if one.why == "no base" and other.why == "base too old":
            other = msgspec.structs.replace(other, why=one.why)
        assert msgspec.to_builtins(one) == msgspec.to_builtins(other)
    kinds = {kind: sum(s.kind is kind for s in found) for kind in FixKind}
    assert kinds[FixKind.RTK_FIXED] > 30
    assert kinds[FixKind.RTK_FIXED] + kinds[FixKind.RTK_FLOAT] > 1000
    # Until a set of orbits has come whole there is no position.
    assert 10 < kinds[FixKind.NONE] < 60
    records = feed.positions()
    assert len(records) == 1205
    assert {record.fix.time_quality for record in records} == {TimeQuality.GNSS}
    shown = feed.snapshot(worker="runs")
    assert shown.language == "ubx"
    assert dict(shown.dropped) == {}
    fixed = [s.ecef_m for s in found if s.kind is FixKind.RTK_FIXED and s.ecef_m]
    mean = [sum(axis) / len(fixed) for axis in zip(*fixed, strict=True)]
    assert max(math.dist(place, mean) for place in fixed) < 0.1


OPTIONS = EngineOptions(systems=SPEC.systems, mask_deg=SPEC.mask_deg, max_age_s=SPEC.max_age_s)
SECONDS = 12


@pytest.mark.parametrize("language", ["ubx", "unicore", "unicore-cmp"])
def test_a_simulated_raw_rover_is_solved_as_its_file_is_and_within_centimetres(language):
    rover = b"".join(raw_rover(SECONDS, "GREC", language))
    base = [frame for second in station("base", SECONDS, "GREC") for frame in second]
    of_files = (read_recording(rover), read_recording(b"".join(base), T0_GPST_NS))
    wanted = list(solutions(*of_files, [], OPTIONS, is_as_live=True))
    found, feed = live(rover, base, T0_GPST_NS, 3, T0_GPST_NS)
    assert feed.snapshot(worker="runs").language == language.removesuffix("-cmp")
    assert [msgspec.to_builtins(s) for s in found] == [msgspec.to_builtins(s) for s in wanted]
    assert {s.kind for s in found[4:]} == {FixKind.RTK_FIXED}
    for solution in found[4:]:
        assert solution.ecef_m is not None
        assert math.dist(solution.ecef_m, truth_m()) < 0.03


def test_compressed_measurements_give_what_whole_ones_do():
    """Within their resolution: half of 1/256 cycle is at most 0.5 mm, half of 1/128 m is 4 mm."""
    base = [frame for second in station("base", SECONDS, "GREC") for frame in second]
    whole, compressed = (
        live(b"".join(raw_rover(SECONDS, "GREC", name)), base, T0_GPST_NS, 5, T0_GPST_NS)[0]
        for name in ("unicore", "unicore-cmp")
    )
    assert [s.kind for s in compressed] == [s.kind for s in whole]
    assert [s.sats_used for s in compressed] == [s.sats_used for s in whole]
    for one, other in zip(compressed, whole, strict=True):
        assert one.ecef_m is not None
        assert other.ecef_m is not None
        limit_m = 0.001 if other.kind is FixKind.RTK_FIXED else 0.05
        assert math.dist(one.ecef_m, other.ecef_m) < limit_m


def test_a_receiver_that_sends_both_kinds_is_solved_once_an_epoch():
    base = [frame for second in station("base", SECONDS, "GREC") for frame in second]
    pairs = (raw_rover(SECONDS, "GREC", name) for name in ("unicore", "unicore-cmp"))
    both = b"".join(one + other for one, other in zip(*pairs, strict=True))
    found, feed = live(both, base, T0_GPST_NS, 5, T0_GPST_NS)
    assert len(found) == SECONDS
    assert dict(feed.snapshot(worker="runs").dropped) == {}
    wanted, _ = live(
        b"".join(raw_rover(SECONDS, "GREC", "unicore")), base, T0_GPST_NS, 5, T0_GPST_NS
    )
    assert [msgspec.to_builtins(s) for s in found] == [msgspec.to_builtins(s) for s in wanted]


def test_the_simulator_s_words_bring_the_sets_of_its_rtcm_messages():
    """Two ways that share only the simulated sky: 1019, 1020, 1042, and LNAV, strings, D1."""
    by_words = read_recording(b"".join(raw_rover(2)))
    frames = b"".join(frame for second in station("rover", 2, "GREC") for frame in second)
    by_rtcm = {
        (orbit.satellite, orbit.toe_gpst_ns): orbit
        for orbit in read_recording(frames, T0_GPST_NS).orbits
    }
    assert len({orbit.satellite for orbit in by_words.orbits}) > 20
    for orbit in by_words.orbits:
        assert by_rtcm[orbit.satellite, orbit.toe_gpst_ns] == orbit


def test_a_worker_that_begins_anew_is_told_whole_sets_in_the_midst_of_new_ones():
    feed = Feed(SPEC)
    for second, data in enumerate(raw_rover(3)):
        frames = list(frames_of(data, second))
        # The third second ends in the middle of a frame of every satellite.
        for frame in frames if second < 2 else [f for f in frames[:-1] if not is_third(f)]:
            feed.rover_frame(frame.data, near_gpst_ns=None, now=float(second))
    while feed.take() is not None:
        pass
    feed.restarted()
    for frame in frames_of(raw_rover(4)[3], 1):
        if ubx.kind_of_frame(frame.data) == ubx.RAWX:
            feed.rover_frame(frame.data, near_gpst_ns=None, now=3.0)
    ready = feed.take()
    assert ready is not None
    outcome = RoverSolver().solve(ready.job)
    assert outcome.solution is not None
    assert outcome.solution.kind is FixKind.SINGLE
    assert outcome.solution.sats_used > 20


def is_third(frame: Frame) -> bool:
    """Whether a message is subframe 3 of LNAV or D1, or string 4 of GLONASS."""
    payload = ubx.payload_of_frame(frame.data)
    if ubx.kind_of_frame(frame.data) != ubx.SFRBX:
        return False
    first, second = (int.from_bytes(payload[at : at + 4], "little") for at in (8, 12))
    gnss = payload[0]
    if gnss == 6:
        return first >> 27 & 0xF == 4
    return (first >> 12 if gnss == 3 else second >> 8) & 7 == 3


def test_of_two_languages_the_first_is_solved_and_the_other_once_that_is_silent():
    feed = Feed(SPEC)
    for second in range(2):
        for frame in frames_of(raw_rover(2)[second], 1):
            feed.rover_frame(frame.data, near_gpst_ns=None, now=float(second))
        for data in station("rover", 2)[second]:
            feed.rover_frame(data, near_gpst_ns=None, now=float(second))
    shown = feed.snapshot(worker="runs")
    assert (shown.language, shown.waiting, dict(shown.dropped)) == ("ubx", 2, {"other_language": 2})
    before = [ready.job.n_base for _ in range(2) if (ready := feed.take())]
    for data in station("rover", 20)[19]:
        feed.rover_frame(data, near_gpst_ns=None, now=19.0)
    after = feed.take()
    assert feed.snapshot(worker="runs").language == "rtcm3"
    assert after is not None
    assert after.job.n_base > max(before)  # nothing of the other phases is left


def test_words_with_a_wrong_checksum_are_counted_in_the_status():
    feed = Feed(SPEC)
    for message in raw_words():
        for flipped in (0, 1):
            payload = bytearray(message[6:-2])
            payload[20] ^= flipped
            feed.rover_frame(sealed(2, 0x13, bytes(payload)), near_gpst_ns=None, now=0.0)
    assert feed.snapshot(worker="runs").bad_checksums == len(raw_words()) > 0


def test_a_receiver_without_time_has_no_epoch():
    feed = Feed(SPEC)
    feed.rover_frame(sealed(2, 0x15, bytes(16)), near_gpst_ns=None, now=0.0)
    feed.rover_frame(sealed(2, 0x15, b""), near_gpst_ns=None, now=0.0)
    feed.rover_frame(
        sealed(2, 0x13, b"\x00\x01\x00\x00\x0a\x00\x02\x00"), near_gpst_ns=None, now=0.0
    )
    assert feed.take() is None
    assert feed.snapshot(worker="runs").language is None
