"""The client against a platform that shares no code with it, over TCP."""

from __future__ import annotations

import asyncio
import contextlib
import random
import stat
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bdgw.adapters import CodeFile, Jt808Adapter, Past
from bdgw.adapters.spec import Edition, Jt808Spec
from bdgw.hub import SkySeen
from fwsim.jt808_platform import AUTHENTICATE, HEARTBEAT, REGISTER, TERMINAL_REPLY, Platform
from tests.adapters.fixes import SKY, a_fix, no_fix
from tests.adapters.test_jt808_message import TERMINAL
from tests.publish.brokers import free_port, until


def spec(port: int, edition: Edition = Edition.Y2019, **changes: Any) -> Jt808Spec:
    values: dict[str, Any] = {
        "name": "jt808",
        "host": "127.0.0.1",
        "port": port,
        "edition": edition,
        "terminals": (TERMINAL,),
        "is_gcj02": False,
        "period_s": 0.0,
        "heartbeat_s": 60.0,
        "max_waiting": 1000,
    }
    return Jt808Spec(**(values | changes))


@contextlib.asynccontextmanager
async def reporting(
    told: Jt808Spec, folder: Path, past: Past | None = None
) -> AsyncIterator[Jt808Adapter]:
    adapter = Jt808Adapter(
        told,
        codes=CodeFile(folder / "codes.json"),
        past=past,
        monotonic_s=time.monotonic,
        rng=random.Random(1),
    )
    task = asyncio.create_task(adapter.run())
    try:
        yield adapter
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.fixture(autouse=True)
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bdgw.adapters.jt808_client._FLOOR_S", 0.01)
    monkeypatch.setattr("bdgw.adapters.jt808_client._CAP_S", 0.05)
    monkeypatch.setattr("bdgw.adapters.jt808_client._REFUSED_S", 0.01)
    monkeypatch.setattr("bdgw.adapters.jt808_session._BACKLOG_PER_S", 1000.0)


def terminal(adapter: Jt808Adapter) -> dict[str, Any]:
    found: dict[str, Any] = adapter.fields(0.0)["terminals"][0]
    return found


@pytest.mark.parametrize("edition", Edition)
async def test_it_registers_reports_and_registers_never_again(edition: Edition, tmp_path):
    async with Platform(code="验-1") as platform:
        async with reporting(spec(platform.port, edition), tmp_path) as adapter:
            adapter.offer(SkySeen(device="rover-1", sky=SKY))
            adapter.offer(a_fix())
            adapter.offer(no_fix())
            adapter.offer(a_fix(device="stranger"))
            await until(lambda: platform.reports)
            await until(lambda: terminal(adapter)["acked"] == 1)
            assert terminal(adapter)["refused"] == {"no_position": 1}
        assert stat.S_IMODE((tmp_path / "codes.json").stat().st_mode) == 0o600
        async with reporting(spec(platform.port, edition), tmp_path) as adapter:
            adapter.offer(a_fix(after_s=1.0))
            await until(lambda: len(platform.reports) == 2)
        assert platform.count(REGISTER) == 1
        assert platform.count(AUTHENTICATE) == 2
        assert platform.n_bad == 0
        assert all(message.is_2019 is (edition is Edition.Y2019) for message in platform.received)
    assert [report["beijing"] for report in platform.reports] == ["261122160000", "261122160001"]
    assert platform.reports[0]["status"] == 3 | 1 << 19 | 1 << 20
    assert {(report["lat"], report["lon"]) for report in platform.reports} == {
        (31.299402, 121.503313)
    }


async def test_reports_of_an_outage_come_in_batches_when_it_is_over(tmp_path):
    port = free_port()
    async with reporting(spec(port), tmp_path) as adapter:
        for number in range(100):
            adapter.offer(a_fix(after_s=float(number)))
        await until(lambda: "cannot connect" in terminal(adapter)["reason"])
        async with Platform(port=port) as platform:
            await until(lambda: len(platform.reports) == 100)
            assert platform.n_batches == 4
            times = [report["beijing"] for report in platform.reports]
            assert times == sorted(times)
            await until(lambda: terminal(adapter)["waiting"] == 0)
            assert terminal(adapter)["acked"] == 100


