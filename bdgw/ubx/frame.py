"""The UBX frame: two sync bytes, class, id, length, payload, two checksum bytes.

Source: u-blox ZED-F9P interface description UBX-22008968, clauses 3.2 to 3.4.
"""

from __future__ import annotations

from itertools import accumulate

from bdgw.wire.splitter import NEED_MORE, NOISE, FramerAnswer

__all__ = [
    "LEADS",
    "PROTOCOL",
    "RAWX",
    "SFRBX",
    "frame_ubx",
    "kind_of_frame",
    "name_of_kind",
    "payload_of_frame",
]

PROTOCOL = "ubx"
LEADS = b"\xb5"
_OVERHEAD_BYTES = 8
_MAX_PAYLOAD_BYTES = 8192
"""The longest known, RXM-RAWX with 255 signals, is 8,176 bytes."""

RAWX, SFRBX = (0x02, 0x15), (0x02, 0x13)
"""Class and id of raw measurements, and of broadcast words."""


def frame_ubx(buffer: bytes, position: int, is_final: bool) -> FramerAnswer:
    """Judge whether a frame starts at ``position``; a length is believed only with its checksum."""
    available = len(buffer) - position
    if available < 6:
        return NOISE if is_final else NEED_MORE
    if buffer[position + 1] != 0x62:
        return NOISE
    length = int.from_bytes(buffer[position + 4 : position + 6], "little")
    if length > _MAX_PAYLOAD_BYTES:
        return NOISE
    size = length + _OVERHEAD_BYTES
    if available < size:
        return "incomplete" if is_final else NEED_MORE
    if (
        _checksum(buffer[position + 2 : position + size - 2])
        != buffer[position + size - 2 : position + size]
    ):
        return "bad_checksum"
    return size


def kind_of_frame(frame: bytes) -> tuple[int, int]:
    """Give class and id."""
    return frame[2], frame[3]


def name_of_kind(kind: tuple[int, int]) -> str:
    """Name a message: as u-blox does where the gateway reads it, else by its numbers."""
    known = {RAWX: "RXM-RAWX", SFRBX: "RXM-SFRBX"}.get(kind)
    return known or f"UBX-{kind[0]:02X}-{kind[1]:02X}"


def payload_of_frame(frame: bytes) -> bytes:
    """Give what a whole frame carries."""
    return frame[6:-2]


def _checksum(data: bytes) -> bytes:
    """Fletcher's checksum of 8 bits (clause 3.4)."""
    # Sums of C speed: a peer may send nothing but long frames that are none.
    sums = list(accumulate(data))
    return bytes((sums[-1] & 0xFF, sum(sums) & 0xFF)) if sums else bytes(2)
