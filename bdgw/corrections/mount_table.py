"""The bases that a caster offers: which mounts of its sourcetable a rover may be given, and where.

A position that a base has said itself (1005, 1006) is better than the table's, which people type.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase

from bdgw.corrections.choice import StreamKey
from bdgw.corrections.spec import SourceSpec
from bdgw.geodesy import Ecef, ecef_from_geodetic
from bdgw.ntrip.table_record import Sourcetable, StreamRecord

__all__ = ["MountTable", "place_of"]

_CARRIER_NONE = 0


class MountTable:
    """The mounts of one source that is chosen by place."""

    def __init__(self, spec: SourceSpec) -> None:
        self._spec = spec
        self._table: Sourcetable | None = None
        self._places: dict[StreamKey, Ecef] = {}
        self._learnt: dict[StreamKey, Ecef] = {}
        self.text = "the sourcetable has not come yet"
        """What became of the table, in plain words."""

    @property
    def places(self) -> Mapping[StreamKey, Ecef]:
        """Where each base is: metres, Earth-fixed."""
        return self._places

    @property
    def table(self) -> Sourcetable | None:
        """The table in force."""
        return self._table

    def table_seen(self, table: Sourcetable) -> None:
        """Take a new table in place of the old one."""
        usable = [record for record in table.streams if self._is_usable(record)]
        self._table = table
        self._places = {}
        for record in usable:
            key = StreamKey(self._spec.name, record.mount)
            place = self._learnt.get(key) or place_of(record)
            if place is not None:
                self._places[key] = place
        self._learnt = {key: m for key, m in self._learnt.items() if key in self._places}
        self.text = (
            f"{len(table.streams)} mounts in the sourcetable, {len(usable)} that fit, "
            f"{len(self._places)} with a position"
        )

    def base_seen(self, key: StreamKey, ecef_m: Ecef) -> None:
        """A base of this table has said where it is."""
        if key in self._places:
            self._learnt[key] = self._places[key] = ecef_m

    def failed(self, reason: str) -> None:
        """The table could not be had; the old one stays."""
        kept = "; the one before stays in use" if self._places else ""
        self.text = f"no sourcetable: {reason}{kept}"

    def _is_usable(self, record: StreamRecord) -> bool:
        """Whether a stream is of one base, with what a rover needs, and may be chosen.

        One that wants a position is made for it, and stands nowhere.
        """
        patterns = self._spec.mounts
        return (
            (not patterns or any(fnmatchcase(record.mount, pattern) for pattern in patterns))
            and not record.is_network
            and not record.needs_gga
            and record.carrier != _CARRIER_NONE
            and _is_rtcm3(record.format)
        )


def _is_rtcm3(text: str) -> bool:
    folded = text.upper().replace(" ", "").replace("V", "")
    return not folded or folded.startswith("RTCM3") or folded == "RTCM"


def place_of(record: StreamRecord) -> Ecef | None:
    """Where the table has a base, on the ellipsoid; None where it does not say."""
    if record.lat_deg is None or record.lon_deg is None or abs(record.lat_deg) > 90.0:
        return None
    return ecef_from_geodetic(record.lat_deg, record.lon_deg, 0.0)
