"""The live way and ``bdgw rtk`` on the same bytes give the same solutions, to the last bit."""

from __future__ import annotations

import asyncio
import math
import os
import random
import time
from functools import partial

import msgspec
import pytest

from bdgw.geodesy import ecef_from_geodetic
from bdgw.model import Alarm, FixKind, Provenance
from bdgw.positioning.engine import EngineOptions
from bdgw.positioning.solution import Solution
from bdgw.recorded import read_recording, solutions
from bdgw.rtcm.message import encode
from bdgw.rtcm.station import StationPosition
from bdgw.solving.desk import Solving
from bdgw.solving.feed import Feed
from bdgw.solving.position import Position
from bdgw.solving.rover_solver import RoverSolver, proven
from bdgw.solving.spec import SolveMode, SolverSpec
from tests.conftest import read_capture, shared_data
from tests.publish.brokers import until
from tests.solving.rewriting import Writer, orbit_frame
from tests.solving.streams import T0_GPST_NS, station, truth_m

SECONDS = 12
SPEC = SolverSpec(device="r", mode=SolveMode.GATEWAY, has_base=True)
SOURCE = Provenance(name="net", mount="A", frame="CGCS2000", frame_epoch_year=2000.0)


def recorded(
    rover: list[list[bytes]], base: list[list[bytes]], near_ns: int = T0_GPST_NS
) -> list[Solution]:
    """What the command makes of the same frames in two files."""
    files = [
        read_recording(b"".join(f for second in seconds for f in second), near_ns)
        for seconds in (rover, base)
    ]
    options = EngineOptions(systems=SPEC.systems, mask_deg=SPEC.mask_deg, max_age_s=SPEC.max_age_s)
    return list(solutions(files[0], files[1], [], options))


def live(
    rover: list[list[bytes]], base: list[list[bytes]], near_ns: int = T0_GPST_NS
) -> list[Solution]:
    """The feed and the inside of a worker; the base comes a little later than the rover.

    But for the first epoch: a base that has never spoken is not waited for.
    """
    feed, solver, found = Feed(SPEC), RoverSolver(), []
    feed.base_frames(b"".join(base[0]), source=SOURCE, near_gpst_ns=near_ns, now=0.0)
    for second, (of_rover, of_base) in enumerate(zip(rover, base, strict=True)):
        for frame in of_rover:
            feed.rover_frame(frame, near_gpst_ns=near_ns, now=float(second))
        if of_base and second:
            feed.base_frames(
                b"".join(of_base), source=SOURCE, near_gpst_ns=near_ns, now=second + 0.3
            )
        feed.tick(now=second + 0.9)
        while (ready := feed.take()) is not None:
            outcome = solver.solve(ready.job)
            assert outcome.solution is not None
            found.append(outcome.solution)
    return found


def streams(
    lost: tuple[int, ...] = (), systems: str = "GEC"
) -> tuple[list[list[bytes]], list[list[bytes]]]:
    rover = [list(frames) for frames in station("rover", SECONDS, systems)]
    base = [list(frames) for frames in station("base", SECONDS, systems)]
    for second in lost:
        base[second] = []
    return rover, base


@pytest.mark.parametrize(("lost", "systems"), [((), "GREC"), ((4, 5, 9), "GEC")])
def test_live_solutions_are_those_of_the_files(lost, systems):
    wanted, found = recorded(*streams(lost, systems)), live(*streams(lost, systems))
    assert [msgspec.to_builtins(s) for s in found] == [msgspec.to_builtins(s) for s in wanted]
    assert {s.kind for s in found[3:]} == {FixKind.RTK_FIXED}
    for solution in found[3:]:
        assert solution.ecef_m is not None
        assert math.dist(solution.ecef_m, truth_m()) < 0.03


