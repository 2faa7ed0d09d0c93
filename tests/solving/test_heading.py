"""The heading of a device from another one, live: the feed and the inside of a worker."""

from __future__ import annotations

import math
from fractions import Fraction

import msgspec
import pytest

from bdgw.model import Fix, FixKind, Heading, TimeQuality
from bdgw.positioning.baseline import Attitude
from bdgw.receiver import EpochSeen, ReceiverSession
from bdgw.solving.feed import Feed
from bdgw.solving.fix import heading_of
from bdgw.solving.job import decode_job, decode_outcome, encode_job, encode_outcome
from bdgw.solving.joining import Joiner
from bdgw.solving.rover_solver import RoverSolver
from bdgw.solving.spec import HeadingSpec, SolveMode, SolverSpec
from bdgw.wire.splitter import Frame
from fwsim.constellation import System
from fwsim.gnss_time import NS_PER_S
from fwsim.reference_station import ReferenceStation, StationSpec
from fwsim.scene import Place, offset
from tests.solving.streams import BASE, T0_GPST_NS

SECONDS = 8
EAST_M, NORTH_M, UP_M = 1.2, -0.9, 0.15
LENGTH_M = math.hypot(EAST_M, NORTH_M, UP_M)
HEADING_DEG = math.degrees(math.atan2(EAST_M, NORTH_M)) % 360.0
SPEC = SolverSpec(
    device="bow",
    mode=SolveMode.GATEWAY,
    has_base=False,
    heading=HeadingSpec(device="stern", baseline_m=LENGTH_M),
)


def antenna(name: str, *, station: int, place: Place, language: str = "rtcm") -> list[list[bytes]]:
    """The frames of each second of a receiver, all its ephemerides in each."""
    spec = StationSpec(
        place=place,
        station=station,
        rate_hz=Fraction(1),
        systems=tuple(System(letter) for letter in "GEC"),
        msm=7,
        ephemeris_every_s=1,
        position_every_s=0,
        language=language,
    )
    unit = ReferenceStation(spec, seed="1", name=name)
    return [_cut(b"".join(unit.frames(T0_GPST_NS + k * NS_PER_S))) for k in range(SECONDS)]


def _cut(data: bytes) -> list[bytes]:
    """The frames as the session of a device gives them."""
    session = ReceiverSession()
    session.receive(data, now=0.0)
    session.receive(b"", now=0.0)
    return [event.data for event in session.events() if isinstance(event, Frame)]


def bow_place() -> Place:
    lat_deg, lon_deg = offset(BASE, east_m=EAST_M, north_m=NORTH_M)
    return Place(lat_deg=lat_deg, lon_deg=lon_deg, alt_hae_m=BASE.alt_hae_m + UP_M)


@pytest.fixture(scope="module")
def bow() -> list[list[bytes]]:
    return antenna("bow", station=1, place=bow_place())


@pytest.fixture(scope="module")
def stern() -> list[list[bytes]]:
    return antenna("stern", station=2, place=BASE)


class Rig:
    """A feed and the inside of its worker; messages cross as they do in the pipe."""

    def __init__(self, spec: SolverSpec = SPEC) -> None:
        self.feed = Feed(spec)
        self.solver = RoverSolver()
        self.fixes: list[Fix] = []

    def bow(self, frames: list[bytes], now: float) -> None:
        for frame in frames:
            self.feed.rover_frame(frame, near_gpst_ns=T0_GPST_NS, now=now)
        self.solve(now)

    def stern(self, frames: list[bytes], now: float) -> None:
        for frame in frames:
            self.feed.second_frame(frame, near_gpst_ns=T0_GPST_NS, now=now)
        self.solve(now)

    def tick(self, now: float) -> None:
        self.feed.tick(now=now)
        self.solve(now)

    def solve(self, now: float) -> None:
        while (ready := self.feed.take()) is not None:
            outcome = self.solver.solve(decode_job(encode_job(ready.job)))
            assert outcome.error is None
            self.feed.solved(ready, decode_outcome(encode_outcome(outcome)), now)
        self.fixes += [position.fix for position in self.feed.positions()]


def test_the_heading_is_that_of_the_vector_between_both_antennas(bow, stern) -> None:
    rig = Rig()
    for second, (ours, theirs) in enumerate(zip(bow, stern, strict=True)):
        rig.stern(theirs, second + 0.1)
        rig.bow(ours, second + 0.2)
    assert len(rig.fixes) == SECONDS
    found = [fix.heading for fix in rig.fixes if fix.heading is not None]
    assert len(found) >= SECONDS - 1
    for told in found:
        off_deg = (told.heading_deg - HEADING_DEG + 180.0) % 360.0 - 180.0
        # 1 cm over 1.5 m.
        assert abs(off_deg) < 0.4
        assert told.baseline_m == pytest.approx(LENGTH_M, abs=0.01)
        assert told.pitch_deg == pytest.approx(math.degrees(math.asin(UP_M / LENGTH_M)), abs=0.8)
        assert 0.0 < told.acc_heading_deg < 1.0
    # The position says no more than the device by itself knows.
    assert {fix.kind for fix in rig.fixes} == {FixKind.SINGLE}
    shown = rig.feed.snapshot(worker="runs")
    assert shown.vectors["rtk_fixed"] == len(found)


