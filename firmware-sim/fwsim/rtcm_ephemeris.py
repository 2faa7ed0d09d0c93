"""Broadcast ephemerides as RTCM messages: 1019, 1020, 1042, 1044, 1045 and 1046.

Values are whole numbers of steps already; writing them divides exactly. Source: RTCM 10403.3
tables 3.5-21 (1019), 3.5-22 (1020), 3.5-95 ff. (1042, 1044, 1045, 1046).
"""

import math
from datetime import UTC, datetime, timedelta

from fwsim.gnss_time import DAY_S, NS_PER_S
from fwsim.orbit import GlonassEphemeris, KeplerEphemeris
from fwsim.rtcm_frame import BitWriter, frame

ANGLE = 2.0**-31 * math.pi
RATE = 2.0**-43 * math.pi
GLONASS_SIGNAL_QUARTER_YEARS = 1996


def gps(eph: KeplerEphemeris) -> bytes:
    """Return 1019."""
    out = BitWriter()
    out.unsigned(1019, 12)
    out.unsigned(eph.prn, 6)
    out.unsigned(eph.week % 1024, 10)
    out.unsigned(0, 4)  # accuracy: 2.4 m or better
    out.unsigned(1, 2)  # P code on L2
    out.signed(round(eph.idot / RATE), 14)
    out.unsigned(_issue(eph), 8)
    _lnav_clock(out, eph)
    out.unsigned(_issue(eph), 10)
    _lnav_orbit(out, eph)
    out.signed(round(eph.omega_dot / RATE), 24)
    out.signed(round(eph.delays_s[0] / 2.0**-31), 8)
    out.unsigned(0, 6)
    out.unsigned(0, 1)
    out.unsigned(0, 1)
    return frame(out.payload())


def qzss(eph: KeplerEphemeris) -> bytes:
    """Return 1044."""
    out = BitWriter()
    out.unsigned(1044, 12)
    out.unsigned(eph.prn, 4)
    _lnav_clock(out, eph)
    out.unsigned(_issue(eph), 8)
    _lnav_orbit(out, eph)
    out.signed(round(eph.omega_dot / RATE), 24)
    out.signed(round(eph.idot / RATE), 14)
    out.unsigned(2, 2)  # L2C
    out.unsigned(eph.week % 1024, 10)
    out.unsigned(0, 4)
    out.unsigned(0, 6)
    out.signed(round(eph.delays_s[0] / 2.0**-31), 8)
    out.unsigned(_issue(eph), 10)
    out.unsigned(0, 1)
    return frame(out.payload())


