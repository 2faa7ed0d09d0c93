"""Frames made by hand: bits as text, and a checksum by a loop of our own."""

from __future__ import annotations

from collections.abc import Iterable


def _by_bits(register: int) -> int:
    for _ in range(8):
        register = (register << 1) ^ (0x1864CFB if register & 0x800000 else 0)
    return register


_TABLE = [_by_bits(byte << 16) for byte in range(256)]


def crc24q(data: bytes) -> int:
    register = 0
    for byte in data:
        register = (register << 8 & 0xFFFFFF) ^ _TABLE[register >> 16 ^ byte]
    return register


def sealed(payload: bytes) -> bytes:
    head = b"\xd3" + len(payload).to_bytes(2, "big") + payload
    return head + crc24q(head).to_bytes(3, "big")


def bits_of(fields: Iterable[tuple[int, int]]) -> str:
    """Write (width, value) pairs as binary digits; a negative value in two's complement."""
    return "".join(
        f"{value & (1 << width) - 1:0{width}b}" if width else "" for width, value in fields
    )


def payload_of(bits: str, padding: int = 0) -> bytes:
    bits += "0" * (-len(bits) % 8)
    return int(bits or "0", 2).to_bytes(len(bits) // 8, "big") + bytes(padding)


def frame_of(*fields: tuple[int, int], padding: int = 0) -> bytes:
    """A whole frame of (width, value) pairs."""
    return sealed(payload_of(bits_of(fields), padding))
