"""The position that a caster is told: the GGA sentence, and the rule that says when it is due.

Source of the sentence: NMEA 0183 4.11, clause 6.3 (GGA). Receivers write it in many ways and some
casters read only some of them, so talker, decimals and quality are settings.
"""

from __future__ import annotations

import enum
import math

import msgspec

from bdgw.model import Fix, FixKind
from bdgw.timescale import utc_from_gpst
from bdgw.wire.checksum import xor8

__all__ = ["GgaPolicy", "GgaQuality", "GgaWhen", "PositionUpload", "format_gga"]

_QUALITY = {
    FixKind.SINGLE: 1,
    FixKind.DGNSS: 2,
    FixKind.PPP: 2,  # GGA has no word for it; it is corrected, and it is not RTK
    FixKind.RTK_FIXED: 4,
    FixKind.RTK_FLOAT: 5,
    FixKind.DEAD_RECKONING: 6,
    FixKind.MANUAL: 7,
    FixKind.SIMULATED: 8,
}
_SECOND_NS = 1_000_000_000
_EARTH_RADIUS_M = 6_371_000.0
"""Mean radius; what is measured with it is only "has it moved by kilometres"."""


class GgaWhen(enum.StrEnum):
    """Whether positions are sent."""

    AUTO = "auto"
    """As the sourcetable says of the mountpoint."""
    ALWAYS = "always"
    NEVER = "never"


class GgaQuality(enum.StrEnum):
    """What stands in the quality field."""

    TRUE = "true"
    """What the fix is."""
    ONE = "1"
    """Always 1, for casters that take nothing else."""


class GgaPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """When and how positions are sent to a caster."""

    when: GgaWhen = GgaWhen.AUTO
    talker: str = "GP"
    """GP is what every caster reads."""
    period_s: float = 10.0
    decimals: int = 5
    """Of the minutes, 1 to 8: 5 is 2 cm, 3 is 2 m, 1 is 200 m. Heights are cut likewise."""
    move_m: float = 5000.0
    """A position is sent at once after moving this far from the one sent last."""
    quality: GgaQuality = GgaQuality.TRUE

    def __post_init__(self) -> None:
        if len(self.talker) != 2 or not (self.talker.isascii() and self.talker.isupper()):
            raise ValueError(f"a GGA talker is two capitals such as GP or GN, not {self.talker!r}")
        if not 1.0 <= self.period_s <= 3600.0:
            raise ValueError(f"a GGA period is 1 to 3600 s, not {self.period_s:g}")
        if not 1 <= self.decimals <= 8:
            raise ValueError(f"GGA minutes have 1 to 8 decimals, not {self.decimals}")
        if not 1.0 <= self.move_m < math.inf:
            raise ValueError(f"a GGA move is 1 m and more, not {self.move_m:g}")


def format_gga(fix: Fix, policy: GgaPolicy, *, tod_utc_ns: int | None = None) -> bytes | None:
    """Write a fix as a GGA sentence without its line end; None while there is no position.

    ``tod_utc_ns`` is the time of day (nanoseconds, UTC) for a fix that has none.
    """
    if not has_position(fix) or fix.lat_deg is None or fix.lon_deg is None:
        return None
    quality = 1 if policy.quality is GgaQuality.ONE else _QUALITY[fix.kind]
    height_m, separation_m = _height(fix, max(0, min(3, policy.decimals - 2)))
    fields = (
        f"{policy.talker}GGA",
        _time(_tod_ns(fix, tod_utc_ns)),
        *_angle(fix.lat_deg, "NS", 2, policy.decimals),
        *_angle(fix.lon_deg, "EW", 3, policy.decimals),
        str(quality),
        "" if fix.sats_used is None else f"{min(max(fix.sats_used, 0), 99):02d}",
        "" if fix.hdop is None else f"{min(max(fix.hdop, 0.0), 99.9):.1f}",
        *(height_m, "M", separation_m, "M"),
        "" if fix.corr_age_s is None else f"{min(max(fix.corr_age_s, 0.0), 999.9):.1f}",
        "" if fix.corr_station is None else f"{fix.corr_station:04d}",
    )
    body = ",".join(fields).encode("ascii")
    return b"$%b*%02X" % (body, xor8(body))


def has_position(fix: Fix) -> bool:
    """Whether a fix says where it is, in numbers that can be; 0 north 0 east is no place."""
    lat_deg, lon_deg = fix.lat_deg, fix.lon_deg
    if fix.kind is FixKind.NONE or lat_deg is None or lon_deg is None:
        return False
    # Not a number fails both comparisons.
    return abs(lat_deg) <= 90.0 and abs(lon_deg) <= 360.0 and (lat_deg != 0.0 or lon_deg != 0.0)


