"""Which of its ranked sources a device gets: take-over, return, and the reasons against.

A source takes over only where it fits what the rover has had: the same frame, a base that is known
and near, a station id that says whether the base is another one, and systems in common. No I/O;
facts come in, a decision comes out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from bdgw.corrections.base_guard import Base
from bdgw.corrections.datum import Datum
from bdgw.geodesy import Ecef, chord_m

__all__ = ["Chooser", "Facts", "FailoverRules", "StreamKey", "misfit"]


class StreamKey(msgspec.Struct, frozen=True):
    """One stream of corrections: a source, a mount of it, and the device that it is made for.

    ``device`` is None where many devices share it.
    """

    source: str
    mount: str | None = None
    device: str | None = None

    def __str__(self) -> str:
        return self.source if self.mount is None else f"{self.source}/{self.mount}"


class FailoverRules(msgspec.Struct, frozen=True, kw_only=True):
    """When a standby takes over, and when the better one comes back."""

    takeover_s: float = 10.0
    """Without a fresh epoch for so long a source is left."""
    return_s: float = 60.0
    """A better source must have been live without a break for so long."""
    reach_m: float = 50_000.0
    """A standby's base may be so far from the rover, or from the base before it."""
    same_base_m: float = 1.0
    """Two streams whose bases are closer than this come from one base."""
    let_go_s: float = 65.0
    """A base with the same station id at another place is taken only after so long without
    corrections, when receivers have let go of the old one: else they would not notice."""


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a stream at one instant."""

    datum: Datum
    is_live: bool
    """Fresh epochs come, and nothing holds them back."""
    live_for_s: float = 0.0
    quiet_for_s: float = 0.0
    """Since the last fresh epoch, or since the beginning."""
    reason: str = ""
    """Why it is not live, in plain words."""
    station: int | None = None
    base: Base | None = None
    systems: frozenset[str] = frozenset()
    """RINEX letters of the systems with observations that a rover can use."""


def misfit(
    had: Facts | None,
    offered: Facts,
    *,
    rover_m: Ecef | None,
    silent_for_s: float,
    rules: FailoverRules,
) -> str | None:
    """Say why ``offered`` must not follow on ``had`` (None: nothing yet); None when it may.

    ``rover_m`` is where the rover is, if that is known; ``silent_for_s`` since anything has been
    forwarded to it.
    """
    base = offered.base
    if base is None:
        return "its base position is not known yet (needs 1005 or 1006)"
    if not offered.systems:
        return "it carries no observations that a rover can use (needs MSM4 to MSM7 or 1004)"
    had_base = None if had is None else had.base
    origin_m = rover_m if rover_m is not None else None if had_base is None else had_base.ecef_m
    if origin_m is not None and chord_m(origin_m, base.ecef_m) > rules.reach_m:
        what = "the rover" if rover_m is not None else "the base before"
        away_km = chord_m(origin_m, base.ecef_m) / 1000.0
        return f"its base is {away_km:.0f} km from {what} (limit {rules.reach_m / 1000.0:.0f} km)"
    if had is None:
        return None
    if had_base is not None and had_base.station == base.station:
        apart_m = chord_m(had_base.ecef_m, base.ecef_m)
        if apart_m > rules.same_base_m and silent_for_s < rules.let_go_s:
            return (
                f"both call themselves station {base.station} but stand {apart_m / 1000.0:.1f} km "
                f"apart: taken only after {rules.let_go_s:.0f} s without corrections"
            )
    common = had.systems & offered.systems
    if had.systems and len(common) < min(2, len(had.systems)):
        return (
            f"it has {_letters(offered.systems)} where {_letters(had.systems)} was received: "
            "too little in common"
        )
    return None


class Chooser:
    """The choice of one device; ``datum`` is the frame it is bound to, None while it has none.

    ``began_s`` is monotonic seconds.
    """

    def __init__(self, rules: FailoverRules, *, began_s: float, datum: Datum | None = None) -> None:
        self._rules = rules
        self._began_s = began_s
        self._had: Facts | None = None
        self._last_forward_s: float | None = None
        self.current: StreamKey | None = None
        self.datum = datum
        """The frame that the device has had or was promised; it never gets another one."""
        self.refusals: dict[StreamKey, str] = {}
        """Why streams that are live were not taken, as of the last choice."""
        self.frame_refusals: dict[StreamKey, str] = {}
        """Those of them that would have mixed frames."""
        self.n_switches = 0

    def forwarded(self, datum: Datum, now: float) -> None:
        """Corrections have gone out to the device."""
        self.datum = datum
        self._last_forward_s = now

    def choose(
        self,
        ranked: Sequence[StreamKey],
        facts: Mapping[StreamKey, Facts],
        now: float,
        *,
        rover_m: Ecef | None = None,
    ) -> bool:
        """Look at the ranked streams, best first; True when ``current`` has changed."""
        self.refusals.clear()
        self.frame_refusals.clear()
        current = facts.get(self.current) if self.current is not None else None
        if current is not None and current.is_live:
            self._had = current
        for rank, key in enumerate(ranked):
            if key == self.current and current is not None and not self._is_given_up(current):
                return False
            offered = facts.get(key)
            if offered is None or not offered.is_live or key == self.current:
                continue
            if self._why_not(key, rank, ranked, offered, current, now, rover_m) is None:
                self.current = key
                self._had = offered
                self.n_switches += 1
                return True
        return False

    def _why_not(
        self,
        key: StreamKey,
        rank: int,
        ranked: Sequence[StreamKey],
        offered: Facts,
        current: Facts | None,
        now: float,
        rover_m: Ecef | None,
    ) -> str | None:
        if self.datum is not None:
            why = self.datum.refusal(offered.datum)
            if why is not None:
                self.refusals[key] = self.frame_refusals[key] = why
                return why
        if rank == 0 and self._had is None:
            # The source that was asked for is the measure and has nothing to be measured by.
            return None
        since_s = now - (self._began_s if self._last_forward_s is None else self._last_forward_s)
        why = self._not_yet(offered, current, self.current in ranked, since_s)
        if why is None:
            why = misfit(
                self._had, offered, rover_m=rover_m, silent_for_s=since_s, rules=self._rules
            )
        if why is not None:
            self.refusals[key] = why
        return why

    def _not_yet(
        self, offered: Facts, current: Facts | None, is_current_ranked: bool, since_s: float
    ) -> str | None:
        rules = self._rules
        if current is None:
            if self.current is None and since_s < rules.takeover_s:
                return f"waits {rules.takeover_s:.0f} s for the source that is preferred"
            return None
        if self._is_given_up(current) or not is_current_ranked:
            return None
        if offered.live_for_s < rules.return_s:
            return f"comes back after {rules.return_s:.0f} s without a break"
        return None

    def _is_given_up(self, current: Facts) -> bool:
        return not current.is_live and current.quiet_for_s >= self._rules.takeover_s


def _letters(systems: frozenset[str]) -> str:
    return "+".join(sorted(systems)) or "nothing"
