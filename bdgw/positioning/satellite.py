"""Satellites and signals as small integers, so that columns of them are arrays.

A satellite is ``100 * system + number``, a signal ``26 * band + attribute`` of its RINEX code, and
a cell ``512 * satellite + signal``. Carriers come from the table of RTCM signals, which is that of
RINEX 4.00, tables 9 to 15.
"""

from __future__ import annotations

import math
from functools import lru_cache

from bdgw.rtcm.observation import IntArray
from bdgw.rtcm.signal import SIGNALS, glonass_frequency_hz

__all__ = [
    "BDS",
    "GALILEO",
    "GLONASS",
    "GPS",
    "N_SIGNALS",
    "N_SYSTEM_SATELLITES",
    "QZSS",
    "SYSTEMS",
    "band_of",
    "carrier_hz",
    "is_bds_geo",
    "is_bds_two",
    "satellite_id",
    "satellite_name_of",
    "signal_code_of",
    "signal_id",
]

SYSTEMS = "GRECJSI"
GPS, GLONASS, GALILEO, BDS, QZSS = range(5)
N_SYSTEM_SATELLITES = 100
N_SIGNALS = 512
_LETTERS = 26
_BDS_GEO = frozenset((*range(1, 6), *range(59, 64)))
_BDS_TWO_LAST = 16
"""C01 to C16 are of BDS-2, whose B1I and B3I have the old signals' group delays."""
_RENAMED = {"C1I": "2I", "C1Q": "2Q"}
"""RINEX 3.02 named B1I by band 1."""


@lru_cache(maxsize=1024)
def satellite_id(name: str) -> int:
    """Give the number of a satellite by its RINEX name (``C12``).

    Raises:
        ValueError: it is no such name.
    """
    return SYSTEMS.index(name[0]) * N_SYSTEM_SATELLITES + int(name[1:])


def satellite_name_of(satellite: int) -> str:
    """Give the RINEX name of a satellite."""
    system, number = divmod(satellite, N_SYSTEM_SATELLITES)
    return f"{SYSTEMS[system]}{number:02d}"


@lru_cache(maxsize=1024)
def signal_id(system: str, code: str) -> int:
    """Give the number of a signal by its RINEX code without the first letter (``2I``)."""
    code = _RENAMED.get(system + code, code)
    return int(code[0]) * _LETTERS + ord(code[1]) - ord("A")


def signal_code_of(signal: int) -> str:
    """Give the RINEX code of a signal."""
    band, letter = divmod(signal, _LETTERS)
    return f"{band}{chr(ord('A') + letter)}"


def band_of(signal: IntArray) -> IntArray:
    """Give the RINEX band of each signal."""
    return signal // _LETTERS


def is_bds_geo(satellite: int) -> bool:
    """Whether a satellite is one of the geostationary ones of BeiDou (C01-C05, C59-C63)."""
    system, number = divmod(satellite, N_SYSTEM_SATELLITES)
    return system == BDS and number in _BDS_GEO


def is_bds_two(satellite: int) -> bool:
    """Whether a satellite is of the second generation of BeiDou."""
    system, number = divmod(satellite, N_SYSTEM_SATELLITES)
    return system == BDS and number <= _BDS_TWO_LAST


@lru_cache(maxsize=4096)
def carrier_hz(system: str, code: str, channel: int | None = None) -> float:
    """Give the carrier of a signal, NaN where it, or the GLONASS channel, is not known."""
    code = _RENAMED.get(system + code, code)
    if system == "R":
        found = glonass_frequency_hz(code, channel)
        if found is None and code[0] == "3":
            return 1202.025e6  # G3, CDMA: RINEX 4.00, table 10
        return math.nan if found is None else found
    return _CARRIERS.get((system, code[0]), math.nan)


_CARRIERS = {
    (system, signal.code[0]): signal.frequency_hz
    for system, signals in SIGNALS.items()
    for signal in signals.values()
    if signal.code is not None and signal.frequency_hz is not None
} | {("C", "8"): 1191.795e6, ("J", "6"): 1278.75e6}
