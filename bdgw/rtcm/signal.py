"""Satellites and signals of every constellation: mask position, RINEX name, carrier frequency.

A signal that the table does not know keeps its place with ``code`` None: it is counted, never
guessed. GLONASS carriers depend on the satellite's frequency channel.

Sources: RTCM 10403.3, tables 3.5-91 (GPS), 3.5-96 (GLONASS), 3.5-99 (Galileo), 3.5-102 (SBAS),
3.5-105 (QZSS), 3.5-108 (BeiDou) with the BDS-3 and NavIC amendments; RINEX 4.00, tables 9 to 15
(observation codes and frequencies).
"""

from __future__ import annotations

from functools import lru_cache

import msgspec

from bdgw.errors import EncodeError

__all__ = [
    "GLONASS_CHANNELS",
    "SIGNALS",
    "Signal",
    "glonass_frequency_hz",
    "id_of_satellite",
    "ids_of_mask",
    "satellite_name",
    "signal_of",
]

GLONASS_CHANNELS = range(-7, 14)
"""Frequency channel numbers; -7 to +6 are in use since 2005 (GLONASS ICD 5.1, clause 3.3.1.1)."""

_L1 = 1575.42e6
_L2 = 1227.60e6
_L5 = 1176.45e6
_E6 = 1278.75e6
_E5B = 1207.14e6
_E5AB = 1191.795e6
_B1I = 1561.098e6
_B3I = 1268.52e6

# First signal id, RINEX codes in the order of the ids, carrier in hertz.
_BANDS: dict[str, tuple[tuple[int, str, float], ...]] = {
    "G": (
        (2, "1C 1P 1W", _L1),
        (8, "2C 2P 2W", _L2),
        (15, "2S 2L 2X", _L2),
        (22, "5I 5Q 5X", _L5),
        (30, "1S 1L 1X", _L1),
    ),
    "E": (
        (2, "1C 1A 1B 1X 1Z", _L1),
        (8, "6C 6A 6B 6X 6Z", _E6),
        (14, "7I 7Q 7X", _E5B),
        (18, "8I 8Q 8X", _E5AB),
        (22, "5I 5Q 5X", _L5),
    ),
    "S": ((2, "1C", _L1), (22, "5I 5Q 5X", _L5)),
    "J": (
        (2, "1C", _L1),
        (9, "6S 6L 6X", _E6),
        (15, "2S 2L 2X", _L2),
        (22, "5I 5Q 5X", _L5),
        (30, "1S 1L 1X", _L1),
    ),
    "C": (
        (2, "2I 2Q 2X", _B1I),
        (8, "6I 6Q 6X", _B3I),
        (14, "7I 7Q 7X", _E5B),  # B2I of BDS-2
        (22, "5D 5P 5X", _L5),  # B2a
        (25, "7D 7P 7X", _E5B),  # B2b of BDS-3
        (30, "1D 1P 1X", _L1),  # B1C
    ),
    "I": ((22, "5A", _L5),),
}

# GLONASS FDMA: carrier of channel 0 and the step of one channel, in hertz.
_GLONASS_BANDS = ((2, "1C 1P", 1602.0e6, 562_500.0), (8, "2C 2P", 1246.0e6, 437_500.0))


class Signal(msgspec.Struct, frozen=True):
    """A signal as it stands in a mask.

    ``id`` counts from 1; ``code`` is the RINEX observation code without its first letter, None
    where the table has none; ``frequency_hz`` is None there and for GLONASS (see
    ``glonass_frequency_hz``).
    """

    id: int
    code: str | None
    frequency_hz: float | None


SIGNALS: dict[str, dict[int, Signal]] = {
    system: {
        first + step: Signal(first + step, code, frequency_hz)
        for first, codes, frequency_hz in bands
        for step, code in enumerate(codes.split())
    }
    for system, bands in _BANDS.items()
}
"""Known signals by RINEX system letter and MSM signal id."""
SIGNALS["R"] = {
    first + step: Signal(first + step, code, None)
    for first, codes, _, _ in _GLONASS_BANDS
    for step, code in enumerate(codes.split())
}

_GLONASS_CARRIERS = {
    code: (centre_hz, step_hz)
    for _, codes, centre_hz, step_hz in _GLONASS_BANDS
    for code in codes.split()
}

# What is added to the number of the mask to name a satellite as RINEX does.
_SBAS_NAME_OFFSET = 19  # id 1 is PRN 120, which RINEX names S20


def signal_of(system: str, signal_id: int) -> Signal:
    """Give the signal at a place (1 to 32) of the signal mask; unknown ones without a code."""
    return SIGNALS[system].get(signal_id) or Signal(signal_id, None, None)


def glonass_frequency_hz(code: str | None, channel: int | None) -> float | None:
    """Give the carrier of a GLONASS FDMA signal, None where code or channel is not known.

    Source: GLONASS ICD 5.1, clause 3.3.1.1.
    """
    if channel is None or channel not in GLONASS_CHANNELS or code not in _GLONASS_CARRIERS:
        return None
    centre_hz, step_hz = _GLONASS_CARRIERS[code]
    return centre_hz + channel * step_hz


def satellite_name(system: str, satellite_id: int) -> str:
    """Name a satellite by its place in the satellite mask (1 to 64), as RINEX does (``C12``)."""
    if system == "S":
        satellite_id += _SBAS_NAME_OFFSET
    return f"{system}{satellite_id:02d}"


def id_of_satellite(system: str, name: str) -> int:
    """Give the place in the satellite mask of a RINEX name.

    Raises:
        EncodeError: the name is not one of this system.
    """
    number = name[1:]
    if name[:1] != system or not number.isascii() or not number.isdigit():
        raise EncodeError(f"{name} is no satellite of system {system}")
    return int(number) - (_SBAS_NAME_OFFSET if system == "S" else 0)


@lru_cache(maxsize=512)
def ids_of_mask(mask: int, width: int) -> tuple[int, ...]:
    """List the places, counted from 1 at the most significant bit, that are set in a mask."""
    return tuple(place for place in range(1, width + 1) if mask >> (width - place) & 1)
