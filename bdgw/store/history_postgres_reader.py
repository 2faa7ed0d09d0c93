"""Questions to the history in PostgreSQL: only those of one gateway, as if it were alone there."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, LiteralString

import psycopg

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
from bdgw.store.history_gaps import find_missing
from bdgw.store.history_postgres import PostgresServer
from bdgw.store.history_row import FIX_COLUMNS, fix_of
from bdgw.store.history_schema import BLOCK

__all__ = ["PostgresHistoryReader"]

_COLUMNS: LiteralString = f"value, {FIX_COLUMNS}"
_FIRST_NS, _LAST_NS = -(1 << 63), (1 << 63) - 1
_BLOCKS = 32
"""Looked for at a time: a page needs few of them, and a long range has thousands."""


class PostgresHistoryReader:
    """A ``HistoryReader`` over a connection of its own, opened anew after any error."""

    def __init__(self, server: PostgresServer, gateway: str) -> None:
        self._server = server
        self._gateway = gateway
        self._open: psycopg.Connection[Any] | None = None

    def close(self) -> None:
        """Close the connection."""
        if self._open is not None:
            with contextlib.suppress(psycopg.Error):
                self._open.close()
            self._open = None

    def page(self, query: FixQuery) -> FixPage:
        """A page of fixes."""
        with self._asking() as connection:
            first_ns, last_ns = _bounds(query)
            fixes: list[DeviceFix] = []
            for stream, boot, after_seq in self._streams_after(connection, query):
                for first, last in _runs(connection, stream, after_seq, first_ns, last_ns):
                    rows = connection.execute(
                        f"""SELECT {_COLUMNS} FROM bdgw.fix
                            JOIN bdgw.context ON context.id = fix.context
                            WHERE stream = %s AND seq BETWEEN %s AND %s
                            AND t_utc_ns >= %s AND t_utc_ns < %s
                            ORDER BY seq LIMIT %s""",  # noqa: S608 - our columns
                        (stream, first, last, first_ns, last_ns, query.limit + 1 - len(fixes)),
                    ).fetchall()
                    fixes.extend(fix_of(query.device, boot, row[0], row[1:]) for row in rows)
                    if len(fixes) > query.limit:
                        return FixPage(fixes=tuple(fixes[: query.limit]), has_more=True)
            return FixPage(fixes=tuple(fixes), has_more=False)

    def count(self, query: FixQuery) -> int:
        """Count the fixes of all blocks that the range touches."""
        with self._asking() as connection:
            first_ns, last_ns = _bounds(query)
            total = 0
            for stream, _boot, after_seq in self._streams_after(connection, query):
                total += _number(
                    connection,
                    """SELECT coalesce(sum(n), 0) FROM bdgw.block WHERE stream = %s
                       AND number >= %s AND max_utc_ns >= %s AND min_utc_ns < %s""",
                    (stream, max(after_seq, 0) // BLOCK, first_ns, last_ns),
                )
            return total

    def gaps(self, device: str, *, limit: int) -> Sequence[BootGaps]:
        """What is missing, for each start."""
        with self._asking() as connection:
            starts = connection.execute(
                """SELECT id, boot,
                   (SELECT min(seq) FROM bdgw.fix WHERE stream = id),
                   (SELECT max(seq) FROM bdgw.fix WHERE stream = id),
                   (SELECT min(min_utc_ns) FROM bdgw.block WHERE stream = id),
                   (SELECT max(max_utc_ns) FROM bdgw.block WHERE stream = id)
                   FROM bdgw.stream WHERE gateway = %s AND device = %s ORDER BY id""",
                (self._gateway, device),
            ).fetchall()
            found = []
            for stream, boot, first, last, first_utc_ns, last_utc_ns in starts:
                if first is None:  # all of it is forgotten
                    continue
                missing = _missing(connection, stream, SeqRange(first, last), limit)
                found.append(
                    BootGaps(
                        boot=boot,
                        first_seq=first,
                        last_seq=last,
                        n_missing=missing.n_missing,
                        missing=missing.ranges,
                        first_utc_ns=first_utc_ns,
                        last_utc_ns=last_utc_ns,
                    )
                )
            return found

    def newest(self, device: str) -> DeviceFix | None:
        """The fix that was kept last."""
        with self._asking() as connection:
            streams = connection.execute(
                "SELECT id, boot FROM bdgw.stream WHERE gateway = %s AND device = %s"
                " ORDER BY id DESC",
                (self._gateway, device),
            ).fetchall()
            for stream, boot in streams:
                row = connection.execute(
                    f"""SELECT {_COLUMNS} FROM bdgw.fix
                        JOIN bdgw.context ON context.id = fix.context
                        WHERE stream = %s ORDER BY seq DESC LIMIT 1""",  # noqa: S608 - our columns
                    (stream,),
                ).fetchone()
                if row is not None:
                    return fix_of(device, boot, row[0], row[1:])
            return None

    def numbered(
        self, device: str, boot: str, wanted: SeqRange, *, limit: int
    ) -> tuple[DeviceFix, ...]:
        """The first fixes of a range of numbers."""
        with self._asking() as connection:
            stream = self._stream(connection, device, boot)
            rows = connection.execute(
                f"""SELECT {_COLUMNS} FROM bdgw.fix JOIN bdgw.context ON context.id = fix.context
                    WHERE stream = %s AND seq BETWEEN %s AND %s ORDER BY seq LIMIT %s""",  # noqa: S608 - our columns
                (stream, wanted.first, wanted.last, limit),
            ).fetchall()
            return tuple(fix_of(device, boot, row[0], row[1:]) for row in rows)

    def missing(self, device: str, boot: str, wanted: SeqRange, *, limit: int) -> Missing:
        """Which numbers of a range are not kept."""
        with self._asking() as connection:
            stream = self._stream(connection, device, boot)
            if stream is None:
                return Missing(n_missing=wanted.last - wanted.first + 1, ranges=(wanted,))
            return _missing(connection, stream, wanted, limit)

    @contextlib.contextmanager
    def _asking(self) -> Iterator[psycopg.Connection[Any]]:
        if self._open is None or self._open.closed:
            self._open = self._server.connect()
        try:
            yield self._open
        except psycopg.Error as error:
            self.close()
            said = " ".join(str(error).split()) or type(error).__name__
            raise StoreError(f"postgresql: {said}") from error

    def _stream(self, connection: psycopg.Connection[Any], device: str, boot: str) -> int | None:
        row = connection.execute(
            "SELECT id FROM bdgw.stream WHERE gateway = %s AND device = %s AND boot = %s",
            (self._gateway, device, boot),
        ).fetchone()
        return None if row is None else int(row[0])

    def _streams_after(
        self, connection: psycopg.Connection[Any], query: FixQuery
    ) -> Iterator[tuple[int, str, int]]:
        """Give (stream, boot, the seq behind which to begin) in the order of reading."""
        start = 0
        if query.after is not None:
            known = self._stream(connection, query.device, query.after.boot)
            if known is None:
                raise UnknownBootError(f"nothing is kept of boot {query.after.boot!r}")
            start = known
        streams = connection.execute(
            """SELECT id, boot FROM bdgw.stream WHERE gateway = %s AND device = %s AND id >= %s
               ORDER BY id""",
            (self._gateway, query.device, start),
        ).fetchall()
        for stream, boot in streams:
            is_first = query.after is not None and stream == start
            yield stream, boot, query.after.seq if is_first and query.after else -1


def _runs(
    connection: psycopg.Connection[Any], stream: int, after_seq: int, first_ns: int, last_ns: int
) -> Iterator[tuple[int, int]]:
    """Give stretches of numbers in whose blocks the range has something, ascending."""
    number = max(after_seq, 0) // BLOCK
    while True:
        found = connection.execute(
            """SELECT number FROM bdgw.block WHERE stream = %s AND number >= %s
               AND max_utc_ns >= %s AND min_utc_ns < %s ORDER BY number LIMIT %s""",
            (stream, number, first_ns, last_ns, _BLOCKS),
        ).fetchall()
        runs: list[list[int]] = []
        for (number,) in found:
            if runs and runs[-1][1] == number - 1:
                runs[-1][1] = number
            else:
                runs.append([number, number])
        for first, last in runs:
            yield max(after_seq + 1, first * BLOCK), last * BLOCK + BLOCK - 1
        if len(found) < _BLOCKS:
            return
        number += 1


def _missing(
    connection: psycopg.Connection[Any], stream: int, wanted: SeqRange, limit: int
) -> Missing:
    def seqs_between(first: int, last: int) -> Iterator[int]:
        rows = connection.execute(
            "SELECT seq FROM bdgw.fix WHERE stream = %s AND seq BETWEEN %s AND %s ORDER BY seq",
            (stream, first, last),
        )
        return (seq for (seq,) in rows)

    blocks = connection.execute(
        "SELECT number, n FROM bdgw.block WHERE stream = %s ORDER BY number", (stream,)
    ).fetchall()
    return find_missing(wanted, blocks, seqs_between, limit=limit)


def _number(
    connection: psycopg.Connection[Any], question: LiteralString, values: tuple[Any, ...]
) -> int:
    row = connection.execute(question, values).fetchone()
    return 0 if row is None else int(row[0])


def _bounds(query: FixQuery) -> tuple[int, int]:
    first, last = query.from_utc_ns, query.until_utc_ns
    return _FIRST_NS if first is None else first, _LAST_NS if last is None else last
