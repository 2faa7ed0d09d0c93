"""What is known of each terminal: card, beams, self-check, version, and what it is doing. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from bdgw.shortmsg import terminal_event as says
from bdgw.shortmsg.terminal_health import TerminalStatus
from bdgw.shortmsg.vocabulary import (
    Card,
    CardRead,
    Family,
    NoCard,
    Received,
    SelfCheckSeen,
    SignalSeen,
    TimeSeen,
    VendorFrame,
    VersionSeen,
)

__all__ = ["TerminalBoard", "TerminalSnapshot", "terminal_object"]


class TerminalSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """One terminal at one instant. Ages in seconds; None is unknown."""

    terminal: str
    status: TerminalStatus
    reason: str
    status_age_s: float
    not_working_s: float
    """Since it could last send; 0 while it can."""
    family: Family | None
    card: Card | None
    subordinates: tuple[int, ...] | None
    """指挥机: whom its card commands."""
    beams: tuple[tuple[int, int], ...] | None
    """(beam, power code 0 to 4) as last reported."""
    cn0_dbhz: tuple[tuple[int, float], ...] | None
    """(beam, C/N0 dB-Hz), where the family reports that."""
    signal_age_s: float | None
    self_check: SelfCheckSeen | None
    version: str | None
    clock: str | None
    """The terminal's own time as it writes it; never believed."""
    n_requested: int
    n_accepted: int
    n_refused: int
    """Refused by the terminal, not by the session."""
    n_unknown: int
    """Requests without feedback: possibly sent."""
    n_received: int
    n_restarts: int
    n_vendor_frames: int
    """Frames with a good checksum that are not understood."""


_WORKING = frozenset({TerminalStatus.READY, TerminalStatus.BUSY})


class _Row(msgspec.Struct, kw_only=True):
    since_s: float
    worked_at_s: float
    status: TerminalStatus = TerminalStatus.CLOSED
    reason: str = "its port has not been opened yet"
    family: Family | None = None
    card: Card | None = None
    subordinates: tuple[int, ...] | None = None
    signal: SignalSeen | None = None
    signal_at_s: float | None = None
    self_check: SelfCheckSeen | None = None
    version: str | None = None
    clock: str | None = None
    n_requested: int = 0
    n_accepted: int = 0
    n_refused: int = 0
    n_unknown: int = 0
    n_received: int = 0
    n_restarts: int = 0
    n_vendor_frames: int = 0


class TerminalBoard:
    """All terminals of the gateway."""

    def __init__(self, terminals: Mapping[str, Family | None], *, now: float) -> None:
        """``terminals`` by name, with the family where that is configured."""
        self._rows = {
            name: _Row(since_s=now, worked_at_s=now, family=family)
            for name, family in terminals.items()
        }

    def take(self, terminal: str, event: says.SessionEvent, *, now: float) -> None:  # noqa: C901 - one line a kind of event
        """Note what the session of a terminal says.

        Raises:
            KeyError: there is no such terminal.
        """
        row = self._rows[terminal]
        match event:
            case says.StatusChanged(status=status, reason=reason):
                if row.status in _WORKING:
                    row.worked_at_s = now
                if status is not row.status:
                    row.since_s = now
                row.status, row.reason = status, reason
            case CardRead(card=card) | says.CardChanged(card=card):
                row.card = card
            case NoCard():
                row.card = row.subordinates = None
            case says.FamilyFound(family=family):
                row.family = family
            case says.SubordinatesRead(addresses=addresses):
                row.subordinates = addresses
            case SignalSeen():
                row.signal, row.signal_at_s = event, now
            case SelfCheckSeen():
                row.self_check = event
            case VersionSeen(text=text):
                row.version = text
            case TimeSeen(text=text):
                row.clock = text
            case Received():
                row.n_received += 1
            case _:
                _count(row, event)

    def status_of(self, terminal: str) -> TerminalStatus:
        """What a terminal is doing."""
        return self._rows[terminal].status

    def snapshots(self, now: float) -> tuple[TerminalSnapshot, ...]:
        """Every terminal as it is now, in order of configuration."""
        return tuple(_snapshot(name, row, now) for name, row in self._rows.items())


def _count(row: _Row, event: says.SessionEvent) -> None:
    match event:
        case says.Requested():
            row.n_requested += 1
        case says.Accepted():
            row.n_accepted += 1
        case says.Refused(is_by_terminal=True):
            row.n_refused += 1
        case says.Unknown():
            row.n_unknown += 1
        case says.Rebooted():
            row.n_restarts += 1
        case VendorFrame():
            row.n_vendor_frames += 1
        case _:
            pass


def _snapshot(name: str, row: _Row, now: float) -> TerminalSnapshot:
    signal = row.signal
    return TerminalSnapshot(
        terminal=name,
        status=row.status,
        reason=row.reason,
        status_age_s=now - row.since_s,
        not_working_s=0.0 if row.status in _WORKING else now - row.worked_at_s,
        family=row.family,
        card=row.card,
        subordinates=row.subordinates,
        beams=None if signal is None else signal.codes or None,
        cn0_dbhz=None if signal is None else signal.cn0_dbhz or None,
        signal_age_s=None if row.signal_at_s is None else now - row.signal_at_s,
        self_check=row.self_check,
        version=row.version,
        clock=row.clock,
        n_requested=row.n_requested,
        n_accepted=row.n_accepted,
        n_refused=row.n_refused,
        n_unknown=row.n_unknown,
        n_received=row.n_received,
        n_restarts=row.n_restarts,
        n_vendor_frames=row.n_vendor_frames,
    )


def terminal_object(snapshot: TerminalSnapshot) -> dict[str, Any]:
    """Give a terminal for JSON: unknown is absent, ages are whole milliseconds."""
    value: dict[str, Any] = {"dev": snapshot.terminal}
    for name in TerminalSnapshot.__struct_fields__[1:]:
        item = msgspec.to_builtins(getattr(snapshot, name))
        if isinstance(item, dict):
            item = {key: each for key, each in item.items() if each is not None}
        if item is not None:
            value[name] = round(item, 3) if isinstance(item, float) else item
    return value
