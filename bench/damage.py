"""Damage done to recorded observations, to see whether it makes wrong fixes."""

from __future__ import annotations

import random

import msgspec
import numpy as np

from bdgw.geodesy import Ecef
from bdgw.positioning.constellation import Constellation
from bdgw.positioning.ephemeris import EphemerisStore, Orbit
from bdgw.positioning.geometry import place_of, view_from
from bdgw.positioning.observation import ObservationEpoch

Epochs = list[ObservationEpoch]


def _with(epoch: ObservationEpoch, **columns: np.ndarray) -> ObservationEpoch:
    return msgspec.structs.replace(epoch, **columns)


def slips_every_ten_s(rover: Epochs, base: Epochs) -> tuple[Epochs, Epochs]:
    """Every ten seconds one satellite of the rover loses whole cycles, and nothing says so."""
    rng = random.Random(6)
    lost: dict[tuple[int, int], float] = {}
    found = []
    last = None
    for epoch in rover:
        tenth = epoch.t_gpst_ns // 10_000_000_000
        if last is not None and tenth != last and len(epoch.satellite):
            victim = rng.choice(sorted(set(epoch.satellite.tolist())))
            for signal in epoch.signal[epoch.satellite == victim].tolist():
                key = (victim, signal)
                lost[key] = lost.get(key, 0.0) + rng.choice((-7, -3, -1, 1, 2, 5))
        last = tenth
        off = np.array(
            [
                lost.get((s, g), 0.0)
                for s, g in zip(epoch.satellite.tolist(), epoch.signal.tolist(), strict=True)
            ]
        )
        found.append(_with(epoch, phase_cycles=epoch.phase_cycles + off))
    return found, base


def base_lost(rover: Epochs, base: Epochs) -> tuple[Epochs, Epochs]:
    """Of the base's epochs 30 % do not arrive."""
    rng = random.Random(7)
    return rover, [epoch for epoch in base if rng.random() >= 0.3]


def one_biased(rover: Epochs, base: Epochs) -> tuple[Epochs, Epochs]:
    """One satellite of the rover is 5 m too far in code and phase, from the first epoch on."""
    names, counts = np.unique(
        np.concatenate([epoch.satellite for epoch in rover]), return_counts=True
    )
    victim = names[np.argmax(counts)]
    found = []
    for epoch in rover:
        off_m = np.where(epoch.satellite == victim, 5.0, 0.0)
        cycles = off_m * epoch.frequency_hz / 299_792_458.0
        found.append(
            _with(
                epoch,
                pseudorange_m=epoch.pseudorange_m + off_m,
                phase_cycles=epoch.phase_cycles + np.nan_to_num(cycles),
            )
        )
    return found, base


def one_biased_in_phase(rover: Epochs, base: Epochs) -> tuple[Epochs, Epochs]:
    """The same in the phases alone, where no code betrays it."""
    found, _ = one_biased(rover, base)
    return [
        _with(damaged, pseudorange_m=good.pseudorange_m)
        for damaged, good in zip(found, rover, strict=True)
    ], base


def base_moved(
    rover: Epochs, base: Epochs, orbits: list[Orbit], place_m: Ecef
) -> tuple[Epochs, Epochs]:
    """In the middle of the recording the base's antenna moves a metre east, and nobody says so.

    From far away every range changes by the part of the move that points to the satellite.
    """
    store = EphemerisStore()
    store.extend(orbits)
    sky, place = Constellation(store), place_of(place_m)
    middle = base[len(base) // 2].t_gpst_ns
    found = []
    for epoch in base:
        if epoch.t_gpst_ns < middle:
            found.append(epoch)
            continue
        sky.choose(epoch.t_gpst_ns)
        times = np.full(len(epoch.satellite), epoch.t_gpst_ns)
        states = sky.states(times, epoch.satellite, np.nan_to_num(epoch.pseudorange_m, nan=2.2e7))
        nearer_m = np.nan_to_num(view_from(place, states.position_m).direction @ place.to_enu[0])
        cycles = np.nan_to_num(nearer_m * epoch.frequency_hz / 299_792_458.0)
        found.append(
            _with(
                epoch,
                pseudorange_m=epoch.pseudorange_m - nearer_m,
                phase_cycles=epoch.phase_cycles - cycles,
            )
        )
    return rover, found


DAMAGES = {
    "a slip every 10 s": slips_every_ten_s,
    "30 % of base epochs missing": base_lost,
    "5 m on one satellite": one_biased,
    "5 m on one satellite's phases": one_biased_in_phase,
}
