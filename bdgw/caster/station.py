"""Where a base says that it is: 1005 and 1006, checked for sense. Pure."""

from __future__ import annotations

import math

import msgspec

from bdgw.errors import DecodeError
from bdgw.geodesy import geodetic_from_ecef
from bdgw.rtcm.station import read_position

__all__ = ["Station", "read_station"]

_MIN_RADIUS_M, _MAX_RADIUS_M = 6_330_000.0, 6_400_000.0
"""From below the deepest mine to above the highest mountain, at any latitude."""


class Station(msgspec.Struct, frozen=True, kw_only=True):
    """A base position in the frame that the stream uses, which the stream does not name."""

    number: int
    """Station id (DF003)."""
    ecef_m: tuple[float, float, float]
    lat_deg: float
    lon_deg: float
    is_virtual: bool
    """Computed for the rover (DF141), not a place where an antenna stands."""


def read_station(frame: bytes) -> Station | None:
    """Read a position message; None for any other one and for a place that is none on Earth."""
    try:
        message = read_position(frame)
    except (DecodeError, ValueError, ArithmeticError, LookupError):
        # A message that cannot be read travels on like any other one.
        return None
    if message is None:
        return None
    if not _MIN_RADIUS_M < math.hypot(*message.ecef_m) < _MAX_RADIUS_M:
        return None
    place = geodetic_from_ecef(message.ecef_m)
    return Station(
        number=message.station,
        ecef_m=message.ecef_m,
        lat_deg=place.lat_deg,
        lon_deg=place.lon_deg,
        is_virtual=message.is_non_physical,
    )
