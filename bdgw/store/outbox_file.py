"""The file behind the outbox: chunks of entries, and which of their entries are settled.

Knows rows and commits; knows no entry, no lane's rules and no broker: what a chunk holds is bytes
to it. Every call returns after the data is on the disk (WAL, ``synchronous=FULL``: each commit
ends with an fsync). Of one thread at a time.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from bdgw.shortmsg.ledger_store import StoreCorruptError, StoreError
from bdgw.store.failure import spoken, store_error
from bdgw.store.outbox_schema import APPLICATION_ID, MIGRATIONS
from bdgw.store.schema import migrate

__all__ = ["OutboxFile", "StoredChunk", "open_outbox"]

_WAL_BYTES_MAX = 4 * 1024 * 1024
_CHECKED_PAGES_MAX = 16_384
"""64 MiB: a larger file would take minutes on a slow card; its chunks are checked as they come."""
_OLDEST_MAX = 64
"""Chunks: some ten thousand entries, which are read before they are deleted."""
_ROW_BYTES = 64
"""What a row counts beside its data."""
_COUNT_UP = """INSERT INTO counter VALUES (?, ?)
    ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value)"""
_NEXT = """SELECT id, is_urgent, chunk.n, accepted_s, data, coalesce(bits, x'')
    FROM chunk LEFT JOIN settled ON settled.chunk = chunk.id"""


class StoredChunk(NamedTuple):
    """A chunk as it stands in the file."""

    id: int
    is_urgent: bool
    n: int
    accepted_s: float
    data: bytes
    settled: bytes
    """A bit an entry, the first one lowest; shorter than the chunk where none is set."""

    @property
    def size_bytes(self) -> int:
        """What the chunk counts."""
        return len(self.data) + _ROW_BYTES

    @property
    def n_waiting(self) -> int:
        """Entries that are not settled."""
        return self.n - int.from_bytes(self.settled, "little").bit_count()


class Totals(NamedTuple):
    """What the file holds, settled entries excepted."""

    n: int
    size_bytes: int
    last_chunk: int
    last_entry: int
    ran_s: float


class OutboxFile:
    """An outbox file, open for writing by nobody else."""

    def __init__(self, path: str) -> None:
        """Open it, or make it, its folder included.

        Raises:
            StoreCorruptError: the file is damaged, or no outbox; it is left as it is.
            StoreError: it cannot be opened, or a newer bdgw wrote it.
        """
        self.path = path
        with spoken(path):
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            self._prepare()
        except BaseException:
            self._connection.close()
            raise

    def _prepare(self) -> None:
        run = self._connection.execute
        with spoken(self.path):
            (n_pages,) = run("PRAGMA page_count").fetchone()
            if n_pages == 0:
                run("PRAGMA auto_vacuum = INCREMENTAL")
            if n_pages <= _CHECKED_PAGES_MAX:
                (fault,) = run("PRAGMA quick_check(1)").fetchone()
                if fault != "ok":
                    raise StoreCorruptError(f"{self.path}: damaged ({fault})")
            try:
                migrate(self._connection, MIGRATIONS, application=APPLICATION_ID)
            except StoreError as error:
                raise type(error)(f"{self.path}: {error}") from None
            (mode,) = run("PRAGMA journal_mode = WAL").fetchone()
            if mode != "wal":
                raise StoreError(f"{self.path}: its file system has no shared memory for a log")
            run("PRAGMA synchronous = FULL")
            run("PRAGMA foreign_keys = ON")
            run(f"PRAGMA journal_size_limit = {_WAL_BYTES_MAX}")

    def close(self) -> None:
        """Close it; the write-ahead log is folded into it."""
        with contextlib.suppress(sqlite3.Error):
            self._connection.close()

    def totals(self) -> Totals:
        """Count what is there."""
        with spoken(self.path):
            n, size_bytes, last_chunk, last_entry = self._connection.execute(
                """SELECT coalesce(sum(chunk.n - coalesce(settled.n, 0)), 0),
                    coalesce(sum(length(data) + ?), 0), coalesce(max(id), 0),
                    coalesce(max(last_entry), 0)
                FROM chunk LEFT JOIN settled ON settled.chunk = chunk.id""",
                (_ROW_BYTES,),
            ).fetchone()
            counters = dict(self._connection.execute("SELECT name, value FROM counter"))
        last_entry = max(last_entry, counters.get("last_entry", 0))
        last_chunk = max(last_chunk, counters.get("last_chunk", 0))
        return Totals(n, size_bytes, last_chunk, last_entry, counters.get("ran_s", 0.0))

    def urgent(self) -> list[StoredChunk]:
        """Every chunk that may not be dropped, oldest first."""
        with spoken(self.path):
            rows = self._connection.execute(f"{_NEXT} WHERE is_urgent = 1 ORDER BY id")
            return [StoredChunk(*row) for row in rows]

    def next(self, after: int, skip: Collection[int]) -> StoredChunk | None:
        """The first ordinary chunk behind ``after``, those in ``skip`` excepted."""
        with spoken(self.path):
            rows = self._connection.execute(
                f"{_NEXT} WHERE is_urgent = 0 AND id > ? ORDER BY id", (after,)
            )
            row = next((row for row in rows if row[0] not in skip), None)
            return None if row is None else StoredChunk(*row)

    def apply(
        self,
        *,
        chunks: Sequence[tuple[int, bool, int, int, float, bytes]],
        settled: Sequence[tuple[int, int, bytes]],
        deleted: Iterable[int],
        losses: Iterable[tuple[str, bytes]],
        ran_s: float,
    ) -> list[int]:
        """Write all of it in one commit; the sizes of the new chunks in bytes.

        A chunk is (id, is urgent, entries, last entry's id, accepted at, data). Losses replace
        those of the same device; empty ones delete them.

        Raises:
            StoreError: none of it is written; the disk is full or fails.
        """
        with self._commit() as connection:
            connection.executemany("INSERT INTO chunk VALUES (?, ?, ?, ?, ?, ?)", chunks)
            connection.executemany("INSERT OR REPLACE INTO settled VALUES (?, ?, ?)", settled)
            connection.executemany("DELETE FROM chunk WHERE id = ?", ((each,) for each in deleted))
            for device, lost in losses:
                if lost:
                    connection.execute("INSERT OR REPLACE INTO loss VALUES (?, ?)", (device, lost))
                else:
                    connection.execute("DELETE FROM loss WHERE device = ?", (device,))
            counters: list[tuple[str, float]] = [("ran_s", ran_s)]
            if chunks:
                counters += [
                    ("last_chunk", max(chunk[0] for chunk in chunks)),
                    ("last_entry", max(chunk[3] for chunk in chunks)),
                ]
            connection.executemany(_COUNT_UP, counters)
        return [len(chunk[5]) + _ROW_BYTES for chunk in chunks]

    def oldest(
        self, *, after: int, keep: Collection[int], n: int, size_bytes: int, before_s: float
    ) -> list[StoredChunk]:
        """Give ordinary chunks, oldest first, that hold so much; and those that are too old.

        Chunks up to ``after`` and those in ``keep`` are passed over. What is more than one commit
        should delete comes with the next call.
        """
        found: list[StoredChunk] = []
        n_left, n_bytes = n, size_bytes
        with spoken(self.path):
            rows = self._connection.execute(
                f"{_NEXT} WHERE is_urgent = 0 AND id > ? ORDER BY id", (after,)
            )
            for row in rows:
                chunk = StoredChunk(*row)
                is_enough = n_left <= 0 and n_bytes <= 0 and chunk.accepted_s >= before_s
                if is_enough or len(found) >= _OLDEST_MAX:
                    break
                if chunk.id not in keep:
                    found.append(chunk)
                    n_left -= chunk.n_waiting
                    n_bytes -= chunk.size_bytes
        return found

    def losses(self) -> list[tuple[str, bytes]]:
        """The rows of undelivered fixes, by device."""
        with spoken(self.path):
            return self._connection.execute("SELECT device, data FROM loss").fetchall()

    def shrink(self, n_pages: int) -> None:
        """Give up to so many free pages back to the file system."""
        with spoken(self.path):
            # Each step of the statement frees one page.
            self._connection.execute(f"PRAGMA incremental_vacuum({n_pages})").fetchall()

    @contextlib.contextmanager
    def _commit(self) -> Iterator[sqlite3.Connection]:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            yield self._connection
            self._connection.execute("COMMIT")
        except (sqlite3.Error, ValueError) as error:
            # After a full disk SQLite may have rolled back by itself.
            with contextlib.suppress(sqlite3.Error):
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
            raise store_error(error, self.path) from error


def open_outbox(path: str) -> tuple[OutboxFile, str | None]:
    """Open the file; one that is damaged is set aside, so that the gateway can begin.

    Gives the file, and where the damaged one is now.

    Raises:
        StoreError: it cannot be opened, or a newer bdgw wrote it.
    """
    try:
        return OutboxFile(path), None
    except StoreCorruptError:
        aside = _set_aside(path)
        return OutboxFile(path), aside


def _set_aside(path: str) -> str:
    """Move a damaged file and its log away, so that a new one can begin; where it is now."""
    number = 1
    while Path(f"{path}.damaged-{number}").exists():
        number += 1
    for suffix in ("", "-wal", "-shm"):
        if Path(f"{path}{suffix}").exists():
            Path(f"{path}{suffix}").rename(f"{path}.damaged-{number}{suffix}")
    return f"{path}.damaged-{number}"
