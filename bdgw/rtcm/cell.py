"""The columns of MSM: which fields each level has, and all their numbers out of a payload at once.

An MSM stores field by field, not satellite by satellite. Where each number begins depends only on
the level and on how many satellites, signals and cells there are, so these places are worked out
once, and a message is read by one gathering of 32-bit words.

Source: RTCM 10403.3, tables 3.5-79 to 3.5-90.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bdgw.rtcm.field import Field, flag, signed, unsigned
from bdgw.rtcm.lock import FloatArray
from bdgw.rtcm.observation import IntArray

__all__ = [
    "CELL_COLUMNS",
    "FINE_LEVELS",
    "HEAD_BITS",
    "MODULO_LEVELS",
    "SATELLITE_COLUMNS",
    "Columns",
    "bits_needed",
    "read_columns",
]

HEAD_BITS = 169
"""Bits before the cell mask."""
MODULO_LEVELS = (1, 2, 3)
"""Levels whose ranges are known only modulo a light millisecond."""
FINE_LEVELS = (6, 7)
"""Levels with extended resolution and the lock indicator of ten bits."""

_RANGE_INT = ("rough_int", unsigned("DF397", 8, unit="ms", absent=255))
_RANGE_MOD = ("rough_mod", unsigned("DF398", 10, times=2.0**-10, unit="ms"))
_RATE = ("rough_rate", signed("DF399", 14, unit="m/s", absent=-(1 << 13)))
_INFO = ("info", unsigned("DF419", 4))
"""GLONASS: channel + 7. The other systems have four bits there without a meaning so far."""

_CODE_15 = ("code", signed("DF400", 15, times=2.0**-24, unit="ms", absent=-(1 << 14)))
_CODE_20 = ("code", signed("DF405", 20, times=2.0**-29, unit="ms", absent=-(1 << 19)))
_PHASE_22 = ("phase", signed("DF401", 22, times=2.0**-29, unit="ms", absent=-(1 << 21)))
_PHASE_24 = ("phase", signed("DF406", 24, times=2.0**-31, unit="ms", absent=-(1 << 23)))
_LOCK_4 = ("lock", unsigned("DF402", 4))
_LOCK_10 = ("lock", unsigned("DF407", 10))
_HALF = ("half", flag("DF420"))
_CNR_6 = ("cnr", unsigned("DF403", 6, unit="dB-Hz", absent=0))
_CNR_10 = ("cnr", unsigned("DF408", 10, times=2.0**-4, unit="dB-Hz", absent=0))
_FINE_RATE = ("rate", signed("DF404", 15, per=10_000, unit="m/s", absent=-(1 << 14)))

Rows = tuple[tuple[str, Field], ...]

_SHORT: Rows = (_RANGE_MOD,)
_PLAIN: Rows = (_RANGE_INT, _RANGE_MOD)
_WITH_RATE: Rows = (_RANGE_INT, _INFO, _RANGE_MOD, _RATE)
SATELLITE_COLUMNS: dict[int, Rows] = {
    1: _SHORT,
    2: _SHORT,
    3: _SHORT,
    4: _PLAIN,
    5: _WITH_RATE,
    6: _PLAIN,
    7: _WITH_RATE,
}
"""Fields of each satellite by level (the last digit of the number), in the order of the wire."""
_CELLS_4: Rows = (_CODE_15, _PHASE_22, _LOCK_4, _HALF, _CNR_6)
_CELLS_6: Rows = (_CODE_20, _PHASE_24, _LOCK_10, _HALF, _CNR_10)
CELL_COLUMNS: dict[int, Rows] = {
    1: (_CODE_15,),
    2: (_PHASE_22, _LOCK_4, _HALF),
    3: (_CODE_15, _PHASE_22, _LOCK_4, _HALF),
    4: _CELLS_4,
    5: (*_CELLS_4, _FINE_RATE),
    6: _CELLS_6,
    7: (*_CELLS_6, _FINE_RATE),
}
"""Fields of each cell by level, in the order of the wire."""

_NEVER = -(1 << 40)


class Columns(NamedTuple):
    """All numbers of a message by name: as on the wire, and scaled with NaN for absent."""

    raw: dict[str, IntArray]
    scaled: dict[str, FloatArray]


class _Plan(NamedTuple):
    """Where and how each number is read; every array has one element a number."""

    byte: npt.NDArray[np.intp]
    shift: IntArray
    mask: IntArray
    sign: IntArray
    absent: IntArray
    times: FloatArray
    slices: dict[str, slice]


def bits_needed(level: int, n_satellites: int, n_signals: int, n_cells: int) -> int:
    """Tell how many bits the payload of an MSM must have."""
    satellite_bits = sum(field.bits for _, field in SATELLITE_COLUMNS[level])
    cell_bits = sum(field.bits for _, field in CELL_COLUMNS[level])
    return (
        HEAD_BITS + n_satellites * n_signals + n_satellites * satellite_bits + n_cells * cell_bits
    )


@lru_cache(maxsize=256)
def _plan(level: int, n_satellites: int, n_cells: int, begin: int) -> _Plan:
    starts: list[int] = []
    fields: list[Field] = []
    slices: dict[str, slice] = {}
    at = begin
    for rows, count in (
        (SATELLITE_COLUMNS[level], n_satellites),
        (CELL_COLUMNS[level], n_cells),
    ):
        for name, field in rows:
            slices[name] = slice(len(starts), len(starts) + count)
            starts += range(at, at + count * field.bits, field.bits)
            fields += [field] * count
            at += count * field.bits
    width = np.array([field.bits for field in fields], dtype=np.int64)
    start = np.array(starts, dtype=np.int64)
    is_signed = np.array([field.sign == "signed" for field in fields], dtype=np.bool_)
    return _Plan(
        byte=(start >> 3).astype(np.intp),
        shift=32 - width - (start & 7),
        mask=(1 << width) - 1,
        sign=np.where(is_signed, 1 << (width - 1), 0),
        absent=np.array(
            [_NEVER if field.absent is None else field.absent for field in fields],
            dtype=np.int64,
        ),
        times=np.array([field.times / field.per for field in fields], dtype=np.float64),
        slices=slices,
    )


def read_columns(
    payload: bytes, level: int, n_satellites: int, n_signals: int, n_cells: int
) -> Columns:
    """Read all numbers behind the cell mask; the payload must be long enough.

    No field is wider than 24 bits, so each lies within the 32-bit word at its first byte.
    """
    plan = _plan(level, n_satellites, n_cells, HEAD_BITS + n_satellites * n_signals)
    # Overlapping big-endian words, one at each byte; the padding lets the last ones be whole.
    words: npt.NDArray[np.uint32] = np.ndarray(
        (len(payload) + 1,), ">u4", payload + b"\0\0\0\0", 0, (1,)
    )
    raw = words[plan.byte].astype(np.int64)
    raw >>= plan.shift
    raw &= plan.mask
    raw ^= plan.sign
    raw -= plan.sign
    scaled = raw * plan.times
    scaled[raw == plan.absent] = math.nan
    slices = plan.slices
    return Columns(
        {name: raw[part] for name, part in slices.items()},
        {name: scaled[part] for name, part in slices.items()},
    )
