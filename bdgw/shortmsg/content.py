"""What a received message is: a text, a known payload, or bytes.

Recognition is a guess from the outside, in a fixed order, and never refuses: what is not
understood is binary, with the reason where it nearly was something. The bytes of the content are
kept in every result. Records of bdgw peers are told by their first byte and handed on unread.
Source: RDSS digest 2.2, 9 (item 4), 10.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from bdgw.errors import DecodeError
from bdgw.shortmsg.box import AviationTrack, BoxText, decode_box_text, decode_track
from bdgw.shortmsg.jt808 import VehicleReport, decode_location_frame
from bdgw.shortmsg.position_report import PositionReport, decode_position_report
from bdgw.shortmsg.sl651 import HydrologyFrame, decode_frame
from bdgw.shortmsg.text import MIXED_MARK, is_readable, unpack_digits
from bdgw.shortmsg.vocabulary import Form, Received

__all__ = [
    "RECORD_MARK",
    "BdgwRecord",
    "BinaryContent",
    "CodeContent",
    "Content",
    "TextContent",
    "recognise",
    "recognise_content",
]

RECORD_MARK = 0xBD
"""First byte of what bdgw peers send each other; the next byte is the kind of record."""
_KIND_OF_RECORD = {0b01: "unit", 0b10: "sealed"}
"""By the two highest bits of the second byte."""


class TextContent(msgspec.Struct, frozen=True, kw_only=True, tag="text", tag_field="kind"):
    """Text of GBK, as 汉字 or behind A4."""

    raw: bytes
    text: str


class CodeContent(msgspec.Struct, frozen=True, kw_only=True, tag="code", tag_field="kind"):
    """Digits. Some senders push ASCII through this form: then ``ascii_text`` is what it spells."""

    raw: bytes
    digits: str
    ascii_text: str | None = None


class BdgwRecord(msgspec.Struct, frozen=True, kw_only=True, tag="bdgw_record", tag_field="kind"):
    """A record of another bdgw: part of a long message, an acknowledgement, a sealed message."""

    raw: bytes
    record: str | None
    """``unit`` of a long message, ``sealed`` message; None for one that a newer bdgw sends."""


class BinaryContent(msgspec.Struct, frozen=True, kw_only=True, tag="binary", tag_field="kind"):
    """Anything else."""

    raw: bytes
    almost: str | None = None
    """What it began like, and what was wrong with it."""
    text_guess: str | None = None
    """What it would read as GBK, where that is readable; an agreement of applications."""
    digits: str | None = None
    """Of 代码, with the letters A-F; an odd number of them does not show in ``raw``."""


Content = (
    TextContent
    | CodeContent
    | PositionReport
    | HydrologyFrame
    | BdgwRecord
    | VehicleReport
    | BoxText
    | AviationTrack
    | BinaryContent
)

_Known = PositionReport | HydrologyFrame | VehicleReport | BoxText | AviationTrack
_DECODERS: tuple[tuple[bytes, Callable[[bytes], _Known]], ...] = (
    (b"\x7e\x7e", decode_frame),
    (b"\x7e", decode_location_frame),
    (b"\xa0", decode_position_report),
    (b"\xbf\x01", decode_track),
    (b"\x90", decode_box_text),
)
"""By the first bytes, the longer ones first."""


def _as_text(data: bytes) -> str | None:
    try:
        text = data.decode("gbk")
    except UnicodeDecodeError:
        return None
    return text if is_readable(text) else None


def _known(data: bytes) -> tuple[_Known | None, str | None]:
    """Try the payloads by their first bytes; give one, or what went wrong with the first."""
    almost: str | None = None
    for mark, decode in _DECODERS:
        if not data.startswith(mark):
            continue
        try:
            return decode(data), None
        except DecodeError as error:
            almost = almost or str(error)
    return None, almost


def _hanzi(content: bytes) -> Content:
    text = _as_text(content)
    return BinaryContent(raw=content) if text is None else TextContent(raw=content, text=text)


def _mixed(content: bytes) -> Content:
    """Text first: A4 says so. Some put other payloads behind it."""
    if content[:1] != bytes([MIXED_MARK]):
        return _code(content, 8 * len(content))
    body = content[1:]
    text = _as_text(body)
    if text is not None:
        return TextContent(raw=content, text=text)
    known, almost = _known(body)
    if known is not None:
        return msgspec.structs.replace(known, raw=content)
    return BinaryContent(raw=content, almost=almost)


def _code(content: bytes, n_bits: int) -> Content:
    digits = unpack_digits(content, n_bits)
    if digits.isdecimal():
        # First of all: digits that a person sent must come back as those digits.
        spelt = content.decode("ascii") if content.isascii() and n_bits % 8 == 0 else ""
        ascii_text = spelt if is_readable(spelt) else None
        return CodeContent(raw=content, digits=digits, ascii_text=ascii_text)
    if content[:1] == bytes([RECORD_MARK]) and len(content) >= 2:
        return BdgwRecord(raw=content, record=_KIND_OF_RECORD.get(content[1] >> 6))
    if content[:1] == bytes([MIXED_MARK]):
        return _mixed(content)
    known, almost = _known(content)
    if known is not None:
        return known
    return BinaryContent(
        raw=content, almost=almost, text_guess=_as_text(content), digits=digits or None
    )


def recognise_content(form: Form, content: bytes, n_bits: int) -> Content:
    """Tell what a content is; any bytes give an answer. ``n_bits`` is that of the serial line."""
    if not content:
        return BinaryContent(raw=content)
    if form is Form.HANZI:
        return _hanzi(content)
    return _mixed(content) if form is Form.MIXED else _code(content, n_bits)


def recognise(message: Received) -> Content:
    """Tell what a received message is; it never fails. The whole frame stays in the message."""
    return recognise_content(message.form, message.content, message.n_bits)
