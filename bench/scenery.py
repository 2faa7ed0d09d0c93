"""A rover, a base and the sky over them, as trials of the positioning need it."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from bdgw.geodesy import Ecef
from bdgw.positioning.constellation import Constellation
from bdgw.positioning.ephemeris import EphemerisStore, Orbit
from bdgw.positioning.geometry import place_of, view_from
from bdgw.positioning.ionosphere import Ionosphere
from bdgw.positioning.observation import ObservationEpoch

Epochs = list[ObservationEpoch]
Columns = np.ndarray[Any, np.dtype[np.float64]]
C_M_S = 299_792_458.0
L1_HZ = 1575.42e6
S_NS = 1_000_000_000


@dataclass(frozen=True)
class Scene:
    """A rover and a base, what is known of the sky, and where the rover really is."""

    name: str
    rover: Epochs
    base: Epochs
    orbits: list[Orbit]
    ionosphere: Ionosphere
    base_m: Ecef
    rover_m: Ecef
    truth: Callable[[float], Ecef | None]
    systems: str = "GRECJ"
    mask_deg: float = 15.0
    latency_s: float = 0.0


Spoil = Callable[[Scene, random.Random], Scene]


def changed(epoch: ObservationEpoch, **columns: Any) -> ObservationEpoch:
    """Give an epoch with some columns changed."""
    return msgspec.structs.replace(epoch, **columns)


def satellites_of(epochs: Epochs) -> list[int]:
    """Name all satellites of a recording."""
    return sorted({int(one) for epoch in epochs for one in epoch.satellite})


def some(rng: random.Random, names: list[int], part: float) -> list[int]:
    """Choose a part of the satellites, at least one."""
    return rng.sample(names, max(1, min(len(names), round(part * len(names)))))


def biased(epoch: ObservationEpoch, code_m: Columns, phase_m: Columns) -> ObservationEpoch:
    """Add metres to codes and phases."""
    return changed(
        epoch,
        pseudorange_m=epoch.pseudorange_m + code_m,
        phase_cycles=epoch.phase_cycles + phase_m * epoch.frequency_hz / C_M_S,
    )


class Sky:
    """Where the satellites stand, seen from a place."""

    def __init__(self, scene: Scene, place_m: Ecef) -> None:
        store = EphemerisStore()
        store.extend(scene.orbits)
        self._sky, self._place = Constellation(store), place_of(place_m)

    def look(self, epoch: ObservationEpoch) -> tuple[Columns, Columns]:
        """Give elevation and azimuth of each cell in radians; what is not known stands at 45°."""
        self._sky.choose(epoch.t_gpst_ns)
        times = np.full(len(epoch.satellite), epoch.t_gpst_ns)
        far_m = np.nan_to_num(epoch.pseudorange_m, nan=2.2e7)
        view = view_from(self._place, self._sky.states(times, epoch.satellite, far_m).position_m)
        return (
            np.nan_to_num(view.elevation_rad, nan=math.pi / 4),
            np.nan_to_num(view.azimuth_rad, nan=0.0),
        )
