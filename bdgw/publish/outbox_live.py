"""The live lane: which of its entries have become late, and which may not go back. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator

from bdgw.publish.outbox import Entry, Lane
from bdgw.publish.outbox_queue import EntryQueue

__all__ = ["LiveLane"]


class LiveLane(EntryQueue):
    """A queue that knows which entries a newer one of their key has made late."""

    def __init__(self) -> None:
        super().__init__()
        self._late: list[int] = []
        """Ids of superseded entries that have a place in the history."""
        self._acked_by_key: dict[str, int] = {}

    @property
    def has_late(self) -> bool:
        """Whether some entry may become history by waiting."""
        return bool(self._late)

    def put(self, entry: Entry) -> None:
        """Add the newest entry."""
        older = self.append(entry)
        if older is not None:
            self._note_late(self.entries[older])

    def acked(self, entry: Entry) -> None:
        """The broker has it: older ones of its key may not come after it."""
        if entry.supersede_key is not None:
            newest = self._acked_by_key.get(entry.supersede_key, 0)
            self._acked_by_key[entry.supersede_key] = max(newest, entry.id)

    def take_late(self, due_s: float) -> Iterator[Entry]:
        """Take out superseded entries that were accepted up to then, oldest first."""
        while self._late:
            entry = self.entries.get(self._late[0])
            if entry is not None and entry.accepted_s > due_s:
                return
            heapq.heappop(self._late)
            if entry is not None:
                self.remove(entry.id)
                yield entry

    def put_back(
        self, entries: Iterable[Entry], flying: Iterable[Entry]
    ) -> tuple[list[Entry], list[Entry]]:
        """Merge entries that were not acknowledged into their old places, where they may go there.

        ``flying`` are those that are still in flight. Gives those that have become history, and
        those that have been overtaken and have no place in it.
        """
        overtaken_by = dict(self._acked_by_key)
        for entry in flying:
            if entry.lane is Lane.LIVE and entry.supersede_key is not None:
                newest = overtaken_by.get(entry.supersede_key, 0)
                overtaken_by[entry.supersede_key] = max(newest, entry.id)
        back, late, overtaken = [], [], []
        for entry in sorted(entries, key=lambda each: each.id):
            key = entry.supersede_key or ""
            if overtaken_by.get(key, 0) <= entry.id:
                back.append(entry)
            elif entry.late_topic is not None:
                late.append(entry)
            elif self._acked_by_key.get(key, 0) > entry.id:
                overtaken.append(entry)
            else:
                back.append(entry)
        self.give_back(back)
        for entry in back:
            if self.is_superseded(entry):
                self._note_late(entry)
        return late, overtaken

    def _note_late(self, entry: Entry) -> None:
        if entry.late_topic is not None:
            heapq.heappush(self._late, entry.id)
