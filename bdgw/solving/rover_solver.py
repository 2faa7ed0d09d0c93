"""A rover inside of a worker: decodes what came, and lets the engine solve it. Pure.

Epochs come to the engine as ``bdgw rtk`` gives them from files: the same readers, the same engine,
the same order.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache

import msgspec

from bdgw.model import FixKind
from bdgw.positioning.engine import EngineOptions, RtkEngine
from bdgw.positioning.ephemeris import Orbit
from bdgw.positioning.mark import at_mark
from bdgw.positioning.moving_base import MovingBase, MovingBaseOptions
from bdgw.positioning.observation import ObservationEpoch
from bdgw.positioning.solution import Solution
from bdgw.rawlog.code_phase import ALIGNED
from bdgw.rawlog.event import (
    AntennaSeen,
    BasePlace,
    CodePhaseSeen,
    EpochSeen,
    IonosphereSeen,
    OrbitSeen,
)
from bdgw.rawlog.intake import RawIntake
from bdgw.rinex.antenna_choice import AntennaEnd
from bdgw.rtcm.message import decode
from bdgw.solving.antennas import AntennaChooser, ReadAntex, no_file
from bdgw.solving.job import Job, Outcome
from bdgw.solving.matching import SAME_INSTANT_NS
from bdgw.solving.spec import HeadingSpec
from bdgw.ubx.frame import PROTOCOL as UBX

__all__ = ["RoverSolver", "proven"]

_decode_of_base = lru_cache(maxsize=256)(decode)
"""The rovers of a worker often have the same base: its messages are decoded once for all."""
_ANEW_NS = 86_400_000_000_000
"""Weeks are told by the epoch before; after so long a gap they are told by the host again."""
_FEWEST_FIXED = 4
_RATIO_MIN = 1.0


class RoverSolver:
    """Solves the jobs of one device, in their order."""

    def __init__(self, read_antex: ReadAntex = no_file) -> None:
        self._antennas = AntennaChooser(read_antex)
        self._vector_antennas = AntennaChooser(read_antex)
        self._engine: RtkEngine | None = None
        self._n_base: int | None = None
        self._t_gpst_ns = 0
        self._rover = RawIntake()
        self._base = RawIntake(decode=_decode_of_base)
        self._last_near_ns: int | None = None
        self._base_bytes = b""
        self._base_epoch: ObservationEpoch | None = None
        self._vector: VectorSolver | None = None

    def solve(self, job: Job) -> Outcome:
        """Solve one epoch."""
        self._date(job.near_gpst_ns)
        engine = self._engine_for(job)
        vector = self._vector_for(job, engine)
        for intake in (self._rover, self._base):
            for event in _read(intake, job.orbits):
                _tell(engine, event)
                if vector is not None:
                    _tell(vector.engine, event)
        has_place = False
        for event in _read(self._base, job.position):
            if isinstance(event, BasePlace):
                engine.set_base(event.ecef_m)
                has_place = True
            elif isinstance(event, CodePhaseSeen):
                engine.set_code_phase(base_m=event.bias_m)
        base = self._base_of(job.base) if job.base and has_place else None
        found = _events_in(self._rover, job.rover)
        _tell_code_phase(engine, found)
        rover = _last_epoch(found)
        if rover is None:
            return Outcome()
        self._t_gpst_ns = rover.t_gpst_ns
        self._set_antennas(job, engine, vector, rover, has_base=base is not None)
        solution = proven(engine.solve(rover, base), rover.t_gpst_ns, job.max_age_s)
        outcome = Outcome(
            solution=at_mark(solution, (job.antenna_height_m, 0.0, 0.0)),
            base_gpst_ns=None if base is None else base.t_gpst_ns,
            antenna_remarks=self._antennas.remarks,
        )
        if vector is None:
            return outcome
        second = _last_epoch(_events_in(vector.intake, job.second)) if job.second else None
        return vector.solved(outcome, rover, second)

    def _set_antennas(
        self,
        job: Job,
        engine: RtkEngine,
        vector: VectorSolver | None,
        rover: ObservationEpoch,
        *,
        has_base: bool,
    ) -> None:
        """Tell the engines the antennas of their ends; without a file none is corrected."""
        if job.antex is None:
            return
        own = AntennaEnd(job.antenna)
        if has_base:
            said = [e for e in _read(self._base, job.equipment) if isinstance(e, AntennaSeen)]
            # 1007 has no serial number: the last of the messages says most.
            base = AntennaEnd(said[-1].name, said[-1].serial) if said else AntennaEnd(None)
            pair = self._antennas.choose(job.antex, job.systems, own, base, rover)
            engine.set_antennas(pair)
        if vector is not None and job.heading is not None:
            other = AntennaEnd(job.heading.antenna)
            pair = self._vector_antennas.choose(job.antex, job.systems, own, other, rover)
            vector.engine.set_antennas(pair)

    def _date(self, near_ns: int | None) -> None:
        """Tell the readers about when it is, at first and after long gaps."""
        known_ns = self._rover.near_gpst_ns
        if near_ns is None or (known_ns is not None and abs(near_ns - known_ns) < _ANEW_NS):
            return
        if self._last_near_ns is not None and abs(near_ns - self._last_near_ns) < _ANEW_NS:
            return
        self._last_near_ns = near_ns
        self._rover = RawIntake(near_ns)
        self._base = RawIntake(near_ns, decode=_decode_of_base)
        if self._vector is not None:
            self._vector.intake = RawIntake(near_ns)

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

    def _vector_for(self, job: Job, engine: RtkEngine) -> VectorSolver | None:
        """Give what solves the vector from another antenna; it knows the same orbits."""
        if job.heading is None:
            return None
        if self._vector is None:
            self._vector = VectorSolver(job, RawIntake(self._last_near_ns))
            self._vector.engine.ionosphere = engine.ionosphere
            for orbit in _orbits_of(engine, self._t_gpst_ns):
                self._vector.engine.add_orbit(orbit)
        return self._vector

    def _base_of(self, frames: bytes) -> ObservationEpoch | None:
        if frames != self._base_bytes:
            self._base_bytes = frames
            self._base_epoch = _last_epoch(_events_in(self._base, frames))
        return self._base_epoch


class VectorSolver:
    """The vector between two antennas of one vehicle; its own memory of whole numbers."""

    def __init__(self, job: Job, intake: RawIntake) -> None:
        self.intake = intake
        heading = job.heading or HeadingSpec(device="")
        self._pair = MovingBase(
            MovingBaseOptions(
                systems=job.systems,
                mask_deg=job.mask_deg,
                length_m=heading.baseline_m,
                offset_deg=heading.offset_deg,
            )
        )

    @property
    def engine(self) -> RtkEngine:
        """What broadcast data is told to."""
        return self._pair.engine

    def solved(
        self, outcome: Outcome, rover: ObservationEpoch, second: ObservationEpoch | None
    ) -> Outcome:
        """Add what becomes of the vector of this epoch; without the other antenna, why not."""
        if second is None:
            return msgspec.structs.replace(
                outcome,
                vector_kind=FixKind.NONE,
                vector_why="no epoch of the other antenna of this instant",
            )
        found = self._pair.solve(rover, second)
        is_shown = found.n_fixed >= _FEWEST_FIXED and (found.ratio or 0.0) > _RATIO_MIN
        return msgspec.structs.replace(
            outcome,
            attitude=found.attitude if is_shown else None,
            vector_kind=found.kind,
            vector_why=found.why,
        )


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


def _events_in(intake: RawIntake, frames: bytes) -> list[object]:
    """Give what the frames of an epoch hold; what is still open in the reader is closed."""
    events = _read(intake, frames)
    intake.receive(b"", now=0.0)
    return [*events, *intake.events()]


def _last_epoch(events: Iterable[object]) -> ObservationEpoch | None:
    epochs = [event.epoch for event in events if isinstance(event, EpochSeen)]
    return epochs[-1] if epochs else None


def _tell_code_phase(engine: RtkEngine, events: Iterable[object]) -> None:
    """Tell what the rover says of its GLONASS phases, or its language does."""
    for event in events:
        if isinstance(event, CodePhaseSeen):
            engine.set_code_phase(rover_m=event.bias_m)
        elif isinstance(event, EpochSeen) and event.source == UBX:
            engine.set_code_phase(rover_m=ALIGNED)
