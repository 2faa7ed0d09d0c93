"""Galileo I/NAV pages, E1-B and E5b-I, to broadcast sets.

A page is an even and an odd part of 120 bits, each in four words of u-blox's with 8 bits to spare.

Source: Galileo OS SIS ICD 2.0, clause 4.3.2.3 (pages, checksum), tables 42 to 47 (words 1 to 5);
clause 5.1.9.4 (health).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from bdgw.positioning.ephemeris import KeplerOrbit, sisa_m
from bdgw.positioning.satellite import N_SYSTEM_SATELLITES
from bdgw.rawlog.words import Bits, Page
from bdgw.timescale import resolve_tow, resolve_week
from bdgw.wire.checksum import crc24q

__all__ = ["GalileoReader"]

_WEEK_NS = 604_800_000_000_000
_S_NS = 1_000_000_000
_GST_EPOCH_WEEKS = 1024
_WORDS = 5
_EVEN_BITS, _ODD_BITS = 114, 82
"""What the checksum is over: all but the tail, the checksum and what follows it."""


class GalileoReader:
    """Collects words 1 to 5 of each satellite; gives a set when 1 to 4 have one issue."""

    def __init__(self) -> None:
        self._parts: dict[tuple[int, int], dict[int, Bits]] = {}

    def read(
        self, satellite: int, words: Sequence[int], near_gpst_ns: int, *, signal: int
    ) -> Page | None:
        """Take a page; each signal has a message of its own."""
        word = _word_of(words)
        if word is None:
            return None
        kind = word.u(0, 6)
        if not 1 <= kind <= _WORDS:
            return None
        parts = self._parts.setdefault((satellite, signal), {})
        parts[kind] = word
        if len(parts) < _WORDS or parts[4].u(16, 6) != satellite % N_SYSTEM_SATELLITES:
            return Page(kind)
        if len({parts[k].u(6, 10) for k in (1, 2, 3, 4)}) != 1:
            return Page(kind)
        return Page(kind, _orbit(satellite, parts, near_gpst_ns))


def _word_of(words: Sequence[int]) -> Bits | None:
    """Give the 128 bits of a word; None for a page of another kind, or with a bad checksum."""
    if len(words) < 8:
        return None
    even, odd = (
        Bits(words[i] << 96 | words[i + 1] << 64 | words[i + 2] << 32 | words[i + 3], 128)
        for i in (0, 4)
    )
    # Even first; both nominal, not alert.
    if even.u(0, 2) != 0b00 or odd.u(0, 2) != 0b10:
        return None
    covered = even.u(0, _EVEN_BITS) << _ODD_BITS | odd.u(0, _ODD_BITS)
    if crc24q(covered.to_bytes(25, "big")) != odd.u(_ODD_BITS, 24):
        return None
    return Bits(even.u(2, 112) << 16 | odd.u(2, 16), 128)


def _orbit(satellite: int, parts: dict[int, Bits], near_gpst_ns: int) -> KeplerOrbit:
    one, two, three, four, five = (parts[k] for k in range(1, _WORDS + 1))
    near_week = near_gpst_ns // _WEEK_NS - _GST_EPOCH_WEEKS
    week = resolve_week(five.u(73, 12), 4096, near_week) + _GST_EPOCH_WEEKS
    sent_ns = week * _WEEK_NS + five.u(85, 20) * _S_NS
    toe_s = one.u(16, 14) * 60
    semicircle = math.pi
    return KeplerOrbit(
        satellite=satellite,
        toe_gpst_ns=resolve_tow(toe_s * _S_NS, sent_ns),
        toc_gpst_ns=resolve_tow(four.u(54, 14) * 60 * _S_NS, sent_ns),
        toe_s=float(toe_s),
        issue=one.u(6, 10),
        # Health of E5b and of E1-B, two bits each, then whether their data are valid.
        is_healthy=not five.u(67, 6),
        accuracy_m=sisa_m(three.u(120, 8)),
        tgd_s=(five.s(47, 10) * 2.0**-32, five.s(57, 10) * 2.0**-32),
        m0_rad=one.s(30, 32) * 2.0**-31 * semicircle,
        e=one.u(62, 32) * 2.0**-33,
        sqrt_a=one.u(94, 32) * 2.0**-19,
        omega0_rad=two.s(16, 32) * 2.0**-31 * semicircle,
        i0_rad=two.s(48, 32) * 2.0**-31 * semicircle,
        omega_rad=two.s(80, 32) * 2.0**-31 * semicircle,
        idot_rad_s=two.s(112, 14) * 2.0**-43 * semicircle,
        omega_dot_rad_s=three.s(16, 24) * 2.0**-43 * semicircle,
        delta_n_rad_s=three.s(40, 16) * 2.0**-43 * semicircle,
        cuc_rad=three.s(56, 16) * 2.0**-29,
        cus_rad=three.s(72, 16) * 2.0**-29,
        crc_m=three.s(88, 16) * 2.0**-5,
        crs_m=three.s(104, 16) * 2.0**-5,
        cic_rad=four.s(22, 16) * 2.0**-29,
        cis_rad=four.s(38, 16) * 2.0**-29,
        a0_s=four.s(68, 31) * 2.0**-34,
        a1_s_s=four.s(99, 21) * 2.0**-46,
        a2_s_s2=four.s(120, 6) * 2.0**-59,
    )
