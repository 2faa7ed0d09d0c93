"""Packed decimal digits, as Chinese field protocols write numbers and times."""

from __future__ import annotations

import datetime

__all__ = ["decode_bcd_time", "is_bcd"]


def is_bcd(data: bytes) -> bool:
    """Tell whether every nibble is a decimal digit."""
    return not data or data.hex().isdecimal()


def decode_bcd_time(data: bytes) -> str | None:
    """Read yyMMddHHmm or yyMMddHHmmss as an ISO 8601 local time, or None if it is no time.

    Years are 2000 to 2099. The zone is that of the protocol and is not written.
    """
    if len(data) not in (5, 6) or not is_bcd(data):
        return None
    digits = data.hex()
    parts = [int(digits[i : i + 2]) for i in range(0, len(digits), 2)]
    parts[0] += 2000
    try:
        # The zone belongs to the protocol; only the order of the fields is checked here.
        moment = datetime.datetime(*parts)  # type: ignore[arg-type] # noqa: DTZ001
    except ValueError:
        return None
    return moment.isoformat(timespec="seconds" if len(data) == 6 else "minutes")
