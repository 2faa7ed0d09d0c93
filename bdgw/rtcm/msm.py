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
    FINE_LEVELS,
    HEAD_BITS,
    MODULO_LEVELS,
    bits_needed,
    read_columns,
)
from bdgw.rtcm.head import MSM_SYSTEMS, msm_epoch
from bdgw.rtcm.lock import LOCK_4_S, LOCK_10_S, FloatArray
from bdgw.rtcm.observation import LIGHT_MS_M, MAX_CELLS, IntArray, Observations
from bdgw.rtcm.signal import Signal, glonass_frequency_hz, ids_of_mask, satellite_name, signal_of

__all__ = ["decode_msm"]

_UNKNOWN_INFO = 15
_HEAD_BYTES = (HEAD_BITS + 7) // 8


class _Shape(NamedTuple):
    """What three masks mean; its arrays are shared by all messages with the same masks."""

    satellites: tuple[str, ...]
    signals: tuple[Signal, ...]
    satellite_index: IntArray
    signal_index: IntArray
    frequency_hz: FloatArray


# GLONASS carriers by raw extended information; 14 and 15 say nothing.
_GLONASS_HZ = {
    code: np.array(
        [
            glonass_frequency_hz(code, info - 7) if info < 14 else math.nan
            for info in range(_UNKNOWN_INFO + 1)
        ],
        dtype=np.float64,
    )
    for code in ("1C", "1P", "2C", "2P")
}
_NO_GLONASS_HZ = np.full(_UNKNOWN_INFO + 1, math.nan)


def decode_msm(number: int, payload: bytes) -> Observations:
    """Decode an MSM; zero padding behind its last bit is accepted.

    Raises:
        DecodeError: the payload is shorter than its masks ask for, or they ask for more than 64
            cells.
    """
    if len(payload) < _HEAD_BYTES:
        raise DecodeError("the payload ends within the MSM header", bit=len(payload) * 8)
    n_bits = len(payload) * 8
    head = int.from_bytes(payload[:_HEAD_BYTES], "big") >> (_HEAD_BYTES * 8 - HEAD_BITS)
    satellite_mask, signal_mask = head >> 32 & 0xFFFFFFFFFFFFFFFF, head & 0xFFFFFFFF
    n_satellites, n_signals = satellite_mask.bit_count(), signal_mask.bit_count()
    n_mask = n_satellites * n_signals
    if n_mask > MAX_CELLS:
        raise DecodeError(f"{n_satellites} satellites times {n_signals} signals", bit=HEAD_BITS)
    end = HEAD_BITS + n_mask
    if n_bits < end:
        raise DecodeError("the payload ends within the cell mask", bit=HEAD_BITS)
    n_bytes = (end + 7) // 8
    cell_mask = int.from_bytes(payload[:n_bytes], "big") >> (n_bytes * 8 - end)
    cell_mask &= (1 << n_mask) - 1
    level = number % 10
    system = MSM_SYSTEMS[number // 10]
    needed = bits_needed(level, n_satellites, n_signals, cell_mask.bit_count())
    if n_bits < needed:
        raise DecodeError(f"the masks ask for {needed} bits, there are {n_bits}", bit=end)
    shape = _shape(system, satellite_mask, signal_mask, cell_mask)
    return _observations(number, head, payload, shape)


def _observations(number: int, head: int, payload: bytes, shape: _Shape) -> Observations:
    level = number % 10
    system = MSM_SYSTEMS[number // 10]
    n_cells = len(shape.satellite_index)
    raw, scaled = read_columns(payload, level, len(shape.satellites), len(shape.signals), n_cells)
    rough_ms = scaled["rough_mod"]
    if "rough_int" in scaled:
        rough_ms = rough_ms + scaled["rough_int"]
    of_cell = shape.satellite_index
    rough_of_cell_ms = rough_ms[of_cell]
    nothing = np.full(n_cells, math.nan)
    rough_rate = scaled.get("rough_rate")
    info = raw.get("info")
    return Observations(
        number=number,
        station=head >> 145 & 0xFFF,
        system=system,
        epoch=msm_epoch(system, head >> 115 & 0x3FFFFFFF),
        has_more=bool(head >> 114 & 1),
        iods=head >> 111 & 7,
        clock_steering=head >> 102 & 3,
        external_clock=head >> 100 & 3,
        is_divergence_free=bool(head >> 99 & 1),
        smoothing_interval=head >> 96 & 7,
        range_modulus_m=LIGHT_MS_M if level in MODULO_LEVELS else None,
        satellites=shape.satellites,
        signals=shape.signals,
        extended_info=info,
        rough_range_m=rough_ms * LIGHT_MS_M,
        rough_rate_m_s=rough_rate,
        satellite_index=of_cell,
        signal_index=shape.signal_index,
        pseudorange_m=_range_m(rough_of_cell_ms, scaled.get("code"), nothing),
        phase_range_m=_range_m(rough_of_cell_ms, scaled.get("phase"), nothing),
        phase_rate_m_s=(nothing if rough_rate is None else rough_rate[of_cell] + scaled["rate"]),
        lock_s=_lock_s(level, raw.get("lock"), nothing),
        cn0_dbhz=scaled.get("cnr", nothing),
        frequency_hz=_frequency_hz(system, shape, info),
        is_half_cycle=raw["half"] != 0 if "half" in raw else None,
    )


def _range_m(rough_ms: FloatArray, fine_ms: FloatArray | None, nothing: FloatArray) -> FloatArray:
    if fine_ms is None:
        return nothing
    range_m: FloatArray = (rough_ms + fine_ms) * LIGHT_MS_M
    return range_m


def _lock_s(level: int, lock: IntArray | None, nothing: FloatArray) -> FloatArray:
    if lock is None:
        return nothing
    return (LOCK_10_S if level in FINE_LEVELS else LOCK_4_S)[lock]


def _frequency_hz(system: str, shape: _Shape, info: IntArray | None) -> FloatArray:
    if system != "R" or info is None:
        return shape.frequency_hz
    # By signal and raw word of the satellite.
    carriers = np.array([_GLONASS_HZ.get(s.code or "", _NO_GLONASS_HZ) for s in shape.signals])
    if not len(carriers):
        return shape.frequency_hz
    frequency_hz: FloatArray = carriers[shape.signal_index, info[shape.satellite_index]]
    return frequency_hz


@lru_cache(maxsize=512)
def _shape(system: str, satellite_mask: int, signal_mask: int, cell_mask: int) -> _Shape:
    satellite_ids = ids_of_mask(satellite_mask, 64)
    signals = tuple(signal_of(system, i) for i in ids_of_mask(signal_mask, 32))
    n_mask = len(satellite_ids) * len(signals)
    cells = [place - 1 for place in ids_of_mask(cell_mask, n_mask)]
    satellite_index = np.array([cell // len(signals) for cell in cells], dtype=np.int64)
    signal_index = np.array([cell % len(signals) for cell in cells], dtype=np.int64)
    by_signal = [math.nan if s.frequency_hz is None else s.frequency_hz for s in signals]
    frequency_hz = np.array([by_signal[i] for i in signal_index.tolist()], dtype=np.float64)
    for array in (satellite_index, signal_index, frequency_hz):
        array.flags.writeable = False
    return _Shape(
        tuple(satellite_name(system, i) for i in satellite_ids),
        signals,
        satellite_index,
        signal_index,
        frequency_hz,
    )
