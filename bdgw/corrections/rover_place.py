"""Where the rovers are, and which of them speaks for all that share a session. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from bdgw.geodesy import Ecef, ecef_from_geodetic
from bdgw.model import Fix, FixKind

__all__ = ["RoverPlaces"]

_RECENT_S = 60.0
"""A device whose position is newer than this speaks for all that share a session."""


class RoverPlaces:
    """The latest position of each device."""

    def __init__(self) -> None:
        self._fixes: dict[str, tuple[Fix, float]] = {}

    def fix_seen(self, device: str, fix: Fix, now: float) -> Ecef | None:
        """Take a fix; gives where the device is, None where the fix does not say."""
        lat_deg, lon_deg = fix.lat_deg, fix.lon_deg
        if fix.kind is FixKind.NONE or lat_deg is None or lon_deg is None:
            return None
        if not (abs(lat_deg) <= 90.0 and abs(lon_deg) <= 360.0):
            return None
        self._fixes[device] = (fix, now)
        return ecef_from_geodetic(lat_deg, lon_deg, fix.alt_hae_m or 0.0)

    def of(self, device: str) -> Fix | None:
        """The latest fix with a position, however old: a caster that hears nothing ends."""
        known = self._fixes.get(device)
        return None if known is None else known[0]

    def speaker(self, devices: Iterable[str], now: float) -> Fix | None:
        """The first of ``devices`` with a position, one that is live before one that was."""
        known = [self._fixes[device] for device in devices if device in self._fixes]
        recent = [fix for fix, at_s in known if now - at_s <= _RECENT_S]
        return next(iter(recent or [fix for fix, _ in known]), None)
