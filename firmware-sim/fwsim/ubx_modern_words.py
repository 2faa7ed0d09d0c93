"""Modern navigation messages as u-blox receivers hand them over: B-CNAV1 and B-CNAV2.

Each ends in its checksum, and the last word is filled up with ones. Values are rounded to steps.
Sources: BDS-SIS-ICD-B1C-1.0 and BDS-SIS-ICD-B2a-1.0, chapters 6 and 7; how many words a receiver
hands over, and that the bits stand left in them: a capture of a u-blox X20P.
"""

from dataclasses import dataclass

from fwsim.constellation import System
from fwsim.gnss_time import NS_PER_S, WEEK_S, bdt_ns
from fwsim.orbit import KeplerEphemeris
from fwsim.rtcm_ephemeris import ANGLE, RATE
from fwsim.rtcm_frame import BitWriter, crc24q
from fwsim.ubx_message import sfrbx

B_CNAV1_SIGNAL, B_CNAV2_SIGNAL = 6, 8
DELAY_STEP_S = 2.0**-34
FINE_ANGLE, FINE_RATE = ANGLE / 2.0, RATE / 2.0
GEOSYNCHRONOUS_M, MEDIUM_M = 42_162_200.0, 27_906_100.0
HOUR_S = 3600
SLOT_S = 3
FRAME_S = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class ModernTerms:
    """What a modern message says beyond an ephemeris: rates, and the delays in its own order."""

    a_dot_m_s: float = 0.0
    delta_n_dot: float = 0.0
    tgd_b1cp_s: float = 0.0
    tgd_b2ap_s: float = 0.0
    isc_b1cd_s: float = 0.0
    isc_b2ad_s: float = 0.0
    health: int = 0
    flags: int = 0


