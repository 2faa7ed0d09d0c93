"""BeiDou D2, the message of geostationary satellites: subframe 1, pages 1 to 10, to broadcast sets.

Source: BDS-SIS-ICD-B1I-3.0, clause 5.3 and figures 5-14 to 5-17; word 1 has 26 bits before its
parity, the others 22. A page is sent every 3 s; what follows its number runs on in the next page.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from bdgw.positioning.ephemeris import KeplerOrbit, ura_m
from bdgw.rawlog.beidou_d1 import bits_of_subframe, klobuchar_of, week_of
from bdgw.rawlog.words import Bits, Page
from bdgw.timescale import resolve_tow

__all__ = ["BeidouGeoReader"]

_WEEK_NS = 604_800_000_000_000
_WEEK_S = 604_800
_S_NS = 1_000_000_000
_BDT_NS = 14 * _S_NS
_PAGE_S = 3
_PAGES = 10
_AT = 42
"""Where a page begins behind its number, without parity."""
_RUNS = {3: (80, 28), 4: (_AT, 64), 5: (_AT, 64), 6: (_AT, 64), 7: (_AT, 64), 8: (_AT, 66),
         9: (_AT, 64), 10: (_AT, 19)}  # fmt: skip
"""Pages of the clock and the orbit: first bit and number of bits."""


class BeidouGeoReader:
    """Collects pages 1 to 10 of each satellite that are of one half minute."""

    def __init__(self) -> None:
        self._parts: dict[int, dict[int, Bits]] = {}

    def read(self, satellite: int, words: Sequence[int], near_gpst_ns: int) -> Page | None:
        """Take a subframe; ``words`` hold 30 bits each."""
        bits = bits_of_subframe(words)
        if bits is None or bits.u(15, 3) != 1:
            return None
        number = bits.u(38, 4)
        if not 1 <= number <= _PAGES:
            return None
        parts = self._parts.setdefault(satellite, {})
        if number == 1:
            parts.clear()
        parts[number] = bits
        if len(parts) < _PAGES:
            return Page(number)
        first_s = parts[1].u(18, 20)
        for k, part in parts.items():
            if part.u(18, 20) != (first_s + _PAGE_S * (k - 1)) % _WEEK_S:
                return Page(number)
        return Page(number, _orbit(satellite, parts, near_gpst_ns), klobuchar_of(parts[2], _AT))


def _orbit(satellite: int, parts: dict[int, Bits], near_gpst_ns: int) -> KeplerOrbit:
    one = parts[1]
    value = n_bits = 0
    for page, (at, n) in _RUNS.items():
        value, n_bits = value << n | parts[page].u(at, n), n_bits + n
    run = Bits(value, n_bits)
    sent_ns = week_of(one.u(52, 13), near_gpst_ns) * _WEEK_NS + one.u(18, 20) * _S_NS
    toe_s = run.u(246, 17) * 8
    semicircle = math.pi
    return KeplerOrbit(
        satellite=satellite,
        toe_gpst_ns=resolve_tow(toe_s * _S_NS, sent_ns) + _BDT_NS,
        toc_gpst_ns=resolve_tow(one.u(65, 17) * 8 * _S_NS, sent_ns) + _BDT_NS,
        toe_s=float(toe_s),
        issue=run.u(57, 5),
        is_healthy=not one.u(42, 1),
        accuracy_m=ura_m(one.u(48, 4)),
        tgd_s=(one.s(82, 10) / 1e10, one.s(92, 10) / 1e10),
        a0_s=run.s(0, 24) * 2.0**-33,
        a1_s_s=run.s(24, 22) * 2.0**-50,
        a2_s_s2=run.s(46, 11) * 2.0**-66,
        delta_n_rad_s=run.s(62, 16) * 2.0**-43 * semicircle,
        cuc_rad=run.s(78, 18) * 2.0**-31,
        m0_rad=run.s(96, 32) * 2.0**-31 * semicircle,
        cus_rad=run.s(128, 18) * 2.0**-31,
        e=run.u(146, 32) * 2.0**-33,
        sqrt_a=run.u(178, 32) * 2.0**-19,
        cic_rad=run.s(210, 18) * 2.0**-31,
        cis_rad=run.s(228, 18) * 2.0**-31,
        i0_rad=run.s(263, 32) * 2.0**-31 * semicircle,
        crc_m=run.s(295, 18) * 2.0**-6,
        crs_m=run.s(313, 18) * 2.0**-6,
        omega_dot_rad_s=run.s(331, 24) * 2.0**-43 * semicircle,
        omega0_rad=run.s(355, 32) * 2.0**-31 * semicircle,
        omega_rad=run.s(387, 32) * 2.0**-31 * semicircle,
        idot_rad_s=run.s(419, 14) * 2.0**-43 * semicircle,
    )
