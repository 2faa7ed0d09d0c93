"""Trials of the positioning that nothing was tuned on: scenes drawn and spoiled by a seed.

A trial takes a stretch of a recording, or a made-up sky, begins cold, and spoils the observations
in one of the ways of ``bench.spoil``. All of it follows from the seed. Seeds below 8000 were
looked at while the engine was built.

``python -m bench.robustness --seeds 0:20 [--kind WORD] [--jobs N]`` prints a line a trial.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import os
import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from bdgw.geodesy import Ecef, ecef_from_geodetic
from bdgw.model import FixKind
from bdgw.positioning.engine import EngineOptions, RtkEngine
from bdgw.positioning.geometry import place_of
from bdgw.positioning.ionosphere import Ionosphere
from bdgw.positioning.solution import Solution
from bdgw.recorded import in_step
from bench.figure import Figure, Options, figure
from bench.positioning import DATA, RTK_SETS, Set, load, truth_of
from bench.scenery import S_NS, Scene, changed
from bench.spoil import SPOILS
from tests.positioning.scene import T0_NS, Receiver, orbits

_WEEK_NS = 604_800_000_000_000
_LENGTH_S = (60, 150)
_LONG_S = 300
"""With one carrier whole numbers take minutes."""
_SWAPPED = ("static 1 m, five systems", "static L1, lossy base", "simulated 2 km")
_QUICK_SEEDS = range(1)
_SEEDS = range(8000, 8010)


@dataclass(frozen=True)
class Trial:
    """What became of a scene."""

    kind: str
    seed: int
    scene: str
    n_epochs: int
    n_fixed: int
    n_wrong: int
    largest_m: float
    first_s: float | None
    """Seconds from the first epoch to the first fix."""


def recorded(one: Set, rng: random.Random, *, is_long: bool) -> Scene:
    """Cut a stretch out of a recording; the ends may change their roles where both stand still."""
    rover, base, nav = load(one)
    assert base is not None
    assert one.base_m is not None
    sources = (*nav, base, rover)
    scene = Scene(
        name=one.name,
        rover=rover.epochs,
        base=base.epochs,
        orbits=[orbit for part in sources for orbit in part.orbits],
        ionosphere=Ionosphere(
            gps=next((s.ion_gps for s in sources if s.ion_gps), None),
            bds=next((s.ion_bds for s in sources if s.ion_bds), None),
        ),
        base_m=one.base_m,
        rover_m=one.truth_m or one.base_m,
        truth=truth_of(one),
        systems=one.systems,
        mask_deg=one.mask_deg,
    )
    if one.name in _SWAPPED and one.truth_m is not None and rng.random() < 0.5:
        truth_m = one.base_m
        scene = replace(
            scene,
            name=f"{one.name}, swapped",
            rover=scene.base,
            base=scene.rover,
            base_m=one.truth_m,
            rover_m=truth_m,
            truth=lambda _: truth_m,
        )
    length = min(_LONG_S if is_long else rng.randint(*_LENGTH_S), len(scene.rover))
    first = rng.randint(0, len(scene.rover) - length)
    return replace(scene, rover=scene.rover[first : first + length])


def made_up(rng: random.Random, *, is_long: bool) -> Scene:
    """Make a sky over any place, a baseline of up to 10 km, and a rover that stands or drives."""
    lat_deg, lon_deg = rng.uniform(-60.0, 60.0), rng.uniform(-180.0, 180.0)
    base_m = ecef_from_geodetic(lat_deg, lon_deg, rng.uniform(0.0, 500.0))
    place = place_of(base_m)
    away_m, way = 10.0 ** rng.uniform(0.0, 4.0), rng.uniform(0.0, math.tau)
    speed_m_s = rng.choice((0.0, 0.0, 1.5, 15.0, 30.0))
    radius_m = max(5.0, speed_m_s * speed_m_s / 3.0)
    code_m, phase_m = rng.uniform(0.1, 0.6), rng.uniform(0.001, 0.003)
    ends = [Receiver(rng.randrange(10**9), code_m=code_m, phase_m=phase_m) for _ in range(2)]
    begin_ns = T0_NS + rng.randint(-3000, 3000) * S_NS

    def at(t_s: float) -> Ecef:
        turn = speed_m_s / radius_m * t_s
        enu = (
            away_m * math.sin(way) + radius_m * math.sin(turn),
            away_m * math.cos(way) + radius_m * math.cos(turn),
            2.0 * math.sin(turn),
        )
        x, y, z = (place.ecef_m + place.to_enu.T @ np.array(enu)).tolist()
        return x, y, z

    rovers, bases = [], []
    for k in range(_LONG_S // 3 if is_long else 60):
        t_ns = begin_ns + k * S_NS
        rovers.append(ends[0].measure(t_ns, at(k)))
        bases.append(ends[1].measure(t_ns, base_m))
    zero_s = begin_ns % _WEEK_NS / S_NS
    return Scene(
        name=f"made up, {away_m:.0f} m, {speed_m_s:g} m/s",
        rover=rovers,
        base=bases,
        orbits=list(orbits()),
        ionosphere=Ionosphere(),
        base_m=base_m,
        rover_m=at(0.0),
        truth=lambda tow_s: at(tow_s - zero_s),
        systems="GC",
    )


def solve(scene: Scene) -> list[Solution]:
    """Run the engine over a scene from a cold start."""
    engine = RtkEngine(EngineOptions(systems=scene.systems, mask_deg=scene.mask_deg))
    for orbit in scene.orbits:
        engine.add_orbit(orbit)
    engine.ionosphere = scene.ionosphere
    engine.set_base(scene.base_m)
    late_ns = round(scene.latency_s * S_NS)
    # A base that is late is, for the choice, one whose epochs have later times.
    shown = [changed(epoch, t_gpst_ns=epoch.t_gpst_ns + late_ns) for epoch in scene.base]
    real = {id(one): epoch for one, epoch in zip(shown, scene.base, strict=True)}
    return [
        engine.solve(rover, None if base is None else real[id(base)])
        for rover, base in in_step(scene.rover, shown)
    ]


def trial(kind: str, seed: int) -> Trial:
    """Draw a scene, spoil it, solve it, judge it."""
    rng = random.Random(f"{kind} {seed}")
    is_long = "first carrier" in kind
    sets = [one for one in RTK_SETS if one.systems != "C"]
    source = rng.choice([None, *sets])
    scene = (
        made_up(rng, is_long=is_long) if source is None else recorded(source, rng, is_long=is_long)
    )
    offset = np.array(scene.base_m)
    scene = SPOILS[kind](scene, rng)
    # A wrong base moves the rover's truth with it: only what goes beyond that is the engine's.
    offset = np.array(scene.base_m) - offset
    n_fixed = n_wrong = 0
    largest_m, first_s = 0.0, None
    found = solve(scene)
    for solution in found:
        if solution.kind is not FixKind.RTK_FIXED or solution.ecef_m is None:
            continue
        n_fixed += 1
        if first_s is None:
            first_s = (solution.t_gpst_ns - scene.rover[0].t_gpst_ns) / S_NS
        at = scene.truth(solution.t_gpst_ns % _WEEK_NS / S_NS)
        if at is None:
            continue
        off_m = float(np.linalg.norm(np.array(solution.ecef_m) - np.array(at) - offset))
        claimed_m = math.hypot(solution.acc_h_m or 0.0, solution.acc_v_m or 0.0)
        largest_m = max(largest_m, off_m)
        n_wrong += off_m > 0.1 or off_m > max(0.05, 3.0 * claimed_m)
    return Trial(kind, seed, scene.name, len(found), n_fixed, n_wrong, largest_m, first_s)


def _one(job: tuple[str, int]) -> Trial:
    return trial(*job)


def trials(kinds: list[str], seeds: range, jobs: int = 1) -> Iterator[Trial]:
    """Run all kinds with all seeds."""
    work = [(kind, seed) for kind in kinds for seed in seeds]
    if jobs == 1:
        yield from map(_one, work)
        return
    for one in RTK_SETS:
        load(one)
    with multiprocessing.get_context("fork").Pool(jobs) as pool:
        yield from pool.imap(_one, work)


def totals(found: list[Trial]) -> dict[str, float | int]:
    """Sum trials up."""
    firsts = sorted(one.first_s for one in found if one.first_s is not None)
    n_epochs = sum(one.n_epochs for one in found)
    return {
        "trials": len(found),
        "epochs": n_epochs,
        "fixed": sum(one.n_fixed for one in found),
        "fixed_percent": round(100.0 * sum(one.n_fixed for one in found) / max(n_epochs, 1), 1),
        "wrong": sum(one.n_wrong for one in found),
        "wrong_trials": sum(one.n_wrong > 0 for one in found),
        "never_fixed": sum(one.first_s is None for one in found),
        "largest_mm": round(1e3 * max((one.largest_m for one in found), default=0.0), 1),
        "first_fix_median_s": firsts[len(firsts) // 2] if firsts else -1.0,
    }


def run(options: Options) -> Iterator[Figure]:
    """Give a figure a kind of trial, and one of all."""
    if not DATA.exists():
        return
    seeds = _QUICK_SEEDS if options.quick else _SEEDS
    everything: list[Trial] = []
    for kind in SPOILS:
        found = list(trials([kind], seeds))
        everything += found
        yield _figure(kind, found, seeds)
    yield _figure("all trials", everything, seeds)


def _figure(name: str, found: list[Trial], seeds: range) -> Figure:
    sums = totals(found)
    n_wrong = int(sums.pop("wrong"))
    return figure(
        "robustness",
        f"{name}: wrong of {sums.pop('fixed')} fixed, of {sums.pop('epochs')} epochs",
        n_wrong,
        "fixes",
        ok=True,
        target="0",
        met=n_wrong == 0,
    ) | {"seeds": f"{seeds.start}:{seeds.stop}", **sums}


def _main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", default="0:4")
    parser.add_argument("--kind", action="append", default=[])
    parser.add_argument("--jobs", type=int, default=1)
    arguments = parser.parse_args()
    first, last = map(int, arguments.seeds.split(":"))
    kinds = [k for k in SPOILS if not arguments.kind or any(w in k for w in arguments.kind)]
    found = []
    for one in trials(kinds, range(first, last), arguments.jobs):
        found.append(one)
        first_s = "never" if one.first_s is None else f"{one.first_s:.0f} s"
        print(
            f"{one.kind:32s} {one.seed:5d} {one.scene:34s} {one.n_fixed:4d}/{one.n_epochs:<4d} "
            f"wrong {one.n_wrong:3d} largest {one.largest_m * 1e3:7.1f} mm first {first_s}",
            flush=True,
        )
    for kind in kinds:
        print(f"{kind:32s} {json.dumps(totals([one for one in found if one.kind == kind]))}")
    print(f"{'all':32s} {json.dumps(totals(found))}")
    return 0


if __name__ == "__main__":
    sys.exit(_main())
