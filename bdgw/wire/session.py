"""The contract of a protocol machine: bytes and the time go in, events and bytes come out.

A session owns no socket, clock, task or logger, so it is tested without any of them and the same
code serves a live port and a recorded file.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, TypeVar

__all__ = ["Session"]

EventT_co = TypeVar("EventT_co", covariant=True)


class Session(Protocol[EventT_co]):
    """What the pump drives. ``now`` is monotonic seconds of the caller's clock."""

    def receive(self, data: bytes, *, now: float) -> None:
        """Take bytes from the peer; ``b""`` means that the peer closed."""
        ...

    def tick(self, *, now: float) -> None:
        """Let timers up to ``now`` act."""
        ...

    def events(self) -> Iterator[EventT_co]:
        """Drain what has happened since the last call."""
        ...

    def data_to_send(self) -> bytes:
        """Drain the bytes that must go to the peer."""
        ...

    def deadline(self) -> float | None:
        """When ``tick`` is due next, or None while nothing is waiting."""
        ...
