"""The outside of a 4.0 frame: ``$``, four letters, length, user address, information, XOR.

Source: RDSS digest, 3. A length is believed only when the XOR over so many bytes is 0.
"""

from __future__ import annotations

import re

from bdgw.errors import DecodeError, EncodeError
from bdgw.shortmsg.family.forbidden import is_forbidden
from bdgw.wire.checksum import xor8
from bdgw.wire.splitter import NEED_MORE, NOISE, FramerAnswer

__all__ = [
    "MAX_FRAME_BYTES",
    "MAX_LENGTH_HIGH_BYTE",
    "MIN_FRAME_BYTES",
    "frame_binary",
    "seal_binary",
    "unseal_binary",
]

MIN_FRAME_BYTES = 11
MAX_FRAME_BYTES = 2000
"""A ceiling against noise: the longest message of any level, 210 bytes, makes 230."""
MAX_LENGTH_HIGH_BYTE = MAX_FRAME_BYTES >> 8
"""The sixth byte of a frame is not above this; that of a sentence is a letter or a comma."""

_HEAD_BYTES = 7
_INFORMATION_AT = 10
_MAX_ADDRESS = 0xFFFFFF
_OPENING = re.compile(rb"\$[A-Z]{0,4}").match
_NAME = re.compile(r"[A-Z]{4}", re.ASCII).fullmatch


def frame_binary(buffer: bytes, position: int, is_final: bool) -> FramerAnswer:
    """Judge whether a frame of family 4.0 starts at ``position``."""
    available = len(buffer) - position
    opening = _OPENING(buffer, position)
    n_opening = opening.end() - position if opening else 0
    if n_opening < min(available, 5):
        return NOISE
    if available > 5 and buffer[position + 5] > MAX_LENGTH_HIGH_BYTE:
        return NOISE
    if available < _HEAD_BYTES:
        return NOISE if is_final else NEED_MORE
    length = int.from_bytes(buffer[position + 5 : position + 7], "big")
    if not MIN_FRAME_BYTES <= length <= MAX_FRAME_BYTES:
        return "bad_length"
    if available < length:
        return "incomplete" if is_final else NEED_MORE
    if xor8(buffer[position : position + length]):
        return "bad_checksum"
    return length


def unseal_binary(frame: bytes) -> tuple[str, int, bytes]:
    """Take a frame apart: name, user address, information.

    Raises:
        DecodeError: it is no whole frame with a good checksum.
    """
    answer = frame_binary(frame, 0, True)
    if isinstance(answer, str):
        raise DecodeError(f"no 4.0 frame: {answer or 'noise'}")
    if answer != len(frame):
        raise DecodeError(f"a 4.0 frame of {answer} bytes is followed by {len(frame) - answer}")
    user_address = int.from_bytes(frame[7:_INFORMATION_AT], "big")
    return frame[1:5].decode("ascii"), user_address, frame[_INFORMATION_AT:-1]


def seal_binary(name: str, user_address: int, information: bytes) -> bytes:
    """Put information into a frame.

    Raises:
        EncodeError: the name is not four letters, the address does not fit, the frame is too
            long, or a command that must never be sent would stand in it.
    """
    length = MIN_FRAME_BYTES + len(information)
    if not _NAME(name):
        raise EncodeError(f"{name!r} is not four upper-case letters")
    if not 0 <= user_address <= _MAX_ADDRESS:
        raise EncodeError(f"user address {user_address} does not fit three bytes")
    if length > MAX_FRAME_BYTES:
        raise EncodeError(f"a frame of {length} bytes is longer than {MAX_FRAME_BYTES}")
    body = b"$%s%s%s%s" % (
        name.encode("ascii"),
        length.to_bytes(2, "big"),
        user_address.to_bytes(3, "big"),
        information,
    )
    frame = body + bytes((xor8(body),))
    if is_forbidden(frame):
        raise EncodeError("a command that must never be sent would stand in the frame")
    return frame
