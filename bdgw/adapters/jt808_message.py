"""What a terminal of JT/T 808 says, and how a platform answers. Bodies only. Pure.

Source: JT/T 808-2013 and -2019, clause 8. Texts are GBK; what is shorter than its field is filled
up with 00 behind.
"""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Sequence

import msgspec

from bdgw.adapters.frame import Refusal, is_near_wgs84
from bdgw.adapters.gcj02 import gcj02_from_wgs84
from bdgw.adapters.jt808_frame import BODY_MAX_BYTES
from bdgw.adapters.spec import Edition, Jt808Terminal
from bdgw.errors import DecodeError
from bdgw.model import DeviceFix, FixKind
from bdgw.timescale import posix_from_gpst

__all__ = [
    "MessageId",
    "Reply",
    "batch_length",
    "decode_registration_reply",
    "decode_reply",
    "encode_authentication",
    "encode_batch",
    "encode_location",
    "encode_registration",
    "encode_reply",
]

_ACC_ON, _POSITIONED, _SOUTH, _WEST, _GCJ02 = 1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 5
"""Bit 5: the coordinates have been through the plug-in (保密插件), which is what GCJ-02 is."""
_SYSTEMS = {"G": 1 << 18, "C": 1 << 19, "R": 1 << 20, "E": 1 << 21}
_SATELLITES = 0x31
_BEIJING_S = 8 * 3600
_SECOND_NS = 1_000_000_000
_WORD_MAX = 0xFFFF
_DECI_KM_H_PER_M_S = 36.0
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_FIRST_S, _LAST_S = 946_656_000, 4_102_415_999
"""2000-01-01 to 2099-12-31 of Beijing: the years that two digits can say."""
_BACKLOG = 1


class MessageId(enum.IntEnum):
    """The messages that are spoken here."""

    TERMINAL_REPLY = 0x0001
    HEARTBEAT = 0x0002
    REGISTER = 0x0100
    AUTHENTICATE = 0x0102
    LOCATION = 0x0200
    LOCATION_BATCH = 0x0704
    PLATFORM_REPLY = 0x8001
    REGISTER_REPLY = 0x8100


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """A general reply (通用应答)."""

    serial: int
    message_id: int
    result: int
    """0 done, 1 failed, 2 wrong, 3 not supported, 4 alarm confirmed."""


def encode_registration(terminal: Jt808Terminal, edition: Edition) -> bytes:
    """Write the body of a registration (0x0100)."""
    maker, model, identity = (5, 20, 7) if edition is Edition.Y2013 else (11, 30, 30)
    return (
        terminal.province.to_bytes(2)
        + terminal.city.to_bytes(2)
        + _padded(terminal.maker_id, maker)
        + _padded(terminal.model, model)
        + _padded(terminal.terminal_id, identity)
        + bytes((terminal.plate_color,))
        + terminal.plate.encode("gbk")
    )


def encode_authentication(
    code: str, terminal: Jt808Terminal, edition: Edition, *, software: str
) -> bytes:
    """Write the body of an authentication (0x0102)."""
    data = code.encode("gbk")
    if edition is Edition.Y2013:
        return data
    return bytes((len(data),)) + data + _padded(terminal.imei, 15) + _padded(software[:20], 20)


