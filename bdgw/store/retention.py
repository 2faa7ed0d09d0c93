"""What the ledger forgets: by age and by bytes, and never what is unfinished."""

from __future__ import annotations

import sqlite3

import msgspec

from bdgw.store.reader import LedgerReader

__all__ = ["Retained", "RetentionLimits", "retain"]

_CHUNK = 200
"""Deleted at a time: the writer is busy with it for milliseconds."""
_SMALL_CHUNK = 20
"""So little too much is deleted for bytes."""
_VACUUM_PAGES = 2000


class RetentionLimits(msgspec.Struct, frozen=True, kw_only=True):
    """None: no limit."""

    max_age_ns: int | None = None
    """Since a message was settled, or received."""
    max_bytes: int | None = None
    """Of the database in use."""

    def __post_init__(self) -> None:
        for limit in (self.max_age_ns, self.max_bytes):
            if limit is not None and limit <= 0:
                raise ValueError("a limit of retention is above 0, or None")


class Retained(msgspec.Struct, frozen=True, kw_only=True):
    """What was deleted, and what is in use now."""

    n_messages: int
    n_inbound: int
    used_bytes: int
    is_kept: bool
    """False: more bytes are used than allowed, and all of them by what is unfinished."""


def retain(
    connection: sqlite3.Connection,
    reader: LedgerReader,
    limits: RetentionLimits,
    *,
    now_utc_ns: int,
) -> Retained:
    """Delete, oldest first. ``now_utc_ns`` must be of a clock that is known to be right.

    Raises:
        sqlite3.Error: the disk fails; what was deleted before stays deleted.
    """
    n_messages = n_inbound = 0
    if limits.max_age_ns is not None:
        before_utc_ns = now_utc_ns - limits.max_age_ns
        while n_gone := sum(gone := _delete_oldest(connection, before_utc_ns, _CHUNK)):
            n_messages, n_inbound = n_messages + gone[0], n_inbound + gone[1]
            if n_gone < _CHUNK:
                break
    while limits.max_bytes is not None and reader.used_bytes() > limits.max_bytes:
        gone = _delete_oldest(connection, None, _SMALL_CHUNK)
        n_messages, n_inbound = n_messages + gone[0], n_inbound + gone[1]
        if not sum(gone):
            break
    if n_messages or n_inbound:
        # ``execute`` would take one step of it, which is one page.
        connection.executescript(f"PRAGMA incremental_vacuum({_VACUUM_PAGES})")
    used_bytes = reader.used_bytes()
    return Retained(
        n_messages=n_messages,
        n_inbound=n_inbound,
        used_bytes=used_bytes,
        is_kept=limits.max_bytes is None or used_bytes <= limits.max_bytes,
    )


def _delete_oldest(
    connection: sqlite3.Connection, before_utc_ns: int | None, n_max: int
) -> tuple[int, int]:
    """Delete a chunk of the oldest of both kinds, in one transaction."""
    bound = (1 << 63) - 1 if before_utc_ns is None else before_utc_ns
    oldest = connection.execute(
        """SELECT * FROM (
               SELECT state_utc_ns AS t, 'message', id FROM message
               WHERE is_settled = 1 AND state_utc_ns < ? ORDER BY state_utc_ns LIMIT ?)
           UNION ALL SELECT * FROM (
               SELECT received_utc_ns AS t, 'inbound', id FROM inbound
               WHERE received_utc_ns < ? ORDER BY received_utc_ns LIMIT ?)
           ORDER BY t LIMIT ?""",
        (bound, n_max, bound, n_max, n_max),
    ).fetchall()
    messages = [(name,) for _t, table, name in oldest if table == "message"]
    inbound = [(name,) for _t, table, name in oldest if table == "inbound"]
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.executemany("DELETE FROM message WHERE id = ? AND is_settled = 1", messages)
        connection.executemany("DELETE FROM inbound WHERE id = ?", inbound)
        connection.execute("COMMIT")
    except sqlite3.Error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return len(messages), len(inbound)
