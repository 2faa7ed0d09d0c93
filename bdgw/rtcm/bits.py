"""Bits of a payload in and out, most significant first, each count held against its container."""

from __future__ import annotations

from bdgw.errors import DecodeError, EncodeError

__all__ = ["MAX_PAYLOAD_BYTES", "BitReader", "BitWriter"]

MAX_PAYLOAD_BYTES = 1023
"""RTCM 10403.3, clause 4: the length field has ten bits."""


class BitReader:
    """Reads unsigned fields one after another; a payload that is too short is a ``DecodeError``."""

    __slots__ = ("_bits", "_n_bits", "position")

    def __init__(self, payload: bytes) -> None:
        self._bits = int.from_bytes(payload, "big")
        self._n_bits = len(payload) * 8
        self.position = 0

    @property
    def left(self) -> int:
        """How many bits have not been read."""
        return self._n_bits - self.position

    def take(self, width: int, what: str) -> int:
        """Read ``width`` bits; ``what`` names the field in an error.

        Raises:
            DecodeError: the payload ends before.
        """
        end = self.position + width
        if end > self._n_bits:
            raise DecodeError(f"the payload ends within {what}", bit=self.position)
        self.position = end
        return self._bits >> (self._n_bits - end) & ((1 << width) - 1)

    def require(self, n_bits: int, what: str) -> None:
        """Refuse at once a count that the rest of the payload cannot hold.

        Raises:
            DecodeError: fewer than ``n_bits`` are left.
        """
        if n_bits > self.left:
            raise DecodeError(f"{what} need {n_bits} bits, {self.left} are left", bit=self.position)


class BitWriter:
    """Writes unsigned fields one after another and pads the last byte with zeros."""

    __slots__ = ("_bits", "_n_bits")

    def __init__(self) -> None:
        self._bits = 0
        self._n_bits = 0

    def put(self, width: int, raw: int, what: str) -> None:
        """Append ``width`` bits.

        Raises:
            EncodeError: the value does not fit.
        """
        if not 0 <= raw < 1 << width:
            raise EncodeError(f"{what}: {raw} does not fit {width} bits")
        self._bits = self._bits << width | raw
        self._n_bits += width

    def payload(self) -> bytes:
        """Give all bits as whole bytes.

        Raises:
            EncodeError: they are more than a frame can carry.
        """
        n_bytes = (self._n_bits + 7) // 8
        if n_bytes > MAX_PAYLOAD_BYTES:
            raise EncodeError(f"{n_bytes} bytes are more than a frame carries")
        return (self._bits << (n_bytes * 8 - self._n_bits)).to_bytes(n_bytes, "big")
