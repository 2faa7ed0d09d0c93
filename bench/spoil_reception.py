"""What may be missing, late or out of order; drawn by chance from a seed."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np

from bench.scenery import S_NS, Epochs, Scene, changed, satellites_of


def plain(scene: Scene, rng: random.Random) -> Scene:
    """A cold start at some epoch, and nothing else."""
    del rng
    return scene


def fewer_systems(scene: Scene, rng: random.Random) -> Scene:
    """Only some of the systems."""
    names = sorted(
        {"GRECJ"[one // 100] if one < 500 else "J" for one in satellites_of(scene.rover)}
    )
    names = [one for one in names if one in scene.systems]
    chosen = rng.sample(names, rng.randint(1, len(names)))
    return replace(scene, systems="".join(chosen))


def fewer_bands(scene: Scene, rng: random.Random) -> Scene:
    """One or two carriers of those that there are."""
    bands = sorted({int(one) // 26 for epoch in scene.rover[:5] for one in epoch.signal})
    chosen = rng.sample(bands, min(len(bands), rng.choice((1, 1, 2))))
    return replace(
        scene, rover=[epoch.taken(np.isin(epoch.signal // 26, chosen)) for epoch in scene.rover]
    )


def first_band(scene: Scene, rng: random.Random) -> Scene:
    """L1, E1 and B1I or B1C alone, as the receivers of one frequency have it."""
    del rng
    return replace(scene, rover=[epoch.taken(epoch.frequency_hz > 1.55e9) for epoch in scene.rover])


def fewer_satellites(scene: Scene, rng: random.Random) -> Scene:
    """Five to fourteen satellites."""
    names = satellites_of(scene.rover)
    kept = rng.sample(names, min(len(names), rng.randint(5, 14)))
    return replace(
        scene, rover=[epoch.taken(np.isin(epoch.satellite, kept)) for epoch in scene.rover]
    )


def other_mask(scene: Scene, rng: random.Random) -> Scene:
    """Another mask."""
    return replace(scene, mask_deg=rng.choice((5.0, 10.0, 20.0, 30.0)))


def rare_base(scene: Scene, rng: random.Random) -> Scene:
    """A base that speaks every 5, 10 or 30 s."""
    every_s = rng.choice((5, 10, 30))
    kept = [epoch for epoch in scene.base if round(epoch.t_gpst_ns / S_NS) % every_s == 0]
    return replace(scene, base=kept)


def late_base(scene: Scene, rng: random.Random) -> Scene:
    """Corrections that come some seconds late."""
    return replace(scene, latency_s=rng.choice((1.0, 3.0, 8.0, 20.0)))


def gaps(scene: Scene, rng: random.Random) -> Scene:
    """Epochs of the rover, the base or both that are missing, some at a time."""

    def holed(epochs: Epochs) -> Epochs:
        kept, left = [], 0
        for epoch in epochs:
            if left > 0:
                left -= 1
            elif rng.random() < 0.04:
                left = rng.choice((0, 1, 3, 10, 25, 70))
            else:
                kept.append(epoch)
        return kept

    return replace(scene, rover=holed(scene.rover), base=holed(scene.base))


def blocked(scene: Scene, rng: random.Random) -> Scene:
    """A street: satellites go behind houses and come again, each in its own time."""
    until = {one: rng.uniform(-30.0, 30.0) for one in satellites_of(scene.rover)}
    clear = rng.choice((5.0, 15.0, 40.0))
    is_there = dict.fromkeys(until, False)
    kept = []
    for epoch in scene.rover:
        t_s = (epoch.t_gpst_ns - scene.rover[0].t_gpst_ns) / S_NS
        for one, end_s in until.items():
            if t_s >= end_s:
                is_there[one] = not is_there[one]
                mean_s = clear if is_there[one] else 6.0
                until[one] = t_s + rng.expovariate(1.0 / mean_s)
        kept.append(epoch.taken(np.array([is_there[int(s)] for s in epoch.satellite], dtype=bool)))
    return replace(scene, rover=kept)


def bridges(scene: Scene, rng: random.Random) -> Scene:
    """Everything is gone for some seconds, again and again; phases begin anew."""
    kept, turn = [], 0
    period, dark = rng.randint(15, 50), rng.randint(2, 12)
    cycles: dict[tuple[int, int], float] = {}
    for k, epoch in enumerate(scene.rover):
        if k % period >= period - dark:
            turn += 1
            cycles.clear()
            continue
        off = np.array(
            [
                cycles.setdefault((s, g), float(rng.randint(-9999, 9999)))
                for s, g in zip(epoch.satellite.tolist(), epoch.signal.tolist(), strict=True)
            ]
        )
        kept.append(changed(epoch, phase_cycles=epoch.phase_cycles + off))
    return replace(scene, rover=kept)


def broken_times(scene: Scene, rng: random.Random) -> Scene:
    """Epochs that come twice, late, or with a wrong time of their own."""
    found: Epochs = []
    for epoch in scene.rover:
        chance = rng.random()
        if chance < 0.05:
            found += [epoch, epoch]
        elif chance < 0.1 and len(found) > 3:
            found += [epoch, found[-rng.randint(1, 3)]]
        elif chance < 0.13:
            ms = rng.choice((-1, 1, 20, 1000, -1000))
            found.append(changed(epoch, t_gpst_ns=epoch.t_gpst_ns + ms * 1_000_000))
        else:
            found.append(epoch)
    return replace(scene, rover=found)
