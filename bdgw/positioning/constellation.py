"""All satellites of an epoch at the times when they sent, whatever system they are of.

Which set serves each satellite is decided anew when sets came, and each half minute; two receivers
of one epoch are so computed with the same sets. Epochs follow each other much faster than orbits
bend: they are read from polynomials (``sky_piece``), and only other times from the sets themselves.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bdgw.positioning.ephemeris import EphemerisStore, GlonassOrbit, KeplerOrbit, Orbit
from bdgw.positioning.glonass import GlonassTable
from bdgw.positioning.orbit import KeplerTable
from bdgw.positioning.satellite import N_SIGNALS, N_SYSTEM_SATELLITES, SYSTEMS
from bdgw.positioning.sky_piece import FAR_M, SkyPiece
from bdgw.rtcm.lock import FloatArray
from bdgw.rtcm.observation import SPEED_OF_LIGHT_M_S, BoolArray, IntArray

__all__ = ["Constellation", "SatelliteStates"]

_N_SATELLITES = N_SYSTEM_SATELLITES * len(SYSTEMS)
_CHOICE_NS = 30_000_000_000


class SatelliteStates(NamedTuple):
    """Satellites at the time of sending, Earth-fixed at that time; rows are NaN where unknown.

    ``position_m`` and ``velocity_m_s`` have shape (n, 3), ``clock_s`` and ``clock_rate_s_s`` (n,).
    """

    satellite: IntArray
    position_m: FloatArray
    velocity_m_s: FloatArray
    clock_s: FloatArray
    clock_rate_s_s: FloatArray

    def head(self, n: int) -> SatelliteStates:
        """Give the first rows."""
        return self.taken(slice(0, n))

    def taken(self, index: IntArray | BoolArray | slice) -> SatelliteStates:
        """Give some of the rows."""
        return SatelliteStates(
            self.satellite[index],
            self.position_m[index],
            self.velocity_m_s[index],
            self.clock_s[index],
            self.clock_rate_s_s[index],
        )


class Constellation:
    """The chosen sets as tables; ``states`` computes from them."""

    def __init__(self, store: EphemerisStore) -> None:
        self.store = store
        self._chosen_at: int | None = None
        self._version = -1
        self._piece: SkyPiece | None = None
        self._orbits: dict[int, Orbit] = {}
        self._glonass: list[GlonassOrbit] = []
        self._tables: tuple[KeplerTable, GlonassTable] = (KeplerTable([]), GlonassTable([]))
        self._table_of = np.full(_N_SATELLITES, -1)
        self._piece_row = np.zeros(_N_SATELLITES, dtype=np.int64)
        self._row_of = np.zeros(_N_SATELLITES, dtype=np.int64)
        self.group_delay_s = np.full((_N_SATELLITES, 2), np.nan)
        """Group delays as broadcast, by satellite."""
        self.delay_cell = np.zeros(0, dtype=np.int64)
        """Satellites and signals, as cells and sorted, that a modern set gives the delay of."""
        self.delay_of_cell_s = np.zeros(0)
        self.accuracy_m = np.full(_N_SATELLITES, np.nan)
        """What the sets claim of themselves, by satellite."""
        self.is_fnav = np.zeros(_N_SATELLITES, dtype=np.bool_)

    def choose(self, t_gpst_ns: int) -> None:
        """Choose the sets for an instant, unless those at hand still serve."""
        store = self.store
        if (
            self._version != store.version
            or self._chosen_at is None
            or abs(t_gpst_ns - self._chosen_at) >= _CHOICE_NS
        ):
            self._choose(t_gpst_ns)
        if self._piece is None or not self._piece.is_near(t_gpst_ns):
            self._piece = SkyPiece(self._tables, t_gpst_ns)

    def _choose(self, t_gpst_ns: int) -> None:
        store = self.store
        self._version, self._chosen_at = store.version, t_gpst_ns
        chosen: dict[int, Orbit] = {}
        for satellite in store.satellites():
            orbit = store.choose(satellite, t_gpst_ns)
            if orbit is not None:
                chosen[satellite] = orbit
        if chosen == self._orbits:
            return
        self._orbits, self._piece = chosen, None
        kepler = [orbit for orbit in chosen.values() if isinstance(orbit, KeplerOrbit)]
        glonass = [orbit for orbit in chosen.values() if isinstance(orbit, GlonassOrbit)]
        if glonass != self._glonass:
            self._glonass = glonass
            self._tables = (KeplerTable(kepler), GlonassTable(glonass))
        else:
            # What was integrated so far stays: sets of other systems come all the time.
            self._tables = (KeplerTable(kepler), self._tables[1])
        self._table_of[:] = -1
        self._piece_row[:] = len(chosen)  # a row of a piece that knows nothing
        self.group_delay_s[:] = np.nan
        self.accuracy_m[:] = np.nan
        for number, names in enumerate(
            ([orbit.satellite for orbit in kepler], [orbit.satellite for orbit in glonass])
        ):
            self._table_of[names] = number
            self._row_of[names] = np.arange(len(names))
            self._piece_row[names] = np.arange(len(names)) + number * len(kepler)
        for orbit in kepler:
            self.group_delay_s[orbit.satellite, : len(orbit.tgd_s)] = orbit.tgd_s
            self.accuracy_m[orbit.satellite] = orbit.accuracy_m
            self.is_fnav[orbit.satellite] = orbit.is_fnav
        delays = sorted(
            (N_SIGNALS * orbit.satellite + signal, delay_s)
            for orbit in kepler
            for signal, delay_s in orbit.signal_delays_s
        )
        self.delay_cell = np.array([cell for cell, _ in delays], dtype=np.int64)
        self.delay_of_cell_s = np.array([delay_s for _, delay_s in delays])

    def states(
        self, t_gpst_ns: IntArray, satellite: IntArray, pseudorange_m: FloatArray
    ) -> SatelliteStates:
        """Give the states when what was received at ``t_gpst_ns`` (n,) was sent.

        The time of sending is that of reception less the pseudorange and the satellite's clock
        (IS-GPS-200, clause 20.3.3.3.3.1); the receiver's clock is in both and falls out.
        """
        piece = self._piece
        if piece is not None and piece.serves(t_gpst_ns):
            row = self._piece_row[satellite]
            return SatelliteStates(satellite, *piece.states(row, t_gpst_ns, pseudorange_m))
        n = len(satellite)
        position, velocity = np.full((n, 3), np.nan), np.full((n, 3), np.nan)
        clock, rate = np.full(n, np.nan), np.full(n, np.nan)
        is_known = (pseudorange_m > 0.0) & (pseudorange_m < FAR_M)
        table_of = self._table_of[satellite]
        tables: tuple[KeplerTable | GlonassTable, ...] = self._tables
        for number, table in enumerate(tables):
            at = np.flatnonzero((table_of == number) & is_known)
            if not len(at):
                continue
            row, t_ns = self._row_of[satellite[at]], t_gpst_ns[at]
            travel_s = pseudorange_m[at] / SPEED_OF_LIGHT_M_S
            minus_s = travel_s + table.clock_s(row, t_ns - (travel_s * 1e9).astype(np.int64))
            position[at], velocity[at], clock[at], rate[at] = table.state(row, t_ns, minus_s)
        return SatelliteStates(satellite, position, velocity, clock, rate)
