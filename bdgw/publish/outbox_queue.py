"""Entries of one lane that wait, in the order in which they are to be sent. Pure."""

from __future__ import annotations

import heapq
from collections import OrderedDict
from collections.abc import Iterable

from bdgw.publish.outbox import EACH_COUNTS, Entry, Lane

__all__ = ["EntryQueue"]


class EntryQueue:
    """Entries by ascending id, with quick access to the oldest one that has been superseded."""

    def __init__(self) -> None:
        self.entries: OrderedDict[int, Entry] = OrderedDict()
        self._newest_by_key: dict[tuple[Lane, str], int] = {}
        # Ids that may wait and have been superseded. Ids that wait no longer are skipped when
        # they come to the top and are cleared there, so the heap stays as small as the queue.
        self._superseded: list[int] = []

    def __len__(self) -> int:
        return len(self.entries)

    def append(self, entry: Entry) -> int | None:
        """Add the newest entry; the id of the one that it supersedes, if that still waits."""
        self.entries[entry.id] = entry
        if entry.supersede_key is None or entry.lane in EACH_COUNTS:
            return None
        key = (entry.lane, entry.supersede_key)
        older = self._newest_by_key.get(key)
        self._newest_by_key[key] = entry.id
        if older is None or older not in self.entries:
            return None
        heapq.heappush(self._superseded, older)
        return older

    def take(self, limit: int) -> list[Entry]:
        """Take out up to ``limit`` entries, the oldest first."""
        count = max(0, min(limit, len(self.entries)))
        taken = [self.entries.popitem(last=False)[1] for _ in range(count)]
        self._clear_top()
        return taken

    def give_back(self, entries: Iterable[Entry]) -> None:
        """Merge entries into the places that their ids say."""
        back = sorted(entries, key=_id_of)
        if not back:
            return
        head = []
        while self.entries and next(iter(self.entries)) < back[-1].id:
            head.append(self.entries.popitem(last=False)[1])
        for entry in sorted(head + back, key=_id_of, reverse=True):
            self.entries[entry.id] = entry
            self.entries.move_to_end(entry.id, last=False)
        for entry in back:
            if self.is_superseded(entry):
                heapq.heappush(self._superseded, entry.id)

    def remove(self, entry_id: int) -> Entry | None:
        """Take out one entry."""
        entry = self.entries.pop(entry_id, None)
        # Also in an outage, when nobody takes.
        self._clear_top()
        return entry

    def oldest(self) -> Entry | None:
        """The entry that is next."""
        return next(iter(self.entries.values()), None)

    def oldest_superseded(self) -> int | None:
        """The oldest entry that a newer one of its key has overtaken."""
        self._clear_top()
        return self._superseded[0] if self._superseded else None

    def is_superseded(self, entry: Entry) -> bool:
        """Whether a newer entry of the same key has been added."""
        if entry.supersede_key is None or entry.lane in EACH_COUNTS:
            return False
        return self._newest_by_key.get((entry.lane, entry.supersede_key), 0) > entry.id

    def _clear_top(self) -> None:
        while self._superseded and self._superseded[0] not in self.entries:
            heapq.heappop(self._superseded)


def _id_of(entry: Entry) -> int:
    return entry.id
