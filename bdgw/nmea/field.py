"""Fields of NMEA sentences: how one value is read from the text between commas.

A reader takes the text of one field (a coordinate: two fields) and gives a value, None for an
empty field, or ``FieldError`` where the text breaks the standard. Readers remember what they have
read last: a receiver repeats most of its fields from epoch to epoch and from sentence to sentence.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from functools import lru_cache
from typing import Any

__all__ = [
    "AZIMUTH_DEG",
    "CN0_DBHZ",
    "COUNT",
    "ELEVATION_DEG",
    "FieldError",
    "Reader",
    "angle_deg",
    "character",
    "date_ddmmyy",
    "day_month_year",
    "integer",
    "latitude_deg",
    "longitude_deg",
    "non_negative",
    "number",
    "quality",
    "station",
    "time_of_day_ns",
    "word",
]

Reader = Callable[[str], Any]

_REMEMBERED = 1024
_MAX_QUANTITY = 1e9
_MAX_COUNT_DIGITS = 4


class FieldError(ValueError):
    """A field says something that the standard does not allow."""


def _table(first: int, last: int) -> dict[str, int | None]:
    """Integers by their text, for fields that are read many times a second.

    Empty is None, and so is a number that cannot be (an elevation of 99 is how some receivers
    say that they do not know). What is no number at all is not in the table.
    """
    return {"": None} | {
        text: value if first <= value <= last else None
        for value in range(-99, 1000)
        for text in (str(value), f"{value:02d}", f"{value:03d}")
    }


COUNT = _table(0, 999)
ELEVATION_DEG = _table(-90, 90)
AZIMUTH_DEG = _table(0, 360)
CN0_DBHZ = _table(0, 99)


def _finite(text: str) -> float:
    # float() takes "nan", "inf" and digit groups; a receiver may send none of them.
    if "_" in text:
        raise FieldError(f"{text!r} is not a number")
    value = float(text)
    if not -_MAX_QUANTITY < value < _MAX_QUANTITY:
        raise FieldError(f"{text!r} is out of range")
    return value


@lru_cache(_REMEMBERED)
def number(text: str) -> float | None:
    """Read a decimal number; not-a-number and infinity are refused."""
    return _finite(text) if text else None


@lru_cache(_REMEMBERED)
def non_negative(text: str) -> float | None:
    """Read a decimal number that cannot be below zero (DOP, age, standard deviation)."""
    if not text:
        return None
    value = _finite(text)
    if value < 0.0:
        raise FieldError(f"{text!r} is below zero")
    return value


@lru_cache(_REMEMBERED)
def integer(text: str) -> int | None:
    """Read a count of up to four digits."""
    if not text:
        return None
    if not text.isdigit() or len(text) > _MAX_COUNT_DIGITS:
        raise FieldError(f"{text!r} is not a count")
    return int(text)


@lru_cache(_REMEMBERED)
def station(text: str) -> int | None:
    """Read the number of a reference station; a name (NovAtel writes AAAA) is no number: None."""
    return int(text) if text.isdigit() and len(text) <= _MAX_COUNT_DIGITS else None


@lru_cache(_REMEMBERED)
def quality(text: str) -> int | None:
    """Read a GGA quality, 0 to 9 (9 is not in the standard; NovAtel says SBAS with it)."""
    if not text:
        return None
    if len(text) != 1 or not text.isdigit():
        raise FieldError(f"{text!r} is not a quality")
    return int(text)


@lru_cache(_REMEMBERED)
def character(text: str) -> str | None:
    """Read a single letter or digit."""
    if len(text) > 1:
        raise FieldError(f"{text!r} is more than one character")
    return text or None


@lru_cache(_REMEMBERED)
def word(text: str) -> str | None:
    """Read free text."""
    return text or None


@lru_cache(_REMEMBERED)
def angle_deg(text: str) -> float | None:
    """Read a direction of 0 to 360 degrees; 360 becomes 0."""
    if not text:
        return None
    value = _finite(text)
    if not 0.0 <= value <= 360.0:
        raise FieldError(f"{text!r} is not a direction")
    return 0.0 if value == 360.0 else value


def _coordinate_deg(text: str, limit_deg: int) -> float:
    dot = text.find(".")
    split = (dot if dot >= 0 else len(text)) - 2
    # Digits and one dot alone, or int() and float() would take signs, blanks and digit groups.
    if not 0 <= split <= 3 or not text.replace(".", "", 1).isdigit():
        raise FieldError(f"{text!r} is not degrees and minutes")
    minutes = float(text[split:])
    if minutes >= 60.0:
        raise FieldError(f"{text!r} has {minutes} minutes")
    # 1e-10 degree is 0.01 mm, finer than any receiver writes; it hides binary rounding.
    value = round(int(text[:split] or "0") + minutes / 60.0, 10)
    if value > limit_deg:
        raise FieldError(f"{text!r} is beyond {limit_deg} degrees")
    return value


@lru_cache(_REMEMBERED)
def latitude_deg(text: str, hemisphere: str) -> float | None:
    """Read ``ddmm.mm`` and ``N`` or ``S``: degrees, north positive."""
    if not text:
        return None
    if hemisphere == "N":
        return _coordinate_deg(text, 90)
    if hemisphere == "S":
        return 0.0 - _coordinate_deg(text, 90)  # never -0.0
    raise FieldError(f"{hemisphere!r} is not N or S")


@lru_cache(_REMEMBERED)
def longitude_deg(text: str, hemisphere: str) -> float | None:
    """Read ``dddmm.mm`` and ``E`` or ``W``: degrees, east positive."""
    if not text:
        return None
    if hemisphere == "E":
        return _coordinate_deg(text, 180)
    if hemisphere == "W":
        return 0.0 - _coordinate_deg(text, 180)
    raise FieldError(f"{hemisphere!r} is not E or W")


@lru_cache(_REMEMBERED)
def time_of_day_ns(text: str) -> int | None:
    """Read ``hhmmss.sss`` as nanoseconds of the UTC day; 23:59:60 is allowed."""
    if not text:
        return None
    # All but the dot must be ASCII digits, or int() would take signs and spaces.
    whole, _, fraction = text.partition(".")
    if len(whole) != 6 or not (whole + fraction).isdigit() or len(fraction) > 9:
        raise FieldError(f"{text!r} is not hhmmss.sss")
    hour, minute, second = int(whole[:2]), int(whole[2:4]), int(whole[4:6])
    if hour > 23 or minute > 59 or second > 60:
        raise FieldError(f"{text!r} is not a time of day")
    if second == 60 and (hour, minute) != (23, 59):
        raise FieldError(f"{text!r} has a leap second where there is none")
    return (hour * 3600 + minute * 60 + second) * 1_000_000_000 + int(fraction.ljust(9, "0"))


def _date(day: str, month: str, year: str) -> dt.date:
    # The lengths are looked at because a day of 20 digits would overflow in dt.date.
    if len(year) not in (2, 4) or not (day + month + year).isdigit() or len(day + month) > 4:
        raise FieldError(f"{day}-{month}-{year} is not a date")
    full = int(year)
    if len(year) == 2:
        # Two digits from 80 on are of the last century: GPS time began in 1980.
        full += 1900 if full >= 80 else 2000
    return dt.date(full, int(month), int(day))


@lru_cache(_REMEMBERED)
def date_ddmmyy(text: str) -> dt.date | None:
    """Read ``ddmmyy``."""
    if not text:
        return None
    if len(text) != 6:
        raise FieldError(f"{text!r} is not ddmmyy")
    return _date(text[:2], text[2:4], text[4:6])


@lru_cache(_REMEMBERED)
def day_month_year(day: str, month: str, year: str) -> dt.date | None:
    """Read the three fields ``dd,mm,yyyy``."""
    return _date(day, month, year) if day and month and year else None
