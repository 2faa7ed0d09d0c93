"""How often a device is told to a consumer that wants less than every fix. Pure.

Measured by the time of the fixes, so that a recording played fast gives what it gave live.
"""

from __future__ import annotations

from bdgw.model import DeviceFix

__all__ = ["Pace"]

_TOLERANCE_NS = 5_000_000
"""Times of epochs are rounded by the receiver."""


class Pace:
    """Lets one fix a period of each device through; a period of 0 lets all through."""

    def __init__(self, period_s: float) -> None:
        self._period_ns = int(period_s * 1e9)
        self._last_ns: dict[str, int] = {}

    def is_due(self, item: DeviceFix) -> bool:
        """Tell whether it is time for this fix.

        A fix without a day is timed by when it came. Time that goes back begins anew.
        """
        last_ns = self._last_ns.get(item.device)
        if last_ns is None:
            return True
        return not 0 <= _time_ns(item) - last_ns < self._period_ns - _TOLERANCE_NS

    def told(self, item: DeviceFix) -> None:
        """Remember a fix that has been told; one that could not be takes nobody's place."""
        self._last_ns[item.device] = _time_ns(item)


def _time_ns(item: DeviceFix) -> int:
    return item.fix.t_gpst_ns if item.fix.t_gpst_ns is not None else item.t_rx_utc_ns
