"""Positions on and around the Earth: geodetic, Earth-fixed, local; two ellipsoids, no frames.

An ellipsoid is only the shape that latitude and height refer to. Whether two positions stand in
one reference frame is not known here, and nothing here moves a position from one to another.

Sources: CGCS2000 as in BDS-SIS-ICD-B1I-3.0 (the same shape as GRS80); WGS 84 as in NGA.STND.0036.
"""

from __future__ import annotations

import math
from typing import NamedTuple

__all__ = [
    "CGCS2000",
    "WGS84",
    "Ecef",
    "Ellipsoid",
    "Geodetic",
    "chord_m",
    "ecef_from_geodetic",
    "enu_from_ecef",
    "geodetic_from_ecef",
]

Ecef = tuple[float, float, float]
"""Earth-centred, Earth-fixed X, Y, Z in metres: X to the zero meridian, Z to the north pole."""

_ITERATIONS = 4
"""Bowring's formula gains more than four digits a turn below 50,000 km."""


class Ellipsoid(NamedTuple):
    """A flattened sphere: semi-major axis in metres and the reciprocal of the flattening."""

    name: str
    a_m: float
    inverse_flattening: float


class Geodetic(NamedTuple):
    """Latitude and longitude in degrees, north and east positive; metres above the ellipsoid."""

    lat_deg: float
    lon_deg: float
    height_m: float


CGCS2000 = Ellipsoid("CGCS2000", 6_378_137.0, 298.257222101)
WGS84 = Ellipsoid("WGS84", 6_378_137.0, 298.257223563)
"""Differs from CGCS2000 by 0.11 mm in the semi-minor axis: far below any position here."""


def ecef_from_geodetic(
    lat_deg: float, lon_deg: float, height_m: float, ellipsoid: Ellipsoid = CGCS2000
) -> Ecef:
    """Turn latitude, longitude and ellipsoidal height into X, Y, Z in metres.

    Raises:
        ValueError: a number is not finite, or the latitude is outside of ±90°.
    """
    _check(lat_deg, lon_deg, height_m)
    if abs(lat_deg) > 90.0:
        raise ValueError(f"a latitude lies within ±90°, not {lat_deg}°")
    lat, lon = math.radians(lat_deg), math.radians(lon_deg)
    e2 = _e2(ellipsoid)
    normal_m = ellipsoid.a_m / math.sqrt(1.0 - e2 * math.sin(lat) ** 2)
    across_m = (normal_m + height_m) * math.cos(lat)
    return (
        across_m * math.cos(lon),
        across_m * math.sin(lon),
        (normal_m * (1.0 - e2) + height_m) * math.sin(lat),
    )


def geodetic_from_ecef(ecef_m: Ecef, ellipsoid: Ellipsoid = CGCS2000) -> Geodetic:
    """Turn X, Y, Z in metres into latitude, longitude and ellipsoidal height.

    Longitude is 0 on the axis. From -10 km to 50,000 km of height the way there and back closes
    to a micrometre. At the centre of the Earth the direction is arbitrary.

    Raises:
        ValueError: a coordinate is not finite.
    Source: Bowring (1976), Survey Review 23, with iteration of the reduced latitude.
    """
    x, y, z = ecef_m
    _check(x, y, z)
    e2 = _e2(ellipsoid)
    squeeze = 1.0 - 1.0 / ellipsoid.inverse_flattening
    b_m = ellipsoid.a_m * squeeze
    second_e2 = e2 / (1.0 - e2)
    across_m = math.hypot(x, y)
    reduced = math.atan2(z, squeeze * across_m)
    lat = 0.0
    for _ in range(_ITERATIONS):
        lat = math.atan2(
            z + second_e2 * b_m * math.sin(reduced) ** 3,
            across_m - e2 * ellipsoid.a_m * math.cos(reduced) ** 3,
        )
        reduced = math.atan2(squeeze * math.sin(lat), math.cos(lat))
    sin_lat = math.sin(lat)
    height_m = (
        across_m * math.cos(lat)
        + z * sin_lat
        - ellipsoid.a_m * math.sqrt(1.0 - e2 * sin_lat * sin_lat)
    )
    return Geodetic(math.degrees(lat), math.degrees(math.atan2(y, x)), height_m)


def enu_from_ecef(origin_m: Ecef, target_m: Ecef, ellipsoid: Ellipsoid = CGCS2000) -> Ecef:
    """Tell where ``target_m`` lies as seen from ``origin_m``: east, north, up in metres.

    Up is the normal of the ellipsoid at the origin.

    Raises:
        ValueError: a coordinate is not finite.
    """
    _check(*target_m)
    at = geodetic_from_ecef(origin_m, ellipsoid)
    sin_lat, cos_lat = math.sin(math.radians(at.lat_deg)), math.cos(math.radians(at.lat_deg))
    sin_lon, cos_lon = math.sin(math.radians(at.lon_deg)), math.cos(math.radians(at.lon_deg))
    dx, dy, dz = (b - a for a, b in zip(origin_m, target_m, strict=True))
    outward = cos_lon * dx + sin_lon * dy
    return (
        cos_lon * dy - sin_lon * dx,
        cos_lat * dz - sin_lat * outward,
        cos_lat * outward + sin_lat * dz,
    )


def chord_m(first_m: Ecef, second_m: Ecef) -> float:
    """Tell the straight distance between two Earth-fixed positions in metres.

    At 100 km the chord is 1 m shorter than the way over the ground.
    """
    return math.dist(first_m, second_m)


def _e2(ellipsoid: Ellipsoid) -> float:
    flattening = 1.0 / ellipsoid.inverse_flattening
    return flattening * (2.0 - flattening)


def _check(*values: float) -> None:
    if not all(map(math.isfinite, values)):
        raise ValueError(f"coordinates are finite numbers, not {values}")
