"""Frames of JT/T 808: header, checksum, escapes, and finding them in a stream. Pure.

Source: JT/T 808-2013 and -2019, clause 4.4.
"""

from __future__ import annotations

import re

import msgspec

from bdgw.adapters.spec import Edition
from bdgw.errors import DecodeError, EncodeError
from bdgw.wire.checksum import xor8

__all__ = ["BODY_MAX_BYTES", "FrameStream", "Received", "decode_frame", "encode_frame"]

BODY_MAX_BYTES = 0x3FF
_FLAG, _ESCAPE = b"\x7e", b"\x7d"
_STRAY_ESCAPE = re.compile(rb"\x7d(?![\x01\x02])")
_ENCRYPTED, _SPLIT, _IS_2019 = 0x1C00, 0x2000, 0x4000
_PROTOCOL_VERSION = 1
_PHONE_BYTES = {Edition.Y2013: 6, Edition.Y2019: 10}
_FRAME_MAX_BYTES = 2 * (BODY_MAX_BYTES + 32) + 2
"""Header, a whole body and the checksum, with every byte escaped."""


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """A message of the platform."""

    message_id: int
    serial: int
    body: bytes
    is_readable: bool
    """False while the body is encrypted or only a part of it."""


def encode_frame(
    message_id: int, body: bytes, *, phone: str, serial: int, edition: Edition
) -> bytes:
    """Write a frame, flags and escapes included.

    Raises:
        EncodeError: the body or the phone number is too long for one frame.
    """
    n_phone = _PHONE_BYTES[edition]
    if len(body) > BODY_MAX_BYTES or len(phone) > 2 * n_phone:
        raise EncodeError(f"a body of {len(body)} bytes, a phone of {len(phone)} digits")
    is_2019 = edition is Edition.Y2019
    message = (
        message_id.to_bytes(2)
        + (len(body) | (_IS_2019 if is_2019 else 0)).to_bytes(2)
        + (bytes((_PROTOCOL_VERSION,)) if is_2019 else b"")
        + bytes.fromhex(phone.zfill(2 * n_phone))
        + serial.to_bytes(2)
        + body
    )
    message += bytes((xor8(message),))
    return _FLAG + message.replace(_ESCAPE, b"\x7d\x01").replace(_FLAG, b"\x7d\x02") + _FLAG


def decode_frame(inner: bytes) -> Received:
    """Read what stands between two flags, of either edition.

    Raises:
        DecodeError: an escape, the checksum or the length does not fit.
    """
    if _STRAY_ESCAPE.search(inner):
        raise DecodeError("7D without 01 or 02")
    message = inner.replace(b"\x7d\x02", _FLAG).replace(b"\x7d\x01", _ESCAPE)
    if len(message) < 13 or xor8(message) != 0:
        raise DecodeError("checksum of JT/T 808")
    props = int.from_bytes(message[2:4])
    body_at = 17 if props & _IS_2019 else 12
    serial = int.from_bytes(message[body_at - 2 : body_at])
    is_split = bool(props & _SPLIT)
    body = message[body_at + (4 if is_split else 0) : -1]
    if len(body) != props & BODY_MAX_BYTES:
        raise DecodeError(f"body of {props & BODY_MAX_BYTES} bytes announced", bit=16)
    return Received(
        message_id=int.from_bytes(message[:2]),
        serial=serial,
        body=body,
        is_readable=not (is_split or props & _ENCRYPTED),
    )


class FrameStream:
    """Cuts a stream into messages. Whatever is between flags and no frame is counted."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.n_bad = 0

    def receive(self, data: bytes) -> list[Received]:
        """Take bytes; give the messages that they complete.

        Every flag ends one frame and may begin the next, so a foreign frame harms only itself.
        """
        found = []
        self._buffer += data
        *pieces, rest = self._buffer.split(_FLAG)
        if len(rest) > _FRAME_MAX_BYTES:
            self.n_bad += 1
            rest = bytearray()
        self._buffer = rest
        for piece in pieces:
            if not piece:
                continue
            try:
                found.append(decode_frame(bytes(piece)))
            except DecodeError:
                self.n_bad += 1
        return found
