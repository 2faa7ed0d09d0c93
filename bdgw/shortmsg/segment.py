"""The units of long messages between bdgw gateways, bit by bit.

Every unit begins with six bytes, the highest bit first: 8 bits 0xBD; 2 version, 1; 2 kind; 10
number of data units of the message; 10 index of this unit, or the code of a control; 16 message
id. What follows depends on the kind, see ``docs/long-messages.md``.
"""

from __future__ import annotations

import enum
import zlib
from collections.abc import Sequence

import msgspec

from bdgw.errors import DecodeError, EncodeError
from bdgw.shortmsg.erasure import DATA_MAX, block_count, unit_count
from bdgw.shortmsg.held_map import HeldMap, pack_map, parse_map

__all__ = [
    "CONTROL_BYTES_MIN",
    "HEADER_BYTES",
    "ID_MAX",
    "RECORD_BYTE",
    "UNIT_BYTES_MIN",
    "Abandoned",
    "Complete",
    "Progress",
    "Refusal",
    "RefusalCause",
    "Segment",
    "Unit",
    "check_of",
    "join_payload",
    "pack",
    "pack_progress",
    "parse",
    "payload_bytes_max",
    "split_payload",
]

RECORD_BYTE = 0xBD
HEADER_BYTES = 6
UNIT_BYTES_MIN = 12
"""Below this, more than half of each unit would be header."""
CONTROL_BYTES_MIN = 20
"""Holds every control, though a map of what is held only in parts."""
ID_MAX = 0xFFFF
_VERSION = 1
_CHECK_BYTES = 4
_END = 0x80
_ARRIVED_MAX = 0xFFFF
_NEED_MAX = 0xFF
_CODE_PROGRESS, _CODE_COMPLETE, _CODE_REFUSED = 0, 1, 2


class _Kind(enum.IntEnum):
    SEGMENT = 0
    SEGMENT_ASKING = 1
    CONTROL = 2
    ABANDONED = 3


class RefusalCause(enum.IntEnum):
    """Why a receiver does not want a message."""

    FULL = 0
    """No room for it now; later there may be."""
    TOO_LARGE = 1
    CHECK = 2
    """It was rebuilt several times and never fitted its check."""


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """A data or parity unit."""

    message_id: int
    n_data: int
    index: int
    chunk: bytes
    wants_reply: bool = False
    """The receiver shall say at once what it holds."""


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """What the receiver still needs."""

    message_id: int
    n_data: int
    n_arrived: int
    """Units of this message that have come, repeated ones included; the sender learns the loss."""
    needs: tuple[int, ...]
    """By block, how many more units of it."""
    held: HeldMap


class Complete(msgspec.Struct, frozen=True, kw_only=True):
    """The receiver has the whole message; ``check`` says which one."""

    message_id: int
    n_data: int
    check: int
    n_arrived: int


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """The receiver will not have the message."""

    message_id: int
    n_data: int
    cause: RefusalCause


class Abandoned(msgspec.Struct, frozen=True, kw_only=True):
    """The sender will send no more of the message."""

    message_id: int
    n_data: int


Unit = Segment | Progress | Complete | Refusal | Abandoned


# --- the message as a whole -----------------------------------------------------------------------


def check_of(payload: bytes) -> int:
    """CRC-32 (IEEE 802.3) of a payload."""
    return zlib.crc32(payload)


def payload_bytes_max(unit_bytes: int) -> int:
    """The longest payload that units of this size carry."""
    return DATA_MAX * (unit_bytes - HEADER_BYTES) - _CHECK_BYTES - 1


