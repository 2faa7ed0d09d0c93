"""The history in SQLite: the one writer of its file. A batch is a commit, and a commit an fsync.

Rows stand in the order in which they came. By time they are found through blocks of numbers, each
with its first and last instant; by number through an index. Of one thread at a time.
"""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from bdgw.hub import FixQuarantined
from bdgw.model import DeviceFix
from bdgw.shortmsg.ledger_store import StoreCorruptError, StoreError
from bdgw.store.failure import spoken, store_error
from bdgw.store.history_backend import HistoryItem, HistoryLimits, Written
from bdgw.store.history_retention import forget, mark, used_bytes
from bdgw.store.history_row import FIX_COLUMNS, context_of, fix_row, instant_utc_ns
from bdgw.store.history_schema import APPLICATION_ID, BLOCK, MIGRATIONS
from bdgw.store.schema import migrate

__all__ = ["HistoryFile"]

_WAL_BYTES_MAX = 16 * 1024 * 1024
_SLACK_BYTES = 16 * 1024 * 1024
"""Above ``max_bytes``, so that what is too much can still be deleted, and a batch goes in first."""
_MIN_FREE_BYTES = 256 * 1024 * 1024
_MIN_FREE_SHARE = 0.1
"""Left to others, the outbox first of all: the smaller of both."""
_CONTEXTS_MAX = 10_000
_NEVER = (
    OverflowError,
    UnicodeEncodeError,
    sqlite3.IntegrityError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
)
"""A number over 64 bits, half a surrogate: the value is at fault and not the disk."""

_INSERT_FIX = (
    f"INSERT OR IGNORE INTO fix (id, stream, {FIX_COLUMNS}) "  # noqa: S608 - our columns
    f"VALUES (?, ?, {', '.join('?' * (FIX_COLUMNS.count(',') + 1))})"
)
_GROW_BLOCK = """INSERT INTO block (stream, number, n, min_utc_ns, max_utc_ns)
    VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (stream, number) DO UPDATE SET n = n + excluded.n,
        min_utc_ns = min(min_utc_ns, excluded.min_utc_ns),
        max_utc_ns = max(max_utc_ns, excluded.max_utc_ns)"""
_INSERT_QUARANTINE = """INSERT INTO quarantine
    (device, reason, t_rx_utc_ns, t_gpst_ns, lat_deg, lon_deg) VALUES (?, ?, ?, ?, ?, ?)"""


