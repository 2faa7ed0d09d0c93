"""The tables of the history in SQLite, and how a file of an earlier version becomes this one."""

from __future__ import annotations

__all__ = ["APPLICATION_ID", "BLOCK", "MIGRATIONS"]

APPLICATION_ID = 0x62646869  # "bdhi"
BLOCK = 256
"""Numbers of a block; the blocks in the files have it."""

_FIRST = (
    # One device since one start of the gateway.
    """CREATE TABLE stream (
        id INTEGER PRIMARY KEY NOT NULL,
        device TEXT NOT NULL,
        boot TEXT NOT NULL,
        UNIQUE (device, boot)
    )""",
    "CREATE TABLE context (id INTEGER PRIMARY KEY NOT NULL, value TEXT UNIQUE NOT NULL)",
    # In the order in which they came, so that the newest are written side by side and the oldest
    # are deleted side by side.
    """CREATE TABLE fix (
        id INTEGER PRIMARY KEY NOT NULL,
        stream INTEGER NOT NULL,
        seq INTEGER NOT NULL,
        context INTEGER NOT NULL,
        t_utc_ns INTEGER NOT NULL,
        t_gpst_ns INTEGER,
        tod_utc_ns INTEGER,
        t_rx_utc_ns INTEGER NOT NULL,
        lat_deg REAL,
        lon_deg REAL,
        alt_hae_m REAL,
        alt_msl_m REAL,
        acc_h_m REAL,
        acc_v_m REAL,
        speed_m_s REAL,
        course_deg REAL,
        sats_used INTEGER,
        hdop REAL,
        corr_age_s REAL,
        corr_station INTEGER,
        provenance_age_s REAL
    )""",
    "CREATE UNIQUE INDEX fix_by_seq ON fix (stream, seq)",
    # What 256 numbers of a stream hold: an index by time that costs next to nothing.
    """CREATE TABLE block (
        stream INTEGER NOT NULL,
        number INTEGER NOT NULL,
        n INTEGER NOT NULL,
        min_utc_ns INTEGER NOT NULL,
        max_utc_ns INTEGER NOT NULL,
        PRIMARY KEY (stream, number)
    ) WITHOUT ROWID""",
    # What is below ``fix_id`` was written by ``t_utc_ns``: age is told by trusted time only.
    "CREATE TABLE mark (t_utc_ns INTEGER PRIMARY KEY NOT NULL, fix_id INTEGER NOT NULL)",
    """CREATE TABLE quarantine (
        id INTEGER PRIMARY KEY NOT NULL,
        device TEXT NOT NULL,
        reason TEXT NOT NULL,
        t_rx_utc_ns INTEGER NOT NULL,
        t_gpst_ns INTEGER,
        lat_deg REAL,
        lon_deg REAL
    )""",
)

# Where a vehicle points. Fixes of version 1 have none of it.
_HEADING = (
    "ALTER TABLE fix ADD COLUMN heading_deg REAL",
    "ALTER TABLE fix ADD COLUMN acc_heading_deg REAL",
    "ALTER TABLE fix ADD COLUMN pitch_deg REAL",
    "ALTER TABLE fix ADD COLUMN acc_pitch_deg REAL",
    "ALTER TABLE fix ADD COLUMN baseline_m REAL",
)

MIGRATIONS: tuple[tuple[str, ...], ...] = (_FIRST, _HEADING)
"""From each version to the next, beginning with an empty file (0). Only ever appended to."""
