"""The tables of the ledger, and how a file of an earlier version becomes one of this version."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from bdgw.shortmsg.ledger_store import StoreCorruptError, StoreError

__all__ = ["APPLICATION_ID", "MIGRATIONS", "migrate"]

APPLICATION_ID = 0x62646777  # "bdgw"

_FIRST = (
    """CREATE TABLE message (
        id TEXT PRIMARY KEY NOT NULL,
        key TEXT UNIQUE,
        peer INTEGER NOT NULL,
        payload BLOB NOT NULL,
        origin TEXT NOT NULL,
        priority TEXT NOT NULL,
        service TEXT NOT NULL,
        deadline_utc_ns INTEGER,
        supersede_key TEXT,
        wants_receipt INTEGER NOT NULL,
        options TEXT NOT NULL,
        state TEXT NOT NULL,
        submitted_utc_ns INTEGER NOT NULL,
        state_utc_ns INTEGER NOT NULL,
        cause TEXT NOT NULL,
        n_units INTEGER,
        units TEXT NOT NULL,
        n_possibly_sent INTEGER NOT NULL,
        air_number INTEGER,
        is_retryable INTEGER,
        receipt_utc_ns INTEGER,
        revision INTEGER NOT NULL,
        is_settled INTEGER NOT NULL
    )""",
    "CREATE INDEX message_unfinished ON message (id) WHERE is_settled = 0",
    "CREATE INDEX message_settled ON message (state_utc_ns) WHERE is_settled = 1",
    "CREATE INDEX message_by_state ON message (state, id)",
    "CREATE INDEX message_by_peer ON message (peer, id)",
    "CREATE INDEX message_by_time ON message (submitted_utc_ns)",
    """CREATE INDEX message_by_air_number ON message (peer, air_number, id)
        WHERE air_number IS NOT NULL""",
    """CREATE TABLE step (
        message_id TEXT NOT NULL REFERENCES message (id) ON DELETE CASCADE,
        number INTEGER NOT NULL,
        event TEXT NOT NULL,
        at_utc_ns INTEGER NOT NULL,
        cause TEXT NOT NULL,
        unit INTEGER,
        of_units INTEGER,
        card INTEGER,
        is_repeat INTEGER NOT NULL,
        is_retryable INTEGER,
        air_number INTEGER,
        PRIMARY KEY (message_id, number)
    ) WITHOUT ROWID""",
    """CREATE TABLE inbound (
        id TEXT PRIMARY KEY NOT NULL,
        received_utc_ns INTEGER NOT NULL,
        terminal TEXT NOT NULL,
        sender INTEGER NOT NULL,
        addressee INTEGER,
        service TEXT NOT NULL,
        form TEXT NOT NULL,
        content BLOB NOT NULL,
        n_bits INTEGER NOT NULL,
        raw BLOB NOT NULL,
        terminal_time TEXT,
        is_intact INTEGER,
        kind TEXT NOT NULL,
        text TEXT,
        peer_message TEXT
    )""",
    "CREATE INDEX inbound_by_time ON inbound (received_utc_ns)",
    "CREATE INDEX inbound_by_sender ON inbound (sender, id)",
    "CREATE TABLE value (name TEXT PRIMARY KEY NOT NULL, value BLOB NOT NULL) WITHOUT ROWID",
)

MIGRATIONS: tuple[tuple[str, ...], ...] = (_FIRST,)
"""From each version to the next, beginning with an empty file (0). Only ever appended to."""


def migrate(
    connection: sqlite3.Connection,
    migrations: Sequence[Sequence[str]] = MIGRATIONS,
    *,
    application: int = APPLICATION_ID,
) -> None:
    """Bring the tables to the newest version, all the way or not at all.

    Raises:
        StoreCorruptError: the file is one of another program.
        StoreError: it was written by a newer bdgw.
        sqlite3.Error: a statement failed; the file is as it was.
    """
    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (n_tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if application_id != application and (application_id or version or n_tables):
        raise StoreCorruptError("it is a database of another program")
    if version > len(migrations):
        raise StoreError(
            f"its tables have version {version}, and this bdgw knows {len(migrations)}: "
            "it was written by a newer one"
        )
    if version == len(migrations):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        for statements in migrations[version:]:
            for statement in statements:
                connection.execute(statement)
        # PRAGMA takes no parameters; both are integers of ours.
        connection.execute(f"PRAGMA application_id = {application}")
        connection.execute(f"PRAGMA user_version = {len(migrations)}")
        connection.execute("COMMIT")
    except sqlite3.Error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
