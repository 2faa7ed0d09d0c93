"""A position that is ready to be published: whoever computed it, and what the other one says."""

from __future__ import annotations

import msgspec

from bdgw.model import Fix, Provenance, Solver, SolverCheck
from bdgw.receiver import EpochSeen

__all__ = ["Position"]


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """One epoch of a device.

    ``epoch`` is what the receiver said, where it did; ``corr`` is the base of a position that the
    gateway computed. ``rx_s`` is when the data of the epoch had come.
    """

    fix: Fix
    solver: Solver
    rx_s: float
    epoch: EpochSeen | None = None
    corr: Provenance | None = None
    check: SolverCheck | None = None
