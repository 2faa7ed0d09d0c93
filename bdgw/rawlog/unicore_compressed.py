"""Unicore OBSVMCMP, the measurements of OBSVM in 24 bytes a signal, to an epoch of observations.

What of the phase is sent begins anew after 2^23 cycles, and the range says how often it did. Steps
are 1/128 m of the range, 1/256 cycle of the phase, 1/256 Hz, 1/32 s of the lock, which has room for
18 h, and 1 dB of the signal's strength from 20 to 51. Half cycles are not told, as in OBSVM.

Source: Unicore N4 Products Commands and Logs Reference Book R1.6, OBSVMCMP (tables 7-58 and 7-60),
which pyunigps 1.0 has alike. What neither says was found in the book's own examples, 23
measurements of OBSVMCMPA and OBSVHCMPA whose checksums hold: after how many cycles the phase begins
anew (with 2^24 every other one would be astray), that it falls with distance, and that the Doppler
rises as a satellite comes nearer (eleven seconds lie between both). They are of GPS alone: the
field of GLONASS channels rests on the tables.
"""

from __future__ import annotations

import math

from bdgw.positioning.observation import Cell, ObservationEpoch, epoch_of
from bdgw.rawlog.unicore_rows import rows_of
from bdgw.rawlog.unicore_tracking import tracked_of
from bdgw.rtcm.observation import SPEED_OF_LIGHT_M_S
from bdgw.unicore.frame import head_of_frame

__all__ = ["decode_obsvmcmp"]

_ROW_BYTES = 24
_ANEW_CYCLES = 1 << 23
_NEAR_M = 1e5
"""As of OBSVM: a phase so far from the range is not aligned with it."""
_CN0_FIRST_DBHZ = 20


def decode_obsvmcmp(frame: bytes) -> ObservationEpoch | None:
    """Decode a whole frame; None where the receiver does not know its time yet.

    Raises:
        DecodeError: it is shorter than it says.
    """
    t_gpst_ns = head_of_frame(frame).t_gpst_ns
    if t_gpst_ns is None:
        return None
    rows = rows_of(frame, _ROW_BYTES)
    return epoch_of(t_gpst_ns, [cell for row in rows if (cell := _cell(row)) is not None])


def _cell(row: bytes) -> Cell | None:
    bits = int.from_bytes(row, "little")
    tracked = tracked_of(_u(bits, 0, 32), _u(bits, 136, 8), _u(bits, 170, 6))
    if tracked is None:
        return None
    range_m = _u(bits, 60, 36) / 128.0
    has_range = tracked.has_range and range_m > 0.0
    return Cell(
        tracked.satellite,
        tracked.signal,
        tracked.frequency_hz,
        range_m if has_range else math.nan,
        _phase(_s(bits, 96, 32) / 256.0, range_m, tracked.frequency_hz)
        if has_range and tracked.has_phase
        else math.nan,
        _s(bits, 32, 28) / 256.0,
        float(_CN0_FIRST_DBHZ + _u(bits, 165, 5)),
        _u(bits, 144, 21) / 32.0,
        False,
        False,
    )


def _phase(adr: float, range_m: float, frequency_hz: float) -> float:
    """Give the phase that grows with distance, in cycles: the one nearest to the range."""
    if math.isnan(frequency_hz):
        return math.nan
    range_cycles = range_m * frequency_hz / SPEED_OF_LIGHT_M_S
    phase = round((range_cycles + adr) / _ANEW_CYCLES) * _ANEW_CYCLES - adr
    off_m = (phase - range_cycles) * SPEED_OF_LIGHT_M_S / frequency_hz
    return phase if abs(off_m) < _NEAR_M else math.nan


def _u(bits: int, first: int, length: int) -> int:
    return bits >> first & (1 << length) - 1


def _s(bits: int, first: int, length: int) -> int:
    value = _u(bits, first, length)
    return value - (1 << length) if value >> length - 1 else value