def b_cnav1(eph: KeplerEphemeris, terms: ModernTerms, gpst_ns: int) -> list[bytes]:
    """Return subframe 2, and page 1 of subframe 3, of a satellite of B1C."""
    week, sow_s = divmod(bdt_ns(gpst_ns) // NS_PER_S, WEEK_S)
    two = BitWriter()
    two.unsigned(week % 8192, 13)
    two.unsigned(sow_s // HOUR_S, 8)
    two.unsigned(eph.issue % 1024, 10)
    two.unsigned(eph.issue % 256, 8)
    _ephemeris_one(two, eph, terms)
    _ephemeris_two(two, eph)
    _clock(two, eph)
    for delay_s in (terms.tgd_b2ap_s, terms.isc_b1cd_s, terms.tgd_b1cp_s):
        two.signed(round(delay_s / DELAY_STEP_S), 12)
    two.unsigned(0, 7)
    three = BitWriter()
    three.unsigned(1, 6)
    three.unsigned(terms.health, 2)
    three.unsigned(terms.flags, 3)
    three.unsigned(15, 4)
    three.unsigned(0, 225)
    return [_sent(eph, B_CNAV1_SIGNAL, sealed(out, n)) for out, n in ((two, 19), (three, 9))]


def b_cnav2(eph: KeplerEphemeris, terms: ModernTerms, gpst_ns: int) -> list[bytes]:
    """Return the messages of types 10, 11 and 30 of a satellite of B2a."""
    week, sow_s = divmod(bdt_ns(gpst_ns) // NS_PER_S // FRAME_S * FRAME_S, WEEK_S)
    outs = []
    for place, kind in enumerate((10, 11, 30)):
        out = BitWriter()
        out.unsigned(eph.prn, 6)
        out.unsigned(kind, 6)
        out.unsigned((sow_s // SLOT_S + place) % (WEEK_S // SLOT_S), 18)
        outs.append(out)
    ten, eleven, thirty = outs
    ten.unsigned(week % 8192, 13)
    for out in (eleven, thirty):
        out.unsigned(terms.health, 2)
    for out in outs:
        out.unsigned(terms.flags, 3)
        out.unsigned(15, 4)
        out.unsigned(0, 3)
    ten.unsigned(eph.issue % 256, 8)
    _ephemeris_one(ten, eph, terms)
    _ephemeris_two(eleven, eph)
    _clock(thirty, eph)
    thirty.unsigned(eph.issue % 1024, 10)
    thirty.signed(round(terms.tgd_b2ap_s / DELAY_STEP_S), 12)
    thirty.signed(round(terms.isc_b2ad_s / DELAY_STEP_S), 12)
    thirty.unsigned(0, 74)
    thirty.signed(round(terms.tgd_b1cp_s / DELAY_STEP_S), 12)
    thirty.unsigned(0, 33)
    return [_sent(eph, B_CNAV2_SIGNAL, sealed(out, 9)) for out in outs]


def _ephemeris_one(out: BitWriter, eph: KeplerEphemeris, terms: ModernTerms) -> None:
    is_medium = eph.sqrt_a**2 < 35e6
    reference_m = MEDIUM_M if is_medium else GEOSYNCHRONOUS_M
    out.unsigned(eph.toe_s // 300, 11)
    out.unsigned(0b11 if is_medium else 0b10, 2)
    shape_fields(out, eph, reference_m, terms.a_dot_m_s, terms.delta_n_dot)


def _ephemeris_two(out: BitWriter, eph: KeplerEphemeris) -> None:
    plane_fields(out, eph, round(eph.omega_dot / FINE_RATE), 19)


def shape_fields(
    out: BitWriter, eph: KeplerEphemeris, reference_m: float, a_dot_m_s: float, delta_n_dot: float
) -> None:
    """Write the ellipse and the place on it, which CNAV and B-CNAV have in one form."""
    out.signed(round((eph.sqrt_a**2 - reference_m) * 512.0), 26)
    out.signed(round(a_dot_m_s / 2.0**-21), 25)
    out.signed(round(eph.delta_n / FINE_RATE), 17)
    out.signed(round(delta_n_dot / (RATE * 2.0**-14)), 23)
    out.signed(round(eph.m0 / FINE_ANGLE), 33)
    out.unsigned(round(eph.eccentricity / 2.0**-34), 33)
    out.signed(round(eph.omega / FINE_ANGLE), 33)


def plane_fields(out: BitWriter, eph: KeplerEphemeris, node_rate: int, node_bits: int) -> None:
    """Write the plane and the harmonics; the rate of the node is in steps."""
    for angle in (eph.omega0, eph.i0):
        out.signed(round(angle / FINE_ANGLE), 33)
    out.signed(node_rate, node_bits)
    out.signed(round(eph.idot / FINE_RATE), 15)
    for angle in (eph.cis, eph.cic):
        out.signed(round(angle / 2.0**-30), 16)
    for length_m in (eph.crs, eph.crc):
        out.signed(round(length_m * 256.0), 24)
    for angle in (eph.cus, eph.cuc):
        out.signed(round(angle / 2.0**-30), 21)


def _clock(out: BitWriter, eph: KeplerEphemeris) -> None:
    out.unsigned(eph.toe_s // 300, 11)
    out.signed(round(eph.a0_s / 2.0**-34), 25)
    out.signed(round(eph.a1 / 2.0**-50), 22)
    out.signed(round(eph.a2 / 2.0**-66), 11)


def sealed(out: BitWriter, n_words: int) -> list[int]:
    """Add the checksum, fill up and cut into words; return them."""
    n_bits = out.n_bits
    value = int.from_bytes(out.payload(), "big") >> -n_bits % 8
    value = value << 24 | crc24q(value.to_bytes((n_bits + 7) // 8, "big"))
    n_left = 32 * n_words - n_bits - 24
    value = value << n_left | (1 << n_left) - 1
    return [value >> 32 * k & 0xFFFFFFFF for k in reversed(range(n_words))]


def _sent(eph: KeplerEphemeris, signal_id: int, words: list[int]) -> bytes:
    return sfrbx(System.BEIDOU, eph.prn, words, signal_id=signal_id)
