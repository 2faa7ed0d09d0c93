"""UBX-RXM-RAWX to an epoch of observations.

Source: u-blox ZED-F9P interface description UBX-22008968, clauses 1.5.4 (signals) and 3.17.8.
"""

from __future__ import annotations

import math
import struct

from bdgw.errors import DecodeError
from bdgw.positioning.observation import Cell, ObservationEpoch, epoch_of
from bdgw.positioning.satellite import carrier_hz, satellite_id, signal_id

__all__ = ["GNSS_LETTERS", "decode_rawx", "epoch_gpst_ns_of_rawx"]

GNSS_LETTERS = {0: "G", 1: "S", 2: "E", 3: "C", 5: "J", 6: "R"}
_SIGNALS = {
    (0, 0): "1C", (0, 3): "2L", (0, 4): "2S", (0, 6): "5I", (0, 7): "5Q",
    (1, 0): "1C",
    (2, 0): "1C", (2, 1): "1B", (2, 3): "5I", (2, 4): "5Q", (2, 5): "7I", (2, 6): "7Q",
    (3, 0): "2I", (3, 1): "2I", (3, 2): "7I", (3, 3): "7I", (3, 4): "6I", (3, 10): "6I",
    (3, 5): "1P", (3, 6): "1D", (3, 7): "5P", (3, 8): "5D",
    (5, 0): "1C", (5, 1): "1Z", (5, 4): "2S", (5, 5): "2L", (5, 8): "5I", (5, 9): "5Q",
    (6, 0): "1C", (6, 2): "2C",
}  # fmt: skip
_HEAD = struct.Struct("<dHbBBB2x")
_ROW = struct.Struct("<ddfBBBBHBBBBBx")
_WEEK_NS = 604_800_000_000_000
_RANGE_VALID, _PHASE_VALID, _HALF_RESOLVED = 1, 2, 4
_CHANNEL_OFFSET = 7
_SBAS_OFFSET = 100


def epoch_gpst_ns_of_rawx(payload: bytes) -> int | None:
    """Give the time tag of a message, None where it has none yet."""
    if len(payload) < _HEAD.size:
        return None
    tow_s, week, *_ = _HEAD.unpack_from(payload)
    if not week or not math.isfinite(tow_s) or not 0.0 <= tow_s < 604_801.0:
        return None
    return int(week * _WEEK_NS + round(tow_s * 1e9))


def decode_rawx(payload: bytes) -> ObservationEpoch | None:
    """Decode a message; None where the receiver does not know its time yet.

    Raises:
        DecodeError: it is shorter than it says.
    """
    t_gpst_ns = epoch_gpst_ns_of_rawx(payload)
    if t_gpst_ns is None:
        return None
    count = _HEAD.unpack_from(payload)[3]
    if len(payload) < _HEAD.size + count * _ROW.size:
        raise DecodeError("RXM-RAWX is shorter than it says", bit=8 * len(payload))
    cells = []
    for at in range(_HEAD.size, _HEAD.size + count * _ROW.size, _ROW.size):
        cell = _cell(_ROW.unpack_from(payload, at))
        if cell is not None:
            cells.append(cell)
    return epoch_of(t_gpst_ns, cells)


def _cell(row: tuple[float, ...]) -> Cell | None:
    range_m, phase, doppler, gnss, sv, sig, freq, lock_ms, cn0, _, _, _, track = row
    letter = GNSS_LETTERS.get(int(gnss))
    code = _SIGNALS.get((int(gnss), int(sig)))
    number = int(sv) - (_SBAS_OFFSET if letter == "S" else 0)
    if letter is None or code is None or not 0 < number < 100:
        return None
    status = int(track)
    has_phase = status & _PHASE_VALID and phase != 0.0
    return Cell(
        satellite_id(f"{letter}{number:02d}"),
        signal_id(letter, code),
        carrier_hz(letter, code, int(freq) - _CHANNEL_OFFSET if letter == "R" else None),
        range_m if status & _RANGE_VALID else math.nan,
        phase if has_phase else math.nan,
        doppler,
        float(cn0),
        lock_ms / 1000.0,
        lock_ms == 0,
        not status & _HALF_RESOLVED,
    )
