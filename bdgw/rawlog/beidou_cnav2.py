"""BeiDou B-CNAV2, the message of B2a: types 10, 11 and 30, in nine words each, to broadcast sets.

Source: BDS-SIS-ICD-B2a-1.0, clause 6.2 (288 bits, checksum; types 10, 11, 30), 7.3 (second of the
week, in steps of 3 s), 7.4 (issues); chapter 7 also has the health status and integrity flags.
"""

from __future__ import annotations

from collections.abc import Sequence

from bdgw.positioning.ephemeris import KeplerOrbit
from bdgw.positioning.satellite import N_SYSTEM_SATELLITES
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

__all__ = ["BeidouCnav2Reader"]

_N_WORDS, _N_BITS = 9, 288
_KINDS = (10, 11, 30)
_STEP_S = 3
_STEPS_OF_WEEK = 604_800 // _STEP_S
_TOGETHER = 100
"""Steps, 300 s, that the clock may come after the orbit."""


class BeidouCnav2Reader:
    """Collects messages of each satellite; gives a set with the clock, if all are of one issue.

    Type 11 bears no issue: it is of the type 10 that was sent just before it.
    """

    def __init__(self, checked: Checked) -> None:
        self._checked = checked
        self._parts: dict[int, dict[int, Bits]] = {}

    def read(self, satellite: int, words: Sequence[int], near_gpst_ns: int) -> Page | None:
        """Take a message."""
        if len(words) < _N_WORDS:
            return None
        bits = self._checked.bits_of(words[:_N_WORDS], _N_BITS)
        if bits is None or bits.u(0, 6) != satellite % N_SYSTEM_SATELLITES:
            return None
        kind = bits.u(6, 6)
        if kind not in _KINDS:
            return None
        parts = self._parts.setdefault(satellite, {})
        parts[kind] = bits
        if kind != 30 or not _is_whole(parts):
            return Page(kind)
        return Page(kind, _orbit(satellite, parts, near_gpst_ns))


def _is_whole(parts: dict[int, Bits]) -> bool:
    if len(parts) < len(_KINDS):
        return False
    ten, eleven, thirty = (parts[kind] for kind in _KINDS)
    later = [(part.u(12, 18) - ten.u(12, 18)) % _STEPS_OF_WEEK for part in (eleven, thirty)]
    # The issue of the orbit is the last 8 of the 10 bits of the clock's (clause 7.4).
    return later[0] == 1 and later[1] <= _TOGETHER and ten.u(53, 8) == thirty.u(113, 8)


def _orbit(satellite: int, parts: dict[int, Bits], near_gpst_ns: int) -> KeplerOrbit | None:
    ten, eleven, thirty = (parts[kind] for kind in _KINDS)
    return orbit_of(
        satellite,
        "CNV2",
        Pieces(
            ten.part(61, EPHEMERIS_I_BITS),
            eleven.part(42, EPHEMERIS_II_BITS),
            thirty.part(42, CLOCK_BITS),
        ),
        sent_ns=sent_bdt_ns(ten.u(30, 13), ten.u(12, 18) * _STEP_S, near_gpst_ns),
        issue=ten.u(53, 8),
        # Health, then whether the message or the signal is in error; not whether its index of
        # monitoring is of use.
        is_healthy=not thirty.u(30, 4),
        signal_delays_s=delays_of(thirty.s(219, 12), thirty.s(121, 12), b2a_data=thirty.s(133, 12)),
    )
