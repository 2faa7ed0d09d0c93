"""What a platform has not answered survives the end of the gateway; a real history, real TCP."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bdgw.adapters import BacklogFile, Jt808Adapter, Past
from bdgw.history import History, HistoryError
from bdgw.model import DeviceFix
from bdgw.store.history import StoredHistory
from fwsim.jt808_platform import LOCATION, Platform
from tests.adapters.fixes import a_fix, no_fix
from tests.adapters.test_jt808_platform import brisk, reporting, spec, terminal
from tests.publish.brokers import free_port, until
from tests.store.history_of import history_of

__all__ = ["brisk"]

FILE = "backlog.json"


@contextlib.asynccontextmanager
async def gateway(
    folder: Path, port: int, boot: str, **changes: Any
) -> AsyncIterator[tuple[Jt808Adapter, StoredHistory]]:
    """One start of a gateway, as far as it matters here."""
    async with history_of(folder) as history:
        past = Past(history=history, boot=boot, file=BacklogFile(folder / FILE))
        async with reporting(spec(port, **changes), folder, past) as adapter:
            yield adapter, history


def say(gate: tuple[Jt808Adapter, StoredHistory], item: DeviceFix) -> None:
    for sink in gate:
        sink.offer(item)


def second(report: dict[str, Any]) -> int:
    """Seconds after 16:00 in Beijing."""
    text = report["beijing"]
    return (int(text[6:8]) - 16) * 3600 + int(text[8:10]) * 60 + int(text[10:12])


def seconds(platform: Platform) -> Counter[int]:
    return Counter(map(second, platform.reports))


async def unreachable(adapter: Jt808Adapter) -> None:
    await until(lambda: "cannot connect" in terminal(adapter)["reason"])


async def test_a_restart_in_an_outage_of_the_platform_loses_nothing(tmp_path):
    port = free_port()
    async with gateway(tmp_path, port, "b1") as gate:
        for number in range(200):
            say(gate, a_fix(boot="b1", seq=number, after_s=float(number)))
        await unreachable(gate[0])
    async with gateway(tmp_path, port, "b2") as gate:
        for number in range(3):
            say(gate, a_fix(boot="b2", seq=number, after_s=300.0 + number))
        await unreachable(gate[0])
    async with Platform(port=port) as platform, gateway(tmp_path, port, "b3") as gate:
        await until(lambda: terminal(gate[0])["is_ready"])
        await until(lambda: len(platform.reports) >= 203)
        await until(lambda: terminal(gate[0])["waiting"] == 0)
        shown = terminal(gate[0])
        assert (shown["acked"], shown["dropped"], shown["stored"]) == (203, 0, 0)
        assert seconds(platform) == Counter([*range(200), 300, 301, 302])
        times = [second(report) for report in platform.reports]
        assert times == sorted(times)
        # All of it came as what it is: reports from a time without a platform.
        assert platform.batch_kinds == {1}
        assert platform.count(LOCATION) == 0
        n_before = len(platform.received)
    async with Platform(port=port) as platform, gateway(tmp_path, port, "b4") as gate:
        await until(lambda: terminal(gate[0])["is_ready"])
        say(gate, a_fix(boot="b4", seq=0, after_s=400.0))
        await until(lambda: platform.reports)
        await until(lambda: terminal(gate[0])["acked"] == 1)
        assert seconds(platform) == Counter([400]), "what was answered never comes again"
    assert n_before < 30


async def test_a_silent_device_is_told_once_over_many_starts(tmp_path):
    port = free_port()
    async with gateway(tmp_path, port, "b1") as gate:
        say(gate, a_fix(boot="b1", seq=0))
        await unreachable(gate[0])
    saved = (tmp_path / FILE).read_bytes()
    async with gateway(tmp_path, port, "b2") as gate:
        for number in range(5):
            say(gate, a_fix(boot="b2", seq=number, after_s=10.0 + number))
        await unreachable(gate[0])
    # Killed before anything of the second start was saved.
    (tmp_path / FILE).write_bytes(saved)
    async with Platform(port=port) as platform:
        for boot in ("b3", "b4"):
            async with gateway(tmp_path, port, boot) as gate:
                await until(lambda: terminal(gate[0])["is_ready"])
                await until(lambda: len(platform.reports) >= 6)
                await until(lambda: terminal(gate[0])["waiting"] == 0)
        assert seconds(platform) == Counter([0, 10, 11, 12, 13, 14])


async def test_what_was_sent_and_not_answered_comes_again_after_a_kill(tmp_path, monkeypatch):
    monkeypatch.setattr("bdgw.adapters.jt808_client._SAVE_S", 0.02)
    async with Platform() as platform:
        async with gateway(tmp_path, platform.port, "b1") as gate:
            await until(lambda: terminal(gate[0])["is_ready"])
            for number in range(4):
                say(gate, a_fix(boot="b1", seq=number, after_s=float(number)))
            await until(lambda: terminal(gate[0])["acked"] == 4)
            platform.is_mute = True
            for number in range(4, 9):
                say(gate, a_fix(boot="b1", seq=number, after_s=float(number)))
            await until(lambda: platform.count(LOCATION) == 9)
            file = tmp_path / FILE
            wanted = b'"first":4,"last":8'
            await until(lambda: file.exists() and wanted in file.read_bytes(), "saved")
            saved = file.read_bytes()
        (tmp_path / FILE).write_bytes(saved)
        platform.is_mute = False
        before = seconds(platform)
        async with gateway(tmp_path, platform.port, "b2") as gate:
            await until(lambda: terminal(gate[0])["acked"] == 5)
        assert seconds(platform) - before == Counter(range(4, 9))


async def test_a_small_memory_gives_up_nothing_and_reports_of_now_go_first(tmp_path):
    port = free_port()
    async with gateway(tmp_path, port, "b1", max_waiting=10) as gate:
        for number in range(500):
            say(gate, a_fix(boot="b1", seq=number, after_s=float(number)))
        await unreachable(gate[0])
        shown = terminal(gate[0])
        assert (shown["waiting"], shown["stored"], shown["dropped"]) == (10, 490, 0)
        async with Platform(port=port) as platform:
            await until(lambda: platform.n_batches >= 2)
            n_before = len(platform.reports)
            say(gate, a_fix(boot="b1", seq=500, after_s=3000.0))
            await until(lambda: 3000 in seconds(platform))
            # At most what was on its way.
            assert [second(each) for each in platform.reports].index(3000) <= n_before + 3 * 10
            await until(lambda: len(seconds(platform)) == 501)
            await until(lambda: terminal(gate[0])["waiting"] == 0)
            assert seconds(platform) == Counter([*range(500), 3000])
            assert terminal(gate[0])["acked"] == 501


@pytest.mark.parametrize("max_waiting", [5, 1000])
async def test_a_backlog_keeps_the_period(tmp_path, max_waiting: int):
    """Ten fixes for each that is reported, some of them without a position."""
    port = free_port()
    changes: dict[str, Any] = {"period_s": 10.0, "max_waiting": max_waiting}
    async with gateway(tmp_path, port, "b1", **changes) as gate:
        for number in range(600):
            item = a_fix(boot="b1", seq=number, after_s=float(number))
            if number in (20, 21, 55):
                item = no_fix_like(item)
            say(gate, item)
        await unreachable(gate[0])
        expected = terminal(gate[0])["reports"]
        assert expected == 60
    async with Platform(port=port) as platform, gateway(tmp_path, port, "b2", **changes) as gate:
        await until(lambda: len(platform.reports) >= expected)
        await until(lambda: terminal(gate[0])["waiting"] + terminal(gate[0])["stored"] == 0)
        told = sorted(seconds(platform))
        assert told[:4] == [0, 10, 22, 32]
        assert len(told) == len(platform.reports) == expected
        assert terminal(gate[0])["missing"] == 0


def no_fix_like(item: DeviceFix) -> DeviceFix:
    return msgspec.structs.replace(item, fix=no_fix().fix)


async def test_what_the_history_has_lost_is_counted_and_holds_up_nothing(tmp_path):
    port = free_port()
    async with gateway(tmp_path, port, "b1") as gate:
        for number in range(30):
            item = a_fix(boot="b1", seq=number, after_s=float(number))
            gate[0].offer(item)
            if number not in (3, 4, 17):
                gate[1].offer(item)
        await unreachable(gate[0])
    async with Platform(port=port) as platform, gateway(tmp_path, port, "b2") as gate:
        await until(lambda: len(platform.reports) >= 27)
        await until(lambda: terminal(gate[0])["waiting"] == 0)
        assert terminal(gate[0])["missing"] == 3
        assert set(seconds(platform)) == set(range(30)) - {3, 4, 17}


class Away:
    """A history whose server is away for the first questions."""

    def __init__(self, history: History, n_failures: int) -> None:
        self._history = history
        self._n_left = n_failures

    def __getattr__(self, name: str) -> Any:
        if self._n_left and name in ("gaps", "numbered"):
            self._n_left -= 1
            raise HistoryError("the server is away")
        return getattr(self._history, name)


async def test_a_history_that_is_away_is_asked_again_and_nothing_is_forgotten(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("bdgw.adapters.jt808_keeper._RETRY_S", 0.01)
    port = free_port()
    async with gateway(tmp_path, port, "b1") as gate:
        say(gate, a_fix(boot="b1", seq=0))
        await unreachable(gate[0])
    saved = (tmp_path / FILE).read_bytes()
    async with gateway(tmp_path, port, "b1") as gate:
        for number in range(1, 10):
            say(gate, a_fix(boot="b1", seq=number, after_s=float(number)))
        await unreachable(gate[0])
    # Killed before the last nine were saved.
    (tmp_path / FILE).write_bytes(saved)
    async with history_of(tmp_path) as history:
        # Away for this whole start: what it does not know it may not overwrite.
        past = Past(history=Away(history, 10**9), boot="b2", file=BacklogFile(tmp_path / FILE))
        async with reporting(spec(port), tmp_path, past) as adapter:
            await unreachable(adapter)
            item = a_fix(boot="b2", seq=0, after_s=50.0)
            adapter.offer(item)
            history.offer(item)
            await asyncio.sleep(0)
    async with history_of(tmp_path) as history, Platform(port=port) as platform:
        past = Past(history=Away(history, 5), boot="b3", file=BacklogFile(tmp_path / FILE))
        async with reporting(spec(port), tmp_path, past) as adapter:
            await until(lambda: len(platform.reports) >= 11)
            await until(lambda: terminal(adapter)["waiting"] == 0)
        assert seconds(platform) == Counter([*range(10), 50])


async def test_a_new_adapter_begins_with_now(tmp_path):
    async with history_of(tmp_path, *(a_fix(boot="b0", seq=n) for n in range(50))):
        pass
    async with Platform() as platform, gateway(tmp_path, platform.port, "b1") as gate:
        say(gate, a_fix(boot="b1", seq=0, after_s=99.0))
        await until(lambda: terminal(gate[0])["acked"] == 1)
        assert seconds(platform) == Counter([99])


async def test_a_damaged_file_costs_the_backlog_and_nothing_else(tmp_path):
    (tmp_path / FILE).write_text("[1, 2", encoding="ascii")
    async with Platform() as platform, gateway(tmp_path, platform.port, "b1") as gate:
        say(gate, a_fix(boot="b1", seq=0))
        await until(lambda: terminal(gate[0])["acked"] == 1)
    assert BacklogFile(tmp_path / FILE).get("rover-1").spans == ()
