"""Fixes that are sent again: what was asked for, each once, in order, and no faster than agreed."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bdgw.history import History, RepairBusyError, RepairError
from bdgw.model import DeviceFix
from bdgw.publish.payload import device_fix_payload
from bdgw.repair import RANGE_MAX, Repair
from bdgw.repair_command import RepairCommands
from tests.publish.brokers import until
from tests.store.history_of import history_of
from tests.store.history_rig import fix, headed

RATE_PER_S = 500.0


class Lane:
    """Takes what is sent; has no room where the test says so."""

    def __init__(self, room: Callable[[DeviceFix], bool] = lambda _item: True) -> None:
        self.sent: list[DeviceFix] = []
        self.slept_s = 0.0
        self._room = room

    def send(self, item: DeviceFix) -> bool:
        if not self._room(item):
            return False
        self.sent.append(item)
        return True

    async def sleep(self, seconds: float) -> None:
        self.slept_s += seconds
        await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def repairing(history: History, lane: Lane) -> AsyncIterator[Repair]:
    repair = Repair(history, send=lane.send, sleep=lane.sleep, rate_per_s=RATE_PER_S)
    task = asyncio.create_task(repair.run())
    try:
        yield repair
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_what_is_there_is_sent_and_what_is_not_is_told(tmp_path: Path):
    kept = [fix(seq) for seq in range(1000) if seq % 100 != 50]
    lane = Lane()
    async with history_of(tmp_path, *kept) as history, repairing(history, lane) as repair:
        answer = await repair.request("a", "b1", 100, 1099)
        assert (answer["n_found"], answer["n_missing"]) == (891, 109)
        assert answer["missing"][0] == {"from_seq": 150, "to_seq": 150}
        assert answer["missing"][-1] == {"from_seq": 1000, "to_seq": 1099}
        await until(lambda: repair.n_sent == 891, "all are sent")
    assert lane.sent == [item for item in kept if item.seq >= 100]
    assert lane.slept_s >= 891 / RATE_PER_S - 1e-9


async def test_what_is_sent_again_says_what_was_said_the_first_time(tmp_path: Path):
    kept = [headed(fix(0)), fix(1), headed(fix(2))]
    lane = Lane()
    async with history_of(tmp_path, *kept) as history, repairing(history, lane) as repair:
        await repair.request("a", "b1", 0, 2)
        await until(lambda: repair.n_sent == 3, "all are sent")
    sent = [device_fix_payload("gw", item) for item in lane.sent]
    assert sent == [device_fix_payload("gw", item) for item in kept]
    assert [json.loads(payload).get("heading_deg") for payload in sent] == [193.065, None, 193.065]


async def test_requests_go_one_after_the_other_and_only_so_many_wait(tmp_path: Path):
    lane = Lane()
    async with history_of(tmp_path, *map(fix, range(300))) as history:
        repair = Repair(history, send=lane.send, sleep=lane.sleep)
        for first in range(16):
            await repair.request("a", "b1", first, first + 200)
        with pytest.raises(RepairBusyError):
            await repair.request("a", "b1", 0, 1)
        task = asyncio.create_task(repair.run())
        await until(lambda: repair.n_sent == 16 * 201, "all are sent")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert [item.seq for item in lane.sent] == [
        seq for first in range(16) for seq in range(first, first + 201)
    ]


@pytest.mark.parametrize(("first", "last"), [(-1, 5), (5, 4), (0, RANGE_MAX), (1 << 70, 1 << 70)])
async def test_a_range_that_is_none_or_too_large(tmp_path: Path, first: int, last: int):
    async with history_of(tmp_path, fix(1)) as history:
        repair = Repair(history, send=Lane().send)
        with pytest.raises(RepairError):
            await repair.request("a", "b1", first, last)


async def test_a_start_that_is_not_kept_is_no_error(tmp_path: Path):
    async with history_of(tmp_path, fix(1)) as history:
        answer = await Repair(history, send=Lane().send).request("a", "gone", 3, 5)
        assert (answer["n_found"], answer["missing"]) == (0, [{"from_seq": 3, "to_seq": 5}])


async def test_what_finds_no_room_is_counted(tmp_path: Path):
    lane = Lane(room=lambda item: item.seq % 2 == 0)
    kept = map(fix, range(10))
    async with history_of(tmp_path, *kept) as history, repairing(history, lane) as repair:
        await repair.request("a", "b1", 0, 9)
        await until(lambda: repair.n_sent + repair.n_dropped == 10, "all were tried")
        assert (repair.n_sent, repair.n_dropped) == (5, 5)


# By MQTT.


@dataclass
class Command:
    payload: bytes
    topic: str = "bdgw/v1/gw/dev/a/command/repair"
    is_retained: bool = False
    response_topic: str | None = None
    correlation: bytes | None = None
    acknowledged: list[bool] = field(default_factory=list)

    def acknowledge(self) -> None:
        self.acknowledged.append(True)


class Replies:
    def __init__(self) -> None:
        self.sent: list[tuple[str, dict[str, object], bytes | None]] = []

    def __call__(self, topic: str, body: bytes, *, correlation: bytes | None = None) -> bool:
        self.sent.append((topic, json.loads(body), correlation))
        return True


WANTED = b'{"boot":"b1","from_seq":2,"to_seq":4,"id":"q-1"}'


async def answered(
    folder: Path, command: Command
) -> tuple[bool, list[tuple[str, dict[str, object], bytes | None]], list[int]]:
    lane, replies = Lane(), Replies()
    kept = map(fix, range(4))
    async with history_of(folder, *kept) as history, repairing(history, lane) as repair:
        commands = RepairCommands("gw", repair, is_device=lambda name: name == "a", reply=replies)
        is_ours = commands.on_command(command)
        if is_ours:
            await until(lambda: bool(command.acknowledged), "it is acknowledged")
            await until(lambda: not commands._tasks and not repair._jobs, "it is done")
    return is_ours, replies.sent, [item.seq for item in lane.sent]


async def test_a_command_is_answered_by_its_id_without_mqtt_5(tmp_path: Path):
    is_ours, replies, seqs = await answered(tmp_path, Command(WANTED))
    assert (is_ours, seqs) == (True, [2, 3])
    ((topic, value, correlation),) = replies
    assert (topic, correlation) == ("bdgw/v1/gw/dev/a/command/reply/q-1", None)
    assert (value["id"], value["n_found"], value["n_missing"]) == ("q-1", 2, 1)
    assert value["missing"] == [{"from_seq": 4, "to_seq": 4}]


async def test_a_command_is_answered_where_it_says_with_mqtt_5(tmp_path: Path):
    command = Command(WANTED, response_topic="me/answers", correlation=b"\x01\xff")
    _, ((topic, value, correlation),), _ = await answered(tmp_path, command)
    assert (topic, correlation, value["gw"]) == ("me/answers", b"\x01\xff", "gw")


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b'{"boot":"b1"}',
        b'{"boot":"b1","from_seq":5,"to_seq":2,"id":"q-1"}',
        b'{"boot":"b1","from_seq":1,"to_seq":2,"id":"a/#"}',
        b'{"boot":"b1","from_seq":1,"to_seq":2,"more":1}',
        b'{"boot":"b1","from_seq":1,"to_seq":1e999}',
        b" " * 5000 + WANTED,
    ],
)
async def test_a_command_that_makes_no_sense(tmp_path: Path, payload: bytes):
    command = Command(payload, response_topic="me/answers")
    _, ((_, value, _),), seqs = await answered(tmp_path, command)
    assert (value["error"], seqs) == ("bad_request", [])
    assert command.acknowledged == [True], "asked again it would make no more sense"


async def test_a_device_that_there_is_not(tmp_path: Path):
    command = Command(WANTED, topic="bdgw/v1/gw/dev/b/command/repair")
    _, ((topic, value, _),), _ = await answered(tmp_path, command)
    assert topic == "bdgw/v1/gw/dev/b/command/reply/q-1"
    assert "no device" in str(value["detail"])


async def test_a_retained_command_is_of_another_day(tmp_path: Path):
    assert await answered(tmp_path, Command(WANTED, is_retained=True)) == (True, [], [])


@pytest.mark.parametrize(
    "topic",
    [
        "bdgw/v1/gw/dev/a/command/reboot",
        "bdgw/v1/other/dev/a/command/repair",
        "bdgw/v1/gw/dev//command/repair",
        "bdgw/v1/gw/dev/a/b/command/repair",
        "bdgw/v1/gw/shortmsg/command/send",
    ],
)
async def test_commands_of_others_are_left_to_them(tmp_path: Path, topic: str):
    assert await answered(tmp_path, Command(WANTED, topic=topic)) == (False, [], [])
