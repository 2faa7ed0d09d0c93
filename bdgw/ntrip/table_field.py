"""The fields of a sourcetable's line: text in whatever coding, quotes, numbers. Never fails."""

from __future__ import annotations

import re

__all__ = [
    "decimal",
    "decode_line",
    "details",
    "flag",
    "format_degrees",
    "format_flag",
    "format_whole",
    "position_deg",
    "quoted",
    "split_fields",
    "whole",
    "yes",
]

FIELDS_MAX = 64
_DETAILS_MAX = 128
_DETAIL = re.compile(r"(\d{1,4})(?:[._]\d+)?\s*(?:\(\s*(\d+(?:\.\d+)?)\s*\))?\Z", re.A)
_DECIMAL = re.compile(r"[+-]?\d{1,12}(?:[.,]\d{0,12})?", re.A)
_FIELD = re.compile(r'\s*(?:"((?:[^"]|"")*)"\s*|([^;]*))(;|\Z)')
_HAN = re.compile(rb"(?:[\xb0-\xf7][\xa1-\xfe])+")
_HIGH = re.compile(rb"[\x80-\xff]+")


def decode_line(line: bytes) -> str:
    """Give a line as text: UTF-8, else Chinese (GB 18030), else Central European (cp1250).

    The two bytes of a Chinese character have their high bit set, so a line where every stretch of
    high bytes is made of such pairs, and one stretch has two characters, is taken for Chinese.
    The other legacy code pages only differ in letters of names that nobody computes with.
    """
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        runs = _HIGH.findall(line)
        is_han = any(len(run) >= 4 for run in runs) and all(map(_HAN.fullmatch, runs))
        text = line.decode("gb18030" if is_han else "cp1250", errors="replace")
    return "".join(character if character.isprintable() else " " for character in text)


def split_fields(line: str) -> list[str]:
    """Cut at semicolons that are not inside quotes; a quote that never closes is a character."""
    fields: list[str] = []
    position = 0
    while len(fields) < FIELDS_MAX:
        match = _FIELD.match(line, position)
        if match is None:  # not possible: the second alternative takes anything
            break
        inner, plain, separator = match.groups()
        fields.append(plain.strip() if inner is None else inner.replace('""', '"').strip())
        position = match.end()
        if not separator:
            return fields
    return [*fields, line[position:].strip()]


def quoted(field: str) -> str:
    """Write a field; semicolons and quotes need quotes, what cannot be shown becomes a blank."""
    text = "".join(character if character.isprintable() else " " for character in field)
    if ";" in text or '"' in text:
        return '"' + text.replace('"', '""') + '"'
    return text


def decimal(text: str) -> float | None:
    """A plain decimal number, with a point or a comma; no exponent, infinity or NaN."""
    return float(text.replace(",", ".")) if _DECIMAL.fullmatch(text) else None


def whole(text: str, most: int) -> int | None:
    """A whole number from 0 to ``most``."""
    value = decimal(text)
    return int(value) if value is not None and 0 <= value <= most else None


def flag(text: str) -> bool | None:
    """``0`` or ``1``."""
    return {"0": False, "1": True}.get(text)


def yes(text: str) -> bool | None:
    """``N`` or ``Y``."""
    return {"N": False, "Y": True}.get(text.upper())


def position_deg(lat: str, lon: str) -> tuple[float | None, float | None]:
    """Latitude and longitude in degrees, east -180 to 180; both None where they say nowhere."""
    lat_deg, lon_deg = decimal(lat), decimal(lon)
    if lat_deg is None or lon_deg is None or abs(lat_deg) > 90.0 or not -180.0 <= lon_deg <= 360.0:
        return None, None
    if lat_deg == 0.0 and lon_deg == 0.0:
        return None, None
    return lat_deg, lon_deg - 360.0 if lon_deg > 180.0 else lon_deg


def details(text: str) -> tuple[tuple[int, float | None], ...]:
    """Read ``1004(1), 1005/1006, 1077``; a period counts for every number of its group."""
    found: list[tuple[int, float | None]] = []
    for group in text.split(","):
        parts = [_DETAIL.match(part.strip()) for part in group.split("/")]
        last = parts[-1]
        period_s = float(last[2]) if last is not None and last[2] else None
        for match in parts:
            if match is not None and len(found) < _DETAILS_MAX:
                found.append((int(match[1]), float(match[2]) if match[2] else period_s))
    return tuple(found)


def format_degrees(value: float | None) -> str:
    """Two to seven decimals; nowhere is 0.00, as tables write it."""
    if value is None:
        return "0.00"
    whole_part, _, decimals = f"{value:.7f}".rstrip("0").partition(".")
    return f"{whole_part}.{decimals:0<2}"


def format_whole(value: int | None) -> str:
    """Empty for what is not known."""
    return "" if value is None else str(value)


def format_flag(value: bool | None, yes: str, no: str) -> str:
    """One of two letters, empty for what is not known."""
    return "" if value is None else yes if value else no
