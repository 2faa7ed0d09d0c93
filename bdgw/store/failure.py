"""What SQLite's errors mean to the ledger, in words that a person can act on."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator

from bdgw.shortmsg.ledger_store import StoreCorruptError, StoreError, StoreFullError

__all__ = ["spoken", "store_error"]

_PRIMARY = 0xFF
"""Extended result codes have the primary one in their low byte."""
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def store_error(error: Exception, path: str) -> StoreError:
    """Translate an error of SQLite, or a row that makes no sense."""
    if not isinstance(error, sqlite3.Error):
        return StoreCorruptError(f"{path}: damaged ({error}); it is left as it is")
    # Misuse of the module itself has no code.
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & _PRIMARY
    name = getattr(error, "sqlite_errorname", "SQLITE_ERROR")
    if code == sqlite3.SQLITE_FULL:
        return StoreFullError(f"{path}: no room for more")
    if code in _DAMAGED:
        return StoreCorruptError(
            f"{path}: damaged or no database ({error}); it is left as it is: move it away, with "
            "its -wal, to start anew, or restore a copy"
        )
    return StoreError(f"{path}: {error} ({name})")


@contextlib.contextmanager
def spoken(path: str) -> Iterator[None]:
    """Translate what fails inside.

    Raises:
        StoreError: something did.
    """
    try:
        yield
    except (sqlite3.Error, ValueError) as error:
        raise store_error(error, path) from error
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}") from error
