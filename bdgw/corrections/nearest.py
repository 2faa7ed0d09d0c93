"""The nearest of many bases, without going to and fro between two that are equally far.

Another base is taken only when it has been nearer by a fifth and by 2 km for a minute, because a
change of base costs a rover its fixed ambiguities.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from bdgw.corrections.choice import StreamKey
from bdgw.geodesy import Ecef, chord_m

__all__ = ["Nearest", "NearestRules"]

_EXCLUDED_MAX = 64


class NearestRules(msgspec.Struct, frozen=True, kw_only=True):
    """When another base is worth a change."""

    nearer_share: float = 0.20
    """It must be nearer by this share of the distance to the base in use …"""
    nearer_m: float = 2000.0
    """… and by so many metres …"""
    steady_s: float = 60.0
    """… for so long."""
    reach_m: float = 100_000.0
    """No base further away is taken."""
    exclude_s: float = 300.0
    """One that did not deliver is left aside for so long."""


class Nearest:
    """The choice of one rover."""

    def __init__(self, rules: NearestRules) -> None:
        self._rules = rules
        self._challenger: StreamKey | None = None
        self._since_s = 0.0
        self._excluded: dict[StreamKey, float] = {}
        self.current: StreamKey | None = None
        self.distance_m: float | None = None
        """To the base in use, or to the nearest where none is in reach."""
        self.reason = "waiting for a position"

    def exclude(self, key: StreamKey, now: float) -> None:
        """Leave a base aside for a while, because it does not deliver."""
        if len(self._excluded) >= _EXCLUDED_MAX:
            del self._excluded[min(self._excluded, key=self._excluded.__getitem__)]
        self._excluded[key] = now + self._rules.exclude_s

    def choose(
        self, rover_m: Ecef | None, places: Mapping[StreamKey, Ecef], now: float
    ) -> StreamKey | None:
        """Give the base to use: the one in use so far unless another one is worth it."""
        if rover_m is None:
            # A rover under a bridge stays with its base.
            self._challenger = None
            return self.current
        distances = self._distances(rover_m, places, now)
        best = min(distances, key=lambda key: (distances[key], str(key)), default=None)
        in_use_m = None if self.current is None else distances.get(self.current)
        if best is None or distances[best] > self._rules.reach_m:
            self._let_go(None if best is None else distances[best], is_any=bool(places))
            return None
        if in_use_m is None or in_use_m > self._rules.reach_m:
            return self._take(best, distances[best])
        if best == self.current or not self._is_worth(distances[best], in_use_m):
            self._challenger = None
            return self._stay(in_use_m)
        if best != self._challenger:
            self._challenger, self._since_s = best, now
        if now - self._since_s >= self._rules.steady_s:
            return self._take(best, distances[best])
        return self._stay(in_use_m)

    def _distances(
        self, rover_m: Ecef, places: Mapping[StreamKey, Ecef], now: float
    ) -> dict[StreamKey, float]:
        for key in [key for key, until_s in self._excluded.items() if now >= until_s]:
            del self._excluded[key]
        return {
            key: chord_m(rover_m, place_m)
            for key, place_m in places.items()
            if key not in self._excluded
        }

    def _is_worth(self, distance_m: float, in_use_m: float) -> bool:
        gain_m = in_use_m - distance_m
        return gain_m >= self._rules.nearer_m and gain_m >= self._rules.nearer_share * in_use_m

    def _take(self, key: StreamKey, distance_m: float) -> StreamKey:
        self.current = key
        self._challenger = None
        self._stay(distance_m)
        return key

    def _stay(self, distance_m: float) -> StreamKey | None:
        self.distance_m = distance_m
        self.reason = f"{self.current} is {distance_m / 1000.0:.1f} km away"
        return self.current

    def _let_go(self, distance_m: float | None, *, is_any: bool) -> None:
        self.current = self._challenger = None
        self.distance_m = distance_m
        if distance_m is not None:
            limit_km = self._rules.reach_m / 1000.0
            self.reason = (
                f"the nearest base is {distance_m / 1000.0:.0f} km away (limit {limit_km:.0f} km)"
            )
        elif is_any:
            self.reason = "no base in reach delivers"
        else:
            self.reason = "no base is known: the sourcetable has not come, or has no positions"
