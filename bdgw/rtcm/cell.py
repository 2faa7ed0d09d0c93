"""The columns of MSM: which fields each level has, and all their numbers out of a payload at once.

An MSM stores field by field, not satellite by satellite. Where each number begins depends only on
the level and on how many satellites and cells there are, which a stream repeats, so the places are
worked out once (``layout_of``) and a message is read by gathering one 64-bit word a number.

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
from bdgw.rtcm.observation import LIGHT_MS_M, IntArray

__all__ = [
    "CELL_COLUMNS",
    "FINE_LEVELS",
    "HEAD_BITS",
    "MODULO_LEVELS",
    "SATELLITE_COLUMNS",
    "CellLayout",
    "bits_needed",
    "layout_of",
    "read_numbers",
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

_BITS_EACH = {
    level: (
        sum(field.bits for _, field in SATELLITE_COLUMNS[level]),
        sum(field.bits for _, field in CELL_COLUMNS[level]),
    )
    for level in CELL_COLUMNS
}
_NEVER = -(1 << 40)
_WORD_BITS = 64
_WORD_BYTES = 8
_IN_METRES = {"ms": LIGHT_MS_M}


class CellLayout(NamedTuple):
    """Where and how each number of a message is read; every array has one element a number.

    ``parts`` tells which of the numbers are of a field: those of cells first, then those of
    satellites. Scaled numbers are metres, metres a second and dB-Hz.
    """

    byte: npt.NDArray[np.intp]
    left: IntArray
    right: IntArray
    mask: IntArray
    absent: IntArray
    times: FloatArray
    parts: dict[str, slice]


def bits_needed(level: int, n_mask: int, n_satellites: int, n_cells: int) -> int:
    """Tell how many bits the payload of an MSM must have; ``n_mask`` is that of its cell mask."""
    of_satellite, of_cell = _BITS_EACH[level]
    return HEAD_BITS + n_mask + n_satellites * of_satellite + n_cells * of_cell


@lru_cache(maxsize=128)
def layout_of(level: int, n_mask: int, n_satellites: int, n_cells: int) -> CellLayout:
    """Work out where the numbers behind a cell mask of ``n_mask`` bits stand, and their scales."""
    satellites, cells = SATELLITE_COLUMNS[level], CELL_COLUMNS[level]
    at = HEAD_BITS + n_mask
    begins = {}
    for rows, count in ((satellites, n_satellites), (cells, n_cells)):
        for name, field in rows:
            begins[name] = at
            at += field.bits * count
    counts = [n_cells] * len(cells) + [n_satellites] * len(satellites)
    fields = [field for _, field in (*cells, *satellites)]
    ends = np.cumsum(counts).tolist()
    names = [name for name, _ in (*cells, *satellites)]
    start = np.concatenate(
        [
            begins[name] + field.bits * np.arange(count)
            for name, field, count in zip(names, fields, counts, strict=True)
        ]
    )
    right = [_WORD_BITS - field.bits for field in fields]
    mask = [-1 if field.sign == "signed" else (1 << field.bits) - 1 for field in fields]
    absent = [_NEVER if field.absent is None else field.absent for field in fields]
    times = [field.times / field.per * _IN_METRES.get(field.unit, 1.0) for field in fields]
    return CellLayout(
        byte=(start >> 3).astype(np.intp),
        left=start & 7,
        right=np.repeat(np.array(right), counts),
        mask=np.repeat(np.array(mask), counts),
        absent=np.repeat(np.array(absent), counts),
        times=np.repeat(np.array(times), counts),
        parts={
            name: slice(end - count, end)
            for name, end, count in zip(names, ends, counts, strict=True)
        },
    )


def read_numbers(payload: bytes, layout: CellLayout) -> tuple[IntArray, FloatArray]:
    """Read all numbers: as on the wire, and scaled with NaN for absent.

    The payload must be long enough. No field is wider than 24 bits, so each lies within the
    64-bit word at its first byte.
    """
    # Words that overlap, one at each byte. The payload is turned round and walked backwards, so
    # that its big-endian words are native ones on a little-endian machine.
    n_bytes = len(payload)
    words: npt.NDArray[np.int64] = np.ndarray(
        (n_bytes,), "<i8", bytes(_WORD_BYTES) + payload[::-1], n_bytes, (-1,)
    )
    raw = words[layout.byte]
    raw <<= layout.left
    raw >>= layout.right
    raw &= layout.mask
    scaled = raw * layout.times
    scaled[raw == layout.absent] = math.nan
    return raw, scaled
