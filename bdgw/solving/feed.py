"""One rover outside of the worker: from frames to jobs, and what became of them. Pure.

Bounded everywhere: an epoch that no worker could take in time is dropped and counted, newest wins.
Ephemerides are kept, so that a worker that begins anew has them at once.
"""

from __future__ import annotations

from collections import Counter, deque

import msgspec

from bdgw.model import Fix, FixKind, Provenance, Solver
from bdgw.positioning.base_place import BaseCheck
from bdgw.positioning.solution import Solution
from bdgw.receiver import EpochSeen
from bdgw.rtcm.frame import LEADS as RTCM3_LEADS
from bdgw.solving.fix import fix_of, heading_of, provenance_of
from bdgw.solving.gathering import (
    LANGUAGE_S,
    BiasFrame,
    EpochFrames,
    EquipmentFrame,
    Gathered,
    Gatherer,
    OrbitFrame,
    PositionFrame,
    cut_frames,
)
from bdgw.solving.gathering_raw import RawGatherer
from bdgw.solving.job import Job, Outcome
from bdgw.solving.joining import Joiner
from bdgw.solving.matching import Matcher, Pair
from bdgw.solving.position import Position
from bdgw.solving.second_antenna import SecondAntenna
from bdgw.solving.snapshot import SolverSnapshot
from bdgw.solving.spec import SolveMode, SolverSpec

__all__ = ["Feed", "Ready"]

_READY_MAX = 4
_ORBITS_MAX = 512
_OWED_MAX = 2 * _ORBITS_MAX
"""While no epoch comes the sets that do are kept; beyond, only the newest of each."""
_SMOOTH = 0.05
_DAY_NS = 86_400_000_000_000
_COMPUTE_S = 1.0
"""A fix of the receiver waits so much longer than the base may take."""


class _Matched(msgspec.Struct, frozen=True, kw_only=True):
    """A pair, and what was known of the base when it was matched."""

    pair: Pair
    n_base: int
    position: PositionFrame | None
    bias: BiasFrame | None
    source: Provenance | None


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """A job, and what the gateway knows of it that the worker need not."""

    job: Job
    rx_s: float
    source: Provenance | None
    station: int | None
    is_dated: bool
    """Whether the receiver itself said the week."""


