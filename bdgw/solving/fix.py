"""A solution of the engine as the gateway publishes it. Pure."""

from __future__ import annotations

import math

from bdgw.geodesy import Ecef, geodetic_from_ecef
from bdgw.model import Fix, FixKind, Heading, Provenance, TimeQuality
from bdgw.positioning.baseline import Attitude
from bdgw.positioning.solution import Solution

__all__ = ["fix_of", "heading_of", "provenance_of"]

_ACC_CONF = 0.63
"""``acc_h_m`` is the root of the sum of two variances: a circle of 63 % where they are alike."""
_STANDING_M_S = 0.05
"""Below, a course is noise."""
_DIFFERENTIAL = (FixKind.DGNSS, FixKind.RTK_FLOAT, FixKind.RTK_FIXED)


def fix_of(solution: Solution, station: int | None, *, is_dated: bool = False) -> Fix:
    """Give the fix; its time of week is the receiver's, its week too where that ``is_dated``."""
    quality = TimeQuality.GNSS if is_dated else TimeQuality.HOST_DATE
    if solution.ecef_m is None:
        return Fix(kind=FixKind.NONE, t_gpst_ns=solution.t_gpst_ns, time_quality=quality)
    place = geodetic_from_ecef(solution.ecef_m)
    speed_m_s, course_deg = _motion(solution.velocity_m_s, place.lat_deg, place.lon_deg)
    is_differential = solution.kind in _DIFFERENTIAL
    return Fix(
        kind=solution.kind,
        t_gpst_ns=solution.t_gpst_ns,
        time_quality=quality,
        lat_deg=place.lat_deg,
        lon_deg=place.lon_deg,
        alt_hae_m=round(place.height_m, 4),
        acc_h_m=_rounded(solution.acc_h_m),
        acc_v_m=_rounded(solution.acc_v_m),
        acc_conf=_ACC_CONF,
        speed_m_s=speed_m_s,
        course_deg=course_deg,
        sats_used=solution.sats_used,
        corr_age_s=_age_s(solution) if is_differential else None,
        corr_station=station if is_differential else None,
    )


def heading_of(attitude: Attitude | None) -> Heading | None:
    """Give what is published of a fixed vector; None where it has no heading."""
    if attitude is None or attitude.heading_deg is None or attitude.acc_heading_deg is None:
        return None
    return Heading(
        heading_deg=round(attitude.heading_deg, 3) % 360.0,
        acc_heading_deg=round(attitude.acc_heading_deg, 3),
        # A negative zero is none: it would be published, and SQLite does not keep it.
        pitch_deg=round(attitude.pitch_deg, 3) + 0.0,
        acc_pitch_deg=round(attitude.acc_pitch_deg, 3),
        baseline_m=round(attitude.length_m, 4),
    )


def provenance_of(fix: Fix, source: Provenance | None) -> Provenance | None:
    """Give where the correction of a fix of ours came from; None for a single point."""
    if fix.kind not in _DIFFERENTIAL:
        return None
    known = source or Provenance()
    return Provenance(
        name=known.name,
        mount=known.mount,
        station=fix.corr_station,
        age_s=fix.corr_age_s,
        frame=known.frame,
        frame_epoch_year=known.frame_epoch_year,
    )


def _age_s(solution: Solution) -> float | None:
    return None if solution.age_s is None else round(max(0.0, solution.age_s), 3)


def _rounded(value_m: float | None) -> float | None:
    return None if value_m is None or not math.isfinite(value_m) else round(value_m, 4)


def _motion(
    velocity_m_s: Ecef | None, lat_deg: float, lon_deg: float
) -> tuple[float | None, float | None]:
    """Give speed over ground and course; no course where it stands."""
    if velocity_m_s is None or not all(map(math.isfinite, velocity_m_s)):
        return None, None
    x, y, z = velocity_m_s
    lat, lon = math.radians(lat_deg), math.radians(lon_deg)
    east = -math.sin(lon) * x + math.cos(lon) * y
    across = math.cos(lon) * x + math.sin(lon) * y
    north = -math.sin(lat) * across + math.cos(lat) * z
    speed_m_s = math.hypot(east, north)
    course_deg = math.degrees(math.atan2(east, north)) % 360.0
    return round(speed_m_s, 3), round(course_deg, 2) if speed_m_s >= _STANDING_M_S else None
