"""A disk that is full, fails or is damaged: clear errors, nothing half done, and recovery."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
from pathlib import Path

import pytest

from bdgw.shortmsg.ledger import Ledger
from bdgw.shortmsg.ledger_store import (
    Query,
    RejectedWriteError,
    StoreCorruptError,
    StoreError,
    StoreFullError,
)
from bdgw.shortmsg.message import State, Submission
from bdgw.store.direct import DirectStore
from bdgw.store.sqlite import SqliteStore
from tests.store.disk import Disk, disk

CARD = 123456
CODES = [
    (sqlite3.SQLITE_FULL, "write", StoreFullError),
    (sqlite3.SQLITE_IOERR_WRITE, "write", StoreError),
    (sqlite3.SQLITE_IOERR_FSYNC, "sync", StoreError),
]


def wanted(number: int = 1, *, n_bytes: int = 78) -> Submission:
    return Submission(to=number, payload=bytes(n_bytes), key=f"key {number}")


def queued(ledger: Ledger, number: int = 1) -> str:
    message_id = ledger.submit(wanted(number), at_utc_ns=1).value.message.id
    ledger.queue(message_id, at_utc_ns=2)
    return message_id


@pytest.mark.parametrize(("code", "call", "error"), CODES)
def test_an_intention_fails_at_once_and_leaves_no_trace(
    tmp_path: Path, code: int, call: str, error: type[StoreError]
):
    path = str(tmp_path / "ledger.db")
    with disk() as broken:
        store = DirectStore(path)
        ledger = Ledger(store, entropy=os.urandom)
        message_id = queued(ledger)
        before = ledger.get(message_id)
        broken.fail_code, broken.failing, broken.fail_at = code, (call,), 0
        submitted = ledger.submit(wanted(2), at_utc_ns=3)
        on_air = ledger.on_air(message_id, unit=1, of=1, card=CARD, at_utc_ns=3)
        cancelled = ledger.cancel(message_id, at_utc_ns=3, cause="user")
        for pending in (submitted, on_air, cancelled):
            assert isinstance(pending.error, error)
            assert path in str(pending.error)
            assert not pending.is_durable
        assert broken.n_failed >= 3
        assert ledger.get(message_id) == before
        assert ledger.values.last_sent_utc_ns(CARD) is None
        assert [each.id for each in ledger.unfinished()] == [message_id]
        # Room again: the same submission is new, and the card is free.
        broken.fail_at = None
        assert ledger.submit(wanted(2), at_utc_ns=4).value.is_new
        assert ledger.on_air(message_id, unit=1, of=1, card=CARD, at_utc_ns=4).is_durable
        store.close()
    with contextlib.closing(DirectStore(path)) as reopened:
        assert len(reopened.find(Query()).messages) == 2


@pytest.mark.parametrize(("code", "call", "error"), CODES)
def test_facts_are_kept_in_order_until_there_is_room(
    tmp_path: Path, code: int, call: str, error: type[StoreError]
):
    with disk() as broken:
        store = DirectStore(str(tmp_path / "ledger.db"))
        ledger = Ledger(store, entropy=os.urandom)
        message_id = queued(ledger)
        ledger.on_air(message_id, unit=1, of=1, card=CARD, at_utc_ns=3)
        broken.fail_code, broken.failing, broken.fail_at = code, (call,), 0
        accepted = ledger.unit_accepted(message_id, unit=1, at_utc_ns=4)
        delivered = ledger.delivered(message_id, at_utc_ns=5)
        assert (accepted.is_durable, accepted.error, delivered.is_durable) == (False, None, False)
        assert ledger.get(message_id).state is State.DELIVERED
        assert [step.event for step in ledger.steps(message_id)][-1] == "on_air"
        broken.fail_at = None
        queued(ledger, 2)
        assert accepted.is_durable
        assert delivered.is_durable
        assert [step.at_utc_ns for step in ledger.steps(message_id)] == [1, 2, 3, 4, 5]
        assert ledger.n_facts_lost == 0
        store.close()


def test_a_failure_at_any_write_of_a_step_leaves_all_of_it_or_nothing(tmp_path: Path):
    path = str(tmp_path / "ledger.db")
    n_failures = 0
    with disk() as broken:
        store = DirectStore(path)
        store.file._connection.execute("PRAGMA wal_autocheckpoint = 4")
        ledger = Ledger(store, entropy=os.urandom)
        for number in range(40):
            broken.fail_at = number % 20
            pending = ledger.submit(wanted(number, n_bytes=3000), at_utc_ns=number)
            broken.fail_at = None
            n_failures += pending.error is not None
            stands = store.message(pending.value.message.id)
            # A checkpoint that fails after the commit takes nothing back.
            assert (stands is not None) == pending.is_durable
        store.close()
    assert 0 < n_failures < 40
    with contextlib.closing(DirectStore(path)) as reopened:
        assert len(reopened.find(Query()).messages) == 40 - n_failures


def test_room_by_configuration_refuses_new_messages_and_lets_the_others_end(tmp_path: Path):
    store = DirectStore(str(tmp_path / "ledger.db"), max_bytes=400_000)
    ledger = Ledger(store, entropy=os.urandom)
    message_id = queued(ledger, 0)
    number = 0
    while True:
        number += 1
        pending = ledger.submit(wanted(number, n_bytes=20_000), at_utc_ns=number)
        if pending.error is not None:
            break
    assert isinstance(pending.error, StoreFullError)
    assert 10 < number < 20
    on_air = ledger.on_air(message_id, unit=1, of=1, card=CARD, at_utc_ns=5)
    assert on_air.is_durable
    assert ledger.unit_accepted(message_id, unit=1, at_utc_ns=6).is_durable
    store.close()


def test_what_no_row_can_hold_fails_alone(tmp_path: Path):
    store = DirectStore(str(tmp_path / "ledger.db"))
    ledger = Ledger(store, entropy=os.urandom)
    message_id = queued(ledger)
    pending = ledger.expire(message_id, at_utc_ns=2**63, cause="late")
    assert isinstance(pending.error, RejectedWriteError)
    assert ledger.expire(message_id, at_utc_ns=4, cause="half a pair \ud800").error is not None
    assert ledger.get(message_id).state is State.QUEUED
    assert ledger.n_facts_lost == 2
    assert ledger.expire(message_id, at_utc_ns=4, cause="late").is_durable
    store.close()


# --- the store of a gateway ----------------------------------------------------------------------


async def test_a_full_disk_refuses_keeps_facts_and_recovers_within_a_second(tmp_path: Path):
    path = str(tmp_path / "ledger.db")
    with disk() as broken:
        async with SqliteStore(path) as store:
            ledger = Ledger(store, entropy=os.urandom)
            message_id = queued(ledger)
            await ledger.on_air(message_id, unit=1, of=1, card=CARD, at_utc_ns=3)
            broken.fail_at = 0
            accepted = ledger.unit_accepted(message_id, unit=1, at_utc_ns=4)
            delivered = ledger.delivered(message_id, at_utc_ns=4)
            refused = [ledger.submit(wanted(number), at_utc_ns=5) for number in range(2, 30)]
            for pending in refused:
                with pytest.raises(StoreFullError, match="no room"):
                    await pending
            assert not accepted.is_durable
            # Nothing new comes: the facts alone bring it to try again.
            broken.fail_at = None
            async with asyncio.timeout(1.0):
                await accepted
                await delivered
            assert store.n_waiting == 0
            assert (await ledger.submit(wanted(2), at_utc_ns=6)).is_new
    with contextlib.closing(DirectStore(path)) as reopened:
        message = reopened.message(message_id)
        assert message is not None
        assert message.state is State.DELIVERED
        assert len(reopened.find(Query()).messages) == 2


async def test_a_fact_waits_behind_the_one_that_it_follows(tmp_path: Path):
    with disk() as broken:
        async with SqliteStore(str(tmp_path / "ledger.db")) as store:
            ledger = Ledger(store, entropy=os.urandom)
            message_id = queued(ledger)
            await ledger.on_air(message_id, unit=1, of=1, card=CARD, at_utc_ns=3)
            # The batch fails, and the first of it alone as well; then there is room.
            broken.fail_at, broken.n_to_fail = 0, 2
            ledger.unit_accepted(message_id, unit=1, at_utc_ns=4)
            await ledger.delivered(message_id, at_utc_ns=5)
            assert broken.n_to_fail == 0
            assert ledger.n_facts_lost == 0
            assert [step.at_utc_ns for step in ledger.steps(message_id)] == [1, 2, 3, 4, 5]


async def test_one_that_can_never_be_written_does_not_take_its_batch_with_it(tmp_path: Path):
    async with SqliteStore(str(tmp_path / "ledger.db")) as store:
        ledger = Ledger(store, entropy=os.urandom)
        message_id = queued(ledger)
        bad = ledger.expire(message_id, at_utc_ns=2**63, cause="late")
        made_of_it = ledger.delivered(message_id, at_utc_ns=5)
        good = [ledger.submit(wanted(number), at_utc_ns=6) for number in range(2, 9)]
        for pending in good:
            await pending
        for doomed in (bad, made_of_it):
            with pytest.raises(RejectedWriteError):
                await doomed
        assert ledger.get(message_id).state is State.QUEUED


async def test_closing_with_a_full_disk_says_what_is_lost(tmp_path: Path):
    with disk() as broken:
        store = SqliteStore(str(tmp_path / "ledger.db"))
        ledger = Ledger(store, entropy=os.urandom)
        message_id = queued(ledger)
        await ledger.on_air(message_id, unit=1, of=1, card=CARD, at_utc_ns=3)
        broken.fail_at = 0
        accepted = ledger.unit_accepted(message_id, unit=1, at_utc_ns=4)
        await store.close()
        with pytest.raises(StoreError, match="closed"):
            await accepted
        assert ledger.n_facts_lost == 1
        with pytest.raises(StoreError, match="closed"):
            await ledger.submit(wanted(9), at_utc_ns=9)


def damage(path: Path) -> None:
    """Overwrite every page but the first."""
    content = bytearray(path.read_bytes())
    content[4096:] = os.urandom(len(content) - 4096)
    path.write_bytes(content)


async def test_damage_while_running_is_told_and_nothing_more_is_written(tmp_path: Path):
    path = tmp_path / "ledger.db"
    async with SqliteStore(str(path)) as store:
        ledger = Ledger(store, entropy=os.urandom)
        for number in range(50):
            await ledger.submit(wanted(number, n_bytes=3000), at_utc_ns=number)
        store._file._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        store._file._connection.execute("PRAGMA cache_size = 0")
        store._file._connection.execute("PRAGMA shrink_memory")
        damage(path)
        pendings = [
            ledger.submit(Submission(to=1, payload=b"x"), at_utc_ns=number)
            for number in range(100, 200)
        ]
        with pytest.raises(StoreCorruptError, match="left as it is"):
            await pendings[-1]
        assert isinstance(store.error, StoreCorruptError)
        with pytest.raises(StoreCorruptError):
            await ledger.submit(Submission(to=1, payload=b"x"), at_utc_ns=500)


def test_recorded_failures_are_real(tmp_path: Path):
    """The disk of these tests does fail what SQLite itself calls."""
    with disk() as broken:
        assert isinstance(broken, Disk)
        connection = sqlite3.connect(tmp_path / "any.db")
        broken.fail_at = 0
        with pytest.raises(sqlite3.OperationalError, match="full"):
            connection.execute("CREATE TABLE any (thing)")
        connection.close()
