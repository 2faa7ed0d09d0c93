"""The outside of a sentence of families 2.1 and 3: address, fields, ``*``, checksum, line end.

Source: RDSS digest, 4 and 6. Unlike NMEA 0183, a field may hold raw GBK bytes and with them
``*``, ``,`` and ``$`` as characters, so the end is the last ``*HH`` of the line that fits.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from bdgw.errors import DecodeError, EncodeError
from bdgw.shortmsg.family.forbidden import is_forbidden
from bdgw.wire.checksum import xor8
from bdgw.wire.splitter import NEED_MORE, NOISE, FramerAnswer

__all__ = ["MAX_SENTENCE_BYTES", "frame_sentence", "seal_sentence", "unseal_sentence"]

MAX_SENTENCE_BYTES = 4096
"""14,000 bits are 3,500 hexadecimal digits; the other fields of TCI take less than 100 bytes."""

_HEAD = re.compile(rb"\$[A-Z]{2}[A-Z0-9]{1,6}[,*]").match
_HEAD_SO_FAR = re.compile(rb"\$(?:[A-Z]?|[A-Z]{2}[A-Z0-9]{0,6})").fullmatch
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
_CHECKSUM = re.compile(rb"\*([0-9A-Fa-f]{2})")
_LINE_END = re.compile(rb"\r{0,2}\n?").match
_ADDRESS = re.compile(r"[A-Z]{2}[A-Z0-9]{1,6}", re.ASCII).fullmatch
_CR, _LF = 0x0D, 0x0A


def frame_sentence(buffer: bytes, position: int, is_final: bool) -> FramerAnswer:
    """Judge whether a sentence starts at ``position``; its line end belongs to it."""
    if not _HEAD(buffer, position):
        waits = not is_final and _HEAD_SO_FAR(buffer, position)
        return NEED_MORE if waits else NOISE
    limit = position + MAX_SENTENCE_BYTES
    control = _CONTROL.search(buffer, position, limit)
    if control is None and len(buffer) < limit and not is_final:
        return NEED_MORE  # only the whole line tells which of several *HH is its end
    stop = control.start() if control else min(len(buffer), limit)
    end = _last_fitting_end(buffer, position, stop)
    if end <= 0:
        return _reason(buffer, stop, limit, has_checksum=end < 0)
    match = _LINE_END(buffer, end)
    end = match.end() if match else end
    if end == len(buffer) and not is_final and buffer[-1] != _LF:
        return NEED_MORE
    return end - position


def _last_fitting_end(buffer: bytes, position: int, stop: int) -> int:
    """Give where the last ``*HH`` that fits ends; 0: there is none at all, -1: none fits."""
    start, checksum, found = position + 1, 0, 0
    for match in _CHECKSUM.finditer(buffer, start, stop):
        checksum ^= xor8(buffer[start : match.start()])
        start = match.start()
        if checksum == int(match[1], 16):
            found = match.end()
        elif not found:
            found = -1
    return found


def _reason(buffer: bytes, stop: int, limit: int, *, has_checksum: bool) -> str:
    if has_checksum:
        return "bad_checksum"
    if stop == limit:
        return "too_long"
    if stop == len(buffer):
        return "incomplete"
    return "no_checksum" if buffer[stop] in (_CR, _LF) else "unprintable"


def unseal_sentence(frame: bytes) -> tuple[str, bytes]:
    """Take a sentence apart: its address and all that stands between the first comma and ``*HH``.

    Raises:
        DecodeError: it is no whole sentence with a good checksum.
    """
    answer = frame_sentence(frame, 0, True)
    if isinstance(answer, str):
        raise DecodeError(f"no sentence: {answer or 'noise'}")
    if answer != len(frame):
        raise DecodeError(f"a sentence of {answer} bytes is followed by {len(frame) - answer}")
    address, _, fields = frame.rstrip(b"\r\n")[1:-3].partition(b",")
    return address.decode("ascii"), fields


def seal_sentence(address: str, fields: Iterable[bytes]) -> bytes:
    """Join fields to a sentence with its CR LF.

    Raises:
        EncodeError: the address is none, a field has control characters, the sentence is too
            long, or a command that must never be sent would stand in it.
    """
    if not _ADDRESS(address):
        raise EncodeError(f"{address!r} is not the address of a sentence")
    text = b",".join((address.encode("ascii"), *fields))
    if _CONTROL.search(text):
        raise EncodeError("a field of a sentence has control characters")
    sentence = b"$%s*%02X\r\n" % (text, xor8(text))
    if len(sentence) > MAX_SENTENCE_BYTES:
        raise EncodeError(f"{len(sentence)} bytes are more than a sentence may have")
    if is_forbidden(sentence):
        raise EncodeError("a command that must never be sent would stand in the sentence")
    return sentence
