"""Multiple signal messages, levels 1 to 7 of every system: payload to observations.

Source: RTCM 10403.3, clause 3.5.16. Range = (rough + fine) of light milliseconds; phase range
likewise; rate = rough + fine.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from bdgw.errors import DecodeError
from bdgw.rtcm.cell import (
    CELL_COLUMNS,
    FINE_LEVELS,
    HEAD_BITS,
    MODULO_LEVELS,
    CellLayout,
    bits_needed,
    layout_of,
    read_numbers,
)
from bdgw.rtcm.head import MSM_SYSTEMS, msm_epoch
from bdgw.rtcm.lock import LOCK_4_S, LOCK_10_S, FloatArray
from bdgw.rtcm.observation import LIGHT_MS_M, MAX_CELLS, BoolArray, IntArray, Observations
from bdgw.rtcm.signal import Signal, glonass_frequency_hz, ids_of_mask, satellite_name, signal_of

__all__ = ["decode_msm"]

_N_RANGES = {
    level: sum(name in ("code", "phase") for name, _ in rows)
    for level, rows in CELL_COLUMNS.items()
}
_N_INFO = 16
_KNOWN_INFO = 14
"""DF419: 14 and 15 say nothing."""
_WITH_MASK_BYTES = (HEAD_BITS + MAX_CELLS + 7) // 8
_REST_BITS = _WITH_MASK_BYTES * 8 - HEAD_BITS
_HEAD_BYTES = (HEAD_BITS + 7) // 8


class _Shape(NamedTuple):
    """What number and masks mean; its arrays are shared by all messages with the same masks."""

    needed_bits: int
    layout: CellLayout
    system: str
    satellites: tuple[str, ...]
    signals: tuple[Signal, ...]
    satellite_index: IntArray
    signal_index: IntArray
    range_owners: IntArray
    """The satellite of each code and then of each phase, as far as the level has them."""
    frequency_hz: FloatArray
    by_info: FloatArray | None
    """GLONASS: carriers of all signals, sixteen each, by the raw word of the satellite."""
    info_begin: IntArray
    """Where the carriers of each cell's signal begin in ``by_info``."""
    lock_table: FloatArray
    nothing: FloatArray
    range_modulus_m: float | None


def decode_msm(number: int, payload: bytes) -> Observations:
    """Decode an MSM; zero padding behind its last bit is accepted.

    Raises:
        DecodeError: the payload is shorter than its masks ask for, or they ask for more than 64
            cells.
    """
    n_bits = len(payload) * 8
    if n_bits < HEAD_BITS:
        raise DecodeError("the payload ends within the MSM header", bit=n_bits)
    bits = int.from_bytes(payload[:_WITH_MASK_BYTES].ljust(_WITH_MASK_BYTES, b"\0"), "big")
    head = bits >> _REST_BITS
    satellite_mask, signal_mask = head >> 32 & 0xFFFFFFFFFFFFFFFF, head & 0xFFFFFFFF
    n_satellites, n_signals = satellite_mask.bit_count(), signal_mask.bit_count()
    n_mask = n_satellites * n_signals
    if n_mask > MAX_CELLS:
        raise DecodeError(f"{n_satellites} satellites times {n_signals} signals", bit=HEAD_BITS)
    if n_bits < HEAD_BITS + n_mask:
        raise DecodeError("the payload ends within the cell mask", bit=HEAD_BITS)
    cell_mask = bits >> (_REST_BITS - n_mask) & ((1 << n_mask) - 1)
    shape = _shape(number, satellite_mask, signal_mask, cell_mask)
    if n_bits < shape.needed_bits:
        raise DecodeError(
            f"the masks ask for {shape.needed_bits} bits, there are {n_bits}",
            bit=HEAD_BITS + n_mask,
        )
    return _observations(number, head, payload, shape)


