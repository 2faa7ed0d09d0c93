"""100 rovers at 1 Hz in one worker process on one core: from the last byte of an epoch to its fix.

Bytes go in where the gateway hands them to the room of solving, MSM7 of all five systems at both
ends; the worker is the gateway's own. The load and the event loop have the other core. Ten sites
serve a hundred rovers, each of which has its own feed, readers and filter. The first seconds, in
which the whole numbers are found and the worker has warmed up, are not counted.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from bdgw.model import Alarm, FixKind
from bdgw.solving.desk import Solving
from bdgw.solving.position import Position
from bdgw.solving.spec import SolveMode, SolverSpec
from bench.figure import Figure, Options, figure, percentile
from bench.processes import MEASURED, OTHERS
from fwsim.constellation import System
from fwsim.gnss_time import NS_PER_S, gpst_of_utc_ns
from fwsim.reference_station import ReferenceStation, StationSpec
from fwsim.scene import Place, offset

_ROVERS, _SITES = 100, 10
_SECONDS, _QUICK_SECONDS = 60, 20
_EPHEMERIS_S = 30
_WARM_UP = _EPHEMERIS_S + 15
"""While satellites come in, whole numbers are decorrelated from nothing each second."""
_FULL_PERCENT = 80.0
_T0_GPST_NS = gpst_of_utc_ns(1_795_348_800 * NS_PER_S)
_BASE = Place(lat_deg=31.2994, lon_deg=121.5033, alt_hae_m=20.0)
_SPREAD_S = 0.9
_LOOK_S, _STARTS, _DRAINS = 0.05, 200, 100
_PAGE_BYTES, _TICKS_PER_S = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_CLK_TCK")

Frames = list[list[bytes]]
"""By second."""


@dataclass
class Load:
    """What a run gave: the seconds from the last byte to the solution, and the worker's use."""

    latencies_s: list[float] = field(default_factory=list)
    n_fixed: int = 0
    n_twice: int = 0
    cpu_s: float = 0.0
    rss_mb: float = 0.0
    spent_ms: list[float] = field(default_factory=list)
    n_warm: int = 0


def run(options: Options) -> Iterator[Figure]:
    """Give the figures of rovers whose epochs come one after the other, and all at once."""
    seconds = _WARM_UP + (_QUICK_SECONDS if options.quick else _SECONDS)
    base = _frames("base", _BASE, seconds)
    sites = []
    for n in range(_SITES):
        lat_deg, lon_deg = offset(_BASE, east_m=120.0 * n + 50.0, north_m=90.0 * n - 300.0)
        place = Place(lat_deg=lat_deg, lon_deg=lon_deg, alt_hae_m=25.0 + n)
        sites.append(_frames(f"rover {n}", place, seconds))
    mine = os.sched_getaffinity(0)
    os.sched_setaffinity(0, OTHERS)
    try:
        for name, spread_s in (("spread over the second", _SPREAD_S), ("all at once", 0.0)):
            yield from _figures(name, seconds, asyncio.run(_Run(base, sites, spread_s).run()))
    finally:
        os.sched_setaffinity(0, mine)


def _figures(name: str, seconds: int, load: Load) -> Iterator[Figure]:
    counted = seconds - _WARM_UP
    expected = _ROVERS * counted
    is_whole = len(load.latencies_s) == expected and load.n_twice == 0
    percent = 100.0 * load.cpu_s / counted
    yield figure(
        "rovers",
        f"{_ROVERS} rovers, {name}: worker",
        percent,
        "% of a core",
        ok=is_whole,
        target=f"<= {_FULL_PERCENT:g}",
        met=percent <= _FULL_PERCENT and is_whole,
        expected=expected,
        received=len(load.latencies_s),
        twice=load.n_twice,
        lost_in_warm_up=_ROVERS * _WARM_UP - load.n_warm,
        fixed=load.n_fixed,
        rss_mb=round(load.rss_mb, 1),
        ms_per_epoch=round(sum(load.spent_ms) / max(len(load.spent_ms), 1), 2),
    )
    for p in (50, 99):
        yield figure(
            "rovers",
            f"{_ROVERS} rovers, {name}: last byte to solution, p{p}",
            1000.0 * percentile(load.latencies_s, p),
            "ms",
            ok=is_whole,
            max_ms=round(1000.0 * max(load.latencies_s, default=0.0), 1),
        )


