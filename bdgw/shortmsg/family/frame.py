"""What every decoded frame has in common, and numbers that remember how they were written."""

from __future__ import annotations

from typing import Self

import msgspec

__all__ = ["Frame", "WrittenInt"]


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """A frame of one family, its fields as they are on the wire.

    ``raw`` holds the bytes that were decoded, line end included if it came with them; it is empty
    in a frame that is made in order to be encoded.
    """

    raw: bytes = b""

    def check(self) -> None:
        """Hold the fields against each other.

        Raises:
            DecodeError: they contradict each other so that nothing can be made of the frame.
        """


class WrittenInt(int):
    """A number that compares as an integer and is written again as it was read.

    Addresses come with and without leading zeros, even within one sentence.
    """

    text: str

    def __new__(cls, text: str) -> Self:
        """Take decimal digits."""
        value = super().__new__(cls, text)
        value.text = text
        return value