async def test_what_was_not_answered_when_the_connection_broke_is_sent_again(tmp_path):
    async with Platform() as platform:
        platform.hang_up_at = 3
        async with reporting(spec(platform.port), tmp_path) as adapter:
            for number in range(5):
                adapter.offer(a_fix(after_s=float(number)))
            await until(lambda: terminal(adapter)["acked"] == 5)
            assert terminal(adapter)["connects"] == 4
        assert len({report["beijing"] for report in platform.reports}) == 5


async def test_a_code_that_is_refused_leads_to_a_new_registration(tmp_path):
    (tmp_path / "codes.json").write_bytes(msgspec.json.encode({TERMINAL.phone: "old"}))
    async with Platform() as platform, reporting(spec(platform.port), tmp_path) as adapter:
        await until(lambda: terminal(adapter)["is_ready"])
    assert [message.number for message in platform.received] == [
        AUTHENTICATE,
        REGISTER,
        AUTHENTICATE,
    ]


async def test_a_platform_that_does_not_know_the_terminal_says_why(tmp_path):
    async with Platform() as platform:
        platform.register_result = 4
        async with reporting(spec(platform.port), tmp_path) as adapter:
            await until(lambda: "does not know the terminal" in terminal(adapter)["reason"])


async def test_a_code_given_beforehand_needs_no_registration(tmp_path):
    known = msgspec.structs.replace(TERMINAL, auth_code="code-1")
    async with Platform() as platform:
        async with reporting(spec(platform.port, terminals=(known,)), tmp_path) as adapter:
            await until(lambda: terminal(adapter)["is_ready"])
        assert platform.count(REGISTER) == 0


async def test_heartbeats_and_requests_that_nobody_can_fulfil(tmp_path):
    async with (
        Platform() as platform,
        reporting(spec(platform.port, heartbeat_s=0.05), tmp_path) as adapter,
    ):
        await until(lambda: platform.count(HEARTBEAT) >= 2)
        platform.ask(0x8201)
        await until(lambda: platform.count(TERMINAL_REPLY) == 1)
        assert terminal(adapter)["is_ready"]
        assert terminal(adapter)["unsupported_requests"] == 1


async def test_a_platform_without_batches_gets_the_reports_one_by_one(tmp_path):
    async with Platform() as platform:
        platform.batch_result = 3
        async with reporting(spec(platform.port), tmp_path) as adapter:
            for number in range(20):
                adapter.offer(a_fix(after_s=float(number)))
            await until(lambda: len(platform.reports) == 20)
        assert platform.n_batches == 0


async def test_a_period_and_its_counters(tmp_path):
    async with (
        Platform() as platform,
        reporting(spec(platform.port, period_s=10.0), tmp_path) as adapter,
    ):
        for number in range(21):
            adapter.offer(a_fix(after_s=float(number)))
        await until(lambda: len(platform.reports) == 3)
        assert terminal(adapter)["passed_over"] == 18
        assert adapter.fields(0.0)["fixes"] == 3


def test_codes_that_cannot_be_read_are_as_none(tmp_path):
    path = tmp_path / "codes.json"
    path.write_text("[1, 2")
    codes = CodeFile(path)
    assert codes.get("1") is None
    codes.put("1", "a")
    codes.put("2", "b")
    codes.put("1", None)
    again = CodeFile(path)
    assert (again.get("1"), again.get("2")) == (None, "b")


async def test_a_folder_that_cannot_be_written_stops_nothing(tmp_path):
    (tmp_path / "codes.json").mkdir()
    async with Platform() as platform, reporting(spec(platform.port), tmp_path) as adapter:
        adapter.offer(a_fix())
        await until(lambda: platform.reports)
