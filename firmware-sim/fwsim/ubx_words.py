"""Navigation messages as u-blox receivers hand them over: LNAV, D1, D2, I/NAV, GLONASS strings.

A receiver gives the words after it has checked them, so the bits of parity are zero here. Values
are whole numbers of steps already. Sources: IS-GPS-200 figures 20-1 and 20-8; IS-QZSS-PNT 5.5;
BDS-SIS-ICD-B1I-3.0 figures 5-8 to 5-11 and 5-14 to 5-17; Galileo OS SIS ICD 2.0, 4.3; GLONASS ICD
5.1 table 4.6; where the bits stand in the words: u-blox integration manual UBX-18010802, 3.13.
"""

from fwsim.atmosphere import ALPHA, BETA
from fwsim.constellation import System
from fwsim.gnss_time import GST_FIRST_WEEK, NS_PER_S, WEEK_S, bdt_ns
from fwsim.orbit import Ephemeris, GlonassEphemeris, KeplerEphemeris
from fwsim.rtcm_ephemeris import ANGLE, RATE
from fwsim.rtcm_frame import BitWriter, crc24q
from fwsim.ubx_message import sfrbx

IONOSPHERE_STEPS = tuple(2.0**power for power in (-30, -27, -24, -24, 11, 14, 16, 16))
LNAV_PREAMBLE, D1_PREAMBLE = 0x8B, 0b11100010010
SUBFRAME_S = 6
FRAME_S = 30
D2_PAGE_S = 3


def navigation(eph: Ephemeris, gpst_ns: int) -> list[bytes]:
    """Return the messages that bring an ephemeris, those of the frame that ended last."""
    if isinstance(eph, GlonassEphemeris):
        return [sfrbx(System.GLONASS, eph.prn, w, channel=eph.channel) for w in strings(eph)]
    if eph.system in {System.GPS, System.QZSS}:
        return [sfrbx(eph.system, eph.prn, words) for words in lnav(eph, gpst_ns)]
    if eph.system is System.BEIDOU:
        is_geo = eph.is_geostationary
        pages = d2(eph, gpst_ns) if is_geo else d1(eph, gpst_ns)
        return [sfrbx(eph.system, eph.prn, words, signal_id=int(is_geo)) for words in pages]
    return [sfrbx(eph.system, eph.prn, words, signal_id=1) for words in inav(eph, gpst_ns)]


