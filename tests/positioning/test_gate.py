"""What a set of whole numbers is believed by: agreement of arcs, proof, and doubt."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bdgw.model import FixKind
from bdgw.positioning.agreement import Agreement, Verdict
from bdgw.positioning.fix_gate import Evidence
from tests.positioning.scene import BASE_M, ROVER_M, T0_NS, Receiver, replaced
from tests.positioning.test_engine import COLUMNS, S_NS, engine, off_m, recording

ARCS = np.arange(10) * 16
GROUP = np.array([1] * 5 + [2] * 5)


def evidence(cycles: np.ndarray, used: np.ndarray | None = None) -> Evidence:
    mask = np.ones(len(cycles), dtype=np.bool_) if used is None else used
    whole = cycles.astype(np.int64)
    return Evidence(
        np.zeros(3), np.eye(3), whole, mask, 20, 1.0, 1.0, 1.0, 6, 6.0, 0.003, None,
        np.zeros(len(cycles)), np.zeros((3, 3)),
    )  # fmt: skip


def agreement() -> Agreement:
    return Agreement(n_epochs=5, span_s=9.0, memory_s=300.0)


def add(one: Agreement, t_s: float, cycles: np.ndarray, *, is_found: bool = True) -> Verdict:
    return one.add(t_s, one.compare(ARCS, GROUP, evidence(cycles)), is_found=is_found)


def test_arcs_are_known_after_as_many_epochs_and_seconds_and_for_as_long() -> None:
    one, cycles = agreement(), np.arange(10)
    for t_s in range(0, 20, 2):
        assert not one.known(t_s, ARCS)[0].any() or t_s > 9
        add(one, t_s, cycles)
    is_known, known = one.known(20.0, ARCS)
    assert is_known.all()
    assert (known == cycles).all()
    # Proven for 18 s, known for 18 s after the last time.
    assert one.known(36.0, ARCS)[0].all()
    assert not one.known(36.5, ARCS)[0].any()


def test_what_is_known_is_no_evidence_of_itself() -> None:
    one, cycles = agreement(), np.arange(10)
    for t_s in range(0, 20, 2):
        add(one, t_s, cycles)
    for t_s in range(20, 60, 2):
        add(one, t_s, cycles, is_found=False)
    assert not one.known(60.0, ARCS)[0].any()


def test_another_count_of_a_group_is_no_change() -> None:
    one, cycles = agreement(), np.arange(10)
    for t_s in range(0, 20, 2):
        shifted = cycles + np.where(GROUP == 1, t_s, -3 * t_s)
        assert not len(one.changed(one.compare(ARCS, GROUP, evidence(shifted))))
        verdict = add(one, t_s, shifted)
    assert verdict is Verdict.PROVEN


def test_one_arc_that_changed_alone_is_named_and_begins_anew() -> None:
    one, cycles = agreement(), np.arange(10)
    for t_s in range(0, 20, 2):
        add(one, t_s, cycles)
    other = cycles + (np.arange(10) == 3)
    assert one.changed(one.compare(ARCS, GROUP, evidence(other))).tolist() == [ARCS[3]]
    add(one, 20.0, other)
    assert one.known(21.0, ARCS)[0].tolist() == [k != 3 for k in range(10)]


def test_another_set_must_prove_itself_anew() -> None:
    one, cycles = agreement(), np.arange(10)
    for t_s in range(0, 20, 2):
        add(one, t_s, cycles)
    other = cycles * 2
    assert add(one, 20.0, other) is Verdict.CONTRADICTED
    assert not one.known(21.0, ARCS)[0].any()
    verdicts = [add(one, 22.0 + k, other) for k in range(12)]
    assert verdicts[0] is Verdict.OWED
    assert verdicts[-1] is Verdict.PROVEN


def test_after_a_gap_without_test_of_motion_nothing_is_known() -> None:
    one, cycles = agreement(), np.arange(10)
    for t_s in range(0, 20, 2):
        add(one, t_s, cycles)
    one.pause()
    assert not one.known(20.0, ARCS)[0].any()


def test_a_phase_that_creeps_is_left_out_and_the_fix_stays_right() -> None:
    """A low satellite's loop lets go over three seconds, as receivers do before they lose it."""
    one, rover, base = engine(), Receiver(1), Receiver(2)
    n_fixed = 0
    for k in range(40):
        epoch = rover.measure(T0_NS + k * S_NS, ROVER_M)
        creep = 0.33 * min(max(k - 25, 0), 3)
        off = np.where(epoch.satellite == epoch.satellite[0], creep, 0.0)
        epoch = replaced(epoch, phase_cycles=epoch.phase_cycles + off)
        solution = one.solve(epoch, base.measure(T0_NS + k * S_NS, BASE_M))
        if solution.kind is FixKind.RTK_FIXED:
            n_fixed += 1
            assert off_m(solution) < 0.03
    assert n_fixed >= 35


@settings(max_examples=25)
@given(st.data())
def test_few_satellites_odd_columns_and_any_order_of_times(data: st.DataObject) -> None:
    """One to six satellites, all NaN, epochs again, backwards and mixed: no exception, no fix
    that is wrong, and none at all without satellites that could contradict."""
    one = engine()
    rovers, bases = recording()
    n_kept = data.draw(st.integers(0, 6))
    for k in data.draw(st.lists(st.integers(0, 19), min_size=1, max_size=8)):
        epochs = []
        for whole in (rovers[k], bases[data.draw(st.integers(0, 19))]):
            names = data.draw(st.permutations(sorted(set(whole.satellite.tolist()))))[:n_kept]
            epoch = whole.taken(np.isin(whole.satellite, names))
            for name in data.draw(st.lists(st.sampled_from([*COLUMNS, "cn0_dbhz"]), max_size=3)):
                epoch = replaced(epoch, **{name: np.full(len(epoch.satellite), math.nan)})
            epochs.append(epoch)
        solution = one.solve(epochs[0], epochs[1])
        if n_kept < 6:
            assert solution.kind is not FixKind.RTK_FIXED
        if solution.kind is FixKind.RTK_FIXED:
            assert off_m(solution) < 0.05
        if solution.ecef_m is not None:
            assert all(map(math.isfinite, solution.ecef_m))
