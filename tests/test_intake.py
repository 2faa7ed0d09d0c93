"""What is published of what receivers say: numbers, times, and what is kept back."""

from __future__ import annotations

import datetime as dt
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bdgw.hub import DomainEvent, Hub, SkySeen
from bdgw.intake import DeviceFacts, Intake
from bdgw.model import (
    Alarm,
    DeviceFix,
    Fix,
    FixKind,
    Provenance,
    Satellite,
    Sky,
    Solver,
    TimeQuality,
    Via,
)
from bdgw.receiver import EpochSeen, FramesSeen, ReceiverSession
from bdgw.timescale import gpst_from_utc
from tests.support.spoken import DAY, epoch

HOST = 1_769_932_800 * 10**9
"""The host's clock: 2026-02-01T08:00:00Z."""


class Kept:
    """A sink that keeps everything."""

    def __init__(self) -> None:
        self.events: list[DomainEvent] = []

    def offer(self, event: DomainEvent) -> None:
        self.events.append(event)

    def fixes(self) -> list[DeviceFix]:
        return [event for event in self.events if isinstance(event, DeviceFix)]

    def alarms(self) -> list[Alarm]:
        return [event for event in self.events if isinstance(event, Alarm)]


def intake(*, mono_s: float = 100.0, sends_sky: bool = False) -> tuple[Intake, Kept]:
    hub, kept = Hub(), Kept()
    hub.subscribe(kept)
    facts = [DeviceFacts(id=name, via=Via.SERIAL, sends_sky=sends_sky) for name in ("a", "b")]
    made = Intake(facts, hub, boot="7f3a", utc_ns=lambda: HOST, monotonic_s=lambda: mono_s)
    return made, kept


def seen(quality: TimeQuality = TimeQuality.GNSS, rx_s: float = 100.0) -> EpochSeen:
    return EpochSeen(Fix(kind=FixKind.SINGLE, time_quality=quality), None, rx_s)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.booleans())))
def test_numbers_have_no_gaps_whatever_is_kept_back(steps):
    made, kept = intake()
    for device, is_good in steps:
        made.take(device, seen(TimeQuality.GNSS if is_good else TimeQuality.IMPLAUSIBLE), 100.0)
    for device in "ab":
        good = sum(is_good for name, is_good in steps if name == device)
        fixes = [fix for fix in kept.fixes() if fix.device == device]
        assert [fix.seq for fix in fixes] == list(range(good))
        assert {fix.boot for fix in fixes} <= {"7f3a"}
        record = made.records[device]
        assert record.seq == good
        assert record.quarantined == sum(not ok for name, ok in steps if name == device)
        assert sum(record.fix_counts.values()) == good


@pytest.mark.parametrize("late_s", [0.0, 0.3, 5.0])
def test_the_time_of_reception_is_that_of_the_last_byte_not_of_now(late_s: float):
    made, kept = intake(mono_s=100.0 + late_s)
    made.take("a", seen(rx_s=100.0), 100.0 + late_s)
    (fix,) = kept.fixes()
    assert abs(fix.t_rx_utc_ns - (HOST - late_s * 1e9)) < 1000


def test_one_alarm_when_it_begins_and_one_when_it_begins_again():
    made, kept = intake()
    bad, good = seen(TimeQuality.IMPLAUSIBLE), seen()
    for event in (bad, bad, bad, good, good, bad, bad):
        made.take("a", event, 100.0)
    assert len(kept.fixes()) == 2
    assert [alarm.kind for alarm in kept.alarms()] == ["time_implausible"] * 2
    assert made.records["a"].quarantined == 5
    made.take("b", bad, 100.0)
    assert kept.alarms()[-1].device == "b", "each device has its own alarm"


def test_what_is_no_epoch_is_no_fix():
    made, kept = intake()
    made.take("a", FramesSeen(3), 100.0)
    assert kept.events == []


@pytest.mark.parametrize("sends_sky", [True, False])
def test_the_sky_is_published_where_it_is_asked_for(sends_sky: bool):
    made, kept = intake(sends_sky=sends_sky)
    sky = Sky(satellites=(Satellite("C", 7, 1, 2, 3, None),), used=())
    fix = Fix(kind=FixKind.NONE, time_quality=TimeQuality.NONE)
    made.take("a", EpochSeen(fix, sky, 100.0), 100.0)
    assert any(isinstance(event, SkySeen) for event in kept.events) == sends_sky