def lnav(eph: KeplerEphemeris, gpst_ns: int) -> list[list[int]]:
    """Return subframes 1 to 3, and of GPS page 18 of subframe 4, ten words each."""
    week, tow_s = divmod(gpst_ns // NS_PER_S // FRAME_S * FRAME_S, WEEK_S)
    issue = eph.issue % 240
    pages = []
    for number in (1, 2, 3, 4):
        out = BitWriter()
        out.unsigned(LNAV_PREAMBLE, 8)
        out.unsigned(0, 16)
        # The count is of the beginning of the next subframe.
        out.unsigned((tow_s // SUBFRAME_S + number) % (WEEK_S // SUBFRAME_S), 17)
        out.unsigned(0, 2)
        out.unsigned(number, 3)
        out.unsigned(0, 2)
        pages.append(out)
    one, two, three, four = pages
    one.unsigned(week % 1024, 10)
    one.unsigned(1, 2)
    one.unsigned(0, 4)
    one.unsigned(0, 6)
    one.unsigned(0, 2)
    one.unsigned(0, 88)
    one.signed(round(eph.delays_s[0] / 2.0**-31), 8)
    one.unsigned(issue, 8)
    one.unsigned(eph.toe_s // 16, 16)
    one.signed(round(eph.a2 / 2.0**-55), 8)
    one.signed(round(eph.a1 / 2.0**-43), 16)
    one.signed(round(eph.a0_s / 2.0**-31), 22)
    one.unsigned(0, 2)
    two.unsigned(issue, 8)
    two.signed(round(eph.crs / 2.0**-5), 16)
    two.signed(round(eph.delta_n / RATE), 16)
    two.signed(round(eph.m0 / ANGLE), 32)
    two.signed(round(eph.cuc / 2.0**-29), 16)
    two.unsigned(round(eph.eccentricity / 2.0**-33), 32)
    two.signed(round(eph.cus / 2.0**-29), 16)
    two.unsigned(round(eph.sqrt_a / 2.0**-19), 32)
    two.unsigned(eph.toe_s // 16, 16)
    two.unsigned(0, 8)
    three.signed(round(eph.cic / 2.0**-29), 16)
    three.signed(round(eph.omega0 / ANGLE), 32)
    three.signed(round(eph.cis / 2.0**-29), 16)
    three.signed(round(eph.i0 / ANGLE), 32)
    three.signed(round(eph.crc / 2.0**-5), 16)
    three.signed(round(eph.omega / ANGLE), 32)
    three.signed(round(eph.omega_dot / RATE), 24)
    three.unsigned(issue, 8)
    three.signed(round(eph.idot / RATE), 14)
    three.unsigned(0, 2)
    four.unsigned(1, 2)
    four.unsigned(56, 6)
    _ionosphere(four)
    four.unsigned(0, 24 + 32 + 6 * 8 + 16)
    wanted = pages if eph.system is System.GPS else pages[:3]
    return [_words(out, (24,) * 10) for out in wanted]


def d1(eph: KeplerEphemeris, gpst_ns: int) -> list[list[int]]:
    """Return subframes 1 to 3 of a BeiDou satellite in a medium or inclined orbit."""
    week, sow_s = divmod(bdt_ns(gpst_ns) // NS_PER_S // FRAME_S * FRAME_S, WEEK_S)
    pages = [_beidou_page(number, sow_s + SUBFRAME_S * (number - 1)) for number in (1, 2, 3)]
    one, two, three = pages
    _health_to_delays(one, eph, week)
    _ionosphere(one)
    one.signed(round(eph.a2 / 2.0**-66), 11)
    one.signed(round(eph.a0_s / 2.0**-33), 24)
    one.signed(round(eph.a1 / 2.0**-50), 22)
    one.unsigned(1, 5)
    two.signed(round(eph.delta_n / RATE), 16)
    two.signed(round(eph.cuc / 2.0**-31), 18)
    two.signed(round(eph.m0 / ANGLE), 32)
    two.unsigned(round(eph.eccentricity / 2.0**-33), 32)
    two.signed(round(eph.cus / 2.0**-31), 18)
    two.signed(round(eph.crc / 2.0**-6), 18)
    two.signed(round(eph.crs / 2.0**-6), 18)
    two.unsigned(round(eph.sqrt_a / 2.0**-19), 32)
    toe = eph.toe_s // 8
    two.unsigned(toe >> 15, 2)
    three.unsigned(toe & 0x7FFF, 15)
    three.signed(round(eph.i0 / ANGLE), 32)
    three.signed(round(eph.cic / 2.0**-31), 18)
    three.signed(round(eph.omega_dot / RATE), 24)
    three.signed(round(eph.cis / 2.0**-31), 18)
    three.signed(round(eph.idot / RATE), 14)
    three.signed(round(eph.omega0 / ANGLE), 32)
    three.signed(round(eph.omega / ANGLE), 32)
    three.unsigned(0, 1)
    return [_words(out, (26, *(22,) * 9)) for out in pages]


def d2(eph: KeplerEphemeris, gpst_ns: int) -> list[list[int]]:
    """Return subframe 1 of a geostationary satellite of BeiDou, its ten pages."""
    week, sow_s = divmod(bdt_ns(gpst_ns) // NS_PER_S // FRAME_S * FRAME_S, WEEK_S)
    pages = []
    for number in range(1, 11):
        out = _beidou_page(1, sow_s + D2_PAGE_S * (number - 1))
        out.unsigned(number, 4)
        pages.append(out)
    one, two, three, four, five, six, seven, eight, nine, ten = pages
    _health_to_delays(one, eph, week)
    _ionosphere(two)
    three.unsigned(0, 38)
    three.signed(round(eph.a0_s / 2.0**-33), 24)
    _split(three, 4, four, 18, round(eph.a1 / 2.0**-50))
    four.signed(round(eph.a2 / 2.0**-66), 11)
    four.unsigned(1, 5)
    four.signed(round(eph.delta_n / RATE), 16)
    _split(four, 14, five, 4, round(eph.cuc / 2.0**-31))
    five.signed(round(eph.m0 / ANGLE), 32)
    five.signed(round(eph.cus / 2.0**-31), 18)
    _split(five, 10, six, 22, round(eph.eccentricity / 2.0**-33))
    six.unsigned(round(eph.sqrt_a / 2.0**-19), 32)
    _split(six, 10, seven, 8, round(eph.cic / 2.0**-31))
    seven.signed(round(eph.cis / 2.0**-31), 18)
    seven.unsigned(eph.toe_s // 8, 17)
    _split(seven, 21, eight, 11, round(eph.i0 / ANGLE))
    eight.signed(round(eph.crc / 2.0**-6), 18)
    eight.signed(round(eph.crs / 2.0**-6), 18)
    _split(eight, 19, nine, 5, round(eph.omega_dot / RATE))
    nine.signed(round(eph.omega0 / ANGLE), 32)
    _split(nine, 27, ten, 5, round(eph.omega / ANGLE))
    ten.signed(round(eph.idot / RATE), 14)
    for out in pages:
        out.unsigned(0, 224 - out.n_bits)
    return [_words(out, (26, *(22,) * 9)) for out in pages]


def _beidou_page(subframe: int, sow_s: int) -> BitWriter:
    """Begin a subframe of D1 or a page of D2: preamble, number and second of the week."""
    out = BitWriter()
    out.unsigned(D1_PREAMBLE, 11)
    out.unsigned(0, 4)
    out.unsigned(subframe, 3)
    out.unsigned(sow_s % WEEK_S, 20)
    return out


def _health_to_delays(out: BitWriter, eph: KeplerEphemeris, week: int) -> None:
    """Write what subframe 1 of D1 and its first page of D2 have in common."""
    out.unsigned(0, 1)
    out.unsigned(1, 5)
    out.unsigned(0, 4)
    out.unsigned(week % 8192, 13)
    out.unsigned(eph.toe_s // 8, 17)
    for delay_s in eph.delays_s:
        out.signed(round(delay_s / 1e-10), 10)


def inav(eph: KeplerEphemeris, gpst_ns: int) -> list[list[int]]:
    """Return the pages that hold words 1 to 5 of a Galileo satellite."""
    week, tow_s = divmod(gpst_ns // NS_PER_S // FRAME_S * FRAME_S, WEEK_S)
    outs = []
    for kind in (1, 2, 3, 4, 5):
        out = BitWriter()
        out.unsigned(kind, 6)
        if kind < 5:
            out.unsigned(eph.issue % 1024, 10)
        outs.append(out)
    one, two, three, four, five = outs
    one.unsigned(eph.toe_s // 60, 14)
    one.signed(round(eph.m0 / ANGLE), 32)
    one.unsigned(round(eph.eccentricity / 2.0**-33), 32)
    one.unsigned(round(eph.sqrt_a / 2.0**-19), 32)
    one.unsigned(0, 2)
    two.signed(round(eph.omega0 / ANGLE), 32)
    two.signed(round(eph.i0 / ANGLE), 32)
    two.signed(round(eph.omega / ANGLE), 32)
    two.signed(round(eph.idot / RATE), 14)
    two.unsigned(0, 2)
    three.signed(round(eph.omega_dot / RATE), 24)
    three.signed(round(eph.delta_n / RATE), 16)
    three.signed(round(eph.cuc / 2.0**-29), 16)
    three.signed(round(eph.cus / 2.0**-29), 16)
    three.signed(round(eph.crc / 2.0**-5), 16)
    three.signed(round(eph.crs / 2.0**-5), 16)
    three.unsigned(107, 8)
    four.unsigned(eph.prn, 6)
    four.signed(round(eph.cic / 2.0**-29), 16)
    four.signed(round(eph.cis / 2.0**-29), 16)
    four.unsigned(eph.toe_s // 60, 14)
    four.signed(round(eph.a0_s / 2.0**-34), 31)
    four.signed(round(eph.a1 / 2.0**-46), 21)
    four.signed(round(eph.a2 / 2.0**-59), 6)
    four.unsigned(0, 2)
    five.unsigned(0, 41)
    for delay_s in eph.delays_s:
        five.signed(round(delay_s / 2.0**-32), 10)
    five.unsigned(0, 6)
    five.unsigned((week - GST_FIRST_WEEK) % 4096, 12)
    five.unsigned(tow_s, 20)
    five.unsigned(0, 23)
    return [_inav_page(out) for out in outs]


def _inav_page(word: BitWriter) -> list[int]:
    """Cut a word into the even and the odd part of a page, with its checksum."""
    value = int.from_bytes(word.payload(), "big")
    even, odd = value >> 16, 1 << 81 | (value & 0xFFFF) << 64
    checksum = crc24q((even << 82 | odd).to_bytes(25, "big"))
    halves = (even << 14, (odd << 24 | checksum) << 22)
    return [half >> shift & 0xFFFFFFFF for half in halves for shift in (96, 64, 32, 0)]


def strings(eph: GlonassEphemeris) -> list[list[int]]:
    """Return strings 1 to 4 of a GLONASS satellite."""
    of_day_s = eph.tb_glonass_ns // NS_PER_S % 86_400
    quarter = of_day_s // 900
    outs = []
    for number in (1, 2, 3, 4):
        out = BitWriter()
        out.unsigned(0, 1)
        out.unsigned(number, 4)
        outs.append(out)
    one, two, three, four = outs
    one.unsigned(0, 4)
    one.unsigned(of_day_s // 3600 << 7 | of_day_s // 60 % 60 << 1, 12)
    two.unsigned(0, 4)
    two.unsigned(quarter, 7)
    two.unsigned(0, 5)
    three.unsigned(0, 1)
    three.sign_magnitude(round(eph.gamma_n / 2.0**-40), 11)
    three.unsigned(0, 4)
    for axis, out in enumerate((one, two, three)):
        out.sign_magnitude(round(eph.velocity0_m_s[axis] / (1000.0 * 2.0**-20)), 24)
        out.sign_magnitude(round(eph.acceleration_m_s2[axis] / (1000.0 * 2.0**-30)), 5)
        out.sign_magnitude(round(eph.position0_m[axis] / (1000.0 * 2.0**-11)), 27)
    four.sign_magnitude(round(eph.tau_n_s / 2.0**-30), 22)
    four.unsigned(0, 50)
    found = []
    for out in outs:
        out.unsigned(0, 8)
        out.unsigned(0, 11)
        found.append([*_words(out, (32, 32, 32), shift=0), 1 << 16 | 1])
    return found


def _split(first: BitWriter, n_first: int, then: BitWriter, n_then: int, value: int) -> None:
    """Write a field whose first bits end one page and whose last bits begin the next one."""
    bits = value & (1 << n_first + n_then) - 1
    first.unsigned(bits >> n_then, n_first)
    then.unsigned(bits & (1 << n_then) - 1, n_then)


def _ionosphere(out: BitWriter) -> None:
    for value, step in zip((*ALPHA, *BETA), IONOSPHERE_STEPS, strict=True):
        out.signed(round(value / step), 8)


def _words(out: BitWriter, widths: tuple[int, ...], shift: int | None = None) -> list[int]:
    """Cut bits into words of 30 bits, parity last and zero."""
    value, left = int.from_bytes(out.payload(), "big"), out.n_bits
    value >>= -left % 8
    words = []
    for width in widths:
        left -= width
        word = value >> left & ((1 << width) - 1)
        words.append(word << (30 - width if shift is None else shift))
    return words
