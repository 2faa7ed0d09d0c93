"""Bits, checksum and frame of RTCM 3, writing and reading: the simulator's own.

Bits are collected in one large whole number; the checksum is computed over a table made from the
polynomial. Source: RTCM 10403.3 section 4 (transport layer), CRC-24Q polynomial 0x1864CFB.
"""

PREAMBLE = 0xD3
MAX_PAYLOAD_BYTES = 1023
OVERHEAD_BYTES = 6
POLYNOMIAL = 0x1864CFB


def _table() -> tuple[int, ...]:
    rows = []
    for byte in range(256):
        value = byte << 16
        for _ in range(8):
            value <<= 1
            if value & 0x1000000:
                value ^= POLYNOMIAL
        rows.append(value)
    return tuple(rows)


_TABLE = _table()


def crc24q(data: bytes) -> int:
    """Return the checksum of some bytes."""
    value = 0
    for byte in data:
        value = value << 8 & 0xFFFFFF ^ _TABLE[value >> 16 ^ byte]
    return value


class BitWriter:
    """Appends fields, most significant bit first."""

    def __init__(self) -> None:
        """Start empty."""
        self._value = 0
        self.n_bits = 0

    def unsigned(self, value: int, bits: int) -> None:
        """Append an unsigned field.

        Raises:
            ValueError: the value does not fit.
        """
        if not 0 <= value < 1 << bits:
            msg = f"{value} does not fit into {bits} bits"
            raise ValueError(msg)
        self._value = self._value << bits | value
        self.n_bits += bits

    def signed(self, value: int, bits: int) -> None:
        """Append a field in two's complement.

        Raises:
            ValueError: the value does not fit.
        """
        if not -(1 << bits - 1) <= value < 1 << bits - 1:
            msg = f"{value} does not fit into {bits} signed bits"
            raise ValueError(msg)
        self.unsigned(value & (1 << bits) - 1, bits)

    def sign_magnitude(self, value: int, bits: int) -> None:
        """Append a field of a sign bit and a magnitude, as GLONASS writes numbers.

        Raises:
            ValueError: the value does not fit.
        """
        self.unsigned(int(value < 0), 1)
        self.unsigned(abs(value), bits - 1)

    def octets(self, data: bytes) -> None:
        """Append whole bytes."""
        for byte in data:
            self.unsigned(byte, 8)

    def payload(self) -> bytes:
        """Return the bytes, the last one filled up with zeros."""
        size = -(-self.n_bits // 8)
        return (self._value << 8 * size - self.n_bits).to_bytes(size, "big")


def frame(payload: bytes) -> bytes:
    """Wrap a payload.

    Raises:
        ValueError: more than 1,023 bytes.
    """
    if len(payload) > MAX_PAYLOAD_BYTES:
        msg = f"{len(payload)} bytes are more than a frame carries"
        raise ValueError(msg)
    head = bytes((PREAMBLE, len(payload) >> 8, len(payload) & 0xFF))
    return head + payload + crc24q(head + payload).to_bytes(3, "big")


class FrameReader:
    """Finds whole frames in any bytes, in any pieces."""

    def __init__(self) -> None:
        """Start with nothing."""
        self._buffer = b""
        self.n_frames = 0
        self.n_crc_failures = 0

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes; return the payloads of the frames that are now complete.

        After a failed checksum the search goes on one byte behind the preamble.
        """
        buffer = self._buffer + data
        found = []
        at = 0
        while (at := buffer.find(PREAMBLE, at)) >= 0 and at + 3 <= len(buffer):
            # Six reserved bits are zero: anything else is no head.
            if buffer[at + 1] & 0xFC:
                at += 1
                continue
            end = at + OVERHEAD_BYTES + (buffer[at + 1] << 8 | buffer[at + 2])
            if end > len(buffer):
                break
            if crc24q(buffer[at:end]) == 0:
                found.append(buffer[at + 3 : end - 3])
                self.n_frames += 1
                at = end
            else:
                self.n_crc_failures += 1
                at += 1
        self._buffer = b"" if at < 0 else buffer[at:]
        return found


class BitReader:
    """Reads fields, most significant bit first."""

    def __init__(self, payload: bytes) -> None:
        """Start at the first bit."""
        self._value = int.from_bytes(payload, "big")
        self.left_bits = 8 * len(payload)

    def unsigned(self, bits: int) -> int:
        """Take an unsigned field.

        Raises:
            ValueError: the payload ends before.
        """
        if bits > self.left_bits:
            msg = f"{bits} bits wanted, {self.left_bits} left"
            raise ValueError(msg)
        self.left_bits -= bits
        return self._value >> self.left_bits & (1 << bits) - 1

    def signed(self, bits: int) -> int:
        """Take a field in two's complement.

        Raises:
            ValueError: the payload ends before.
        """
        value = self.unsigned(bits)
        return value - (1 << bits) if value >> bits - 1 else value
