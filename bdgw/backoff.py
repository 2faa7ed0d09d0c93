"""How long to wait before the next attempt: exponential, capped, with full jitter.

Knows no clock and sleeps nowhere; the caller brings the random source and does the waiting. Who
calls ``reset`` decides what success is: for a link that is decoded data, never an open socket.
"""

from __future__ import annotations

import random

__all__ = ["Backoff"]

_MAX_DOUBLINGS = 60
"""Enough to reach any cap from any floor; keeps the power of two inside a float."""


class Backoff:
    """The delays of one thing that is tried again and again, for ever."""

    def __init__(self, floor_s: float, cap_s: float, rng: random.Random) -> None:
        """Start fresh; delays lie in [``floor_s``, ``cap_s``].

        Raises:
            ValueError: not 0 < floor_s <= cap_s.
        """
        if not 0.0 < floor_s <= cap_s < float("inf"):
            raise ValueError(f"backoff needs 0 < floor <= cap, not {floor_s} s and {cap_s} s")
        self._floor_s = floor_s
        self._cap_s = cap_s
        self._rng = rng
        self._attempts = 0

    @property
    def attempts(self) -> int:
        """Delays handed out since the last reset."""
        return self._attempts

    def next_delay_s(self) -> float:
        """Count one more failed attempt and say how long to wait, in seconds.

        Uniform between the floor and a ceiling that doubles with every attempt up to the cap, so
        that a thousand devices that lost the same peer do not come back in the same second.
        """
        self._attempts += 1
        ceiling_s = min(self._cap_s, self._floor_s * 2.0 ** min(self._attempts, _MAX_DOUBLINGS))
        return self._rng.uniform(self._floor_s, ceiling_s)

    def reset(self) -> None:
        """Forget the failures: the next delay is short again."""
        self._attempts = 0
