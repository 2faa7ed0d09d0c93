"""The entries that are in memory, each in one place: it waits in a lane, is parked, or flies. Pure.

Here stands who makes way first when there is no room; when that is, ``outbox_room`` says.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from itertools import takewhile

from bdgw.publish.outbox import URGENT, DropReason, Entry, Lane
from bdgw.publish.outbox_live import LiveLane
from bdgw.publish.outbox_queue import EntryQueue

__all__ = ["Memory"]


class Memory:
    """One for the outbox; an entry is in ``held`` and in one of the others."""

    def __init__(self) -> None:
        self.held: OrderedDict[int, Entry] = OrderedDict()
        self.size_bytes = 0
        self.urgent, self.live, self.history = EntryQueue(), LiveLane(), EntryQueue()
        self.parked: OrderedDict[int, Entry] = OrderedDict()
        """History that is not on the disk yet while older history is."""
        self.flying: dict[int, Entry] = {}
        self.n_history_flying = 0

    def put(self, entry: Entry) -> None:
        """Take the newest entry."""
        self.hold(entry)
        if entry.lane is Lane.HISTORY:
            self.parked[entry.id] = entry
        elif entry.lane is Lane.LIVE:
            self.live.put(entry)
        else:
            self.urgent.append(entry)

    def hold(self, entry: Entry) -> None:
        """Count an entry that gets its place elsewhere."""
        self.held[entry.id] = entry
        self.size_bytes += entry.size_bytes

    def let_go(self, entry: Entry) -> None:
        """Count an entry no more that is in no place."""
        del self.held[entry.id]
        self.size_bytes -= entry.size_bytes

    def forget(self, entry_id: int) -> Entry | None:
        """Take an entry out of its place; None of an unknown id."""
        entry = self.held.pop(entry_id, None)
        if entry is None:
            return None
        self.size_bytes -= entry.size_bytes
        if self.flying.pop(entry_id, None) is None:
            self.parked.pop(entry_id, None)
            self._queue_of(entry).remove(entry_id)
        elif entry.lane is Lane.HISTORY:
            self.n_history_flying -= 1
        return entry

    def fly(self, entries: Iterable[Entry]) -> None:
        """Note entries that were taken out of their lanes to be sent."""
        for entry in entries:
            self.flying[entry.id] = entry
            self.n_history_flying += entry.lane is Lane.HISTORY

    def land(self, entry_ids: Iterable[int]) -> dict[Lane, list[Entry]]:
        """Give back by lane those that are in flight; they are in no place then."""
        back = [entry for each in set(entry_ids) if (entry := self.flying.pop(each, None))]
        lanes: dict[Lane, list[Entry]] = {lane: [] for lane in Lane}
        for entry in back:
            lanes[entry.lane].append(entry)
        self.n_history_flying -= len(lanes[Lane.HISTORY])
        return lanes

    def oldest(self) -> Entry | None:
        """Give the oldest that is no history."""
        return next((each for each in self.held.values() if each.lane is not Lane.HISTORY), None)

    def too_old(self, before_s: float) -> list[Entry]:
        """Find what was accepted before, and may be given up for that."""
        old = takewhile(lambda each: each.accepted_s < before_s, self.held.values())
        return [each for each in old if each.lane not in URGENT and each.id not in self.flying]

    def first_to_go(self) -> tuple[Entry, DropReason] | None:
        """Say who makes way: history, what has been superseded, the oldest live one at last.

        None where only urgent entries that count each are left, and what flies.
        """
        if (entry := self.history.oldest() or next(iter(self.parked.values()), None)) is not None:
            return entry, DropReason.SUPERSEDED
        if (entry_id := self.live.oldest_superseded()) is not None:
            return self.held[entry_id], DropReason.SUPERSEDED
        if (entry := self.live.oldest()) is not None:
            return entry, DropReason.FULL
        if (entry_id := self.urgent.oldest_superseded()) is not None:
            return self.held[entry_id], DropReason.SUPERSEDED
        return None

    def _queue_of(self, entry: Entry) -> EntryQueue:
        if entry.lane is Lane.LIVE:
            return self.live
        return self.history if entry.lane is Lane.HISTORY else self.urgent
