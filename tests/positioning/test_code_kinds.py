"""Precise and open codes on one carrier, a quarter of a cycle apart, are not mixed."""

from __future__ import annotations

import numpy as np

from bdgw.model import FixKind
from bdgw.positioning.observation import ObservationEpoch, merged
from bdgw.positioning.satellite import signal_id
from tests.positioning.scene import BASE_M, ROVER_M, T0_NS, Receiver, replaced
from tests.positioning.test_glonass import S_NS, engine, off_m

P_Y, OPEN = signal_id("G", "2W"), signal_id("G", "2X")
N = 20


def as_open(epoch: ObservationEpoch, satellites: np.ndarray, cycles: float) -> ObservationEpoch:
    """Let some satellites send L2C, with phases that the receiver has not aligned to L2 P(Y)."""
    mine = (epoch.signal == P_Y) & np.isin(epoch.satellite, satellites)
    return replaced(
        epoch,
        signal=np.where(mine, OPEN, epoch.signal),
        phase_cycles=epoch.phase_cycles + cycles * mine,
    )


def test_satellites_with_and_without_l2c_are_fixed_each_by_themselves() -> None:
    one, rover, base = engine("G"), Receiver(1, systems="G"), Receiver(2, systems="G")
    n_fixed = 0
    for k in range(N):
        t_ns = T0_NS + k * S_NS
        measured = rover.measure(t_ns, ROVER_M)
        names = np.unique(measured.satellite)
        solution = one.solve(
            as_open(measured, names[::2], 0.25),
            base.measure(t_ns, BASE_M),
        )
        if solution.kind is FixKind.RTK_FIXED:
            n_fixed += 1
            assert off_m(solution) < 0.03
            assert solution.n_fixed > 2 * len(names)
    assert n_fixed >= N - 10


def test_the_code_that_both_ends_have_is_taken() -> None:
    """The base has both on L2, the rover L2C alone: of the base's the first would be the other."""
    one, rover, base = engine("G"), Receiver(1, systems="G"), Receiver(2, systems="G")
    fixed = []
    for k in range(N):
        t_ns = T0_NS + k * S_NS
        open_rover = as_open(rover.measure(t_ns, ROVER_M), np.arange(100), 0.25)
        precise = base.measure(t_ns, BASE_M)
        # On P(Y) the base is wrong, by a third of a cycle more from satellite to satellite.
        wrong = replaced(
            precise,
            phase_cycles=precise.phase_cycles
            + np.where(precise.signal == P_Y, precise.satellite / 3.0, 0.0),
        )
        both = merged(wrong, as_open(precise, np.arange(100), 0.25).taken(precise.signal == P_Y))
        solution = one.solve(open_rover, both)
        if solution.kind is FixKind.RTK_FIXED:
            assert off_m(solution) < 0.03
            fixed.append(solution.n_fixed)
    assert len(fixed) >= N - 10
    assert min(fixed) > 2 * 6
