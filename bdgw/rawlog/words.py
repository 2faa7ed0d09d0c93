"""Bit fields of navigation messages, out of one whole number."""

from __future__ import annotations

from typing import NamedTuple

from bdgw.positioning.atmosphere import Klobuchar
from bdgw.positioning.ephemeris import Orbit

__all__ = ["Bits", "Page"]


class Page(NamedTuple):
    """A page that is of use, its number within the message, and what is whole with it."""

    number: int
    orbit: Orbit | None = None
    ionosphere: Klobuchar | None = None


class Bits:
    """A stretch of bits, counted from 0 at the most significant one."""

    __slots__ = ("_n", "_value")

    def __init__(self, value: int, n_bits: int) -> None:
        self._value, self._n = value, n_bits

    def part(self, at: int, n: int) -> Bits:
        """Cut out a stretch."""
        return Bits(self.u(at, n), n)

    def u(self, at: int, n: int) -> int:
        """Read an unsigned field."""
        return self._value >> (self._n - at - n) & ((1 << n) - 1)

    def s(self, at: int, n: int) -> int:
        """Read a two's complement field."""
        raw = self.u(at, n)
        return raw - (1 << n) if raw >> (n - 1) else raw

    def m(self, at: int, n: int) -> int:
        """Read a sign and magnitude field."""
        raw = self.u(at, n)
        size = raw & ((1 << (n - 1)) - 1)
        return -size if raw >> (n - 1) else size
