"""Observations to an MSM payload, by the same rows as the decoder reads.

Source: RTCM 10403.3, clause 3.5.16.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from bdgw.errors import EncodeError
from bdgw.rtcm.bits import BitWriter
from bdgw.rtcm.cell import CELL_COLUMNS, FINE_LEVELS, MODULO_LEVELS, SATELLITE_COLUMNS
from bdgw.rtcm.field import Field
from bdgw.rtcm.head import MSM_SYSTEMS, TimeScale
from bdgw.rtcm.lock import LOCK_4_S, LOCK_10_S, FloatArray, lock_indicator
from bdgw.rtcm.observation import LIGHT_MS_M, MAX_CELLS, Observations
from bdgw.rtcm.signal import id_of_satellite

__all__ = ["encode_msm"]

_UNKNOWN_DAY = 7
_UNKNOWN_INFO = 15
_ROUGH_STEPS = 1024
"""DF398: steps in a millisecond."""

_Numbers = dict[str, Sequence[Any]]


def encode_msm(message: Observations, writer: BitWriter) -> None:
    """Write an MSM behind the message number.

    Raises:
        EncodeError: satellites, signals or cells are not in the order of the masks, there are
            more than 64 places for cells, or a value does not fit its field.
    """
    if MSM_SYSTEMS[message.number // 10] != message.system:
        raise EncodeError(f"{message.number} does not carry system {message.system}")
    level = message.number % 10
    satellite_ids = [id_of_satellite(message.system, name) for name in message.satellites]
    signal_ids = [signal.id for signal in message.signals]
    n_mask = len(satellite_ids) * len(signal_ids)
    if n_mask > MAX_CELLS:
        raise EncodeError(f"{len(satellite_ids)} satellites times {len(signal_ids)} signals")
    cells = (message.satellite_index * len(signal_ids) + message.signal_index).tolist()
    writer.put(12, message.station, "station")
    _put_epoch(message, writer)
    writer.put(1, message.has_more, "has_more")
    writer.put(3, message.iods or 0, "iods")
    writer.put(7, 0, "reserved")
    writer.put(2, message.clock_steering or 0, "clock_steering")
    writer.put(2, message.external_clock or 0, "external_clock")
    writer.put(1, message.is_divergence_free, "is_divergence_free")
    writer.put(3, message.smoothing_interval, "smoothing_interval")
    writer.put(64, _mask(satellite_ids, 64, "satellites"), "satellites")
    writer.put(32, _mask(signal_ids, 32, "signals"), "signals")
    writer.put(n_mask, _mask([cell + 1 for cell in cells], n_mask, "cells"), "cells")
    rough = _rough_ms(message)
    for rows, numbers in (
        (SATELLITE_COLUMNS[level], _of_satellites(message, rough, level)),
        (CELL_COLUMNS[level], _of_cells(message, rough, level)),
    ):
        for name, field in rows:
            for number in numbers[name]:
                writer.put(field.bits, _wire(field, number, name), name)


def _put_epoch(message: Observations, writer: BitWriter) -> None:
    epoch = message.epoch
    scale = {"R": TimeScale.GLONASS, "C": TimeScale.BDT}.get(message.system, TimeScale.GPST)
    if epoch.scale is not scale:
        raise EncodeError(f"{message.number} states its epoch in {scale}, not in {epoch.scale}")
    if scale is TimeScale.GLONASS:
        day = _UNKNOWN_DAY if epoch.day_of_week is None else epoch.day_of_week
        writer.put(3, day, "day_of_week")
        writer.put(27, epoch.time_ms, "epoch")
    else:
        writer.put(30, epoch.time_ms, "epoch")


def _mask(places: Sequence[int], width: int, what: str) -> int:
    if any(later <= earlier for earlier, later in pairwise(places)):
        raise EncodeError(f"{what} are not in the order of their mask")
    if places and not 1 <= places[0] <= places[-1] <= width:
        raise EncodeError(f"{what} have no place in their mask")
    return sum(1 << (width - place) for place in places)


def _wire(field: Field, number: float, name: str) -> int:
    """Turn a number into bits; NaN is the field's absent value."""
    return field.wire(None if math.isnan(number) else number, name)


def _rough_ms(message: Observations) -> FloatArray:
    """Give the rough range of each satellite in whole steps, NaN where it has none."""
    if message.rough_range_m is not None:
        rough_ms: FloatArray = message.rough_range_m / LIGHT_MS_M
    else:
        rough_ms = np.full(len(message.satellites), math.nan)
        for ranges_m in (message.phase_range_m, message.pseudorange_m):
            is_known = ~np.isnan(ranges_m)
            # Backwards, so that the first cell of a satellite stays.
            which = message.satellite_index[is_known][::-1]
            rough_ms[which] = ranges_m[is_known][::-1] / LIGHT_MS_M
    stepped: FloatArray = np.rint(rough_ms * _ROUGH_STEPS) / _ROUGH_STEPS
    return stepped


def _of_satellites(message: Observations, rough_ms: FloatArray, level: int) -> _Numbers:
    whole_ms = np.floor(rough_ms)
    modulo_ms = np.nan_to_num(rough_ms - whole_ms)
    numbers: _Numbers = {"rough_int": whole_ms.tolist(), "rough_mod": modulo_ms.tolist()}
    if level in MODULO_LEVELS:
        return numbers
    if message.extended_info is None:
        silent = _UNKNOWN_INFO if message.system == "R" else 0
        numbers["info"] = [silent] * len(message.satellites)
    else:
        numbers["info"] = message.extended_info.tolist()
    numbers["rough_rate"] = _rough_rate(message).tolist()
    return numbers


def _rough_rate(message: Observations) -> FloatArray:
    """Give the rough rate of each satellite in whole metres a second, NaN where it has none."""
    if message.rough_rate_m_s is not None:
        return message.rough_rate_m_s
    rough = np.full(len(message.satellites), math.nan)
    is_known = ~np.isnan(message.phase_rate_m_s)
    which = message.satellite_index[is_known][::-1]
    rough[which] = np.rint(message.phase_rate_m_s[is_known][::-1])
    return rough


def _of_cells(message: Observations, rough_ms: FloatArray, level: int) -> _Numbers:
    of_cell = message.satellite_index
    rough_of_cell_ms = rough_ms[of_cell]
    table = LOCK_10_S if level in FINE_LEVELS else LOCK_4_S
    half = message.is_half_cycle
    rate: FloatArray = np.full(message.n_cells, math.nan)
    if level in (5, 7):
        rate = message.phase_rate_m_s - _rough_rate(message)[of_cell]
    return {
        "code": (message.pseudorange_m / LIGHT_MS_M - rough_of_cell_ms).tolist(),
        "phase": (message.phase_range_m / LIGHT_MS_M - rough_of_cell_ms).tolist(),
        "lock": lock_indicator(table, message.lock_s),
        "half": [False] * message.n_cells if half is None else half.tolist(),
        "cnr": message.cn0_dbhz.tolist(),
        "rate": rate.tolist(),
    }
