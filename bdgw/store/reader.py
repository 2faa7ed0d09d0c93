"""Questions to a ledger file. A reader sees what is durable, and never waits for the writer."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from bdgw.shortmsg.ledger_store import (
    PAGE_MAX,
    Inbound,
    InboundPage,
    InboundQuery,
    Page,
    Query,
    StoreError,
)
from bdgw.shortmsg.message import Message, Step
from bdgw.store.failure import spoken
from bdgw.store.row import (
    INBOUND_COLUMNS,
    MESSAGE_COLUMNS,
    STEP_COLUMNS,
    inbound_of,
    message_of,
    step_of,
)
from bdgw.store.schema import APPLICATION_ID, MIGRATIONS

__all__ = ["LedgerReader", "open_reader"]


class LedgerReader:
    """Reads over one connection; of one thread at a time."""

    def __init__(self, connection: sqlite3.Connection, path: str) -> None:
        self._connection = connection
        self._path = path

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def unfinished(self) -> tuple[Message, ...]:
        """Every message that is not settled, by id."""
        return self._messages("WHERE is_settled = 0 ORDER BY id")

    def settled_since(self, utc_ns: int) -> tuple[Message, ...]:
        """Every settled message that came into its state at this time or later."""
        return self._messages(
            "WHERE is_settled = 1 AND state_utc_ns >= ? ORDER BY state_utc_ns, id", utc_ns
        )

    def values(self) -> dict[str, bytes]:
        """The whole table of values."""
        with spoken(self._path):
            return dict(self._connection.execute("SELECT name, value FROM value"))

    def message(self, message_id: str) -> Message | None:
        """One message."""
        return next(iter(self._messages("WHERE id = ?", message_id)), None)

    def message_by_key(self, key: str) -> Message | None:
        """The message of a submission key."""
        return next(iter(self._messages("WHERE key = ?", key)), None)

    def message_by_air_number(self, to: int, air_number: int) -> Message | None:
        """The newest message to a peer that has this number."""
        found = self._messages(
            "WHERE peer = ? AND air_number = ? ORDER BY id DESC LIMIT 1", to, air_number
        )
        return next(iter(found), None)

    def steps(self, message_id: str) -> tuple[Step, ...]:
        """All steps of a message; none of an unknown one."""
        with spoken(self._path):
            rows = self._connection.execute(
                f"SELECT {STEP_COLUMNS} FROM step WHERE message_id = ? ORDER BY number",  # noqa: S608 - our columns
                (message_id,),
            )
            return tuple(step_of(row) for row in rows)

    def find(self, query: Query) -> Page:
        """A page of messages.

        Raises:
            ValueError: the limit is not 1 to ``PAGE_MAX``.
        """
        marks = ", ".join("?" * len(query.states))
        clauses: list[tuple[str, tuple[Any, ...]]] = [
            (f"state IN ({marks})", tuple(state.value for state in query.states)),
            ("peer = ?", (query.to,)),
            ("key = ?", (query.key,)),
            ("submitted_utc_ns >= ?", (query.from_utc_ns,)),
            ("submitted_utc_ns < ?", (query.until_utc_ns,)),
            ("is_settled = ?", (0 if query.is_unfinished_only else None,)),
        ]
        where, parameters = _paged(clauses, query.after, query.limit, query.is_newest_first)
        found = self._messages(where, *parameters)
        has_more = len(found) > query.limit
        page = found[: query.limit]
        return Page(messages=page, next_after=page[-1].id if has_more else None)

    def inbound(self, query: InboundQuery) -> InboundPage:
        """A page of received messages.

        Raises:
            ValueError: the limit is not 1 to ``PAGE_MAX``.
        """
        clauses: list[tuple[str, tuple[Any, ...]]] = [
            ("sender = ?", (query.sender,)),
            ("terminal = ?", (query.terminal,)),
            ("kind = ?", (query.kind,)),
            ("received_utc_ns >= ?", (query.from_utc_ns,)),
            ("received_utc_ns < ?", (query.until_utc_ns,)),
        ]
        where, parameters = _paged(clauses, query.after, query.limit, query.is_newest_first)
        with spoken(self._path):
            rows = self._connection.execute(
                f"SELECT {INBOUND_COLUMNS} FROM inbound {where}",  # noqa: S608 - our clauses
                parameters,
            )
            found = tuple(inbound_of(row) for row in rows)
        page = found[: query.limit]
        return InboundPage(
            messages=page, next_after=page[-1].id if len(found) > query.limit else None
        )

    def received(self, message_id: str) -> Inbound | None:
        """One received message."""
        with spoken(self._path):
            row = self._connection.execute(
                f"SELECT {INBOUND_COLUMNS} FROM inbound WHERE id = ?",  # noqa: S608 - our columns
                (message_id,),
            ).fetchone()
        return None if row is None else inbound_of(row)

    def all_messages(self, query: Query) -> Iterator[Message]:
        """Every message of a query, in pages of its limit, so that memory stays small."""
        while True:
            page = self.find(query)
            yield from page.messages
            if page.next_after is None:
                return
            query = msgspec.structs.replace(query, after=page.next_after)

    def all_inbound(self, query: InboundQuery) -> Iterator[Inbound]:
        """Every received message of a query."""
        while True:
            page = self.inbound(query)
            yield from page.messages
            if page.next_after is None:
                return
            query = msgspec.structs.replace(query, after=page.next_after)

    def used_bytes(self) -> int:
        """Bytes of the database in use; the write-ahead log is beside it."""
        with spoken(self._path):
            ((n_pages,), (n_free,), (page_bytes,)) = (
                self._connection.execute(f"PRAGMA {name}").fetchone()
                for name in ("page_count", "freelist_count", "page_size")
            )
        return int((n_pages - n_free) * page_bytes)

    def _messages(self, where: str, *parameters: str | int) -> tuple[Message, ...]:
        with spoken(self._path):
            rows = self._connection.execute(
                f"SELECT {MESSAGE_COLUMNS} FROM message {where}",  # noqa: S608 - our clauses
                parameters,
            )
            return tuple(message_of(row) for row in rows)


def _paged(
    clauses: list[tuple[str, tuple[Any, ...]]],
    after: str | None,
    limit: int,
    is_newest_first: bool,
) -> tuple[str, tuple[Any, ...]]:
    if not 1 <= limit <= PAGE_MAX:
        raise ValueError(f"a page has 1 to {PAGE_MAX} messages, not {limit}")
    clauses = [*clauses, ("id < ?" if is_newest_first else "id > ?", (after,))]
    used = [each for each in clauses if each[1] and each[1][0] is not None]
    where = " AND ".join(text for text, _values in used)
    parameters = tuple(value for _text, values in used for value in values)
    order = "DESC" if is_newest_first else "ASC"
    # One more than asked for tells whether there is a next page.
    return (
        f"{'WHERE ' if where else ''}{where} ORDER BY id {order} LIMIT ?",
        (*parameters, limit + 1),
    )


def open_reader(path: str) -> LedgerReader:
    """Open a ledger file to read, also that of a running gateway; nothing is changed.

    Raises:
        StoreError: there is none, or it cannot be read.
    """
    if not Path(path).is_file():
        raise StoreError(f"{path}: there is no ledger")
    with spoken(path):
        connection = sqlite3.connect(
            f"{Path(path).resolve().as_uri()}?mode=ro",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            (application_id,) = connection.execute("PRAGMA application_id").fetchone()
            (version,) = connection.execute("PRAGMA user_version").fetchone()
        except sqlite3.Error:
            connection.close()
            raise
    if application_id != APPLICATION_ID or version != len(MIGRATIONS):
        connection.close()
        raise StoreError(f"{path}: no ledger of this version of bdgw")
    return LedgerReader(connection, path)
