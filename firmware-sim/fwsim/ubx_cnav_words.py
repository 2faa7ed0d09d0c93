"""CNAV of GPS and F/NAV of Galileo as u-blox receivers hand them over.

Sources: IS-GPS-200 figures 30-1 to 30-3 and their tables; Galileo OS SIS ICD 2.0, 4.2 and 5.1; how
many words a receiver hands over, and that the bits stand left in them: a capture of a u-blox X20P.
"""

import math
from dataclasses import dataclass

from fwsim.constellation import System
from fwsim.gnss_time import GST_FIRST_WEEK, NS_PER_S, WEEK_S
from fwsim.orbit import KeplerEphemeris
from fwsim.rtcm_ephemeris import ANGLE, RATE
from fwsim.rtcm_frame import BitWriter
from fwsim.ubx_message import sfrbx
from fwsim.ubx_modern_words import FINE_RATE, plane_fields, sealed, shape_fields

L2_CM, L5_I, E5A_I = 4, 6, 3
MESSAGE_S = {L2_CM: 12, L5_I: 6}
REFERENCE_M = 26_559_710.0
NODE_RATE = -2.6e-9 * math.pi
DELAY_STEP_S = 2.0**-35
NOT_AVAILABLE = -4096
PAGE_S = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class CnavTerms:
    """What CNAV says beyond an ephemeris.

    ``corrections_s`` are of L1 C/A, L2C, L5 I and L5 Q, None where not available; ``health`` has
    the bits of L1, L2 and L5.
    """

    a_dot_m_s: float = 0.0
    delta_n_dot: float = 0.0
    tgd_s: float = 0.0
    corrections_s: tuple[float | None, ...] = (0.0, 0.0, 0.0, 0.0)
    health: int = 0
    accuracy_index: int = -4
    predicted_s: int = 0


def cnav(eph: KeplerEphemeris, terms: CnavTerms, gpst_ns: int, signal_id: int) -> list[bytes]:
    """Return messages of types 10, 11 and 30."""
    step_s = MESSAGE_S[signal_id]
    week, tow_s = divmod(gpst_ns // NS_PER_S // step_s * step_s, WEEK_S)
    outs = []
    for place, kind in enumerate((10, 11, 30), start=1):
        out = BitWriter()
        out.unsigned(0x8B, 8)
        out.unsigned(eph.prn, 6)
        out.unsigned(kind, 6)
        out.unsigned((tow_s + place * step_s) % WEEK_S // 6, 17)
        out.unsigned(0, 1)
        outs.append(out)
    ten, eleven, thirty = outs
    ten.unsigned(week % 8192, 13)
    ten.unsigned(terms.health, 3)
    ten.unsigned(terms.predicted_s // 300, 11)
    ten.signed(terms.accuracy_index, 5)
    ten.unsigned(eph.toe_s // 300, 11)
    shape_fields(ten, eph, REFERENCE_M, terms.a_dot_m_s, terms.delta_n_dot)
    ten.unsigned(0, 5)
    eleven.unsigned(eph.toe_s // 300, 11)
    plane_fields(eleven, eph, round((eph.omega_dot - NODE_RATE) / FINE_RATE), 17)
    eleven.unsigned(0, 7)
    thirty.unsigned(terms.predicted_s // 300, 11)
    thirty.unsigned(0, 11)
    thirty.unsigned(eph.toe_s // 300, 11)
    thirty.signed(round(eph.a0_s / 2.0**-35), 26)
    thirty.signed(round(eph.a1 / 2.0**-48), 20)
    thirty.signed(round(eph.a2 / 2.0**-60), 10)
    for delay_s in (terms.tgd_s, *terms.corrections_s):
        thirty.signed(NOT_AVAILABLE if delay_s is None else round(delay_s / DELAY_STEP_S), 13)
    thirty.unsigned(0, 84)
    return [sfrbx(System.GPS, eph.prn, sealed(out, 10), signal_id=signal_id) for out in outs]


def fnav(eph: KeplerEphemeris, gpst_ns: int, *, health: int = 0) -> list[bytes]:
    """Return pages 1 to 4."""
    begin_s = gpst_ns // NS_PER_S // PAGE_S * PAGE_S
    outs = []
    for kind in (1, 2, 3, 4):
        out = BitWriter()
        out.unsigned(kind, 6)
        if kind == 1:
            out.unsigned(eph.prn, 6)
        out.unsigned(eph.issue % 1024, 10)
        outs.append(out)
    one, two, three, four = outs
    one.unsigned(eph.toe_s // 60, 14)
    one.signed(round(eph.a0_fnav_s / 2.0**-34), 31)
    one.signed(round(eph.a1 / 2.0**-46), 21)
    one.signed(round(eph.a2 / 2.0**-59), 6)
    one.unsigned(107, 8)
    one.unsigned(0, 41)
    one.signed(round(eph.delays_s[0] / 2.0**-32), 10)
    one.unsigned(health, 2)
    _date(one, begin_s)
    one.unsigned(0, 27)
    two.signed(round(eph.m0 / ANGLE), 32)
    two.signed(round(eph.omega_dot / RATE), 24)
    two.unsigned(round(eph.eccentricity / 2.0**-33), 32)
    two.unsigned(round(eph.sqrt_a / 2.0**-19), 32)
    two.signed(round(eph.omega0 / ANGLE), 32)
    two.signed(round(eph.idot / RATE), 14)
    _date(two, begin_s + PAGE_S)
    three.signed(round(eph.i0 / ANGLE), 32)
    three.signed(round(eph.omega / ANGLE), 32)
    three.signed(round(eph.delta_n / RATE), 16)
    for angle in (eph.cuc, eph.cus):
        three.signed(round(angle / 2.0**-29), 16)
    for length_m in (eph.crc, eph.crs):
        three.signed(round(length_m * 32.0), 16)
    three.unsigned(eph.toe_s // 60, 14)
    _date(three, begin_s + 2 * PAGE_S)
    three.unsigned(0, 8)
    for angle in (eph.cic, eph.cis):
        four.signed(round(angle / 2.0**-29), 16)
    four.unsigned(0, 214 - four.n_bits)
    return [sfrbx(System.GALILEO, eph.prn, sealed(out, 8), signal_id=E5A_I) for out in outs]


def _date(out: BitWriter, gpst_s: int) -> None:
    week, tow_s = divmod(gpst_s, WEEK_S)
    out.unsigned((week - GST_FIRST_WEEK) % 4096, 12)
    out.unsigned(tow_s, 20)
