"""Antennas of live devices: the file of antennas, what a base says of its own, and the mark."""

from __future__ import annotations

import msgspec
import pytest

from bdgw.errors import UnavailableError
from bdgw.geodesy import enu_from_ecef
from bdgw.model import FixKind
from bdgw.positioning.solution import Solution
from bdgw.rinex.antex import Antex, read_antex
from bdgw.rtcm.antenna import StationEquipment
from bdgw.rtcm.message import encode
from bdgw.solving.antenna_file import read_antennas
from bdgw.solving.feed import Feed
from bdgw.solving.rover_solver import RoverSolver
from bdgw.solving.spec import SolveMode, SolverSpec
from tests.rinex.antex_text import antenna, header, trimble
from tests.solving.streams import T0_GPST_NS, station, truth_m

SECONDS = 6
SPEC = SolverSpec(device="r", mode=SolveMode.GATEWAY, has_base=True, antex="some.atx")
TEXT = header() + trimble() + antenna("OTHER", {"G01": ((0.0, 0.0, 50.0), [0.0] * 19)})


def read(path: str, name: str) -> Antex:
    assert path == "some.atx"
    return read_antex(TEXT, only=name)


def solved(spec: SolverSpec, *said: StationEquipment) -> tuple[list[Solution], Feed]:
    """The last epochs of a rover; the base says its antenna with its first epoch."""
    feed, solver, found = Feed(spec), RoverSolver(read), []
    rover, base = station("rover", SECONDS), station("base", SECONDS)
    for second in range(SECONDS):
        told = [encode(message) for message in said] if second == 0 else []
        frames = b"".join((*told, *base[second]))
        feed.base_frames(frames, source=None, near_gpst_ns=T0_GPST_NS, now=float(second))
        for frame in rover[second]:
            feed.rover_frame(frame, near_gpst_ns=T0_GPST_NS, now=float(second))
        feed.tick(now=second + 0.9)
        while (ready := feed.take()) is not None:
            outcome = solver.solve(ready.job)
            feed.solved(ready, outcome, float(second))
            assert outcome.solution is not None
            if outcome.solution.kind is FixKind.RTK_FIXED:
                found.append(outcome.solution)
    assert len(found) >= 2
    return found[-2:], feed


def up_m(solutions: list[Solution]) -> float:
    heights = [enu_from_ecef(truth_m(), s.ecef_m)[2] for s in solutions if s.ecef_m is not None]
    return sum(heights) / len(heights)


def named(name: str, number: int = 1008, of: int = 7) -> StationEquipment:
    return StationEquipment(number=number, station=of, antenna=name)


OURS = msgspec.structs.replace(SPEC, antenna="TRM59800.00 NONE")


def test_a_reduced_base_and_a_known_rover_give_the_reference_point() -> None:
    plain, _ = solved(SPEC, named("ADVNULLANTENNA"))
    assert abs(up_m(plain)) < 0.03
    found, feed = solved(OURS, named("ADVNULLANTENNA"))
    # What is measured at 89.5 mm (L1) and 117 mm (L2) over the reference point, and the variation.
    assert -0.13 < up_m(found) - up_m(plain) < -0.07
    remarks = feed.snapshot(worker="runs").antennas
    assert len(remarks) == 1
    assert "TRM59800.00 NONE: not calibrated, values of the nearest carrier" in remarks[0]


def test_the_same_antenna_at_both_ends_changes_nothing() -> None:
    plain, _ = solved(SPEC, named("ADVNULLANTENNA"))
    found, _ = solved(OURS, named("TRM59800.00     NONE", number=1033), named("X", of=8))
    assert up_m(found) == pytest.approx(up_m(plain), abs=0.002)


@pytest.mark.parametrize("said", [[], [named("X")], [named("TRM59800.00", of=8)]])
def test_while_the_antenna_of_the_base_is_not_known_neither_is_corrected(said) -> None:
    plain, _ = solved(msgspec.structs.replace(SPEC, antex=None))
    found, feed = solved(OURS, *said)
    assert found == plain
    (remark,) = feed.snapshot(worker="runs").antennas
    assert remark.startswith("base: ")
    assert remark.endswith("neither end is corrected")


def test_positions_are_of_the_mark_where_the_height_over_it_is_told() -> None:
    plain, _ = solved(SPEC, named("ADVNULLANTENNA"))
    found, _ = solved(msgspec.structs.replace(SPEC, antenna_height_m=1.75), named("ADVNULLANTENNA"))
    assert up_m(found) - up_m(plain) == pytest.approx(-1.75, abs=1e-6)


def test_the_file_is_read_for_the_antenna_that_is_asked_for(tmp_path) -> None:
    file = tmp_path / "some.atx"
    file.write_text("\r\n".join(TEXT) + "\r\n", encoding="latin-1")
    found = read_antennas(str(file), "TRM59800.00     SCIS")
    assert [entry.model.name for entry in found.entries] == ["TRM59800.00"]
    assert read_antennas(str(file), "NOBODY").entries == []
    with pytest.raises(UnavailableError, match="No such file"):
        read_antennas(str(tmp_path / "none.atx"), "X")
    file.write_text("nothing")
    with pytest.raises(UnavailableError, match="no ANTEX file"):
        read_antennas(str(file), "X")


def test_a_file_that_cannot_be_read_is_said() -> None:
    feed, solver = Feed(OURS), RoverSolver()
    base, rover = station("base", 1), station("rover", 1)
    frames = encode(named("TRM59800.00")) + b"".join(base[0])
    feed.base_frames(frames, source=None, near_gpst_ns=T0_GPST_NS, now=0.0)
    for frame in rover[0]:
        feed.rover_frame(frame, near_gpst_ns=T0_GPST_NS, now=0.0)
    feed.tick(now=0.9)
    ready = feed.take()
    assert ready is not None
    outcome = solver.solve(ready.job)
    assert outcome.solution is not None
    (remark,) = outcome.antenna_remarks
    assert remark.startswith("base: some.atx: not read")
