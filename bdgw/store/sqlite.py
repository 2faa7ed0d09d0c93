"""The ledger's store in a gateway: one writer thread, and one commit for all that came meanwhile.

While a batch is being written the next one gathers, so that under load many submissions share one
fsync, and a lone one waits for nobody. All state is of the event loop's thread; only
``LedgerFile`` calls run in the writer's.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, TypeVar

from bdgw.shortmsg.ledger_store import (
    InboundPage,
    InboundQuery,
    Page,
    Query,
    RejectedWriteError,
    StoreCorruptError,
    StoreError,
    ValueWrite,
    Write,
)
from bdgw.shortmsg.message import Message, Step
from bdgw.store.direct import FACTS_MAX
from bdgw.store.file import MEMORY, LedgerFile
from bdgw.store.reader import LedgerReader, open_reader
from bdgw.store.retention import Retained, RetentionLimits

__all__ = ["SqliteStore"]

T = TypeVar("T")
_BATCH_MAX = 1000
_INTENTIONS_MAX = 10_000
_RETRY_S = 0.5
"""Until facts that the disk did not take are tried again."""
_PROBE_S = 5.0
"""Until a disk that has failed is tried with a byte, where nothing else tries it."""
_PROBE = ValueWrite(name="store/probe", value=b"1")


class _Waiting:
    """Awaited by any number; one that is cancelled takes nothing from the others."""

    def __init__(self, future: asyncio.Future[None]) -> None:
        self._future = future

    def __await__(self) -> Generator[Any, None, None]:
        return asyncio.shield(self._future).__await__()


class _Item:
    """One write that somebody waits for."""

    __slots__ = ("done", "future", "write")

    def __init__(
        self,
        write: Write,
        done: Callable[[StoreError | None], None],
        future: asyncio.Future[None],
    ) -> None:
        self.write = write
        self.done = done
        self.future = future


class SqliteStore:
    """Made and used inside a running event loop; ``async with`` closes it."""

    def __init__(self, path: str, *, max_bytes: int | None = None) -> None:
        """Open the file, which may take as long as checking it does.

        Raises:
            StoreError: see ``LedgerFile``.
            ValueError: the path is that of no file.
        """
        if path == MEMORY:
            raise ValueError("a ledger in memory has no second reader: use DirectStore")
        self._loop = asyncio.get_running_loop()
        self._file = LedgerFile(path, max_bytes=max_bytes)
        try:
            self._reader = open_reader(path)
            self._page_reader = open_reader(path)
        except BaseException:
            self._file.close()
            raise
        self._writer_thread = ThreadPoolExecutor(1, thread_name_prefix="ledger-writer")
        self._reader_thread = ThreadPoolExecutor(1, thread_name_prefix="ledger-reader")
        self._waiting: deque[_Item] = deque()
        self._kept: deque[_Item] = deque()
        """Facts that the disk did not take, oldest first."""
        self._batch: asyncio.Future[list[tuple[_Item, StoreError | None]]] | None = None
        self._is_flush_due = False
        self._retry: asyncio.TimerHandle | None = None
        self._is_closed = False
        self._broken: StoreCorruptError | None = None
        self._failing: tuple[StoreError, float] | None = None
        self.n_commits = 0
        """Batches that were tried."""

    async def __aenter__(self) -> SqliteStore:
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        await self.close()

    @property
    def n_waiting(self) -> int:
        """Writes that are not safe yet."""
        return len(self._waiting) + len(self._kept)

    @property
    def error(self) -> StoreError | None:
        """Why nothing can be written any more; None while the file is whole."""
        return self._broken

    @property
    def failing(self) -> tuple[StoreError, float] | None:
        """Why the disk does not take what is new, and for how many seconds; None while it does."""
        if self._failing is None:
            return None
        error, since_s = self._failing
        return error, self._loop.time() - since_s

    async def close(self) -> None:
        """Write what waits, once, and close the file."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._retry is not None:
            self._retry.cancel()
        await self._drain()
        if self._kept:
            self._flush()
            await self._drain()
        lost = StoreError(f"{self._file.path}: closed before it could be written")
        while self._kept:
            self._finish(self._kept.popleft(), lost)
        self._writer_thread.shutdown()
        self._reader_thread.shutdown()
        self._page_reader.close()
        self._reader.close()
        self._file.close()

    async def _drain(self) -> None:
        while self._waiting or self._batch is not None:
            self._flush()
            if self._batch is not None:
                await asyncio.wait((self._batch,))
        # What the last batch came to is told in the next turn of the loop.
        await asyncio.sleep(0)

    # --- writing ------------------------------------------------------------------------------

    def write(self, write: Write, done: Callable[[StoreError | None], None]) -> Awaitable[None]:
        """Take a write into the next batch."""
        item = _Item(write, done, self._loop.create_future())
        n_max = FACTS_MAX if write.is_fact else _INTENTIONS_MAX
        if self._is_closed:
            self._finish(item, StoreError(f"{self._file.path}: is closed"))
        elif self._broken is not None:
            self._finish(item, self._broken)
        elif self.n_waiting >= n_max:
            self._finish(item, StoreError(f"{self._file.path}: {n_max} writes are waiting"))
        else:
            self._waiting.append(item)
            self._flush_soon()
        return _Waiting(item.future)

    async def retain(self, limits: RetentionLimits, *, now_utc_ns: int) -> Retained:
        """Delete the oldest of what is settled or was received; see ``retention``.

        Raises:
            StoreError: the disk fails.
        """
        return await self._loop.run_in_executor(
            self._writer_thread, lambda: self._file.retain(limits, now_utc_ns=now_utc_ns)
        )

    def _flush_soon(self) -> None:
        # What is written in one turn of the loop goes into one batch.
        if not self._is_flush_due and self._batch is None:
            self._is_flush_due = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._is_flush_due = False
        if self._batch is not None or not (self._kept or self._waiting):
            return
        batch = list(self._kept)
        self._kept.clear()
        n_new = min(len(self._waiting), _BATCH_MAX)
        batch.extend(self._waiting.popleft() for _ in range(n_new))
        self.n_commits += 1
        self._batch = self._loop.run_in_executor(self._writer_thread, _apply, self._file, batch)
        self._batch.add_done_callback(self._batch_ended)

    def _batch_ended(self, ended: asyncio.Future[list[tuple[_Item, StoreError | None]]]) -> None:
        self._batch = None
        kept: list[_Item] = []
        for item, error in ended.result():
            if isinstance(error, StoreCorruptError):
                self._broken = error
            self._judge(item.write, error)
            if item.write.is_fact and _may_succeed(error):
                kept.append(item)
            else:
                # Each by itself, so that one caller's mistake does not keep it from the others.
                self._loop.call_soon(self._finish, item, error)
        self._kept.extendleft(reversed(kept))
        if self._waiting:
            self._flush_soon()
        elif self._retry is None and not self._is_closed:
            if self._kept:
                self._retry = self._loop.call_later(_RETRY_S, self._try_again)
            elif self._failing is not None and self._broken is None:
                self._retry = self._loop.call_later(_PROBE_S, self._probe)

    def _judge(self, write: Write, error: StoreError | None) -> None:
        """Whether the disk works, by what it did with a write."""
        if _may_succeed(error) and error is not None:
            since_s = self._loop.time() if self._failing is None else self._failing[1]
            self._failing = error, since_s
        elif error is None and not write.is_fact:
            # Facts have room of their own where bytes are bounded.
            self._failing = None

    def _try_again(self) -> None:
        self._retry = None
        self._flush()

    def _probe(self) -> None:
        self._retry = None
        self.write(Write(values=(_PROBE,)), lambda _error: None)

    def _finish(self, item: _Item, error: StoreError | None) -> None:
        try:
            item.done(error)
        finally:
            if error is None:
                item.future.set_result(None)
            else:
                item.future.set_exception(error)
                # Facts need no waiter, and then nobody else asks.
                item.future.exception()

    # --- reading ------------------------------------------------------------------------------

    async def fetch(self, read: Callable[[LedgerReader], T]) -> T:
        """Ask in the reader's thread: for pages, exports, and whatever reads much.

        Raises:
            StoreError: the file cannot be read.
        """
        return await self._loop.run_in_executor(self._reader_thread, read, self._page_reader)

    def unfinished(self) -> Sequence[Message]:
        """Every message that is not settled, by id."""
        return self._reader.unfinished()

    def values(self) -> Mapping[str, bytes]:
        """The whole table of values."""
        return self._reader.values()

    def message(self, message_id: str) -> Message | None:
        """One message."""
        return self._reader.message(message_id)

    def steps(self, message_id: str) -> tuple[Step, ...]:
        """All steps of a message."""
        return self._reader.steps(message_id)

    def message_by_key(self, key: str) -> Message | None:
        """The message of a submission key."""
        return self._reader.message_by_key(key)

    def message_by_air_number(self, to: int, air_number: int) -> Message | None:
        """The newest message to a peer that has this number."""
        return self._reader.message_by_air_number(to, air_number)

    def find(self, query: Query) -> Page:
        """A page of messages."""
        return self._reader.find(query)

    def inbound(self, query: InboundQuery) -> InboundPage:
        """A page of received messages."""
        return self._reader.inbound(query)


def _may_succeed(error: StoreError | None) -> bool:
    return error is not None and not isinstance(error, RejectedWriteError | StoreCorruptError)


def _apply(file: LedgerFile, batch: list[_Item]) -> list[tuple[_Item, StoreError | None]]:
    """Write a batch in one commit; where that fails, one by one, to see which of them can be."""
    try:
        results = file.apply([item.write for item in batch])
    except StoreError as error:
        if len(batch) == 1:
            return [(batch[0], error)]
    else:
        return list(zip(batch, results, strict=True))
    ended: list[tuple[_Item, StoreError | None]] = []
    stuck: StoreError | None = None
    for item in batch:
        # What comes behind a fact that waits may be made of it.
        error_now = _try(file, item.write) if stuck is None else stuck
        ended.append((item, error_now))
        if item.write.is_fact and _may_succeed(error_now):
            stuck = error_now
    return ended


def _try(file: LedgerFile, write: Write) -> StoreError | None:
    try:
        return file.apply((write,))[0]
    except StoreError as error:
        return error
