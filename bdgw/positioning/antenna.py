"""Phase centres of receiver antennas: what an antenna adds to a range to its reference point.

ANTEX 1.4, clause 3: the mean phase centre is the antenna reference point (ARP) plus an offset, and
the observed distance is the geometric one to the mean phase centre plus a variation by direction:

    observed - range to the ARP = -offset . direction + variation(zenith angle, azimuth)

The antenna stands upright and its north mark points north; on a vehicle that turns the part across
is wrong by its turn, which is millimetres, and the height is right.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np

from bdgw.positioning.satellite import SYSTEMS, carrier_hz
from bdgw.rtcm.lock import FloatArray
from bdgw.rtcm.observation import IntArray

__all__ = ["N_BANDS", "AntennaModel", "AntennaPair", "AntennaTable", "Pattern", "signal_name"]

N_BANDS = 16
_SAME_HZ = 1e6
_NEAR_HZ = 60e6
"""L2 may stand in for L5 and B3I (51 and 41 MHz off), as far as the offset of an antenna goes."""
_GLONASS_HZ = {1: 1602.0e6, 2: 1246.0e6, 3: 1202.025e6, 4: 1600.995e6, 6: 1248.06e6}
"""The middle of the FDMA channels; RINEX 4.00, table 10."""


class Pattern(msgspec.Struct, frozen=True, kw_only=True):
    """One carrier of an antenna.

    ``offset_enu_m`` is the mean phase centre over the reference point. ``variation_m`` is the grid
    of the variation: a row for each azimuth (one row where it does not depend on it), a column for
    each zenith angle.
    """

    offset_enu_m: tuple[float, float, float]
    variation_m: tuple[tuple[float, ...], ...]


class AntennaModel(msgspec.Struct, frozen=True, kw_only=True):
    """An antenna with its radome.

    ``patterns`` have the names of ANTEX (``G01``: system and RINEX band). All have the same grid:
    zenith angles from ``zenith_deg[0]`` to ``zenith_deg[1]``, azimuths all round.
    """

    name: str
    radome: str
    serial: str | None = None
    zenith_deg: tuple[float, float] = (0.0, 90.0)
    patterns: dict[str, Pattern] = {}


def signal_name(system: int, band: int) -> str:
    """Give the name that ANTEX has for a system's carrier, both by number."""
    return f"{SYSTEMS[system]}{band:02d}"


class AntennaTable:
    """A model made ready for columns of signals.

    A carrier that was not calibrated takes the pattern of the same carrier of another system, as
    the files of the IGS do themselves (IGSMAIL-8713: C05 copied from G05), else that of the
    nearest carrier that is at most 60 MHz off. ``stand_ins`` tells which took whose; a carrier
    without any has no correction, which is NaN and not 0.
    """

    def __init__(self, model: AntennaModel) -> None:
        self.model = model
        self.stand_ins: dict[str, str] = {}
        names = sorted(model.patterns)
        self._row = np.full(len(SYSTEMS) * N_BANDS, -1)
        for system in range(len(SYSTEMS)):
            for band in range(N_BANDS):
                name = signal_name(system, band)
                found = _pattern_for(name, names)
                if found is None:
                    continue
                self._row[system * N_BANDS + band] = names.index(found)
                if found != name:
                    self.stand_ins[name] = found
        patterns = [model.patterns[name] for name in names]
        self._offset_m = np.array([one.offset_enu_m for one in patterns]).reshape(-1, 3)
        n_azimuths = max((len(one.variation_m) for one in patterns), default=1)
        # All round, and the first azimuth again behind the last, so that nothing wraps.
        rows = [
            np.array(one.variation_m)[np.arange(n_azimuths + 1) % len(one.variation_m)]
            for one in patterns
        ]
        self._grid_m = np.array(rows)
        self._n_azimuths = n_azimuths

    def has(self, name: str) -> bool:
        """Whether there is a pattern for a carrier, its own or another's."""
        return name in self.model.patterns or name in self.stand_ins

    def parts_m(
        self, system: IntArray, band: IntArray, azimuth_rad: FloatArray, elevation_rad: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Give what offset and variation add to each range (n,); NaN where nothing is known."""
        row = self._row[system * N_BANDS + band]
        if not len(self._offset_m):
            nothing = np.full(len(row), math.nan)
            return nothing, nothing
        across = np.cos(elevation_rad)
        direction = np.column_stack(
            (np.sin(azimuth_rad) * across, np.cos(azimuth_rad) * across, np.sin(elevation_rad))
        )
        offset_m = -np.einsum("ij,ij->i", self._offset_m[row], direction)
        first, last = self.model.zenith_deg
        n_zenith = self._grid_m.shape[2]
        step_deg = (last - first) / max(n_zenith - 1, 1) or 1.0
        zenith = np.clip((90.0 - np.degrees(elevation_rad) - first) / step_deg, 0.0, n_zenith - 1)
        turn = np.mod(azimuth_rad / (2.0 * math.pi), 1.0) * self._n_azimuths
        i = np.minimum(turn.astype(np.int64), self._n_azimuths - 1)
        j = np.minimum(zenith.astype(np.int64), max(n_zenith - 2, 0))
        a, z = turn - i, zenith - j
        k = np.minimum(j + 1, n_zenith - 1)
        grid = self._grid_m
        variation_m = (1.0 - a) * ((1.0 - z) * grid[row, i, j] + z * grid[row, i, k])
        variation_m += a * ((1.0 - z) * grid[row, i + 1, j] + z * grid[row, i + 1, k])
        unknown = row < 0
        return np.where(unknown, math.nan, offset_m), np.where(unknown, math.nan, variation_m)


class AntennaPair(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """The antennas of both ends; None where one is not corrected, as with a null antenna."""

    rover: AntennaTable | None = None
    base: AntennaTable | None = None


def _pattern_for(name: str, names: list[str]) -> str | None:
    if name in names:
        return name
    wanted_hz = _carrier_hz(name)
    if wanted_hz is None:
        return None
    apart = [
        (abs(hz - wanted_hz), other != f"G{name[1:]}", other)
        for other in names
        if (hz := _carrier_hz(other)) is not None
    ]
    best = min(apart, default=None)
    if best is None or best[0] > _NEAR_HZ:
        return None
    same = [other for off_hz, _, other in sorted(apart) if off_hz < _SAME_HZ]
    return same[0] if same else best[2]


def _carrier_hz(name: str) -> float | None:
    system, band = name[0], int(name[1:])
    if system == "R":
        return _GLONASS_HZ.get(band)
    if system not in SYSTEMS or not 0 < band < 10:
        return None
    hz = carrier_hz(system, f"{band}X")
    return hz if math.isfinite(hz) else None
