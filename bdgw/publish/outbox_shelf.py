"""Which entries the file holds, which of them are settled, and what must be written next. Pure.

An entry is first in memory only. What the broker has acknowledged before its commit is due never
touches the disk. What is written stays where it is: an entry that goes from the live lane to the
history is forgotten in memory (``evict``) and read again with its chunk when its turn comes.
Chunks without an entry in memory are known to the file alone, so that a long outage takes no
memory.

What was acknowledged but is not yet marked so on the disk would be sent twice after a crash:
``n_unsettled`` counts it, and whoever hands out entries keeps it within the window.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from bdgw.publish.outbox import Entry

__all__ = ["Draft", "Plan", "Shelf"]

_SETTLE_S = 1.0
"""What is settled is marked at the latest after this, be there nothing else to write."""
_FLYING_LAGS = 4
"""An entry in flight is mostly acknowledged in a moment: it is due later than one that waits."""


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """A chunk that is to be written."""

    id: int
    is_urgent: bool
    entries: Sequence[Entry]


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """One commit, and a chunk to be read after it."""

    drafts: Sequence[Draft] = ()
    settled: Sequence[tuple[int, int, bytes]] = ()
    deleted: Sequence[int] = ()
    n_settled: int = 0
    """So many entries are settled by this commit."""
    drop_n: int = 0
    drop_bytes: int = 0
    is_aging: bool = False
    keep: frozenset[int] = frozenset()
    """Chunks with entries in memory."""
    after: int = 0
    """Chunks up to this have been read."""
    read_skip: frozenset[int] | None = None
    """Chunks in which nothing is to be read; None: nothing is read."""
    losses: Sequence[tuple[str, bytes]] = ()
    """Rows of undelivered fixes, by device."""

    @property
    def is_writing(self) -> bool:
        """Whether there is anything to commit."""
        return bool(self.drafts or self.settled or self.deleted or self.losses)

    @property
    def is_dropping(self) -> bool:
        """Whether chunks are to be given up."""
        return self.drop_n > 0 or self.drop_bytes > 0 or self.is_aging


class _Chunk:
    """A chunk of which something is in memory; n = settled + here + stored."""

    __slots__ = ("bits", "id", "is_dirty", "is_in_commit", "n", "n_here", "n_settled", "size_bytes")

    def __init__(self, number: int, n: int, size_bytes: int, bits: int = 0) -> None:
        self.id = number
        self.n = n
        self.size_bytes = size_bytes
        self.bits = bits
        self.n_settled = bits.bit_count()
        self.n_here = 0
        self.is_dirty = False
        self.is_in_commit = False

    @property
    def n_stored(self) -> int:
        return self.n - self.n_settled - self.n_here


class Shelf:
    """The file's contents as far as they matter now.

    ``lag_s`` is how long an entry may be in memory only before it is due; ``chunk_max`` how many
    entries a chunk holds at most; ``window`` how many a crash may make arrive twice.
    """

    def __init__(
        self,
        *,
        lag_s: float,
        chunk_max: int,
        window: int,
    ) -> None:
        self._lag_s = lag_s
        self._chunk_max = chunk_max
        self._window = window
        self._settle_max = max(1, window // 2)
        self.n_stored = 0
        """Entries that are on the disk only."""
        self.size_bytes = 0
        self.n_unsettled = 0
        self.n_written = 0
        self.bytes_written = 0
        self._next_chunk = 1
        self._cursor = 0
        self._unwritten: dict[int, Entry] = {}
        self._unwritten_urgent: dict[int, Entry] = {}
        self._writing: dict[int, tuple[int, int]] = {}
        self._settled_in_writing: set[int] = set()
        self._at: dict[int, tuple[int, int]] = {}
        self._chunks: dict[int, _Chunk] = {}
        self._dirty: dict[int, _Chunk] = {}
        self._dirty_since_s: float | None = None
        self._is_reading = False

    def opened(self, *, n_stored: int, size_bytes: int, last_chunk: int) -> None:
        """Tell what the file holds; before anything is added."""
        self.n_stored = n_stored
        self.size_bytes = size_bytes
        self._next_chunk = last_chunk + 1

    @property
    def n_unsafe(self) -> int:
        """Entries that are not on the disk."""
        return len(self._unwritten) + len(self._unwritten_urgent) + len(self._writing)

    @property
    def has_urgent(self) -> bool:
        """Whether something waits for a commit that may not wait."""
        return bool(self._unwritten_urgent)

    @property
    def is_idle(self) -> bool:
        """Whether nothing has to be written."""
        return not (self.n_unsafe or self._dirty)

    @property
    def is_settling_pressing(self) -> bool:
        """Whether so much is settled and not marked so that less can be handed out."""
        return self.n_unsettled >= self._settle_max and bool(self._dirty)

    def add(self, entry: Entry, *, is_urgent: bool) -> None:
        """Take an entry that has to be written unless it is forgotten before."""
        (self._unwritten_urgent if is_urgent else self._unwritten)[entry.id] = entry

    def is_safe(self, entry_id: int) -> bool:
        """Whether the disk has it."""
        return entry_id in self._at

    def is_stored(self, entry_id: int) -> bool:
        """Whether the disk has it, or may have it in a moment."""
        return entry_id in self._at or entry_id in self._writing

    def forget(self, entry_id: int) -> None:
        """It is delivered, or given up: it need not be kept any more."""
        if self._unwritten.pop(entry_id, None) or self._unwritten_urgent.pop(entry_id, None):
            return
        if entry_id in self._writing:
            self._settled_in_writing.add(entry_id)
            self.n_unsettled += 1
        elif (at := self._at.pop(entry_id, None)) is not None:
            self._settle(self._chunks[at[0]], at[1])
            self.n_unsettled += 1

    def evict(self, entry_id: int) -> bool:
        """Leave it to the disk until its chunk is read; False where that would not happen."""
        at = self._at.get(entry_id)
        if at is None or at[0] <= self._cursor or self._is_reading:
            return False
        del self._at[entry_id]
        chunk = self._chunks[at[0]]
        chunk.n_here -= 1
        self.n_stored += 1
        self._close(chunk)
        return True

    # --- writing and reading --------------------------------------------------------------------

    def plan(
        self,
        now_s: float,
        *,
        flying: Mapping[int, Entry],
        is_read_wanted: bool,
        drop_n: int = 0,
        drop_bytes: int = 0,
        is_aging: bool = False,
        is_all: bool = False,
    ) -> Plan | None:
        """Say what one commit should write now; None where nothing is due.

        Until ``written`` or ``failed`` no other plan may be asked for.
        """
        drafts = self._drafts(now_s, flying, is_all=is_all)
        settled: list[tuple[int, int, bytes]] = []
        deleted: list[int] = []
        n_settled = self.n_unsettled
        if drafts or self._is_settling_due(now_s, is_all=is_all):
            for chunk in self._dirty.values():
                chunk.is_dirty = False
                chunk.is_in_commit = True
                if chunk.n_settled == chunk.n:
                    deleted.append(chunk.id)
                else:
                    data = chunk.bits.to_bytes((chunk.n + 7) // 8, "little")
                    settled.append((chunk.id, chunk.n_settled, data))
            self._dirty = {}
            self._dirty_since_s = None
        else:
            n_settled = 0
        is_reading = is_read_wanted and self.n_stored > 0
        if not (drafts or settled or deleted or drop_n or drop_bytes or is_aging or is_reading):
            return None
        self._is_reading = is_reading
        skip = frozenset(each.id for each in self._chunks.values() if each.n_stored == 0)
        return Plan(
            drafts=drafts,
            settled=settled,
            deleted=deleted,
            n_settled=n_settled,
            drop_n=drop_n,
            drop_bytes=drop_bytes,
            is_aging=is_aging,
            keep=frozenset(self._chunks).union(each.id for each in drafts),
            after=self._cursor,
            read_skip=skip if is_reading else None,
        )

    def written(self, plan: Plan, sizes_bytes: Sequence[int]) -> list[int]:
        """The commit is on the disk; the ids that are safe since now."""
        self.n_unsettled -= plan.n_settled
        safe = []
        for draft, size_bytes in zip(plan.drafts, sizes_bytes, strict=True):
            chunk = self._chunks[draft.id] = _Chunk(draft.id, len(draft.entries), size_bytes)
            self.size_bytes += size_bytes
            self.bytes_written += size_bytes
            self.n_written += chunk.n
            chunk.n_here = chunk.n
            for index, entry in enumerate(draft.entries):
                if entry.id in self._settled_in_writing:
                    self._settle(chunk, index)
                else:
                    self._at[entry.id] = (draft.id, index)
                    safe.append(entry.id)
        self._writing.clear()
        self._settled_in_writing.clear()
        for number in plan.deleted:
            self.size_bytes -= self._chunks.pop(number).size_bytes
        for number, _, _ in plan.settled:
            self._chunks[number].is_in_commit = False
            self._close(self._chunks[number])
        return safe

    def failed(self, plan: Plan) -> None:
        """Nothing of the commit is on the disk: all of it is due again."""
        self._is_reading = False
        for draft in plan.drafts:
            waiting = self._unwritten_urgent if draft.is_urgent else self._unwritten
            back = {
                each.id: each for each in draft.entries if each.id not in self._settled_in_writing
            }
            # What was taken first is written first.
            merged = sorted({**back, **waiting}.items())
            waiting.clear()
            waiting.update(merged)
        # What was acknowledged meanwhile was never on the disk.
        self.n_unsettled -= len(self._settled_in_writing)
        self._writing.clear()
        self._settled_in_writing.clear()
        for number in (*plan.deleted, *(each[0] for each in plan.settled)):
            self._chunks[number].is_in_commit = False
            self._mark(self._chunks[number])

    def dropped(self, number: int, n: int, size_bytes: int) -> None:
        """A chunk of which nothing is in memory is given up: it is deleted with the next commit."""
        self.n_stored -= n
        self.size_bytes -= size_bytes
        chunk = self._chunks[number] = _Chunk(number, 0, 0)
        self._mark(chunk)

    def loaded(
        self, number: int, entries: Sequence[Entry], size_bytes: int, settled: bytes
    ) -> list[Entry]:
        """A chunk was read; the entries of it that are not in memory and not settled."""
        self._is_reading = False
        self._cursor = number
        chunk = self._chunks.get(number)
        if chunk is None:
            bits = int.from_bytes(settled, "little")
            chunk = self._chunks[number] = _Chunk(number, len(entries), size_bytes, bits)
        found = []
        for index, entry in enumerate(entries):
            if not chunk.bits >> index & 1 and entry.id not in self._at:
                self._at[entry.id] = (number, index)
                found.append(entry)
        chunk.n_here += len(found)
        self.n_stored -= len(found)
        return found

    def damaged(self, number: int, n_lost: int, size_bytes: int) -> None:
        """A chunk was read that makes no sense: it is deleted with the next commit."""
        self._is_reading = False
        self._cursor = max(self._cursor, number)
        self.n_stored -= n_lost
        chunk = self._chunks[number] = _Chunk(number, 0, size_bytes)
        self._mark(chunk)

    def nothing_loaded(self) -> None:
        """There was nothing to read."""
        self._is_reading = False

    def restored(
        self, number: int, entries: Sequence[Entry], size_bytes: int, settled: bytes
    ) -> list[Entry]:
        """An urgent chunk was read when the file was opened; what of it waits."""
        cursor = self._cursor
        found = self.loaded(number, entries, size_bytes, settled)
        self._cursor = cursor
        return found

    def _drafts(
        self, now_s: float, flying: Mapping[int, Entry], *, is_all: bool
    ) -> Sequence[Draft]:
        ordinary = list(self._unwritten.values()) if is_all else self._due(now_s, flying)
        drafts = []
        for waiting, entries, is_urgent in (
            (self._unwritten_urgent, list(self._unwritten_urgent.values()), True),
            (self._unwritten, ordinary, False),
        ):
            for first in range(0, len(entries), self._chunk_max):
                part = entries[first : first + self._chunk_max]
                number = self._next_chunk
                self._next_chunk += 1
                for index, entry in enumerate(part):
                    del waiting[entry.id]
                    self._writing[entry.id] = (number, index)
                drafts.append(Draft(id=number, is_urgent=is_urgent, entries=part))
        return drafts

    def _due(self, now_s: float, flying: Mapping[int, Entry]) -> list[Entry]:
        due_s, late_s = now_s - self._lag_s, now_s - _FLYING_LAGS * self._lag_s
        # What is written in flight may be acknowledged before that is marked.
        room = self._window - self.n_unsettled - sum(self.is_stored(each) for each in flying)
        waiting = next((each for each in self._unwritten.values() if each.id not in flying), None)
        if waiting is not None and waiting.accepted_s <= due_s:
            # Those behind it wait as well: a commit more for each few of them wears the disk.
            due_s = now_s - self._lag_s / 4
        due = []
        for entry in self._unwritten.values():
            if entry.accepted_s > due_s:
                break
            if entry.id not in flying:
                due.append(entry)
            elif entry.accepted_s <= late_s and room > 0:
                due.append(entry)
                room -= 1
        return due

    def _is_settling_due(self, now_s: float, *, is_all: bool) -> bool:
        if not self._dirty:
            return False
        if self._dirty_since_s is None:
            self._dirty_since_s = now_s
        is_old = now_s - self._dirty_since_s >= _SETTLE_S
        return is_all or is_old or self.n_unsettled >= self._settle_max

    def _settle(self, chunk: _Chunk, index: int) -> None:
        chunk.bits |= 1 << index
        chunk.n_settled += 1
        chunk.n_here -= 1
        self._mark(chunk)

    def _mark(self, chunk: _Chunk) -> None:
        chunk.is_dirty = True
        self._dirty[chunk.id] = chunk

    def _close(self, chunk: _Chunk) -> None:
        """Leave a chunk to the file of which nothing is in memory."""
        is_needed = chunk.n_here or chunk.is_dirty or chunk.is_in_commit
        if not is_needed and chunk.n_stored:
            self._chunks.pop(chunk.id, None)
