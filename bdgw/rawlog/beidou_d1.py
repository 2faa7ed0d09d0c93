"""BeiDou D1 subframes 1 to 3, as a receiver hands over their ten words, to broadcast sets.

D2 of geostationary satellites is read by ``beidou_d2``.

Source: BDS-SIS-ICD-B1I-3.0, clause 5.2.4 and figures 5-8 to 5-11; word 1 has 26 bits before its
parity, the others 22.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from bdgw.positioning.atmosphere import Klobuchar
from bdgw.positioning.ephemeris import KeplerOrbit, ura_m
from bdgw.rawlog.words import Bits, Page
from bdgw.timescale import resolve_tow, resolve_week

__all__ = ["BeidouReader", "bits_of_subframe", "klobuchar_of", "week_of"]

_WEEK_NS = 604_800_000_000_000
_S_NS = 1_000_000_000
_BDT_NS = 14 * _S_NS
_BDT_EPOCH_WEEKS = 1356
_PREAMBLE = 0b11100010010
_ION_AT = 98


class BeidouReader:
    """Collects subframes 1 to 3 of each satellite that are of one half minute."""

    def __init__(self) -> None:
        self._parts: dict[int, dict[int, Bits]] = {}

    def read(self, satellite: int, words: Sequence[int], near_gpst_ns: int) -> Page | None:
        """Take a subframe; ``words`` hold 30 bits each."""
        bits = bits_of_subframe(words)
        number = 0 if bits is None else bits.u(15, 3)
        if bits is None or not 1 <= number <= 3:
            return None
        parts = self._parts.setdefault(satellite, {})
        if number == 1:
            parts.clear()
        parts[number] = bits
        if len(parts) < 3:
            return Page(number)
        sent = [parts[k].u(18, 20) for k in (1, 2, 3)]
        if sent != [sent[0], sent[0] + 6, sent[0] + 12]:
            return Page(number)
        return Page(number, _orbit(satellite, parts, near_gpst_ns), klobuchar_of(parts[1], _ION_AT))


def bits_of_subframe(words: Sequence[int]) -> Bits | None:
    """Join ten words without their parity, 224 bits; None where they are no subframe."""
    if len(words) < 10:
        return None
    value = words[0] >> 4 & 0x3FFFFFF
    for word in words[1:10]:
        value = value << 22 | word >> 8 & 0x3FFFFF
    bits = Bits(value, 224)
    return bits if bits.u(0, 11) == _PREAMBLE else None


def klobuchar_of(bits: Bits, at: int) -> Klobuchar:
    """Read the eight coefficients of the ionosphere (clause 5.2.4.7, table 5-6)."""
    a = [bits.s(at + 8 * i, 8) for i in range(4)]
    b = [bits.s(at + 32 + 8 * i, 8) for i in range(4)]
    return Klobuchar(
        (a[0] * 2.0**-30, a[1] * 2.0**-27, a[2] * 2.0**-24, a[3] * 2.0**-24),
        (b[0] * 2.0**11, b[1] * 2.0**14, b[2] * 2.0**16, b[3] * 2.0**16),
    )


def week_of(raw: int, near_gpst_ns: int) -> int:
    """Give the week in which a BDT week of 13 bits begins, counted as GPST weeks are."""
    near_week = (near_gpst_ns - _BDT_NS) // _WEEK_NS - _BDT_EPOCH_WEEKS
    return resolve_week(raw, 8192, near_week) + _BDT_EPOCH_WEEKS


def _orbit(satellite: int, parts: dict[int, Bits], near_gpst_ns: int) -> KeplerOrbit:
    # Without parity the fields follow each other without gaps: bits 0-37 are preamble, reserved,
    # number and second of the week.
    one, two, three = parts[1], parts[2], parts[3]
    sent_ns = week_of(one.u(48, 13), near_gpst_ns) * _WEEK_NS + one.u(18, 20) * _S_NS
    toe_s = (two.u(222, 2) << 15 | three.u(38, 15)) * 8
    semicircle = math.pi
    return KeplerOrbit(
        satellite=satellite,
        toe_gpst_ns=resolve_tow(toe_s * _S_NS, sent_ns) + _BDT_NS,
        toc_gpst_ns=resolve_tow(one.u(61, 17) * 8 * _S_NS, sent_ns) + _BDT_NS,
        toe_s=float(toe_s),
        issue=one.u(219, 5),
        is_healthy=not one.u(38, 1),
        accuracy_m=ura_m(one.u(44, 4)),
        tgd_s=(one.s(78, 10) / 1e10, one.s(88, 10) / 1e10),
        a2_s_s2=one.s(162, 11) * 2.0**-66,
        a0_s=one.s(173, 24) * 2.0**-33,
        a1_s_s=one.s(197, 22) * 2.0**-50,
        delta_n_rad_s=two.s(38, 16) * 2.0**-43 * semicircle,
        cuc_rad=two.s(54, 18) * 2.0**-31,
        m0_rad=two.s(72, 32) * 2.0**-31 * semicircle,
        e=two.u(104, 32) * 2.0**-33,
        cus_rad=two.s(136, 18) * 2.0**-31,
        crc_m=two.s(154, 18) * 2.0**-6,
        crs_m=two.s(172, 18) * 2.0**-6,
        sqrt_a=two.u(190, 32) * 2.0**-19,
        i0_rad=three.s(53, 32) * 2.0**-31 * semicircle,
        cic_rad=three.s(85, 18) * 2.0**-31,
        omega_dot_rad_s=three.s(103, 24) * 2.0**-43 * semicircle,
        cis_rad=three.s(127, 18) * 2.0**-31,
        idot_rad_s=three.s(145, 14) * 2.0**-43 * semicircle,
        omega0_rad=three.s(159, 32) * 2.0**-31 * semicircle,
        omega_rad=three.s(191, 32) * 2.0**-31 * semicircle,
    )
