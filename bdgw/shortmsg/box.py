"""Payloads of makers of boxes that were seen in public: a text, and a track of an aircraft.

Each is known from one public source; a frame of each was checked against it.
Source: RDSS digest 10.
"""

from __future__ import annotations

import datetime
import struct

import msgspec

from bdgw.errors import DecodeError

__all__ = ["AviationTrack", "BoxText", "TrackPoint", "decode_box_text", "decode_track"]

_TEXT_MARK = 0x90
_TEXT_HEAD_BYTES = 10
_TRACK_MARK = b"\xbf\x01"
_TRACK_BYTES = 75
_TRACK_HEAD = struct.Struct(">IiiHHH")
_POINT_BYTES = 13
_TRACK_EPOCH = datetime.datetime(2016, 1, 1, tzinfo=datetime.UTC)
_UNIX_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


class BoxText(msgspec.Struct, frozen=True, kw_only=True, tag="box_text", tag_field="kind"):
    """A text with the telephone number and the time that the box wrote."""

    raw: bytes
    phone: str | None
    """None where it is all zeros."""
    time: str
    """ISO 8601, UTC."""
    text: str


class TrackPoint(msgspec.Struct, frozen=True, kw_only=True):
    """A point after the first; offsets as written, from the first point."""

    offset_s: int
    lat_offset_deg: float
    lon_offset_deg: float
    altitude_m: int
    raw_speed: int
    """Its unit is not known."""
    heading_deg: int


class AviationTrack(
    msgspec.Struct, frozen=True, kw_only=True, tag="aviation_track", tag_field="kind"
):
    """Five points of a light aircraft."""

    raw: bytes
    flight: int
    time: str
    """ISO 8601, UTC."""
    lat_deg: float
    lon_deg: float
    altitude_m: int
    raw_speed: int
    heading_deg: int
    points: tuple[TrackPoint, ...]


def decode_box_text(content: bytes) -> BoxText:
    """Decode header 90, five bytes of digits, Unix time and GBK.

    Raises:
        DecodeError: another header, no digits, or no text.
    """
    if len(content) <= _TEXT_HEAD_BYTES or content[0] != _TEXT_MARK:
        raise DecodeError("no box text", bit=0)
    phone = content[1:6].hex()
    if not phone.isdecimal():
        raise DecodeError("telephone number", bit=8)
    try:
        text = content[_TEXT_HEAD_BYTES:].decode("gbk")
    except UnicodeDecodeError as error:
        raise DecodeError("not GBK", bit=8 * (_TEXT_HEAD_BYTES + error.start)) from None
    seconds = int.from_bytes(content[6:10])
    return BoxText(
        raw=content,
        phone=phone if phone.strip("0") else None,
        time=(_UNIX_EPOCH + datetime.timedelta(seconds=seconds)).isoformat(),
        text=text,
    )


def _point(data: bytes) -> TrackPoint:
    altitude, speed, heading = struct.unpack(">HHH", data[7:13])
    return TrackPoint(
        offset_s=data[0],
        lon_offset_deg=int.from_bytes(data[1:4], signed=True) / 1e6,
        lat_offset_deg=int.from_bytes(data[4:7], signed=True) / 1e6,
        altitude_m=altitude,
        raw_speed=speed,
        heading_deg=heading,
    )


def decode_track(content: bytes) -> AviationTrack:
    """Decode header BF01 and its five points.

    Raises:
        DecodeError: another header or length, or no position on Earth.
    """
    if len(content) != _TRACK_BYTES or content[:2] != _TRACK_MARK:
        raise DecodeError("no aviation track", bit=0)
    seconds, lon_e6, lat_e6, altitude, speed, heading = _TRACK_HEAD.unpack_from(content, 5)
    if abs(lat_e6) > 90_000_000 or abs(lon_e6) > 180_000_000:
        raise DecodeError(f"position {lat_e6}, {lon_e6}", bit=72)
    return AviationTrack(
        raw=content,
        flight=int.from_bytes(content[2:5]),
        time=(_TRACK_EPOCH + datetime.timedelta(seconds=seconds)).isoformat(),
        lat_deg=lat_e6 / 1e6,
        lon_deg=lon_e6 / 1e6,
        altitude_m=altitude,
        raw_speed=speed,
        heading_deg=heading,
        points=tuple(
            _point(content[at : at + _POINT_BYTES]) for at in range(23, _TRACK_BYTES, _POINT_BYTES)
        ),
    )