class Feed:
    """One device. ``near_gpst_ns`` is about when it is, None where no date is known."""

    def __init__(self, spec: SolverSpec) -> None:
        self.spec = spec
        self._rover = Gatherer()
        self._raw = RawGatherer()
        self._base = Gatherer()
        self._language: str | None = None
        self._spoke_s = 0.0
        self._said_gpst_ns: int | None = None
        self._matcher = Matcher(
            wait_s=spec.wait_s, max_age_s=spec.max_age_s, has_base=spec.has_base
        )
        self._second = None if spec.heading is None else SecondAntenna(wait_s=spec.wait_s)
        self._held: deque[_Matched] = deque()
        """Matched with the base, and waiting for the other antenna."""
        self._ready: deque[_Matched] = deque()
        self._orbits: dict[tuple[int, int], bytes] = {}
        self._owed: deque[tuple[int, bytes]] = deque()
        self._n_orbits = 0
        self._position: PositionFrame | None = None
        self._bias: BiasFrame | None = None
        self._rover_bias = b""
        self._source: Provenance | None = None
        self._station: int | None = None
        self._n_base = 0
        self._near_gpst_ns: int | None = None
        self._dropped: Counter[str] = Counter()
        self._kinds: Counter[FixKind] = Counter()
        self._n_solved = 0
        self._ms_per_epoch: float | None = None
        self._why: str | None = None
        self._equipment: dict[int, EquipmentFrame] = {}
        self._antenna_remarks: tuple[str, ...] = ()
        self._base_check: BaseCheck | None = None
        """What was last found of the base's position, also before its worker began anew."""
        self._vectors: Counter[FixKind] = Counter()
        self._vector_why: str | None = None
        self._has_heard = False
        self._solved: list[Position] = []
        self.joiner = (
            Joiner(wait_s=spec.wait_s + _COMPUTE_S) if spec.mode is SolveMode.BOTH else None
        )
        self.n_restarts = 0
        """How often its worker began anew."""

    def rover_frame(self, frame: bytes, *, near_gpst_ns: int | None, now: float) -> None:
        """Take a frame of the rover's stream, RTCM 3, UBX or Unicore."""
        if frame[0] in RTCM3_LEADS:
            near_ns = self._near_ns(near_gpst_ns)
            found = self._rover.receive(frame, near_gpst_ns=near_ns, now=now)
        else:
            found = self._raw.receive(frame, now=now)
        for item in found:
            self._hear_time(item)
        self._date(self._near_ns(near_gpst_ns))
        for item in found:
            self._rover_said(item, now)
        self._look(now)

    def second_frame(self, frame: bytes, *, near_gpst_ns: int | None, now: float) -> None:
        """Take a frame of the other antenna's stream."""
        if self._second is None:
            return
        near_ns = self._near_ns(near_gpst_ns)
        for item in self._second.receive(frame, near_gpst_ns=near_ns, now=now):
            self._hear_time(item)
            self._second_said(item)
        self._date(self._near_ns(near_gpst_ns))
        self._look(now)

    def receiver_epoch(self, epoch: EpochSeen, now: float) -> None:
        """Take what the receiver says of an epoch; with nothing to compare it is not published."""
        if self.joiner is not None:
            self.joiner.receiver(epoch, now)

    def positions(self) -> list[Position]:
        """Drain what is ready to be published."""
        solved, self._solved = self._solved, []
        return solved if self.joiner is None else self.joiner.positions()

    def base_frames(
        self, data: bytes, *, source: Provenance | None, near_gpst_ns: int | None, now: float
    ) -> None:
        """Take whole frames of the correction that the device is given, and whose they are."""
        near_gpst_ns = self._near_ns(near_gpst_ns)
        self._date(near_gpst_ns)
        if _stream_of(source) != _stream_of(self._source):
            # Its own position comes first with it; that of another base is of no use.
            self._begin_base()
            self._position, self._bias, self._base = None, None, Gatherer()
            self._equipment = {}
        self._source = source
        for frame in cut_frames(data):
            for item in self._base.receive(frame, near_gpst_ns=near_gpst_ns, now=now):
                self._base_said(item)
        self._look(now)

    def tick(self, *, now: float) -> None:
        """Let waits end."""
        for item in self._rover.tick(now=now):
            self._rover_said(item, now)
        for item in self._base.tick(now=now):
            self._base_said(item)
        if self._second is not None:
            for item in self._second.tick(now=now):
                self._second_said(item)
        self._look(now)
        if self.joiner is not None:
            self.joiner.tick(now)

    def deadline(self) -> float | None:
        """When ``tick`` is due."""
        joined_s = None if self.joiner is None else self.joiner.deadline()
        parts = (
            self._rover.deadline(),
            self._base.deadline(),
            self._matcher.deadline(),
            joined_s,
            *self._second_deadlines(),
        )
        return min((at_s for at_s in parts if at_s is not None), default=None)

    def is_ready(self) -> bool:
        """Whether there is a job."""
        return bool(self._ready)

    def take(self) -> Ready | None:
        """Take the next job, oldest first."""
        if not self._ready:
            return None
        matched, spec = self._ready.popleft(), self.spec
        rover, base = matched.pair.rover, matched.pair.base
        job = Job(
            device=spec.device,
            n_base=matched.n_base,
            near_gpst_ns=self._near_gpst_ns,
            rover=self._rover_bias + rover.frames,
            base=b"" if base is None else base.frames,
            # Receivers do not join the position of one station with observations of another.
            position=b"".join(
                said.frame
                for said in (matched.position, matched.bias)
                if base is not None and said is not None and said.station == base.station
            ),
            orbits=self._owed_until(rover.n_orbits),
            systems=spec.systems,
            mask_deg=spec.mask_deg,
            is_static=spec.is_static,
            max_age_s=spec.max_age_s,
            second=b"" if self._second is None else self._second.frames_of(rover),
            heading=spec.heading,
            equipment=self._equipment_of(base),
            antenna=spec.antenna,
            antenna_height_m=spec.antenna_height_m,
            antex=spec.antex,
        )
        return Ready(
            job=job,
            rx_s=rover.rx_s,
            source=None if base is None else matched.source,
            station=None if base is None else base.station,
            is_dated=rover.is_dated,
        )

    def solved(self, ready: Ready, outcome: Outcome, now: float) -> None:
        """Take what became of a job."""
        solution = outcome.solution
        if outcome.error is not None:
            self._dropped["failed"] += 1
            self._why = outcome.error
            self.restarted()
            return
        if solution is None:
            self._dropped["undated"] += 1
            self._why = "no date is known, and no ephemeris has told one"
            return
        solution = self._against(solution, ready.job.n_base)
        self._n_solved += 1
        self._kinds[solution.kind] += 1
        self._why = solution.why
        before_ms = self._ms_per_epoch
        spent_ms = outcome.spent_ms
        self._ms_per_epoch = (
            spent_ms if before_ms is None else before_ms + _SMOOTH * (spent_ms - before_ms)
        )
        fix = fix_of(solution, ready.station, is_dated=ready.is_dated)
        fix = self._with_heading(fix, outcome)
        corr = provenance_of(fix, ready.source)
        if self.joiner is not None:
            self.joiner.solved(fix, corr, ready.rx_s, now)
            return
        self._solved.append(Position(fix=fix, solver=Solver.GATEWAY, rx_s=ready.rx_s, corr=corr))

    def restarted(self) -> None:
        """The worker has forgotten everything: it is told the ephemerides once more."""
        self._owed = deque((0, frame) for frame in self._orbits.values())

    def lost(self) -> None:
        """The worker ended over a job of this device."""
        self._dropped["worker_ended"] += 1

    def snapshot(self, *, worker: str) -> SolverSnapshot:
        """How it fares."""
        joiner = self.joiner
        return SolverSnapshot(
            mode=self.spec.mode.value,
            language=self._language,
            epochs=self._n_solved,
            kinds={kind.value: n for kind, n in self._kinds.items()},
            waited=self._matcher.n_waited,
            dropped=dict(self._matcher.dropped + self._dropped),
            waiting=len(self._ready),
            ephemerides=len(self._orbits),
            bad_checksums=self._raw.n_bad_checksum,
            ms_per_epoch=None if self._ms_per_epoch is None else round(self._ms_per_epoch, 3),
            worker=worker,
            worker_restarts=self.n_restarts,
            reason=self._why if self._has_heard else "no whole epoch of observations has come",
            compared={} if joiner is None else dict(joiner.counts),
            is_disagreeing=None if joiner is None else joiner.watch.is_disagreeing,
            vectors={kind.value: n for kind, n in self._vectors.items()},
            vector_reason=self._vector_why,
            antennas=self._antenna_remarks,
            base_check=self._base_check,
        )

    def _against(self, solution: Solution, n_base: int) -> Solution:
        """Call nothing fixed against a base that has been found misplaced."""
        if n_base == self._n_base and solution.base_check is not None:
            self._base_check = solution.base_check
        is_misplaced = self._base_check is not None and self._base_check.is_misplaced
        if self.joiner is not None:
            self.joiner.is_base_misplaced = is_misplaced
        if not is_misplaced or solution.kind is not FixKind.RTK_FIXED:
            return solution
        return msgspec.structs.replace(solution, kind=FixKind.RTK_FLOAT, why="misplaced base")

    def _rover_said(self, item: Gathered, now: float) -> None:
        if isinstance(item, EpochFrames):
            if not self._is_of_language(item, now):
                self._dropped["other_language"] += 1
                return
            self._has_heard = True
            item = msgspec.structs.replace(item, n_orbits=self._n_orbits)
            self._matcher.rover(item)
            if self.joiner is not None:
                self.joiner.raw(item.t_gpst_ns, now)
        elif isinstance(item, BiasFrame):
            self._rover_bias = item.frame
        elif isinstance(item, OrbitFrame):
            self._keep(item)

    def _is_of_language(self, epoch: EpochFrames, now: float) -> bool:
        """Keep to one language; with another one everything begins anew."""
        if epoch.language != self._language:
            if self._language is not None:
                if now - self._spoke_s < LANGUAGE_S:
                    return False
                self._begin_base()
            self._language = epoch.language
        self._spoke_s = now
        return True

    def _hear_time(self, item: Gathered) -> None:
        if isinstance(item, EpochFrames) and item.is_dated:
            self._said_gpst_ns = item.t_gpst_ns

    def _near_ns(self, near_gpst_ns: int | None) -> int | None:
        """Tell about when it is: a receiver that names the week is taken at its word.

        Then base and rover are of one week, whatever that is.
        """
        return near_gpst_ns if self._said_gpst_ns is None else self._said_gpst_ns

    def _owed_until(self, n_orbits: int) -> bytes:
        """Take the sets that came before an epoch did: so it is with recorded data as well."""
        found = []
        while self._owed and self._owed[0][0] <= n_orbits:
            found.append(self._owed.popleft()[1])
        return b"".join(found)

    def _with_heading(self, fix: Fix, outcome: Outcome) -> Fix:
        self._antenna_remarks = outcome.antenna_remarks
        if outcome.vector_kind is not None:
            self._vectors[outcome.vector_kind] += 1
            self._vector_why = outcome.vector_why
        heading = heading_of(outcome.attitude)
        return fix if heading is None else msgspec.structs.replace(fix, heading=heading)

    def _equipment_of(self, base: EpochFrames | None) -> bytes:
        """Give what the base of an epoch says of its antenna, the message that says most last."""
        if base is None or self.spec.antex is None:
            return b""
        said = sorted(self._equipment.items())
        return b"".join(item.frame for _, item in said if item.station == base.station)

    def _second_said(self, item: Gathered) -> None:
        if isinstance(item, OrbitFrame):
            self._keep(item)

    def _second_deadlines(self) -> list[float | None]:
        if self._second is None:
            return []
        held = [one.pair.rover.rx_s + self.spec.wait_s for one in self._held]
        return [self._second.deadline(), *held[:1]]

    def _base_said(self, item: Gathered) -> None:
        if isinstance(item, OrbitFrame):
            self._keep(item)
        elif isinstance(item, PositionFrame):
            self._position = item
        elif isinstance(item, BiasFrame):
            self._bias = item
        elif isinstance(item, EquipmentFrame):
            self._equipment[item.number] = item
        elif item.station == self._station:
            self._matcher.base(item)
        else:
            if self._station is not None:
                self._begin_base()
            self._station = item.station
            self._matcher.base(item)

    def _date(self, near_ns: int | None) -> None:
        """Note about when it is; ephemerides that were dated by another time are told anew."""
        before_ns, self._near_gpst_ns = self._near_gpst_ns, near_ns
        if near_ns is None or (before_ns is not None and abs(near_ns - before_ns) < _DAY_NS):
            return
        self.restarted()
        if before_ns is not None:
            self._begin_base()

    def _begin_base(self) -> None:
        """Let nothing of the base before meet the new one; its position may be known already."""
        self._n_base += 1
        self._station = self._base_check = None
        if self.joiner is not None:
            self.joiner.is_base_misplaced = False
        self._matcher.forget_base()

    def _keep(self, item: OrbitFrame) -> None:
        if self._orbits.get(item.key) == item.frame:
            return
        if item.key not in self._orbits and len(self._orbits) >= _ORBITS_MAX:
            return
        self._n_orbits += 1
        # The newest last: of ionospheres the last one counts.
        self._orbits.pop(item.key, None)
        self._orbits[item.key] = item.frame
        if len(self._owed) >= _OWED_MAX:
            self.restarted()
            return
        self._owed.append((self._n_orbits, item.frame))

    def _look(self, now: float) -> None:
        for pair in self._matcher.due(now):
            self._held.append(
                _Matched(
                    pair=pair,
                    n_base=self._n_base,
                    position=self._position,
                    bias=self._bias,
                    source=self._source,
                )
            )
        while self._held and self._is_whole(self._held[0], now):
            if len(self._ready) == _READY_MAX:
                self._ready.popleft()
                self._dropped["late"] += 1
            self._ready.append(self._held.popleft())

    def _is_whole(self, matched: _Matched, now: float) -> bool:
        """Whether the other antenna, if there is one, is waited for no longer."""
        second, is_full = self._second, len(self._held) > _READY_MAX
        return second is None or is_full or second.due_s(matched.pair.rover, now) <= now


def _stream_of(source: Provenance | None) -> tuple[str | None, str | None] | None:
    return None if source is None else (source.name, source.mount)
