"""The clocks that the caster asks for."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Clock"]


class Clock(Protocol):
    """Where this package gets the time from."""

    def monotonic_s(self) -> float:
        """Seconds that never step; only differences mean anything."""
        ...

    def utc_ns(self) -> int:
        """POSIX nanoseconds of the host; may step."""
        ...