def even_unit_bytes(n_bytes: int, unit_bytes: int) -> int:
    """The shortest units that carry a payload in as few as units of ``unit_bytes`` do."""
    n_body = n_bytes + 1 + _CHECK_BYTES
    n_data = -(-n_body // max(1, unit_bytes - HEADER_BYTES))
    return min(unit_bytes, max(UNIT_BYTES_MIN, HEADER_BYTES - (-n_body // n_data)))


def split_payload(payload: bytes, unit_bytes: int) -> list[bytes]:
    """The data of the units: the payload, 0x80, zeros up to the end of a unit, and the check.

    Raises:
        EncodeError: the units are too short or the payload is too long.
    """
    if unit_bytes < UNIT_BYTES_MIN:
        raise EncodeError(f"long messages need units of {UNIT_BYTES_MIN} bytes, not {unit_bytes}")
    chunk_bytes = unit_bytes - HEADER_BYTES
    n_data = -(-(len(payload) + 1 + _CHECK_BYTES) // chunk_bytes)
    if n_data > DATA_MAX:
        most = payload_bytes_max(unit_bytes)
        raise EncodeError(f"{len(payload)} bytes are over the {most} that such units carry")
    body = payload + bytes((_END,))
    body = body.ljust(n_data * chunk_bytes - _CHECK_BYTES, b"\x00")
    body += check_of(payload).to_bytes(_CHECK_BYTES, "big")
    return [body[i : i + chunk_bytes] for i in range(0, len(body), chunk_bytes)]


def join_payload(chunks: Sequence[bytes]) -> bytes | None:
    """The payload of all data units; None if it does not fit its check."""
    body = b"".join(chunks)
    padded, check = body[:-_CHECK_BYTES].rstrip(b"\x00"), body[-_CHECK_BYTES:]
    if not padded or padded[-1] != _END:
        return None
    payload = padded[:-1]
    return payload if check == check_of(payload).to_bytes(_CHECK_BYTES, "big") else None


# --- one unit -------------------------------------------------------------------------------------


def pack(unit: Unit) -> bytes:
    """The bytes of a unit; a progress as long as it comes.

    Raises:
        EncodeError: a value is out of its range.
    """
    match unit:
        case Segment():
            kind = _Kind.SEGMENT_ASKING if unit.wants_reply else _Kind.SEGMENT
            if not (unit.chunk and 0 <= unit.index < _unit_count(unit.n_data)):
                raise EncodeError(f"no unit {unit.index} of a message of {unit.n_data}")
            return _header(unit, kind, unit.index) + unit.chunk
        case Progress():
            return pack_progress(unit, 1 << 16)[0]
        case Complete():
            return (
                _header(unit, _Kind.CONTROL, _CODE_COMPLETE)
                + min(unit.n_arrived, _ARRIVED_MAX).to_bytes(2, "big")
                + unit.check.to_bytes(_CHECK_BYTES, "big")
            )
        case Refusal():
            return _header(unit, _Kind.CONTROL, _CODE_REFUSED) + bytes((unit.cause,))
        case Abandoned():
            return _header(unit, _Kind.ABANDONED, 0)


def pack_progress(unit: Progress, max_bytes: int) -> tuple[bytes, int | None]:
    """A progress with as much of its map as fits, and where the map was cut.

    Raises:
        EncodeError: a value is out of its range, or there is no room for a map.
    """
    if len(unit.needs) != block_count(unit.n_data):
        raise EncodeError(f"{len(unit.needs)} blocks in a message of {unit.n_data} units")
    head = _header(unit, _Kind.CONTROL, _CODE_PROGRESS)
    head += min(unit.n_arrived, _ARRIVED_MAX).to_bytes(2, "big")
    head += bytes(min(need, _NEED_MAX) for need in unit.needs)
    if max_bytes < CONTROL_BYTES_MIN:
        raise EncodeError(f"a control needs {CONTROL_BYTES_MIN} bytes, not {max_bytes}")
    body, stop = pack_map(unit.held, max_bytes - len(head))
    return head + body, stop


def parse(data: bytes) -> Unit:
    """Read a unit.

    Raises:
        DecodeError: it is none, of another version, or contradicts itself.
    """
    if len(data) < HEADER_BYTES or data[0] != RECORD_BYTE:
        raise DecodeError("not a unit of a long message", bit=0)
    word = int.from_bytes(data[1:HEADER_BYTES], "big")
    version, kind = word >> 38, _Kind(word >> 36 & 3)
    n_data, index, message_id = word >> 26 & 0x3FF, word >> 16 & 0x3FF, word & ID_MAX
    if version != _VERSION:
        raise DecodeError(f"version {version} of long messages", bit=8)
    if not 1 <= n_data <= DATA_MAX:
        raise DecodeError(f"a message of {n_data} units", bit=12)
    body = data[HEADER_BYTES:]
    if kind is _Kind.CONTROL:
        return _parse_control(message_id, n_data, index, body)
    if kind is _Kind.ABANDONED:
        if index or body:
            raise DecodeError("more than it should say", bit=22)
        return Abandoned(message_id=message_id, n_data=n_data)
    if index >= unit_count(n_data):
        raise DecodeError(f"unit {index} of a message of {n_data}", bit=22)
    if not body:
        raise DecodeError("a unit without content", bit=8 * HEADER_BYTES)
    return Segment(
        message_id=message_id,
        n_data=n_data,
        index=index,
        chunk=body,
        wants_reply=kind is _Kind.SEGMENT_ASKING,
    )


def _header(unit: Unit, kind: _Kind, index: int) -> bytes:
    if not (0 <= unit.message_id <= ID_MAX and 1 <= unit.n_data <= DATA_MAX):
        raise EncodeError(f"message id {unit.message_id} with {unit.n_data} units")
    word = _VERSION << 38 | kind << 36 | unit.n_data << 26 | index << 16 | unit.message_id
    return bytes((RECORD_BYTE,)) + word.to_bytes(HEADER_BYTES - 1, "big")


def _unit_count(n_data: int) -> int:
    return unit_count(n_data) if 1 <= n_data <= DATA_MAX else 0


def _parse_control(message_id: int, n_data: int, code: int, body: bytes) -> Unit:
    if code == _CODE_COMPLETE and len(body) == 2 + _CHECK_BYTES:
        return Complete(
            message_id=message_id,
            n_data=n_data,
            n_arrived=int.from_bytes(body[:2], "big"),
            check=int.from_bytes(body[2:], "big"),
        )
    if code == _CODE_REFUSED and len(body) == 1 and body[0] <= max(RefusalCause):
        return Refusal(message_id=message_id, n_data=n_data, cause=RefusalCause(body[0]))
    n_blocks = block_count(n_data)
    if code != _CODE_PROGRESS or len(body) < 4 + n_blocks:
        raise DecodeError(f"control {code} with {len(body)} bytes", bit=22)
    needs = tuple(body[2 : 2 + n_blocks])
    if not any(needs):
        raise DecodeError("a progress that needs nothing", bit=8 * (HEADER_BYTES + 2))
    return Progress(
        message_id=message_id,
        n_data=n_data,
        n_arrived=int.from_bytes(body[:2], "big"),
        needs=needs,
        held=parse_map(body[2 + n_blocks :], unit_count(n_data)),
    )