def _observations(number: int, head: int, payload: bytes, shape: _Shape) -> Observations:
    raw, scaled = read_numbers(payload, shape.layout)
    parts = shape.layout.parts
    owners = shape.satellite_index
    rough_m = scaled[parts["rough_mod"]]
    if "rough_int" in parts:
        rough_m = rough_m + scaled[parts["rough_int"]]
    # Code and phase stand side by side in front of all others.
    ranges_m = scaled[: len(shape.range_owners)] + rough_m[shape.range_owners]
    pseudorange_m = phase_range_m = phase_rate_m_s = lock_s = cn0_dbhz = shape.nothing
    is_half_cycle: BoolArray | None = None
    rough_rate_m_s = extended_info = None
    frequency_hz = shape.frequency_hz
    if "code" in parts:
        pseudorange_m = ranges_m[parts["code"]]
    if "phase" in parts:
        phase_range_m = ranges_m[parts["phase"]]
        lock_s = shape.lock_table[raw[parts["lock"]]]
        is_half_cycle = raw[parts["half"]].astype(np.bool_)
    if "cnr" in parts:
        cn0_dbhz = scaled[parts["cnr"]]
    if "rate" in parts:
        rough_rate_m_s = scaled[parts["rough_rate"]]
        phase_rate_m_s = scaled[parts["rate"]] + rough_rate_m_s[owners]
        extended_info = raw[parts["info"]]
        if shape.by_info is not None:
            frequency_hz = shape.by_info[shape.info_begin + extended_info[owners]]
    top = head >> 96
    return Observations(
        number=number,
        station=top >> 49 & 0xFFF,
        system=shape.system,
        epoch=msm_epoch(shape.system, top >> 19 & 0x3FFFFFFF),
        has_more=top >> 18 & 1 == 1,
        iods=top >> 15 & 7,
        clock_steering=top >> 6 & 3,
        external_clock=top >> 4 & 3,
        is_divergence_free=top >> 3 & 1 == 1,
        smoothing_interval=top & 7,
        range_modulus_m=shape.range_modulus_m,
        satellites=shape.satellites,
        signals=shape.signals,
        extended_info=extended_info,
        rough_range_m=rough_m,
        rough_rate_m_s=rough_rate_m_s,
        satellite_index=shape.satellite_index,
        signal_index=shape.signal_index,
        pseudorange_m=pseudorange_m,
        phase_range_m=phase_range_m,
        phase_rate_m_s=phase_rate_m_s,
        lock_s=lock_s,
        cn0_dbhz=cn0_dbhz,
        frequency_hz=frequency_hz,
        is_half_cycle=is_half_cycle,
    )


@lru_cache(maxsize=128)
def _shape(number: int, satellite_mask: int, signal_mask: int, cell_mask: int) -> _Shape:
    level = number % 10
    system = MSM_SYSTEMS[number // 10]
    satellite_ids = ids_of_mask(satellite_mask, 64)
    signals = tuple(signal_of(system, i) for i in ids_of_mask(signal_mask, 32))
    n_mask = len(satellite_ids) * len(signals)
    cells = np.array([place - 1 for place in ids_of_mask(cell_mask, n_mask)], dtype=np.int64)
    satellite_index, signal_index = np.divmod(cells, max(len(signals), 1))
    by_signal = [math.nan if s.frequency_hz is None else s.frequency_hz for s in signals]
    frequency_hz = np.array(by_signal, dtype=np.float64)[signal_index]
    nothing = np.full(len(cells), math.nan)
    for array in (satellite_index, signal_index, frequency_hz, nothing):
        array.flags.writeable = False
    return _Shape(
        needed_bits=bits_needed(level, n_mask, len(satellite_ids), len(cells)),
        layout=layout_of(level, n_mask, len(satellite_ids), len(cells)),
        system=system,
        satellites=tuple(satellite_name(system, i) for i in satellite_ids),
        signals=signals,
        satellite_index=satellite_index,
        signal_index=signal_index,
        range_owners=np.tile(satellite_index, _N_RANGES[level]),
        frequency_hz=frequency_hz,
        by_info=_carriers(signals) if system == "R" else None,
        info_begin=signal_index * _N_INFO,
        lock_table=LOCK_10_S if level in FINE_LEVELS else LOCK_4_S,
        nothing=nothing,
        range_modulus_m=LIGHT_MS_M if level in MODULO_LEVELS else None,
    )


def _carriers(signals: tuple[Signal, ...]) -> FloatArray:
    carriers = [
        glonass_frequency_hz(signal.code, info - 7) if info < _KNOWN_INFO else None
        for signal in signals
        for info in range(_N_INFO)
    ]
    return np.array([math.nan if hz is None else hz for hz in carriers], dtype=np.float64)
