"""One epoch as it truly is, and as a perfect reader of the sentences would get it.

The second form is what tests compare with: every value has the rounding of the field that carries
it, and a value that no sentence of the epoch carries is absent.
"""

import math
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum

from fwsim.dialect import Dialect
from fwsim.scene import NS_PER_S, State
from fwsim.sky import Sighting

KNOT_M_S = 1852 / 3600


class Fix(Enum):
    """Kind of a fix: the word of the gateway's contract, GGA quality, mode character."""

    NONE = ("none", "0", "N")
    SINGLE = ("single", "1", "A")
    DGNSS = ("dgnss", "2", "D")
    RTK_FIXED = ("rtk_fixed", "4", "R")
    RTK_FLOAT = ("rtk_float", "5", "F")
    DEAD_RECKONING = ("dead_reckoning", "6", "E")
    MANUAL = ("manual", "7", "M")
    SIMULATED = ("simulated", "8", "S")

    @property
    def word(self) -> str:
        """The word of the contract."""
        return self.value[0]

    @property
    def quality(self) -> str:
        """The GGA quality digit."""
        return self.value[1]

    @property
    def mode(self) -> str:
        """The mode character of RMC, GNS, VTG and GLL."""
        return self.value[2]

    @classmethod
    def of(cls, word: str) -> "Fix":
        """Find a kind by its word.

        Raises:
            ValueError: no such word.
        """
        for fix in cls:
            if fix.word == word:
                return fix
        msg = f"fix {word!r} is not one of {', '.join(fix.word for fix in cls)}"
        raise ValueError(msg)


