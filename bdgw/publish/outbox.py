"""What waits to be published, and the seam behind which a durable store will stand.

Knows lanes, bounds, order and what may be dropped; knows no clock, no broker and no payload. The
sender asks with ``take``, and an entry is forgotten only at ``ack`` (delivered) or ``reject``
(refused for good). Time is a parameter everywhere: monotonic seconds of the caller.

Order: alarms and states before live entries; within one lane the order of ``put``, also for
entries that came back by ``release``. So the order of one device on the live lane is kept.
"""

from __future__ import annotations

import enum
import heapq
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

import msgspec

__all__ = ["DropReason", "Entry", "Lane", "MemoryOutbox", "Outbox", "OutboxSnapshot"]

JSON = "application/json"


class Lane(enum.StrEnum):
    """Who goes first and who may be dropped."""

    ALARM = "alarm"
    """Goes first, never dropped."""
    STATE = "state"
    """Goes first, never dropped, except that a newer state of the same key replaces a waiting
    one when room is needed: a retained state has only one value."""
    MESSAGE = "message"
    """Short messages, received ones and the fate of others: go first, never dropped."""
    LIVE = "live"
    """Goes next; dropped when there is no room, the superseded ones first."""


_EACH_COUNTS = frozenset({Lane.ALARM, Lane.MESSAGE})
"""No newer entry stands for an older one."""


class DropReason(enum.StrEnum):
    """Why an entry was given up undelivered."""

    SUPERSEDED = "superseded"
    """No room, and a newer entry of the same key had been accepted."""
    FULL = "full"
    """No room, and it was the oldest droppable entry."""
    OVERTAKEN = "overtaken"
    """It had to be sent again, but a newer one of its key was delivered meanwhile: sending it now
    would break the order and put an old value into the retained latest."""


