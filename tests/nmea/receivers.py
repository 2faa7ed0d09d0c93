"""Receivers that say something else in every epoch, so that a mixed-up fix gives itself away."""

import dataclasses
import math

from bdgw.model import FixKind
from tests.nmea.writer import clock, joined, place

SECOND_NS = 1_000_000_000
DAY_NS = 86_400 * SECOND_NS

# One cycle as each maker sends it by default (its protocol manual, or the captures).
ORDERS: dict[str, list[str]] = {
    "u-blox": ["GNRMC", "GNVTG", "GNGGA", "GNGSA", "GNGSA", "GPGSV", "GBGSV", "GNGLL"],
    "u-blox rtk": ["GNRMC", "GNVTG", "GNGGA", "GNGSA", "GPGSV", "GNGLL", "GNGST"],
    "MediaTek": ["GNGGA", "GPGSA", "BDGSA", "GPGSV", "BDGSV", "GNRMC", "GNVTG"],
    "SiRF": ["GPGGA", "GPGSA", "GPGSV", "GPRMC"],
    "SkyTraq": ["GNGGA", "GPGSA", "BDGSA", "GPGSV", "GNRMC", "GNVTG"],
    "Unicore": ["GNGGA", "GNGSA", "GNGST", "GBGSV", "GNRMC", "GNVTG"],
    "Septentrio": ["GNGGA", "GNGNS", "GNGSA", "GNGST", "GPGSV", "GNRMC", "GNVTG"],
    "old BeiDou": ["GPGGA", "BDGGA", "GPGSA", "BDGSA", "GPRMC"],
    "RTK only": ["GNGGA", "GNVTG", "GNGST"],
    "GGA alone": ["GNGGA"],
}
POSITIONS = {"GGA", "RMC", "GNS", "GLL"}
# Quality of GGA, mode letter of the other sentences, and what a fix calls it.
QUALITIES = [
    (1, "A", FixKind.SINGLE),
    (2, "D", FixKind.DGNSS),
    (4, "R", FixKind.RTK_FIXED),
    (5, "F", FixKind.RTK_FLOAT),
    (6, "E", FixKind.DEAD_RECKONING),
    (0, "N", FixKind.NONE),
]


@dataclasses.dataclass(frozen=True)
class Moment:
    """One epoch: every value is a function of the index and of nothing else."""

    index: int
    period_ns: int
    start_ns: int = 11 * 3600 * SECOND_NS
    is_cold: bool = False

    @property
    def tod_ns(self) -> int | None:
        return None if self.is_cold else (self.start_ns + self.index * self.period_ns) % DAY_NS

    @property
    def quality(self) -> tuple[int, str, FixKind]:
        return QUALITIES[-1] if self.is_cold else QUALITIES[self.index * 7 % len(QUALITIES)]

    @property
    def lat_e7(self) -> int:
        return 31 * 60 * 10**7 + self.index * 1001

    @property
    def lon_e7(self) -> int:
        return 121 * 60 * 10**7 + self.index * 2003

    def value(self, kind: str) -> float:
        """Give a number that no other epoch has for this kind of value."""
        offset = {"alt": 10, "hdop": 0.5, "age": 0.1, "speed": 3, "course": 5, "std": 0.01}[kind]
        return round(offset + self.index * 0.1, 2)

    def sentence(self, address: str) -> bytes:
        quality, mode, _ = self.quality
        here = place(None, None) if quality == 0 else place(self.lat_e7, self.lon_e7)
        time = clock(self.tod_ns)
        status = "V" if quality == 0 else "A"
        index, value = self.index, self.value
        formatter = address[2:]
        full = (value("hdop"), value("alt"))
        table: dict[str, list[object]] = {
            "GGA": [time, here, quality, 5, *full, "M", 8.5, "M", value("age"), index],
            "GNS": [time, here, mode * 2, 5, *full, 8.5, value("age"), index, "S"],
            "RMC": [time, status, here, value("speed"), value("course"), "130324", "", "", mode],
            "GLL": [here, time, status, mode],
            "GST": [time, 1, 2, 3, 4, value("std"), value("std"), value("std")],
            "VTG": [value("course"), "T", "", "M", value("speed"), "N", "", "K", mode],
            "GSA": ["A", 3, *([5, 7] + [""] * 10), 1.1, 0.6, 0.9],
            "GSV": [1, 1, "01", 5, 45, 180, index % 60],
        }
        return joined(address, *table[formatter])

    def allowed(self) -> dict[str, float]:
        """What a fix of this epoch may say; it may leave anything out."""
        return {
            "lat_deg": self.lat_e7 / 60e7,
            "lon_deg": self.lon_e7 / 60e7,
            "alt_msl_m": self.value("alt"),
            "alt_hae_m": self.value("alt") + 8.5,
            "hdop": self.value("hdop"),
            "corr_age_s": self.value("age"),
            "corr_station": self.index,
            "speed_m_s": self.value("speed") * 1852 / 3600,
            "course_deg": self.value("course"),
            "acc_h_m": self.value("std") * math.sqrt(2),
            "acc_v_m": self.value("std"),
        }
