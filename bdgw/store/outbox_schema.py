"""The tables of the outbox, and how a file of an earlier version becomes one of this version."""

from __future__ import annotations

__all__ = ["APPLICATION_ID", "MIGRATIONS"]

APPLICATION_ID = 0x62646F78  # "bdox"

_FIRST = (
    # What was accepted together is one row: the entries of one commit, encoded and compressed.
    """CREATE TABLE chunk (
        id INTEGER PRIMARY KEY NOT NULL,
        is_urgent INTEGER NOT NULL,
        n INTEGER NOT NULL,
        last_entry INTEGER NOT NULL,
        accepted_s REAL NOT NULL,
        data BLOB NOT NULL
    )""",
    # Which of them are settled, a bit each. A table of its own, so that a settled entry does not
    # write its whole chunk again.
    """CREATE TABLE settled (
        chunk INTEGER PRIMARY KEY NOT NULL REFERENCES chunk (id) ON DELETE CASCADE,
        n INTEGER NOT NULL,
        bits BLOB NOT NULL
    )""",
    # Numbers that must outlive the rows: the last entry's id, and how long the outbox has run.
    "CREATE TABLE counter (name TEXT PRIMARY KEY NOT NULL, value NOT NULL) WITHOUT ROWID",
)

_LOSSES = (
    # Fixes that were given up: after a power cut an operator must still see what is to be repaired.
    "CREATE TABLE loss (device TEXT PRIMARY KEY NOT NULL, data BLOB NOT NULL) WITHOUT ROWID",
)

MIGRATIONS: tuple[tuple[str, ...], ...] = (_FIRST, _LOSSES)
"""From each version to the next, beginning with an empty file (0). Only ever appended to."""
