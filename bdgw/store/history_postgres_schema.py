"""The tables of the history in PostgreSQL, in a schema of their own, and their versions."""

from __future__ import annotations

from typing import Any, LiteralString

import psycopg

from bdgw.shortmsg.ledger_store import StoreError

__all__ = ["MIGRATIONS", "migrate"]

_LOCK = 0x62646869
"""Of gateways that start together one makes the tables."""

_FIRST: tuple[LiteralString, ...] = (
    """CREATE TABLE bdgw.stream (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        gateway text NOT NULL,
        device text NOT NULL,
        boot text NOT NULL,
        UNIQUE (gateway, device, boot)
    )""",
    """CREATE TABLE bdgw.context (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        value text NOT NULL UNIQUE
    )""",
    """CREATE TABLE bdgw.fix (
        stream bigint NOT NULL,
        seq bigint NOT NULL,
        context bigint NOT NULL,
        t_utc_ns bigint NOT NULL,
        t_gpst_ns bigint,
        tod_utc_ns bigint,
        t_rx_utc_ns bigint NOT NULL,
        lat_deg double precision,
        lon_deg double precision,
        alt_hae_m double precision,
        alt_msl_m double precision,
        acc_h_m double precision,
        acc_v_m double precision,
        speed_m_s double precision,
        course_deg double precision,
        sats_used bigint,
        hdop double precision,
        corr_age_s double precision,
        corr_station bigint,
        provenance_age_s double precision,
        stored_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (stream, seq)
    )""",
    # What 256 numbers of a stream hold: an index by time that costs next to nothing.
    """CREATE TABLE bdgw.block (
        stream bigint NOT NULL,
        number bigint NOT NULL,
        n bigint NOT NULL,
        min_utc_ns bigint NOT NULL,
        max_utc_ns bigint NOT NULL,
        PRIMARY KEY (stream, number)
    )""",
    "CREATE INDEX fix_by_age ON bdgw.fix USING brin (stored_at)",
    """CREATE TABLE bdgw.quarantine (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        gateway text NOT NULL,
        device text NOT NULL,
        reason text NOT NULL,
        t_rx_utc_ns bigint NOT NULL,
        t_gpst_ns bigint,
        lat_deg double precision,
        lon_deg double precision,
        stored_at timestamptz NOT NULL DEFAULT now()
    )""",
    # For people: what a fix is, without numbers that stand for something else.
    """CREATE VIEW bdgw.fixes AS SELECT
        gateway, device, boot, seq, to_timestamp(t_utc_ns / 1e9) AS t,
        value::jsonb ->> 0 AS fix, value::jsonb ->> 1 AS time_quality,
        lat_deg, lon_deg, alt_hae_m, alt_msl_m, value::jsonb ->> 4 AS frame,
        acc_h_m, acc_v_m, speed_m_s, course_deg, sats_used, hdop,
        value::jsonb -> 7 ->> 0 AS correction, coalesce(provenance_age_s, corr_age_s) AS corr_age_s
        FROM bdgw.fix JOIN bdgw.stream ON stream.id = fix.stream
        JOIN bdgw.context ON context.id = fix.context""",
)

_HEADING: tuple[LiteralString, ...] = (
    # One statement: the table is locked once, and no row is touched.
    """ALTER TABLE bdgw.fix
        ADD COLUMN heading_deg double precision,
        ADD COLUMN acc_heading_deg double precision,
        ADD COLUMN pitch_deg double precision,
        ADD COLUMN acc_pitch_deg double precision,
        ADD COLUMN baseline_m double precision""",
    # Replaced and not made anew, so that what others have built on it stays: new columns come last.
    """CREATE OR REPLACE VIEW bdgw.fixes AS SELECT
        gateway, device, boot, seq, to_timestamp(t_utc_ns / 1e9) AS t,
        value::jsonb ->> 0 AS fix, value::jsonb ->> 1 AS time_quality,
        lat_deg, lon_deg, alt_hae_m, alt_msl_m, value::jsonb ->> 4 AS frame,
        acc_h_m, acc_v_m, speed_m_s, course_deg, sats_used, hdop,
        value::jsonb -> 7 ->> 0 AS correction, coalesce(provenance_age_s, corr_age_s) AS corr_age_s,
        heading_deg, acc_heading_deg, pitch_deg, acc_pitch_deg, baseline_m
        FROM bdgw.fix JOIN bdgw.stream ON stream.id = fix.stream
        JOIN bdgw.context ON context.id = fix.context""",
)

MIGRATIONS: tuple[tuple[LiteralString, ...], ...] = (_FIRST, _HEADING)
"""From each version to the next, beginning without tables (0). Only ever appended to."""


def migrate(connection: psycopg.Connection[Any]) -> None:
    """Bring the tables to the newest version, all the way or not at all.

    Raises:
        StoreError: a newer bdgw has made them.
        psycopg.Error: a statement failed; all is as it was.
    """
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        found = connection.execute("SELECT to_regclass('bdgw.version')").fetchone()
        if found is None or found[0] is None:
            connection.execute("CREATE SCHEMA IF NOT EXISTS bdgw")
            connection.execute("CREATE TABLE bdgw.version (number integer NOT NULL)")
            connection.execute("INSERT INTO bdgw.version VALUES (0)")
        row = connection.execute("SELECT number FROM bdgw.version").fetchone()
        version = 0 if row is None else int(row[0])
        if version > len(MIGRATIONS):
            raise StoreError(
                f"postgresql: its tables have version {version}, and this bdgw knows "
                f"{len(MIGRATIONS)}: a newer one has made them"
            )
        if version == len(MIGRATIONS):
            return
        for statements in MIGRATIONS[version:]:
            for statement in statements:
                connection.execute(statement)
        connection.execute("UPDATE bdgw.version SET number = %s", (len(MIGRATIONS),))