class HistoryFile:
    """A ``HistoryBackend`` over one file, which it opens when it is first used."""

    kind = "sqlite"

    def __init__(self, path: str, limits: HistoryLimits) -> None:
        self.path = path
        self._limits = limits
        self._open: sqlite3.Connection | None = None
        self._streams: dict[tuple[str, str], int] = {}
        self._contexts: dict[str, int] = {}
        self._next_id = 1

    def write(self, items: Sequence[HistoryItem], *, trusted_utc_ns: int | None) -> Written:
        """Write all in one commit."""
        connection = self._connection()
        try:
            return self._write(connection, items, trusted_utc_ns)
        except _NEVER:
            return self._write_one_by_one(connection, items, trusted_utc_ns)

    def retain(self, *, trusted_utc_ns: int | None) -> int:
        """Delete a part of what is too old or too much."""
        connection = self._connection()
        with self._committing(connection):
            n_gone = forget(
                connection,
                self._limits,
                trusted_utc_ns=trusted_utc_ns,
                is_disk_low=_is_disk_low(Path(self.path).parent),
            )
        if n_gone:
            # A stream of which nothing is left has no number any more.
            self._streams.clear()
        return n_gone

    def used_bytes(self) -> int:
        """Bytes of the database in use; the write-ahead log is beside it."""
        connection = self._connection()
        with spoken(self.path):
            return used_bytes(connection)

    def close(self) -> None:
        """Close the file; the write-ahead log is folded into it."""
        if self._open is not None:
            with contextlib.suppress(sqlite3.Error):
                self._open.close()
            self._open = None
        self._forget_names()

    # --- opening ------------------------------------------------------------------------------

    def _connection(self) -> sqlite3.Connection:
        if self._open is None:
            with spoken(self.path):
                Path(self.path).parent.mkdir(parents=True, exist_ok=True)
                connection = sqlite3.connect(
                    self.path, isolation_level=None, check_same_thread=False
                )
                try:
                    self._prepare(connection)
                except BaseException:
                    connection.close()
                    raise
            self._open = connection
        return self._open

    def _prepare(self, connection: sqlite3.Connection) -> None:
        run = connection.execute
        (n_pages,) = run("PRAGMA page_count").fetchone()
        if n_pages == 0:
            run("PRAGMA auto_vacuum = INCREMENTAL")
        try:
            migrate(connection, MIGRATIONS, application=APPLICATION_ID)
        except StoreError as error:
            raise type(error)(f"{self.path}: {error}") from None
        (mode,) = run("PRAGMA journal_mode = WAL").fetchone()
        if mode != "wal":
            raise StoreError(f"{self.path}: its file system has no shared memory for a log")
        run("PRAGMA synchronous = FULL")
        run(f"PRAGMA journal_size_limit = {_WAL_BYTES_MAX}")
        # A page that many batches touch is then written into the file once for all of them.
        run(f"PRAGMA wal_autocheckpoint = {_WAL_BYTES_MAX // 4096}")
        if self._limits.max_bytes is not None:
            (page_bytes,) = run("PRAGMA page_size").fetchone()
            n_max = (self._limits.max_bytes + _SLACK_BYTES) // page_bytes
            # A file that is larger, after its limit was lowered, must be able to shrink.
            run(f"PRAGMA max_page_count = {max(n_max, n_pages + _SLACK_BYTES // page_bytes)}")
        (last_id,) = run("SELECT coalesce(max(id), 0) FROM fix").fetchone()
        (marked_id,) = run("SELECT coalesce(max(fix_id), 1) FROM mark").fetchone()
        self._next_id = max(last_id + 1, marked_id)

    # --- writing ------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _committing(self, connection: sqlite3.Connection) -> Iterator[None]:
        """Commit what happens inside, or nothing of it; values that are at fault pass through."""
        next_id = self._next_id
        try:
            connection.execute("BEGIN IMMEDIATE")
            yield
            connection.execute("COMMIT")
        except BaseException as error:
            self._next_id = next_id
            self._forget_names()
            # After a full disk SQLite may have rolled back by itself.
            with contextlib.suppress(sqlite3.Error):
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error) and not isinstance(error, _NEVER):
                spoken_error = store_error(error, self.path)
                if isinstance(spoken_error, StoreCorruptError):
                    self.close()
                raise spoken_error from error
            raise

    def _write(
        self,
        connection: sqlite3.Connection,
        items: Sequence[HistoryItem],
        trusted_utc_ns: int | None,
    ) -> Written:
        fixes = [item for item in items if isinstance(item, DeviceFix)]
        aside = [item for item in items if isinstance(item, FixQuarantined)]
        # Fixes of one device side by side: they are read so.
        fixes.sort(key=lambda item: (item.device, item.boot))
        with self._committing(connection):
            for (device, boot), group in groupby(fixes, lambda item: (item.device, item.boot)):
                self._write_stream(connection, self._stream(connection, device, boot), [*group])
            connection.executemany(_INSERT_QUARANTINE, map(_quarantine_row, aside))
            if trusted_utc_ns is not None:
                mark(connection, trusted_utc_ns, next_fix_id=self._next_id)
        return Written(n_stored=len(fixes), n_quarantined=len(aside), n_refused=0)

    def _write_one_by_one(
        self,
        connection: sqlite3.Connection,
        items: Sequence[HistoryItem],
        trusted_utc_ns: int | None,
    ) -> Written:
        """Find out which of them is at fault; the others are written."""
        n_stored = n_quarantined = n_refused = 0
        for item in items:
            try:
                written = self._write(connection, (item,), trusted_utc_ns)
            except _NEVER:
                n_refused += 1
            else:
                n_stored += written.n_stored
                n_quarantined += written.n_quarantined
        return Written(n_stored=n_stored, n_quarantined=n_quarantined, n_refused=n_refused)

    def _write_stream(
        self, connection: sqlite3.Connection, stream: int, fixes: list[DeviceFix]
    ) -> None:
        for number, group in groupby(fixes, lambda item: item.seq // BLOCK):
            rows = []
            instants = []
            for item in group:
                context = self._context(connection, context_of(item))
                t_utc_ns = instant_utc_ns(item)
                rows.append((self._next_id, stream, *fix_row(item, context, t_utc_ns)))
                instants.append(t_utc_ns)
                self._next_id += 1
            n_new = connection.executemany(_INSERT_FIX, rows).rowcount
            if n_new:
                block = (stream, number, n_new, min(instants), max(instants))
                connection.execute(_GROW_BLOCK, block)

    def _stream(self, connection: sqlite3.Connection, device: str, boot: str) -> int:
        key = (device, boot)
        known = self._streams.get(key)
        if known is None:
            run = connection.execute
            run("INSERT OR IGNORE INTO stream (device, boot) VALUES (?, ?)", key)
            (known,) = run("SELECT id FROM stream WHERE device = ? AND boot = ?", key).fetchone()
            self._streams[key] = known
        return known

    def _context(self, connection: sqlite3.Connection, value: str) -> int:
        known = self._contexts.get(value)
        if known is None:
            if len(self._contexts) >= _CONTEXTS_MAX:
                self._contexts.clear()
            run = connection.execute
            run("INSERT OR IGNORE INTO context (value) VALUES (?)", (value,))
            (known,) = run("SELECT id FROM context WHERE value = ?", (value,)).fetchone()
            self._contexts[value] = known
        return known

    def _forget_names(self) -> None:
        """What a rolled back transaction has named has no number."""
        self._streams.clear()
        self._contexts.clear()


def _quarantine_row(item: FixQuarantined) -> tuple[Any, ...]:
    fix = item.fix
    return (item.device, item.reason, item.t_rx_utc_ns, fix.t_gpst_ns, fix.lat_deg, fix.lon_deg)


def _is_disk_low(folder: Path) -> bool:
    room = shutil.disk_usage(folder)
    return room.free < min(_MIN_FREE_BYTES, _MIN_FREE_SHARE * room.total)
