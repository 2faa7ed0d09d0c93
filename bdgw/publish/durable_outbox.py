"""The outbox of a gateway: the rules of ``outbox_book`` over a file, with one writer thread.

One commit at a time; while it is written the next one gathers. A live entry is written when it
is ``lag_s`` old and still waits, or four times that and is in flight; alarms and messages are
written at once. A disk that takes nothing is tried again until it
does, and said so. All state is of the event loop's thread; only calls of the file run in the
writer's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import msgspec
import structlog

from bdgw.errors import BdgwError, DecodeError
from bdgw.publish.loss import FixRange, fix_ranges
from bdgw.publish.outbox import URGENT, Entry, OutboxSnapshot, Outgoing
from bdgw.publish.outbox_book import OutboxBook
from bdgw.publish.outbox_chunk import decode_chunk, encode_chunk
from bdgw.publish.outbox_disk import Chunk, ChunkFile
from bdgw.publish.outbox_pace import Bounds, LanePace
from bdgw.publish.outbox_shelf import Plan

__all__ = ["DurableOutbox"]

_TICK_S = 0.025
_RETRY_S = 0.25
"""Until a commit that the disk did not take is tried again."""

_log = structlog.get_logger(__name__)


class _Dropped(msgspec.Struct):
    """A chunk that is to be given up."""

    id: int
    n: int
    size_bytes: int
    fixes: Sequence[FixRange]
    is_old: bool


class _Outcome(msgspec.Struct):
    """What became of a plan."""

    sizes_bytes: list[int] = []
    error: BdgwError | None = None
    dropped: Sequence[_Dropped] = ()
    chunk: Chunk | None = None
    entries: Sequence[Entry] = ()


class DurableOutbox:
    """An outbox that takes messages from ``open`` to ``close``, and then writes what is left.

    ``on_storage`` is told when the disk begins to take nothing, with the reason, and with None
    when it takes everything again.
    """

    def __init__(
        self,
        *,
        monotonic_s: Callable[[], float],
        bounds: Bounds | None = None,
        pace: LanePace | None = None,
        on_storage: Callable[[str | None], None] | None = None,
    ) -> None:
        self._monotonic_s = monotonic_s
        self._bounds = bounds or Bounds()
        pace = pace or LanePace()
        self._tick_s = min(_TICK_S, pace.lag_s / 2)
        self._on_storage = on_storage
        self._book = OutboxBook(self._bounds, pace)
        self._opened_s = self._ran_s = 0.0
        self._job: asyncio.Future[_Outcome] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._is_commit_due = False
        self._retry_at_s = float("-inf")
        self._is_closed = False
        self.n_commits = 0
        """Commits that were tried."""
        self.take = self._book.take
        self.release = self._book.release
        self.losses = self._book.losses
        self.newest = self._book.newest
        self.is_safe = self._book.is_safe
        self.when_safe = self._book.when_safe
        self.set_wakeup = self._book.set_wakeup

    def open(self, file: ChunkFile) -> None:
        """Begin, in a running event loop, before anything is put; ``close`` closes the file.

        Raises:
            BdgwError: the file cannot be read.
        """
        self._loop = asyncio.get_running_loop()
        self._file = file
        totals = file.totals()
        self._opened_s, self._ran_s = self._monotonic_s(), totals.ran_s
        self._book.opened(
            n_stored=totals.n,
            size_bytes=totals.size_bytes,
            last_chunk=totals.last_chunk,
            last_entry=totals.last_entry,
        )
        try:
            self.losses.restore(file.losses())
        except DecodeError as error:
            _log.error("outbox_losses_damaged", reason=str(error))
        for chunk in file.urgent():
            if (unpacked := self._unpacked(chunk)) is not None:
                self._book.restored(self._book.shelf.restored(*unpacked))
        self._writer_thread = ThreadPoolExecutor(1, thread_name_prefix="outbox-writer")
        self._arm()

    # --- the seam ---------------------------------------------------------------------------------

    def put(self, message: Outgoing, *, now_s: float) -> int | None:
        """Take a message; its id, or None when it was dropped at once."""
        entry_id = self._book.put(message, now_s=now_s)
        if message.lane in URGENT:
            self._commit_soon()
        self._arm()
        return entry_id

    def ack(self, entry_id: int) -> None:
        """The broker has it: forget the entry."""
        self._book.ack(entry_id)
        if self._book.shelf.is_settling_pressing:
            self._commit_soon()
        self._arm()

    def reject(self, entry_id: int, reason: str) -> None:
        """The broker refuses it for good: put it aside and count it."""
        self._book.reject(entry_id, reason)
        self._arm()

    def hold_history(self, delay_s: float) -> None:
        """Send nothing of the history lane for so long."""
        self._book.hold_history(delay_s)
        self._arm()

    def snapshot(self, *, now_s: float) -> OutboxSnapshot:
        """Counters, depth and age."""
        return self._book.snapshot(now_s=now_s)

    async def close(self) -> None:
        """Write what is not written, once, and close the file."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        await self._ended()
        self._start(self._book.plan(self._monotonic_s(), is_all=True))
        await self._ended()
        self._writer_thread.shutdown()
        self._file.close()

    async def _ended(self) -> None:
        while self._job is not None:
            await asyncio.wait((self._job,))
            # What it came to is told in the next turn of the loop.
            await asyncio.sleep(0)

    # --- the writer -------------------------------------------------------------------------------

    def _arm(self) -> None:
        if self._timer is None and not self._is_closed and self._book.is_busy:
            self._timer = self._loop.call_later(self._tick_s, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._book.tick(self._monotonic_s())
        self._commit()
        self._arm()

    def _commit_soon(self) -> None:
        # What is put in one turn of the loop goes into one commit.
        if not self._is_commit_due and self._job is None:
            self._is_commit_due = True
            self._loop.call_soon(self._commit)

    def _commit(self) -> None:
        self._is_commit_due = False
        now_s = self._monotonic_s()
        if self._job is None and not self._is_closed and now_s >= self._retry_at_s:
            self._start(self._book.plan(now_s))

    def _start(self, plan: Plan | None) -> None:
        if plan is None:
            return
        self.n_commits += plan.is_writing
        ran_s = self._ran_s + self._monotonic_s() - self._opened_s
        self._job = self._loop.run_in_executor(self._writer_thread, self._carry_out, plan, ran_s)
        self._job.add_done_callback(lambda job: self._job_ended(plan, job.result()))

    def _carry_out(self, plan: Plan, ran_s: float) -> _Outcome:
        """In the writer's thread: commit, give up, read."""
        outcome = _Outcome()
        try:
            if plan.is_writing:
                chunks = [
                    self._packed(draft.id, draft.is_urgent, draft.entries) for draft in plan.drafts
                ]
                outcome.sizes_bytes = self._file.apply(
                    chunks=chunks,
                    settled=plan.settled,
                    deleted=plan.deleted,
                    losses=plan.losses,
                    ran_s=ran_s,
                )
        except BdgwError as error:
            outcome.error = error
            return outcome
        try:
            if plan.is_dropping:
                outcome.dropped = self._oldest(plan, before_s=ran_s - self._bounds.max_age_s)
            if plan.read_skip is not None:
                skip = plan.read_skip.union(each.id for each in outcome.dropped)
                outcome.chunk = self._file.next(plan.after, skip)
        except BdgwError as error:
            _log.warning("outbox_storage", reason=str(error))
        return outcome

    def _oldest(self, plan: Plan, *, before_s: float) -> Sequence[_Dropped]:
        """Find what is to be given up. It is deleted when it is noted which fixes are in it."""
        found = []
        for chunk in self._file.oldest(
            after=plan.after,
            keep=plan.keep,
            n=plan.drop_n,
            size_bytes=plan.drop_bytes,
            before_s=before_s,
        ):
            bits = int.from_bytes(chunk.settled, "little")
            try:
                entries = decode_chunk(chunk.data, accepted_s=0.0)
            except DecodeError as error:
                entries = ()
                _log.error("outbox_chunk_damaged", chunk=chunk.id, reason=str(error))
            waiting = (each for index, each in enumerate(entries) if not bits >> index & 1)
            found.append(
                _Dropped(
                    id=chunk.id,
                    n=chunk.n_waiting,
                    size_bytes=chunk.size_bytes,
                    fixes=fix_ranges(waiting),
                    is_old=chunk.accepted_s < before_s,
                )
            )
        return found

    def _job_ended(self, plan: Plan, outcome: _Outcome) -> None:
        self._job = None
        now_s = self._monotonic_s()
        if outcome.error is not None:
            self._book.failed(plan)
            self._retry_at_s = now_s + _RETRY_S
            self._note_storage(str(outcome.error))
            self._arm()
            return
        if plan.is_writing:
            self._note_storage(None)
        self._book.written(plan, outcome.sizes_bytes)
        for each in outcome.dropped:
            self._book.dropped(each.id, each.n, each.size_bytes, each.fixes, is_old=each.is_old)
        if plan.read_skip is not None:
            self._take_in(outcome.chunk)
        shelf = self._book.shelf
        if shelf.has_urgent or shelf.is_settling_pressing:
            self._commit_soon()
        self._arm()

    def _take_in(self, chunk: Chunk | None) -> None:
        shelf = self._book.shelf
        if chunk is None:
            shelf.nothing_loaded()
            self._book.loaded([])
        elif (unpacked := self._unpacked(chunk)) is None:
            self._book.loaded([])
        else:
            self._book.loaded(shelf.loaded(*unpacked))

    def _note_storage(self, error: str | None) -> None:
        was, self._book.storage_error = self._book.storage_error, error
        if (was is None) != (error is None):
            if error is None:
                _log.info("outbox_storage_recovered")
            else:
                _log.error("outbox_storage_failed", reason=error)
            if self._on_storage is not None:
                self._on_storage(error)

    def _packed(
        self, number: int, is_urgent: bool, entries: Sequence[Entry]
    ) -> tuple[int, bool, int, int, float, bytes]:
        last = entries[-1]
        accepted_s = last.accepted_s - self._opened_s + self._ran_s
        return number, is_urgent, len(entries), last.id, accepted_s, encode_chunk(entries)

    def _unpacked(self, chunk: Chunk) -> tuple[int, Sequence[Entry], int, bytes] | None:
        accepted_s = chunk.accepted_s - self._ran_s + self._opened_s
        try:
            entries = decode_chunk(chunk.data, accepted_s=accepted_s)
        except DecodeError as error:
            lost = chunk.n_waiting
            _log.error("outbox_chunk_damaged", chunk=chunk.id, lost=lost, reason=str(error))
            self._book.damaged(chunk.id, lost, chunk.size_bytes)
            return None
        return chunk.id, entries, chunk.size_bytes, chunk.settled
