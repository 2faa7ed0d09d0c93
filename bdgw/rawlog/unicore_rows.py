"""The rows of Unicore's messages of measurements, OBSVM and OBSVMCMP."""

from __future__ import annotations

from bdgw.errors import DecodeError
from bdgw.unicore.frame import head_of_frame, name_of_kind, payload_of_frame

__all__ = ["rows_of"]


def rows_of(frame: bytes, row_bytes: int) -> list[bytes]:
    """Cut the rows out of a message of measurements: a count of four bytes, and so many rows.

    Raises:
        DecodeError: it is shorter than it says.
    """
    payload = payload_of_frame(frame)
    count = int.from_bytes(payload[:4], "little")
    if len(payload) < 4 or len(payload) < 4 + count * row_bytes:
        name = name_of_kind(head_of_frame(frame).kind)
        raise DecodeError(f"{name} is shorter than it says", bit=8 * len(payload))
    return [payload[4 + i * row_bytes : 4 + (i + 1) * row_bytes] for i in range(count)]
