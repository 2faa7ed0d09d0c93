"""The history of a gateway: a bounded queue, one writer thread, and a reader beside it.

The hub is never held up: ``offer`` puts a value into the queue and returns. What waits is written
in batches, about one a second, so a kill or a power cut takes what came in since the last one.
When the store does not take it, the oldest that waits is given up, and counted.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import structlog

from bdgw.history import (
    BootGaps,
    FixPage,
    FixQuery,
    HistoryError,
    HistoryState,
    Missing,
    SeqRange,
)
from bdgw.hub import DomainEvent, FixQuarantined
from bdgw.model import DeviceFix
from bdgw.shortmsg.ledger_store import StoreError
from bdgw.store.history_backend import HistoryBackend, HistoryItem, HistoryReader

__all__ = ["StoredHistory"]

T = TypeVar("T")
_BATCH_MAX = 5000
_FLUSH_MAX_S = 5.0
_RETAIN_EVERY_S = 1.0
_IDLE_S = 60.0
_RETAIN_ROUNDS = 20
"""Chunks deleted between two batches: a file that is far above its limit must not stop writing."""

_log = structlog.get_logger(__name__)


class StoredHistory:
    """A hub sink and a ``History``. Start it with ``start``; ``close`` writes what waits.

    ``commit_s`` is how long a batch gathers; ``backoff_s`` the shortest and the longest pause
    after a failure; ``trusted_utc_ns`` tells the time where it is known to be right.
    """

    def __init__(
        self,
        backend: HistoryBackend,
        reader: HistoryReader,
        *,
        trusted_utc_ns: Callable[[], int | None],
        queue_max: int = 50_000,
        commit_s: float = 1.0,
        backoff_s: tuple[float, float] = (0.5, 30.0),
    ) -> None:
        self._backend = backend
        self._reader = reader
        self._trusted_utc_ns = trusted_utc_ns
        self._queue_max = queue_max
        self._commit_s = commit_s
        self._backoff_s = backoff_s
        self._queue: deque[HistoryItem] = deque()
        self._batch: list[HistoryItem] = []
        self._has_work = threading.Event()
        self._is_hurried = threading.Event()
        self._is_stopping = threading.Event()
        self._writer = threading.Thread(target=self._run, name="history-writer", daemon=True)
        self._reading = ThreadPoolExecutor(1, thread_name_prefix="history-reader")
        # Counted by the hub's thread.
        self._n_offered = 0
        self._n_dropped = 0
        # Counted by the writer's.
        self._n_stored = 0
        self._n_quarantined = 0
        self._n_refused = 0
        self._n_lost_at_end = 0
        self._n_forgotten = 0
        self._n_failures = 0
        self._trusted_now_utc_ns: int | None = None
        """As it was asked for the last batch, in the hub's thread."""
        self._has_begun = False
        self._used_bytes: int | None = None
        self._error: str | None = None

    def start(self) -> None:
        """Begin to write."""
        self._writer.start()

    def offer(self, event: DomainEvent) -> None:
        """Take a fix, or one that is kept back; other events are no history."""
        if not isinstance(event, DeviceFix | FixQuarantined):
            return
        self._n_offered += 1
        self._queue.append(event)
        if len(self._queue) > self._queue_max:
            try:
                self._queue.popleft()
            except IndexError:  # the writer has just taken them all
                return
            self._n_dropped += 1
        if not self._has_work.is_set():
            self._trusted_now_utc_ns = self._trusted_utc_ns()
            self._has_work.set()

    def state(self) -> HistoryState:
        """Counters and gauges."""
        n_ended = self._n_ended()
        return HistoryState(
            kind=self._backend.kind,
            offered=self._n_offered,
            stored=self._n_stored,
            dropped=self._n_dropped + self._n_lost_at_end,
            refused=self._n_refused,
            waiting=max(0, self._n_offered - n_ended),
            quarantined=self._n_quarantined,
            used_bytes=self._used_bytes,
            forgotten=self._n_forgotten,
            error=self._error,
            n_failures=self._n_failures,
        )

    async def flush(self) -> None:
        """Wait until what was offered up to now is kept or given up; at most for 5 s."""
        n_wanted = self._n_offered
        end_s = time.monotonic() + _FLUSH_MAX_S
        while self._error is None and time.monotonic() < end_s:
            if self._has_begun and self._n_ended() >= n_wanted:
                return
            self._is_hurried.set()
            self._has_work.set()
            await asyncio.sleep(0.005)  # the writer has no way into the loop, and needs none

    async def close(self) -> None:
        """Write what waits, once, and close."""
        if self._writer.ident is not None:
            self._is_stopping.set()
            self._is_hurried.set()
            self._has_work.set()
            await asyncio.to_thread(self._writer.join)
        await asyncio.get_running_loop().run_in_executor(self._reading, self._reader.close)
        self._reading.shutdown()

    def _n_ended(self) -> int:
        n_written = self._n_stored + self._n_quarantined + self._n_refused
        return n_written + self._n_dropped + self._n_lost_at_end

    # --- writing: all below is of the writer's thread ---------------------------------------------

    def _run(self) -> None:
        pause_s = self._backoff_s[0]
        retained_s = -_RETAIN_EVERY_S
        while True:
            is_ending = self._is_stopping.is_set()
            if self._has_begun:  # at first it is opened, so that there is something to read
                self._gather()
            try:
                if self._batch:
                    self._write()
                if not is_ending and time.monotonic() - retained_s >= _RETAIN_EVERY_S:
                    retained_s = time.monotonic()
                    self._retain()
            except StoreError as error:
                self._failed(error)
                if not is_ending:
                    self._is_stopping.wait(pause_s)
                    pause_s = min(pause_s * 2, self._backoff_s[1])
            else:
                self._recovered()
                pause_s = self._backoff_s[0]
            self._has_begun = True
            if is_ending and (self._error is not None or not (self._batch or self._queue)):
                break
        self._n_lost_at_end = len(self._batch) + len(self._queue)
        self._backend.close()

    def _gather(self) -> None:
        """Wait for something to write, and a little more for what comes with it."""
        if self._batch:
            return
        if not self._is_stopping.is_set():
            if not self._queue:
                self._has_work.wait(_IDLE_S)
            if len(self._queue) < _BATCH_MAX:
                self._is_hurried.wait(self._commit_s)
        self._is_hurried.clear()
        self._has_work.clear()
        while self._queue and len(self._batch) < _BATCH_MAX:
            try:
                self._batch.append(self._queue.popleft())
            except IndexError:  # the last one was given up meanwhile
                break

    def _write(self) -> None:
        written = self._backend.write(self._batch, trusted_utc_ns=self._trusted_now_utc_ns)
        self._batch = []
        self._n_stored += written.n_stored
        self._n_quarantined += written.n_quarantined
        self._n_refused += written.n_refused

    def _retain(self) -> None:
        for _ in range(_RETAIN_ROUNDS):
            n_gone = self._backend.retain(trusted_utc_ns=self._trusted_now_utc_ns)
            self._n_forgotten += n_gone
            if n_gone == 0:
                break
        self._used_bytes = self._backend.used_bytes()

    def _failed(self, error: StoreError) -> None:
        self._n_failures += 1
        if self._error is None:
            _log.warning("history_failing", error=str(error))
        self._error = str(error)

    def _recovered(self) -> None:
        if self._error is not None:
            _log.info("history_writing_again")
            self._error = None

    # --- reading ------------------------------------------------------------------------------

    async def page(self, query: FixQuery) -> FixPage:
        """A page of fixes."""
        return await self._ask(lambda: self._reader.page(query))

    async def count(self, query: FixQuery) -> int:
        """Of so many fixes the range has at most."""
        return await self._ask(lambda: self._reader.count(query))

    async def gaps(self, device: str, *, limit: int) -> Sequence[BootGaps]:
        """For each start, oldest first, which numbers are missing."""
        return await self._ask(lambda: self._reader.gaps(device, limit=limit))

    async def newest(self, device: str) -> DeviceFix | None:
        """The fix that was kept last."""
        return await self._ask(lambda: self._reader.newest(device))

    async def numbered(
        self, device: str, boot: str, wanted: SeqRange, *, limit: int
    ) -> tuple[DeviceFix, ...]:
        """The first fixes of a range of numbers."""
        return await self._ask(lambda: self._reader.numbered(device, boot, wanted, limit=limit))

    async def missing(self, device: str, boot: str, wanted: SeqRange, *, limit: int) -> Missing:
        """Which numbers of a range are not kept."""
        return await self._ask(lambda: self._reader.missing(device, boot, wanted, limit=limit))

    async def _ask(self, read: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._reading, read)
        except StoreError as error:
            raise HistoryError(str(error)) from error
