"""Messages without columns: which of pyrtcm's data fields each value is, found by its own words.

pyrtcm describes every data field; the words here pick the field out of the message, so that
neither the number nor the place of a field is taken from bdgw.
"""

from __future__ import annotations

import math
import re
from typing import Any

from pyrtcm import RTCM_DATA_FIELDS
from pyrtcm.rtcmtypes_get import RTCM_PAYLOADS_GET

from tests.rtcm.oracle import TWO_NAMES_WRONG

PI = math.pi

# Attribute, words of pyrtcm's description, factor to our unit.
KEPLER: tuple[tuple[str, str, float], ...] = (
    ("raw_week", r"Week", 1),
    ("toe_s", r"\b[tT]oe\b", 1),
    ("toc_s", r"\b[tT]oc\b", 1),
    ("af0_s", r"\baf?0\b", 1),
    ("af1_s_s", r"\baf?1\b", 1),
    ("af2_s_s2", r"\baf?2\b", 1),
    ("sqrt_a_sqrt_m", r"A½", 1),
    ("eccentricity", r"Eccentricity|QZSS e$", 1),
    ("m0_rad", r"\bM0\b", PI),
    ("delta_n_rad_s", r"∆n", PI),
    ("omega0_rad", r"Ω0", PI),
    ("omega_dot_rad_s", r"ΩDOT", PI),
    ("i0_rad", r"\bi0\b(?!-DOT)", PI),
    ("idot_rad_s", r"\bIDOT\b|i0-DOT", PI),
    ("omega_rad", r"ω", PI),
    ("crs_m", r"\bCrs\b", 1),
    ("crc_m", r"\bCrc\b", 1),
    ("cuc_rad", r"\bCuc\b", 1),
    ("cus_rad", r"\bCus\b", 1),
    ("cic_rad", r"\bCic\b", 1),
    ("cis_rad", r"\bCis\b", 1),
)
GPS = (
    ("iode", r"\bIODE\b", 1),
    ("iodc", r"\bIODC\b", 1),
    ("ura_index", r"\bURA\b", 1),
    ("raw_health", r"SV [Hh]ealth|SV HEALTH", 1),
    ("codes_on_l2", r"CODE ON L2|Codes on L2", 1),
    ("tgd_s", r"tGD|TGD", 1),
    ("has_long_fit", r"Fit Interval", 1),
)
GALILEO = (("iod_nav", r"IODnav", 1), ("sisa_index", r"SISA", 1), ("bgd_e5a_e1_s", r"E1/E5a", 1))
GLONASS: tuple[tuple[str, str, float], ...] = (
    ("frequency_channel", r"Frequency Channel", 1),
    ("tb_s", r"GLONASS tb", 900),
    ("gamma", r"γn", 1),
    ("tau_n_s", r"GLONASS τn", 1),
    ("delta_tau_n_s", r"Δτn", 1),
    ("is_unhealthy", r"MSB of Bn", 1),
    ("age_d", r"GLONASS En", 1),
    ("raw_accuracy", r"-M FT", 1),
    ("day_in_cycle", r"-M NT", 1),
    ("raw_type", r"-M M$", 1),
    ("raw_p", r"-M P$", 1),
    ("raw_p1", r"GLONASS P1", 1),
    ("is_tb_odd", r"GLONASS P2", 1),
    ("has_five_satellites", r"GLONASS P3", 1),
    ("is_updated", r"-M P4", 1),
    ("is_unhealthy_string3", r"third string", 1),
    ("has_system_data", r"Additional Data", 1),
    ("almanac_day", r"GLONASS NA", 1),
    ("tau_c_s", r"τc", 1),
    ("four_year_interval", r"-M N4", 1),
    ("tau_gps_s", r"τGPS", 1),
    ("is_unhealthy_string5", r"fifth string", 1),
)
WORDS: dict[int, tuple[tuple[str, str, float], ...]] = {
    1005: (
        ("station", r"Reference Station ID", 1),
        ("serves_gps", r"GPS Indicator", 1),
        ("serves_glonass", r"GLONASS Indicator", 1),
        ("serves_galileo", r"Galileo Indicator", 1),
        ("is_non_physical", r"Reference-Station Indicator", 1),
        ("has_single_oscillator", r"Oscillator", 1),
        ("quarter_cycle", r"Quarter Cycle", 1),
    ),
    1013: (
        ("station", r"Reference Station ID", 1),
        ("mjd", r"MJD", 1),
        ("sod_s", r"Seconds of Day", 1),
        ("leap_seconds_s", r"Leap Seconds", 1),
    ),
    1029: (
        ("station", r"Reference Station ID", 1),
        ("mjd", r"MJD", 1),
        ("sod_s", r"Seconds of Day", 1),
    ),
    1032: (
        ("station", r"^Reference Station ID", 1),
        ("physical_station", r"Physical Reference Station ID", 1),
    ),
    1007: (("station", r"Reference Station ID", 1), ("setup_id", r"Setup ID", 1)),
    1019: (*KEPLER, *GPS, ("is_l2p_data_off", r"L2 P data", 1)),
    1020: GLONASS,
    1042: (
        *KEPLER,
        ("aode", r"AODE", 1),
        ("aodc", r"AODC", 1),
        ("ura_index", r"URAI", 1),
        ("is_unhealthy", r"SV Health", 1),
        ("tgd1_s", r"TGD1", 1e-9),
        ("tgd2_s", r"TGD2", 1e-9),
    ),
    1044: (*KEPLER, *GPS),
    1045: (
        *KEPLER,
        *GALILEO,
        ("raw_health_e5a", r"E5a Signal Health", 1),
        ("is_e5a_data_invalid", r"E5a Data Validity", 1),
    ),
    1046: (
        *KEPLER,
        *GALILEO,
        ("bgd_e5b_e1_s", r"E5b/E1", 1),
        ("raw_health_e5b", r"SOL NAV Signal Health", 1),
        ("is_e5b_data_invalid", r"SOL NAV Data Validity", 1),
        ("raw_health_e1b", r"E1-B Signal Health", 1),
        ("is_e1b_data_invalid", r"E1-B Data Validity", 1),
    ),
    1230: (
        ("station", r"Reference Station ID", 1),
        ("is_aligned", r"Code-Phase Bias Indicator", 1),
    ),
}
WORDS[1006] = (*WORDS[1005], ("antenna_height_m", r"Antenna Height", 1))
WORDS[1008] = WORDS[1033] = WORDS[1007]

