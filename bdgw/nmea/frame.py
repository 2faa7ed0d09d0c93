"""The outside of an NMEA 0183 sentence: delimiter, text, checksum, line end.

Source: NMEA 0183 4.11, clause 5.3 (sentence structure). Receivers with high-precision output
exceed the standard's 82 characters, so the limit here is a ceiling against noise only. A sentence
without checksum is refused: on a noisy line it cannot be told from a damaged one.
"""

from __future__ import annotations

import re

from bdgw.wire.checksum import xor8
from bdgw.wire.splitter import NEED_MORE, NOISE, FramerAnswer

__all__ = ["LEADS", "MAX_SENTENCE_BYTES", "PROTOCOL", "frame_nmea"]

PROTOCOL = "nmea"
LEADS = b"$!"
MAX_SENTENCE_BYTES = 1024

_LF = 0x0A
_TEXT = rb"[^\x00-\x1f!$*\x7f-\xff]"
_WHOLE = re.compile(
    rb"[$!](" + _TEXT + rb"{1,%d})\*([0-9A-Fa-f]{2})\r{0,2}\n?" % MAX_SENTENCE_BYTES
).match
_BEGINNING = re.compile(rb"[$!]" + _TEXT + rb"{0,%d}(?:\*[0-9A-Fa-f]?)?" % MAX_SENTENCE_BYTES).match
_MIN_ADDRESS = re.compile(rb"[$!][A-Z0-9]{3}").match


def frame_nmea(buffer: bytes, position: int, is_final: bool) -> FramerAnswer:
    """Judge whether a sentence starts at ``position``."""
    whole = _WHOLE(buffer, position)
    if whole is None:
        return _judge_fragment(buffer, position, is_final=is_final)
    end = whole.end()
    if end == len(buffer) and not is_final and buffer[-1] != _LF:
        return NEED_MORE  # the line end belongs to the sentence and may still come
    text, checksum = whole.groups()
    if xor8(text) != int(checksum, 16):
        return "bad_checksum"
    return end - position


def _judge_fragment(buffer: bytes, position: int, *, is_final: bool) -> FramerAnswer:
    beginning = _BEGINNING(buffer, position)
    end = beginning.end() if beginning else position + 1
    if end == len(buffer):
        return "incomplete" if is_final else NEED_MORE
    if not _MIN_ADDRESS(buffer, position):
        return NOISE  # a lone dollar sign in binary data, not a sentence
    following = buffer[end]
    if following in b"\r\n":
        return "no_checksum"
    return "cut" if following in LEADS else "unprintable"