# Dates that cannot be, from bytes to what is published (promise: table 1980, 1999, 2019, 2038).


@pytest.mark.parametrize(
    ("day", "host", "is_live", "quality"),
    [
        (DAY, DAY, True, TimeQuality.GNSS),
        (DAY - dt.timedelta(days=400), DAY, True, TimeQuality.GNSS),
        (dt.date(1980, 1, 6), DAY, False, None),
        (dt.date(1999, 8, 22), DAY, False, None),
        (DAY - dt.timedelta(weeks=1024), DAY, True, TimeQuality.GNSS_WEEK_RESOLVED),
        (DAY + dt.timedelta(days=3), DAY, False, None),
        (dt.date(2038, 1, 19), DAY, False, None),
        (dt.date(2019, 4, 6), dt.date(2019, 4, 7), True, TimeQuality.GNSS),
        (dt.date(2038, 1, 19), dt.date(2038, 1, 19), True, TimeQuality.GNSS),
        # Without a host clock nothing is in the future; what is older than receivers is refused.
        (dt.date(2038, 1, 19), None, True, TimeQuality.GNSS),
        (dt.date(1999, 8, 22), None, False, None),
    ],
)
def test_a_date_that_cannot_be_never_becomes_a_live_fix(day, host, is_live, quality):
    made, kept = intake()
    host_ns = None if host is None else gpst_from_utc(host, 8 * 3600 * 10**9)
    session = ReceiverSession(host_gpst_ns=lambda _now: host_ns)
    session.receive(b"".join(epoch(n, day=day) for n in range(5)), now=100.0)
    session.receive(b"", now=100.0)
    for event in session.events():
        made.take("a", event, 100.0)
    assert len(kept.fixes()) == (5 if is_live else 0)
    assert len(kept.alarms()) == (0 if is_live else 1)
    assert {fix.fix.time_quality for fix in kept.fixes()} == ({quality} if is_live else set())


def test_a_wrong_date_leaves_the_latest_fix_alone():
    """One fix of 2038 must not stand as the latest until somebody edits a database."""
    made, kept = intake()
    take = partial(made.take, "a", now=100.0)
    take(seen())
    latest = made.records["a"].last
    take(seen(TimeQuality.IMPLAUSIBLE))
    assert made.records["a"].last is latest
    assert len(kept.fixes()) == 1


def ours(kind: FixKind) -> Fix:
    return Fix(kind=kind, time_quality=TimeQuality.HOST_DATE, lat_deg=31.0, lon_deg=121.0)


def test_solutions_of_the_gateway_are_numbered_with_the_fixes_of_the_receiver():
    made, kept = intake()
    made.take("a", seen(), 100.0)
    made.take_solution("a", ours(FixKind.SINGLE), 99.0, corr=None)
    made.take("a", seen(), 100.0)
    assert [(fix.seq, fix.solver) for fix in kept.fixes()] == [
        (0, Solver.RECEIVER),
        (1, Solver.GATEWAY),
        (2, Solver.RECEIVER),
    ]
    assert kept.fixes()[1].t_rx_utc_ns == HOST - 10**9


@pytest.mark.parametrize(
    ("kind", "corr", "frame"),
    [
        (FixKind.SINGLE, None, ("WGS84", None)),
        (FixKind.RTK_FIXED, Provenance(name="n", frame="CGCS2000", frame_epoch_year=2000.0),
         ("CGCS2000", 2000.0)),
        (FixKind.RTK_FIXED, Provenance(name="n"), (None, None)),
        (FixKind.NONE, None, (None, None)),
    ],
)  # fmt: skip
def test_a_solution_is_in_the_frame_of_its_base_and_never_in_that_of_the_receiver(
    kind: FixKind, corr: Provenance | None, frame: tuple[str | None, float | None]
):
    hub, kept = Hub(), Kept()
    hub.subscribe(kept)
    facts = DeviceFacts(id="a", via=Via.IP, frame="ITRF2020", frame_epoch_year=2026.0)
    made = Intake([facts], hub, boot="7f3a", utc_ns=lambda: HOST, monotonic_s=lambda: 100.0)
    made.take_solution("a", ours(kind), 100.0, corr=corr)
    (fix,) = kept.fixes()
    assert (fix.frame, fix.frame_epoch_year) == frame
    assert fix.corr == corr
