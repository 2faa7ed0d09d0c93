"""The RTCM 3 transport frame: preamble, length, payload, CRC-24Q.

Source: RTCM 10403.3, clause 4 (0xD3, 6 reserved bits, 10-bit length, payload, 24-bit checksum).
"""

from __future__ import annotations

from bdgw.errors import EncodeError
from bdgw.rtcm.bits import MAX_PAYLOAD_BYTES
from bdgw.wire.checksum import crc24q
from bdgw.wire.splitter import NEED_MORE, NOISE, FramerAnswer

__all__ = ["LEADS", "PROTOCOL", "frame_rtcm3", "message_number", "payload_of", "seal_rtcm3"]

PROTOCOL = "rtcm3"
LEADS = b"\xd3"
_OVERHEAD_BYTES = 6


def frame_rtcm3(buffer: bytes, position: int, is_final: bool) -> FramerAnswer:
    """Judge whether a frame starts at ``position``; a length is believed only with its CRC."""
    available = len(buffer) - position
    if available < 3:
        return NOISE if is_final else NEED_MORE
    if buffer[position + 1] & 0xFC:
        # The reserved bits are zero in every RTCM 10403.x; this throws out most false preambles.
        return NOISE
    length = (buffer[position + 1] << 8) + buffer[position + 2] + _OVERHEAD_BYTES
    if available < length:
        return "incomplete" if is_final else NEED_MORE
    if crc24q(buffer[position : position + length]):
        return "bad_checksum"
    return length


def message_number(frame: bytes) -> int | None:
    """Give the message number (DF002, 12 bits) of a whole frame, None where the payload is empty.

    A payload of length 0 is a legal filler.
    """
    if len(frame) < _OVERHEAD_BYTES + 2:
        return None
    return (frame[3] << 4) | (frame[4] >> 4)


def payload_of(frame: bytes) -> bytes:
    """Give what a whole frame carries."""
    return frame[3:-3]


def seal_rtcm3(payload: bytes) -> bytes:
    """Put a payload of at most 1,023 bytes into a frame.

    Raises:
        EncodeError: it is longer.
    """
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise EncodeError(f"{len(payload)} bytes are more than a frame carries")
    head = bytes((LEADS[0], len(payload) >> 8, len(payload) & 0xFF)) + payload
    return head + crc24q(head).to_bytes(3, "big")
