"""When the next piece of a recording is due, so that it plays at a multiple of recorded time. Pure.

A raw capture has no time stamps of its own; the epochs decoded from it are its clock. Before the
first epoch, and in captures without any, bytes are due at the rate of a 115200-baud line.
"""

from __future__ import annotations

__all__ = ["Pace"]

_LINE_BYTES_PER_S = 11_520.0
_JUMP_S = 60.0
"""An epoch further from its predecessor than this, or behind it, is a new beginning (midnight, a
cut in the recording) and is not waited for."""


class Pace:
    """Turns (bytes delivered, last epoch) into a waiting time."""

    def __init__(self, speed: float, now: float) -> None:
        """Start at ``now`` (monotonic seconds); ``speed`` 1.0 is as recorded."""
        self._speed = speed
        self._started_s = now
        self._n_bytes = 0
        self._epoch_t_s: float | None = None

    def wait_s(self, n_bytes: int, epoch_t_s: float | None, now: float) -> float:
        """Seconds until more is due, after ``n_bytes`` more bytes led to ``epoch_t_s``."""
        self._n_bytes += n_bytes
        if epoch_t_s is None:
            due_s = self._started_s + self._n_bytes / _LINE_BYTES_PER_S / self._speed
            return max(0.0, due_s - now)
        if self._epoch_t_s is None or not 0.0 <= epoch_t_s - self._epoch_t_s <= _JUMP_S:
            self._started_s = now
        else:
            self._started_s += (epoch_t_s - self._epoch_t_s) / self._speed
        self._epoch_t_s = epoch_t_s
        return max(0.0, self._started_s - now)
