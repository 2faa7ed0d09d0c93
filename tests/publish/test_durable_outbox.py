"""The outbox over a real file: restarts, a disk that is full, a disk that forgets."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from bdgw.publish.durable_outbox import DurableOutbox
from bdgw.publish.outbox import Entry, Lane, Outgoing
from bdgw.publish.outbox_pace import Bounds, LanePace
from bdgw.store.outbox_file import OutboxFile
from tests.publish.brokers import until
from tests.store.disk import Op, after_power_cut, disk, lay_out
from tests.store.test_outbox_file import VERSION_1

BRISK = LanePace(lag_s=0.002, backlog_after_s=0.004, history_per_s=1e6)
SEED = 5


def opened(path: Path, pace: LanePace = BRISK, **more: Any) -> DurableOutbox:
    outbox = DurableOutbox(monotonic_s=time.monotonic, pace=pace, **more)
    outbox.open(OutboxFile(str(path)))
    return outbox


def put_fix(outbox: DurableOutbox, device: str, number: int) -> int | None:
    return outbox.put(
        Outgoing(
            topic=f"dev/{device}/fix",
            payload=b"%s %d" % (device.encode(), number),
            lane=Lane.LIVE,
            retain=True,
            supersede_key=device,
            expiry_s=3600,
            schema="bdgw/fix/1",
            late_topic=f"dev/{device}/history/fix",
        ),
        now_s=time.monotonic(),
    )


def put_alarm(outbox: DurableOutbox, number: int) -> int | None:
    return outbox.put(
        Outgoing(topic="alarm", payload=b"alarm %d" % number, lane=Lane.ALARM),
        now_s=time.monotonic(),
    )


async def drained(outbox: DurableOutbox) -> list[Entry]:
    """Be the broker until nothing is left."""
    got: list[Entry] = []

    def step() -> bool:
        taken = outbox.take(100)
        for entry in taken:
            outbox.ack(entry.id)
        got.extend(taken)
        return outbox.snapshot(now_s=time.monotonic()).depth == 0

    await until(step, "all is sent")
    return got


def held(outbox: DurableOutbox) -> Any:
    return outbox.snapshot(now_s=time.monotonic())


async def test_what_waits_is_there_after_a_restart_and_goes_to_the_history(tmp_path):
    outbox = opened(tmp_path / "outbox.db")
    for number in range(1000):
        put_fix(outbox, "ab"[number % 2], number)
    put_alarm(outbox, 0)
    await outbox.close()
    outbox = opened(tmp_path / "outbox.db")
    assert held(outbox).restored == held(outbox).depth == 1001
    got = await drained(outbox)
    assert (got[0].payload, got[0].lane) == (b"alarm 0", Lane.ALARM)
    fixes = got[1:]
    assert [each.payload for each in fixes] == [
        b"%s %d" % (b"ab"[n % 2 : n % 2 + 1], n) for n in range(1000)
    ]
    assert {(each.topic, each.lane, each.retain) for each in fixes} == {
        ("dev/a/history/fix", Lane.HISTORY, False),
        ("dev/b/history/fix", Lane.HISTORY, False),
    }
    await outbox.close()
    outbox = opened(tmp_path / "outbox.db")
    assert (held(outbox).depth, held(outbox).stored_bytes) == (0, 0)
    entry_id = put_fix(outbox, "a", 1)
    assert entry_id is not None
    assert entry_id > 1001, "ids are never used again"
    await outbox.close()


async def test_what_the_broker_takes_at_once_never_touches_the_disk(tmp_path):
    outbox = opened(tmp_path / "outbox.db", LanePace(lag_s=10.0))
    for number in range(500):
        put_fix(outbox, "a", number)
        for entry in outbox.take(100):
            outbox.ack(entry.id)
    await asyncio.sleep(0)
    assert outbox.n_commits == 0
    await outbox.close()


async def test_an_alarm_is_safe_before_the_broker_knows_of_it(tmp_path):
    outbox = opened(tmp_path / "outbox.db", LanePace(lag_s=10.0))
    safe: list[int] = []
    for number in range(3):
        entry_id = put_alarm(outbox, number)
        assert entry_id is not None
        outbox.when_safe(entry_id, partial(safe.append, number))
    fix_id = put_fix(outbox, "a", 0)
    assert fix_id is not None
    outbox.when_safe(fix_id, lambda: safe.append(99))
    assert safe == []
    await until(lambda: safe == [0, 1, 2], "the alarms are on the disk")
    assert outbox.n_commits == 1
    outbox.take(100)
    outbox.ack(fix_id)
    assert safe[-1] == 99, "a fix is safe once the broker has it"
    reader = OutboxFile(str(tmp_path / "outbox.db"))
    assert [each.n for each in reader.urgent()] == [3]
    reader.close()
    await outbox.close()


async def test_an_outage_takes_no_memory_and_is_made_good(tmp_path):
    outbox = opened(tmp_path / "outbox.db")
    for turn in range(40):
        for number in range(100):
            put_fix(outbox, f"d{number % 10}", turn * 10 + number // 10)
        await asyncio.sleep(0.005)
    await until(
        lambda: len(outbox._book._memory.held) <= 10, "all but the newest are on the disk only"
    )
    assert held(outbox).depth == 4000
    got = await drained(outbox)
    live = [each for each in got if each.lane is Lane.LIVE]
    assert sorted(each.payload for each in live) == [b"d%d 399" % n for n in range(10)]
    order: dict[str, list[int]] = {}
    for each in got:
        if each.lane is Lane.HISTORY:
            device, counted = each.payload.decode().split()
            order.setdefault(device, []).append(int(counted))
    assert all(numbers == list(range(399)) for numbers in order.values())
    await outbox.close()


async def test_a_full_disk_is_survived_counted_and_told_once(tmp_path):
    told: list[str | None] = []
    with disk() as broken:
        outbox = opened(
            tmp_path / "outbox.db",
            bounds=Bounds(memory_items=50),
            on_storage=told.append,
        )
        broken.fail_at = 0
        for number in range(200):
            put_fix(outbox, "a", number)
            await asyncio.sleep(0)
        put_alarm(outbox, 0)
        await until(lambda: told, "it is told")
        assert "no room" in (told[0] or "")
        assert held(outbox).dropped == {"superseded": 151}
        assert held(outbox).storage_error == told[0]
        assert held(outbox).unsafe == 50
        broken.fail_at = None
        began_s = time.monotonic()
        await until(lambda: held(outbox).unsafe == 0, "it is written")
        assert len(told) == 2
        assert told[1] is None
        assert time.monotonic() - began_s < 20
        got = await drained(outbox)
        assert [each.payload for each in got if each.lane is Lane.ALARM] == [b"alarm 0"]
        assert len(got) == 50
        await outbox.close()


async def test_room_is_kept_by_giving_up_the_oldest_fixes_and_no_alarm(tmp_path):
    outbox = opened(tmp_path / "outbox.db", bounds=Bounds(max_items=1000))
    for turn in range(60):
        for number in range(50):
            put_fix(outbox, "a", turn * 50 + number)
        put_alarm(outbox, turn)
        await asyncio.sleep(0.004)
    await until(lambda: held(outbox).unsafe == 0 and not held(outbox).is_over_bound, "room")
    got = await drained(outbox)
    assert sum(each.lane is Lane.ALARM for each in got) == 60
    # How many of the last are still live when the sending begins, the disk decides.
    late, live = (
        [int(each.payload.split()[1]) for each in got if each.lane is lane]
        for lane in (Lane.HISTORY, Lane.LIVE)
    )
    n_kept = len(late) + len(live)
    assert late + live == list(range(3000 - n_kept, 3000))
    assert 800 < n_kept <= 940
    assert held(outbox).dropped == {"superseded": 3000 - n_kept}
    await outbox.close()


async def test_bytes_on_the_disk_are_bounded_too(tmp_path):
    outbox = opened(tmp_path / "outbox.db", bounds=Bounds(max_bytes=200_000))
    rng = random.Random(SEED)
    for _turn in range(60):
        for _ in range(20):
            outbox.put(
                Outgoing(topic="h", payload=rng.randbytes(500), lane=Lane.HISTORY),
                now_s=time.monotonic(),
            )
        await asyncio.sleep(0.004)
    await until(lambda: held(outbox).unsafe == 0 and not held(outbox).is_over_bound, "room")
    size = (tmp_path / "outbox.db").stat().st_size
    assert held(outbox).stored_bytes <= 200_000
    assert size < 600_000
    await outbox.close()


async def test_a_damaged_chunk_costs_only_itself(tmp_path):
    outbox = opened(tmp_path / "outbox.db")
    for number in range(600):
        put_fix(outbox, "a", number)
    await outbox.close()
    connection = sqlite3.connect(tmp_path / "outbox.db")
    connection.execute("UPDATE chunk SET data = x'0102' WHERE id = 2")
    connection.commit()
    connection.close()
    outbox = opened(tmp_path / "outbox.db")
    got = await drained(outbox)
    assert [int(each.payload.split()[1]) for each in got] == [*range(256), *range(512, 600)]
    assert held(outbox).dropped == {"damaged": 256}
    await outbox.close()
    assert OutboxFile(str(tmp_path / "outbox.db")).totals().size_bytes == 0


async def test_what_the_first_version_has_left_is_sent(tmp_path):
    connection = sqlite3.connect(tmp_path / "outbox.db")
    connection.executescript(VERSION_1.read_text(encoding="utf-8"))
    connection.close()
    outbox = opened(tmp_path / "outbox.db")
    got = await drained(outbox)
    assert [each.payload for each in got if each.lane is Lane.ALARM] == [
        b'{"kind":"base_moved","n":1}',
        b'{"kind":"base_moved","n":2}',
    ]
    assert [each.payload[-2:] for each in got if each.lane is Lane.HISTORY] == [b"4}", b"5}", b"6}"]
    await outbox.close()


# A power cut

WINDOW = 20
N_CUTS = 60


async def _busy(path: Path, ack: Callable[[Any], None]) -> None:
    """Fixes and alarms, and a broker that comes and goes; mark what is safe and what delivered."""
    rng = random.Random(SEED)
    outbox = opened(
        path, LanePace(lag_s=0.001, backlog_after_s=0.003, history_per_s=1e5, window=WINDOW)
    )
    flying: list[Entry] = []
    for number in range(600):
        is_alarm = rng.random() < 0.1
        name = b"alarm %d" % number if is_alarm else b"d%d %d" % (number % 3, number)
        if is_alarm:
            entry_id = put_alarm(outbox, number)
        else:
            entry_id = put_fix(outbox, f"d{number % 3}", number)
        assert entry_id is not None
        outbox.when_safe(entry_id, partial(ack, ("safe", name)))
        if number % 100 > 60:  # the broker is there
            flying += outbox.take(WINDOW - len(flying))
            rng.shuffle(flying)
            for _ in range(rng.randrange(len(flying) + 1)):
                entry = flying.pop()
                ack(("delivered", entry.payload))
                outbox.ack(entry.id)
        elif flying:
            outbox.release(each.id for each in flying)
            flying.clear()
        if rng.random() < 0.3:
            await asyncio.sleep(0.001)
    outbox.release(each.id for each in flying)
    await outbox.close()


async def test_a_power_cut_takes_nothing_that_was_safe_and_repeats_no_more_than_the_window(
    tmp_path,
):
    with disk() as recorder:
        await _busy(tmp_path / "outbox.db", recorder.ack)
        journal: list[Op] = list(recorder.journal)
    rng = random.Random(SEED)
    first = next(index for index, op in enumerate(journal) if op.kind == "ack")
    repeated_most = 0
    for number in range(N_CUTS):
        cut = rng.randrange(first, len(journal))
        folder = tmp_path / f"cut {number}"
        folder.mkdir()
        lay_out(after_power_cut(journal[:cut], rng), folder)
        outbox = opened(folder / "outbox.db")
        kept = [each.payload for each in await drained(outbox)]
        await outbox.close()
        notes = [op.note for op in journal[:cut] if op.kind == "ack"]
        delivered = {name for kind, name in notes if kind == "delivered"}
        safe = {name for kind, name in notes if kind == "safe"}
        assert safe <= delivered | set(kept), f"cut {cut}"
        assert len(kept) == len(set(kept))
        repeated_most = max(repeated_most, len(delivered & set(kept)))
    assert repeated_most <= WINDOW
