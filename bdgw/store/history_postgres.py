"""The history in PostgreSQL, shared by gateways: the writer. A batch is one transaction.

Fixes are copied into a table of the session and inserted from there, where they are not kept yet:
what was written before an answer got lost is not written twice. Of one thread at a time.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, LiteralString

import psycopg

from bdgw.hub import FixQuarantined
from bdgw.model import DeviceFix
from bdgw.shortmsg.ledger_store import StoreError
from bdgw.store.history_backend import HistoryItem, HistoryLimits, Written
from bdgw.store.history_postgres_schema import migrate
from bdgw.store.history_row import FIX_COLUMNS, context_of, fix_row, instant_utc_ns
from bdgw.store.history_schema import BLOCK

__all__ = ["PostgresHistory", "PostgresServer"]

_COLUMNS: LiteralString = f"stream, {FIX_COLUMNS}"
_KEEP: LiteralString = f"""WITH kept AS (
        INSERT INTO bdgw.fix ({_COLUMNS}) SELECT {_COLUMNS} FROM arriving
        ON CONFLICT (stream, seq) DO NOTHING RETURNING stream, seq, t_utc_ns)
    INSERT INTO bdgw.block AS old (stream, number, n, min_utc_ns, max_utc_ns)
        SELECT stream, seq / {BLOCK}, count(*), min(t_utc_ns), max(t_utc_ns)
        FROM kept GROUP BY 1, 2
        ON CONFLICT (stream, number) DO UPDATE SET n = old.n + excluded.n,
            min_utc_ns = least(old.min_utc_ns, excluded.min_utc_ns),
            max_utc_ns = greatest(old.max_utc_ns, excluded.max_utc_ns)"""  # noqa: S608 - our columns
_CONTEXTS_MAX = 10_000
_CHUNK = 20_000
_RETAIN_EVERY_S = 60.0
_STATEMENT_MAX_MS = 60_000
_DEAD_PEER_MS = 20_000


class PostgresServer:
    """Where the server is and who we are there; the password is in no representation."""

    def __init__(self, url: str, password: str | None, *, name: str) -> None:
        self._url = url
        self._password = password
        self._name = name

    def connect(self) -> psycopg.Connection[Any]:
        """Open a connection and bring the tables to this version.

        Raises:
            StoreError: it cannot be had; never shows the password.
        """
        with spoken():
            connection = psycopg.connect(
                self._url,
                password=self._password,
                autocommit=True,
                connect_timeout=10,
                application_name=self._name,
                client_encoding="utf8",
                options=f"-c statement_timeout={_STATEMENT_MAX_MS}",
                keepalives_idle=10,
                keepalives_interval=5,
                keepalives_count=3,
                tcp_user_timeout=_DEAD_PEER_MS,
            )
            try:
                migrate(connection)
            except BaseException:
                connection.close()
                raise
        return connection


@contextlib.contextmanager
def spoken() -> Iterator[None]:
    """Translate what fails inside.

    Raises:
        StoreError: something did.
    """
    try:
        yield
    except psycopg.Error as error:
        said = " ".join(str(error).split()) or type(error).__name__
        raise StoreError(f"postgresql: {said}") from error


class PostgresHistory:
    """A ``HistoryBackend``; ``now_s`` only paces its own housekeeping."""

    kind = "postgresql"

    def __init__(
        self,
        server: PostgresServer,
        gateway: str,
        limits: HistoryLimits,
        *,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._server = server
        self._gateway = gateway
        self._limits = limits
        self._now_s = now_s
        self._open: psycopg.Connection[Any] | None = None
        self._streams: dict[tuple[str, str], int] = {}
        self._contexts: dict[str, int] = {}
        self._retain_next_s = 0.0

    def write(self, items: Sequence[HistoryItem], *, trusted_utc_ns: int | None) -> Written:
        """Write all in one transaction; the age of a row is the server's to tell."""
        del trusted_utc_ns
        try:
            return self._write(items)
        except (psycopg.DataError, OverflowError, UnicodeEncodeError):
            return self._write_one_by_one(items)

    def retain(self, *, trusted_utc_ns: int | None) -> int:
        """Delete a part of what is too old, by the server's clock."""
        del trusted_utc_ns
        if self._open is None:
            self._connection()
        if self._now_s() < self._retain_next_s:
            return 0
        with self._committing() as connection:
            n_gone = self._forget(connection)
        if n_gone == 0:
            self._retain_next_s = self._now_s() + _RETAIN_EVERY_S
        return n_gone

    def used_bytes(self) -> int | None:
        """Not ours to know: others have their tables there as well."""
        return None

    def close(self) -> None:
        """Close the connection."""
        if self._open is not None:
            with contextlib.suppress(psycopg.Error):
                self._open.close()
            self._open = None
        self._forget_names()

    def _connection(self) -> psycopg.Connection[Any]:
        if self._open is None or self._open.closed:
            self.close()
            connection = self._server.connect()
            with spoken():
                connection.execute(
                    "CREATE TEMPORARY TABLE arriving (LIKE bdgw.fix INCLUDING DEFAULTS) "
                    "ON COMMIT DELETE ROWS"
                )
            self._open = connection
        return self._open

    @contextlib.contextmanager
    def _committing(self) -> Iterator[psycopg.Connection[Any]]:
        """Commit what happens inside, or nothing of it; values that are at fault pass through."""
        connection = self._connection()
        try:
            with connection.transaction():
                yield connection
        except (psycopg.DataError, OverflowError, UnicodeEncodeError):
            self._forget_names()
            raise
        except psycopg.Error as error:
            # Whatever it was, a new connection is the safe way on.
            self.close()
            said = " ".join(str(error).split()) or type(error).__name__
            raise StoreError(f"postgresql: {said}") from error

    def _write(self, items: Sequence[HistoryItem]) -> Written:
        fixes = [item for item in items if isinstance(item, DeviceFix)]
        aside = [item for item in items if isinstance(item, FixQuarantined)]
        with self._committing() as connection:
            rows = [self._row(connection, item) for item in fixes]
            with connection.cursor() as cursor:
                with cursor.copy(f"COPY arriving ({_COLUMNS}) FROM STDIN") as copy:
                    for row in rows:
                        copy.write_row(row)
                cursor.execute(_KEEP)
                if aside:
                    cursor.executemany(
                        """INSERT INTO bdgw.quarantine (gateway, device, reason, t_rx_utc_ns,
                           t_gpst_ns, lat_deg, lon_deg) VALUES (%s, %s, %s, %s, %s, %s, %s)""",
                        [
                            (
                                self._gateway,
                                item.device,
                                item.reason,
                                item.t_rx_utc_ns,
                                item.fix.t_gpst_ns,
                                item.fix.lat_deg,
                                item.fix.lon_deg,
                            )
                            for item in aside
                        ],
                    )
        return Written(n_stored=len(fixes), n_quarantined=len(aside), n_refused=0)

    def _write_one_by_one(self, items: Sequence[HistoryItem]) -> Written:
        """Find out which of them is at fault; the others are written."""
        n_stored = n_quarantined = n_refused = 0
        for item in items:
            try:
                written = self._write((item,))
            except (psycopg.DataError, OverflowError, UnicodeEncodeError):
                n_refused += 1
            else:
                n_stored += written.n_stored
                n_quarantined += written.n_quarantined
        return Written(n_stored=n_stored, n_quarantined=n_quarantined, n_refused=n_refused)

    def _row(self, connection: psycopg.Connection[Any], item: DeviceFix) -> tuple[Any, ...]:
        stream = self._stream(connection, item.device, item.boot)
        context = self._context(connection, context_of(item))
        return (stream, *fix_row(item, context, instant_utc_ns(item)))

    def _stream(self, connection: psycopg.Connection[Any], device: str, boot: str) -> int:
        key = (device, boot)
        known = self._streams.get(key)
        if known is None:
            whole = (self._gateway, device, boot)
            connection.execute(
                "INSERT INTO bdgw.stream (gateway, device, boot) VALUES (%s, %s, %s) "
                "ON CONFLICT DO NOTHING",
                whole,
            )
            known = _one(
                connection,
                "SELECT id FROM bdgw.stream WHERE gateway = %s AND device = %s AND boot = %s",
                whole,
            )
            self._streams[key] = known
        return known

    def _context(self, connection: psycopg.Connection[Any], value: str) -> int:
        known = self._contexts.get(value)
        if known is None:
            if len(self._contexts) >= _CONTEXTS_MAX:
                self._contexts.clear()
            connection.execute(
                "INSERT INTO bdgw.context (value) VALUES (%s) ON CONFLICT DO NOTHING", (value,)
            )
            known = _one(connection, "SELECT id FROM bdgw.context WHERE value = %s", (value,))
            self._contexts[value] = known
        return known

    def _forget(self, connection: psycopg.Connection[Any]) -> int:
        n_gone = 0
        if self._limits.max_age_ns is not None:
            # The oldest first, so that of each stream a beginning goes.
            n_gone = connection.execute(
                """DELETE FROM bdgw.fix WHERE ctid = ANY(ARRAY(
                       SELECT fix.ctid FROM bdgw.fix JOIN bdgw.stream ON stream.id = fix.stream
                       WHERE stream.gateway = %s AND stored_at < now() - make_interval(secs => %s)
                       ORDER BY stored_at, stream, seq LIMIT %s))""",
                (self._gateway, self._limits.max_age_ns / 1e9, _CHUNK),
            ).rowcount
        if n_gone:
            connection.execute(
                """DELETE FROM bdgw.block USING bdgw.stream
                   WHERE stream.id = block.stream AND gateway = %s AND number < coalesce(
                       (SELECT min(seq) FROM bdgw.fix WHERE fix.stream = stream.id) / %s,
                       number + 1)""",
                (self._gateway, BLOCK),
            )
        n_gone += connection.execute(
            """DELETE FROM bdgw.quarantine WHERE gateway = %s AND id <= (
                   SELECT id FROM bdgw.quarantine WHERE gateway = %s
                   ORDER BY id DESC OFFSET %s LIMIT 1)""",
            (self._gateway, self._gateway, self._limits.max_quarantined),
        ).rowcount
        return n_gone

    def _forget_names(self) -> None:
        """What a rolled back transaction has named has no number."""
        self._streams.clear()
        self._contexts.clear()


def _one(
    connection: psycopg.Connection[Any], question: LiteralString, values: tuple[Any, ...]
) -> int:
    row = connection.execute(question, values).fetchone()
    assert row is not None  # noqa: S101 - it was inserted, or was there
    return int(row[0])