def _frames(name: str, place: Place, seconds: int) -> Frames:
    spec = StationSpec(
        place=place,
        station=7 if name == "base" else 9,
        rate_hz=Fraction(1),
        systems=tuple(System),
        msm=7,
        ephemeris_every_s=_EPHEMERIS_S,
        position_every_s=5 if name == "base" else 0,
    )
    unit = ReferenceStation(spec, seed="1", name=name)
    return [list(unit.frames(_T0_GPST_NS + i * NS_PER_S)) for i in range(seconds)]


class _Clock:
    """The host's; the scene has its own date."""

    def monotonic_s(self) -> float:
        return time.monotonic()

    def utc_ns(self) -> int:
        return time.time_ns()


class _Run:
    """One load; epochs leave by the clock, whether or not the worker keeps up."""

    def __init__(self, base: Frames, sites: list[Frames], spread_s: float) -> None:
        self._base, self._sites, self._spread_s = base, sites, spread_s
        self._given_s: dict[tuple[str, int], float] = {}
        self._seen: set[tuple[str, int]] = set()
        self._load = Load()
        self._begun_s = 0.0
        specs = [
            SolverSpec(device=f"rover-{n:03d}", mode=SolveMode.GATEWAY, has_base=True)
            for n in range(_ROVERS)
        ]
        self._devices = [spec.device for spec in specs]
        self._solving = Solving(
            specs,
            emit=self._came,
            alarm=self._alarmed,
            clock=_Clock(),
            near_gpst_ns=lambda _: _T0_GPST_NS,
            rng=random.Random(1),
            n_workers=1,
        )

    async def run(self) -> Load:
        task = asyncio.create_task(self._solving.run())
        try:
            await self._play()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        return self._load

    async def _play(self) -> None:
        pid = await self._started()
        os.sched_setaffinity(pid, [MEASURED])
        self._begun_s = time.monotonic() + 0.5
        before_s = 0.0
        for second, of_base in enumerate(self._base):
            await _until(self._begun_s + second)
            if second == _WARM_UP:
                before_s = _cpu_s(pid)
            data = b"".join(of_base)
            for device in self._devices:
                self._solving.base_frames(device, data, None, time.monotonic())
            for n, device in enumerate(self._devices):
                await _until(self._begun_s + second + 0.05 + self._spread_s * n / _ROVERS)
                self._give(device, second, self._sites[n % _SITES][second])
        await _until(self._begun_s + len(self._base))
        self._load.cpu_s = _cpu_s(pid) - before_s
        await self._drained()
        self._load.rss_mb = _rss_mb(pid)
        snapshots = (self._solving.snapshot(device) for device in self._devices)
        self._load.spent_ms = [s.ms_per_epoch for s in snapshots if s and s.ms_per_epoch]

    async def _started(self) -> int:
        """Give the worker's process as soon as there is one."""
        for _ in range(_STARTS):
            await asyncio.sleep(_LOOK_S)
            if self._solving.pids():
                break
        (pid,) = self._solving.pids()
        return pid

    async def _drained(self) -> None:
        """Wait for what is late."""
        for _ in range(_DRAINS):
            if len(self._seen) >= len(self._given_s):
                return
            await asyncio.sleep(_LOOK_S)

    def _give(self, device: str, second: int, frames: list[bytes]) -> None:
        now_s = time.monotonic()
        self._given_s[device, second] = now_s
        for frame in frames:
            self._solving.rover_frame(device, frame, now_s)

    def _came(self, device: str, position: Position) -> None:
        t_ns = position.fix.t_gpst_ns
        second = round(((t_ns or 0) - _T0_GPST_NS) / NS_PER_S)
        key = (device, second)
        if key in self._seen:
            self._load.n_twice += 1
        self._seen.add(key)
        self._load.n_warm += second < _WARM_UP
        if second >= _WARM_UP and key in self._given_s:
            self._load.latencies_s.append(time.monotonic() - self._given_s[key])
            self._load.n_fixed += position.fix.kind is FixKind.RTK_FIXED

    def _alarmed(self, alarm: Alarm) -> None:
        raise RuntimeError(alarm.text)


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def _rss_mb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES / 1e6


async def _until(at_s: float) -> None:
    pause_s = at_s - time.monotonic()
    if pause_s > 0.0:
        await asyncio.sleep(pause_s)
