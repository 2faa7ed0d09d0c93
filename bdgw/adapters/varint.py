"""Integers of as many bytes as they need, and texts behind their length. Pure.

Seven bits a byte, the lowest first; the highest bit says that more follows. Signed numbers are
folded: 0, -1, 1, -2 … are 0, 1, 2, 3 ….
"""

from __future__ import annotations

from bdgw.errors import DecodeError, EncodeError

__all__ = ["Reader", "svarint", "text", "uvarint"]

_BITS = 64
_TEXT_MAX_BYTES = 255
_ONE_BYTE = tuple(bytes((number,)) for number in range(0x80))


def uvarint(number: int) -> bytes:
    """Write a number from 0 to 2**64 - 1.

    Raises:
        EncodeError: it is outside of that.
    """
    if 0 <= number < 0x80:
        return _ONE_BYTE[number]
    if not 0 <= number < 1 << _BITS:
        raise EncodeError(f"{number} is not within 0 to 2**64 - 1")
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def svarint(number: int) -> bytes:
    """Write a number within ±2**63.

    Raises:
        EncodeError: it is outside of that.
    """
    return uvarint(-2 * number - 1 if number < 0 else 2 * number)


def text(value: str) -> bytes:
    """Write a text of up to 255 bytes.

    Raises:
        EncodeError: it is longer.
    """
    data = value.encode()
    if len(data) > _TEXT_MAX_BYTES:
        raise EncodeError(f"a text of {len(data)} bytes")
    return bytes([len(data)]) + data


class Reader:
    """Reads from the front; whatever is not there is a DecodeError."""

    def __init__(self, data: bytes, *, at: int = 0) -> None:
        self._data = data
        self.at = at

    @property
    def n_left(self) -> int:
        """Bytes that have not been read."""
        return len(self._data) - self.at

    def take(self, n_bytes: int) -> bytes:
        """Read so many bytes.

        Raises:
            DecodeError: there are fewer.
        """
        if n_bytes > self.n_left:
            raise DecodeError(f"{n_bytes - self.n_left} bytes too few", bit=8 * self.at)
        self.at += n_bytes
        return self._data[self.at - n_bytes : self.at]

    def uvarint(self) -> int:
        """Read a number in its shortest form.

        Raises:
            DecodeError: it is cut, too large, or longer than it need be.
        """
        number = shift = 0
        while True:
            byte = self.take(1)[0]
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
            if shift > _BITS:
                raise DecodeError("a number of more than ten bytes", bit=8 * self.at)
        if number >> _BITS or (byte == 0 and shift > 7):
            raise DecodeError("a number too large, or not in its shortest form", bit=8 * self.at)
        return number

    def svarint(self) -> int:
        """Read a signed number.

        Raises:
            DecodeError: as for ``uvarint``.
        """
        folded = self.uvarint()
        return -(folded + 1) // 2 if folded & 1 else folded // 2

    def text(self) -> str:
        """Read a text.

        Raises:
            DecodeError: it is cut or not UTF-8.
        """
        data = self.take(self.take(1)[0])
        try:
            return data.decode()
        except UnicodeDecodeError:
            raise DecodeError("a text that is not UTF-8", bit=8 * self.at) from None
