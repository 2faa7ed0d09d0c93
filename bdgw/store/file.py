"""The one writer of a ledger file: opens, locks and checks it, and writes whole batches.

Every call returns after the data is on the disk (WAL, ``synchronous=FULL``: each commit ends with
an fsync). Of one thread at a time; knows nothing of who waits for it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from bdgw.shortmsg.ledger_store import (
    RejectedWriteError,
    StaleWriteError,
    StoreCorruptError,
    StoreError,
    StoreFullError,
    ValueWrite,
    Write,
)
from bdgw.store.failure import spoken, store_error
from bdgw.store.reader import LedgerReader
from bdgw.store.retention import Retained, RetentionLimits, retain
from bdgw.store.row import (
    INBOUND_COLUMNS,
    MESSAGE_COLUMNS,
    STEP_COLUMNS,
    inbound_row,
    message_row,
    step_row,
)
from bdgw.store.schema import migrate

__all__ = ["MEMORY", "LedgerFile"]

MEMORY = ":memory:"
_RESERVE_BYTES = 4 * 1024 * 1024
"""What new submissions leave to the fate of those that were taken."""
_WAL_BYTES_MAX = 16 * 1024 * 1024
_NEVER = (
    OverflowError,
    UnicodeEncodeError,
    sqlite3.IntegrityError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
)
"""A number over 64 bits, half a surrogate, a second step of one number: the value is at fault."""


def _marks(columns: str) -> str:
    return ", ".join("?" * (columns.count(",") + 1))


_INSERT_MESSAGE = f"INSERT INTO message ({MESSAGE_COLUMNS}) VALUES ({_marks(MESSAGE_COLUMNS)})"  # noqa: S608 - our columns
_INSERT_STEP = f"INSERT INTO step ({STEP_COLUMNS}) VALUES ({_marks(STEP_COLUMNS)})"  # noqa: S608 - our columns
_INSERT_INBOUND = f"INSERT INTO inbound ({INBOUND_COLUMNS}) VALUES ({_marks(INBOUND_COLUMNS)})"  # noqa: S608 - our columns
# What was submitted never changes, so that a step writes little.
_UPDATE_MESSAGE = """UPDATE message SET state = ?, state_utc_ns = ?, cause = ?, n_units = ?,
    units = ?, n_possibly_sent = ?, air_number = ?, is_retryable = ?, receipt_utc_ns = ?,
    revision = ?, is_settled = ? WHERE id = ? AND revision = ?"""
_SET_VALUE = """INSERT INTO value (name, value) VALUES (?, ?)
    ON CONFLICT (name) DO UPDATE SET value = excluded.value"""


class LedgerFile:
    """A ledger file, open for writing by nobody else."""

    def __init__(self, path: str, *, max_bytes: int | None = None) -> None:
        """Open it, or make it, its folder included.

        ``max_bytes`` bounds the database: new messages are refused beyond it, and the fate of
        those that were taken has 4 MiB more. The write-ahead log beside it has up to 16 MiB.

        Raises:
            StoreCorruptError: the file is damaged, or no ledger; it is left as it is.
            StoreError: it cannot be opened, another process writes it, or a newer bdgw wrote it.
        """
        self.path = path
        self._max_bytes = max_bytes
        self._lock: IO[str] | None = None if path == MEMORY else _locked(path)
        try:
            with spoken(path):
                self._connection = sqlite3.connect(
                    path, isolation_level=None, check_same_thread=False
                )
            try:
                self._prepare()
            except BaseException:
                self._connection.close()
                raise
        except BaseException:
            self._unlock()
            raise
        self.reader = LedgerReader(self._connection, path)
        """Reads by the writer's own connection."""

    def _prepare(self) -> None:
        run = self._connection.execute
        with spoken(self.path):
            (n_pages,) = run("PRAGMA page_count").fetchone()
            if n_pages == 0:
                run("PRAGMA auto_vacuum = INCREMENTAL")
            (fault,) = run("PRAGMA quick_check(1)").fetchone()
            if fault != "ok":
                raise StoreCorruptError(f"{self.path}: damaged ({fault}); it is left as it is")
            try:
                migrate(self._connection)
            except StoreError as error:
                raise type(error)(f"{self.path}: {error}") from None
            (mode,) = run("PRAGMA journal_mode = WAL").fetchone()
            if mode != "wal" and self.path != MEMORY:
                raise StoreError(f"{self.path}: its file system has no shared memory for a log")
            run("PRAGMA synchronous = FULL")
            run("PRAGMA foreign_keys = ON")
            run(f"PRAGMA journal_size_limit = {_WAL_BYTES_MAX}")
            if self._max_bytes is not None:
                (page_bytes,) = run("PRAGMA page_size").fetchone()
                n_pages = (self._max_bytes + _RESERVE_BYTES) // page_bytes
                run(f"PRAGMA max_page_count = {n_pages}")
            if self.path != MEMORY:
                _sync_folder(self.path)

    def close(self) -> None:
        """Close it; the write-ahead log is folded into it."""
        with contextlib.suppress(sqlite3.Error):
            self._connection.close()
        self._unlock()

    def apply(self, writes: Sequence[Write]) -> list[StoreError | None]:
        """Write all of them in one commit, and say of each what is wrong with it, or None.

        Raises:
            RejectedWriteError: none of them is written, since one can never be.
            StoreError: none of them is written; the disk is full or fails.
        """
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            has_room = self._has_room()
            results = [self._apply_one(write, has_room=has_room) for write in writes]
            self._connection.execute("COMMIT")
        except _NEVER as error:
            self._roll_back()
            raise RejectedWriteError(f"{self.path}: cannot be written: {error}") from error
        except (sqlite3.Error, ValueError) as error:
            self._roll_back()
            raise store_error(error, self.path) from error
        return results

    def retain(self, limits: RetentionLimits, *, now_utc_ns: int) -> Retained:
        """Delete the oldest of what is settled, or was received, until the limits are kept."""
        with spoken(self.path):
            return retain(self._connection, self.reader, limits, now_utc_ns=now_utc_ns)

    def _has_room(self) -> bool:
        return self._max_bytes is None or self.reader.used_bytes() <= self._max_bytes

    def _apply_one(self, write: Write, *, has_room: bool) -> StoreError | None:
        """Check first, then write, so that what is wrong leaves no trace in the transaction."""
        for value in write.values:
            if value.is_guarded and not self._is_as_expected(value):
                return StaleWriteError(f"value {value.name!r} is not what it was")
        if write.message is not None:
            error = self._write_message(write, has_room=has_room)
            if error is not None:
                return error
        run = self._connection.execute
        for value in write.values:
            run(_SET_VALUE, (value.name, value.value))
        if write.inbound is not None:
            run(_INSERT_INBOUND, inbound_row(write.inbound))
        return None

    def _is_as_expected(self, value: ValueWrite) -> bool:
        row = self._connection.execute(
            "SELECT value FROM value WHERE name = ?", (value.name,)
        ).fetchone()
        return (None if row is None else row[0]) == value.expected

    def _write_message(self, write: Write, *, has_room: bool) -> StoreError | None:
        message = write.message
        if message is None:
            return None
        row = message_row(message)
        if write.base_revision == 0:
            if not has_room:
                return StoreFullError(f"{self.path}: {self._max_bytes} bytes are used")
            try:
                self._connection.execute(_INSERT_MESSAGE, row)
            except sqlite3.IntegrityError as error:
                return StaleWriteError(f"message {message.id}: {error}")
        else:
            # The columns behind what was submitted, less the time of submission.
            changed = (row[11], *row[13:])
            n_rows = self._connection.execute(
                _UPDATE_MESSAGE, (*changed, message.id, write.base_revision)
            ).rowcount
            if n_rows != 1:
                return StaleWriteError(f"message {message.id} is not what it was")
        first = write.base_revision + 1
        self._connection.executemany(
            _INSERT_STEP,
            (step_row(message.id, first + i, step) for i, step in enumerate(write.steps)),
        )
        return None

    def _roll_back(self) -> None:
        # After a full disk SQLite may have rolled back by itself.
        with contextlib.suppress(sqlite3.Error):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def _unlock(self) -> None:
        if self._lock is not None:
            self._lock.close()


def _locked(path: str) -> IO[str]:
    """Hold the lock beside the file; the kernel frees it however the process ends."""
    with spoken(path):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        lock = Path(f"{path}.lock").open("w", encoding="ascii")  # noqa: SIM115 - held until close
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise StoreError(f"{path}: another process writes it") from None
    return lock


def _sync_folder(path: str) -> None:
    """Make the name of the file durable as well."""
    folder = os.open(Path(path).parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
