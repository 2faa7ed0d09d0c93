"""A rover inside of a worker: decodes what came, and lets the engine solve it. Pure.

Epochs come to the engine as ``bdgw rtk`` gives them from files: the same readers, the same engine,
the same order.
"""

from __future__ import annotations

import math

import msgspec

from bdgw.model import FixKind
from bdgw.positioning.engine import EngineOptions, RtkEngine
from bdgw.positioning.ephemeris import Orbit
from bdgw.positioning.observation import ObservationEpoch
from bdgw.positioning.solution import Solution
from bdgw.rawlog.intake import BasePlace, EpochSeen, IonosphereSeen, OrbitSeen, RawIntake
from bdgw.solving.job import Job, Outcome
from bdgw.solving.matching import SAME_INSTANT_NS

__all__ = ["RoverSolver", "proven"]

_ANEW_NS = 86_400_000_000_000
"""Weeks are told by the epoch before; after so long a gap they are told by the host again."""
_FEWEST_FIXED = 4
_RATIO_MIN = 1.0


class RoverSolver:
    """Solves the jobs of one device, in their order."""

    def __init__(self) -> None:
        self._engine: RtkEngine | None = None
        self._n_base: int | None = None
        self._t_gpst_ns = 0
        self._rover = RawIntake()
        self._base = RawIntake()
        self._last_near_ns: int | None = None
        self._base_bytes = b""
        self._base_epoch: ObservationEpoch | None = None

    def solve(self, job: Job) -> Outcome:
        """Solve one epoch."""
        self._date(job.near_gpst_ns)
        engine = self._engine_for(job)
        for intake in (self._rover, self._base):
            for event in _read(intake, job.orbits):
                _tell(engine, event)
        has_place = False
        for event in _read(self._base, job.position):
            if isinstance(event, BasePlace):
                engine.set_base(event.ecef_m)
                has_place = True
        base = self._base_of(job.base) if job.base and has_place else None
        rover = _epoch_in(self._rover, job.rover)
        if rover is None:
            return Outcome()
        self._t_gpst_ns = rover.t_gpst_ns
        solution = proven(engine.solve(rover, base), rover.t_gpst_ns, job.max_age_s)
        return Outcome(solution=solution, base_gpst_ns=None if base is None else base.t_gpst_ns)

    def _date(self, near_ns: int | None) -> None:
        """Tell the readers about when it is, at first and after long gaps."""
        known_ns = self._rover.near_gpst_ns
        if near_ns is None or (known_ns is not None and abs(near_ns - known_ns) < _ANEW_NS):
            return
        if self._last_near_ns is not None and abs(near_ns - self._last_near_ns) < _ANEW_NS:
            return
        self._last_near_ns = near_ns
        self._rover, self._base = RawIntake(near_ns), RawIntake(near_ns)

    def _engine_for(self, job: Job) -> RtkEngine:
        """Give the engine; of another base than before only broadcast data is left."""
        engine = self._engine
        if engine is not None and job.n_base == self._n_base:
            return engine
        made = RtkEngine(
            EngineOptions(
                systems=job.systems,
                mask_deg=job.mask_deg,
                is_static=job.is_static,
                max_age_s=job.max_age_s,
            )
        )
        if engine is not None:
            made.ionosphere = engine.ionosphere
            for orbit in _orbits_of(engine, self._t_gpst_ns):
                made.add_orbit(orbit)
        self._engine, self._n_base = made, job.n_base
        self._base_bytes, self._base_epoch = b"", None
        return made

    def _base_of(self, frames: bytes) -> ObservationEpoch | None:
        if frames != self._base_bytes:
            self._base_bytes, self._base_epoch = frames, _epoch_in(self._base, frames)
        return self._base_epoch


def proven(solution: Solution, t_gpst_ns: int, max_age_s: float) -> Solution:
    """Let through as fixed only what was fixed at this epoch, with a base that is young enough.

    The engine has its own gate before; here stands what must hold of every fixed record.
    """
    age_s = solution.age_s
    is_of_now = solution.t_gpst_ns == t_gpst_ns
    is_young = age_s is not None and -SAME_INSTANT_NS * 1e-9 <= age_s <= max_age_s
    is_shown = (
        solution.n_fixed >= _FEWEST_FIXED
        and (solution.ratio or 0.0) > _RATIO_MIN
        and all(math.isfinite(value or math.nan) for value in (solution.acc_h_m, solution.acc_v_m))
    )
    if not is_of_now:
        return Solution(t_gpst_ns=t_gpst_ns, why="no solution of this epoch")
    if solution.kind is not FixKind.RTK_FIXED or (is_young and is_shown):
        return solution
    return msgspec.structs.replace(solution, kind=FixKind.RTK_FLOAT, why="fixed without evidence")


def _tell(engine: RtkEngine, event: object) -> None:
    if isinstance(event, OrbitSeen):
        engine.add_orbit(event.orbit)
    elif isinstance(event, IonosphereSeen):
        engine.ionosphere = engine.ionosphere.heard(event.system, event.model)


def _orbits_of(engine: RtkEngine, t_ns: int) -> list[Orbit]:
    found = (engine.store.choose(satellite, t_ns) for satellite in engine.store.satellites())
    return [orbit for orbit in found if orbit is not None]


def _read(intake: RawIntake, frames: bytes) -> list[object]:
    if not frames:
        return []
    intake.receive(frames, now=0.0)
    return list(intake.events())


def _epoch_in(intake: RawIntake, frames: bytes) -> ObservationEpoch | None:
    """Give the epoch that the frames hold; what is still open in the reader is closed."""
    events = _read(intake, frames)
    intake.receive(b"", now=0.0)
    events += intake.events()
    epochs = [event.epoch for event in events if isinstance(event, EpochSeen)]
    return epochs[-1] if epochs else None
