"""What a receiver says in the tests: sentences with checksums, and epochs made of them."""

from __future__ import annotations

import datetime as dt
from functools import reduce

DAY = dt.date(2026, 2, 1)
"""A Sunday: 1048 weeks after the beginning of BDT on 2006-01-01."""


def sentence(text: str) -> bytes:
    """Add what stands around the text: ``$``, checksum and line end."""
    return f"${text}*{reduce(lambda x, c: x ^ ord(c), text, 0):02X}\r\n".encode()


def epoch(
    second: float, *, day: dt.date | None = DAY, quality: int = 1, minutes: str = "17.9641260"
) -> bytes:
    """A GGA, and an RMC where the receiver knows the ``day``, of ``second`` after 08:00:00."""
    whole = int(second)
    time = f"08{whole // 60:02d}{whole % 60:02d}.{round((second - whole) * 100):02d}"
    place = f"31{minutes},N,12130.1987620,E"
    said = sentence(f"GNGGA,{time},{place},{quality},31,0.6,8.1,M,10.312,M,,")
    if day is not None:
        said += sentence(f"GNRMC,{time},A,{place},2.7602,271.3,{day:%d%m%y},,,A")
    return said
