"""Galileo F/NAV pages, E5a-I, to broadcast sets.

A page is of 238 bits and a tail, in eight words.

Source: Galileo OS SIS ICD 2.0, clause 4.2 (pages, checksum; types 1 to 4); clause 5.1.9.3 (health).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from bdgw.positioning.ephemeris import KeplerOrbit, sisa_m
from bdgw.positioning.satellite import N_SYSTEM_SATELLITES
from bdgw.rawlog.checked import Checked
from bdgw.rawlog.words import Bits, Page
from bdgw.timescale import resolve_tow, resolve_week

__all__ = ["GalileoFnavReader"]

_N_WORDS, _N_BITS = 8, 238
_PAGES = 4
_S_NS = 1_000_000_000
_WEEK_NS = 604_800 * _S_NS
_GST_EPOCH_WEEKS = 1024
_ISSUE_AT = {1: 12, 2: 6, 3: 6, 4: 6}


class GalileoFnavReader:
    """Collects pages 1 to 4 of each satellite; gives a set when all have one issue."""

    def __init__(self, checked: Checked) -> None:
        self._checked = checked
        self._parts: dict[int, dict[int, Bits]] = {}

    def read(self, satellite: int, words: Sequence[int], near_gpst_ns: int) -> Page | None:
        """Take a page."""
        if len(words) < _N_WORDS:
            return None
        bits = self._checked.bits_of(words[:_N_WORDS], _N_BITS)
        if bits is None:
            return None
        kind = bits.u(0, 6)
        if not 1 <= kind <= _PAGES:
            return None
        if kind == 1 and bits.u(6, 6) != satellite % N_SYSTEM_SATELLITES:
            return None
        parts = self._parts.setdefault(satellite, {})
        parts[kind] = bits
        if len(parts) < _PAGES or len({parts[k].u(at, 10) for k, at in _ISSUE_AT.items()}) != 1:
            return Page(kind)
        return Page(kind, _orbit(satellite, parts, near_gpst_ns))


def _orbit(satellite: int, parts: dict[int, Bits], near_gpst_ns: int) -> KeplerOrbit:
    one, two, three, four = (parts[k] for k in range(1, _PAGES + 1))
    near_week = near_gpst_ns // _WEEK_NS - _GST_EPOCH_WEEKS
    week = resolve_week(one.u(155, 12), 4096, near_week) + _GST_EPOCH_WEEKS
    sent_ns = week * _WEEK_NS + one.u(167, 20) * _S_NS
    toe_s = three.u(160, 14) * 60
    semicircle = math.pi
    return KeplerOrbit(
        satellite=satellite,
        is_fnav=True,
        toe_gpst_ns=resolve_tow(toe_s * _S_NS, sent_ns),
        toc_gpst_ns=resolve_tow(one.u(22, 14) * 60 * _S_NS, sent_ns),
        toe_s=float(toe_s),
        issue=one.u(12, 10),
        # Health of E5a, then whether its data are valid.
        is_healthy=not (one.u(153, 2) or one.u(187, 1)),
        accuracy_m=sisa_m(one.u(94, 8)),
        tgd_s=(one.s(143, 10) * 2.0**-32,),
        a0_s=one.s(36, 31) * 2.0**-34,
        a1_s_s=one.s(67, 21) * 2.0**-46,
        a2_s_s2=one.s(88, 6) * 2.0**-59,
        m0_rad=two.s(16, 32) * 2.0**-31 * semicircle,
        omega_dot_rad_s=two.s(48, 24) * 2.0**-43 * semicircle,
        e=two.u(72, 32) * 2.0**-33,
        sqrt_a=two.u(104, 32) * 2.0**-19,
        omega0_rad=two.s(136, 32) * 2.0**-31 * semicircle,
        idot_rad_s=two.s(168, 14) * 2.0**-43 * semicircle,
        i0_rad=three.s(16, 32) * 2.0**-31 * semicircle,
        omega_rad=three.s(48, 32) * 2.0**-31 * semicircle,
        delta_n_rad_s=three.s(80, 16) * 2.0**-43 * semicircle,
        cuc_rad=three.s(96, 16) * 2.0**-29,
        cus_rad=three.s(112, 16) * 2.0**-29,
        crc_m=three.s(128, 16) * 2.0**-5,
        crs_m=three.s(144, 16) * 2.0**-5,
        cic_rad=four.s(16, 16) * 2.0**-29,
        cis_rad=four.s(32, 16) * 2.0**-29,
    )
