"""Ranges, directions and elevations from a receiver to satellites."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from bdgw.geodesy import WGS84, Ecef, geodetic_from_ecef
from bdgw.positioning.orbit import EARTH_OMEGA_RAD_S
from bdgw.rtcm.lock import FloatArray
from bdgw.rtcm.observation import SPEED_OF_LIGHT_M_S, IntArray

__all__ = ["Place", "View", "place_of", "view_from"]


class Place(NamedTuple):
    """A receiver: Earth-fixed and geodetic position, and the turn into east, north, up (3, 3)."""

    ecef_m: FloatArray
    lat_rad: float
    lon_rad: float
    height_m: float
    to_enu: FloatArray


class View(NamedTuple):
    """Satellites as seen from a place; ``direction`` (n, 3) points to them, Earth-fixed."""

    range_m: FloatArray
    direction: FloatArray
    azimuth_rad: FloatArray
    elevation_rad: FloatArray

    def taken(self, index: IntArray) -> View:
        """Give some of the rows."""
        return View(
            self.range_m[index],
            self.direction[index],
            self.azimuth_rad[index],
            self.elevation_rad[index],
        )


def place_of(ecef_m: FloatArray | Ecef) -> Place:
    """Work out what a position means; a centre of the Earth is at latitude and longitude 0."""
    x, y, z = (float(value) for value in ecef_m)
    at = geodetic_from_ecef((x, y, z), WGS84)
    lat, lon = math.radians(at.lat_deg), math.radians(at.lon_deg)
    sin_lat, cos_lat, sin_lon, cos_lon = math.sin(lat), math.cos(lat), math.sin(lon), math.cos(lon)
    to_enu = np.array(
        [
            [-sin_lon, cos_lon, 0.0],
            [-sin_lat * cos_lon, -sin_lat * sin_lon, cos_lat],
            [cos_lat * cos_lon, cos_lat * sin_lon, sin_lat],
        ]
    )
    return Place(np.array([x, y, z]), lat, lon, at.height_m, to_enu)


def view_from(place: Place, satellite_m: FloatArray) -> View:
    """See satellites, whose positions (n, 3) are Earth-fixed when they sent.

    The range has the turn of the Earth while the signal travels (Sagnac):
    omega (x_s y_r - y_s x_r) / c, IS-GPS-200, clause 20.3.3.4.3.3.2.
    """
    x_m, y_m, _ = place.ecef_m.tolist()
    away = satellite_m - place.ecef_m
    plain_m = np.sqrt(np.einsum("ij,ij->i", away, away))
    direction = away / plain_m[:, None]
    turn = EARTH_OMEGA_RAD_S / SPEED_OF_LIGHT_M_S
    sagnac_m = satellite_m[:, 0] * (y_m * turn) - satellite_m[:, 1] * (x_m * turn)
    east, north, up = place.to_enu @ direction.T
    return View(
        plain_m + sagnac_m,
        direction,
        np.arctan2(east, north),
        np.arcsin(np.minimum(np.maximum(up, -1.0), 1.0)),
    )
