"""What a data field is: bits, sign, scale, unit, the value that means "absent", and its clause.

Tables of rows (name, field) make the layouts of messages; decoding and encoding read the same
rows. Clauses are data fields (DF) of RTCM 10403.3, table 3.4-1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from bdgw.errors import EncodeError
from bdgw.rtcm.bits import BitReader, BitWriter

__all__ = ["RESERVED", "Field", "Layout", "Value", "flag", "sign_magnitude", "signed", "unsigned"]

Value = int | float | bool | None
Sign = Literal["unsigned", "signed", "sign_magnitude", "flag"]


class Field(msgspec.Struct, frozen=True):
    """A data field; its value is ``raw * times / per + offset`` in ``unit``.

    ``per`` is a whole divisor, so that decimal scales give the nearest number to the decimal.
    ``absent`` is the raw number that means that there is no value: None.
    """

    clause: str
    bits: int
    sign: Sign
    times: float
    per: int
    offset: int
    unit: str
    absent: int | None

    def value(self, bits: int) -> Value:
        """Turn the unsigned bits of the wire into the value."""
        if self.sign == "flag":
            return bool(bits)
        raw = self.raw_number(bits)
        if raw == self.absent:
            return None
        if self.sign == "sign_magnitude" and bits >> (self.bits - 1):
            # -0.0 keeps the sign bit of a zero, so that it comes back as it was.
            return -(abs(raw) * self.times)
        if self.per != 1:
            return raw / self.per
        return raw * self.times + self.offset

    def raw_number(self, bits: int) -> int:
        """Give the number with its sign, before scaling."""
        if self.sign in ("unsigned", "flag"):
            return bits
        top = 1 << (self.bits - 1)
        if self.sign == "signed":
            return (bits ^ top) - top
        return -(bits & (top - 1)) if bits & top else bits

    def wire(self, value: Value, what: str) -> int:
        """Turn a value into the unsigned bits of the wire, rounded to the nearest step.

        Raises:
            EncodeError: it does not fit, is not finite, or is None where the field has no such
                value.
        """
        if value is None:
            if self.absent is None:
                raise EncodeError(f"{what} ({self.clause}) cannot be absent")
            return self.absent & ((1 << self.bits) - 1)
        if not math.isfinite(value):
            raise EncodeError(f"{what} ({self.clause}) is not finite")
        raw = round((value - self.offset) * self.per / self.times)
        is_negative = raw < 0 or (raw == 0 and math.copysign(1.0, value) < 0)
        low, high = self._range()
        if not low <= raw <= high or raw == self.absent:
            raise EncodeError(f"{what} ({self.clause}): {value} does not fit {self.bits} bits")
        if self.sign == "sign_magnitude":
            return abs(raw) | is_negative << (self.bits - 1)
        return raw & ((1 << self.bits) - 1)

    def _range(self) -> tuple[int, int]:
        if self.sign in ("unsigned", "flag"):
            return 0, (1 << self.bits) - 1
        high = (1 << (self.bits - 1)) - 1
        return (-high if self.sign == "sign_magnitude" else -high - 1), high


def unsigned(
    clause: str,
    bits: int,
    *,
    times: float = 1,
    per: int = 1,
    offset: int = 0,
    unit: str = "",
    absent: int | None = None,
) -> Field:
    """Make an unsigned field."""
    return Field(clause, bits, "unsigned", times, per, offset, unit, absent)


def signed(
    clause: str,
    bits: int,
    *,
    times: float = 1,
    per: int = 1,
    unit: str = "",
    absent: int | None = None,
) -> Field:
    """Make a field in two's complement."""
    return Field(clause, bits, "signed", times, per, 0, unit, absent)


def sign_magnitude(clause: str, bits: int, *, times: float, unit: str = "") -> Field:
    """Make a field of a sign bit and a magnitude, as GLONASS has them."""
    return Field(clause, bits, "sign_magnitude", times, 1, 0, unit, None)


def flag(clause: str) -> Field:
    """Make a field of one bit."""
    return Field(clause, 1, "flag", 1, 1, 0, "", None)


RESERVED = ""
"""Name of a row whose bits are passed over and written as zero."""


class Layout:
    """Fields in the order of the wire, each with the name of the value that it holds."""

    __slots__ = ("n_bits", "rows")

    def __init__(self, *rows: tuple[str, Field]) -> None:
        self.rows = rows
        self.n_bits = sum(field.bits for _, field in rows)

    def read(self, reader: BitReader) -> dict[str, Any]:
        """Read all rows by name.

        Raises:
            DecodeError: the payload ends before.
        """
        values: dict[str, Any] = {}
        for name, field in self.rows:
            bits = reader.take(field.bits, name or field.clause)
            if name:
                values[name] = field.value(bits)
        return values

    def write(self, writer: BitWriter, values: Mapping[str, Value]) -> None:
        """Write all rows.

        Raises:
            EncodeError: a value does not fit its field.
        """
        for name, field in self.rows:
            bits = field.wire(values[name], name) if name else 0
            writer.put(field.bits, bits, name or field.clause)
