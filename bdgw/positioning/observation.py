"""What a receiver measured at one epoch, of whatever language: columns of cells.

A cell is a satellite on one signal. Absent is NaN. Columns must not be written to.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec
import numpy as np

from bdgw.positioning.satellite import N_SIGNALS
from bdgw.rtcm.lock import FloatArray
from bdgw.rtcm.observation import SPEED_OF_LIGHT_M_S, BoolArray, IntArray

__all__ = ["Cell", "ObservationEpoch", "epoch_of", "merged"]


class Cell(NamedTuple):
    """One satellite on one signal, as a reader hands it over."""

    satellite: int
    signal: int
    frequency_hz: float
    pseudorange_m: float
    phase_cycles: float
    doppler_hz: float
    cn0_dbhz: float
    lock_s: float
    has_slipped: bool
    is_half_cycle: bool


class ObservationEpoch(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """The observations of one receiver at one instant; all columns have shape (n,).

    ``t_gpst_ns`` is the receiver's own time tag. ``satellite`` and ``signal`` are the numbers of
    ``positioning.satellite``; a cell stands once. ``phase_cycles`` grows with distance, and
    ``doppler_hz`` is positive when the satellite comes nearer. ``lock_s`` is how long the phase
    has been tracked at least; ``has_slipped`` is what the receiver itself says of the time since
    the epoch before; ``is_half_cycle`` says that half a cycle is not resolved.
    """

    t_gpst_ns: int
    satellite: IntArray
    signal: IntArray
    frequency_hz: FloatArray
    pseudorange_m: FloatArray
    phase_cycles: FloatArray
    doppler_hz: FloatArray
    cn0_dbhz: FloatArray
    lock_s: FloatArray
    has_slipped: BoolArray
    is_half_cycle: BoolArray

    @property
    def cell(self) -> IntArray:
        """Number of each cell, unique within the epoch."""
        return self.satellite * N_SIGNALS + self.signal

    @property
    def phase_m(self) -> FloatArray:
        """Carrier phase in metres, NaN where phase or carrier is not known."""
        return self.phase_cycles * (SPEED_OF_LIGHT_M_S / self.frequency_hz)

    def taken(self, index: IntArray | BoolArray) -> ObservationEpoch:
        """Give an epoch of some of the cells, by index or by mask."""
        columns = {name: getattr(self, name)[index] for name in _COLUMNS}
        return ObservationEpoch(t_gpst_ns=self.t_gpst_ns, **columns)


_COLUMNS = Cell._fields


def epoch_of(t_gpst_ns: int, cells: Iterable[Cell]) -> ObservationEpoch:
    """Put cells into columns; of a cell that stands twice the last one counts."""
    rows = list({(cell.satellite, cell.signal): cell for cell in cells}.values())
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(_COLUMNS)
    arrays: dict[str, Any] = {}
    for name, column in zip(_COLUMNS, columns, strict=True):
        kind = _KINDS.get(name, np.float64)
        arrays[name] = np.array(column, dtype=kind)
    return ObservationEpoch(t_gpst_ns=t_gpst_ns, **arrays)


def merged(*parts: ObservationEpoch) -> ObservationEpoch:
    """Join parts of one epoch, at least one; of a cell in several the last part counts."""
    kept: list[ObservationEpoch] = []
    seen: set[int] = set()
    for part in parts:
        satellites = set(part.satellite.tolist())
        if not satellites.isdisjoint(seen):
            kept = [one.taken(~np.isin(one.cell, part.cell)) for one in kept]
        seen |= satellites
        kept.append(part)
    if len(kept) == 1:
        return kept[0]
    columns = {name: np.concatenate([getattr(one, name) for one in kept]) for name in _COLUMNS}
    return ObservationEpoch(t_gpst_ns=parts[0].t_gpst_ns, **columns)


_KINDS = {
    "satellite": np.int64,
    "signal": np.int64,
    "has_slipped": np.bool_,
    "is_half_cycle": np.bool_,
}
