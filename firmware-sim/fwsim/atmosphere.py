"""Delays of the atmosphere as single-frequency users model them.

The ionosphere follows Klobuchar with one fixed set of parameters, the troposphere Saastamoinen in
a standard atmosphere of 70 % humidity. Lengths in metres, angles in radians unless named.

Source: IS-GPS-200 20.3.3.5.2.5; Saastamoinen (1972) with the standard atmosphere of ISO 2533.
"""

import math

from fwsim.orbit import SPEED_OF_LIGHT_M_S

# The parameters of 2004-01-01, widely used where none are received.
ALPHA = (1.118e-08, -7.451e-09, -5.961e-08, 1.192e-07)
BETA = (1.167e05, -2.294e05, -1.311e05, 1.049e06)
HUMIDITY = 0.7
NIGHT_DELAY_S = 5e-9


def ionosphere_l1_m(
    lat_rad: float, lon_rad: float, azimuth_rad: float, elevation_rad: float, gps_tow_s: float
) -> float:
    """Return the Klobuchar delay of a code at 1575.42 MHz; others scale by frequency squared."""
    lat, lon, elevation = lat_rad / math.pi, lon_rad / math.pi, elevation_rad / math.pi
    earth_angle = 0.0137 / (elevation + 0.11) - 0.022
    pierce_lat = lat + earth_angle * math.cos(azimuth_rad)
    pierce_lat = max(-0.416, min(0.416, pierce_lat))
    pierce_lon = lon + earth_angle * math.sin(azimuth_rad) / math.cos(pierce_lat * math.pi)
    magnetic = pierce_lat + 0.064 * math.cos((pierce_lon - 1.617) * math.pi)
    local_s = (43_200.0 * pierce_lon + gps_tow_s) % 86_400.0
    slant = 1.0 + 16.0 * (0.53 - elevation) ** 3
    amplitude_s = max(0.0, sum(a * magnetic**n for n, a in enumerate(ALPHA)))
    period_s = max(72_000.0, sum(b * magnetic**n for n, b in enumerate(BETA)))
    phase = math.tau * (local_s - 50_400.0) / period_s
    delay_s = NIGHT_DELAY_S
    if abs(phase) < 1.57:
        delay_s += amplitude_s * (1.0 - phase**2 / 2.0 + phase**4 / 24.0)
    return SPEED_OF_LIGHT_M_S * slant * delay_s


def troposphere_m(lat_rad: float, hae_m: float, elevation_rad: float) -> float:
    """Return the Saastamoinen delay, which is the same at all frequencies."""
    height_m = max(0.0, hae_m)
    pressure_hpa = 1013.25 * math.pow(1.0 - 2.2557e-5 * height_m, 5.2568)
    kelvin = 15.0 - 6.5e-3 * height_m + 273.16
    vapour_hpa = 6.108 * HUMIDITY * math.exp((17.15 * kelvin - 4684.0) / (kelvin - 38.45))
    gravity = 1.0 - 0.00266 * math.cos(2.0 * lat_rad) - 0.00028 * height_m / 1000.0
    dry_m = 0.0022768 * pressure_hpa / gravity
    wet_m = 0.002277 * (1255.0 / kelvin + 0.05) * vapour_hpa
    return (dry_m + wet_m) / math.sin(elevation_rad)