def encode_location(
    item: DeviceFix,
    terminal: Jt808Terminal,
    *,
    is_gcj02: bool,
    systems: frozenset[str] = frozenset(),
) -> bytes | Refusal:
    """Write the body of a location report (0x0200), or say why there is none.

    The format has no word for unknown: height, speed and direction are 0 then, and a height below
    the sea is 0. Frames within two metres of WGS 84 are taken as they are. ``systems`` are the
    letters of the satellite systems that the solution is known to use.
    """
    fix = item.fix
    if fix.kind is FixKind.NONE or fix.lat_deg is None or fix.lon_deg is None:
        return Refusal.NO_POSITION
    if fix.t_gpst_ns is None:
        return Refusal.NO_TIME
    if item.frame is None:
        return Refusal.FRAME_UNKNOWN
    if not is_near_wgs84(item.frame):
        return Refusal.FRAME_NOT_WGS84
    posix_s = posix_from_gpst(fix.t_gpst_ns) // _SECOND_NS
    lat_deg, lon_deg = fix.lat_deg, (fix.lon_deg + 180.0) % 360.0 - 180.0
    # Not a number fails the comparisons.
    if not (_FIRST_S <= posix_s <= _LAST_S and abs(lat_deg) <= 90.0 and abs(lon_deg) <= 180.0):
        return Refusal.OUT_OF_RANGE
    if is_gcj02:
        lat_deg, lon_deg = gcj02_from_wgs84(lat_deg, lon_deg)
    status = (
        _POSITIONED
        | (_ACC_ON if terminal.is_acc_on else 0)
        | (_SOUTH if lat_deg < 0 else 0)
        | (_WEST if lon_deg < 0 else 0)
        | (_GCJ02 if is_gcj02 else 0)
        | sum(bit for system, bit in _SYSTEMS.items() if system in systems)
    )
    extras = b""
    if fix.sats_used is not None:
        extras = bytes((_SATELLITES, 1, min(max(fix.sats_used, 0), 0xFF)))
    return (
        bytes(4)
        + status.to_bytes(4)
        + round(abs(lat_deg) * 1e6).to_bytes(4)
        + round(abs(lon_deg) * 1e6).to_bytes(4)
        + _word(fix.alt_msl_m)
        + _word(None if fix.speed_m_s is None else fix.speed_m_s * _DECI_KM_H_PER_M_S)
        + (0 if fix.course_deg is None else round(fix.course_deg) % 360).to_bytes(2)
        + _beijing_time(posix_s)
        + extras
    )


def batch_length(locations: Sequence[bytes]) -> int:
    """Tell how many of these fit into one batch."""
    left = BODY_MAX_BYTES - 3
    for count, body in enumerate(locations):
        left -= 2 + len(body)
        if left < 0:
            return count
    return len(locations)


def encode_batch(locations: Sequence[bytes]) -> bytes:
    """Write the body of a batch (0x0704) of reports that were kept while there was no platform."""
    items = b"".join(len(body).to_bytes(2) + body for body in locations)
    return len(locations).to_bytes(2) + bytes((_BACKLOG,)) + items


def encode_reply(reply: Reply) -> bytes:
    """Write the body of the terminal's general reply (0x0001)."""
    return reply.serial.to_bytes(2) + reply.message_id.to_bytes(2) + bytes((reply.result,))


def decode_reply(body: bytes) -> Reply:
    """Read the platform's general reply (0x8001).

    Raises:
        DecodeError: it has another length.
    """
    if len(body) != 5:
        raise DecodeError(f"general reply of {len(body)} bytes")
    return Reply(
        serial=int.from_bytes(body[:2]), message_id=int.from_bytes(body[2:4]), result=body[4]
    )


def decode_registration_reply(body: bytes) -> tuple[int, int, str]:
    """Read serial, result and code of the answer to a registration (0x8100).

    Raises:
        DecodeError: it is cut, or the code is not GBK.
    """
    if len(body) < 3:
        raise DecodeError(f"answer to a registration of {len(body)} bytes")
    try:
        code = body[3:].rstrip(b"\0").decode("gbk")
    except UnicodeDecodeError:
        raise DecodeError("a code that is not GBK", bit=24) from None
    return int.from_bytes(body[:2]), body[2], code


def _padded(text: str, n_bytes: int) -> bytes:
    return text.encode("gbk").ljust(n_bytes, b"\0")


def _word(number: float | None) -> bytes:
    return (0 if number is None else min(max(round(number), 0), _WORD_MAX)).to_bytes(2)


def _beijing_time(posix_s: int) -> bytes:
    moment = _EPOCH + dt.timedelta(seconds=posix_s + _BEIJING_S)
    return bytes.fromhex(moment.strftime("%y%m%d%H%M%S"))
