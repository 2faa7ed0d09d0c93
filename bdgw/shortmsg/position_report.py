"""The position report inside a message (位置报告): 104 bits, first byte A0.

Hemispheres are not carried: north and east are assumed, as the system serves them.
Source: RDSS digest 3.10.
"""

from __future__ import annotations

import msgspec

from bdgw.errors import DecodeError

__all__ = ["REPORT_BYTES", "PositionReport", "decode_position_report"]

REPORT_BYTES = 13
_MARK = 0xA0

# (name, bits, largest value), from the highest bit, behind the mark.
_LAYOUT: tuple[tuple[str, int, int], ...] = (
    ("hour", 5, 23),
    ("minute", 6, 59),
    ("second", 6, 59),
    ("centisecond", 7, 99),
    ("lon_degree", 8, 180),
    ("lon_minute", 6, 59),
    ("lon_second", 6, 59),
    ("lon_decisecond", 4, 9),
    ("lat_degree", 6, 63),
    ("lat_minute", 6, 59),
    ("lat_second", 6, 59),
    ("lat_decisecond", 4, 9),
    ("type", 2, 1),
    ("height", 24, (1 << 24) - 1),
)
_HIGH = 1


class PositionReport(msgspec.Struct, frozen=True, kw_only=True, tag="position", tag_field="kind"):
    """A position that a terminal reports of itself."""

    raw: bytes
    time_of_day: str
    """hh:mm:ss.cc; UTC or Beijing time, the sources do not agree."""
    lat_deg: float
    lon_deg: float
    height_m: float | None = None
    """None for high-altitude users, see ``raw_high_height``."""
    anomaly_m: float | None = None
    """高程异常."""
    raw_high_height: int | None = None
    """24 bits whose unit no source names; only for high-altitude users (高空)."""


def _fields(report: bytes) -> dict[str, int]:
    number = int.from_bytes(report[1:])
    left = 8 * (REPORT_BYTES - 1)
    fields: dict[str, int] = {}
    for name, bits, largest in _LAYOUT:
        left -= bits
        value = number >> left & (1 << bits) - 1
        if value > largest:
            raise DecodeError(f"{name} {value}", bit=8 * REPORT_BYTES - left - bits)
        fields[name] = value
    return fields


def _angle_deg(fields: dict[str, int], name: str) -> float:
    tenths = (
        36_000 * fields[f"{name}_degree"]
        + 600 * fields[f"{name}_minute"]
        + 10 * fields[f"{name}_second"]
        + fields[f"{name}_decisecond"]
    )
    return tenths / 36_000


def _signed(number: int, bits: int) -> float:
    """Read sign and magnitude (原码)."""
    magnitude = number & (1 << bits - 1) - 1
    return float(-magnitude if number >> bits - 1 & 1 else magnitude)


def decode_position_report(report: bytes) -> PositionReport:
    """Decode the thirteen bytes, A0 included.

    Raises:
        DecodeError: another length or mark, or a value that no position has.
    """
    if len(report) != REPORT_BYTES or report[0] != _MARK:
        raise DecodeError("no position report", bit=0)
    fields = _fields(report)
    lon_deg = _angle_deg(fields, "lon")
    if lon_deg > 180:
        raise DecodeError(f"longitude {lon_deg}", bit=32)
    high = fields["height"]
    is_high = fields["type"] == _HIGH
    return PositionReport(
        raw=report,
        time_of_day="{hour:02}:{minute:02}:{second:02}.{centisecond:02}".format(**fields),
        lat_deg=_angle_deg(fields, "lat"),
        lon_deg=lon_deg,
        height_m=None if is_high else _signed(high >> 9, 15),
        anomaly_m=None if is_high else _signed(high & 0x1FF, 9),
        raw_high_height=high if is_high else None,
    )
