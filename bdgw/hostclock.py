"""What the host's clock is worth: set at all, and disciplined by NTP, PTP or a receiver."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable

from bdgw.timescale import gpst_from_posix
from bdgw.trusted_time import BUILT_POSIX_NS

__all__ = ["BUILT_POSIX_NS", "HostClock", "kernel_says_synchronised"]

_TIME_ERROR = 5  # adjtimex(2): the clock is not synchronised
_TIMEX_BYTES = 512


def kernel_says_synchronised() -> bool:
    """Ask the kernel whether something disciplines its clock (adjtimex(2), reading only)."""
    # The structure is larger on no platform; its first member (modes) 0 means to change nothing.
    state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    return bool(0 <= state < _TIME_ERROR)


class HostClock:
    """Host time as GPST for sessions, and whether it may judge a receiver."""

    def __init__(
        self,
        *,
        utc_ns: Callable[[], int] = time.time_ns,
        is_synchronised: Callable[[], bool] = kernel_says_synchronised,
    ) -> None:
        self._utc_ns = utc_ns
        self._is_synchronised = is_synchronised

    def is_set(self) -> bool:
        """False while the clock reads a time before this software was made."""
        return self._utc_ns() >= BUILT_POSIX_NS

    def is_synchronised(self) -> bool:
        """Whether something disciplines the clock."""
        return self._is_synchronised()

    def gpst_ns(self, _now: float) -> int | None:
        """Host time in GPST nanoseconds, None while the clock is not set."""
        posix_ns = self._utc_ns()
        return gpst_from_posix(posix_ns) if posix_ns >= BUILT_POSIX_NS else None