def galileo(eph: KeplerEphemeris, *, is_inav: bool) -> bytes:
    """Return 1046 (I/NAV) or 1045 (F/NAV)."""
    out = BitWriter()
    out.unsigned(1046 if is_inav else 1045, 12)
    out.unsigned(eph.prn, 6)
    out.unsigned(eph.week % 4096, 12)
    out.unsigned(eph.issue % 1024, 10)
    out.unsigned(107, 8)  # accuracy: 3.12 m
    out.signed(round(eph.idot / RATE), 14)
    out.unsigned(eph.toe_s // 60, 14)
    out.signed(round(eph.a2 / 2.0**-59), 6)
    out.signed(round(eph.a1 / 2.0**-46), 21)
    out.signed(round((eph.a0_s if is_inav else eph.a0_fnav_s) / 2.0**-34), 31)
    _orbit(out, eph, harmonic=(2.0**-29, 16), radius=(2.0**-5, 16), toe=(60, 14))
    out.signed(round(eph.omega_dot / RATE), 24)
    out.signed(round(eph.delays_s[0] / 2.0**-32), 10)
    if is_inav:
        out.signed(round(eph.delays_s[1] / 2.0**-32), 10)
        out.unsigned(0, 6)  # E5b and E1b healthy and valid
        out.unsigned(0, 2)
    else:
        out.unsigned(0, 3)
        out.unsigned(0, 7)
    return frame(out.payload())


def beidou(eph: KeplerEphemeris) -> bytes:
    """Return 1042."""
    out = BitWriter()
    out.unsigned(1042, 12)
    out.unsigned(eph.prn, 6)
    out.unsigned(eph.week % 8192, 13)
    out.unsigned(0, 4)
    out.signed(round(eph.idot / RATE), 14)
    out.unsigned(1, 5)  # the data are an hour old
    out.unsigned(eph.toe_s // 8, 17)
    out.signed(round(eph.a2 / 2.0**-66), 11)
    out.signed(round(eph.a1 / 2.0**-50), 22)
    out.signed(round(eph.a0_s / 2.0**-33), 24)
    out.unsigned(1, 5)
    _orbit(out, eph, harmonic=(2.0**-31, 18), radius=(2.0**-6, 18), toe=(8, 17))
    out.signed(round(eph.omega_dot / RATE), 24)
    for delay_s in eph.delays_s:
        out.signed(round(delay_s / 1e-10), 10)
    out.unsigned(0, 1)
    return frame(out.payload())


def glonass(eph: GlonassEphemeris) -> bytes:
    """Return 1020."""
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=eph.tb_glonass_ns // NS_PER_S)
    of_day_s = eph.tb_glonass_ns // NS_PER_S % DAY_S
    # Days and intervals of four years count from a leap year, the first day being 1.
    term = (at.year - GLONASS_SIGNAL_QUARTER_YEARS) // 4
    first = datetime(GLONASS_SIGNAL_QUARTER_YEARS + 4 * term, 1, 1, tzinfo=UTC)
    day = (at - first).days + 1
    out = BitWriter()
    out.unsigned(1020, 12)
    out.unsigned(eph.prn, 6)
    out.unsigned(eph.channel + 7, 5)
    out.unsigned(0, 4)  # almanac health not told; half an hour between ephemerides
    out.unsigned(at.hour << 7 | at.minute << 1 | int(at.second >= 30), 12)
    out.unsigned(0, 2)
    out.unsigned(of_day_s // 900, 7)
    for axis in range(3):
        out.sign_magnitude(round(eph.velocity0_m_s[axis] / (1000.0 * 2.0**-20)), 24)
        out.sign_magnitude(round(eph.position0_m[axis] / (1000.0 * 2.0**-11)), 27)
        out.sign_magnitude(round(eph.acceleration_m_s2[axis] / (1000.0 * 2.0**-30)), 5)
    out.unsigned(0, 1)
    out.sign_magnitude(round(eph.gamma_n / 2.0**-40), 11)
    out.unsigned(0, 3)
    out.sign_magnitude(round(eph.tau_n_s / 2.0**-30), 22)
    out.sign_magnitude(0, 5)
    out.unsigned(0, 5)
    out.unsigned(0, 1)
    out.unsigned(2, 4)  # accuracy: 2.5 m
    out.unsigned(day, 11)
    out.unsigned(1, 2)  # GLONASS-M
    out.unsigned(1, 1)
    out.unsigned(day, 11)
    out.sign_magnitude(0, 32)
    out.unsigned(term + 1, 5)
    out.sign_magnitude(0, 22)
    out.unsigned(0, 8)
    return frame(out.payload())


def _issue(eph: KeplerEphemeris) -> int:
    # 240 to 255 stay free for short fit intervals.
    return eph.issue % 240


def _lnav_clock(out: BitWriter, eph: KeplerEphemeris) -> None:
    out.unsigned(eph.toe_s // 16, 16)
    out.signed(round(eph.a2 / 2.0**-55), 8)
    out.signed(round(eph.a1 / 2.0**-43), 16)
    out.signed(round(eph.a0_s / 2.0**-31), 22)


def _lnav_orbit(out: BitWriter, eph: KeplerEphemeris) -> None:
    _orbit(out, eph, harmonic=(2.0**-29, 16), radius=(2.0**-5, 16), toe=(16, 16))


def _orbit(
    out: BitWriter,
    eph: KeplerEphemeris,
    *,
    harmonic: tuple[float, int],
    radius: tuple[float, int],
    toe: tuple[int, int],
) -> None:
    """Write the fields from Crs to the argument of perigee, which have one order everywhere."""
    turn, turn_bits = harmonic
    metre, metre_bits = radius
    out.signed(round(eph.crs / metre), metre_bits)
    out.signed(round(eph.delta_n / RATE), 16)
    out.signed(round(eph.m0 / ANGLE), 32)
    out.signed(round(eph.cuc / turn), turn_bits)
    out.unsigned(round(eph.eccentricity / 2.0**-33), 32)
    out.signed(round(eph.cus / turn), turn_bits)
    out.unsigned(round(eph.sqrt_a / 2.0**-19), 32)
    out.unsigned(eph.toe_s // toe[0], toe[1])
    out.signed(round(eph.cic / turn), turn_bits)
    out.signed(round(eph.omega0 / ANGLE), 32)
    out.signed(round(eph.cis / turn), turn_bits)
    out.signed(round(eph.i0 / ANGLE), 32)
    out.signed(round(eph.crc / metre), metre_bits)
    out.signed(round(eph.omega / ANGLE), 32)
