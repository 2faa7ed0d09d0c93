"""The values around the receiver of long messages: limits, events, what it remembers."""

from __future__ import annotations

import enum

import msgspec

__all__ = [
    "Completed",
    "ControlDue",
    "DoneState",
    "Missing",
    "MissingCause",
    "PartialState",
    "Progressed",
    "ReassemblerState",
    "ReassemblyEvent",
    "ReassemblyLimits",
    "Rejected",
    "RejectedCause",
]


class ReassemblyLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Messages, bytes and seconds."""

    sender_messages: int = 4
    """Under way at once from one sender."""
    sender_bytes: int = 256 * 1024
    """For all of these once they are full, with an allowance for their keeping."""
    total_messages: int = 256
    total_bytes: int = 16 * 1024 * 1024
    sender_done: int = 64
    """Complete messages of one sender that are remembered by id and check."""
    total_done: int = 4096
    done_s: float = 86400.0
    """For so long; ids must not come round within it."""
    partial_s: float = 86400.0
    """A message whose sender was not heard for so long is given up."""
    idle_s: float = 3600.0
    """After so long it may be given up for another, where room is short."""
    quiet_s: float = 900.0
    """After so long the sender is told unasked what is missing; then at twice that, and so on."""
    reply_s: float = 20.0
    """A complete message is not acknowledged again within this time."""

    def __post_init__(self) -> None:
        counts = self.sender_messages, self.total_messages, self.sender_done, self.total_done
        if min(counts) < 1 or min(self.sender_bytes, self.total_bytes) < 1:
            raise ValueError("a limit of messages or bytes is 1 and more")
        times = self.done_s, self.partial_s, self.idle_s, self.quiet_s
        if min(times) <= 0.0 or self.reply_s < 0.0:
            raise ValueError("a limit of time is above 0")


class RejectedCause(enum.StrEnum):
    """Why a unit was not taken."""

    UNREADABLE = "unreadable"
    CONTROL = "control"
    """It is for a sender, not for a receiver."""
    CONTRADICTION = "contradiction"
    """Count, length or content differ from those of the same message."""
    SENDER_FULL = "sender_full"
    FULL = "full"
    TOO_LARGE = "too_large"
    CHECK = "check"


class MissingCause(enum.StrEnum):
    """Why a message that was started will not come."""

    TIMEOUT = "timeout"
    ABANDONED = "abandoned"
    """Its sender said so."""
    REPLACED = "replaced"
    """Its sender uses the id for another message."""
    DISPLACED = "displaced"
    """It was idle, and its room was needed."""
    CHECK = "check"


class Completed(msgspec.Struct, frozen=True, kw_only=True):
    """A message is whole and fits its check."""

    sender: int
    message_id: int
    payload: bytes
    n_data: int
    n_arrived: int
    duration_s: float
    """From its first unit to the one that completed it."""


class Progressed(msgspec.Struct, frozen=True, kw_only=True):
    """A unit has brought a message forward."""

    sender: int
    message_id: int
    n_held: int
    n_data: int


class Missing(msgspec.Struct, frozen=True, kw_only=True):
    """A message that was started is given up."""

    sender: int
    message_id: int
    n_held: int
    n_data: int
    cause: MissingCause


class Rejected(msgspec.Struct, frozen=True, kw_only=True):
    """A unit was not taken."""

    sender: int
    message_id: int | None
    cause: RejectedCause
    text: str


ReassemblyEvent = Completed | Progressed | Missing | Rejected


class ControlDue(msgspec.Struct, frozen=True, kw_only=True):
    """A unit to send to a sender."""

    to: int
    message_id: int
    unit: bytes
    is_final: bool
    """It acknowledges or refuses the message as a whole."""


class PartialState(msgspec.Struct, frozen=True, kw_only=True):
    """One message under way."""

    sender: int
    message_id: int
    n_data: int
    chunk_bytes: int
    units: tuple[tuple[int, bytes], ...]
    n_arrived: int
    n_spare: int
    n_failures: int
    is_due: bool
    age_s: float
    idle_s: float


class DoneState(msgspec.Struct, frozen=True, kw_only=True):
    """One message that is complete."""

    sender: int
    message_id: int
    n_data: int
    check: int
    n_arrived: int
    is_due: bool
    age_s: float


class ReassemblerState(msgspec.Struct, frozen=True, kw_only=True):
    """All that a receiver must remember across a restart."""

    partials: tuple[PartialState, ...]
    done: tuple[DoneState, ...]
