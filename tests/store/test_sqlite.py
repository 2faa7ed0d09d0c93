"""The writer thread: batches, order, bounds, and life beside the event loop."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from bdgw.shortmsg.ledger import Ledger
from bdgw.shortmsg.ledger_store import StoreError, Write
from bdgw.shortmsg.message import State, Submission
from bdgw.store import sqlite as sqlite_store
from bdgw.store.file import MEMORY
from bdgw.store.sqlite import SqliteStore

T0 = 1_800_000_000_000_000_000


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "ledger.db")


async def test_what_comes_together_is_synced_together(path: str):
    async with SqliteStore(path) as store:
        ledger = Ledger(store, entropy=os.urandom)

        async def submit(number: int) -> str:
            answer = await ledger.submit(Submission(to=number, payload=b"x"), at_utc_ns=T0)
            return answer.message.id

        ids = await asyncio.gather(*(submit(number) for number in range(500)))
        assert store.n_commits <= 2
        assert [message.id for message in store.unfinished()] == sorted(ids)


async def test_a_long_queue_goes_in_several_batches_in_its_order(path: str):
    n = 2 * sqlite_store._BATCH_MAX + 10
    durable: list[int] = []
    async with SqliteStore(path) as store:
        ledger = Ledger(
            store,
            entropy=os.urandom,
            max_unfinished=n,
            on_durable=lambda message, _steps: durable.append(message.submission.to),
        )
        last = [
            ledger.submit(Submission(to=number, payload=b"x"), at_utc_ns=T0) for number in range(n)
        ][-1]
        await last
        assert store.n_commits == 3
    assert durable == list(range(n))


async def test_a_whole_life_may_be_on_its_way_at_once(path: str):
    async with SqliteStore(path) as store:
        ledger = Ledger(store, entropy=os.urandom)
        message_id = ledger.submit(Submission(to=1, payload=b"x"), at_utc_ns=T0).value.message.id
        ledger.queue(message_id, at_utc_ns=T0)
        ledger.on_air(message_id, unit=1, of=1, card=7, at_utc_ns=T0)
        ledger.unit_accepted(message_id, unit=1, at_utc_ns=T0)
        assert store.message(message_id) is None
        delivered = await ledger.delivered(message_id, at_utc_ns=T0)
        assert store.message(message_id) == delivered
        assert delivered.state is State.DELIVERED
        assert not list(ledger.unfinished())


async def test_the_loop_turns_while_the_disk_writes(path: str):
    async with SqliteStore(path) as store:
        ledger = Ledger(store, entropy=os.urandom)
        pending = ledger.submit(Submission(to=1, payload=b"x"), at_utc_ns=T0)
        n_turns = 0
        while not pending.is_durable:
            n_turns += 1
            await asyncio.sleep(0)
        assert n_turns > 2


async def test_closing_writes_what_waits(path: str):
    store = SqliteStore(path)
    ledger = Ledger(store, entropy=os.urandom)
    pendings = [
        ledger.submit(Submission(to=number, payload=b"x"), at_utc_ns=T0) for number in range(1500)
    ]
    await store.close()
    await store.close()
    assert all(pending.is_durable for pending in pendings)
    async with SqliteStore(path) as again:
        assert len(again.unfinished()) == 1500


async def test_waiting_writes_are_bounded(path: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sqlite_store, "_INTENTIONS_MAX", 5)
    async with SqliteStore(path) as store:
        ledger = Ledger(store, entropy=os.urandom)
        pendings = [
            ledger.submit(Submission(to=number, payload=b"x"), at_utc_ns=T0) for number in range(8)
        ]
        for pending in pendings[5:]:
            with pytest.raises(StoreError, match="5 writes are waiting"):
                await pending
        for pending in pendings[:5]:
            await pending
        assert len(list(ledger.unfinished())) == 5


async def test_one_listener_that_fails_harms_nobody_else(path: str):
    told: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: told.append(context))
    async with SqliteStore(path) as store:

        def fail(_error: StoreError | None) -> None:
            raise RuntimeError("a mistake of the listener")

        ledger = Ledger(store, entropy=os.urandom)
        failing = store.write(Write(), fail)
        good = ledger.submit(Submission(to=1, payload=b"x"), at_utc_ns=T0)
        await good
        await failing
    assert len(told) == 1


async def test_a_caller_that_is_cancelled_takes_nothing_from_the_others(path: str):
    async with SqliteStore(path) as store:
        ledger = Ledger(store, entropy=os.urandom)
        first = ledger.submit(Submission(to=1, payload=b"x", key="k"), at_utc_ns=T0)
        second = ledger.submit(Submission(to=1, payload=b"x", key="k"), at_utc_ns=T0)

        async def wait() -> None:
            await first

        waiting = asyncio.create_task(wait())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert not second.is_durable
        assert not (await second).is_new
        assert store.message(second.value.message.id) is not None
        assert (await first).is_new


async def test_memory_is_no_place_for_a_gateway():
    with pytest.raises(ValueError, match="DirectStore"):
        SqliteStore(MEMORY)
