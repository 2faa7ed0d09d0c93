"""The receiver's fix and the gateway's solution of one epoch to the one record of it. Pure.

The better kind of fix is published, the receiver's where both are alike. Where they disagree, or
have done so lately, the status is lowered. Epochs leave in their order.
"""

from __future__ import annotations

from collections import Counter, deque

import msgspec

from bdgw.model import Fix, FixKind, Provenance, Solver, SolverCheck
from bdgw.receiver import EpochSeen
from bdgw.solving.comparison import AgreementWatch, Comparison, compare, lowered
from bdgw.solving.position import Position

__all__ = ["Joiner"]

_SAME_NS = 20_000_000
"""Less than half of the shortest interval of receivers."""
_RAW_S = 0.2
"""Sentences may come before the observations of their epoch."""
_SENTENCES_S = 1.2
"""A solution without sentences: some end only where those of the next epoch begin."""
_CHECKED_NS = 5_000_000_000
"""A fixed epoch of the receiver without a solution of ours stands if the last one agreed."""
_BACK_NS = 3_600_000_000_000
_WAITING_MAX = 32
_RANK = {
    FixKind.NONE: 0,
    FixKind.DEAD_RECKONING: 1,
    FixKind.SINGLE: 2,
    FixKind.DGNSS: 3,
    FixKind.RTK_FLOAT: 4,
    FixKind.PPP: 4,
    FixKind.RTK_FIXED: 5,
}
_HIGHEST = 6
"""What a person has set, or a simulator, is not ours to better."""


class _Entry:
    """One instant, and what has come of it."""

    __slots__ = ("corr", "epoch", "is_raw", "ours", "rx_s", "t_gpst_ns")

    def __init__(self, t_gpst_ns: int, rx_s: float) -> None:
        self.t_gpst_ns = t_gpst_ns
        self.rx_s = rx_s
        self.epoch: EpochSeen | None = None
        self.ours: Fix | None = None
        self.corr: Provenance | None = None
        self.is_raw = False
        """Its observations have come, so that a solution is on its way."""


