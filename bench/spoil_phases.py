"""What may be measured or told wrongly; drawn by chance from a seed."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import msgspec
import numpy as np

from bdgw.positioning.ephemeris import KeplerOrbit, Orbit
from bench.scenery import C_M_S, L1_HZ, S_NS, Scene, Sky, biased, changed, satellites_of, some


def slips(scene: Scene, rng: random.Random) -> Scene:
    """Whole and half cycles are lost on one to k satellites, told or not."""
    names = satellites_of(scene.rover)
    k, every = rng.randint(1, 6), rng.choice((3.0, 10.0, 30.0))
    is_told, has_halves = rng.random() < 0.3, rng.random() < 0.5
    lost: dict[tuple[int, int], float] = {}
    found = []
    for epoch in scene.rover:
        told = epoch.has_slipped.copy()
        if rng.random() < 1.0 / every:
            victims = rng.sample(names, min(len(names), rng.randint(1, k)))
            is_all = rng.random() < 0.5
            for at in np.flatnonzero(np.isin(epoch.satellite, victims)).tolist():
                if is_all or rng.random() < 0.5:
                    key = (int(epoch.satellite[at]), int(epoch.signal[at]))
                    size = float(rng.choice((-1, 1, 2, -3, 5, 11)))
                    lost[key] = lost.get(key, 0.0) + (size / 2.0 if has_halves else size)
                    told[at] |= is_told
        off = np.array(
            [
                lost.get((s, g), 0.0)
                for s, g in zip(epoch.satellite.tolist(), epoch.signal.tolist(), strict=True)
            ]
        )
        found.append(changed(epoch, phase_cycles=epoch.phase_cycles + off, has_slipped=told))
    return replace(scene, rover=found)


def one_bias(scene: Scene, rng: random.Random) -> Scene:
    """One or two satellites are 0.1 to 10 m off, in code and phase or in one of them."""
    names = rng.sample(satellites_of(scene.rover), rng.choice((1, 1, 2)))
    size = {one: 10.0 ** rng.uniform(-1.0, 1.0) * rng.choice((-1, 1)) for one in names}
    in_code, in_phase = rng.choice(((1, 1), (1, 0), (0, 1)))
    found = []
    for epoch in scene.rover:
        off_m = np.array([size.get(int(one), 0.0) for one in epoch.satellite])
        found.append(biased(epoch, off_m * in_code, off_m * in_phase))
    return replace(scene, rover=found)


def reflected(scene: Scene, rng: random.Random, part: float, least: float, most: float) -> Scene:
    """Some satellites come over a reflector as well (specular multipath).

    The way over a level reflector h below the antenna is 2 h sin(elevation) longer, over an
    upright one d beside it 2 d cos(elevation) cos(azimuth - its own). With the amplitude a and the
    phase p of the detour the carrier turns by atan2(a sin p, 1 + a cos p), and the code moves by
    detour a (a + cos p) / (1 + 2 a cos p + a²), as long as the detour is short beside a chip
    (Braasch 1996).
    """
    sky = Sky(scene, scene.rover_m)
    names = some(rng, satellites_of(scene.rover), part)
    is_wall = {one: rng.random() < 0.5 for one in names}
    away_m = {
        one: rng.uniform(0.5, 2.0) if not is_wall[one] else rng.uniform(1.0, 30.0) for one in names
    }
    wall_rad = {one: rng.uniform(0.0, math.tau) for one in names}
    amplitude = {one: rng.uniform(least, most) for one in names}
    found = []
    for epoch in scene.rover:
        elevation, azimuth = sky.look(epoch)
        code_m, phase_m = np.zeros(len(elevation)), np.zeros(len(elevation))
        for at in np.flatnonzero(np.isin(epoch.satellite, names)).tolist():
            one = int(epoch.satellite[at])
            if is_wall[one]:
                side = abs(math.cos(azimuth[at] - wall_rad[one]))
                detour_m = 2.0 * away_m[one] * math.cos(elevation[at]) * side
            else:
                detour_m = 2.0 * away_m[one] * math.sin(elevation[at])
            wave_m = C_M_S / float(epoch.frequency_hz[at])
            turn, a = math.tau * detour_m / wave_m, amplitude[one]
            re, im = 1.0 + a * math.cos(turn), a * math.sin(turn)
            phase_m[at] = math.atan2(im, re) / math.tau * wave_m
            code_m[at] = detour_m * a * (a + math.cos(turn)) / (re * re + im * im)
        found.append(biased(epoch, code_m, phase_m))
    return replace(scene, rover=found)


def reflected_fifth(scene: Scene, rng: random.Random) -> Scene:
    """Specular multipath of a tenth to half the strength on a fifth of the satellites."""
    return reflected(scene, rng, 0.2, 0.1, 0.5)


def reflected_third(scene: Scene, rng: random.Random) -> Scene:
    """Specular multipath of three to nine tenths on a third of the satellites."""
    return reflected(scene, rng, 0.34, 0.3, 0.9)


def hidden_fifth(scene: Scene, rng: random.Random) -> Scene:
    """Of a fifth of the satellites only the reflection comes: code and phase over a detour."""
    sky = Sky(scene, scene.rover_m)
    names = some(rng, satellites_of(scene.rover), 0.2)
    away_m = {one: rng.uniform(1.0, 30.0) for one in names}
    wall_rad = {one: rng.uniform(0.0, math.tau) for one in names}
    found = []
    for epoch in scene.rover:
        elevation, azimuth = sky.look(epoch)
        off_m = np.zeros(len(elevation))
        for at in np.flatnonzero(np.isin(epoch.satellite, names)).tolist():
            one = int(epoch.satellite[at])
            side = abs(math.cos(azimuth[at] - wall_rad[one]))
            off_m[at] = 2.0 * away_m[one] * math.cos(elevation[at]) * side
        weak = np.where(np.isin(epoch.satellite, names), 6.0, 0.0)
        found.append(changed(biased(epoch, off_m, off_m), cn0_dbhz=epoch.cn0_dbhz - weak))
    return replace(scene, rover=found)


def harsh_fifth(scene: Scene, rng: random.Random) -> Scene:
    """A fifth swings by 8 m in code and 16 cm in phase, which is more than a reflection can."""
    names = some(rng, satellites_of(scene.rover), 0.2)
    start = {one: rng.uniform(0.0, math.tau) for one in names}
    period_s = {one: rng.uniform(30.0, 300.0) for one in names}
    found = []
    for epoch in scene.rover:
        t_s = epoch.t_gpst_ns % (10**14) / S_NS
        swing = np.array(
            [
                math.sin(start[one] + math.tau * t_s / period_s[one]) if one in start else 0.0
                for one in epoch.satellite.tolist()
            ]
        )
        found.append(biased(epoch, 8.0 * swing, 0.16 * swing))
    return replace(scene, rover=found)


def wrong_orbits(scene: Scene, rng: random.Random) -> Scene:
    """One or two satellites are 0.1 to 20 km along their orbits from where their sets say."""
    kepler = sorted({o.satellite for o in scene.orbits if isinstance(o, KeplerOrbit)})
    seen = [one for one in satellites_of(scene.rover) if one in kepler]
    off_m = {one: 10.0 ** rng.uniform(2.0, 4.3) for one in rng.sample(seen, rng.choice((1, 2)))}
    orbits: list[Orbit] = [
        msgspec.structs.replace(o, m0_rad=o.m0_rad + off_m.get(o.satellite, 0.0) / o.sqrt_a**2)
        if isinstance(o, KeplerOrbit)
        else o
        for o in scene.orbits
    ]
    return replace(scene, orbits=orbits)


def wrong_base(scene: Scene, rng: random.Random) -> Scene:
    """The base announces a place 5 or 30 m away; until that is told the rover is wrong by it."""
    size_m = rng.choice((5.0, 30.0))
    way = np.array([rng.gauss(0.0, 1.0) for _ in range(3)])
    off_m = size_m * way / np.linalg.norm(way)
    x, y, z = (np.array(scene.base_m) + off_m).tolist()
    return replace(scene, base_m=(x, y, z))


def far_sky(scene: Scene, rng: random.Random) -> Scene:
    """The ionosphere leans by 1 to 10 parts of a million of the baseline."""
    sky = Sky(scene, scene.rover_m)
    apart_m = math.dist(scene.base_m, scene.rover_m)
    lean = rng.uniform(1e-6, 1e-5) * apart_m * rng.choice((-1, 1))
    turn = rng.uniform(0.0, math.tau)
    uneven = {one: rng.gauss(1.0, 0.3) for one in satellites_of(scene.rover)}
    found = []
    for epoch in scene.rover:
        elevation, azimuth = sky.look(epoch)
        # A thin shell at 350 km: the obliquity is that of Klobuchar's pierce point.
        slant = 1.0 / np.sqrt(1.0 - (0.948 * np.cos(elevation)) ** 2)
        own = np.array([uneven[int(one)] for one in epoch.satellite])
        sloped = 1.0 + 0.3 * np.cos(azimuth - turn)
        off_m = lean * slant * own * sloped * (L1_HZ / epoch.frequency_hz) ** 2
        found.append(biased(epoch, off_m, -off_m))
    return replace(scene, rover=found)
