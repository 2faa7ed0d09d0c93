"""What a terminal session says to its owner.

Card, signal, time and received messages come through in the words of the vocabulary. A request to
send has a ticket, and every ticket has one outcome: ``Accepted``, ``Refused`` or ``Unknown``.
"""

from __future__ import annotations

import msgspec

from bdgw.shortmsg.interval import SendMark
from bdgw.shortmsg.terminal_health import TerminalStatus
from bdgw.shortmsg.vocabulary import (
    Card,
    CardRead,
    Family,
    NoCard,
    PositionSeen,
    ReceiptSeen,
    Received,
    RefusalReason,
    SelfCheckSeen,
    SignalSeen,
    TimeSeen,
    VendorFrame,
    VersionSeen,
)

__all__ = [
    "Accepted",
    "CardChanged",
    "FamilyFound",
    "LateFeedback",
    "Rebooted",
    "Refused",
    "Requested",
    "SentElsewhere",
    "SessionEvent",
    "StatusChanged",
    "SubordinatesRead",
    "Unknown",
]


class Requested(msgspec.Struct, frozen=True, kw_only=True):
    """A request is about to leave; its outcome follows.

    Write ``mark`` down before the bytes go out: after a crash it keeps the interval.
    """

    ticket: int
    mark: SendMark


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """The terminal has transmitted or queued the request; nobody is known to have received it."""

    ticket: int
    mark: SendMark


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """The request was not transmitted.

    ``mark`` is what the interval counts from now on, None where nothing was ever sent. It takes
    the place of that of ``Requested``. Where the session itself refused, nothing left the host and
    ``is_by_terminal`` is False.
    """

    ticket: int
    reason: RefusalReason
    wait_s: float | None = None
    """Until a request of this kind may be tried again, as the session sees it; None: unknown."""
    text: str = ""
    mark: SendMark | None = None
    is_by_terminal: bool = True


class Unknown(msgspec.Struct, frozen=True, kw_only=True):
    """No feedback came: the message was possibly sent, and the interval possibly runs."""

    ticket: int
    mark: SendMark
    text: str


class LateFeedback(msgspec.Struct, frozen=True, kw_only=True):
    """The terminal's answer to a ticket that is ``Unknown`` already; no second outcome."""

    ticket: int
    is_accepted: bool
    reason: RefusalReason | None = None
    mark: SendMark | None = None


class SentElsewhere(msgspec.Struct, frozen=True, kw_only=True):
    """The terminal has transmitted what nobody asked for here; the interval counts from it."""

    mark: SendMark


class FamilyFound(msgspec.Struct, frozen=True, kw_only=True):
    """The terminal has shown which protocol family it speaks."""

    family: Family


class CardChanged(msgspec.Struct, frozen=True, kw_only=True):
    """Another card, or other rights on the same one."""

    before: Card
    card: Card


class SubordinatesRead(msgspec.Struct, frozen=True, kw_only=True):
    """指挥机: its subordinates, in the order of the card."""

    addresses: tuple[int, ...]
    is_complete: bool
    """As many as the card announces; otherwise no more pages came."""


class Rebooted(msgspec.Struct, frozen=True, kw_only=True):
    """The terminal has started anew; what it was told before is lost."""

    text: str


class StatusChanged(msgspec.Struct, frozen=True, kw_only=True):
    """What the terminal is doing now, and why in words."""

    status: TerminalStatus
    reason: str
    may_send: bool | None = None
    """Whether the session takes requests now; None: as the status says."""


SessionEvent = (
    Requested
    | Accepted
    | Refused
    | Unknown
    | LateFeedback
    | SentElsewhere
    | FamilyFound
    | CardRead
    | CardChanged
    | NoCard
    | SubordinatesRead
    | Received
    | ReceiptSeen
    | SignalSeen
    | SelfCheckSeen
    | TimeSeen
    | VersionSeen
    | PositionSeen
    | VendorFrame
    | Rebooted
    | StatusChanged
)
