"""Where the corrections of a device have come from lately, and which of them a fix has used.

A receiver goes on with the old base for a while after a change, so the station id that it reports
decides, and not what was sent last.
"""

from __future__ import annotations

from collections.abc import Iterable

from bdgw.corrections.choice import StreamKey
from bdgw.corrections.datum import Datum
from bdgw.model import Fix, FixKind, Provenance

__all__ = ["Trail"]

_DIFFERENTIAL = (FixKind.DGNSS, FixKind.RTK_FLOAT, FixKind.RTK_FIXED)
_LATELY_S = 180.0
"""Receivers use a base for 60 s to 120 s after its last message at most, and fixes come late."""
_SPELLS_MAX = 16
_STATIONS_MAX = 16
_SECOND_NS = 1_000_000_000
_ROUNDING_NS = 2 * _SECOND_NS
"""Receivers give the age in whole seconds, some in tenths."""


class _Spell:
    """A time in which one stream was forwarded without a change."""

    __slots__ = ("datum", "epoch_ns", "first_epoch_ns", "key", "last_s", "stations")

    def __init__(self, key: StreamKey, datum: Datum) -> None:
        self.key = key
        self.datum = datum
        self.first_epoch_ns: int | None = None
        self.epoch_ns: int | None = None
        self.last_s = 0.0
        self.stations: dict[int, float] = {}


class Trail:
    """What has been forwarded to one device in the last minutes."""

    def __init__(self) -> None:
        self._spells: list[_Spell] = []

    def forwarded(
        self,
        key: StreamKey,
        datum: Datum,
        stations: Iterable[int],
        epoch_gpst_ns: int | None,
        now: float,
    ) -> None:
        """Corrections went out; ``stations`` and the epoch are those of their observations."""
        if not self._spells or self._spells[-1].key != key:
            self._spells.append(_Spell(key, datum))
            del self._spells[:-_SPELLS_MAX]
        spell = self._spells[-1]
        spell.last_s = now
        if epoch_gpst_ns is not None:
            spell.epoch_ns = epoch_gpst_ns
            if spell.first_epoch_ns is None:
                spell.first_epoch_ns = epoch_gpst_ns
        for station in stations:
            spell.stations.pop(station, None)
            spell.stations[station] = now
        while len(spell.stations) > _STATIONS_MAX:
            del spell.stations[next(iter(spell.stations))]

    def provenance(self, fix: Fix, now: float) -> Provenance | None:
        """Tell where the correction of ``fix`` came from; None where it used none of ours.

        A station that was not forwarded lately is named and nothing else is claimed. Station 0 is
        what receivers report that do not know it, so it must have been forwarded to count.
        """
        if fix.kind not in _DIFFERENTIAL:
            return None
        recent = [spell for spell in self._spells if now - spell.last_s <= _LATELY_S]
        station = fix.corr_station
        if station is not None:
            sending = [
                spell
                for spell in recent
                if now - spell.stations.get(station, -_LATELY_S * 2) <= _LATELY_S
            ]
            if sending:
                return _tell(_by_epoch(sending, fix), station, fix)
            if station != 0:
                return Provenance(station=station, age_s=fix.corr_age_s)
        if not recent or (fix.kind is FixKind.DGNSS and fix.corr_age_s is None):
            # A code-differential fix without an age may as well be one of SBAS.
            return None
        spell = _by_epoch(recent, fix)
        return _tell(spell, next(reversed(spell.stations), None), fix)


def _by_epoch(spells: list[_Spell], fix: Fix) -> _Spell:
    """The spell that the epoch used by the fix falls into; the latest where that is not known."""
    if fix.t_gpst_ns is None or fix.corr_age_s is None:
        return spells[-1]
    used_ns = fix.t_gpst_ns - round(fix.corr_age_s * _SECOND_NS)
    for spell in reversed(spells):
        first_ns = spell.first_epoch_ns
        if first_ns is not None and first_ns <= used_ns + _ROUNDING_NS:
            return spell
    return spells[-1]


def _tell(spell: _Spell, station: int | None, fix: Fix) -> Provenance:
    age_s = fix.corr_age_s
    if age_s is None and fix.t_gpst_ns is not None and spell.epoch_ns is not None:
        since_s = (fix.t_gpst_ns - spell.epoch_ns) / _SECOND_NS
        # Outside of this the two are not of one time: nobody knew the day when it was forwarded.
        age_s = max(0.0, since_s) if abs(since_s) <= _LATELY_S else None
    return Provenance(
        name=spell.key.source,
        mount=spell.key.mount,
        station=station,
        age_s=age_s,
        frame=spell.datum.frame,
        frame_epoch_year=spell.datum.epoch_year,
    )
