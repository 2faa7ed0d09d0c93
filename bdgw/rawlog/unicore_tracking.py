"""What Unicore's tracking status says of a measurement: satellite, signal, and what of it is valid.

Source: Unicore N4 Products Commands and Logs Reference Book R1.6, tables 7-54 (numbers of
satellites) and 7-56 (tracking status), which RTKLIB EX 2.5 and pyunigps 1.0 agree with.
"""

from __future__ import annotations

from typing import NamedTuple

from bdgw.positioning.satellite import carrier_hz, satellite_id, signal_id

__all__ = ["RANGE_MAX_M", "Tracked", "satellite_of", "tracked_of"]

RANGE_MAX_M = 1e9
"""Beyond it a range is no range."""
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
_GLONASS_OFFSET, _QZSS_FIRST = 37, 193
_CHANNEL_OFFSET = 7


class Tracked(NamedTuple):
    """The numbers of satellite and signal are those of ``positioning.satellite``."""

    satellite: int
    signal: int
    frequency_hz: float
    has_range: bool
    has_phase: bool


def tracked_of(status: int, number: int, channel: int) -> Tracked | None:
    """Read a tracking status and the numbers beside it; None where it is of no known signal."""
    letter = _LETTERS.get(status >> 16 & 7, "")
    kind = status >> 21 & 0x1F
    code = _SIGNALS.get(letter, {}).get(kind)
    if letter == "G" and kind == _GPS_L2 and status >> 26 & 1:
        code = _L2C_M
    satellite = satellite_of(letter, number) if code is not None else None
    if code is None or satellite is None:
        return None
    return Tracked(
        satellite,
        signal_id(letter, code),
        carrier_hz(letter, code, channel - _CHANNEL_OFFSET if letter == "R" else None),
        bool(status >> 12 & 1),
        bool(status >> 10 & 1),
    )


def satellite_of(letter: str, number: int) -> int | None:
    """Give the satellite that a number of Unicore's stands for, None where none."""
    if letter == "R":
        number -= _GLONASS_OFFSET
    elif letter == "J" and number >= _QZSS_FIRST:
        number -= _QZSS_FIRST - 1
    return satellite_id(f"{letter}{number:02d}") if 0 < number < 100 else None