class Entry(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One message that waits for its acknowledgement."""

    id: int
    """Ascending in the order of ``put``."""
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
    accepted_s: float = 0.0

    @property
    def size_bytes(self) -> int:
        """What the entry counts against the byte bound: topic and payload."""
        return len(self.payload) + len(self.topic)


class OutboxSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Counters and gauges at one instant; accepted = acked + rejected + dropped + depth."""

    accepted: int
    acked: int
    rejected: Mapping[str, int]
    dropped: Mapping[str, int]
    depth: int
    """Entries held, the ones in flight included."""
    in_flight: int
    bytes: int
    oldest_unacked_age_s: float | None
    is_over_bound: bool
    """Alarms and states alone have passed the bound."""


class Outbox(Protocol):
    """What the gateway fills and the MQTT sender drains. No method blocks or raises."""

    def put(
        self,
        *,
        topic: str,
        payload: bytes,
        lane: Lane,
        now_s: float,
        qos: int = 1,
        retain: bool = False,
        supersede_key: str | None = None,
        expiry_s: int | None = None,
        schema: str | None = None,
        content_type: str = JSON,
    ) -> int | None:
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

    def set_wakeup(self, wakeup: Callable[[], None] | None) -> None:
        """Have ``wakeup`` called whenever ``take`` may have something new."""
        ...

    def snapshot(self, *, now_s: float) -> OutboxSnapshot:
        """Counters, depth and age."""
        ...


class MemoryOutbox:
    """An outbox that forgets at the end of the process.

    Bounded by ``max_items`` and ``max_bytes`` (topic and payload), entries in flight included.
    When there is no room, live entries go first: the oldest that has been superseded, then the
    oldest; then waiting states that have been superseded. Entries in flight are not dropped.
    What remains are alarms and current states; they are taken even above the bound.
    """

    def __init__(self, *, max_items: int = 100_000, max_bytes: int = 64 * 1024 * 1024) -> None:
        self._max_items = max_items
        self._max_bytes = max_bytes
        self._next_id = 1
        # All three are in ascending order of id; OrderedDict gives the first one in O(1).
        self._held: OrderedDict[int, Entry] = OrderedDict()
        self._urgent = _Queue()
        self._live = _Queue()
        self._acked_by_key: dict[str, int] = {}
        self._bytes = 0
        self._accepted = 0
        self._acked = 0
        self._rejected: Counter[str] = Counter()
        self._dropped: Counter[str] = Counter()
        self._wakeup: Callable[[], None] | None = None

    def put(
        self,
        *,
        topic: str,
        payload: bytes,
        lane: Lane,
        now_s: float,
        qos: int = 1,
        retain: bool = False,
        supersede_key: str | None = None,
        expiry_s: int | None = None,
        schema: str | None = None,
        content_type: str = JSON,
    ) -> int | None:
        """Take a message, making room as the policy says; None when it was dropped itself."""
        entry = Entry(
            id=self._next_id,
            topic=topic,
            payload=payload,
            lane=lane,
            qos=qos,
            retain=retain,
            supersede_key=supersede_key,
            expiry_s=expiry_s,
            schema=schema,
            content_type=content_type,
            accepted_s=now_s,
        )
        self._next_id += 1
        self._accepted += 1
        self._held[entry.id] = entry
        self._bytes += entry.size_bytes
        self._queue_of(entry).append(entry)
        while self._is_over_bound() and self._drop_one():
            pass
        if entry.id not in self._held:
            return None
        self._wake()
        return entry.id

    def take(self, limit: int) -> list[Entry]:
        """Hand out entries in the order in which they are to be sent."""
        taken = self._urgent.take(limit)
        if len(taken) < limit:
            taken += self._live.take(limit - len(taken))
        return taken

    def ack(self, entry_id: int) -> None:
        """Forget a delivered entry; an unknown id is ignored."""
        entry = self._forget(entry_id)
        if entry is None:
            return
        self._acked += 1
        if entry.lane is Lane.LIVE and entry.supersede_key is not None:
            newest = self._acked_by_key.get(entry.supersede_key, 0)
            self._acked_by_key[entry.supersede_key] = max(newest, entry.id)

    def reject(self, entry_id: int, reason: str) -> None:
        """Forget an entry that the broker will never take; an unknown id is ignored."""
        if self._forget(entry_id) is not None:
            self._rejected[reason] += 1

    def release(self, entry_ids: Iterable[int]) -> None:
        """Put entries in flight back into their old places; unknown ids are ignored."""
        back: dict[_Queue, list[Entry]] = {self._urgent: [], self._live: []}
        for entry_id in sorted(set(entry_ids)):
            entry = self._held.get(entry_id)
            if entry is None or entry_id in self._queue_of(entry).entries:
                continue
            if self._is_overtaken(entry):
                self._forget(entry_id)
                self._dropped[DropReason.OVERTAKEN] += 1
            else:
                back[self._queue_of(entry)].append(entry)
        for queue, entries in back.items():
            queue.give_back(entries)
        # Entries in flight could not be dropped; what came back can be.
        while self._is_over_bound() and self._drop_one():
            pass
        self._wake()

    def newest(self) -> int:
        """The id of the entry that was put last."""
        return self._next_id - 1

    def is_safe(self, entry_id: int) -> bool:
        """Whether it has left; what is here ends with the process."""
        return entry_id not in self._held

    def set_wakeup(self, wakeup: Callable[[], None] | None) -> None:
        """Set who is told of new entries; called from within ``put`` and ``release``."""
        self._wakeup = wakeup

    def snapshot(self, *, now_s: float) -> OutboxSnapshot:
        """Counters and gauges now."""
        oldest = next(iter(self._held.values()), None)
        return OutboxSnapshot(
            accepted=self._accepted,
            acked=self._acked,
            rejected=dict(self._rejected),
            dropped=dict(self._dropped),
            depth=len(self._held),
            in_flight=len(self._held) - len(self._urgent.entries) - len(self._live.entries),
            bytes=self._bytes,
            oldest_unacked_age_s=None if oldest is None else now_s - oldest.accepted_s,
            is_over_bound=self._is_over_bound(),
        )

    def _queue_of(self, entry: Entry) -> _Queue:
        return self._live if entry.lane is Lane.LIVE else self._urgent

    def _is_over_bound(self) -> bool:
        return len(self._held) > self._max_items or self._bytes > self._max_bytes

    def _is_overtaken(self, entry: Entry) -> bool:
        if entry.lane is not Lane.LIVE or entry.supersede_key is None:
            return False
        return self._acked_by_key.get(entry.supersede_key, 0) > entry.id

    def _drop_one(self) -> bool:
        if (entry_id := self._live.oldest_superseded()) is not None:
            reason = DropReason.SUPERSEDED
        elif (entry_id := self._live.oldest()) is not None:
            reason = DropReason.FULL
        elif (entry_id := self._urgent.oldest_superseded()) is not None:
            reason = DropReason.SUPERSEDED
        else:
            return False
        self._forget(entry_id)
        self._dropped[reason] += 1
        return True

    def _forget(self, entry_id: int) -> Entry | None:
        entry = self._held.pop(entry_id, None)
        if entry is not None:
            self._bytes -= entry.size_bytes
            self._queue_of(entry).entries.pop(entry_id, None)
        return entry

    def _wake(self) -> None:
        if self._wakeup is not None:
            self._wakeup()


class _Queue:
    """Entries that wait, by ascending id, with quick access to the oldest superseded one."""

    def __init__(self) -> None:
        self.entries: OrderedDict[int, Entry] = OrderedDict()
        self._newest_by_key: dict[tuple[Lane, str], int] = {}
        # Ids that may wait and have been superseded. Ids that wait no longer are skipped when
        # they come to the top; ``take`` clears them, so the heap stays as small as the queue.
        self._superseded: list[int] = []

    def append(self, entry: Entry) -> None:
        self.entries[entry.id] = entry
        if entry.supersede_key is None or entry.lane in _EACH_COUNTS:
            return
        key = (entry.lane, entry.supersede_key)
        older = self._newest_by_key.get(key)
        self._newest_by_key[key] = entry.id
        if older is not None and older in self.entries:
            heapq.heappush(self._superseded, older)

    def take(self, limit: int) -> list[Entry]:
        count = max(0, min(limit, len(self.entries)))
        taken = [self.entries.popitem(last=False)[1] for _ in range(count)]
        self._clear_top()
        return taken

    def give_back(self, entries: list[Entry]) -> None:
        """Merge ``entries``, ascending by id, into the queue."""
        if not entries:
            return
        head = []
        while self.entries and next(iter(self.entries)) < entries[-1].id:
            head.append(self.entries.popitem(last=False)[1])
        for entry in sorted(head + entries, key=_id_of, reverse=True):
            self.entries[entry.id] = entry
            self.entries.move_to_end(entry.id, last=False)
        for entry in entries:
            if self._is_superseded(entry):
                heapq.heappush(self._superseded, entry.id)

    def oldest(self) -> int | None:
        return next(iter(self.entries), None)

    def oldest_superseded(self) -> int | None:
        self._clear_top()
        return self._superseded[0] if self._superseded else None

    def _is_superseded(self, entry: Entry) -> bool:
        if entry.supersede_key is None or entry.lane in _EACH_COUNTS:
            return False
        return self._newest_by_key[entry.lane, entry.supersede_key] > entry.id

    def _clear_top(self) -> None:
        while self._superseded and self._superseded[0] not in self.entries:
            heapq.heappop(self._superseded)


def _id_of(entry: Entry) -> int:
    return entry.id
