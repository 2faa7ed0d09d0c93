"""How receivers differ in speaking NMEA 0183, as data.

A dialect fixes talkers, satellite numbers, ids and decimals; an order says which sentence follows
which. Nothing here writes a sentence.

Source: NMEA 0183 4.11 tables of talkers, system and signal ids; orders as in public captures.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from fwsim.constellation import System

KINDS = ("GGA", "RMC", "GNS", "GSA", "GSV", "GST", "VTG", "ZDA", "GLL")
DEFAULT_KINDS = ("GGA", "RMC", "VTG", "GSA", "GSV")

ORDERS: Mapping[str, tuple[str, ...]] = {
    "ublox": ("RMC", "VTG", "GNS", "GGA", "GSA", "GSV", "GLL", "GST", "ZDA"),
    "unicore": ("GGA", "GNS", "GLL", "GSA", "GSV", "GST", "RMC", "VTG", "ZDA"),
    "mtk": ("GGA", "GLL", "GSA", "GSV", "RMC", "VTG", "ZDA", "GNS", "GST"),
    "skytraq": ("GGA", "GNS", "GLL", "GSA", "GSV", "RMC", "VTG", "ZDA", "GST"),
    "trimble": ("GGA", "GSV", "GST", "ZDA", "GSA", "RMC", "GLL", "GNS", "VTG"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One way of speaking NMEA.

    ``talkers`` names the systems the dialect knows; a satellite of another system, or with a number
    above ``prn_limits``, does not exist for it. ``signal_ids`` of ``None`` means GSV without signal
    id, the first signal of a satellite standing for all.
    """

    name: str
    talkers: Mapping[System, str]
    prn_offsets: Mapping[System, int]
    prn_limits: Mapping[System, int]
    signal_ids: Mapping[System, Mapping[str, str]] | None
    has_system_id: bool
    has_nav_status: bool
    has_rtk_modes: bool
    gsa_is_combined: bool
    gsa_is_split: bool
    gns_systems: tuple[System, ...]
    gga_sats_cap: int | None
    minute_decimals: int
    height_decimals: int
    time_decimals: int
    speed_decimals: int
    course_decimals: int
    dop_decimals: int
    course_above_m_s: float
    empty_dop: str


SYSTEM_IDS = {
    System.GPS: "1",
    System.GLONASS: "2",
    System.GALILEO: "3",
    System.BEIDOU: "4",
    System.QZSS: "5",
}

_MODERN_TALKERS = {
    System.GPS: "GP",
    System.GLONASS: "GL",
    System.GALILEO: "GA",
    System.BEIDOU: "GB",
    System.QZSS: "GQ",
}
_SIGNALS_4_11 = {
    System.GPS: {"L1CA": "1", "L2P": "4", "L5Q": "8"},
    System.GLONASS: {"G1CA": "1", "G2CA": "3"},
    System.GALILEO: {"E1BC": "7", "E5B": "2"},
    System.BEIDOU: {"B1I": "1", "B1C": "3", "B2A": "5", "B3I": "8", "B2I": "B"},
    System.QZSS: {"L1CA": "1", "L5Q": "8"},
}
# Before 4.11 the BeiDou signal ids were the vendor's: early u-blox called B2I signal 3.
_SIGNALS_4_10 = {
    System.GPS: {"L1CA": "1"},
    System.GLONASS: {"G1CA": "1", "G2CA": "3"},
    System.GALILEO: {"E1BC": "7", "E5B": "2"},
    System.BEIDOU: {"B1I": "1", "B2I": "3"},
}

DIALECTS: Mapping[str, Dialect] = {
    dialect.name: dialect
    for dialect in (
        Dialect(
            name="4.11",
            talkers=_MODERN_TALKERS,
            prn_offsets={System.GLONASS: 64},
            prn_limits={},
            signal_ids=_SIGNALS_4_11,
            has_system_id=True,
            has_nav_status=True,
            has_rtk_modes=True,
            gsa_is_combined=True,
            gsa_is_split=True,
            gns_systems=(
                System.GPS,
                System.GLONASS,
                System.GALILEO,
                System.BEIDOU,
                System.QZSS,
            ),
            gga_sats_cap=None,
            minute_decimals=8,
            height_decimals=4,
            time_decimals=2,
            speed_decimals=3,
            course_decimals=2,
            dop_decimals=2,
            course_above_m_s=0.2,
            empty_dop="99.99",
        ),
        Dialect(
            name="4.10",
            talkers={s: t for s, t in _MODERN_TALKERS.items() if s is not System.QZSS},
            prn_offsets={System.GLONASS: 64},
            prn_limits={System.BEIDOU: 37},
            signal_ids=_SIGNALS_4_10,
            has_system_id=True,
            has_nav_status=True,
            has_rtk_modes=True,
            gsa_is_combined=True,
            gsa_is_split=False,
            gns_systems=(System.GPS, System.GLONASS, System.GALILEO, System.BEIDOU),
            gga_sats_cap=12,
            minute_decimals=5,
            height_decimals=1,
            time_decimals=2,
            speed_decimals=3,
            course_decimals=2,
            dop_decimals=2,
            course_above_m_s=0.2,
            empty_dop="99.99",
        ),
        Dialect(
            name="old-bd",
            talkers={System.GPS: "GP", System.GLONASS: "GL", System.BEIDOU: "BD"},
            prn_offsets={System.GLONASS: 64, System.BEIDOU: 160},
            prn_limits={System.BEIDOU: 37},
            signal_ids=None,
            has_system_id=False,
            has_nav_status=False,
            has_rtk_modes=False,
            gsa_is_combined=False,
            gsa_is_split=False,
            gns_systems=(System.GPS, System.GLONASS),
            gga_sats_cap=12,
            minute_decimals=5,
            height_decimals=1,
            time_decimals=3,
            speed_decimals=2,
            course_decimals=1,
            dop_decimals=1,
            course_above_m_s=0.0,
            empty_dop="",
        ),
        Dialect(
            name="2.3",
            talkers={System.GPS: "GP"},
            prn_offsets={},
            prn_limits={},
            signal_ids=None,
            has_system_id=False,
            has_nav_status=False,
            has_rtk_modes=False,
            gsa_is_combined=False,
            gsa_is_split=False,
            gns_systems=(System.GPS, System.GLONASS),
            gga_sats_cap=12,
            minute_decimals=4,
            height_decimals=1,
            time_decimals=3,
            speed_decimals=2,
            course_decimals=2,
            dop_decimals=1,
            course_above_m_s=0.0,
            empty_dop="50.0",
        ),
    )
}