CORRECTED = frozenset({Fix.DGNSS, Fix.RTK_FLOAT, Fix.RTK_FIXED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """Everything a receiver knows at one instant, unrounded."""

    n: int
    utc_ns: int
    has_time: bool
    fix: Fix
    state: State
    geoid_m: float
    sightings: tuple[Sighting, ...]
    hdop: float
    vdop: float
    acc_h_m: float
    acc_v_m: float
    age_s: float | None
    station: int | None

    @property
    def alt_msl_m(self) -> float:
        """Height above mean sea level."""
        return self.state.alt_hae_m - self.geoid_m

    @property
    def sats_used(self) -> int:
        """Number of satellites in the solution."""
        return sum(sighting.is_used for sighting in self.sightings)

    @property
    def pdop(self) -> float:
        """Position dilution, from its two parts."""
        return math.hypot(self.hdop, self.vdop)


@dataclass(frozen=True, slots=True)
class Angle:
    """A latitude or longitude as degrees and scaled minutes, the way NMEA rounds it."""

    degrees: int
    scaled_minutes: int
    is_negative: bool
    decimals: int

    @classmethod
    def of(cls, value_deg: float, decimals: int) -> "Angle":
        """Round an angle to ``decimals`` decimals of a minute; 60 minutes never appear."""
        per_degree = 60 * 10**decimals
        degrees, scaled = divmod(round(abs(value_deg) * per_degree), per_degree)
        return cls(degrees, scaled, value_deg < 0, decimals)

    def text(self, degree_digits: int) -> str:
        """Return ``dddmm.mmmm``."""
        minutes, fraction = divmod(self.scaled_minutes, 10**self.decimals)
        dot = f".{fraction:0{self.decimals}d}" if self.decimals else ""
        return f"{self.degrees:0{degree_digits}d}{minutes:02d}{dot}"

    @property
    def value_deg(self) -> float:
        """The angle a perfect reader gets."""
        size = self.degrees + self.scaled_minutes / (60 * 10**self.decimals)
        return -float(size) if self.is_negative else float(size)


def fixed(value: float, decimals: int) -> str:
    """Write a number with so many decimals, never as minus zero."""
    text = f"{value:.{decimals}f}"
    return text[1:] if text.startswith("-") and not text.strip("-0.") else text


def rounded_utc(utc_ns: int, decimals: int) -> datetime:
    """Return the instant as the time field carries it; its date belongs to the rounded time."""
    step_ns = 10 ** (9 - min(decimals, 6))
    seconds, rest_ns = divmod((utc_ns + step_ns // 2) // step_ns * step_ns, NS_PER_S)
    return datetime.fromtimestamp(seconds, UTC) + timedelta(microseconds=rest_ns // 1000)


def iso_ms(instant: datetime) -> str:
    """Write ISO 8601 UTC with milliseconds."""
    return instant.strftime("%Y-%m-%dT%H:%M:%S.") + f"{instant.microsecond // 1000:03d}Z"


def shown_sats(epoch: Epoch, dialect: Dialect) -> int:
    """Return the satellite count of GGA, capped where the dialect caps it."""
    cap = dialect.gga_sats_cap
    return epoch.sats_used if cap is None else min(epoch.sats_used, cap)


def shows_course(epoch: Epoch, dialect: Dialect) -> bool:
    """Tell whether the course field is filled: some receivers leave it empty at low speed."""
    return epoch.state.speed_m_s >= dialect.course_above_m_s


def shown_fix(epoch: Epoch, dialect: Dialect, kinds: Collection[str]) -> Fix:
    """Return the kind of fix that is told: without GGA, old mode characters know no RTK."""
    is_rtk = epoch.fix in {Fix.RTK_FIXED, Fix.RTK_FLOAT}
    return Fix.DGNSS if is_rtk and "GGA" not in kinds and not dialect.has_rtk_modes else epoch.fix


def carried(epoch: Epoch, dialect: Dialect, kinds: Collection[str]) -> dict[str, object]:
    """Return the epoch as a perfect reader gets it from sentences of these kinds."""
    out: dict[str, object] = {"n": epoch.n}
    if epoch.has_time and not {"GGA", "RMC", "GNS", "GLL", "ZDA", "GST"}.isdisjoint(kinds):
        out["t_utc"] = iso_ms(rounded_utc(epoch.utc_ns, dialect.time_decimals))
    out["fix"] = shown_fix(epoch, dialect, kinds).word
    if epoch.fix is Fix.NONE:
        if not {"GGA", "GNS"}.isdisjoint(kinds):
            out["sats_used"] = 0
        return out
    if not {"GGA", "RMC", "GNS", "GLL"}.isdisjoint(kinds):
        out["lat_deg"] = Angle.of(epoch.state.lat_deg, dialect.minute_decimals).value_deg
        out["lon_deg"] = Angle.of(epoch.state.lon_deg, dialect.minute_decimals).value_deg
    if not {"GGA", "GNS"}.isdisjoint(kinds):
        msl_m = float(fixed(epoch.alt_msl_m, dialect.height_decimals))
        geoid_m = float(fixed(epoch.geoid_m, dialect.height_decimals))
        out["alt_hae_m"] = round(msl_m + geoid_m, dialect.height_decimals)
        out["alt_msl_m"] = msl_m
        out["geoid_m"] = geoid_m
        capped = shown_sats(epoch, dialect)
        out["sats_used"] = capped if "GGA" in kinds else min(epoch.sats_used, 99)
        out["sats_used_uncapped"] = epoch.sats_used
        if epoch.age_s is not None and epoch.fix in CORRECTED:
            out["age_s"] = float(fixed(epoch.age_s, 1))
            out["station"] = epoch.station
    if not {"GGA", "GNS", "GSA"}.isdisjoint(kinds):
        out["hdop"] = float(fixed(epoch.hdop, dialect.dop_decimals))
    if not {"RMC", "VTG"}.isdisjoint(kinds):
        knots = float(fixed(epoch.state.speed_m_s / KNOT_M_S, dialect.speed_decimals))
        out["speed_m_s"] = knots * KNOT_M_S
        if shows_course(epoch, dialect):
            course = float(fixed(epoch.state.course_deg, dialect.course_decimals))
            out["course_deg"] = course % 360.0
    return out
