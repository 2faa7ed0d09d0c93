"""The rules of the outbox: who goes first, and what becomes history. Pure.

Alone it is an outbox in memory. With a file behind it (``durable_outbox``) the shelf says what is
to be written, and the history is read back chunk by chunk.

A live entry becomes history when it waits, a newer one of its key has been accepted, and it is
older than ``LanePace.backlog_after_s``; or when it comes back unacknowledged and a newer one of
its key was handed out meanwhile. The newest of each key stays live however old it is, because the
retained latest must become it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice

from bdgw.publish.loss import FixRange
from bdgw.publish.outbox import (
    URGENT,
    DropReason,
    Entry,
    Lane,
    OutboxSnapshot,
    Outgoing,
)
from bdgw.publish.outbox_chunk import late
from bdgw.publish.outbox_given_up import GivenUp
from bdgw.publish.outbox_memory import Memory
from bdgw.publish.outbox_pace import Bounds, LanePace
from bdgw.publish.outbox_room import Room
from bdgw.publish.outbox_shelf import Plan, Shelf
from bdgw.publish.outbox_tally import Tally

__all__ = ["OutboxBook"]

_HISTORY_LOW = 256
"""With fewer loaded entries than this the next chunk is read."""
_CHUNK_MAX = 256


class OutboxBook:
    """Queues, counters and bounds; every method returns at once."""

    def __init__(
        self,
        bounds: Bounds | None = None,
        pace: LanePace | None = None,
    ) -> None:
        bounds = bounds or Bounds()
        self._pace = pace or LanePace()
        self.shelf = Shelf(
            lag_s=self._pace.lag_s,
            # Room is made by whole chunks: a small outbox must not lose half of it at once.
            chunk_max=max(1, min(_CHUNK_MAX, bounds.max_items // 16)),
            window=self._pace.window,
        )
        self._has_file = False
        self._next_id = 1
        self._memory = Memory()
        self._room = Room(bounds, self._memory, self.shelf)
        self._when_safe: dict[int, list[Callable[[], None]]] = {}
        self._tally = Tally()
        self._given_up = GivenUp(self._tally)
        self.losses = self._given_up.losses
        self._credit = 0.0
        self._ticked_s: float | None = None
        self._hold_s: float | None = None
        self._history_from_s = float("-inf")
        self._is_read_wanted = False
        self._wakeup: Callable[[], None] | None = None
        self.storage_error: str | None = None

    def opened(self, *, n_stored: int, size_bytes: int, last_chunk: int, last_entry: int) -> None:
        """Tell what the file behind holds; before anything is put."""
        self.shelf.opened(n_stored=n_stored, size_bytes=size_bytes, last_chunk=last_chunk)
        self._has_file = True
        self._tally.restored = n_stored
        self._next_id = last_entry + 1

    # --- what the gateway and the sender call -----------------------------------------------------

    def put(self, message: Outgoing, *, now_s: float) -> int | None:
        """Take a message, making room as the policy says; None when it was dropped itself."""
        lane = message.lane
        entry = Entry(
            id=self._next_id,
            topic=message.topic,
            payload=message.payload,
            lane=lane,
            qos=message.qos,
            retain=message.retain,
            supersede_key=message.supersede_key,
            expiry_s=message.expiry_s,
            schema=message.schema,
            content_type=message.content_type,
            late_topic=message.late_topic,
            accepted_s=now_s,
        )
        self._next_id += 1
        self._memory.put(entry)
        self._tally.accept(entry.size_bytes)
        if self._is_stored(entry):
            self.shelf.add(entry, is_urgent=lane in URGENT)
        self._make_room()
        if entry.id not in self._memory.held:
            return None
        self._wake()
        return entry.id

    def take(self, limit: int) -> list[Entry]:
        """Hand out entries in the order in which they are to be sent.

        Fewer that are on the disk, where what was acknowledged is not yet marked so there.
        """
        budget = self._pace.window - self.shelf.n_unsettled - len(self._memory.flying)
        taken = self._memory.urgent.take(min(limit, budget))
        budget -= len(taken)
        if len(taken) < limit:
            live = self._take_live(limit - len(taken), budget)
            taken += live
            budget -= len(live)
        if len(taken) < limit:
            taken += self._take_history(min(limit - len(taken), budget))
        self._memory.fly(taken)
        return taken

    def ack(self, entry_id: int) -> None:
        """Forget a delivered entry; an unknown id is ignored."""
        entry = self._forget(entry_id)
        if entry is None:
            return
        self._tally.acked += 1
        if entry.lane is Lane.LIVE:
            self._memory.live.acked(entry)
        else:
            self.losses.delivered(entry)
        self._tell_safe(entry_id)

    def reject(self, entry_id: int, reason: str) -> None:
        """Forget an entry that the broker will never take; an unknown id is ignored."""
        entry = self._forget(entry_id)
        if entry is not None:
            self._when_safe.pop(entry_id, None)
            self._given_up.rejected(entry, reason)

    def release(self, entry_ids: Iterable[int]) -> None:
        """Put entries in flight back into their old places; unknown ids are ignored."""
        memory = self._memory
        back = memory.land(entry_ids)
        is_late, is_overtaken = memory.live.put_back(back[Lane.LIVE], memory.flying.values())
        for entry in is_late:
            self._to_history(entry)
        for entry in is_overtaken:
            self._drop(entry, DropReason.OVERTAKEN)
        memory.urgent.give_back(each for lane in URGENT for each in back[lane])
        memory.history.give_back(back[Lane.HISTORY])
        # Entries in flight could not be dropped; what came back can be.
        self._make_room()
        self._wake()

    def newest(self) -> int:
        """The id of the entry that was put last."""
        return self._next_id - 1

    def is_safe(self, entry_id: int) -> bool:
        """Whether the disk or the broker has the entry, or it was given up."""
        return entry_id not in self._memory.held or self.shelf.is_safe(entry_id)

    def when_safe(self, entry_id: int, done: Callable[[], None]) -> None:
        """Have ``done`` called once the disk or the broker has the entry."""
        if self.is_safe(entry_id):
            done()
        else:
            self._when_safe.setdefault(entry_id, []).append(done)

    def hold_history(self, delay_s: float) -> None:
        """Send nothing of the history lane for so long, counted from the next tick."""
        self._hold_s = delay_s
        self._credit = 0.0

    def set_wakeup(self, wakeup: Callable[[], None] | None) -> None:
        """Set who is told of new entries; called from within ``put`` and ``release``."""
        self._wakeup = wakeup

    def snapshot(self, *, now_s: float) -> OutboxSnapshot:
        """Counters and gauges now."""
        memory = self._memory
        oldest = memory.oldest()
        n_history = len(memory.history) + len(memory.parked) + self.shelf.n_stored
        return OutboxSnapshot(
            accepted=self._tally.accepted,
            restored=self._tally.restored,
            acked=self._tally.acked,
            rejected=dict(self._tally.rejected),
            dropped=dict(self._tally.dropped),
            depth=self._room.depth,
            in_flight=len(memory.flying),
            history=n_history,
            bytes=self._room.size_bytes,
            stored_bytes=self.shelf.size_bytes,
            unsafe=self.shelf.n_unsafe,
            oldest_unacked_age_s=None if oldest is None else now_s - oldest.accepted_s,
            room_h=self._room.hours(self._tally) if self._has_file else None,
            is_over_bound=self._room.is_over(),
            storage_error=self.storage_error,
        )

    # --- what the driver calls --------------------------------------------------------------------

    @property
    def is_busy(self) -> bool:
        """Whether ``tick`` has anything to do."""
        has_history = self.shelf.n_stored or self._memory.parked or self._memory.history.entries
        is_writing = not self.shelf.is_idle or (self._has_file and self.losses.has_changed)
        return bool(is_writing or has_history or self._memory.live.has_late)

    def tick(self, now_s: float) -> None:
        """Let time pass: history gets its share, and what has waited too long becomes history."""
        passed_s = 0.0 if self._ticked_s is None else max(0.0, now_s - self._ticked_s)
        self._ticked_s = now_s
        if self._hold_s is not None:
            self._history_from_s, self._hold_s = now_s + self._hold_s, None
        if now_s >= self._history_from_s:
            most = max(1.0, self._pace.history_per_s / 10)
            self._credit = min(most, self._credit + passed_s * self._pace.history_per_s)
        self._tally.flow.tick(now_s)
        for entry in self._memory.live.take_late(now_s - self._pace.backlog_after_s):
            self._to_history(entry)
        self._move_parked()
        self._drop_old(now_s)
        self._make_room()
        has_history = self._memory.history.entries or self._memory.parked or self.shelf.n_stored
        if self._credit >= 1 and has_history:
            self._wake()

    def plan(self, now_s: float, *, is_all: bool = False) -> Plan | None:
        """Say what one commit should write, and give up, now; see ``Shelf.plan``."""
        over_n, over_bytes = self._room.excess()
        has_stored = self.shelf.n_stored > 0
        plan = self.shelf.plan(
            now_s,
            flying=self._memory.flying,
            is_read_wanted=self._is_read_wanted and not is_all,
            drop_n=over_n if has_stored else 0,
            drop_bytes=over_bytes if has_stored else 0,
            is_aging=self._room.is_aging(now_s),
            is_all=is_all,
        )
        return self._given_up.noted_in(plan, now_s, is_all=is_all)

    def failed(self, plan: Plan) -> None:
        """Nothing of the commit of a plan is on the disk."""
        self.shelf.failed(plan)
        self._given_up.failed(plan)

    def written(self, plan: Plan, sizes_bytes: list[int]) -> None:
        """The commit of a plan is on the disk."""
        for entry_id in self.shelf.written(plan, sizes_bytes):
            self._tell_safe(entry_id)
            if entry_id in self._memory.parked and self.shelf.evict(entry_id):
                self._memory.let_go(self._memory.parked.pop(entry_id))
        self._make_room()
        # Entries that waited for their predecessors to be marked may go now.
        self._wake()

    def dropped(
        self, number: int, n: int, size_bytes: int, fixes: Iterable[FixRange], *, is_old: bool
    ) -> None:
        """A chunk on the disk is given up, for its age or for room."""
        self.shelf.dropped(number, n, size_bytes)
        self._room.age_again()
        self._given_up.deleted(n, fixes, is_old=is_old)

    def loaded(self, entries: list[Entry]) -> None:
        """History has come back from the disk."""
        self._is_read_wanted = False
        for entry in entries:
            self._memory.hold(entry)
        self._memory.history.give_back(entries)
        self._wake()

    def damaged(self, number: int, n_lost: int, size_bytes: int) -> None:
        """A chunk on the disk cannot be read."""
        self.shelf.damaged(number, n_lost, size_bytes)
        self._given_up.damaged(n_lost)

    def restored(self, entries: list[Entry]) -> None:
        """Urgent entries of an earlier life; before anything is put."""
        for entry in entries:
            self._memory.hold(entry)
        self._memory.urgent.give_back(entries)

    # --- inside -----------------------------------------------------------------------------------

    def _is_stored(self, entry: Entry) -> bool:
        if not self._has_file or entry.qos == 0 or entry.lane is Lane.STATE:
            return False
        return entry.lane is not Lane.LIVE or entry.late_topic is not None

    def _take_live(self, limit: int, budget: int) -> list[Entry]:
        """Take what is in memory only; of what is on the disk no more than the budget.

        What may not go, and has been superseded, makes way as history: the newest fixes must not
        wait for a slow disk. The newest of a key keeps its place, and nothing of its key is behind.
        """
        if budget >= limit:
            return self._memory.live.take(limit)
        taken: list[Entry] = []
        for entry in list(self._memory.live.entries.values()):
            if len(taken) >= limit:
                break
            if not self.shelf.is_stored(entry.id) or budget > 0:
                budget -= self.shelf.is_stored(entry.id)
                taken.append(entry)
            elif entry.late_topic is not None and self._memory.live.is_superseded(entry):
                self._memory.live.remove(entry.id)
                self._to_history(entry)
        for entry in taken:
            self._memory.live.remove(entry.id)
        return taken

    def _take_history(self, limit: int) -> list[Entry]:
        # Live entries find half of the window free at any moment.
        window = min(self._pace.window, limit + len(self._memory.flying))
        n = min(limit, int(self._credit), max(1, window // 2) - self._memory.n_history_flying)
        if n > len(self._memory.history) and self._memory.parked and not self.shelf.n_stored:
            # Nothing older is on the disk: it need not go there first.
            fresh = [
                self._memory.parked.popitem(last=False)[1]
                for _ in range(min(n, len(self._memory.parked)))
            ]
            self._memory.history.give_back(fresh)
        taken = self._memory.history.take(max(0, n))
        self._credit -= len(taken)
        if len(self._memory.history) < _HISTORY_LOW and self.shelf.n_stored:
            self._is_read_wanted = True
        return taken

    def _to_history(self, entry: Entry) -> None:
        """Move an entry that waits in no queue any more."""
        if self.shelf.evict(entry.id):
            self._memory.let_go(entry)
            return
        self._memory.let_go(entry)
        moved = late(entry)
        self._memory.hold(moved)
        if self.shelf.is_safe(entry.id):
            self._memory.history.give_back((moved,))
        else:
            self._memory.parked[entry.id] = moved

    def _move_parked(self) -> None:
        if not self._memory.parked:
            return
        for entry in list(islice(self._memory.parked.values(), _HISTORY_LOW)):
            if self.shelf.evict(entry.id):
                self._memory.let_go(self._memory.parked.pop(entry.id))

    def _drop_old(self, now_s: float) -> None:
        before_s = self._room.too_old_s(now_s)
        if before_s is not None:
            for entry in self._memory.too_old(before_s):
                self._drop(entry, DropReason.TOO_OLD)

    def _make_room(self) -> None:
        while self._room.is_memory_over(is_disk_well=self.storage_error is None):
            found = self._memory.first_to_go()
            if found is None:
                return
            self._drop(*found)

    def _drop(self, entry: Entry, reason: DropReason) -> None:
        self._forget(entry.id)
        self._given_up.dropped(entry, reason)
        self._when_safe.pop(entry.id, None)

    def _forget(self, entry_id: int) -> Entry | None:
        entry = self._memory.forget(entry_id)
        if entry is not None:
            self.shelf.forget(entry_id)
        return entry

    def _tell_safe(self, entry_id: int) -> None:
        for done in self._when_safe.pop(entry_id, ()):
            done()

    def _wake(self) -> None:
        if self._wakeup is not None:
            self._wakeup()
