"""Fields of sentences: how one is read from the text between commas, and written again.

A reader takes the bytes of one field; empty is None. What is written follows what was read: a
``WrittenInt`` keeps leading zeros, a ``Decimal`` its decimals.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, NamedTuple

from bdgw.errors import DecodeError, EncodeError
from bdgw.shortmsg.family.frame import WrittenInt

__all__ = [
    "CONTENT",
    "DECIMAL",
    "REPORT_CONTENT",
    "TEXT",
    "Column",
    "Kind",
    "hexadecimal",
    "number",
    "switch",
]

_MAX_DIGITS = 20
_DIGITS = re.compile(rb"[0-9]{1,%d}" % _MAX_DIGITS).fullmatch
_HEX_DIGITS = re.compile(rb"[0-9A-Fa-f]{1,8}").fullmatch
_DECIMAL = re.compile(rb"-?[0-9]{1,12}(?:\.[0-9]{0,12})?").fullmatch
_FREE_OF_STRUCTURE = re.compile(rb"[\x20-\x7e\x80-\xff]*").fullmatch
_PLAIN = re.compile(rb"[^\x00-\x1f\x7f$*,]*").fullmatch


class Kind(NamedTuple):
    """Reads a field that is not empty, and writes a value that is not None."""

    read: Callable[[bytes], object]
    write: Callable[[Any], bytes]


class Column(NamedTuple):
    """One field by its place. A frame without a required one is refused."""

    name: str
    kind: Kind
    is_required: bool = False
    is_rest: bool = False
    """It may hold commas: it takes all that the columns around it do not."""

    def read(self, field: bytes) -> object:
        """Read the field.

        Raises:
            DecodeError: it is not of the kind, or required and empty.
        """
        if not field and self.is_required:
            raise DecodeError(f"{self.name} is missing")
        try:
            return self.kind.read(field) if field else None
        except ValueError as error:
            raise DecodeError(f"{self.name}: {error}") from error

    def write(self, value: object) -> bytes:
        """Write the field.

        Raises:
            EncodeError: the value is not of the kind, or would break the sentence.
        """
        if value is None:
            return b""
        try:
            field = self.kind.write(value)
        except (ValueError, TypeError, AttributeError) as error:
            raise EncodeError(f"{self.name}: {error}") from error
        allowed = _FREE_OF_STRUCTURE if self.kind is REPORT_CONTENT else _PLAIN
        if not allowed(field):
            raise EncodeError(f"{self.name}: {field!r} would break the sentence")
        return field


def number(width: int = 0) -> Kind:
    """A number of 0 or more, written with at least ``width`` digits."""

    def read(field: bytes) -> int:
        if not _DIGITS(field):
            raise ValueError(f"{field!r} is not a number")
        return WrittenInt(field.decode("ascii"))

    def write(value: int) -> bytes:
        text = value.text if isinstance(value, WrittenInt) else f"{value:0{width}d}"
        if not _DIGITS(text.encode()):
            raise ValueError(f"{value} is not a number of 0 or more")
        return text.encode("ascii")

    return Kind(read, write)


def hexadecimal(width: int = 2) -> Kind:
    """A bit mask in hexadecimal digits."""

    def read(field: bytes) -> int:
        if not _HEX_DIGITS(field):
            raise ValueError(f"{field!r} is not hexadecimal")
        return int(field, 16)

    return Kind(read, lambda value: b"%0*X" % (width, value))


def switch(on: str, off: str) -> Kind:
    """One letter for yes and one for no."""
    values = {on.encode(): True, off.encode(): False}

    def read(field: bytes) -> bool:
        if field not in values:
            raise ValueError(f"{field!r} is neither {on} nor {off}")
        return values[field]

    return Kind(read, lambda value: (on if value else off).encode("ascii"))


def _read_decimal(field: bytes) -> Decimal:
    if not _DECIMAL(field):
        raise ValueError(f"{field!r} is not a number")
    return Decimal(field.decode("ascii"))


def _write_decimal(value: Decimal | int | str) -> bytes:
    field = format(Decimal(value), "f").encode("ascii")
    if not _DECIMAL(field):
        raise ValueError(f"{value} is not a number that fits")
    return field


def _as_is(value: object) -> bytes:
    if not isinstance(value, bytes):
        raise TypeError(f"{value!r} is not bytes")
    return value


DECIMAL = Kind(_read_decimal, _write_decimal)
TEXT = Kind(lambda field: field.decode("gbk"), lambda value: value.encode("gbk"))
"""Free text; makers write GBK into it."""
CONTENT = Kind(_as_is, _as_is)
"""Content of a message that we write: nothing in it may break the sentence."""
REPORT_CONTENT = Kind(_as_is, _as_is)
"""Content of a message that a terminal writes: 汉字 content may hold ``*``, ``,`` and ``$``."""
