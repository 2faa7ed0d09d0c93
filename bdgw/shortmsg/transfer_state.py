"""The values around the sender of a long message: its options, its end, what it remembers."""

from __future__ import annotations

import enum

import msgspec

__all__ = ["Outcome", "TransferOptions", "TransferState"]


class Outcome(enum.StrEnum):
    """How a transfer ended."""

    DELIVERED = "delivered"
    """The receiver has rebuilt and checked the message."""
    FULL = "full"
    """The receiver has no room now; the same message may be sent again later."""
    REFUSED = "refused"
    """The receiver will never take it."""
    ID_IN_USE = "id_in_use"
    """The receiver knows another message by this id: send it again under a new one."""
    SILENT = "silent"
    """Nothing was heard of the receiver; it may have the message or not."""
    ABANDONED = "abandoned"
    """By us."""

    @property
    def is_retryable(self) -> bool:
        """Whether the same payload may go through under a new id."""
        return self in (Outcome.FULL, Outcome.ID_IN_USE, Outcome.SILENT)


class TransferOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds and units."""

    loss: float = 0.05
    """Share of units to this peer that were lost lately, 0 to below 1."""
    loss_weight_units: float = 8.0
    """How many units that experience weighs against what this transfer sees."""
    margin_sigma: float = 3.0
    """How far beyond the expected number of units to go before asking for a reply."""
    hello_after_units: int = 8
    """Ask whether anybody is there from this unit on, until a reply comes …"""
    hello_min_units: int = 32
    """… in messages that are at least so long."""
    reply_s: float = 20.0
    """How long a reply takes; the wait before each unit that may be one too many."""
    unanswered_max: int = 16
    """After so many units without the reply that they ask for, send only now and then."""
    probe_first_s: float = 600.0
    probe_max_s: float = 7200.0
    silence_s: float = 86400.0
    """Give up after so long without a reply."""

    def __post_init__(self) -> None:
        if not (0.0 <= self.loss < 1.0 and self.loss_weight_units > 0.0):
            raise ValueError("a transfer needs 0 <= loss < 1 and a weight above 0")
        if not 0.0 < self.probe_first_s <= self.probe_max_s:
            raise ValueError("a transfer needs 0 < probe_first_s <= probe_max_s")
        if min(self.margin_sigma, self.reply_s, self.silence_s) < 0.0:
            raise ValueError("margin_sigma, reply_s and silence_s are 0 and more")
        if min(self.hello_after_units, self.unanswered_max) < 1:
            raise ValueError("hello_after_units and unanswered_max are 1 and more")


class TransferState(msgspec.Struct, frozen=True, kw_only=True):
    """All that a transfer must remember across a restart, but for its payload."""

    message_id: int
    unit_bytes: int
    check: int
    n_sent: int
    n_seen_sent: int
    n_arrived: int
    n_unanswered: int
    has_heard: bool
    sent: bytes
    held: bytes
    lacking: bytes
    resent: bytes
    needs: tuple[int, ...]
    round_sent: tuple[int, ...]
    round_units: int
    outcome: Outcome | None
