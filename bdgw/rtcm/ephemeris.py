"""Broadcast ephemerides as values, and the full time of their truncated weeks.

Units are SI and radians. Weeks and times of week stay as they are on the wire: which week is
meant is for ``toe_gpst_ns`` and ``toc_gpst_ns``, by a reference.

Sources: RTCM 10403.3, tables 3.5-21 (1019), 3.5-22 (1020), 3.5-28 to 3.5-31; IS-GPS-200, clause
20.3.3; BDS-SIS-ICD-B1I-3.0, clause 5.2.4; Galileo OS SIS ICD 2.0, clause 5.1; GLONASS ICD 5.1,
clause 4.4.
"""

from __future__ import annotations

import msgspec

from bdgw.rtcm.epoch import nearest_glonass_gpst_ns
from bdgw.timescale import GPST_MINUS_BDT_S, WEEK_NS, resolve_week

__all__ = [
    "BdsEphemeris",
    "Ephemeris",
    "GalileoEphemeris",
    "GlonassEphemeris",
    "GpsEphemeris",
    "KeplerEphemeris",
    "toc_gpst_ns",
    "toe_gpst_ns",
    "week_gpst",
]

_S_NS = 1_000_000_000
_BDT_EPOCH_WEEKS = 1356
_GST_EPOCH_WEEKS = 1024
"""Galileo System Time began with GPS week 1024 (Galileo OS SIS ICD 2.0, clause 5.1.2)."""


class KeplerEphemeris(msgspec.Struct, frozen=True, kw_only=True):
    """What GPS, QZSS, Galileo and BeiDou have in common.

    ``satellite`` is the RINEX name; ``raw_week`` the truncated week; ``toe_s`` and ``toc_s``
    seconds of the week in the system's own scale (BDT for BeiDou).
    """

    number: int
    satellite: str
    raw_week: int
    toe_s: int
    toc_s: int
    af0_s: float
    af1_s_s: float
    af2_s_s2: float
    sqrt_a_sqrt_m: float
    eccentricity: float
    m0_rad: float
    delta_n_rad_s: float
    omega0_rad: float
    omega_dot_rad_s: float
    i0_rad: float
    idot_rad_s: float
    omega_rad: float
    crs_m: float
    crc_m: float
    cuc_rad: float
    cus_rad: float
    cic_rad: float
    cis_rad: float


class GpsEphemeris(KeplerEphemeris, frozen=True, kw_only=True):
    """1019 (GPS) and 1044 (QZSS): LNAV.

    ``ura_index`` and ``raw_health`` as broadcast (0 = healthy); ``is_l2p_data_off`` is None in
    1044, which has no such bit.
    """

    iode: int
    iodc: int
    ura_index: int
    raw_health: int
    codes_on_l2: int
    tgd_s: float
    has_long_fit: bool
    is_l2p_data_off: bool | None = None


class BdsEphemeris(KeplerEphemeris, frozen=True, kw_only=True):
    """1042: BeiDou D1 and D2. ``tgd1_s`` is of B1I, ``tgd2_s`` of B2I, against B3I."""

    aode: int
    aodc: int
    ura_index: int
    is_unhealthy: bool
    tgd1_s: float
    tgd2_s: float


class GalileoEphemeris(KeplerEphemeris, frozen=True, kw_only=True):
    """1045 (F/NAV) and 1046 (I/NAV).

    ``sisa_index`` is None where the satellite gives no accuracy (255). Health is 0 for good;
    a signal of which the message says nothing is None.
    """

    iod_nav: int
    sisa_index: int | None
    bgd_e5a_e1_s: float
    bgd_e5b_e1_s: float | None = None
    raw_health_e5a: int | None = None
    is_e5a_data_invalid: bool | None = None
    raw_health_e5b: int | None = None
    is_e5b_data_invalid: bool | None = None
    raw_health_e1b: int | None = None
    is_e1b_data_invalid: bool | None = None


class GlonassEphemeris(msgspec.Struct, frozen=True, kw_only=True):
    """1020: position, velocity and lunisolar acceleration in PZ-90 at ``tb_s``.

    ``tb_s`` and ``tk_s`` are seconds of the day in UTC + 3 h. ``frequency_channel`` is None where
    not known. ``raw_*`` words are as broadcast (GLONASS ICD 5.1, clauses 4.4 and 4.5).
    ``is_in_good_almanac_health`` is None where the station did not have the almanac.
    """

    number: int
    satellite: str
    frequency_channel: int | None
    tb_s: int
    tk_s: int
    position_m: tuple[float, float, float]
    velocity_m_s: tuple[float, float, float]
    acceleration_m_s2: tuple[float, float, float]
    gamma: float
    tau_n_s: float
    delta_tau_n_s: float
    is_unhealthy: bool
    is_in_good_almanac_health: bool | None
    age_d: int
    raw_accuracy: int
    day_in_cycle: int
    raw_type: int
    raw_p: int
    raw_p1: int
    is_tb_odd: bool
    has_five_satellites: bool
    is_updated: bool
    is_unhealthy_string3: bool
    has_system_data: bool
    almanac_day: int
    tau_c_s: float
    four_year_interval: int
    tau_gps_s: float
    is_unhealthy_string5: bool


Ephemeris = GpsEphemeris | BdsEphemeris | GalileoEphemeris | GlonassEphemeris


def week_gpst(ephemeris: KeplerEphemeris, near_gpst_ns: int) -> int:
    """Give the GPS week, not truncated, that is nearest to a reference.

    For BeiDou it is the GPS week with the same count of days: BDT week + 1356.
    """
    near_week = near_gpst_ns // WEEK_NS
    if isinstance(ephemeris, BdsEphemeris):
        near_bdt = (near_gpst_ns - GPST_MINUS_BDT_S * _S_NS) // WEEK_NS - _BDT_EPOCH_WEEKS
        return resolve_week(ephemeris.raw_week, 8192, near_bdt) + _BDT_EPOCH_WEEKS
    if isinstance(ephemeris, GalileoEphemeris):
        near_gst = near_week - _GST_EPOCH_WEEKS
        return resolve_week(ephemeris.raw_week, 4096, near_gst) + _GST_EPOCH_WEEKS
    return resolve_week(ephemeris.raw_week, 1024, near_week)


def toe_gpst_ns(ephemeris: Ephemeris, near_gpst_ns: int) -> int | None:
    """Give the time of the ephemeris as GPST nanoseconds, by a reference.

    With GLONASS it is ``tb_s`` of the day nearest to the reference; None where that is no time
    of a day.
    """
    if isinstance(ephemeris, GlonassEphemeris):
        return nearest_glonass_gpst_ns(ephemeris.tb_s * 1000, near_gpst_ns)
    return _of_week(ephemeris, ephemeris.toe_s, near_gpst_ns)


def toc_gpst_ns(ephemeris: KeplerEphemeris, near_gpst_ns: int) -> int:
    """Give the reference time of the clock as GPST nanoseconds, by a reference."""
    return _of_week(ephemeris, ephemeris.toc_s, near_gpst_ns)


def _of_week(ephemeris: KeplerEphemeris, second: int, near_gpst_ns: int) -> int:
    behind_s = GPST_MINUS_BDT_S if isinstance(ephemeris, BdsEphemeris) else 0
    return week_gpst(ephemeris, near_gpst_ns) * WEEK_NS + (second + behind_s) * _S_NS
