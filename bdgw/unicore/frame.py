"""The binary frame of Unicore: three sync bytes, a head of 24 bytes, a payload, a CRC-32.

Source: Unicore N4 Products Commands and Logs Reference Book R1.6, tables 7-49 and 7-50, which
RTKLIB EX 2.5 and pyunigps 1.0 agree with.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import NamedTuple

import anycrc

from bdgw.wire.splitter import NEED_MORE, NOISE, FramerAnswer

__all__ = [
    "BD3EPH",
    "BDSEPH",
    "BDSION",
    "GALEPH",
    "GLOEPH",
    "GPSEPH",
    "GPSION",
    "LEADS",
    "OBSVM",
    "OBSVMCMP",
    "PROTOCOL",
    "QZSSEPH",
    "Head",
    "crc32",
    "frame_unicore",
    "head_of_frame",
    "is_observation",
    "is_raw",
    "name_of_kind",
    "payload_of_frame",
]

PROTOCOL = "unicore"
LEADS = b"\xaa"
_SYNC = b"\xaa\x44\xb5"
_HEAD = struct.Struct("<3sBHHBBHIIBBH")
_CRC_BYTES = 4
_MAX_PAYLOAD_BYTES = 20_484
"""An OBSVM of 512 signals."""
_WEEK_NS = 604_800_000_000_000
_MS_NS = 1_000_000
_BDT_WEEKS, _BDT_NS = 1356, 14_000_000_000
_BDT = 1
_NO_TIME = (20, 201)
"""Status of a time that is not known."""

OBSVM, OBSVMCMP = 12, 138
GPSEPH, GLOEPH, BDSEPH, GALEPH, QZSSEPH, BD3EPH = 106, 107, 108, 109, 110, 2999
GPSION, BDSION = 8, 4
_NAMES = {
    OBSVM: "OBSVM",
    OBSVMCMP: "OBSVMCMP",
    GPSEPH: "GPSEPH",
    GLOEPH: "GLOEPH",
    BDSEPH: "BDSEPH",
    GALEPH: "GALEPH",
    QZSSEPH: "QZSSEPH",
    BD3EPH: "BD3EPH",
    GPSION: "GPSION",
    BDSION: "BDSION",
}

crc32: Callable[[bytes], int] = anycrc.CRC(
    width=32, poly=0x04C11DB7, init=0, refin=True, refout=True, xorout=0
).calc
"""The CRC-32 of Ethernet's polynomial, begun with 0 and not inverted at the end."""


class Head(NamedTuple):
    """What the head says; ``t_gpst_ns`` is None while the receiver does not know its time."""

    kind: int
    t_gpst_ns: int | None


def frame_unicore(buffer: bytes, position: int, is_final: bool) -> FramerAnswer:
    """Judge whether a frame starts at ``position``; a length is believed only with its checksum."""
    available = len(buffer) - position
    opening = buffer[position : position + len(_SYNC)]
    if not _SYNC.startswith(opening):
        return NOISE
    if available < 8:
        return NOISE if is_final else NEED_MORE
    length = int.from_bytes(buffer[position + 6 : position + 8], "little")
    if length > _MAX_PAYLOAD_BYTES:
        return NOISE
    end = position + _HEAD.size + length
    if len(buffer) < end + _CRC_BYTES:
        return "incomplete" if is_final else NEED_MORE
    if crc32(buffer[position:end]) != int.from_bytes(buffer[end : end + _CRC_BYTES], "little"):
        return "bad_checksum"
    return end + _CRC_BYTES - position


def head_of_frame(frame: bytes) -> Head:
    """Read the head of a whole frame."""
    _, _, kind, _, reference, status, week, tow_ms, *_ = _HEAD.unpack_from(frame)
    if not week or status in _NO_TIME or tow_ms >= 604_800_000:
        return Head(kind, None)
    t_ns = week * _WEEK_NS + tow_ms * _MS_NS
    return Head(kind, t_ns + _BDT_WEEKS * _WEEK_NS + _BDT_NS if reference == _BDT else t_ns)


def payload_of_frame(frame: bytes) -> bytes:
    """Give what a whole frame carries."""
    return frame[_HEAD.size : -_CRC_BYTES]


def is_observation(kind: int) -> bool:
    """Whether a message is an epoch of the main antenna."""
    return kind in (OBSVM, OBSVMCMP)


def is_raw(kind: int) -> bool:
    """Whether a message carries what positions are computed from."""
    return kind in _NAMES


def name_of_kind(kind: int) -> str:
    """Name a message: as Unicore does where the gateway reads it, else by its number."""
    return _NAMES.get(kind) or f"UNI-{kind}"
