"""Opening a ledger file: making, locking, checking, bringing it to the newest version."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from bdgw.shortmsg.ledger import Ledger
from bdgw.shortmsg.ledger_store import InboundQuery, Query, StoreCorruptError, StoreError
from bdgw.shortmsg.message import State, Submission
from bdgw.shortmsg.vocabulary import Service
from bdgw.store.direct import DirectStore
from bdgw.store.file import LedgerFile
from bdgw.store.reader import open_reader
from bdgw.store.schema import APPLICATION_ID, MIGRATIONS, migrate

HERE = Path(__file__).parent


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "ledger.db"


def fill(path: Path, n: int = 50) -> None:
    store = DirectStore(str(path))
    ledger = Ledger(store, entropy=os.urandom)
    for number in range(n):
        ledger.submit(Submission(to=number, payload=bytes(3000)), at_utc_ns=number)
    store.close()


def test_the_folder_is_made_and_every_commit_is_synced(path: Path):
    file = LedgerFile(str(path))
    pragmas = {
        name: file._connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("journal_mode", "synchronous", "foreign_keys", "auto_vacuum", "user_version")
    }
    file.close()
    assert pragmas == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "auto_vacuum": 2,
        "user_version": len(MIGRATIONS),
    }


def test_one_writer_at_a_time_in_this_process_and_in_others(path: Path):
    file = LedgerFile(str(path))
    with pytest.raises(StoreError, match="another process"):
        LedgerFile(str(path))
    script = f"from bdgw.store.file import LedgerFile; LedgerFile({str(path)!r})"
    command = [sys.executable, "-c", script]
    refused = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "another process writes it" in refused.stderr
    file.close()
    assert subprocess.run(command, check=False).returncode == 0
    LedgerFile(str(path)).close()


def test_a_file_that_failed_to_open_is_not_locked(path: Path):
    path.parent.mkdir()
    path.write_bytes(b"no database at all, but longer than a header" * 40)
    with pytest.raises(StoreCorruptError):
        LedgerFile(str(path))
    path.unlink()
    LedgerFile(str(path)).close()


@pytest.mark.parametrize(
    "content",
    [b"a text that somebody put here\n" * 300, b"SQLite format 3\x00" + bytes(8000)],
)
def test_what_is_no_database_is_told_and_left_alone(path: Path, content: bytes):
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(StoreCorruptError, match="left as it is") as caught:
        LedgerFile(str(path))
    assert str(path) in str(caught.value)
    assert path.read_bytes() == content


def test_a_damaged_ledger_is_told_and_left_alone(path: Path):
    fill(path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2 :] = os.urandom(len(content) - len(content) // 2)
    path.write_bytes(content)
    with pytest.raises(StoreCorruptError):
        LedgerFile(str(path))
    assert path.read_bytes() == content


def test_a_ledger_that_was_cut_short_is_told(path: Path):
    fill(path)
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(StoreCorruptError):
        LedgerFile(str(path))


def test_the_database_of_another_program_is_left_alone(path: Path):
    path.parent.mkdir()
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE contact (name)")
    other.close()
    before = path.read_bytes()
    with pytest.raises(StoreCorruptError, match="another program"):
        LedgerFile(str(path))
    assert path.read_bytes() == before


def test_a_newer_ledger_is_refused(path: Path):
    fill(path, 1)
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    connection.close()
    with pytest.raises(StoreError, match="newer"):
        LedgerFile(str(path))


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"file.ledger\.db"):
        LedgerFile(str(tmp_path / "file" / "ledger.db"))


# --- versions ------------------------------------------------------------------------------------

STEPS = (
    ("CREATE TABLE colour (name TEXT)", "INSERT INTO colour VALUES ('red')"),
    ("ALTER TABLE colour ADD COLUMN depth INTEGER", "UPDATE colour SET depth = 3"),
)


def tables(connection: sqlite3.Connection) -> tuple[int, int, list[tuple[object, ...]]]:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    return version, application, connection.execute("SELECT * FROM colour").fetchall()


@pytest.mark.parametrize("first", [0, 1])
def test_a_file_of_any_version_becomes_the_newest(first: int):
    connection = sqlite3.connect(":memory:", isolation_level=None)
    if first:
        migrate(connection, STEPS[:first])
    migrate(connection, STEPS)
    migrate(connection, STEPS)
    assert tables(connection) == (2, APPLICATION_ID, [("red", 3)])
    connection.close()


def test_a_version_that_fails_leaves_the_file_as_it_was():
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection, STEPS[:1])
    with pytest.raises(sqlite3.OperationalError):
        migrate(connection, (*STEPS, ("CREATE TABLE colour (name TEXT)",)))
    assert tables(connection) == (1, APPLICATION_ID, [("red",)])
    connection.close()


def test_the_frozen_file_of_version_1_opens_and_means_the_same(path: Path):
    """``ledger_1.sql`` is never made anew: files like it are in the field."""
    path.parent.mkdir()
    connection = sqlite3.connect(path)
    connection.executescript((HERE / "ledger_1.sql").read_text(encoding="utf-8"))
    connection.close()
    store = DirectStore(str(path))
    ledger = Ledger(store, entropy=os.urandom)
    (message,) = store.find(Query()).messages
    assert message.id == "01932b67-2400-7000-8000-000000000001"
    assert message.submission == Submission(
        to=123456,
        payload="水位1.5".encode("gb18030"),
        origin="rest",
        key="order 7",
        priority="alarm",
        service=Service.GLOBAL,
        deadline_utc_ns=1731600300000000000,
        supersede_key="level",
        wants_receipt=True,
        options='{"seal":"fleet"}',
    )
    assert (message.state, message.n_units, message.air_number) == (State.ON_AIR, 2, 9)
    assert [(unit.number, unit.fate, unit.card) for unit in message.units] == [
        (1, "accepted", 654321),
        (2, "in_flight", 654321),
    ]
    assert [step.event for step in ledger.steps(message.id)] == [
        "submitted",
        "queued",
        "on_air",
        "unit_accepted",
        "on_air",
    ]
    assert ledger.values.last_sent_utc_ns(654321) == 1731600120000000000
    (inbound,) = store.inbound(InboundQuery()).messages
    assert (inbound.raw, inbound.is_intact, inbound.text) == (b"$BDTXR,...", None, "好")
    (marked,) = ledger.recover(at_utc_ns=1731600200000000000).value
    assert (marked.is_possibly_sent, marked.n_units_gone) == (True, 2)
    store.close()


# --- reading beside a writer ---------------------------------------------------------------------


def test_a_reader_sees_what_is_durable_while_the_writer_goes_on(path: Path):
    store = DirectStore(str(path))
    ledger = Ledger(store, entropy=os.urandom)
    ledger.submit(Submission(to=1, payload=b"x"), at_utc_ns=1)
    reader = open_reader(str(path))
    assert len(reader.find(Query()).messages) == 1
    ledger.submit(Submission(to=2, payload=b"y"), at_utc_ns=2)
    assert len(reader.find(Query()).messages) == 2
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader._connection.execute("DELETE FROM message")
    reader.close()
    store.close()


def test_reading_what_is_no_ledger_is_told(path: Path):
    with pytest.raises(StoreError, match="no ledger"):
        open_reader(str(path))
    path.parent.mkdir()
    sqlite3.connect(path).close()
    with pytest.raises(StoreError, match="no ledger"):
        open_reader(str(path))
    path.write_bytes(b"x" * 5000)
    with pytest.raises(StoreCorruptError):
        open_reader(str(path))
