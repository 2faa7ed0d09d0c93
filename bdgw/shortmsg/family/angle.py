"""Latitude and longitude as sentences write them: degrees and minutes in one number, a letter."""

from __future__ import annotations

import re

from bdgw.errors import DecodeError

__all__ = ["check_angles", "latitude_deg", "longitude_deg"]

_ANGLE = re.compile(r"([0-9]{0,3})([0-9]{2}(?:\.[0-9]{0,10})?)", re.ASCII).fullmatch


def _angle_deg(text: str, letter: str, letters: str, limit_deg: int) -> float:
    match = _ANGLE(text)
    if not match or letter not in tuple(letters):
        raise DecodeError(f"{text!r} {letter!r} is not an angle with {letters[0]} or {letters[1]}")
    minutes = float(match[2])
    # 1e-10 degree is 0.01 mm; it hides binary rounding.
    value = round(int(match[1] or 0) + minutes / 60, 10)
    if minutes >= 60 or value > limit_deg:
        raise DecodeError(f"{text!r} is beyond {limit_deg} degrees or has {minutes} minutes")
    return value if letter == letters[0] else 0.0 - value


def latitude_deg(text: str, letter: str) -> float:
    """Read ``ddmm.mmmm`` and N or S: degrees, north positive.

    Raises:
        DecodeError: it is no latitude.
    """
    return _angle_deg(text, letter, "NS", 90)


def longitude_deg(text: str, letter: str) -> float:
    """Read ``dddmm.mmmm`` and E or W: degrees, east positive.

    Raises:
        DecodeError: it is no longitude.
    """
    return _angle_deg(text, letter, "EW", 180)


def check_angles(lat: str, lat_ns: str, lon: str, lon_ew: str) -> None:
    """Refuse a position that cannot be.

    Raises:
        DecodeError: it cannot.
    """
    latitude_deg(lat, lat_ns)
    longitude_deg(lon, lon_ew)
