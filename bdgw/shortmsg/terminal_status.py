"""The states of a terminal, and the numbers by which they are told apart. Pure values."""

from __future__ import annotations

import enum

import msgspec

__all__ = ["TerminalHealthLimits", "TerminalStatus"]


class TerminalStatus(enum.StrEnum):
    """What a terminal is doing."""

    STARTING = "starting"
    """Family or card are not known yet."""
    READY = "ready"
    BUSY = "busy"
    """It answers, and puts requests off or gives no feedback to them."""
    DEAF = "deaf"
    """It answers and hears no satellite."""
    SUPPRESSED = "suppressed"
    """抑制 or 静默: it may receive and not transmit."""
    NO_CARD = "no_card"
    REBOOTING = "rebooting"
    """It has started anew and has not shown its card yet."""
    NOT_LISTENING = "not_listening"
    """It talks and answers no question: the line towards it may be cut."""
    GARBAGE = "garbage"
    """Bytes come, none of them decode."""
    DEAD = "dead"
    """Nothing comes at all."""
    CLOSED = "closed"
    """The port is gone."""


class TerminalHealthLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How much is too much; seconds, counts, dB-Hz."""

    n_unanswered: int = 3
    """Questions in a row without an answer."""
    deaf_s: float = 120.0
    """Reports without a usable beam must span so long."""
    usable_cn0_dbhz: float = 40.0
    """The lowest of the three thresholds that are known (RDSS digest 6.2)."""
    signal_stale_s: float = 180.0
    """An older report of beams says nothing any more."""
    n_no_lock: int = 3
    """Refusals for want of lock in a row, where no beams are reported."""
    suppressed_s: float = 600.0
    """Without a word about it for so long, one request may try whether it was lifted; families
    without 自检 have no other way to tell."""
    busy_s: float = 10.0

    def __post_init__(self) -> None:
        if self.n_unanswered < 1 or self.n_no_lock < 1:
            raise ValueError("n_unanswered and n_no_lock must be 1 or more")
        times = (self.deaf_s, self.signal_stale_s, self.suppressed_s, self.busy_s)
        if not all(0.0 < time_s < float("inf") for time_s in times):
            raise ValueError("times must be above 0 and finite")
