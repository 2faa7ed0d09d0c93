"""Positions that the gateway computes: raw observations of a rover, corrections of a base.

*Pure*: ``gathering`` (frames to epochs), ``matching`` (which epoch of the base, and how long it is
waited for), ``second_antenna`` (the other one of a heading), ``feed`` (all of it, for one rover),
``job`` and ``rover_solver`` (the inside of a worker); ``comparison`` and ``joining`` (where the
receiver solves as well).
*I/O*: ``worker`` (a process that is started again), ``worker_main`` (its other side), ``desk``.
"""

from bdgw.solving.desk import Solving
from bdgw.solving.position import Position
from bdgw.solving.snapshot import SolverSnapshot
from bdgw.solving.spec import HeadingSpec, SolveMode, SolverSpec

__all__ = ["HeadingSpec", "Position", "SolveMode", "SolverSnapshot", "SolverSpec", "Solving"]
