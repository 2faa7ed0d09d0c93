"""GCJ-02, the shifted coordinates of Chinese maps, from WGS 84 or CGCS2000. One way only. Pure.

Source: the published approximation of the plug-in that defines it (Krasovsky's ellipsoid and two
sums of sines). It is good to about a metre; the plug-in itself is not public.
"""

from __future__ import annotations

import math

__all__ = ["gcj02_from_wgs84"]

_A_M = 6_378_245.0
_E2 = 0.00669342162296594323
_LON_RANGE_DEG = (72.004, 137.8347)
_LAT_RANGE_DEG = (0.8293, 55.8271)
"""Outside of this box the shift is zero."""


def gcj02_from_wgs84(lat_deg: float, lon_deg: float) -> tuple[float, float]:
    """Give latitude and longitude of GCJ-02 in degrees."""
    is_inside = (
        _LON_RANGE_DEG[0] <= lon_deg <= _LON_RANGE_DEG[1]
        and _LAT_RANGE_DEG[0] <= lat_deg <= _LAT_RANGE_DEG[1]
    )
    if not is_inside:
        return lat_deg, lon_deg
    x, y = lon_deg - 105.0, lat_deg - 35.0
    lat = math.radians(lat_deg)
    root = 1.0 - _E2 * math.sin(lat) ** 2
    north_radius_m = _A_M * (1.0 - _E2) / root**1.5
    east_radius_m = _A_M / math.sqrt(root) * math.cos(lat)
    return (
        lat_deg + math.degrees(_north_m(x, y) / north_radius_m),
        lon_deg + math.degrees(_east_m(x, y) / east_radius_m),
    )


def _ripple_m(x: float) -> float:
    return (20.0 * math.sin(6.0 * x * math.pi) + 20.0 * math.sin(2.0 * x * math.pi)) * 2.0 / 3.0


def _north_m(x: float, y: float) -> float:
    return (
        -100.0
        + 2.0 * x
        + 3.0 * y
        + 0.2 * y * y
        + 0.1 * x * y
        + 0.2 * math.sqrt(abs(x))
        + _ripple_m(x)
        + (20.0 * math.sin(y * math.pi) + 40.0 * math.sin(y / 3.0 * math.pi)) * 2.0 / 3.0
        + (160.0 * math.sin(y / 12.0 * math.pi) + 320.0 * math.sin(y / 30.0 * math.pi)) * 2.0 / 3.0
    )


def _east_m(x: float, y: float) -> float:
    return (
        300.0
        + x
        + 2.0 * y
        + 0.1 * x * x
        + 0.1 * x * y
        + 0.1 * math.sqrt(abs(x))
        + _ripple_m(x)
        + (20.0 * math.sin(x * math.pi) + 40.0 * math.sin(x / 3.0 * math.pi)) * 2.0 / 3.0
        + (150.0 * math.sin(x / 12.0 * math.pi) + 300.0 * math.sin(x / 30.0 * math.pi)) * 2.0 / 3.0
    )
