"""The one contract of everything that carries bytes to and from a device.

A transport lives once: open, data, lost or closed. It knows nothing about what the bytes mean and
never reconnects; the supervisor builds a new one.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Protocol

import msgspec

__all__ = ["Done", "LinkHandler", "Lost", "LostCause", "Transport", "WriteState"]

Done = Callable[[bool], None]
"""Told once what became of a message that was taken: the system has all of it, or it never will.

Where half of it is out when the link breaks, it never will. Must not raise.
"""


class LostCause(enum.StrEnum):
    """Why a link ended; the words under which reconnects are counted."""

    OPEN_FAILED = "open_failed"
    """It never came up: no such port, refused, name not resolved, timed out."""
    GONE = "gone"
    """The port hung up: unplugged, or the other end of a pseudo-terminal closed."""
    PEER_CLOSED = "peer_closed"
    ERROR = "error"
    """The operating system reported an error on the open link."""
    SILENT = "silent"
    """Nothing came for too long and the watchdog gave the link up."""
    TAKEN_OVER = "taken_over"
    """The same device came in on a newer connection."""
    LISTENER_DOWN = "listener_down"
    """The shared socket that carried it is gone."""
    ENDED = "ended"
    """A file is at its end; not an error."""


class Lost(msgspec.Struct, frozen=True):
    """The end of a link, in a word to count and in words to read."""

    cause: LostCause
    reason: str


class WriteState(msgspec.Struct, frozen=True, kw_only=True):
    """How the sending side fares, apart from whether anything is received."""

    n_drops: int = 0
    """Writes refused because the buffer was full."""
    n_perished: int = 0
    """Writes that were taken and then left out, because their lifetime ended as they waited."""
    pending_bytes: int = 0
    stalled_s: float | None = None
    """How long the peer has taken nothing although something waits; None while nothing waits."""


class LinkHandler(Protocol):
    """Who a transport reports to. No method blocks and none may raise."""

    def on_data(self, data: bytes) -> None:
        """Bytes from the device, never empty, in order."""
        ...

    def on_lost(self, lost: Lost) -> None:
        """The link is over.

        Exactly once after an ``open`` that succeeded, unless ``close`` was called first; nothing
        follows it.
        """
        ...

    def on_waiting(self, lost: Lost | None, text: str) -> None:
        """``open`` goes on waiting for a device that dials in.

        ``lost`` says that the listener itself is down.
        """
        ...

    def on_note(self, text: str | None) -> None:
        """Something that an operator should read beside the status; None takes it back."""
        ...


class Transport(Protocol):
    """One life of one link."""

    @property
    def peer(self) -> str:
        """What is at the other end, for people; empty while unknown."""
        ...

    async def open(self, handler: LinkHandler) -> None:
        """Bring the link up; data may be delivered before this returns.

        Raises:
            OSError: the operating system refused.
            LinkError: the link cannot be used as it is configured.
        """
        ...

    def write(
        self, data: bytes, *, lifetime_s: float | None = None, done: Done | None = None
    ) -> bool:
        """Send or buffer ``data`` as a whole; never blocks.

        What is perishable has a ``lifetime_s``: it does not wait longer than that, or is refused
        where something waits already. False, and counted, when there is no room or no link;
        else ``done`` is told what became of it, perhaps before this returns.
        """
        ...

    def write_state(self, now: float) -> WriteState:
        """The sending side at ``now`` (monotonic seconds)."""
        ...

    async def close(self) -> None:
        """Let go of everything; when it returns, the port can be opened again.

        May be called in any state and more than once; buffered writes are discarded.
        """
        ...
