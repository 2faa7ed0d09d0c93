"""One port, three families: tells 4.0 frames and sentences apart by their sixth byte.

Source: RDSS digest, 1. Whether a sentence is of family 2.1 or 3 shows in its address only.
"""

from __future__ import annotations

from bdgw.shortmsg.family.binary import MAX_LENGTH_HIGH_BYTE, frame_binary
from bdgw.shortmsg.family.sentence import frame_sentence
from bdgw.wire.splitter import Framer, FramerAnswer

__all__ = ["IDLE_S", "LEADS", "PORT_FRAMER", "frame_port", "is_binary"]

LEADS = b"$"
IDLE_S = 0.5
"""For the splitter: longer than 600 bytes take at 19200 bit/s, 0.31 s."""

_TELLING_BYTE = 5


def is_binary(frame: bytes) -> bool:
    """Whether a whole frame is one of family 4.0."""
    return frame[_TELLING_BYTE] <= MAX_LENGTH_HIGH_BYTE


def frame_port(buffer: bytes, position: int, is_final: bool) -> FramerAnswer:
    """Judge whether a frame of any family starts at ``position``."""
    at = position + _TELLING_BYTE
    if at < len(buffer) and buffer[at] <= MAX_LENGTH_HIGH_BYTE:
        return frame_binary(buffer, position, is_final)
    # With fewer bytes, what may become a 4.0 frame is also a beginning of a sentence.
    return frame_sentence(buffer, position, is_final)


PORT_FRAMER: tuple[bytes, Framer] = (LEADS, frame_port)
"""For ``bdgw.wire.splitter`` while the family is not known, or always."""
