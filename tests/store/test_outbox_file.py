from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from bdgw.shortmsg.ledger_store import StoreCorruptError, StoreError, StoreFullError
from bdgw.store import outbox_file
from bdgw.store.outbox_file import OutboxFile, open_outbox
from bdgw.store.outbox_schema import APPLICATION_ID, MIGRATIONS
from bdgw.store.schema import migrate
from tests.store.disk import disk

VERSION_1 = Path(__file__).with_name("outbox_1.sql")


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "state" / "outbox.db")


def write(file: OutboxFile, *numbers: int, is_urgent: bool = False, settled=(), deleted=()):
    chunks = [(n, is_urgent, 8, n * 8, float(n), b"data %d" % n) for n in numbers]
    return file.apply(chunks=chunks, settled=settled, deleted=deleted, losses=(), ran_s=1.5)


def test_chunks_come_back_in_order_with_what_is_settled(path):
    file = OutboxFile(path)
    write(file, 1, 2, 4)
    write(file, 3, is_urgent=True, settled=[(2, 3, b"\x07")])
    file.close()
    file = OutboxFile(path)
    assert file.next(0, ()) == (1, False, 8, 1.0, b"data 1", b"")
    assert file.next(1, ()) == (2, False, 8, 2.0, b"data 2", b"\x07")
    assert file.next(1, {2}) == (4, False, 8, 4.0, b"data 4", b"")
    assert file.next(4, ()) is None
    assert [each.id for each in file.urgent()] == [3]
    totals = file.totals()
    assert (totals.n, totals.last_chunk, totals.last_entry) == (29, 4, 32)
    file.close()


def test_numbers_go_on_after_everything_has_gone(path):
    file = OutboxFile(path)
    write(file, 1, 2)
    write(file, deleted=(1, 2))
    file.close()
    file = OutboxFile(path)
    assert file.totals() == (0, 0, 2, 16, 1.5)
    file.close()


def test_a_settled_chunk_takes_its_marks_with_it(path):
    file = OutboxFile(path)
    write(file, 1)
    write(file, settled=[(1, 1, b"\x01")])
    write(file, deleted=(1,))
    assert file._connection.execute("SELECT count(*) FROM settled").fetchone() == (0,)
    file.close()


def test_the_oldest_go_first_and_urgent_ones_never(path):
    file = OutboxFile(path)
    sizes = write(file, 1, 2, 3, 4)
    write(file, 5, is_urgent=True)
    write(file, settled=[(2, 5, b"\x1f")])
    limits: dict[str, Any] = {"n": 0, "size_bytes": 0, "before_s": 0.0}

    def oldest(keep: tuple[int, ...] = (), **wanted: Any) -> list[tuple[int, int]]:
        found = file.oldest(after=0, keep=keep, **{**limits, **wanted})
        return [(each.id, each.n_waiting) for each in found]

    assert oldest() == []
    assert oldest(keep=(1,), n=1) == [(2, 3)]
    assert oldest(keep=(1,), n=4) == [(2, 3), (3, 8)]
    assert oldest(before_s=1.5) == [(1, 8)]
    assert oldest(size_bytes=sizes[0] + 1) == [(1, 8), (2, 3)]
    assert oldest(size_bytes=10**9) == [(1, 8), (2, 3), (3, 8), (4, 8)]
    file.close()


def test_no_more_is_given_up_at_once_than_one_commit_can_bear(path):
    file = OutboxFile(path)
    write(file, *range(1, 100))
    assert [
        each.id for each in file.oldest(after=0, keep=(), n=10**6, size_bytes=0, before_s=0.0)
    ] == [*range(1, 65)]
    file.close()


def test_losses_are_replaced_by_device_and_deleted_when_empty(path):
    file = OutboxFile(path)
    more: dict[str, Any] = {"chunks": (), "settled": (), "deleted": (), "ran_s": 1.5}
    file.apply(losses=[("a", b"1"), ("b", b"2")], **more)
    file.apply(losses=[("a", b"3"), ("b", b"")], **more)
    file.close()
    file = OutboxFile(path)
    assert file.losses() == [("a", b"3")]
    file.close()


def test_a_full_disk_leaves_no_trace_and_the_next_commit_works(path):
    with disk() as broken:
        file = OutboxFile(path)
        write(file, 1)
        broken.fail_at = 0
        with pytest.raises(StoreFullError, match="no room"):
            write(file, 2)
        broken.fail_at = None
        assert file.next(1, ()) is None
        write(file, 2)
        file.close()


def test_another_programs_database_is_refused_and_a_newer_one_is_not_touched(tmp_path):
    other = tmp_path / "other.db"
    connection = sqlite3.connect(other)
    connection.execute("CREATE TABLE something (x)")
    connection.commit()
    connection.close()
    with pytest.raises(StoreCorruptError, match="another program"):
        OutboxFile(str(other))
    newer = str(tmp_path / "newer.db")
    OutboxFile(newer).close()
    connection = sqlite3.connect(newer)
    connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    connection.close()
    with pytest.raises(StoreError, match="written by a newer one"):
        open_outbox(newer)


def test_a_damaged_file_is_set_aside_and_kept(path):
    OutboxFile(path).close()
    Path(path).write_bytes(b"no database at all" * 100)
    file, aside = open_outbox(path)
    assert file.totals().n == 0
    file.close()
    assert aside == f"{path}.damaged-1"
    assert Path(aside).read_bytes().startswith(b"no database")


def test_a_file_of_the_first_version_is_still_read(path):
    """Written down once by ``.dump`` of that version, and never changed."""
    Path(path).parent.mkdir()
    connection = sqlite3.connect(path)
    connection.executescript(VERSION_1.read_text(encoding="utf-8"))
    connection.close()
    file, aside = open_outbox(path)
    assert aside is None
    assert file.totals() == (5, 368, 2, 6, 12.5)
    assert file.losses() == []
    file.apply(chunks=(), settled=(), deleted=(), losses=[("a", b"1")], ran_s=13.0)
    assert file.losses() == [("a", b"1")]
    chunk = file.next(0, ())
    assert chunk is not None
    assert (chunk.id, chunk.n, chunk.settled) == (2, 4, b"\x01")
    file.close()


def test_a_later_version_keeps_what_is_stored(path, monkeypatch):
    file = OutboxFile(path)
    write(file, 1)
    file.close()
    later = (*MIGRATIONS, ("ALTER TABLE chunk ADD COLUMN note TEXT",))
    connection = sqlite3.connect(path, isolation_level=None)
    migrate(connection, later, application=APPLICATION_ID)
    assert connection.execute("SELECT id, data, note FROM chunk").fetchall() == [
        (1, b"data 1", None)
    ]
    connection.close()
    monkeypatch.setattr(outbox_file, "MIGRATIONS", later)
    file = OutboxFile(path)
    assert file.totals().n == 8
    file.close()
