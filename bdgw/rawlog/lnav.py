"""GPS and QZSS LNAV subframes, as a receiver hands over their ten words, to broadcast sets.

Source: IS-GPS-200, clause 20.3.3 and figure 20-1; IS-QZSS-PNT-004, clause 5.5.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from bdgw.positioning.atmosphere import Klobuchar
from bdgw.positioning.ephemeris import KeplerOrbit, ura_m
from bdgw.rawlog.words import Bits, Page
from bdgw.timescale import resolve_tow, resolve_week

__all__ = ["LnavReader"]

_WEEK_NS = 604_800_000_000_000
_S_NS = 1_000_000_000
_ION_PAGE = 56
_QZSS_GOOD = 0b011110


class LnavReader:
    """Collects subframes 1 to 3 of each satellite; gives a set when all have one issue."""

    def __init__(self) -> None:
        self._parts: dict[int, dict[int, Bits]] = {}

    def read(
        self, satellite: int, words: Sequence[int], near_gpst_ns: int, *, is_qzss: bool
    ) -> Page | None:
        """Take a subframe; ``words`` hold 30 bits each, parity last, polarity put right."""
        if len(words) < 10:
            return None
        value = 0
        for word in words[:10]:
            value = value << 24 | word >> 6 & 0xFFFFFF
        bits = Bits(value, 240)
        if bits.u(0, 8) != 0x8B:
            return None
        number = bits.u(43, 3)
        if number == 4 and not is_qzss and bits.u(50, 6) == _ION_PAGE:
            return Page(_ION_PAGE, ionosphere=_ionosphere(bits))
        if not 1 <= number <= 3:
            return None
        parts = self._parts.setdefault(satellite, {})
        parts[number] = bits
        if len(parts) < 3:
            return Page(number)
        issues = {parts[1].u(168, 8), parts[2].u(48, 8), parts[3].u(216, 8)}
        if len(issues) != 1:
            return Page(number)
        return Page(number, _orbit(satellite, parts, near_gpst_ns, is_qzss=is_qzss))


def _ionosphere(bits: Bits) -> Klobuchar:
    """Read page 18 of subframe 4 (clause 20.3.3.5.1.7)."""
    a = [bits.s(56 + 8 * i, 8) for i in range(4)]
    b = [bits.s(88 + 8 * i, 8) for i in range(4)]
    return Klobuchar(
        (a[0] * 2.0**-30, a[1] * 2.0**-27, a[2] * 2.0**-24, a[3] * 2.0**-24),
        (b[0] * 2.0**11, b[1] * 2.0**14, b[2] * 2.0**16, b[3] * 2.0**16),
    )


def _orbit(
    satellite: int, parts: dict[int, Bits], near_gpst_ns: int, *, is_qzss: bool
) -> KeplerOrbit:
    one, two, three = parts[1], parts[2], parts[3]
    week = resolve_week(one.u(48, 10), 1024, near_gpst_ns // _WEEK_NS)
    toe_s = two.u(216, 16) * 16
    health = one.u(64, 6)
    semicircle = math.pi
    # The week is that of transmission; toe and toc lie within half a week of it.
    tow_s = one.u(24, 17) * 6
    sent_ns = week * _WEEK_NS + tow_s * _S_NS
    return KeplerOrbit(
        satellite=satellite,
        toe_gpst_ns=resolve_tow(toe_s * _S_NS, sent_ns),
        toc_gpst_ns=resolve_tow(one.u(176, 16) * 16 * _S_NS, sent_ns),
        toe_s=float(toe_s),
        issue=two.u(48, 8),
        is_healthy=(health & _QZSS_GOOD if is_qzss else health) == 0,
        accuracy_m=ura_m(one.u(60, 4)),
        a0_s=one.s(216, 22) * 2.0**-31,
        a1_s_s=one.s(200, 16) * 2.0**-43,
        a2_s_s2=one.s(192, 8) * 2.0**-55,
        tgd_s=(one.s(160, 8) * 2.0**-31,),
        crs_m=two.s(56, 16) * 2.0**-5,
        delta_n_rad_s=two.s(72, 16) * 2.0**-43 * semicircle,
        m0_rad=two.s(88, 32) * 2.0**-31 * semicircle,
        cuc_rad=two.s(120, 16) * 2.0**-29,
        e=two.u(136, 32) * 2.0**-33,
        cus_rad=two.s(168, 16) * 2.0**-29,
        sqrt_a=two.u(184, 32) * 2.0**-19,
        cic_rad=three.s(48, 16) * 2.0**-29,
        omega0_rad=three.s(64, 32) * 2.0**-31 * semicircle,
        cis_rad=three.s(96, 16) * 2.0**-29,
        i0_rad=three.s(112, 32) * 2.0**-31 * semicircle,
        crc_m=three.s(144, 16) * 2.0**-5,
        omega_rad=three.s(160, 32) * 2.0**-31 * semicircle,
        omega_dot_rad_s=three.s(192, 24) * 2.0**-43 * semicircle,
        idot_rad_s=three.s(224, 14) * 2.0**-43 * semicircle,
    )
