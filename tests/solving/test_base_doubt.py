"""What is told of a base that does not stand where it says: once, and that it is over once."""

from __future__ import annotations

import msgspec

from bdgw.model import FixKind, Provenance
from bdgw.positioning.base_place import BaseCheck
from bdgw.positioning.solution import Solution
from bdgw.solving.base_doubt import BaseDoubts
from bdgw.solving.feed import Feed, Ready
from bdgw.solving.job import Outcome
from bdgw.solving.spec import SolveMode, SolverSpec
from tests.solving.streams import T0_GPST_NS, station

GOOD = BaseCheck(off_enu_m=(0.5, -0.3, 1.0), bound_h_m=3.1, bound_v_m=8.2, is_misplaced=False)
BAD = BaseCheck(off_enu_m=(5.1, -0.3, 1.0), bound_h_m=3.1, bound_v_m=8.2, is_misplaced=True)
NET = Provenance(name="net", mount="BASE")


def told(doubts: BaseDoubts, device: str, check: BaseCheck | None, source=NET) -> str | None:
    alarm = doubts.see(device, source, 77, check, utc_ns=1)
    return None if alarm is None else alarm.kind


def test_the_first_rover_tells_and_the_last_one_that_is_satisfied():
    doubts = BaseDoubts()
    assert told(doubts, "a", None) is None
    assert told(doubts, "a", GOOD) is None
    assert told(doubts, "a", BAD) == "base_misplaced"
    assert told(doubts, "b", BAD) is None
    assert told(doubts, "a", BAD) is None
    assert told(doubts, "a", GOOD) is None
    assert told(doubts, "b", None) is None, "not yet known is not satisfied"
    assert told(doubts, "b", GOOD) == "base_placed"
    assert told(doubts, "b", GOOD) is None


def test_another_base_says_nothing_of_the_one_before():
    doubts = BaseDoubts()
    assert told(doubts, "a", BAD) == "base_misplaced"
    assert told(doubts, "a", GOOD, source=Provenance(name="other")) is None
    assert told(doubts, "a", BAD) == "base_misplaced"


def test_the_alarm_says_which_base_and_by_how_much():
    alarm = BaseDoubts().see("a", NET, 77, BAD, utc_ns=1)
    assert alarm is not None
    assert alarm.device == "a"
    assert alarm.fields == {
        "off_east_m": 5.1,
        "off_north_m": -0.3,
        "off_up_m": 1.0,
        "bound_h_m": 3.1,
        "bound_v_m": 8.2,
        "correction": "net",
        "mount": "BASE",
        "station": 77,
    }
    assert alarm.text == (
        "the base (correction 'net', mount BASE, station 77) says a position "
        "+5.1 m east, -0.3 m north, +1.0 m up of where its own observations put it "
        "(bounds: 3.1 m across, 8.2 m up); nothing against it is called fixed"
    )


def test_a_worker_that_begins_anew_does_not_make_it_fixed_again():
    feed = Feed(SolverSpec(device="r", mode=SolveMode.GATEWAY, has_base=True))
    kinds = []
    for second, check in enumerate([None, BAD, None, None, GOOD]):
        solution = Solution(
            t_gpst_ns=T0_GPST_NS + second,
            kind=FixKind.RTK_FIXED,
            ecef_m=(-2846000.0, 4640000.0, 3300000.0),
            base_check=check,
        )
        feed.solved(ready_of(feed, second), Outcome(solution=solution), float(second))
        feed.restarted()
        kinds += [position.fix.kind for position in feed.positions()]
    assert kinds == [FixKind.RTK_FIXED, *[FixKind.RTK_FLOAT] * 3, FixKind.RTK_FIXED]
    feed.solved(ready_of(feed, 5), Outcome(solution=with_check(BAD)), 5.0)
    assert feed.snapshot(worker="runs").base_check == BAD
    other = Provenance(name="other")
    feed.base_frames(b"", source=other, near_gpst_ns=T0_GPST_NS, now=6.0)
    assert feed.snapshot(worker="runs").base_check is None


def with_check(check: BaseCheck) -> Solution:
    return Solution(t_gpst_ns=T0_GPST_NS, kind=FixKind.RTK_FLOAT, base_check=check)


def ready_of(feed: Feed, second: int) -> Ready:
    feed.base_frames(
        b"".join(station("base", 8)[second]), source=NET, near_gpst_ns=T0_GPST_NS, now=second
    )
    for frame in station("rover", 8)[second]:
        feed.rover_frame(frame, near_gpst_ns=T0_GPST_NS, now=second + 0.1)
    found = feed.take()
    while (later := feed.take()) is not None:
        found = later
    assert found is not None
    return msgspec.structs.replace(found, source=NET)
