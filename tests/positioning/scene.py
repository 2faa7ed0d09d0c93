"""A made-up sky with a rover and a base under it: observations with noise that is known."""

from __future__ import annotations

import math

import msgspec
import numpy as np

from bdgw.geodesy import ecef_from_geodetic
from bdgw.positioning.atmosphere import saastamoinen_m
from bdgw.positioning.constellation import Constellation
from bdgw.positioning.ephemeris import EphemerisStore, KeplerOrbit
from bdgw.positioning.geometry import place_of, view_from
from bdgw.positioning.observation import Cell, ObservationEpoch, epoch_of
from bdgw.positioning.satellite import (
    GLONASS,
    N_SYSTEM_SATELLITES,
    SYSTEMS,
    carrier_hz,
    satellite_id,
    signal_id,
)

C_M_S = 299_792_458.0
T0_NS = 2320 * 604_800_000_000_000 + 116_400_000_000_000
BASE_M = ecef_from_geodetic(31.0, 121.0, 20.0)
ROVER_M = ecef_from_geodetic(31.005, 121.003, 25.0)
_HALF_S = 0.05
SIGNALS = {"G": ("1C", "2W", "5Q"), "C": ("2I", "6I", "5P"), "R": ("1C", "2C")}
_KINDS = {"G": (26_560_000.0, 0.0, 1), "C": (27_906_000.0, 0.35, 19), "R": (25_510_000.0, 0.7, 1)}
"""Radius in metres, turn in radians, and the first number of a system."""


def channel_of(satellite: int) -> int | None:
    """Give the channel of a satellite of GLONASS; two of a plane, half a turn apart, share one."""
    system, number = divmod(satellite, N_SYSTEM_SATELLITES)
    return (number * 5) % 12 - 6 if system == GLONASS else None


def orbits(systems: str = "GC") -> list[KeplerOrbit]:
    """Twenty-four satellites of each system, in six planes."""
    found = []
    for system in systems:
        a_m, turn, first = _KINDS[system]
        for k in range(24):
            plane, slot = divmod(k, 4)
            number = k + first
            found.append(
                KeplerOrbit(
                    satellite=satellite_id(f"{system}{number:02d}"),
                    toe_gpst_ns=T0_NS,
                    toc_gpst_ns=T0_NS,
                    toe_s=116_400.0 - (14.0 if system == "C" else 0.0),
                    issue=1,
                    is_healthy=True,
                    accuracy_m=2.0,
                    a0_s=1e-5 * (k % 7 - 3),
                    a1_s_s=1e-12,
                    a2_s_s2=0.0,
                    sqrt_a=math.sqrt(a_m),
                    e=0.005,
                    m0_rad=slot * math.pi / 2 + plane * 0.6 + turn,
                    delta_n_rad_s=0.0,
                    omega0_rad=plane * math.pi / 3 + turn,
                    omega_dot_rad_s=-8e-9,
                    i0_rad=math.radians(55.0),
                    idot_rad_s=0.0,
                    omega_rad=0.3,
                    crs_m=0.0, crc_m=0.0, cuc_rad=0.0, cus_rad=0.0, cic_rad=0.0, cis_rad=0.0,
                    tgd_s={"G": (0.0,), "C": (0.0, 0.0), "R": ()}[system],
                )
            )  # fmt: skip
    return found


class Receiver:
    """One end: measures what its place, its clock and its arcs make of the sky.

    ``code_phase_m`` is what must be added to its phases of GLONASS to bring them to the codes.
    """

    def __init__(
        self,
        seed: int,
        *,
        code_m: float = 0.3,
        phase_m: float = 0.002,
        systems: str = "GC",
        code_phase_m: float = 0.0,
    ) -> None:
        self._rng = np.random.default_rng(seed)
        self._store = EphemerisStore()
        self._store.extend(orbits(systems))
        self._code_phase_m = code_phase_m
        self._sky = Constellation(self._store)
        self._noise = (code_m, phase_m)
        self.arcs: dict[tuple[int, int], float] = {}
        self.clock_s = self._rng.normal() * 1e-5

    def measure(
        self,
        t_ns: int,
        place_m: tuple[float, float, float],
        velocity_m_s: tuple[float, float, float] | None = None,
    ) -> ObservationEpoch:
        """Measure all satellites above five degrees; Doppler where the velocity is told.

        ``place_m`` is where it is at the true instant, which is the tag less ``clock_s``.
        """
        names = np.array(sorted(self._store.satellites()))
        range_m, view = self._ranges(t_ns, np.array(place_m), names)
        rate_m_s = np.full(len(names), math.nan)
        if velocity_m_s is not None:
            step = np.array(velocity_m_s) * _HALF_S
            after, _ = self._ranges(t_ns + round(_HALF_S * 1e9), place_m + step, names)
            before, _ = self._ranges(t_ns - round(_HALF_S * 1e9), place_m - step, names)
            rate_m_s = (after - before) / (2.0 * _HALF_S)
        cells = []
        for k in np.flatnonzero(view.elevation_rad > math.radians(5.0)):
            letter = SYSTEMS[names[k] // N_SYSTEM_SATELLITES]
            cells += [
                self._cell(int(names[k]), letter, code, float(range_m[k]), rate_m_s[k], view, k)
                for code in SIGNALS[letter]
            ]
        return epoch_of(t_ns, cells)

    def _ranges(self, t_ns, place_m, names):
        self._sky.choose(t_ns)
        place = place_of(place_m)
        range_m = np.full(len(names), 2.2e7)
        for _ in range(6):
            states = self._sky.states(np.full(len(names), t_ns), names, range_m)
            view = view_from(place, states.position_m)
            model_m = view.range_m + C_M_S * (self.clock_s - states.clock_s)
            model_m += saastamoinen_m(place.lat_rad, place.height_m, view.elevation_rad)
            range_m = np.where(np.isfinite(model_m), model_m, 2.2e7)
        return range_m, view

    def _cell(self, name, letter, code, range_m, rate_m_s, view, k) -> Cell:
        hz = carrier_hz(letter, code, channel_of(name))
        late_m = self._code_phase_m if letter == "R" else 0.0
        signal = signal_id(letter, code)
        arc = self.arcs.setdefault((name, signal), float(self._rng.integers(-(10**6), 10**6)))
        worse = 0.5 + 0.5 / math.sin(view.elevation_rad[k])
        code_m, phase_m = self._noise
        phase = (range_m - late_m + self._rng.normal() * phase_m * worse) * hz / C_M_S + arc
        return Cell(
            name, signal, hz, range_m + self._rng.normal() * code_m * worse, phase,
            -rate_m_s * hz / C_M_S, 45.0, 100.0, False, False,
        )  # fmt: skip


def replaced(epoch: ObservationEpoch, **columns) -> ObservationEpoch:
    """Give an epoch with some columns changed."""
    return msgspec.structs.replace(epoch, **columns)
