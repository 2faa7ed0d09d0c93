"""BeiDou B-CNAV1, the message of B1C: subframes 2 and 3, in 19 and 9 words, to broadcast sets.

Subframe 2 is a whole set but for the health, which every page of subframe 3 begins with. Subframe
1, three words, is left: the set names its hour.

Source: BDS-SIS-ICD-B1C-1.0, clause 6.2 (600 and 264 bits, checksums, fields), 7.3 (hour of the
week), 7.4 (issues); chapter 7 also has the health status and the integrity flags.
"""

from __future__ import annotations

from collections.abc import Sequence

from bdgw.positioning.ephemeris import KeplerOrbit
from bdgw.rawlog.beidou_cnav import (
    CLOCK_BITS,
    EPHEMERIS_I_BITS,
    EPHEMERIS_II_BITS,
    Pieces,
    delays_of,
    orbit_of,
    sent_bdt_ns,
)
from bdgw.rawlog.checked import Checked
from bdgw.rawlog.words import Bits, Page

__all__ = ["BeidouCnav1Reader"]

_TWO_WORDS, _TWO_BITS = 19, 600
_THREE_WORDS, _THREE_BITS = 9, 264
_HOUR_S = 3600
_HOURS = 168


class BeidouCnav1Reader:
    """Keeps the newest subframe 2 of each satellite, and what subframe 3 says of its health."""

    def __init__(self, checked: Checked) -> None:
        self._checked = checked
        self._sets: dict[int, Bits] = {}
        self._is_healthy: dict[int, bool] = {}

    def read(self, satellite: int, words: Sequence[int], near_gpst_ns: int) -> Page | None:
        """Take a subframe; its number of words says which."""
        if len(words) == _TWO_WORDS:
            return self._two(satellite, words, near_gpst_ns)
        if len(words) == _THREE_WORDS:
            return self._three(satellite, words, near_gpst_ns)
        return None

    def _two(self, satellite: int, words: Sequence[int], near_gpst_ns: int) -> Page | None:
        bits = self._checked.bits_of(words, _TWO_BITS)
        if bits is None:
            return None
        self._sets[satellite] = bits
        return Page(2, self._orbit(satellite, near_gpst_ns))

    def _three(self, satellite: int, words: Sequence[int], near_gpst_ns: int) -> Page | None:
        bits = self._checked.bits_of(words, _THREE_BITS)
        if bits is None:
            return None
        # Health, then whether the message or the signal is in error; not whether its index of
        # monitoring is of use.
        is_healthy = not bits.u(6, 4)
        is_new = self._is_healthy.get(satellite) is not is_healthy
        self._is_healthy[satellite] = is_healthy
        return Page(3, self._orbit(satellite, near_gpst_ns) if is_new else None)

    def _orbit(self, satellite: int, near_gpst_ns: int) -> KeplerOrbit | None:
        bits, is_healthy = self._sets.get(satellite), self._is_healthy.get(satellite)
        if bits is None or is_healthy is None:
            return None
        hour, issue = bits.u(13, 8), bits.u(31, 8)
        # The issue of the orbit is the last 8 of the 10 bits of the clock's (clause 7.4).
        if hour >= _HOURS or bits.u(23, 8) != issue:
            return None
        at_ii = 39 + EPHEMERIS_I_BITS
        at_clock = at_ii + EPHEMERIS_II_BITS
        at_delays = at_clock + CLOCK_BITS
        return orbit_of(
            satellite,
            "CNV1",
            Pieces(
                bits.part(39, EPHEMERIS_I_BITS),
                bits.part(at_ii, EPHEMERIS_II_BITS),
                bits.part(at_clock, CLOCK_BITS),
            ),
            sent_ns=sent_bdt_ns(bits.u(0, 13), hour * _HOUR_S, near_gpst_ns),
            issue=issue,
            is_healthy=is_healthy,
            signal_delays_s=delays_of(
                bits.s(at_delays + 24, 12),
                bits.s(at_delays, 12),
                b1c_data=bits.s(at_delays + 12, 12),
            ),
        )