def _tod_ns(fix: Fix, otherwise_ns: int | None) -> int | None:
    if fix.t_gpst_ns is not None:
        return utc_from_gpst(fix.t_gpst_ns)[1]
    return otherwise_ns if fix.tod_utc_ns is None else fix.tod_utc_ns


def _time(tod_ns: int | None) -> str:
    """Write ``hhmmss.ss``, cut and not rounded; a leap second reads 60."""
    if tod_ns is None:
        return ""
    second, ns = divmod(tod_ns, _SECOND_NS)
    minute, second = divmod(min(second, 86_400), 60)
    if minute == 1440:
        minute, second = 1439, 60
    return f"{minute // 60:02d}{minute % 60:02d}{second:02d}.{ns // 10_000_000:02d}"


def _angle(angle_deg: float, letters: str, n_digits: int, decimals: int) -> tuple[str, str]:
    """Write degrees and minutes; rounded once, so that minutes never read 60."""
    if n_digits == 3:
        angle_deg = (angle_deg + 180.0) % 360.0 - 180.0
    scale = 10**decimals
    units = round(abs(angle_deg) * 60 * scale)
    degrees, rest = divmod(units, 60 * scale)
    minutes, fraction = divmod(rest, scale)
    letter = letters[angle_deg < 0.0]
    return f"{degrees:0{n_digits}d}{minutes:02d}.{fraction:0{decimals}d}", letter


def _height(fix: Fix, decimals: int) -> tuple[str, str]:
    """Write height above mean sea level and the geoid's separation, empty where unknown.

    A caster adds the two. Where only the ellipsoidal height is known it stands with a separation
    of 0, so that the sum is right.
    """
    if fix.alt_msl_m is None:
        if fix.alt_hae_m is None:
            return "", ""
        return f"{fix.alt_hae_m:.{decimals}f}", f"{0:.{decimals}f}"
    if fix.alt_hae_m is None:
        return f"{fix.alt_msl_m:.{decimals}f}", ""
    separation_m = fix.alt_hae_m - fix.alt_msl_m
    return f"{fix.alt_msl_m:.{decimals}f}", f"{separation_m:.{decimals}f}"


class PositionUpload:
    """Says when the next position is due on one connection. Never before there is one."""

    def __init__(self, policy: GgaPolicy, *, is_on: bool) -> None:
        """Start; ``is_on`` False sends nothing until ``turn_on``."""
        self._policy = policy
        self._is_on = is_on
        self._sent_at_s: float | None = None
        self._sent_from: Fix | None = None
        self.n_sent = 0

    @property
    def is_on(self) -> bool:
        """Whether positions are sent on this connection."""
        return self._is_on

    def turn_on(self) -> None:
        """From now on positions are sent."""
        self._is_on = True

    def next(self, fix: Fix | None, *, now: float, tod_utc_ns: int | None = None) -> bytes | None:
        """Give the sentence with its line end if one is due at ``now``; it counts as sent."""
        if not self._is_on or fix is None or not has_position(fix) or not self._is_due(fix, now):
            return None
        sentence = format_gga(fix, self._policy, tod_utc_ns=tod_utc_ns)
        if sentence is None:
            return None
        self._sent_at_s, self._sent_from = now, fix
        self.n_sent += 1
        return sentence + b"\r\n"

    def _is_due(self, fix: Fix, now: float) -> bool:
        if self._sent_at_s is None or self._sent_from is None:
            return True
        if now - self._sent_at_s >= self._policy.period_s:
            return True
        return distance_m(self._sent_from, fix) > self._policy.move_m


def distance_m(a: Fix, b: Fix) -> float:
    """Great-circle distance on a sphere, for fixes that have a position; 0 where one has none."""
    if a.lat_deg is None or a.lon_deg is None or b.lat_deg is None or b.lon_deg is None:
        return 0.0
    lat_a, lat_b = math.radians(a.lat_deg), math.radians(b.lat_deg)
    half_lat = math.sin((lat_b - lat_a) / 2)
    half_lon = math.sin(math.radians(b.lon_deg - a.lon_deg) / 2)
    square = half_lat**2 + math.cos(lat_a) * math.cos(lat_b) * half_lon**2
    return 2 * _EARTH_RADIUS_M * math.asin(min(1.0, math.sqrt(square)))
