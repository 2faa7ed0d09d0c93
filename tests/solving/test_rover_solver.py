"""The inside of a worker: whatever bytes a job has, nothing is raised and nothing is invented."""

from __future__ import annotations

import io

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from bdgw.model import FixKind
from bdgw.positioning.solution import Solution
from bdgw.solving.feed import Feed
from bdgw.solving.job import LENGTH, Job, decode_outcome, encode_job
from bdgw.solving.rover_solver import RoverSolver
from bdgw.solving.spec import SolveMode, SolverSpec
from bdgw.solving.worker_main import serve
from tests.solving.streams import T0_GPST_NS, station


def jobs(n: int) -> list[Job]:
    feed = Feed(SolverSpec(device="r", mode=SolveMode.GATEWAY, has_base=True))
    found = []
    for second in range(n):
        data = b"".join(station("base", 8)[second])
        feed.base_frames(data, source=None, near_gpst_ns=T0_GPST_NS, now=float(second))
        for frame in station("rover", 8)[second]:
            feed.rover_frame(frame, near_gpst_ns=T0_GPST_NS, now=second + 0.1)
        while (ready := feed.take()) is not None:
            found.append(ready.job)
    return found


FRAMES = st.sampled_from([f for second in station("base", 8) for f in second])
SOUP = st.lists(st.binary(max_size=40) | FRAMES, max_size=6).map(b"".join)


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(SOUP, SOUP, SOUP, SOUP, st.integers(0, 2), st.sampled_from([None, T0_GPST_NS])),
        max_size=5,
    )
)
def test_any_bytes_are_taken(parts):
    solver, before = RoverSolver(), []
    for rover, base, position, orbits, n_base, near_ns in parts:
        job = msgspec.structs.replace(
            jobs(1)[0],
            rover=rover,
            base=base,
            position=position,
            orbits=orbits,
            n_base=n_base,
            near_gpst_ns=near_ns,
        )
        solution = solver.solve(job).solution
        # An epoch that was solved before, then with a base, gives the same solution again.
        if not (rover and base and position) and solution not in before:
            assert solution is None or solution.kind in (FixKind.NONE, FixKind.SINGLE)
        before.append(solution)


def solved(solver: RoverSolver, job: Job) -> Solution:
    solution = solver.solve(job).solution
    assert solution is not None
    return solution


def test_another_base_begins_anew_and_keeps_the_orbits():
    solver = RoverSolver()
    first, second, third = jobs(3)
    assert solved(solver, first).kind is FixKind.RTK_FIXED
    # Of the new base no position is known: its observations meet nothing of the old one.
    bare = msgspec.structs.replace(second, n_base=first.n_base + 1, position=b"", orbits=b"")
    alone = solved(solver, bare)
    assert (alone.kind, alone.sats_used > 10) == (FixKind.SINGLE, True)
    again = msgspec.structs.replace(third, n_base=first.n_base + 1, orbits=b"")
    found = solved(solver, again)
    assert found.kind in (FixKind.RTK_FLOAT, FixKind.RTK_FIXED)


def test_without_any_date_the_ephemerides_tell_it():
    solver = RoverSolver()
    for job in jobs(2):
        outcome = solver.solve(msgspec.structs.replace(job, near_gpst_ns=None))
    assert outcome.solution is not None
    assert outcome.solution.t_gpst_ns == T0_GPST_NS + 10**9
    undated = msgspec.structs.replace(jobs(1)[0], near_gpst_ns=None, orbits=b"", position=b"")
    assert RoverSolver().solve(undated).solution is None


def test_a_worker_answers_each_job_and_ends_with_its_stdin():
    asked = [encode_job(job) for job in jobs(3)]
    source = io.BytesIO(b"".join(LENGTH.pack(len(data)) + data for data in asked))
    sink = io.BytesIO()
    serve(source, sink)
    answers, data = [], sink.getvalue()
    while data:
        (n,) = LENGTH.unpack(data[: LENGTH.size])
        answers.append(decode_outcome(data[LENGTH.size : LENGTH.size + n]))
        data = data[LENGTH.size + n :]
    assert len(answers) == 3
    assert all(a.error is None and a.solution is not None for a in answers)
    assert all(a.spent_ms > 0.0 for a in answers)
