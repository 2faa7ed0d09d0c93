"""The layouts of the ephemeris messages: 1019, 1020, 1042, 1044, 1045 and 1046.

Semicircles become radians and kilometres metres in the rows; nothing is computed elsewhere.
Source: RTCM 10403.3, tables 3.5-21, 3.5-22 and 3.5-28 to 3.5-31.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec

from bdgw.errors import EncodeError
from bdgw.rtcm.bits import BitReader, BitWriter
from bdgw.rtcm.ephemeris import (
    BdsEphemeris,
    Ephemeris,
    GalileoEphemeris,
    GlonassEphemeris,
    GpsEphemeris,
)
from bdgw.rtcm.field import RESERVED, Field, Layout, flag, sign_magnitude, signed, unsigned
from bdgw.rtcm.signal import satellite_name

__all__ = ["decode_ephemeris", "encode_ephemeris"]


def _angle(clause: str, bits: int, power: int, unit: str = "rad") -> Field:
    """Semicircles times a power of two."""
    return signed(clause, bits, times=math.ldexp(math.pi, power), unit=unit)


def _power(clause: str, bits: int, power: int, unit: str) -> Field:
    return signed(clause, bits, times=math.ldexp(1.0, power), unit=unit)


def _positive(clause: str, bits: int, power: int, unit: str = "") -> Field:
    return unsigned(clause, bits, times=math.ldexp(1.0, power), unit=unit)


_GPS = Layout(
    ("satellite", unsigned("DF009", 6)),
    ("raw_week", unsigned("DF076", 10)),
    ("ura_index", unsigned("DF077", 4)),
    ("codes_on_l2", unsigned("DF078", 2)),
    ("idot_rad_s", _angle("DF079", 14, -43, "rad/s")),
    ("iode", unsigned("DF071", 8)),
    ("toc_s", unsigned("DF081", 16, times=16, unit="s")),
    ("af2_s_s2", _power("DF082", 8, -55, "s/s2")),
    ("af1_s_s", _power("DF083", 16, -43, "s/s")),
    ("af0_s", _power("DF084", 22, -31, "s")),
    ("iodc", unsigned("DF085", 10)),
    ("crs_m", _power("DF086", 16, -5, "m")),
    ("delta_n_rad_s", _angle("DF087", 16, -43, "rad/s")),
    ("m0_rad", _angle("DF088", 32, -31)),
    ("cuc_rad", _power("DF089", 16, -29, "rad")),
    ("eccentricity", _positive("DF090", 32, -33)),
    ("cus_rad", _power("DF091", 16, -29, "rad")),
    ("sqrt_a_sqrt_m", _positive("DF092", 32, -19, "m^0.5")),
    ("toe_s", unsigned("DF093", 16, times=16, unit="s")),
    ("cic_rad", _power("DF094", 16, -29, "rad")),
    ("omega0_rad", _angle("DF095", 32, -31)),
    ("cis_rad", _power("DF096", 16, -29, "rad")),
    ("i0_rad", _angle("DF097", 32, -31)),
    ("crc_m", _power("DF098", 16, -5, "m")),
    ("omega_rad", _angle("DF099", 32, -31)),
    ("omega_dot_rad_s", _angle("DF100", 24, -43, "rad/s")),
    ("tgd_s", _power("DF101", 8, -31, "s")),
    ("raw_health", unsigned("DF102", 6)),
    ("is_l2p_data_off", flag("DF103")),
    ("has_long_fit", flag("DF137")),
)
_QZSS = Layout(
    ("satellite", unsigned("DF429", 4)),
    ("toc_s", unsigned("DF430", 16, times=16, unit="s")),
    ("af2_s_s2", _power("DF431", 8, -55, "s/s2")),
    ("af1_s_s", _power("DF432", 16, -43, "s/s")),
    ("af0_s", _power("DF433", 22, -31, "s")),
    ("iode", unsigned("DF434", 8)),
    ("crs_m", _power("DF435", 16, -5, "m")),
    ("delta_n_rad_s", _angle("DF436", 16, -43, "rad/s")),
    ("m0_rad", _angle("DF437", 32, -31)),
    ("cuc_rad", _power("DF438", 16, -29, "rad")),
    ("eccentricity", _positive("DF439", 32, -33)),
    ("cus_rad", _power("DF440", 16, -29, "rad")),
    ("sqrt_a_sqrt_m", _positive("DF441", 32, -19, "m^0.5")),
    ("toe_s", unsigned("DF442", 16, times=16, unit="s")),
    ("cic_rad", _power("DF443", 16, -29, "rad")),
    ("omega0_rad", _angle("DF444", 32, -31)),
    ("cis_rad", _power("DF445", 16, -29, "rad")),
    ("i0_rad", _angle("DF446", 32, -31)),
    ("crc_m", _power("DF447", 16, -5, "m")),
    ("omega_rad", _angle("DF448", 32, -31)),
    ("omega_dot_rad_s", _angle("DF449", 24, -43, "rad/s")),
    ("idot_rad_s", _angle("DF450", 14, -43, "rad/s")),
    ("codes_on_l2", unsigned("DF451", 2)),
    ("raw_week", unsigned("DF452", 10)),
    ("ura_index", unsigned("DF453", 4)),
    ("raw_health", unsigned("DF454", 6)),
    ("tgd_s", _power("DF455", 8, -31, "s")),
    ("iodc", unsigned("DF456", 10)),
    ("has_long_fit", flag("DF457")),
)
_BDS = Layout(
    ("satellite", unsigned("DF488", 6)),
    ("raw_week", unsigned("DF489", 13)),
    ("ura_index", unsigned("DF490", 4)),
    ("idot_rad_s", _angle("DF491", 14, -43, "rad/s")),
    ("aode", unsigned("DF492", 5)),
    ("toc_s", unsigned("DF493", 17, times=8, unit="s")),
    ("af2_s_s2", _power("DF494", 11, -66, "s/s2")),
    ("af1_s_s", _power("DF495", 22, -50, "s/s")),
    ("af0_s", _power("DF496", 24, -33, "s")),
    ("aodc", unsigned("DF497", 5)),
    ("crs_m", _power("DF498", 18, -6, "m")),
    ("delta_n_rad_s", _angle("DF499", 16, -43, "rad/s")),
    ("m0_rad", _angle("DF500", 32, -31)),
    ("cuc_rad", _power("DF501", 18, -31, "rad")),
    ("eccentricity", _positive("DF502", 32, -33)),
    ("cus_rad", _power("DF503", 18, -31, "rad")),
    ("sqrt_a_sqrt_m", _positive("DF504", 32, -19, "m^0.5")),
    ("toe_s", unsigned("DF505", 17, times=8, unit="s")),
    ("cic_rad", _power("DF506", 18, -31, "rad")),
    ("omega0_rad", _angle("DF507", 32, -31)),
    ("cis_rad", _power("DF508", 18, -31, "rad")),
    ("i0_rad", _angle("DF509", 32, -31)),
    ("crc_m", _power("DF510", 18, -6, "m")),
    ("omega_rad", _angle("DF511", 32, -31)),
    ("omega_dot_rad_s", _angle("DF512", 24, -43, "rad/s")),
    ("tgd1_s", signed("DF513", 10, per=10_000_000_000, unit="s")),
    ("tgd2_s", signed("DF514", 10, per=10_000_000_000, unit="s")),
    ("is_unhealthy", flag("DF515")),
)
_GALILEO_BODY = (
    ("idot_rad_s", _angle("DF292", 14, -43, "rad/s")),
    ("toc_s", unsigned("DF293", 14, times=60, unit="s")),
    ("af2_s_s2", _power("DF294", 6, -59, "s/s2")),
    ("af1_s_s", _power("DF295", 21, -46, "s/s")),
    ("af0_s", _power("DF296", 31, -34, "s")),
    ("crs_m", _power("DF297", 16, -5, "m")),
    ("delta_n_rad_s", _angle("DF298", 16, -43, "rad/s")),
    ("m0_rad", _angle("DF299", 32, -31)),
    ("cuc_rad", _power("DF300", 16, -29, "rad")),
    ("eccentricity", _positive("DF301", 32, -33)),
    ("cus_rad", _power("DF302", 16, -29, "rad")),
    ("sqrt_a_sqrt_m", _positive("DF303", 32, -19, "m^0.5")),
    ("toe_s", unsigned("DF304", 14, times=60, unit="s")),
    ("cic_rad", _power("DF305", 16, -29, "rad")),
    ("omega0_rad", _angle("DF306", 32, -31)),
    ("cis_rad", _power("DF307", 16, -29, "rad")),
    ("i0_rad", _angle("DF308", 32, -31)),
    ("crc_m", _power("DF309", 16, -5, "m")),
    ("omega_rad", _angle("DF310", 32, -31)),
    ("omega_dot_rad_s", _angle("DF311", 24, -43, "rad/s")),
    ("bgd_e5a_e1_s", _power("DF312", 10, -32, "s")),
)
_GALILEO_HEAD = (
    ("satellite", unsigned("DF252", 6)),
    ("raw_week", unsigned("DF289", 12)),
    ("iod_nav", unsigned("DF290", 10)),
)
_GALILEO_F = Layout(
    *_GALILEO_HEAD,
    ("sisa_index", unsigned("DF291", 8, absent=255)),
    *_GALILEO_BODY,
    ("raw_health_e5a", unsigned("DF314", 2)),
    ("is_e5a_data_invalid", flag("DF315")),
    (RESERVED, unsigned("DF001_7", 7)),
)
_GALILEO_I = Layout(
    *_GALILEO_HEAD,
    ("sisa_index", unsigned("DF286", 8, absent=255)),
    *_GALILEO_BODY,
    ("bgd_e5b_e1_s", _power("DF313", 10, -32, "s")),
    ("raw_health_e5b", unsigned("DF316", 2)),
    ("is_e5b_data_invalid", flag("DF317")),
    ("raw_health_e1b", unsigned("DF287", 2)),
    ("is_e1b_data_invalid", flag("DF288")),
    (RESERVED, unsigned("DF001_2", 2)),
)


def _metres(clause: str, bits: int, power: int, unit: str) -> Field:
    """Kilometres times a power of two."""
    return sign_magnitude(clause, bits, times=math.ldexp(1000.0, power), unit=unit)


def _seconds(clause: str, bits: int, power: int) -> Field:
    return sign_magnitude(clause, bits, times=math.ldexp(1.0, power), unit="s")


_AXES = ("x", "y", "z")
_VECTORS = {
    "position_m": tuple(f"{axis}_m" for axis in _AXES),
    "velocity_m_s": tuple(f"v{axis}_m_s" for axis in _AXES),
    "acceleration_m_s2": tuple(f"a{axis}_m_s2" for axis in _AXES),
}
_GLONASS = Layout(
    ("satellite", unsigned("DF038", 6)),
    ("frequency_channel", unsigned("DF040", 5, offset=-7, absent=31)),
    ("is_almanac_good", flag("DF104")),
    ("has_almanac", flag("DF105")),
    ("raw_p1", unsigned("DF106", 2)),
    ("tk_h", unsigned("DF107 hours", 5, unit="h")),
    ("tk_min", unsigned("DF107 minutes", 6, unit="min")),
    ("tk_half_min", unsigned("DF107 half minutes", 1)),
    ("is_unhealthy", flag("DF108")),
    ("is_tb_odd", flag("DF109")),
    ("tb_s", unsigned("DF110", 7, times=900, unit="s")),
    ("vx_m_s", _metres("DF111", 24, -20, "m/s")),
    ("x_m", _metres("DF112", 27, -11, "m")),
    ("ax_m_s2", _metres("DF113", 5, -30, "m/s2")),
    ("vy_m_s", _metres("DF114", 24, -20, "m/s")),
    ("y_m", _metres("DF115", 27, -11, "m")),
    ("ay_m_s2", _metres("DF116", 5, -30, "m/s2")),
    ("vz_m_s", _metres("DF117", 24, -20, "m/s")),
    ("z_m", _metres("DF118", 27, -11, "m")),
    ("az_m_s2", _metres("DF119", 5, -30, "m/s2")),
    ("has_five_satellites", flag("DF120")),
    ("gamma", sign_magnitude("DF121", 11, times=math.ldexp(1.0, -40))),
    ("raw_p", unsigned("DF122", 2)),
    ("is_unhealthy_string3", flag("DF123")),
    ("tau_n_s", _seconds("DF124", 22, -30)),
    ("delta_tau_n_s", _seconds("DF125", 5, -30)),
    ("age_d", unsigned("DF126", 5, unit="d")),
    ("is_updated", flag("DF127")),
    ("raw_accuracy", unsigned("DF128", 4)),
    ("day_in_cycle", unsigned("DF129", 11, unit="d")),
    ("raw_type", unsigned("DF130", 2)),
    ("has_system_data", flag("DF131")),
    ("almanac_day", unsigned("DF132", 11, unit="d")),
    ("tau_c_s", _seconds("DF133", 32, -31)),
    ("four_year_interval", unsigned("DF134", 5)),
    ("tau_gps_s", _seconds("DF135", 22, -30)),
    ("is_unhealthy_string5", flag("DF136")),
    (RESERVED, unsigned("DF001_7", 7)),
)

_MESSAGES: dict[int, tuple[str, Layout, type[Ephemeris]]] = {
    1019: ("G", _GPS, GpsEphemeris),
    1020: ("R", _GLONASS, GlonassEphemeris),
    1042: ("C", _BDS, BdsEphemeris),
    1044: ("J", _QZSS, GpsEphemeris),
    1045: ("E", _GALILEO_F, GalileoEphemeris),
    1046: ("E", _GALILEO_I, GalileoEphemeris),
}


def decode_ephemeris(number: int, reader: BitReader) -> Ephemeris:
    """Read an ephemeris behind the message number."""
    system, layout, kind = _MESSAGES[number]
    row: dict[str, Any] = layout.read(reader)
    row["satellite"] = satellite_name(system, row["satellite"])
    if kind is GlonassEphemeris:
        _gather_glonass(row)
    return kind(number=number, **row)


def encode_ephemeris(message: Ephemeris, writer: BitWriter) -> None:
    """Write an ephemeris behind the message number."""
    system, layout, kind = _MESSAGES[message.number]
    row: dict[str, Any] = msgspec.structs.asdict(message)
    if not isinstance(message, kind) or not message.satellite.startswith(system):
        raise EncodeError(f"{message.number} does not carry an ephemeris of {message.satellite}")
    row["satellite"] = int(message.satellite[1:])
    if isinstance(message, GlonassEphemeris):
        _spread_glonass(row, message)
    layout.write(writer, row)


def _gather_glonass(row: dict[str, Any]) -> None:
    for name, parts in _VECTORS.items():
        row[name] = tuple(row.pop(part) for part in parts)
    row["tk_s"] = row.pop("tk_h") * 3600 + row.pop("tk_min") * 60 + row.pop("tk_half_min") * 30
    is_good = row.pop("is_almanac_good")
    row["is_in_good_almanac_health"] = is_good if row.pop("has_almanac") else None


def _spread_glonass(row: dict[str, Any], message: GlonassEphemeris) -> None:
    for name, parts in _VECTORS.items():
        row |= dict(zip(parts, row[name], strict=True))
    half_minutes = message.tk_s // 30
    row["tk_h"], row["tk_min"] = half_minutes // 120, half_minutes // 2 % 60
    row["tk_half_min"] = half_minutes % 2
    row["has_almanac"] = message.is_in_good_almanac_health is not None
    row["is_almanac_good"] = bool(message.is_in_good_almanac_health)
