"""Manners towards casters: when to try, how long to stay away, which version to ask in. Pure.

Community casters count connections that fail and ban the address behind them. So: never two
attempts to a caster closer than the floor, waits that double and are spread by chance, minutes
after a refusal that only people can change, and forgiveness only for a connection that delivered
valid frames for a while. An open socket, even a granted stream, is no success.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from bdgw.ntrip.request import NtripVersion
from bdgw.ntrip.sourcetable import Sourcetable, StreamRecord

__all__ = ["CasterMemory", "Courtesy", "CourtesyLimits"]

_MAX_DOUBLINGS = 60
_SILENCES_TO_FORGET = 3
_LEARNED_MAX = 256


class CourtesyLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds."""

    floor_s: float = 10.0
    """Between the beginnings of two attempts, and from an end to the next beginning."""
    cap_s: float = 900.0
    refused_s: float = 300.0
    """At least so long after a refusal such as 401, 403, 404."""
    good_s: float = 30.0
    """Valid frames must have come for so long."""
    gap_s: float = 15.0
    """A longer pause between frames starts that count again."""

    def __post_init__(self) -> None:
        if not 0.0 < self.floor_s <= self.refused_s <= self.cap_s < float("inf"):
            raise ValueError("courtesy needs 0 < floor_s <= refused_s <= cap_s")
        if self.good_s < 0.0 or self.gap_s <= 0.0:
            raise ValueError("courtesy needs good_s of 0 and more, gap_s above 0")


class Courtesy:
    """The attempts of one client, one after the other."""

    def __init__(self, limits: CourtesyLimits, *, uniform: Callable[[float, float], float]) -> None:
        """Start with no failures; ``uniform(a, b)`` draws from a to b."""
        self._limits = limits
        self._uniform = uniform
        self._due_s: float | None = None
        self._frames_since_s: float | None = None
        self._frame_at_s: float | None = None
        self.n_failures = 0
        """Connections in a row that were not good."""
        self.is_good = False
        """The present connection has proven itself."""

    def due_s(self) -> float | None:
        """When the next attempt is allowed; None: at once."""
        return self._due_s

    def attempt(self, *, now: float) -> None:
        """An attempt begins.

        Raises:
            ValueError: it is not allowed yet.
        """
        if self._due_s is not None and now < self._due_s:
            raise ValueError(f"an attempt {self._due_s - now:.1f} s too early")
        self._due_s = now + self._limits.floor_s
        self._frames_since_s = self._frame_at_s = None
        self.is_good = False

    def frames_seen(self, n: int, *, now: float) -> bool:
        """Valid frames came out of the stream; True when that has just made it good."""
        if n <= 0:
            return False
        last_s = self._frame_at_s
        if self._frames_since_s is None or last_s is None or now - last_s > self._limits.gap_s:
            self._frames_since_s = now
        self._frame_at_s = now
        if self.is_good or now - self._frames_since_s < self._limits.good_s:
            return False
        self.is_good = True
        self.n_failures = 0
        return True

    def ended(self, *, now: float, is_refusal: bool, retry_after_s: float | None = None) -> float:
        """The attempt, or the connection that came of it, is over; when is the next one due?

        ``is_refusal`` means that only people can change the answer. A wait that the caster asks
        for is kept, up to the cap.
        """
        limits = self._limits
        self.is_good = False
        self.n_failures += 1
        base_s = limits.refused_s if is_refusal else limits.floor_s
        ceiling_s = min(limits.cap_s, base_s * 2.0 ** min(self.n_failures, _MAX_DOUBLINGS))
        wait_s = min(max(self._uniform(base_s, ceiling_s), base_s), limits.cap_s)
        if retry_after_s is not None:
            wait_s = min(max(wait_s, retry_after_s), limits.cap_s)
        self._due_s = max(now + wait_s, self._due_s or now)
        return self._due_s


class CasterMemory:
    """What all clients of this gateway know together about one caster."""

    def __init__(self, floor_s: float = CourtesyLimits().floor_s) -> None:
        self._floor_s = floor_s
        self._attempt_at_s: float | None = None
        self._known: NtripVersion | None = None
        self._next = NtripVersion.V2
        self._n_silences = 0
        self._wants_position: set[str] = set()
        self._records: dict[str, StreamRecord] = {}
        self.table: Sourcetable | None = None
        self.table_at_s: float | None = None
        """When the table was asked for last, got or not."""

    def due_s(self) -> float | None:
        """When anyone may try again; None: at once."""
        return None if self._attempt_at_s is None else self._attempt_at_s + self._floor_s

    def attempt(self, *, now: float) -> None:
        """Someone tries.

        Raises:
            ValueError: too early.
        """
        due_s = self.due_s()
        if due_s is not None and now < due_s:
            raise ValueError(f"an attempt {due_s - now:.1f} s too early")
        self._attempt_at_s = now

    def version(self) -> NtripVersion:
        """Which version to ask in: the one that was answered last, version 2 at first."""
        return self._known or self._next

    def answered(self, asked: NtripVersion, *, is_silent: bool) -> None:
        """A request of this version got a reply, be it a refusal, or not a byte.

        Only silence leads to the other version: a refusal in one is a refusal in both.
        """
        if not is_silent:
            self._known = asked
            self._n_silences = 0
            return
        self._n_silences += 1
        if self._known is not None and self._n_silences < _SILENCES_TO_FORGET:
            return
        self._known = None
        self._n_silences = 0
        self._next = NtripVersion.V1 if asked is NtripVersion.V2 else NtripVersion.V2

    def learn_table(self, table: Sourcetable | None, *, now: float) -> None:
        """Take note of a table, or that there was none to be had."""
        self.table_at_s = now
        if table is not None:
            self.table = table

    def table_came(self, table: Sourcetable, mount: str, *, now: float) -> None:
        """Take the table that was sent instead of a stream.

        One that does not name the mount leaves open what is said of it while it is there.
        """
        self.table = table
        if table.find(mount) is not None:
            self.table_at_s = now

    def record(self, mount: str) -> StreamRecord | None:
        """What the table said of a mount when it last named it.

        A base that is away is missing in the table, and wants no position for that.
        """
        found = None if self.table is None else self.table.find(mount)
        if found is not None and (mount in self._records or len(self._records) < _LEARNED_MAX):
            self._records[mount] = found
        return found or self._records.get(mount)

    def wants_position(self, mount: str) -> bool:
        """Whether a mount was seen to wait for a position."""
        return mount in self._wants_position

    def position_helped(self, mount: str) -> None:
        """A mount that was silent spoke once it was told a position."""
        if len(self._wants_position) < _LEARNED_MAX:
            self._wants_position.add(mount)
