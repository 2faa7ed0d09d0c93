"""GLONASS strings 1 to 4, as a receiver hands them over, to broadcast sets.

Source: GLONASS ICD 5.1, clause 4.4 and table 4.5 (bits are counted from 85 down to 1).
"""

from __future__ import annotations

from collections.abc import Sequence

from bdgw.positioning.ephemeris import GlonassOrbit
from bdgw.rawlog.words import Bits, Page
from bdgw.rtcm.epoch import nearest_glonass_gpst_ns

__all__ = ["GlonassReader"]

_BITS = 85
_QUARTER_MS = 900_000


class GlonassReader:
    """Collects strings 1 to 4 of each satellite; gives a set when string 4 completes it."""

    def __init__(self) -> None:
        self._parts: dict[int, dict[int, Bits]] = {}

    def read(
        self, satellite: int, channel: int, words: Sequence[int], near_gpst_ns: int
    ) -> Page | None:
        """Take a string; ``words`` hold its 85 bits, most significant first."""
        if len(words) < 3:
            return None
        value = (words[0] << 64 | words[1] << 32 | words[2]) >> (96 - _BITS)
        bits = Bits(value, _BITS)
        number = bits.u(1, 4)
        if not 1 <= number <= 4:
            return None
        parts = self._parts.setdefault(satellite, {})
        if number == 1:
            parts.clear()
        parts[number] = bits
        if number != 4 or len(parts) < 4:
            return Page(number)
        return Page(number, _orbit(satellite, channel, parts, near_gpst_ns))


def _at(high: int) -> int:
    """Place of the bit with a number of the standard."""
    return _BITS - high


def _orbit(
    satellite: int, channel: int, parts: dict[int, Bits], near_gpst_ns: int
) -> GlonassOrbit | None:
    one, two, three, four = (parts[k] for k in (1, 2, 3, 4))
    quarter = two.u(_at(76), 7)
    toe_gpst_ns = nearest_glonass_gpst_ns(quarter * _QUARTER_MS, near_gpst_ns)
    if toe_gpst_ns is None:
        return None
    x, y, z = (part.m(_at(35), 27) * 2.0**-11 * 1e3 for part in (one, two, three))
    vx, vy, vz = (part.m(_at(64), 24) * 2.0**-20 * 1e3 for part in (one, two, three))
    ax, ay, az = (part.m(_at(40), 5) * 2.0**-30 * 1e3 for part in (one, two, three))
    return GlonassOrbit(
        satellite=satellite,
        toe_gpst_ns=toe_gpst_ns,
        channel=channel,
        is_healthy=not two.u(_at(80), 1) and not three.u(_at(65), 1),
        issue=quarter,
        position_m=(x, y, z),
        velocity_m_s=(vx, vy, vz),
        acceleration_m_s2=(ax, ay, az),
        minus_tau_s=-four.m(_at(80), 22) * 2.0**-30,
        gamma=three.m(_at(79), 11) * 2.0**-40,
    )