@pytest.mark.parametrize("languages", [("ubx", "ubx"), ("rtcm", "ubx"), ("ubx", "rtcm")])
def test_both_may_speak_ubx_or_rtcm(languages: tuple[str, str]) -> None:
    rig = Rig()
    bow = antenna("bow", station=1, place=bow_place(), language=languages[0])
    stern = antenna("stern", station=2, place=BASE, language=languages[1])
    for second, (ours, theirs) in enumerate(zip(bow, stern, strict=True)):
        rig.stern(theirs, second + 0.1)
        rig.bow(ours, second + 0.2)
    found = [fix.heading for fix in rig.fixes if fix.heading is not None]
    assert len(found) >= SECONDS - 2, rig.feed.snapshot(worker="runs")
    for told in found:
        assert told.heading_deg == pytest.approx(HEADING_DEG, abs=0.5)


def test_an_epoch_waits_for_the_other_antenna_and_goes_without_it(bow, stern) -> None:
    rig = Rig()
    rig.stern(stern[0], 0.0)
    rig.bow(bow[0], 0.1)
    rig.bow(bow[1], 1.0)
    assert len(rig.fixes) == 1
    rig.stern(stern[1], 1.3)
    assert len(rig.fixes) == 2
    rig.bow(bow[2], 2.0)
    rig.tick(2.4)
    assert len(rig.fixes) == 2
    assert rig.feed.deadline() == pytest.approx(2.5)
    rig.tick(2.51)
    assert len(rig.fixes) == 3
    assert rig.fixes[2].heading is None
    assert rig.feed.snapshot(worker="runs").vector_reason is not None
    # What comes too late is not used for a later epoch, and the next one has its own.
    rig.stern(stern[2], 2.8)
    rig.bow(bow[3], 3.0)
    rig.stern(stern[3], 3.1)
    assert len(rig.fixes) == 4
    assert rig.fixes[3].heading is not None


def test_an_antenna_that_has_never_spoken_or_has_stopped_is_not_waited_for(bow, stern) -> None:
    rig = Rig()
    rig.bow(bow[0], 0.0)
    assert len(rig.fixes) == 1
    rig.stern(stern[0], 0.1)
    rig.bow(bow[1], 1.0)
    assert len(rig.fixes) == 1
    rig.tick(1.6)
    assert len(rig.fixes) == 2
    rig.bow(bow[6], 6.0)
    assert len(rig.fixes) == 3
    assert [fix.heading for fix in rig.fixes] == [None] * 3


def test_a_wrong_length_is_not_published(bow, stern) -> None:
    heading = HeadingSpec(device="stern", baseline_m=LENGTH_M + 0.2)
    rig = Rig(msgspec.structs.replace(SPEC, heading=heading))
    for second, (ours, theirs) in enumerate(zip(bow[:3], stern[:3], strict=True)):
        rig.stern(theirs, second + 0.1)
        rig.bow(ours, second + 0.2)
    assert [fix.heading for fix in rig.fixes] == [None] * 3
    assert "m long, and not" in str(rig.feed.snapshot(worker="runs").vector_reason)


def test_an_offset_turns_the_heading(bow, stern) -> None:
    heading = HeadingSpec(device="stern", baseline_m=LENGTH_M, offset_deg=90.0)
    rig = Rig(msgspec.structs.replace(SPEC, heading=heading))
    rig.stern(stern[0], 0.1)
    rig.bow(bow[0], 0.2)
    assert rig.fixes[0].heading is not None
    turned = (HEADING_DEG + 90.0) % 360.0
    assert rig.fixes[0].heading.heading_deg == pytest.approx(turned, abs=0.4)


def test_a_worker_that_begins_anew_is_told_the_orbits_of_both(bow, stern) -> None:
    rig = Rig()
    for second in range(3):
        rig.stern(stern[second], second + 0.1)
        rig.bow(bow[second], second + 0.2)
    rig.solver = RoverSolver()
    rig.feed.restarted()
    rig.stern(stern[3], 3.1)
    rig.bow(bow[3], 3.2)
    assert rig.fixes[-1].heading is not None


def test_the_receivers_position_is_published_with_our_heading() -> None:
    heading = Heading(
        heading_deg=10.0,
        acc_heading_deg=0.1,
        pitch_deg=1.0,
        acc_pitch_deg=0.2,
        baseline_m=1.5,
    )

    def fix(kind: FixKind, told: Heading | None) -> Fix:
        return Fix(
            kind=kind,
            t_gpst_ns=T0_GPST_NS,
            time_quality=TimeQuality.GNSS,
            lat_deg=31.0,
            lon_deg=121.0,
            alt_hae_m=10.0,
            acc_h_m=1.0,
            acc_v_m=1.0,
            heading=told,
        )

    joiner = Joiner(wait_s=0.5)
    joiner.solved(fix(FixKind.SINGLE, heading), None, 0.0, 0.0)
    joiner.receiver(EpochSeen(fix(FixKind.DGNSS, None), None, 0.1), 0.1)
    (position,) = joiner.positions()
    assert position.fix.kind is FixKind.DGNSS
    assert position.fix.heading == heading


def test_a_vector_that_stands_upright_has_no_heading() -> None:
    assert heading_of(None) is None


def test_a_level_vector_has_no_negative_pitch() -> None:
    """-0.0 would be published as such, and not survive the history."""
    told = heading_of(
        Attitude(
            length_m=1.0,
            acc_length_m=0.01,
            pitch_deg=-0.0001,
            acc_pitch_deg=0.1,
            heading_deg=10.0,
            acc_heading_deg=0.1,
        )
    )
    assert told is not None
    assert str(told.pitch_deg) == "0.0"
