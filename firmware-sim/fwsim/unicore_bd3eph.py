"""BD3EPH of Unicore's N4 receivers: a set of B-CNAV1, B-CNAV2 or B-CNAV3.

Source: Unicore N4 Products Commands and Logs Reference Book, BD3EPH. Each message fills in the
delays that it carries; the others are 0.
"""

import struct
from dataclasses import dataclass

from fwsim.gnss_time import BDT_FIRST_WEEK
from fwsim.orbit import KeplerEphemeris
from fwsim.ubx_modern_words import GEOSYNCHRONOUS_M, MEDIUM_M, ModernTerms
from fwsim.unicore_message import frame, orbit_terms

BD3EPH = 2999
B1C, B2A, B2B = 0, 1, 2
GEOSTATIONARY, INCLINED, MEDIUM = 1, 2, 3
BETWEEN_M = 35_000_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Delays:
    """The fields of delay in the order of the message."""

    tgd_b1cp_s: float = 0.0
    tgd_b2ap_s: float = 0.0
    tgd_b2bi_s: float = 0.0
    tgd_b2bq_s: float = 0.0
    isc_b2ad_s: float = 0.0
    isc_b1cd_s: float = 0.0


def delays_of(source: int, terms: ModernTerms, tgd_b2bi_s: float) -> Delays:
    """Return what a message of B1C, B2a or B2b tells of the delays."""
    if source == B2B:
        return Delays(tgd_b2bi_s=tgd_b2bi_s)
    return Delays(
        tgd_b1cp_s=terms.tgd_b1cp_s,
        tgd_b2ap_s=terms.tgd_b2ap_s,
        isc_b2ad_s=terms.isc_b2ad_s if source == B2A else 0.0,
        isc_b1cd_s=terms.isc_b1cd_s if source == B1C else 0.0,
    )


def ephemeris(
    eph: KeplerEphemeris,
    terms: ModernTerms,
    gpst_ns: int,
    *,
    source: int = B1C,
    tgd_b2bi_s: float = 0.0,
) -> bytes:
    """Return BD3EPH."""
    axis_m = eph.sqrt_a**2
    kind = MEDIUM if axis_m < BETWEEN_M else INCLINED
    if eph.is_geostationary:
        kind = GEOSTATIONARY
    week, issue = eph.week + BDT_FIRST_WEEK, 0 if source == B2B else eph.issue
    head = struct.pack(
        "<BBBBHHHH", eph.prn, terms.health, kind, 15, issue % 256, issue % 1024, week, week
    )
    orbit = struct.pack(
        "<19d",
        float(eph.toe_s),
        float(eph.toe_s),
        axis_m - (MEDIUM_M if kind == MEDIUM else GEOSYNCHRONOUS_M),
        terms.a_dot_m_s,
        eph.delta_n,
        terms.delta_n_dot,
        *orbit_terms(eph),
    )
    told = delays_of(source, terms, tgd_b2bi_s)
    clock = struct.pack(
        "<10d",
        float(eph.toe_s),
        told.tgd_b1cp_s,
        told.tgd_b2ap_s,
        told.tgd_b2bi_s,
        told.tgd_b2bq_s,
        told.isc_b2ad_s,
        told.isc_b1cd_s,
        eph.a0_s,
        eph.a1,
        eph.a2,
    )
    tail = struct.pack("<iBBBBiiI", eph.toe_s // 300, 0, 30, 7, 7, 0, 0, source)
    return frame(BD3EPH, gpst_ns, head + orbit + clock + tail)
