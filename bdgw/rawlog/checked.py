"""Messages that end in a CRC-24Q, as the modern ones of GPS, Galileo and BeiDou do.

A receiver hands over what it has corrected and decoded: the bits of the message from the first
word's most significant bit on, its checksum last, and behind it whatever fills the last word. What
corrects errors on air (LDPC, convolutional symbols) is not among them.

Sources: IS-GPS-200, clause 30.3.5; Galileo OS SIS ICD 2.0, clause 5.1.9.4; BDS-SIS-ICD-B1C-1.0 and
BDS-SIS-ICD-B2a-1.0, clause 6.1.2.
"""

from __future__ import annotations

from collections.abc import Sequence

from bdgw.rawlog.words import Bits
from bdgw.wire.checksum import crc24q

__all__ = ["Checked"]

_WORD_BITS = 32


class Checked:
    """Gives the bits of messages that are whole; ``n_failed`` counts the others."""

    def __init__(self) -> None:
        self.n_failed = 0

    def bits_of(self, words: Sequence[int], n_bits: int) -> Bits | None:
        """Give the first ``n_bits`` of words of 32 bits; None where the checksum is wrong."""
        value = 0
        for word in words:
            value = value << _WORD_BITS | word
        value >>= _WORD_BITS * len(words) - n_bits
        # Zeros before the first bit change nothing: the sum begins with zero.
        if crc24q(value.to_bytes((n_bits + 7) // 8, "big")) != 0:
            self.n_failed += 1
            return None
        return Bits(value, n_bits)
