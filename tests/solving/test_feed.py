"""One rover outside of the worker: bounds, changes of the base, a worker that begins anew."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bdgw.model import FixKind, Provenance
from bdgw.positioning.satellite import signal_id
from bdgw.rtcm.frame import seal_rtcm3
from bdgw.rtcm.message import encode
from bdgw.rtcm.notice import GlonassBias
from bdgw.solving.feed import Feed
from bdgw.solving.job import Job, Outcome, decode_job, encode_job
from bdgw.solving.rover_solver import RoverSolver
from bdgw.solving.spec import SolveMode, SolverSpec
from tests.solving.streams import T0_GPST_NS, station

NET = Provenance(name="net", mount="A", frame="CGCS2000")
OTHER = Provenance(name="other", mount="B")


def feed(**keys) -> Feed:
    return Feed(SolverSpec(**{"device": "r", "mode": SolveMode.GATEWAY, "has_base": True, **keys}))


def hear(one: Feed, second: int, *, rover=True, base: Provenance | None = NET) -> None:
    if base is not None:
        data = b"".join(station("base", 8)[second])
        one.base_frames(data, source=base, near_gpst_ns=T0_GPST_NS, now=float(second))
    if rover:
        for frame in station("rover", 8)[second]:
            one.rover_frame(frame, near_gpst_ns=T0_GPST_NS, now=second + 0.1)


def jobs(one: Feed) -> list[Job]:
    found = []
    while (ready := one.take()) is not None:
        found.append(ready.job)
    return found


def test_what_no_worker_takes_is_dropped_and_counted_newest_wins():
    one = feed()
    for second in range(7):
        hear(one, second)
    shown = one.snapshot(worker="runs")
    assert (shown.waiting, dict(shown.dropped)) == (4, {"late": 3})
    taken = jobs(one)
    rover = [b"".join(f for f in frames) for frames in station("rover", 8)]
    assert [job.rover in whole for job, whole in zip(taken, rover[3:7], strict=True)] == [True] * 4
    # Ephemerides are not lost with the epochs.
    assert len(taken[0].orbits) > 1000
    assert all(job.orbits == b"" for job in taken[1:])


def test_a_worker_that_begins_anew_is_told_the_ephemerides_again():
    one = feed()
    hear(one, 0)
    (first,) = jobs(one)
    hear(one, 1)
    one.restarted()
    (again,) = jobs(one)
    assert sorted(again.orbits) == sorted(first.orbits)


def test_another_stream_is_another_base_and_its_position_is_its_own():
    one = feed()
    hear(one, 0)
    (first,) = jobs(one)
    assert first.base
    assert first.position
    observations = [f for f in station("base", 8)[1] if 1070 < (f[3] << 4 | f[4] >> 4) < 1138]
    one.base_frames(b"".join(observations), source=OTHER, near_gpst_ns=T0_GPST_NS, now=1.0)
    hear(one, 1, base=None)
    (second,) = jobs(one)
    assert second.n_base == first.n_base + 1
    assert second.base
    assert second.position == b"", "the position of the base before is of no use"


def bias_frame(station: int, value_m: float) -> bytes:
    return encode(
        GlonassBias(number=1230, station=station, is_aligned=False, bias_m={"1C": value_m})
    )


def test_the_biases_of_both_ends_travel_with_their_epochs():
    one = feed()
    of_base, foreign, of_rover = bias_frame(7, -71.94), bias_frame(8, 3.0), bias_frame(9, 19.06)
    one.base_frames(of_base, source=NET, near_gpst_ns=T0_GPST_NS, now=0.0)
    one.rover_frame(of_rover, near_gpst_ns=T0_GPST_NS, now=0.0)
    hear(one, 0)
    one.base_frames(foreign, source=NET, near_gpst_ns=T0_GPST_NS, now=0.5)
    hear(one, 1)
    first, second = jobs(one)
    assert of_base in first.position
    assert foreign not in second.position, "of another station than the observations"
    assert of_rover in first.rover
    assert of_rover in second.rover
    solver = RoverSolver()
    solver.solve(first)
    assert solver._engine is not None
    rover_m, base_m = solver._engine._rtk._code_phase._declared
    assert (rover_m, base_m) == ({signal_id("R", "1C"): 19.06}, {signal_id("R", "1C"): -71.94})


def test_without_a_base_there_are_single_points():
    one, solver = feed(has_base=False), RoverSolver()
    for second in range(3):
        hear(one, second, base=None)
    outcomes = [solver.solve(job) for job in jobs(one)]
    kinds = [o.solution.kind for o in outcomes if o.solution is not None]
    assert kinds == [FixKind.SINGLE] * 3


def test_a_base_without_a_position_gives_no_differential_position():
    one, solver = feed(), RoverSolver()
    hear(one, 0, rover=False)
    one._position = None
    hear(one, 0, base=None)
    (job,) = jobs(one)
    outcome = solver.solve(job)
    assert job.base
    assert outcome.solution is not None
    assert outcome.solution.kind is FixKind.SINGLE


def test_a_clock_that_is_put_right_dates_everything_anew():
    """The host began in another year; ephemerides of then would be too old for ever."""
    one, solver, kinds = feed(), RoverSolver(), []
    for second in range(6):
        near_ns = T0_GPST_NS - (40 * 7 * 86_400 * 10**9 if second < 3 else 0)
        data = b"".join(station("base", 8)[second])
        one.base_frames(data, source=NET, near_gpst_ns=near_ns, now=float(second))
        for frame in station("rover", 8)[second]:
            # No set has changed: none of them comes with the new date by itself.
            one.rover_frame(frame, near_gpst_ns=near_ns, now=second + 0.1)
        for job in jobs(one):
            solution = solver.solve(job).solution
            assert solution is not None
            kinds.append((solution.kind, (solution.t_gpst_ns - T0_GPST_NS) // 10**9))
    assert [t_s for _, t_s in kinds][3:] == [3, 4, 5]
    assert kinds[-1][0] is FixKind.RTK_FIXED


def test_a_mistake_of_the_engine_is_counted_and_costs_the_worker_its_memory():
    one = feed()
    hear(one, 0)
    ready = one.take()
    assert ready is not None
    one.solved(ready, Outcome(error="ValueError: no"), 1.0)
    assert one.snapshot(worker="runs").dropped == {"failed": 1}
    hear(one, 1)
    (job,) = jobs(one)
    assert job.orbits
    assert decode_job(encode_job(job)) == job


FRAMES = st.sampled_from([f for name in ("rover", "base") for s in station(name, 8) for f in s])


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["rover", "base", "tick", "take", "restart"]),
            FRAMES | st.binary(max_size=30).map(seal_rtcm3),
            st.sampled_from([None, T0_GPST_NS, T0_GPST_NS - 10**18]),
            st.sampled_from([None, NET, OTHER]),
            st.floats(0.0, 1.0),
        ),
        max_size=60,
    ),
    st.sampled_from(SolveMode),
)
def test_any_frames_in_any_order_are_taken_and_everything_is_bounded(steps, mode):
    one, now = feed(mode=mode), 0.0
    for what, frame, near_ns, source, pause_s in steps:
        now += pause_s
        if what == "rover":
            one.rover_frame(frame, near_gpst_ns=near_ns, now=now)
        elif what == "base":
            one.base_frames(frame, source=source, near_gpst_ns=near_ns, now=now)
        elif what == "restart":
            one.restarted()
        elif what == "take":
            one.take()
        else:
            one.tick(now=now)
        assert one.snapshot(worker="runs").waiting <= 4
    one.tick(now=now + 10.0)
    one.tick(now=now + 20.0)
    assert one.deadline() is None
