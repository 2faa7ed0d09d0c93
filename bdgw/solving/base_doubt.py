"""Which bases do not stand where they say, by whichever of their rovers have found it. Pure.

Rovers of one base find the same: the first one tells, and the last one that is satisfied again.
"""

from __future__ import annotations

from typing import NamedTuple

from bdgw.model import Alarm, Provenance
from bdgw.positioning.base_place import BaseCheck

__all__ = ["BaseDoubts"]


class _Base(NamedTuple):
    name: str | None
    mount: str | None
    station: int | None

    def __str__(self) -> str:
        said = [] if self.name is None else [f"correction {self.name!r}"]
        said += [] if self.mount is None else [f"mount {self.mount}"]
        said += [] if self.station is None else [f"station {self.station}"]
        return f"the base ({', '.join(said)})" if said else "the base"


class BaseDoubts:
    """One for the gateway."""

    def __init__(self) -> None:
        self._by_device: dict[str, _Base] = {}

    def see(
        self,
        device: str,
        source: Provenance | None,
        station: int | None,
        check: BaseCheck | None,
        *,
        utc_ns: int,
    ) -> Alarm | None:
        """Take what a solution says of its base; the alarm, where that is news of the base."""
        if check is None:
            return None
        name, mount = (None, None) if source is None else (source.name, source.mount)
        base = _Base(name, mount, station)
        is_known = base in self._by_device.values()
        was = self._by_device.pop(device, None)
        if check.is_misplaced:
            self._by_device[device] = base
            return None if is_known else _alarm("base_misplaced", base, device, check, utc_ns)
        if was == base and base not in self._by_device.values():
            return _alarm("base_placed", base, device, check, utc_ns)
        return None


def _alarm(kind: str, base: _Base, device: str, check: BaseCheck, utc_ns: int) -> Alarm:
    east_m, north_m, up_m = check.off_enu_m
    text = f"{base} says a position {check}"
    if check.is_misplaced:
        text += "; nothing against it is called fixed"
    fields: dict[str, str | int | float] = {
        "off_east_m": east_m,
        "off_north_m": north_m,
        "off_up_m": up_m,
        "bound_h_m": check.bound_h_m,
        "bound_v_m": check.bound_v_m,
    }
    said = {"correction": base.name, "mount": base.mount, "station": base.station}
    fields |= {key: value for key, value in said.items() if value is not None}
    return Alarm(kind=kind, device=device, text=text, t_utc_ns=utc_ns, fields=fields)
