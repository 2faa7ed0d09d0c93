"""What the atmosphere adds to a range: Klobuchar in the GPS and the BeiDou form, Saastamoinen.

All angles in radians, all columns of shape (n,); place and time are of all, or of each. Sources:
IS-GPS-200, clause 20.3.3.5.2.5; BDS-SIS-ICD-B1I-3.0, clause 5.2.4.7; Saastamoinen (1972),
Geophysical Monograph 15, with the standard atmosphere.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from bdgw.rtcm.lock import FloatArray
from bdgw.rtcm.observation import SPEED_OF_LIGHT_M_S

__all__ = ["Klobuchar", "klobuchar_bds_m", "klobuchar_gps_m", "saastamoinen_m"]

_DAY_S = 86_400.0
_BDS_RADIUS_KM, _BDS_SHELL_KM = 6378.0, 375.0
_NIGHT_S = 5e-9
_NOON_S = 50_400.0


class Klobuchar(NamedTuple):
    """Eight coefficients as broadcast: seconds and seconds per semicircle."""

    alpha: tuple[float, float, float, float]
    beta: tuple[float, float, float, float]


def klobuchar_gps_m(
    model: Klobuchar,
    lat_rad: float | FloatArray,
    lon_rad: float | FloatArray,
    azimuth_rad: FloatArray,
    elevation_rad: FloatArray,
    tow_s: float | FloatArray,
) -> FloatArray:
    """Give the delay on L1 in metres; scale to another carrier by (f_L1/f)^2."""
    e = elevation_rad / math.pi
    psi = 0.0137 / (e + 0.11) - 0.022
    phi = lat_rad / math.pi + psi * np.cos(azimuth_rad)
    phi = np.minimum(np.maximum(phi, -0.416), 0.416)
    lam = lon_rad / math.pi + psi * np.sin(azimuth_rad) / np.cos(phi * math.pi)
    magnetic = phi + 0.064 * np.cos((lam - 1.617) * math.pi)
    t = (43_200.0 * lam + tow_s) % _DAY_S
    amplitude = np.maximum(_cubic(model.alpha, magnetic), 0.0)
    period = np.maximum(_cubic(model.beta, magnetic), 72_000.0)
    x = 2.0 * math.pi * (t - _NOON_S) / period
    day = amplitude * (1.0 + x * x * (-0.5 + x * x / 24.0))
    low = 0.53 - e
    slant = 1.0 + 16.0 * low * low * low
    return SPEED_OF_LIGHT_M_S * slant * (_NIGHT_S + np.where(np.abs(x) < 1.57, day, 0.0))


def klobuchar_bds_m(
    model: Klobuchar,
    lat_rad: float | FloatArray,
    lon_rad: float | FloatArray,
    azimuth_rad: FloatArray,
    elevation_rad: FloatArray,
    sow_s: float | FloatArray,
) -> FloatArray:
    """Give the delay on B1I in metres, by BDT seconds of the week; scale by (f_B1I/f)^2."""
    squeeze = _BDS_RADIUS_KM / (_BDS_RADIUS_KM + _BDS_SHELL_KM) * np.cos(elevation_rad)
    psi = math.pi / 2.0 - elevation_rad - np.arcsin(squeeze)
    phi = np.arcsin(
        np.sin(lat_rad) * np.cos(psi) + np.cos(lat_rad) * np.sin(psi) * np.cos(azimuth_rad)
    )
    lam = lon_rad + np.arcsin(np.sin(psi) * np.sin(azimuth_rad) / np.cos(phi))
    away = np.abs(phi / math.pi)
    t = (sow_s + lam * 43_200.0 / math.pi) % _DAY_S
    amplitude = np.maximum(_cubic(model.alpha, away), 0.0)
    period = np.minimum(np.maximum(_cubic(model.beta, away), 72_000.0), 172_800.0)
    from_noon = t - _NOON_S
    day = amplitude * np.cos(2.0 * math.pi * from_noon / period)
    vertical = _NIGHT_S + np.where(np.abs(from_noon) < period / 4.0, day, 0.0)
    return SPEED_OF_LIGHT_M_S * vertical / np.sqrt(1.0 - squeeze * squeeze)


def saastamoinen_m(
    lat_rad: float, height_m: float, elevation_rad: FloatArray, humidity: float = 0.7
) -> FloatArray:
    """Give the delay of the neutral atmosphere in metres; nothing beyond -100 m to 10 km."""
    if not -100.0 <= height_m <= 1e4:
        return np.zeros_like(elevation_rad)
    height_m = max(height_m, 0.0)
    pressure = 1013.25 * (1.0 - 2.2557e-5 * height_m) ** 5.2568
    kelvin = 15.0 - 6.5e-3 * height_m + 273.16
    vapour = 6.108 * humidity * math.exp((17.15 * kelvin - 4684.0) / (kelvin - 38.45))
    dry = (
        0.0022768 * pressure / (1.0 - 0.00266 * math.cos(2.0 * lat_rad) - 0.00028 * height_m / 1e3)
    )
    wet = 0.002277 * (1255.0 / kelvin + 0.05) * vapour
    delay_m: FloatArray = (dry + wet) / np.maximum(np.sin(elevation_rad), 0.02)
    return delay_m


def _cubic(c: tuple[float, float, float, float], x: FloatArray) -> FloatArray:
    return np.asarray(c[0] + x * (c[1] + x * (c[2] + x * c[3])), dtype=np.float64)
