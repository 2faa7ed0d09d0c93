"""Checksums of the receiver languages, computed by a compiled library."""

from __future__ import annotations

from collections.abc import Callable

import anycrc

__all__ = ["crc24q", "xor8"]

crc24q: Callable[[bytes], int] = anycrc.CRC(
    width=24, poly=0x864CFB, init=0, refin=False, refout=False, xorout=0
).calc
"""CRC-24Q; over a whole frame with its checksum it gives 0.

Source: RTCM 10403.3, clause 4.1; the check value of ``123456789`` is 0xCDE703.
"""

xor8: Callable[[bytes], int] = anycrc.CRC(
    width=8, poly=0x01, init=0, refin=False, refout=False, xorout=0
).calc
"""XOR of all bytes: the NMEA 0183 checksum (clause 5.2.3) of what stands between $ and ``*``.

The XOR of all bytes is the remainder of the message modulo x^8 + 1, that is, a CRC with this
polynomial.
"""