# Data fields that are compared as a group, or say nothing of their own.
VECTORS = {
    "ecef_m": ("DF025", "DF026", "DF027"),
    "position_m": ("DF112", "DF115", "DF118"),
    "velocity_m_s": ("DF111", "DF114", "DF117"),
    "acceleration_m_s2": ("DF113", "DF116", "DF119"),
}
TEXTS = {
    "antenna": "DF030",
    "antenna_serial": "DF033",
    "receiver": "DF228",
    "firmware": "DF230",
    "receiver_serial": "DF232",
}
SATELLITES = {"DF009": "G", "DF038": "R", "DF488": "C", "DF429": "J", "DF252": "E"}


def fields_of(number: int) -> dict[str, str]:
    """Data fields at the top level of a message, with pyrtcm's descriptions."""
    names = (name for name in RTCM_PAYLOADS_GET[str(number)] if name.startswith("DF"))
    return {name: RTCM_DATA_FIELDS[name][3] for name in names}


def field_of(number: int, words: str) -> str:
    found = [name for name, text in fields_of(number).items() if re.search(words, text)]
    assert len(found) == 1, f"{number}: {words!r} is {found}"
    return found[0]


def expected_values(number: int, parsed: Any) -> dict[str, float]:
    """Values by attribute, in our units; which data fields they were is kept by the caller."""
    values = {}
    for attribute, words, factor in WORDS[number]:
        name = field_of(number, words)
        raw = getattr(parsed, name)
        values[attribute] = raw * factor * TWO_NAMES_WRONG.get(name, 1)
    return values