class Joiner:
    """One device. ``wait_s`` is how long a solution may take after its epoch has come."""

    def __init__(self, *, wait_s: float) -> None:
        self._wait_s = wait_s
        self._entries: deque[_Entry] = deque()
        self._done: list[Position] = []
        self._last_ns: int | None = None
        self._agreed_ns: int | None = None
        self.is_base_misplaced = False
        """What is called fixed against such a base is not, whoever says it."""
        self.watch = AgreementWatch()
        self.last: Comparison | None = None
        self.counts: Counter[str] = Counter()
        """Epochs ``agreed``, ``disagreed``, ``unchecked``; ``late_fix`` and ``late_solution`` came
        when the record of their epoch had gone."""
        self._news: list[Comparison] = []

    def receiver(self, epoch: EpochSeen, now: float) -> None:
        """Take what the receiver says of an epoch; one that comes after its epoch is dropped."""
        t_ns = epoch.fix.t_gpst_ns
        if t_ns is None:
            self._done.append(self._alone(epoch))
            return
        if self._is_past(t_ns):
            self.counts["late_fix"] += 1
            return
        entry = self._entry_at(t_ns, epoch.rx_s)
        if entry.epoch is None:
            entry.epoch = epoch
        self._look(now)

    def raw(self, t_gpst_ns: int, now: float) -> None:
        """Take note that observations of an epoch have come."""
        if not self._is_past(t_gpst_ns):
            self._entry_at(t_gpst_ns, now).is_raw = True
        self._look(now)

    def solved(self, fix: Fix, corr: Provenance | None, rx_s: float, now: float) -> None:
        """Take a solution of the gateway's; one that comes after its epoch has gone is dropped."""
        t_ns = fix.t_gpst_ns
        if t_ns is None or self._is_past(t_ns):
            self.counts["late_solution"] += 1
            return
        entry = self._entry_at(t_ns, rx_s)
        entry.ours, entry.corr = fix, corr
        self._look(now)

    def tick(self, now: float) -> None:
        """Let waits end."""
        self._look(now)

    def deadline(self) -> float | None:
        """When ``tick`` is due."""
        return self._due_s(self._entries[0]) if self._entries else None

    def positions(self) -> list[Position]:
        """Drain what is ready."""
        done, self._done = self._done, []
        return done

    def news(self) -> list[Comparison]:
        """Drain the epochs at which both began or ceased to disagree; see ``watch``."""
        news, self._news = self._news, []
        return news

    def _is_past(self, t_ns: int) -> bool:
        if self._last_ns is not None and t_ns < self._last_ns - _BACK_NS:
            # Another clock, and not an epoch that is late.
            self._last_ns = self._agreed_ns = None
        return self._last_ns is not None and t_ns <= self._last_ns + _SAME_NS

    def _entry_at(self, t_ns: int, rx_s: float) -> _Entry:
        at = len(self._entries)
        for k, entry in enumerate(self._entries):
            if abs(entry.t_gpst_ns - t_ns) <= _SAME_NS:
                return entry
            if entry.t_gpst_ns > t_ns:
                at = k
                break
        made = _Entry(t_ns, rx_s)
        self._entries.insert(at, made)
        return made

    def _due_s(self, entry: _Entry) -> float:
        if entry.epoch is not None and entry.ours is not None:
            return entry.rx_s
        if entry.ours is not None:
            return entry.rx_s + _SENTENCES_S
        # Where observations are there, a solution is on its way.
        return entry.rx_s + (self._wait_s if entry.is_raw else _RAW_S)

    def _is_passed_over(self, first: _Entry) -> bool:
        """Whether what the first one lacks has come of a later epoch: both come in order."""
        later = [entry for entry in self._entries if entry is not first]
        if first.epoch is None:
            return first.ours is not None and any(e.epoch is not None for e in later)
        return any(e.ours is not None for e in later)

    def _look(self, now: float) -> None:
        while self._entries:
            entry = self._entries[0]
            is_full = len(self._entries) > _WAITING_MAX
            if now < self._due_s(entry) and not is_full and not self._is_passed_over(entry):
                return
            self._entries.popleft()
            self._last_ns = entry.t_gpst_ns
            position = self._joined(entry)
            if position is not None:
                self._done.append(_with_our_heading(self._believed(position), entry.ours))

    def _believed(self, position: Position) -> Position:
        if not self.is_base_misplaced or position.fix.kind is not FixKind.RTK_FIXED:
            return position
        fix = msgspec.structs.replace(position.fix, kind=FixKind.RTK_FLOAT)
        return msgspec.structs.replace(position, fix=fix)

    def _joined(self, entry: _Entry) -> Position | None:
        if entry.epoch is None:
            if entry.ours is None:
                return None
            return Position(fix=entry.ours, solver=Solver.GATEWAY, rx_s=entry.rx_s, corr=entry.corr)
        if entry.ours is None:
            return self._alone(entry.epoch)
        theirs, ours = entry.epoch.fix, entry.ours
        found = compare(theirs, ours)
        is_agreeing = None if found is None else self._seen(found, entry.t_gpst_ns)
        is_ours = _rank(ours) > _rank(theirs)
        chosen, other = (ours, theirs) if is_ours else (theirs, ours)
        if is_agreeing is None:
            if not is_ours:
                return self._alone(entry.epoch)
        elif not is_agreeing or self.watch.is_disagreeing:
            chosen = msgspec.structs.replace(chosen, kind=lowered(chosen.kind))
        return Position(
            fix=chosen,
            solver=Solver.GATEWAY if is_ours else Solver.RECEIVER,
            rx_s=entry.epoch.rx_s,
            epoch=entry.epoch,
            corr=entry.corr if is_ours else None,
            check=SolverCheck(
                solver=Solver.RECEIVER if is_ours else Solver.GATEWAY,
                kind=other.kind,
                diff_h_m=None if found is None else round(found.diff_h_m, 4),
                diff_v_m=(
                    None if found is None or found.diff_v_m is None else round(found.diff_v_m, 4)
                ),
                is_agreeing=is_agreeing,
            ),
        )

    def _seen(self, found: Comparison, t_ns: int) -> bool:
        self.last = found
        is_agreeing = found.is_agreeing
        self.counts["agreed" if is_agreeing else "disagreed"] += 1
        if self.watch.see(is_agreeing=is_agreeing):
            self._news.append(found)
        self._agreed_ns = t_ns if is_agreeing else None
        return is_agreeing

    def _alone(self, epoch: EpochSeen) -> Position:
        """Give the receiver's epoch that nothing could be compared with."""
        self.counts["unchecked"] += 1
        fix, agreed_ns = epoch.fix, self._agreed_ns
        t_ns = fix.t_gpst_ns
        is_vouched = (
            not self.watch.is_disagreeing
            and agreed_ns is not None
            and t_ns is not None
            and 0 <= t_ns - agreed_ns <= _CHECKED_NS
        )
        if fix.kind is FixKind.RTK_FIXED and not is_vouched:
            fix = msgspec.structs.replace(fix, kind=FixKind.RTK_FLOAT)
        return Position(fix=fix, solver=Solver.RECEIVER, rx_s=epoch.rx_s, epoch=epoch)


def _with_our_heading(position: Position, ours: Fix | None) -> Position:
    """Keep the heading that we have solved, whoever's position is published."""
    if ours is None or ours.heading is None or position.fix.heading is not None:
        return position
    fix = msgspec.structs.replace(position.fix, heading=ours.heading)
    return msgspec.structs.replace(position, fix=fix)


def _rank(fix: Fix) -> int:
    return _RANK.get(fix.kind, _HIGHEST)
