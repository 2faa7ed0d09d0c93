"""Two solvers, one record an epoch; laws over any arrivals."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bdgw.model import Fix, FixKind, Solver, TimeQuality
from bdgw.receiver import EpochSeen
from bdgw.solving.joining import Joiner
from tests.solving.test_comparison import fix

S_NS = 1_000_000_000
T0_NS = 1_450_000_000 * S_NS


def at(kind: FixKind, t_s: float, east_m: float = 0.0) -> Fix:
    return fix(
        kind,
        east_m,
        t_gpst_ns=T0_NS + round(t_s * S_NS),
        time_quality=TimeQuality.GNSS,
    )


def told(kind: FixKind, t_s: float, rx_s: float, east_m: float = 0.0) -> EpochSeen:
    return EpochSeen(at(kind, t_s, east_m), None, rx_s)


def both(joiner: Joiner, t_s: float, theirs: FixKind, ours: FixKind, off_m: float = 0.0):
    joiner.receiver(told(theirs, t_s, t_s), t_s)
    joiner.raw(T0_NS + round(t_s * S_NS), t_s)
    joiner.solved(at(ours, t_s, off_m), None, t_s, t_s + 0.3)
    (position,) = joiner.positions()
    return position


def test_the_better_kind_is_published_and_the_receivers_where_both_are_alike():
    joiner = Joiner(wait_s=1.5)
    alike = both(joiner, 1.0, FixKind.RTK_FIXED, FixKind.RTK_FIXED)
    assert (alike.solver, alike.fix.kind) == (Solver.RECEIVER, FixKind.RTK_FIXED)
    ours = both(joiner, 2.0, FixKind.SINGLE, FixKind.RTK_FIXED)
    assert (ours.solver, ours.fix.kind) == (Solver.GATEWAY, FixKind.RTK_FIXED)
    assert ours.check is not None
    assert (ours.check.solver, ours.check.kind) == (Solver.RECEIVER, FixKind.SINGLE)
    theirs = both(joiner, 3.0, FixKind.RTK_FLOAT, FixKind.SINGLE)
    assert (theirs.solver, theirs.fix.kind) == (Solver.RECEIVER, FixKind.RTK_FLOAT)
    assert joiner.counts == {"agreed": 3}


def test_disagreement_lowers_the_status_at_once_and_until_it_is_over():
    joiner = Joiner(wait_s=1.5)
    kinds, news = [], []
    for n in range(20):
        off_m = 5.0 if 2 <= n < 6 else 0.0
        position = both(joiner, float(n), FixKind.RTK_FIXED, FixKind.RTK_FIXED, off_m)
        kinds.append(position.fix.kind)
        news += [(n, joiner.watch.is_disagreeing) for _ in joiner.news()]
    assert news == [(4, True), (15, False)]
    doubted = [n for n, kind in enumerate(kinds) if kind is FixKind.RTK_FLOAT]
    assert doubted == list(range(2, 15))
    assert set(kinds) == {FixKind.RTK_FIXED, FixKind.RTK_FLOAT}


def test_a_fixed_of_the_receiver_alone_stands_for_five_seconds_after_agreement():
    joiner = Joiner(wait_s=1.5)
    joiner.receiver(told(FixKind.RTK_FIXED, 0.0, 0.0), 0.0)
    joiner.tick(0.3)
    assert [p.fix.kind for p in joiner.positions()] == [FixKind.RTK_FLOAT]
    both(joiner, 1.0, FixKind.RTK_FIXED, FixKind.RTK_FIXED)
    kinds = []
    for n in range(2, 9):
        joiner.receiver(told(FixKind.RTK_FIXED, float(n), float(n)), float(n))
        joiner.tick(n + 0.3)
        kinds += [p.fix.kind for p in joiner.positions()]
    assert kinds == [FixKind.RTK_FIXED] * 5 + [FixKind.RTK_FLOAT] * 2


def test_an_epoch_whose_observations_have_come_waits_for_its_solution():
    joiner = Joiner(wait_s=1.5)
    joiner.raw(T0_NS, 10.0)
    joiner.receiver(told(FixKind.SINGLE, 0.0, 10.1), 10.1)
    joiner.tick(11.4)
    assert not joiner.positions()
    assert joiner.deadline() == 11.5
    joiner.tick(11.5)
    assert [p.solver for p in joiner.positions()] == [Solver.RECEIVER]
    joiner.solved(at(FixKind.SINGLE, 0.0), None, 10.0, 11.6)
    assert not joiner.positions()
    assert joiner.counts == {"unchecked": 1, "late_solution": 1}


def test_what_a_later_epoch_has_passed_over_waits_no_longer():
    joiner = Joiner(wait_s=1.5)
    joiner.raw(T0_NS, 10.0)
    joiner.solved(at(FixKind.SINGLE, 0.0), None, 10.0, 10.1)
    joiner.tick(10.9)
    assert not joiner.positions(), "its sentences may end with those of the next epoch"
    joiner.receiver(told(FixKind.SINGLE, 0.2, 11.0), 11.0)
    assert [p.solver for p in joiner.positions()] == [Solver.GATEWAY]
    joiner.raw(T0_NS + 200_000_000, 11.0)
    joiner.raw(T0_NS + 400_000_000, 11.1)
    joiner.solved(at(FixKind.SINGLE, 0.4), None, 11.1, 11.15)
    assert [p.solver for p in joiner.positions()] == [Solver.RECEIVER]


def test_against_a_misplaced_base_nobody_is_fixed():
    joiner = Joiner(wait_s=1.5)
    assert both(joiner, 0.0, FixKind.RTK_FIXED, FixKind.RTK_FIXED).fix.kind is FixKind.RTK_FIXED
    joiner.is_base_misplaced = True
    assert both(joiner, 1.0, FixKind.RTK_FIXED, FixKind.RTK_FLOAT).fix.kind is FixKind.RTK_FLOAT
    joiner.receiver(told(FixKind.RTK_FIXED, 2.0, 2.0), 2.0)
    joiner.tick(2.3)
    assert [p.fix.kind for p in joiner.positions()] == [FixKind.RTK_FLOAT]
    joiner.is_base_misplaced = False
    assert both(joiner, 3.0, FixKind.RTK_FIXED, FixKind.RTK_FIXED).fix.kind is FixKind.RTK_FIXED


EVENTS = st.tuples(
    st.sampled_from(["receiver", "raw", "solved", "tick"]),
    st.integers(0, 12),
    st.sampled_from([FixKind.NONE, FixKind.SINGLE, FixKind.RTK_FLOAT, FixKind.RTK_FIXED]),
    st.sampled_from([0.0, 0.01, 7.0]),
    st.floats(0.0, 0.8),
)


@given(st.lists(EVENTS, max_size=60))
def test_laws(events):
    """One record an epoch, in order; fixed only where that was compared, or ours alone."""
    joiner, now, out = Joiner(wait_s=1.5), 100.0, []
    said: dict[int, set[tuple[Solver, FixKind]]] = {}
    for what, n, kind, off_m, pause_s in events:
        now += pause_s
        t_ns = T0_NS + n * S_NS
        if what == "receiver":
            said.setdefault(t_ns, set()).add((Solver.RECEIVER, kind))
            joiner.receiver(told(kind, float(n), now), now)
        elif what == "raw":
            joiner.raw(t_ns, now)
        elif what == "solved":
            said.setdefault(t_ns, set()).add((Solver.GATEWAY, kind))
            joiner.solved(at(kind, float(n), off_m), None, now, now)
        else:
            joiner.tick(now)
        out += joiner.positions()
    joiner.tick(now + 10.0)
    out += joiner.positions()
    assert joiner.deadline() is None
    instants = [position.fix.t_gpst_ns or 0 for position in out]
    assert instants == sorted(set(instants))
    for position in out:
        t_ns = position.fix.t_gpst_ns
        assert t_ns is not None
        kinds = {kind for solver, kind in said[t_ns] if solver is position.solver}
        assert kinds
        if position.check is not None and position.check.is_agreeing is False:
            assert position.fix.kind is not FixKind.RTK_FIXED
        if position.fix.kind is FixKind.RTK_FIXED:
            assert FixKind.RTK_FIXED in kinds
