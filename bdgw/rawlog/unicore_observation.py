"""Unicore OBSVM, the measurements of the main antenna, to an epoch of observations.

Source: Unicore N4 Products Commands and Logs Reference Book R1.6, OBSVM (table 7-53), which RTKLIB
EX 2.5 and pyunigps 1.0 agree with. The phase falls with distance in the book's example, whose
checksum holds, and in RTKLIB EX. As it is aligned with the range when a satellite is locked, its
sign is taken from the range all the same, and a phase that is near it with neither is not used.
"""

from __future__ import annotations

import math
import struct

from bdgw.positioning.observation import Cell, ObservationEpoch, epoch_of
from bdgw.rawlog.unicore_rows import rows_of
from bdgw.rawlog.unicore_tracking import RANGE_MAX_M, tracked_of
from bdgw.rtcm.observation import SPEED_OF_LIGHT_M_S
from bdgw.unicore.frame import head_of_frame

__all__ = ["decode_obsvm"]

_ROW = struct.Struct("<HHddHHfHHfI")
_NEAR_M = 1e5


def decode_obsvm(frame: bytes) -> ObservationEpoch | None:
    """Decode a whole frame; None where the receiver does not know its time yet.

    Raises:
        DecodeError: it is shorter than it says.
    """
    t_gpst_ns = head_of_frame(frame).t_gpst_ns
    if t_gpst_ns is None:
        return None
    rows = (_ROW.unpack(row) for row in rows_of(frame, _ROW.size))
    return epoch_of(t_gpst_ns, [cell for row in rows if (cell := _cell(row)) is not None])


def _cell(row: tuple[float, ...]) -> Cell | None:
    channel, number, range_m, adr, _, _, doppler, cn0, _, lock_s, status = row
    tracked = tracked_of(int(status), int(number), int(channel))
    if tracked is None:
        return None
    has_range = tracked.has_range and 0.0 < range_m < RANGE_MAX_M
    return Cell(
        tracked.satellite,
        tracked.signal,
        tracked.frequency_hz,
        range_m if has_range else math.nan,
        _phase(adr, range_m, tracked.frequency_hz) if has_range and tracked.has_phase else math.nan,
        doppler if math.isfinite(doppler) else math.nan,
        cn0 / 100.0,
        lock_s if lock_s >= 0.0 else math.nan,
        False,
        False,
    )


def _phase(adr: float, range_m: float, frequency_hz: float) -> float:
    """Give the phase that grows with distance, in cycles."""
    phase = abs(adr)
    off_m = phase * SPEED_OF_LIGHT_M_S / frequency_hz - range_m
    return phase if abs(off_m) < _NEAR_M else math.nan