@pytest.mark.capture
def test_a_recorded_pair_that_is_played_live_is_solved_as_its_files_are():
    """A metre of baseline in Japan, GPS and BeiDou, written again as RTCM 3."""
    mat = ("gnss", "rtk", "matrtklib-static")
    read = {
        name: read_recording(read_capture(shared_data(*mat, name)))
        for name in ("rover.obs.gz", "base.obs.gz", "base.nav")
    }
    base_m = ecef_from_geodetic(35.134707705, 136.977577939, 104.853)
    rover_m = ecef_from_geodetic(35.13469901, 136.97757549, 104.8626)
    orbits = [frame for one in read["base.nav"].orbits if (frame := orbit_frame(one)) is not None]
    position = encode(StationPosition(number=1005, station=1, ecef_m=base_m))
    writers = {"rover.obs.gz": Writer(2), "base.obs.gz": Writer(1)}
    rover, base = (
        [writer.epoch(epoch) for epoch in read[name].epochs[:60]]
        for name, writer in writers.items()
    )
    base[0] = [*orbits, position, *base[0]]
    rover[0] = [*orbits, *rover[0]]
    near_ns = read["rover.obs.gz"].epochs[0].t_gpst_ns
    wanted, found = recorded(rover, base, near_ns), live(rover, base, near_ns)
    assert [msgspec.to_builtins(s) for s in found] == [msgspec.to_builtins(s) for s in wanted]
    assert len(found) == 60
    fixed = [s for s in found if s.kind is FixKind.RTK_FIXED]
    assert len(fixed) > 50
    assert all(s.ecef_m and math.dist(s.ecef_m, rover_m) < 0.02 for s in fixed)


class Clock:
    def monotonic_s(self) -> float:
        return time.monotonic()

    def utc_ns(self) -> int:
        return time.time_ns()


async def test_a_worker_process_gives_the_same_and_ends_with_its_owner():
    rover, base = streams()
    wanted = recorded(rover, base)
    heard: list[Position] = []
    alarms: list[Alarm] = []
    solving = Solving(
        [SPEC],
        emit=lambda _device, position: heard.append(position),
        alarm=alarms.append,
        clock=Clock(),
        near_gpst_ns=lambda _now: T0_GPST_NS,
        rng=random.Random(1),
    )
    task = asyncio.create_task(solving.run())

    def is_heard(n: int) -> bool:
        return len(heard) >= n or task.done()

    try:
        for second in range(SECONDS):
            now = time.monotonic()
            solving.base_frames("r", b"".join(base[second]), SOURCE, now)
            for frame in rover[second]:
                solving.rover_frame("r", frame, now)
            await until(partial(is_heard, second + 1), "a solution")
        (pid,) = solving.pids()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert not solving.pids()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert [p.fix.kind for p in heard] == [s.kind for s in wanted]
    assert [p.fix.t_gpst_ns for p in heard] == [s.t_gpst_ns for s in wanted]
    fixed = [p for p in heard if p.fix.kind is FixKind.RTK_FIXED]
    assert fixed[0].corr == Provenance(
        name="net", mount="A", station=7, age_s=0.0, frame="CGCS2000", frame_epoch_year=2000.0
    )
    shown = solving.snapshot("r")
    assert shown is not None
    assert (shown.epochs, dict(shown.dropped), shown.worker_restarts) == (SECONDS, {}, 0)


def test_only_what_was_fixed_at_this_epoch_with_a_young_base_is_called_fixed():
    good = Solution(
        t_gpst_ns=10,
        kind=FixKind.RTK_FIXED,
        ecef_m=(1.0, 2.0, 3.0),
        acc_h_m=0.01,
        acc_v_m=0.02,
        ratio=5.0,
        n_fixed=8,
        age_s=1.0,
    )
    assert proven(good, 10, 5.0) is good
    for change in (
        {"age_s": 5.1},
        {"age_s": None},
        {"age_s": -1.0},
        {"ratio": None},
        {"n_fixed": 3},
        {"acc_h_m": None},
        {"acc_v_m": math.nan},
    ):
        doubted = proven(msgspec.structs.replace(good, **change), 10, 5.0)
        assert doubted.kind is FixKind.RTK_FLOAT
    assert proven(good, 11, 5.0).kind is FixKind.NONE
