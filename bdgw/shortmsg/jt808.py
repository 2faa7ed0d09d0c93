"""Location reports (0x0200) of the vehicle protocol JT/T 808, as they come in messages.

Frames of the 2013 and the 2019 edition; other messages and split ones are left alone.
Source: JT/T 808-2013 and -2019, clauses 4.4 and 8 (location report).
"""

from __future__ import annotations

import msgspec

from bdgw.errors import DecodeError
from bdgw.shortmsg.bcd import decode_bcd_time
from bdgw.wire.checksum import xor8

__all__ = ["VehicleExtra", "VehicleReport", "decode_location_frame"]

_FLAG = 0x7E
_LOCATION = 0x0200
_BASIC_BYTES = 28
_ENCRYPTED = 0x1C00
_SPLIT = 0x2000
_IS_2019 = 0x4000
_POSITIONED, _SOUTH, _WEST = 1 << 1, 1 << 2, 1 << 3


class VehicleExtra(msgspec.Struct, frozen=True, kw_only=True):
    """An additional item, kept as it is."""

    identifier: int
    raw: bytes


class VehicleReport(
    msgspec.Struct, frozen=True, kw_only=True, tag="jt808_location", tag_field="kind"
):
    """Where a vehicle is. The datum is that of its platform: mostly WGS 84 or CGCS2000."""

    raw: bytes
    phone: str
    serial: int
    alarm_bits: int
    status_bits: int
    lat_deg: float | None
    """None, like the longitude, while the vehicle has no position of now."""
    lon_deg: float | None
    height_m: int
    speed_km_h: float
    direction_deg: int
    time: str | None
    """ISO 8601 of GMT+8, without zone."""
    extras: tuple[VehicleExtra, ...] = ()
    rest: bytes = b""
    """Bytes behind the last whole item."""


def _unescaped(inner: bytes) -> bytes:
    out = bytearray()
    it = iter(inner)
    for byte in it:
        if byte == _FLAG:
            raise DecodeError("7E inside a frame")
        if byte != 0x7D:
            out.append(byte)
            continue
        mark = next(it, None)
        if mark not in (1, 2):
            raise DecodeError("7D without 01 or 02")
        out.append(0x7E if mark == 2 else 0x7D)
    return bytes(out)


def _header(message: bytes) -> tuple[str, int, int]:
    """Give phone, serial and where the body begins."""
    if len(message) < 12 or int.from_bytes(message[:2]) != _LOCATION:
        raise DecodeError("no location report of JT/T 808", bit=0)
    props = int.from_bytes(message[2:4])
    if props & (_ENCRYPTED | _SPLIT):
        raise DecodeError("encrypted or split message of JT/T 808", bit=16)
    phone_at, phone_bytes = (5, 10) if props & _IS_2019 else (4, 6)
    body_at = phone_at + phone_bytes + 2
    if len(message) - body_at != props & 0x3FF:
        raise DecodeError(f"body of {props & 0x3FF} bytes announced", bit=16)
    phone = message[phone_at : phone_at + phone_bytes].hex().upper()
    return phone, int.from_bytes(message[body_at - 2 : body_at]), body_at


def _extras(data: bytes) -> tuple[tuple[VehicleExtra, ...], bytes]:
    found: list[VehicleExtra] = []
    at = 0
    while at + 2 <= len(data):
        end = at + 2 + data[at + 1]
        if end > len(data):
            break
        found.append(VehicleExtra(identifier=data[at], raw=data[at + 2 : end]))
        at = end
    return tuple(found), data[at:]


def decode_location_frame(frame: bytes) -> VehicleReport:
    """Decode one frame from 7E to 7E, escapes included.

    Raises:
        DecodeError: it is another message, cut, or its checksum or a length does not fit.
    """
    if len(frame) < 2 or frame[0] != _FLAG or frame[-1] != _FLAG:
        raise DecodeError("no frame of JT/T 808", bit=0)
    message = _unescaped(frame[1:-1])
    if not message or xor8(message) != 0:
        raise DecodeError("checksum of JT/T 808")
    phone, serial, body_at = _header(message[:-1])
    body = message[body_at:-1]
    if len(body) < _BASIC_BYTES:
        raise DecodeError(f"location report of {len(body)} bytes")
    alarm, status, lat_e6, lon_e6 = (int.from_bytes(body[i : i + 4]) for i in range(0, 16, 4))
    height, speed, direction = (int.from_bytes(body[i : i + 2]) for i in range(16, 22, 2))
    if lat_e6 > 90_000_000 or lon_e6 > 180_000_000:
        raise DecodeError(f"position {lat_e6}, {lon_e6}")
    is_positioned = bool(status & _POSITIONED)
    extras, rest = _extras(body[_BASIC_BYTES:])
    return VehicleReport(
        raw=frame,
        phone=phone,
        serial=serial,
        alarm_bits=alarm,
        status_bits=status,
        lat_deg=(-lat_e6 if status & _SOUTH else lat_e6) / 1e6 if is_positioned else None,
        lon_deg=(-lon_e6 if status & _WEST else lon_e6) / 1e6 if is_positioned else None,
        height_m=height,
        speed_km_h=speed / 10,
        direction_deg=direction,
        time=decode_bcd_time(body[22:28]),
        extras=extras,
        rest=rest,
    )
