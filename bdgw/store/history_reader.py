"""Questions to the history in SQLite. A reader sees what is durable and never waits."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

from bdgw.history import (
    BootGaps,
    FixPage,
    FixQuery,
    Missing,
    SeqRange,
    UnknownBootError,
)
from bdgw.model import DeviceFix
from bdgw.shortmsg.ledger_store import StoreError
from bdgw.store.failure import spoken
from bdgw.store.history_gaps import find_missing
from bdgw.store.history_row import FIX_COLUMNS, fix_of
from bdgw.store.history_schema import APPLICATION_ID, BLOCK, MIGRATIONS

__all__ = ["HistoryFileReader"]

_FIRST_NS, _LAST_NS = -(1 << 63), (1 << 63) - 1
_COLUMNS = ", ".join(f"fix.{name.strip()}" for name in FIX_COLUMNS.split(","))
# CROSS JOIN keeps SQLite from turning the loops around: blocks by number, fixes by seq inside.
_PAGE = f"""SELECT context.value, {_COLUMNS}
    FROM block CROSS JOIN fix CROSS JOIN context
    WHERE block.stream = ? AND block.number >= ? AND max_utc_ns >= ? AND min_utc_ns < ?
      AND fix.stream = block.stream
      AND fix.seq BETWEEN block.number * {BLOCK} AND block.number * {BLOCK} + {BLOCK - 1}
      AND fix.seq > ? AND t_utc_ns >= ? AND t_utc_ns < ?
      AND context.id = fix.context
    ORDER BY block.number, fix.seq LIMIT ?"""  # noqa: S608 - our columns
_NUMBERED = f"""SELECT context.value, {_COLUMNS} FROM fix CROSS JOIN context
    WHERE stream = ? AND seq BETWEEN ? AND ? AND context.id = fix.context
    ORDER BY seq LIMIT ?"""  # noqa: S608 - our columns

_NEWEST = f"""SELECT context.value, {_COLUMNS} FROM fix CROSS JOIN context
    WHERE stream = ? AND context.id = fix.context
    ORDER BY seq DESC LIMIT 1"""  # noqa: S608 - our columns


class HistoryFileReader:
    """A ``HistoryReader`` over a connection of its own, which it opens when it is first used."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._open: sqlite3.Connection | None = None

    def close(self) -> None:
        """Close the connection."""
        if self._open is not None:
            self._open.close()
            self._open = None

    def page(self, query: FixQuery) -> FixPage:
        """A page of fixes."""
        connection = self._connection()
        with spoken(self._path):
            first_ns, last_ns = _bounds(query)
            fixes: list[DeviceFix] = []
            for stream, boot, after_seq in self._streams_after(connection, query):
                rows = connection.execute(
                    _PAGE,
                    (
                        stream,
                        max(after_seq, 0) // BLOCK,
                        first_ns,
                        last_ns,
                        after_seq,
                        first_ns,
                        last_ns,
                        query.limit + 1 - len(fixes),
                    ),
                )
                fixes.extend(fix_of(query.device, boot, row[0], row[1:]) for row in rows)
                if len(fixes) > query.limit:
                    return FixPage(fixes=tuple(fixes[: query.limit]), has_more=True)
            return FixPage(fixes=tuple(fixes), has_more=False)

    def count(self, query: FixQuery) -> int:
        """Count the fixes of all blocks that the range touches."""
        connection = self._connection()
        with spoken(self._path):
            first_ns, last_ns = _bounds(query)
            total = 0
            for stream, _boot, after_seq in self._streams_after(connection, query):
                (n,) = connection.execute(
                    """SELECT coalesce(sum(n), 0) FROM block WHERE stream = ? AND number >= ?
                       AND max_utc_ns >= ? AND min_utc_ns < ?""",
                    (stream, max(after_seq, 0) // BLOCK, first_ns, last_ns),
                ).fetchone()
                total += n
            return total

    def gaps(self, device: str, *, limit: int) -> Sequence[BootGaps]:
        """What is missing, for each start."""
        connection = self._connection()
        with spoken(self._path):
            streams = connection.execute(
                "SELECT id, boot FROM stream WHERE device = ? ORDER BY id", (device,)
            ).fetchall()
            found = (_boot_gaps(connection, stream, boot, limit) for stream, boot in streams)
            return [gaps for gaps in found if gaps is not None]

    def newest(self, device: str) -> DeviceFix | None:
        """The fix that was kept last."""
        connection = self._connection()
        with spoken(self._path):
            streams = connection.execute(
                "SELECT id, boot FROM stream WHERE device = ? ORDER BY id DESC", (device,)
            )
            for stream, boot in streams:
                row = connection.execute(_NEWEST, (stream,)).fetchone()
                if row is not None:
                    return fix_of(device, boot, row[0], row[1:])
            return None

    def numbered(
        self, device: str, boot: str, wanted: SeqRange, *, limit: int
    ) -> tuple[DeviceFix, ...]:
        """The first fixes of a range of numbers."""
        connection = self._connection()
        with spoken(self._path):
            stream = _stream(connection, device, boot)
            if stream is None:
                return ()
            rows = connection.execute(_NUMBERED, (stream, wanted.first, wanted.last, limit))
            return tuple(fix_of(device, boot, row[0], row[1:]) for row in rows)

    def missing(self, device: str, boot: str, wanted: SeqRange, *, limit: int) -> Missing:
        """Which numbers of a range are not kept."""
        connection = self._connection()
        with spoken(self._path):
            stream = _stream(connection, device, boot)
            if stream is None:
                return Missing(n_missing=wanted.last - wanted.first + 1, ranges=(wanted,))
            return _missing(connection, stream, wanted, limit)

    def _connection(self) -> sqlite3.Connection:
        if self._open is None:
            if not Path(self._path).is_file():
                raise StoreError(f"{self._path}: there is no history yet")
            with spoken(self._path):
                connection = sqlite3.connect(
                    f"{Path(self._path).resolve().as_uri()}?mode=ro",
                    uri=True,
                    isolation_level=None,
                    check_same_thread=False,
                )
                with contextlib.ExitStack() as stack:
                    stack.callback(connection.close)
                    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
                    (version,) = connection.execute("PRAGMA user_version").fetchone()
                    if (application_id, version) != (APPLICATION_ID, len(MIGRATIONS)):
                        raise StoreError(f"{self._path}: no history of this version of bdgw")
                    stack.pop_all()
            self._open = connection
        return self._open

    def _streams_after(
        self, connection: sqlite3.Connection, query: FixQuery
    ) -> Iterator[tuple[int, str, int]]:
        """Give (stream, boot, the seq behind which to begin) in the order of reading."""
        start = 0
        if query.after is not None:
            known = _stream(connection, query.device, query.after.boot)
            if known is None:
                raise UnknownBootError(f"nothing is kept of boot {query.after.boot!r}")
            start = known
        streams = connection.execute(
            "SELECT id, boot FROM stream WHERE device = ? AND id >= ? ORDER BY id",
            (query.device, start),
        ).fetchall()
        for stream, boot in streams:
            is_first = query.after is not None and stream == start
            yield stream, boot, query.after.seq if is_first and query.after else -1


def _bounds(query: FixQuery) -> tuple[int, int]:
    first, last = query.from_utc_ns, query.until_utc_ns
    return _FIRST_NS if first is None else first, _LAST_NS if last is None else last


def _stream(connection: sqlite3.Connection, device: str, boot: str) -> int | None:
    row = connection.execute(
        "SELECT id FROM stream WHERE device = ? AND boot = ?", (device, boot)
    ).fetchone()
    return None if row is None else int(row[0])


def _boot_gaps(
    connection: sqlite3.Connection, stream: int, boot: str, limit: int
) -> BootGaps | None:
    run = connection.execute
    # Asked together SQLite would look at every number.
    (first,) = run("SELECT min(seq) FROM fix WHERE stream = ?", (stream,)).fetchone()
    (last,) = run("SELECT max(seq) FROM fix WHERE stream = ?", (stream,)).fetchone()
    if first is None:
        return None
    (first_utc_ns, last_utc_ns) = run(
        "SELECT min(min_utc_ns), max(max_utc_ns) FROM block WHERE stream = ?", (stream,)
    ).fetchone()
    missing = _missing(connection, stream, SeqRange(first, last), limit)
    return BootGaps(
        boot=boot,
        first_seq=first,
        last_seq=last,
        n_missing=missing.n_missing,
        missing=missing.ranges,
        first_utc_ns=first_utc_ns,
        last_utc_ns=last_utc_ns,
    )


def _missing(connection: sqlite3.Connection, stream: int, wanted: SeqRange, limit: int) -> Missing:
    def seqs_between(first: int, last: int) -> Iterator[int]:
        rows = connection.execute(
            "SELECT seq FROM fix WHERE stream = ? AND seq BETWEEN ? AND ? ORDER BY seq",
            (stream, first, last),
        )
        return (seq for (seq,) in rows)

    blocks = connection.execute(
        "SELECT number, n FROM block WHERE stream = ? ORDER BY number", (stream,)
    ).fetchall()
    return find_missing(wanted, blocks, seqs_between, limit=limit)
