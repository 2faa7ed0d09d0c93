"""What the history forgets: the oldest first, by age and by bytes.

Age is told by marks: what stands before a mark was written by the mark's instant, and marks
are made with trusted time only. So a clock that is wrong for a while deletes nothing too early,
and a fix from the future stays no longer than others.
"""

from __future__ import annotations

import sqlite3

from bdgw.store.history_backend import HistoryLimits
from bdgw.store.history_schema import BLOCK

__all__ = ["forget", "mark", "used_bytes"]

_MARK_EVERY_NS = 600 * 1_000_000_000
_EVERY_ID = 1 << 62
_FREE_PAGES = 1000
"""Some 4 MiB inside of the file: more than a batch."""
_CHUNK = 2000
"""Rows deleted in one commit: the writer is busy with them for some ten milliseconds."""


def mark(connection: sqlite3.Connection, trusted_utc_ns: int, *, next_fix_id: int) -> None:
    """Note, every ten minutes, that what is below ``next_fix_id`` is not younger than now."""
    # A mark from the future was made with a time that was trusted wrongly.
    connection.execute("DELETE FROM mark WHERE t_utc_ns > ?", (trusted_utc_ns,))
    (last_utc_ns,) = connection.execute("SELECT max(t_utc_ns) FROM mark").fetchone()
    if last_utc_ns is None or trusted_utc_ns - last_utc_ns >= _MARK_EVERY_NS:
        connection.execute(
            "INSERT INTO mark (t_utc_ns, fix_id) VALUES (?, ?)", (trusted_utc_ns, next_fix_id)
        )


def forget(
    connection: sqlite3.Connection,
    limits: HistoryLimits,
    *,
    trusted_utc_ns: int | None,
    is_disk_low: bool = False,
) -> int:
    """Delete a chunk of the oldest that is too old or too much; how many. In a transaction.

    On a disk that is nearly full the file grows no further: what is new takes the place of the
    oldest.
    """
    below_id = 0
    if limits.max_age_ns is not None and trusted_utc_ns is not None:
        below_id = _below_id_by_age(connection, trusted_utc_ns - limits.max_age_ns)
    is_too_much = limits.max_bytes is not None and used_bytes(connection) > limits.max_bytes
    if is_too_much or (is_disk_low and _n_free_pages(connection) < _FREE_PAGES):
        below_id = _EVERY_ID
    n_gone = _delete_below(connection, below_id)
    n_gone += _trim_quarantine(connection, limits.max_quarantined)
    return n_gone


def _below_id_by_age(connection: sqlite3.Connection, before_utc_ns: int) -> int:
    (below_id,) = connection.execute(
        "SELECT coalesce(max(fix_id), 0) FROM mark WHERE t_utc_ns <= ?", (before_utc_ns,)
    ).fetchone()
    # Marks that are older than the last of them that counts tell nothing any more.
    connection.execute(
        """DELETE FROM mark WHERE t_utc_ns <
           (SELECT max(t_utc_ns) FROM mark WHERE t_utc_ns <= ?)""",
        (before_utc_ns,),
    )
    return int(below_id)


def _delete_below(connection: sqlite3.Connection, below_id: int) -> int:
    run = connection.execute
    rows = run(
        "SELECT id, stream FROM fix WHERE id < ? ORDER BY id LIMIT ?", (below_id, _CHUNK)
    ).fetchall()
    if not rows:
        return 0
    run("DELETE FROM fix WHERE id <= ?", (rows[-1][0],))
    for stream in {stream for _id, stream in rows}:
        (first_seq,) = run("SELECT min(seq) FROM fix WHERE stream = ?", (stream,)).fetchone()
        if first_seq is None:
            run("DELETE FROM block WHERE stream = ?", (stream,))
            run("DELETE FROM stream WHERE id = ?", (stream,))
        else:
            run(
                "DELETE FROM block WHERE stream = ? AND number < ?",
                (stream, first_seq // BLOCK),
            )
    return len(rows)


def _trim_quarantine(connection: sqlite3.Connection, n_max: int) -> int:
    return connection.execute(
        "DELETE FROM quarantine WHERE id <= (SELECT max(id) FROM quarantine) - ?", (n_max,)
    ).rowcount


def used_bytes(connection: sqlite3.Connection) -> int:
    """Tell how much of the file is in use."""
    ((n_pages,), (n_free,), (page_bytes,)) = (
        connection.execute(f"PRAGMA {name}").fetchone()
        for name in ("page_count", "freelist_count", "page_size")
    )
    return int((n_pages - n_free) * page_bytes)


def _n_free_pages(connection: sqlite3.Connection) -> int:
    (n_free,) = connection.execute("PRAGMA freelist_count").fetchone()
    return int(n_free)
