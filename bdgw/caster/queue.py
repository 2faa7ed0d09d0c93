"""What waits for one client: whole frames, bounded in bytes and in age, the oldest given up. Pure.

Corrections are perishable: a frame that has waited too long is worse than none, because the
receiver would take it for fresh. So nothing queues for long, and what is dropped is counted.
"""

from __future__ import annotations

from collections import deque

__all__ = ["DeliveryQueue"]


class DeliveryQueue:
    """Frames in order; ``now`` is monotonic seconds."""

    def __init__(self, *, limit_bytes: int, max_age_s: float) -> None:
        self._limit_bytes = limit_bytes
        self._max_age_s = max_age_s
        self._waiting: deque[tuple[float, bytes]] = deque()
        self.pending_bytes = 0
        self.n_dropped = 0
        self.dropped_bytes = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def append(self, frame: bytes, now: float) -> None:
        """Keep a frame; what is too old or too much goes first, oldest first."""
        self._expire(now)
        self._waiting.append((now, frame))
        self.pending_bytes += len(frame)
        while self.pending_bytes > self._limit_bytes:
            self._drop()

    def pop(self, now: float) -> bytes | None:
        """The oldest frame that is still fresh, or None."""
        self._expire(now)
        if not self._waiting:
            return None
        _, frame = self._waiting.popleft()
        self.pending_bytes -= len(frame)
        return frame

    def clear(self) -> None:
        """Drop everything, counted."""
        while self._waiting:
            self._drop()

    def _expire(self, now: float) -> None:
        while self._waiting and now - self._waiting[0][0] > self._max_age_s:
            self._drop()

    def _drop(self) -> None:
        _, frame = self._waiting.popleft()
        self.pending_bytes -= len(frame)
        self.n_dropped += 1
        self.dropped_bytes += len(frame)
