"""Unicore OBSVM, the measurements of the main antenna, to an epoch of observations.

Source: Unicore N4 Products Commands and Logs Reference Book, OBSVM and its table of the tracking
status, as RTKLIB EX 2.5 and pyunigps 1.0 have it. Firmwares differ in the sign of the carrier phase
(the book's example grows with distance, receivers in the field the other way): as the phase is
aligned with the range when a satellite is locked, the sign that lies near the range is the right
one, and a phase that is near it with neither sign is not used.
"""

from __future__ import annotations

import math
import struct

from bdgw.errors import DecodeError
from bdgw.positioning.observation import Cell, ObservationEpoch, epoch_of
from bdgw.positioning.satellite import carrier_hz, satellite_id, signal_id
from bdgw.rtcm.observation import SPEED_OF_LIGHT_M_S
from bdgw.unicore.frame import head_of_frame, payload_of_frame

__all__ = ["decode_obsvm", "satellite_of"]

_LETTERS = {0: "G", 1: "R", 2: "S", 3: "E", 4: "C", 5: "J"}
_SIGNALS = {
    "G": {0: "1C", 3: "1L", 6: "5I", 9: "2W", 11: "1S", 14: "5Q", 17: "2L"},
    "R": {0: "1C", 5: "2C"},
    "E": {1: "1B", 2: "1C", 12: "5Q", 17: "7Q", 18: "6B", 22: "6C"},
    "C": {0: "2I", 4: "2Q", 5: "7Q", 6: "6Q", 8: "1P", 12: "5P", 13: "7D", 17: "7I", 21: "6I",
          23: "1D", 28: "5D"},
    "J": {0: "1C", 3: "1L", 6: "5I", 11: "1S", 14: "5Q", 17: "2L"},
}  # fmt: skip
_GPS_L2, _L2C_M = 9, "2S"
"""Signal 9 is L2P(Y) or, where a bit says so, L2C(M)."""
_ROW = struct.Struct("<HHddHHfHHfI")
_GLONASS_OFFSET, _QZSS_FIRST = 37, 193
_CHANNEL_OFFSET = 7
_NEAR_M = 1e5
_RANGE_MAX_M = 1e9


def decode_obsvm(frame: bytes) -> ObservationEpoch | None:
    """Decode a whole frame; None where the receiver does not know its time yet.

    Raises:
        DecodeError: it is shorter than it says.
    """
    t_gpst_ns, payload = head_of_frame(frame).t_gpst_ns, payload_of_frame(frame)
    if t_gpst_ns is None:
        return None
    count = int.from_bytes(payload[:4], "little")
    if len(payload) < 4 or len(payload) < 4 + count * _ROW.size:
        raise DecodeError("OBSVM is shorter than it says", bit=8 * len(payload))
    rows = (_ROW.unpack_from(payload, 4 + i * _ROW.size) for i in range(count))
    return epoch_of(t_gpst_ns, [cell for row in rows if (cell := _cell(row)) is not None])


def satellite_of(letter: str, number: int) -> int | None:
    """Give the satellite that a number of Unicore's stands for, None where none."""
    if letter == "R":
        number -= _GLONASS_OFFSET
    elif letter == "J" and number >= _QZSS_FIRST:
        number -= _QZSS_FIRST - 1
    return satellite_id(f"{letter}{number:02d}") if 0 < number < 100 else None


def _cell(row: tuple[float, ...]) -> Cell | None:
    channel, number, range_m, adr, _, _, doppler, cn0, _, lock_s, track = row
    status = int(track)
    letter = _LETTERS.get(status >> 16 & 7, "")
    kind = status >> 21 & 0x1F
    code = _SIGNALS.get(letter, {}).get(kind)
    if letter == "G" and kind == _GPS_L2 and status >> 26 & 1:
        code = _L2C_M
    satellite = satellite_of(letter, int(number)) if code is not None else None
    if code is None or satellite is None:
        return None
    frequency_hz = carrier_hz(
        letter, code, int(channel) - _CHANNEL_OFFSET if letter == "R" else None
    )
    has_range = status >> 12 & 1 and 0.0 < range_m < _RANGE_MAX_M
    return Cell(
        satellite,
        signal_id(letter, code),
        frequency_hz,
        range_m if has_range else math.nan,
        _phase(adr, range_m, frequency_hz) if has_range and status >> 10 & 1 else math.nan,
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
