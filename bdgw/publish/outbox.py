"""What waits to be published: the words, and the seam between who fills and who sends.

The sender asks with ``take``, and an entry is forgotten only at ``ack`` (delivered) or ``reject``
(refused for good). Time is a parameter everywhere: monotonic seconds of the caller.

Order: alarms, messages and states before live entries, these before the history; within one lane
the order of ``put``, also for entries that came back by ``release``. So the order of one device on
the live lane is kept.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

import msgspec

__all__ = [
    "EACH_COUNTS",
    "FIX_SCHEMA",
    "JSON",
    "URGENT",
    "DropReason",
    "Entry",
    "Lane",
    "Outbox",
    "OutboxSnapshot",
    "Outgoing",
]

JSON = "application/json"
FIX_SCHEMA = "bdgw/fix/1"
"""The schema of fixes: the messages whose losses are remembered one by one."""


class Lane(enum.StrEnum):
    """Who goes first and who may be dropped."""

    ALARM = "alarm"
    """Goes first, never dropped; on the disk at once."""
    MESSAGE = "message"
    """A short message or the fate of one: as an alarm."""
    STATE = "state"
    """Goes first, never dropped, except that a newer state of the same key replaces a waiting
    one when room is needed: a retained state has only one value. Never on the disk."""
    LIVE = "live"
    """Goes next. What has waited, and has been superseded, goes on in the history lane."""
    HISTORY = "history"
    """Goes when nothing else does, at a limited rate; the first to be dropped when there is no
    room. For what an outage has held up, and for what is sent again on request."""


URGENT = frozenset({Lane.ALARM, Lane.MESSAGE, Lane.STATE})
"""Lanes that go first."""
EACH_COUNTS = frozenset({Lane.ALARM, Lane.MESSAGE})
"""Lanes in which no entry stands for another: on the disk at once, kept above all bounds."""


class DropReason(enum.StrEnum):
    """Why an entry was given up undelivered."""

    SUPERSEDED = "superseded"
    """No room, and a newer entry of the same key had been accepted."""
    FULL = "full"
    """No room, and it was the oldest droppable entry."""
    OVERTAKEN = "overtaken"
    """It had to be sent again, but a newer one of its key was delivered meanwhile, and it has no
    topic in the history: sending it now would put an old value into the retained latest."""
    TOO_OLD = "too_old"
    """It has waited for longer than the configuration allows."""
    DAMAGED = "damaged"
    """The disk gave back something else."""


class Outgoing(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One message for the broker, as whoever has something to say puts it."""

    topic: str
    payload: bytes
    lane: Lane
    qos: int = 1
    retain: bool = False
    supersede_key: str | None = None
    """Entries of one key replace each other (a device id for live fixes)."""
    expiry_s: int | None = None
    """How long the message is of use to a subscriber (MQTT 5 message expiry)."""
    schema: str | None = None
    """Name of the payload's schema (MQTT 5 user property)."""
    content_type: str = JSON
    late_topic: str | None = None
    """Where a live entry goes that has waited too long: the history's topic. None: nowhere."""


class Entry(Outgoing, frozen=True, kw_only=True, gc=False):
    """A message that waits for its acknowledgement."""

    id: int
    """Ascending in the order of ``put``."""
    accepted_s: float = 0.0

    @property
    def size_bytes(self) -> int:
        """What the entry counts against the byte bound: topic and payload."""
        return len(self.payload) + len(self.topic)


class OutboxSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Counters and gauges at one instant; accepted + restored = acked + rejected + dropped + depth.

    All counters are of this process.
    """

    accepted: int
    restored: int = 0
    """Entries that the file held when it was opened."""
    acked: int
    rejected: Mapping[str, int]
    dropped: Mapping[str, int]
    depth: int
    """Entries held, the ones in flight included."""
    in_flight: int
    history: int = 0
    """Entries that wait in the history lane, on the disk or in memory."""
    bytes: int
    """Topics and payloads in memory, and what the file holds."""
    stored_bytes: int = 0
    unsafe: int = 0
    """Entries that neither the disk nor the broker has yet."""
    oldest_unacked_age_s: float | None
    """Of the alarms, states and live entries; the history may be as old as it is."""
    room_h: float | None = None
    """For how many hours without a broker there is room, at the rate of the last minutes."""
    is_over_bound: bool
    """Alarms, messages and states alone have passed the bound."""
    storage_error: str | None = None
    """Why nothing can be written to the disk at the moment."""


class Outbox(Protocol):
    """What the gateway fills and the MQTT sender drains. No method blocks or raises."""

    def put(self, message: Outgoing, *, now_s: float) -> int | None:
        """Take a message; its id, or None when it was dropped at once."""
        ...

    def take(self, limit: int) -> list[Entry]:
        """Hand out up to ``limit`` entries, which are in flight from now on."""
        ...

    def ack(self, entry_id: int) -> None:
        """The broker has it: forget the entry."""
        ...

    def reject(self, entry_id: int, reason: str) -> None:
        """The broker refuses it for good: put it aside and count it."""
        ...

    def release(self, entry_ids: Iterable[int]) -> None:
        """Give entries in flight back, to be sent again in their old places."""
        ...

    def newest(self) -> int:
        """The id of the entry that was put last; 0 before the first."""
        ...

    def is_safe(self, entry_id: int) -> bool:
        """Whether an entry would survive the end of the process, or has left for good."""
        ...

    def when_safe(self, entry_id: int, done: Callable[[], None]) -> None:
        """Have ``done`` called once the disk or the broker has the entry: at once, or later.

        Never, where it is given up before.
        """
        ...

    def hold_history(self, delay_s: float) -> None:
        """Send nothing of the history lane for so long: a connection has just begun."""
        ...

    def set_wakeup(self, wakeup: Callable[[], None] | None) -> None:
        """Have ``wakeup`` called whenever ``take`` may have something new."""
        ...

    def snapshot(self, *, now_s: float) -> OutboxSnapshot:
        """Counters, depth and age."""
        ...
