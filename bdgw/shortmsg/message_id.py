"""The one id of a message: from the submission to the receipt of the peer. Pure.

RFC 9562, 5.7: a UUID of version 7. Its time has, by 6.2 method 3, a part of a millisecond in
``rand_a``, so that ids of one gateway sort in the order of their making; 62 random bits keep the
ids of many gateways apart.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable

__all__ = ["IdMaker", "made_at_utc_ns", "message_id"]

_FRACTION_BITS = 12
_RANDOM_BYTES = 8
_RANDOM_MASK = (1 << 62) - 1
_NS_PER_MS = 1_000_000
_STEP_BACK_TICKS = 10_000 << _FRACTION_BITS
"""10 s: a clock that was set back further is followed."""


def _ticks(utc_ns: int) -> int:
    """Milliseconds since 1970 with 12 bits of fraction, cut off."""
    return (utc_ns << _FRACTION_BITS) // _NS_PER_MS


def _compose(ticks: int, random: bytes) -> str:
    millis, fraction = ticks >> _FRACTION_BITS, ticks & ((1 << _FRACTION_BITS) - 1)
    low = int.from_bytes(random, "big") & _RANDOM_MASK
    return str(uuid.UUID(int=millis << 80 | 0x7 << 76 | fraction << 64 | 0b10 << 62 | low))


def message_id(utc_ns: int, random: bytes) -> str:
    """Make the id of an instant, in lower case with hyphens.

    ``utc_ns`` is POSIX nanoseconds of the host; of the 8 bytes of ``random`` 62 bits are used.

    Raises:
        ValueError: the time is before 1970 or after 10889, or ``random`` has not 8 bytes.
    Source: RFC 9562, 5.7 and 6.2 method 3.
    """
    ticks = _ticks(utc_ns)
    if not 0 <= ticks < 1 << 60:
        raise ValueError(f"no UUID of version 7 has the time {utc_ns} ns")
    if len(random) != _RANDOM_BYTES:
        raise ValueError(f"an id takes {_RANDOM_BYTES} random bytes, not {len(random)}")
    return _compose(ticks, random)


def made_at_utc_ns(text: str) -> int:
    """Read the time of an id, rounded up to the nanosecond; one tick is 244 ns.

    Raises:
        ValueError: it is no UUID of version 7.
    """
    parsed = uuid.UUID(text)
    if parsed.version != 7:
        raise ValueError(f"{text!r} is no UUID of version 7")
    ticks = parsed.int >> 80 << _FRACTION_BITS | parsed.int >> 64 & ((1 << _FRACTION_BITS) - 1)
    return -(-ticks * _NS_PER_MS >> _FRACTION_BITS)


class IdMaker:
    """Makes ids that ascend, also where the clock stands still or is set back a little."""

    def __init__(self, entropy: Callable[[int], bytes]) -> None:
        """``entropy`` gives so many bytes that nobody can guess."""
        self._entropy = entropy
        self._last_ticks = -1

    def make(self, utc_ns: int) -> str:
        """Make the next id; the time before 1970 counts as 1970."""
        ticks = max(0, _ticks(utc_ns))
        if ticks <= self._last_ticks <= ticks + _STEP_BACK_TICKS:
            ticks = self._last_ticks + 1
        self._last_ticks = ticks
        return _compose(ticks, self._entropy(_RANDOM_BYTES))
