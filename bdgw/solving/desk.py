"""The solving room in the event loop: frames in, worker processes, solutions out.

Nothing is computed here. A device always has the same worker, which remembers its epochs.
"""

from __future__ import annotations

import asyncio
import math
import os
import random
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

import structlog

from bdgw.model import Alarm, Provenance
from bdgw.receiver import EpochSeen
from bdgw.solving.base_doubt import BaseDoubts
from bdgw.solving.comparison import Comparison
from bdgw.solving.feed import Feed, Ready
from bdgw.solving.job import Outcome
from bdgw.solving.position import Position
from bdgw.solving.snapshot import SolverSnapshot
from bdgw.solving.spec import SolveMode, SolverSpec
from bdgw.solving.worker import Worker

__all__ = ["Solving"]

_SHOWN = 5

_log = structlog.get_logger(__name__)


class Clock(Protocol):
    """Where the time comes from."""

    def monotonic_s(self) -> float:
        """Seconds that never step."""
        ...

    def utc_ns(self) -> int:
        """POSIX nanoseconds of the host."""
        ...


class Solving:
    """One for the gateway; ``near_gpst_ns`` tells about when it is, or None."""

    def __init__(
        self,
        specs: Sequence[SolverSpec],
        *,
        emit: Callable[[str, Position], None],
        alarm: Callable[[Alarm], None],
        clock: Clock,
        near_gpst_ns: Callable[[float], int | None],
        rng: random.Random,
        n_workers: int | None = None,
    ) -> None:
        """Prepare; no process is started yet."""
        self._feeds = {spec.device: Feed(spec) for spec in specs}
        self._followers: dict[str, list[Feed]] = {}
        """Who takes its heading from a device."""
        for spec in specs:
            if spec.heading is not None:
                self._followers.setdefault(spec.heading.device, []).append(self._feeds[spec.device])
        self._bases = BaseDoubts()
        self._emit = emit
        self._alarm = alarm
        self._clock = clock
        self._near_gpst_ns = near_gpst_ns
        self._due = asyncio.Event()
        self._next_s = math.inf
        """When the time is looked at next."""
        n = min(len(specs), n_workers or max(1, (os.cpu_count() or 2) - 1))
        self._teams = [list(self._feeds.values())[k::n] for k in range(n)]
        self._turns = [0] * n
        self._workers = [
            Worker(
                f"solver {k}",
                next_job=partial(self._next_of, k),
                on_outcome=self._came,
                on_lost=partial(self._lost, k),
                monotonic_s=clock.monotonic_s,
                rng=rng,
            )
            for k in range(n)
        ]
        self._worker_of = {
            feed.spec.device: k for k, team in enumerate(self._teams) for feed in team
        }

    async def run(self) -> None:
        """Serve until cancelled; every process has ended on return."""
        async with asyncio.TaskGroup() as group:
            for worker in self._workers:
                group.create_task(worker.run(), name=worker.name)
            group.create_task(self._keep_time(), name="solver waits")

    def mode(self, device: str) -> SolveMode:
        """Who solves a device."""
        feed = self._feeds.get(device)
        return SolveMode.RECEIVER if feed is None else feed.spec.mode

    def rover_frame(self, device: str, frame: bytes, now: float) -> None:
        """Take a frame of a device's own stream; of devices that are not solved nothing is kept."""
        feed = self._feeds.get(device)
        if feed is not None:
            feed.rover_frame(frame, near_gpst_ns=self._near_gpst_ns(now), now=now)
            self._look(device)
        for follower in self._followers.get(device, ()):
            follower.second_frame(frame, near_gpst_ns=self._near_gpst_ns(now), now=now)
            self._look(follower.spec.device)

    def receiver_epoch(self, device: str, epoch: EpochSeen, now: float) -> None:
        """Take what the receiver of a device that both solve says of an epoch."""
        feed = self._feeds.get(device)
        if feed is not None:
            feed.receiver_epoch(epoch, now)
            self._look(device)

    def base_frames(self, device: str, data: bytes, source: Provenance | None, now: float) -> None:
        """Take whole frames of the correction that a device is given."""
        feed = self._feeds.get(device)
        if feed is not None:
            near_ns = self._near_gpst_ns(now)
            feed.base_frames(data, source=source, near_gpst_ns=near_ns, now=now)
            self._look(device)

    def snapshot(self, device: str) -> SolverSnapshot | None:
        """How a device fares; None where the gateway does not solve it."""
        feed = self._feeds.get(device)
        if feed is None:
            return None
        return feed.snapshot(worker=self._workers[self._worker_of[device]].state)

    def pids(self) -> list[int]:
        """The processes that run."""
        return [worker.pid for worker in self._workers if worker.pid is not None]

    def _look(self, device: str) -> None:
        """Give out what is ready, and wake whoever has something to do."""
        feed = self._feeds[device]
        for position in feed.positions():
            self._emit(device, position)
        if feed.joiner is not None:
            for found in feed.joiner.news():
                self._tell(device, found, is_disagreeing=feed.joiner.watch.is_disagreeing)
        if feed.is_ready():
            self._workers[self._worker_of[device]].wake()
        deadline_s = feed.deadline()
        if deadline_s is not None and deadline_s < self._next_s:
            self._due.set()

    def _tell(self, device: str, found: Comparison, *, is_disagreeing: bool) -> None:
        """Raise the alarm, or say that it is over."""
        off = f"{found.diff_h_m:.2f} m apart (bound {found.bound_h_m:.2f} m)"
        if found.diff_v_m is not None:
            off += f", {found.diff_v_m:.2f} m in height (bound {found.bound_v_m:.2f} m)"
        kind, text = (
            ("solvers_disagree", f"receiver and gateway are {off}; the status is lowered")
            if is_disagreeing
            else ("solvers_agree", f"receiver and gateway agree again: {off}")
        )
        fields: dict[str, str | int | float] = {
            "diff_h_m": round(found.diff_h_m, 3),
            "bound_h_m": round(found.bound_h_m, 3),
        }
        self._alarm(
            Alarm(kind=kind, device=device, text=text, t_utc_ns=self._clock.utc_ns(), fields=fields)
        )

    async def _keep_time(self) -> None:
        while True:
            self._due.clear()
            now = self._clock.monotonic_s()
            for device, feed in self._feeds.items():
                deadline_s = feed.deadline()
                if deadline_s is not None and deadline_s <= now:
                    feed.tick(now=now)
                    self._look(device)
            deadlines = (feed.deadline() for feed in self._feeds.values())
            self._next_s = min((at_s for at_s in deadlines if at_s is not None), default=math.inf)
            pause_s = None if math.isinf(self._next_s) else max(0.001, self._next_s - now)
            try:
                async with asyncio.timeout(pause_s):
                    await self._due.wait()
            except TimeoutError:
                continue

    def _next_of(self, k: int) -> Ready | None:
        """The next job of a worker's devices, each in its turn."""
        team = self._teams[k]
        for step in range(len(team)):
            turn = (self._turns[k] + step) % len(team)
            ready = team[turn].take()
            if ready is not None:
                self._turns[k] = turn + 1
                return ready
        return None

    def _came(self, ready: Ready, outcome: Outcome) -> None:
        feed = self._feeds[ready.job.device]
        feed.solved(ready, outcome, self._clock.monotonic_s())
        if outcome.error is not None:
            _log.error("solver_failed", device=ready.job.device, reason=outcome.error)
        if outcome.solution is not None:
            check, now_ns = outcome.solution.base_check, self._clock.utc_ns()
            alarm = self._bases.see(
                ready.job.device, ready.source, ready.station, check, utc_ns=now_ns
            )
            if alarm is not None:
                self._alarm(alarm)
        self._look(ready.job.device)

    def _lost(self, k: int, ready: Ready | None, why: str, was_well: bool) -> None:
        for feed in self._teams[k]:
            feed.restarted()
            feed.n_restarts += 1
        if ready is not None:
            self._feeds[ready.job.device].lost()
        if not was_well:
            return  # it is known
        devices = [feed.spec.device for feed in self._teams[k]]
        text = f"the process that solves {_listed(devices)} has ended ({why}); it is started again"
        self._alarm(
            Alarm(
                kind="solver_ended",
                device=devices[0] if len(devices) == 1 else None,
                text=text,
                t_utc_ns=self._clock.utc_ns(),
                fields={"n_devices": len(devices)},
            )
        )


def _listed(devices: Sequence[str]) -> str:
    shown = ", ".join(devices[:_SHOWN])
    return shown if len(devices) <= _SHOWN else f"{shown} and {len(devices) - _SHOWN} more"
