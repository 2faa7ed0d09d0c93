"""Keeps a log readable: a few lines of each kind at once, then one summary a minute. Pure."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

__all__ = ["NoiseGate"]

KeyT = TypeVar("KeyT", bound=Hashable)


class NoiseGate(Generic[KeyT]):
    """Admits ``burst`` lines of a key in ``period_s`` seconds and counts the others."""

    def __init__(self, *, burst: int = 3, period_s: float = 60.0, max_keys: int = 4096) -> None:
        self._burst = burst
        self._period_s = period_s
        self._max_keys = max_keys
        self._seen: dict[KeyT, tuple[float, int]] = {}
        """Start of the period and lines in it, by key, oldest period first."""

    def admit(self, key: KeyT, now: float) -> bool:
        """Say whether a line of this kind may be written now; count it if not."""
        started_s, n_lines = self._seen.get(key, (now, 0))
        if n_lines == 0 and len(self._seen) >= self._max_keys:
            return False
        self._seen[key] = (started_s, n_lines + 1)
        return n_lines < self._burst

    def summaries(self, now: float) -> Iterator[tuple[KeyT, int]]:
        """Close the periods that are over; give the keys that were held back, and how often."""
        while self._seen:
            key = next(iter(self._seen))
            started_s, n_lines = self._seen[key]
            if now - started_s < self._period_s:
                return
            del self._seen[key]
            if n_lines > self._burst:
                yield key, n_lines - self._burst
