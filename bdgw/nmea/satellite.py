"""Satellite numbers: every dialect's number becomes the system's own PRN, once, here.

NMEA 0183 4.11 (tables of the GSA and GSV sentences) numbers each system from 1 with its own
talker; before it, makers invented offsets. The talker decides first, then the number.
"""

from __future__ import annotations

__all__ = ["SATELLITE_BY_TEXT", "SYSTEM_BY_ID", "SYSTEM_BY_TALKER", "normalise"]

SYSTEM_BY_TALKER = {
    "GP": "G",
    "GL": "R",
    "GA": "E",
    "GB": "C",
    "BD": "C",  # before NMEA 4.11, still common in Chinese receivers
    "PQ": "C",  # Quectel's own
    "GQ": "J",
    "QZ": "J",
    "GI": "I",
    "IM": "I",
}
"""RINEX system letter of a talker; GN means several systems and is not here."""

SYSTEM_BY_ID = {"1": "G", "2": "R", "3": "E", "4": "C", "5": "J", "6": "I"}
"""NMEA 4.11 system id (GSA field 18)."""

# (system, first number, last number, what to subtract, system meant); the first match counts.
_RANGES: dict[str, tuple[tuple[int, int, int, str], ...]] = {
    "G": (
        (1, 32, 0, "G"),
        (33, 64, -87, "S"),  # NMEA: SBAS PRN minus 87
        (120, 158, 0, "S"),
        (193, 202, 192, "J"),
    ),
    "C": (
        (1, 63, 0, "C"),
        (101, 140, 100, "C"),
        (141, 200, 140, "C"),  # Unicore and ComNav before 4.11
        (201, 263, 200, "C"),  # SkyTraq, Telit, MediaTek
        (401, 463, 400, "C"),  # u-blox extended numbering
    ),
    "R": ((1, 32, 0, "R"), (65, 96, 64, "R")),
    "E": (
        (1, 36, 0, "E"),
        (71, 106, 70, "E"),
        (201, 236, 200, "E"),
        (301, 336, 300, "E"),
    ),
    "J": ((1, 10, 0, "J"), (183, 192, 182, "J"), (193, 202, 192, "J")),
    "I": ((1, 15, 0, "I"), (901, 918, 900, "I")),
    # Several systems in one sentence, told apart by the number alone.
    "": (
        (1, 32, 0, "G"),
        (33, 64, -87, "S"),
        (65, 96, 64, "R"),
        (120, 158, 0, "S"),
        (193, 200, 192, "J"),
        (201, 263, 200, "C"),
        (301, 336, 300, "E"),
        (401, 463, 400, "C"),
    ),
}


def normalise(system: str, number: int) -> tuple[str, int] | None:
    """Turn a dialect's satellite number into (RINEX system letter, PRN).

    ``system`` is the letter that talker or system id names, or ``""`` where none does. None means
    that no known dialect uses this number: the caller counts it.
    """
    for first, last, offset, meant in _RANGES[system]:
        if first <= number <= last:
            return meant, number - offset
    return None


def _spellings(number: int) -> set[str]:
    return {str(number), f"{number:02d}", f"{number:03d}"}


SATELLITE_BY_TEXT: dict[str, dict[str, tuple[str, int] | None]] = {
    system: {
        text: normalise(system, number) for number in range(1000) for text in _spellings(number)
    }
    for system in _RANGES
}
"""The same as ``normalise`` by system and by the text of the field: a receiver repeats these
fields many times a second, and a look-up also refuses what is not a number."""
