"""The two clocks of the gateway: a monotonic one for intervals, UTC for stamps that leave it."""

from __future__ import annotations

import time
from typing import Protocol

__all__ = ["Clock", "SystemClock"]


class Clock(Protocol):
    """Where this package gets the time from."""

    def monotonic_s(self) -> float:
        """Seconds that never step; only differences mean anything."""
        ...

    def utc_ns(self) -> int:
        """POSIX nanoseconds of the host; may step."""
        ...


class SystemClock:
    """The clocks of the host."""

    def monotonic_s(self) -> float:
        """Seconds of CLOCK_MONOTONIC."""
        return time.monotonic()

    def utc_ns(self) -> int:
        """POSIX nanoseconds of CLOCK_REALTIME."""
        return time.time_ns()
