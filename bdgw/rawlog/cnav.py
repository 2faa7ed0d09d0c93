"""GPS CNAV, the message of L2C and L5: types 10, 11 and 30, in ten words each, to broadcast sets.

Source: IS-GPS-200, clause 30.3 (figures 30-1 to 30-3, tables 30-I and 30-III): 300 bits, checksum.
Its clock is that of the ionosphere-free pair of L1 P(Y) and L2 P(Y), as is that of LNAV.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from bdgw.positioning.ephemeris import KeplerOrbit, ura_m
from bdgw.positioning.satellite import N_SYSTEM_SATELLITES, signal_id
from bdgw.rawlog.checked import Checked
from bdgw.rawlog.words import Bits, Page
from bdgw.timescale import resolve_tow, resolve_week

__all__ = ["CnavReader"]

_N_WORDS, _N_BITS = 10, 300
_PREAMBLE = 0x8B
_KINDS = (10, 11, 30)
_S_NS = 1_000_000_000
_WEEK_S = 604_800
_WEEK_NS = _WEEK_S * _S_NS
_COUNT_S = 6
_TIME_STEP_S = 300
_REFERENCE_A_M = 26_559_710.0
_REFERENCE_RATE = -2.6e-9
"""Semicircles a second, what the rate of the node is counted from (table 30-I)."""
_DELAY_STEP_S = 2.0**-35
_NO_DELAY = -4096
_CORRECTED = (("1C", 140), ("2S", 153), ("2L", 153), ("2X", 153), ("5I", 166), ("5Q", 179))
"""Signals, and where type 30 has the correction of each (figure 30-3)."""
_L5 = "5"


class CnavReader:
    """Collects messages of each satellite; gives a set when orbit and clock are of one time."""

    def __init__(self, checked: Checked) -> None:
        self._checked = checked
        self._parts: dict[int, dict[int, Bits]] = {}

    def read(self, satellite: int, words: Sequence[int], near_gpst_ns: int) -> Page | None:
        """Take a message."""
        if len(words) < _N_WORDS:
            return None
        bits = self._checked.bits_of(words[:_N_WORDS], _N_BITS)
        if bits is None or bits.u(0, 8) != _PREAMBLE:
            return None
        kind = bits.u(14, 6)
        if kind not in _KINDS or bits.u(8, 6) != satellite % N_SYSTEM_SATELLITES:
            return None
        parts = self._parts.setdefault(satellite, {})
        parts[kind] = bits
        if kind != 30 or not _is_whole(parts):
            return Page(kind)
        return Page(kind, _orbit(satellite, parts, near_gpst_ns))


def _is_whole(parts: dict[int, Bits]) -> bool:
    """Whether all is of one upload and one reference time (clause 30.3.4.4)."""
    if len(parts) < len(_KINDS):
        return False
    ten, eleven, thirty = (parts[kind] for kind in _KINDS)
    toe = ten.u(70, 11)
    return toe == eleven.u(38, 11) == thirty.u(60, 11) and ten.u(54, 11) == thirty.u(38, 11)


def _orbit(satellite: int, parts: dict[int, Bits], near_gpst_ns: int) -> KeplerOrbit:
    ten, eleven, thirty = (parts[kind] for kind in _KINDS)
    week = resolve_week(ten.u(38, 13), 8192, near_gpst_ns // _WEEK_NS)
    # The count is of the beginning of the next message, the week of this one's.
    sent_ns = week * _WEEK_NS + (ten.u(20, 17) - 1) * _COUNT_S % _WEEK_S * _S_NS
    toe_s = ten.u(70, 11) * _TIME_STEP_S
    time_ns = resolve_tow(toe_s * _S_NS, sent_ns)
    semicircle = math.pi
    return KeplerOrbit(
        satellite=satellite,
        message="CNAV",
        toe_gpst_ns=time_ns,
        toc_gpst_ns=time_ns,
        toe_s=float(toe_s),
        issue=ten.u(70, 11),
        is_healthy=not ten.u(51, 2),
        accuracy_m=_accuracy_m(ten.s(65, 5)),
        signal_delays_s=_delays_s(thirty, is_l5_healthy=not ten.u(53, 1)),
        sqrt_a=math.sqrt(_REFERENCE_A_M + ten.s(81, 26) * 2.0**-9),
        a_dot_m_s=ten.s(107, 25) * 2.0**-21,
        delta_n_rad_s=ten.s(132, 17) * 2.0**-44 * semicircle,
        delta_n_dot_rad_s2=ten.s(149, 23) * 2.0**-57 * semicircle,
        m0_rad=ten.s(172, 33) * 2.0**-32 * semicircle,
        e=ten.u(205, 33) * 2.0**-34,
        omega_rad=ten.s(238, 33) * 2.0**-32 * semicircle,
        omega0_rad=eleven.s(49, 33) * 2.0**-32 * semicircle,
        i0_rad=eleven.s(82, 33) * 2.0**-32 * semicircle,
        omega_dot_rad_s=(_REFERENCE_RATE + eleven.s(115, 17) * 2.0**-44) * semicircle,
        idot_rad_s=eleven.s(132, 15) * 2.0**-44 * semicircle,
        cis_rad=eleven.s(147, 16) * 2.0**-30,
        cic_rad=eleven.s(163, 16) * 2.0**-30,
        crs_m=eleven.s(179, 24) * 2.0**-8,
        crc_m=eleven.s(203, 24) * 2.0**-8,
        cus_rad=eleven.s(227, 21) * 2.0**-30,
        cuc_rad=eleven.s(248, 21) * 2.0**-30,
        a0_s=thirty.s(71, 26) * 2.0**-35,
        a1_s_s=thirty.s(97, 20) * 2.0**-48,
        a2_s_s2=thirty.s(117, 10) * 2.0**-60,
    )


def _delays_s(thirty: Bits, *, is_l5_healthy: bool) -> tuple[tuple[int, float], ...]:
    """Give TGD less the correction of each signal that has one (clause 30.3.3.3.1.1)."""
    tgd = thirty.s(127, 13)
    found = []
    for code, at in _CORRECTED:
        correction = thirty.s(at, 13)
        is_known = _NO_DELAY not in (tgd, correction)
        if is_known and (is_l5_healthy or not code.startswith(_L5)):
            found.append((signal_id("G", code), (tgd - correction) * _DELAY_STEP_S))
    return tuple(found)


def _accuracy_m(index: int) -> float:
    """Give the upper bound of a URA index, which is negative below 2.4 m (table 30-I)."""
    if index == -16:
        return math.nan
    return ura_m(index) if index >= 0 else 2.4 * 2.0 ** (index / 2.0)
