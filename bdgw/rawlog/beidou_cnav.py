"""What B-CNAV1 and B-CNAV2 of BeiDou have in common: the fields of orbit and clock, to a set.

The clock is that of B3I, as it is in D1; the delays are those of B1C and B2a against it. Neither
message is sent by geostationary satellites.

Sources: BDS-SIS-ICD-B1C-1.0 and BDS-SIS-ICD-B2a-1.0, clauses 7.5 (clock), 7.6 (group delays) and
7.7 (ephemeris I and II, and the reference of the semi-major axis).
"""

from __future__ import annotations

import math
from typing import NamedTuple

from bdgw.positioning.ephemeris import KeplerOrbit
from bdgw.positioning.satellite import is_bds_geo, signal_id
from bdgw.rawlog.beidou_d1 import week_of
from bdgw.rawlog.words import Bits
from bdgw.timescale import resolve_tow

__all__ = [
    "CLOCK_BITS",
    "EPHEMERIS_II_BITS",
    "EPHEMERIS_I_BITS",
    "REFERENCE_A_M",
    "Pieces",
    "delays_of",
    "orbit_of",
    "sent_bdt_ns",
]

EPHEMERIS_I_BITS, EPHEMERIS_II_BITS, CLOCK_BITS = 203, 222, 69
_DELAY_STEP_S = 2.0**-34
_S_NS = 1_000_000_000
_WEEK_NS = 604_800 * _S_NS
_BDT_NS = 14 * _S_NS
_TIME_STEP_S = 300
REFERENCE_A_M = {2: 42_162_200.0, 3: 27_906_100.0}
"""By the type of the orbit: inclined geosynchronous, medium."""
_B1C_PILOT, _B1C_DATA = signal_id("C", "1P"), signal_id("C", "1D")
_B2A_PILOT, _B2A_DATA = signal_id("C", "5P"), signal_id("C", "5D")


class Pieces(NamedTuple):
    """The stretches of bits that make up a set."""

    ephemeris_i: Bits
    ephemeris_ii: Bits
    clock: Bits


def sent_bdt_ns(week: int, sow_s: int, near_gpst_ns: int) -> int:
    """Give when a message was sent, counted from the epoch of GPST but in BDT."""
    return week_of(week, near_gpst_ns) * _WEEK_NS + sow_s * _S_NS


def delays_of(
    b1c_pilot: int, b2a_pilot: int, *, b1c_data: int | None = None, b2a_data: int | None = None
) -> tuple[tuple[int, float], ...]:
    """Give the delays by signal, of steps as sent; those of the data are on top of the pilot's.

    Source: BDS-SIS-ICD-B1C-1.0 and BDS-SIS-ICD-B2a-1.0, clause 7.6.2.
    """
    found = [(_B1C_PILOT, b1c_pilot * _DELAY_STEP_S), (_B2A_PILOT, b2a_pilot * _DELAY_STEP_S)]
    if b1c_data is not None:
        found.append((_B1C_DATA, (b1c_pilot + b1c_data) * _DELAY_STEP_S))
    if b2a_data is not None:
        found.append((_B2A_DATA, (b2a_pilot + b2a_data) * _DELAY_STEP_S))
    return tuple(found)


def orbit_of(
    satellite: int,
    message: str,
    pieces: Pieces,
    *,
    sent_ns: int,
    issue: int,
    is_healthy: bool,
    signal_delays_s: tuple[tuple[int, float], ...],
) -> KeplerOrbit | None:
    """Make a set; None where it is of an orbit that the message has no reference for."""
    one, two, clock = pieces
    reference_m = REFERENCE_A_M.get(one.u(11, 2))
    if reference_m is None or is_bds_geo(satellite):
        return None
    toe_s = one.u(0, 11) * _TIME_STEP_S
    toc_ns = clock.u(0, 11) * _TIME_STEP_S * _S_NS
    semicircle = math.pi
    return KeplerOrbit(
        satellite=satellite,
        message=message,
        toe_gpst_ns=resolve_tow(toe_s * _S_NS, sent_ns) + _BDT_NS,
        toc_gpst_ns=resolve_tow(toc_ns, sent_ns) + _BDT_NS,
        toe_s=float(toe_s),
        issue=issue,
        is_healthy=is_healthy,
        # What the indices of accuracy stand for is left to later issues of the documents.
        accuracy_m=math.nan,
        signal_delays_s=signal_delays_s,
        sqrt_a=math.sqrt(reference_m + one.s(13, 26) * 2.0**-9),
        a_dot_m_s=one.s(39, 25) * 2.0**-21,
        delta_n_rad_s=one.s(64, 17) * 2.0**-44 * semicircle,
        delta_n_dot_rad_s2=one.s(81, 23) * 2.0**-57 * semicircle,
        m0_rad=one.s(104, 33) * 2.0**-32 * semicircle,
        e=one.u(137, 33) * 2.0**-34,
        omega_rad=one.s(170, 33) * 2.0**-32 * semicircle,
        omega0_rad=two.s(0, 33) * 2.0**-32 * semicircle,
        i0_rad=two.s(33, 33) * 2.0**-32 * semicircle,
        omega_dot_rad_s=two.s(66, 19) * 2.0**-44 * semicircle,
        idot_rad_s=two.s(85, 15) * 2.0**-44 * semicircle,
        cis_rad=two.s(100, 16) * 2.0**-30,
        cic_rad=two.s(116, 16) * 2.0**-30,
        crs_m=two.s(132, 24) * 2.0**-8,
        crc_m=two.s(156, 24) * 2.0**-8,
        cus_rad=two.s(180, 21) * 2.0**-30,
        cuc_rad=two.s(201, 21) * 2.0**-30,
        a0_s=clock.s(11, 25) * 2.0**-34,
        a1_s_s=clock.s(36, 22) * 2.0**-50,
        a2_s_s2=clock.s(58, 11) * 2.0**-66,
    )
