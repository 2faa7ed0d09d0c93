"""The content of a message between its form on the line and plain bytes.

Families 2.1 and 3 write code and mixed content as hexadecimal text, four bits a digit; 4.0 writes
it raw. Source: RDSS digest, 2.2, 5.2 and 6.3.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from bdgw.errors import EncodeError
from bdgw.shortmsg.vocabulary import Form, OutgoingFrame

__all__ = ["MIXED_MARK", "LineContent", "check_outgoing", "from_line", "to_line"]

MIXED_MARK = 0xA4

_HEX = re.compile(rb"[0-9A-Fa-f]*").fullmatch
_BREAKS_A_SENTENCE = re.compile(rb"[\x00-\x1f\x7f$*,]").search


class LineContent(NamedTuple):
    """Content as plain bytes; an odd last digit stands in the high half of the last byte."""

    content: bytes
    n_bits: int
    is_whole: bool = True
    """False where the line promised hexadecimal digits and has other letters: then the content is
    the bytes of the line."""


def from_line(form: Form, text: bytes) -> LineContent:
    """Read the content field of a sentence."""
    if form is Form.HANZI:
        return LineContent(text, 8 * len(text))
    if not _HEX(text):
        return LineContent(text, 8 * len(text), is_whole=False)
    digits = text.decode("ascii")
    return LineContent(bytes.fromhex(digits + "0" * (len(digits) % 2)), 4 * len(digits))


def to_line(frame: OutgoingFrame) -> bytes:
    """Write the content field of a sentence.

    Raises:
        EncodeError: see ``check_outgoing``; or 汉字 content would break the sentence.
    """
    check_outgoing(frame)
    if frame.form is not Form.HANZI:
        return frame.content.hex().upper()[: frame.n_bits // 4].encode("ascii")
    broken = _BREAKS_A_SENTENCE(frame.content)
    if broken:
        raise EncodeError(
            f"{broken[0]!r} cannot stand in 汉字 content of a sentence; send it mixed"
        )
    return frame.content


def check_outgoing(frame: OutgoingFrame) -> None:
    """Hold the parts of a transmission against each other.

    Raises:
        EncodeError: it has no content, ``n_bits`` does not fit it, or mixed content has no A4.
    """
    n_all = 8 * len(frame.content)
    n_least = n_all - 4 if frame.form is Form.CODE else n_all
    if not frame.content:
        raise EncodeError("a message needs content")
    if not n_least <= frame.n_bits <= n_all or frame.n_bits % 4:
        raise EncodeError(f"{frame.n_bits} bits do not fit {len(frame.content)} bytes of content")
    if frame.form is Form.MIXED and frame.content[0] != MIXED_MARK:
        raise EncodeError("mixed content begins with A4")
