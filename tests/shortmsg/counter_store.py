"""A store of counters for tests: a file of SQLite, compare-and-set in one transaction."""

import sqlite3
from pathlib import Path


class CounterStore:
    """What a process leaves behind; power cuts are the business of the real store, so no fsync."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.execute("CREATE TABLE IF NOT EXISTS v (name TEXT PRIMARY KEY, value BLOB)")

    def all(self) -> dict[str, bytes]:
        return dict(self._db.execute("SELECT name, value FROM v"))

    def compare_and_set(self, name: str, expected: bytes | None, value: bytes) -> bool:
        self._db.execute("BEGIN IMMEDIATE")
        row = self._db.execute("SELECT value FROM v WHERE name = ?", (name,)).fetchone()
        is_as_expected = (row[0] if row else None) == expected
        if is_as_expected:
            self._db.execute("INSERT OR REPLACE INTO v VALUES (?, ?)", (name, value))
        self._db.execute("COMMIT")
        return is_as_expected

    def close(self) -> None:
        self._db.close()
