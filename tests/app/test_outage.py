"""The broker goes away and comes back: the whole gateway, and what a subscriber has in the end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bdgw import latest, plan
from bdgw.publish import embedded
from bdgw.publish.mqtt_settings import MqttSettings
from tests.app.rig import Running, device, head, running, schema
from tests.publish.brokers import Mosquitto, Subscriber, free_port, until
from tests.publish.conftest import require_mosquitto
from tests.receivers.rig import Terminal
from tests.support.spoken import epoch

ROOT = "bdgw/v1/yp-01"
LIVE, HISTORY = f"{ROOT}/dev/a/fix", f"{ROOT}/dev/a/history/fix"
BRISK = "[outbox]\ncommit_interval_ms = 5\nbacklog_after_s = 0.1\n"


@pytest.fixture(autouse=True)
def prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = partial(MqttSettings, backoff_floor_s=0.05, backoff_cap_s=0.2, history_jitter_s=0.05)
    monkeypatch.setattr(plan.broker, "MqttSettings", settings)


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    with contextlib.closing(Terminal()) as made:
        yield made


def has(count: int) -> Callable[[dict[str, Any]], bool]:
    return lambda shown: bool(shown["fixes"] >= count)


async def speak(run: Running, port: Terminal, first: int, last: int) -> None:
    """Say epochs, each after the one before has become a fix."""
    for second in range(first, last):
        port.say(epoch(second))
        # An epoch ends with the next one, or with a pause.
        await run.device_is("a", has(second - first))
    await run.device_is("a", lambda d: d["fixes"] == last - first)


def fixes(subscriber: Subscriber, topic: str) -> list[dict[str, Any]]:
    return [json.loads(payload) for payload in subscriber.payloads(topic)]


async def test_an_outage_and_a_restart_of_the_gateway_within_it(tmp_path, terminal):
    require_mosquitto()
    broker = Mosquitto(tmp_path, "max_queued_messages 0")
    text = head(tmp_path, f'url = "{broker.url}"') + device("a", terminal.url) + BRISK
    async with running(text) as run:
        await run.device_is("a", lambda d: d["status"] == "waiting")
        await speak(run, terminal, 0, 30)
        first_boot = (await run.status())["boot"]
        await run.status_is(lambda s: s["outbox"]["unsafe"] == 0 and s["outbox"]["history"] == 29)
    async with running(text) as run:
        await run.device_is("a", lambda d: d["status"] == "waiting")
        assert (await run.status())["outbox"]["restored"] == 30
        await speak(run, terminal, 30, 50)
        second_boot = (await run.status())["boot"]
        # What has been superseded goes to the disk, and only the newest stays live.
        await run.status_is(lambda s: s["outbox"]["history"] == 49)
        await broker.start()
        subscriber = Subscriber(broker.port, f"{ROOT}/#")
        assert subscriber.is_subscribed.wait(10)
        await run.status_is(lambda s: s["mqtt"]["is_connected"] and s["outbox"]["depth"] == 0)
        await until(lambda: len(fixes(subscriber, HISTORY)) >= 49, "the history")
        late = Subscriber(broker.port, f"{ROOT}/dev/a/#")
        await until(late.messages, "what is retained")
        (retained,) = late.messages()
        assert (retained.topic, json.loads(retained.payload)["seq"]) == (LIVE, 19)
        assert "historical" not in json.loads(retained.payload)
        await speak_one_more(run, terminal)
        await until(lambda: fixes(subscriber, LIVE)[-1]["seq"] == 20, "live again")
        late.close()
    validator = schema("fix")
    history = fixes(subscriber, HISTORY)
    assert [(each["boot"], each["seq"]) for each in history] == [
        *((first_boot, seq) for seq in range(30)),
        *((second_boot, seq) for seq in range(19)),
    ]
    for each in history:
        validator.validate(each)
        assert each["historical"] is True
        assert each["t_pub"] > each["t_rx"]
    assert [each["seq"] for each in fixes(subscriber, LIVE)] == [19, 20]
    subscriber.close()
    broker.kill()


async def speak_one_more(run: Running, port: Terminal) -> None:
    port.say(epoch(59))
    await run.device_is("a", lambda d: d["fixes"] == 21)


async def test_the_latest_of_a_device_that_died_in_the_outage(tmp_path, terminal, monkeypatch):
    """Known since before; then an outage in which it says its last, and a new start within it."""
    require_mosquitto()
    monkeypatch.setattr(latest, "_GRACE_S", 0.3)
    saved = "persistence true\nautosave_interval 1\nautosave_on_changes true"
    broker = Mosquitto(tmp_path, saved, f"persistence_location {tmp_path}/")
    text = head(tmp_path, f'url = "{broker.url}"') + device("a", terminal.url) + BRISK
    await broker.start()
    async with running(text) as run:
        await run.device_is("a", lambda d: d["status"] == "waiting")
        await speak(run, terminal, 0, 3)
        await run.status_is(lambda s: s["mqtt"]["is_connected"] and s["outbox"]["depth"] == 0)
        broker.kill()
        terminal.say(b"".join(epoch(second) for second in range(3, 20)))
        await run.device_is("a", lambda d: d["fixes"] == 20)
        first_boot = (await run.status())["boot"]
        await run.status_is(lambda s: s["outbox"]["unsafe"] == 0 and s["outbox"]["history"] >= 16)
    await broker.start()
    kept = Subscriber(broker.port, LIVE)
    await until(kept.messages, "what was retained before")
    assert fixes(kept, LIVE)[0]["seq"] == 2
    kept.close()
    with contextlib.closing(Subscriber(broker.port, f"{ROOT}/dev/a/#")) as seen:
        assert seen.is_subscribed.wait(10)
        async with running(text) as run:
            await until(lambda: len(fixes(seen, LIVE)) == 2, "the newest, live")
            await run.status_is(lambda s: s["outbox"]["depth"] == 0)
        assert [each["seq"] for each in fixes(seen, HISTORY)] == list(range(3, 20))
        again = fixes(seen, LIVE)[1]
        assert (again["boot"], again["seq"]) == (first_boot, 19)
        assert "historical" not in again
    with contextlib.closing(Subscriber(broker.port, LIVE)) as late:
        await until(late.messages, "what is retained now")
        assert [each.retain for each in late.messages()] == [True]
        assert fixes(late, LIVE)[0]["seq"] == 19
    # Nothing waits any more: another start says nothing again.
    with contextlib.closing(Subscriber(broker.port, f"{ROOT}/#")) as seen:
        assert seen.is_subscribed.wait(10)
        async with running(text) as run:
            await run.status_is(lambda s: s["mqtt"]["is_connected"])
            assert run.gateway._outbox.snapshot(now_s=0.0).restored == 0
            speak_now = epoch(25) + epoch(26)
            terminal.say(speak_now)
            await until(lambda: len(fixes(seen, LIVE)) >= 2, "a live one")
        assert [each["seq"] for each in fixes(seen, LIVE)][:2] == [19, 0]
    broker.kill()


async def test_the_embedded_broker_dies_and_nothing_is_lost(tmp_path, terminal, monkeypatch):
    monkeypatch.setattr(embedded, "_RESTART_FLOOR_S", 1.5)
    monkeypatch.setattr(embedded, "_RESTART_CAP_S", 1.5)
    port = free_port()
    lines = f'url = "embedded"\nlisten = "127.0.0.1:{port}"'
    async with running(head(tmp_path, lines) + device("a", terminal.url) + BRISK) as run:
        await run.device_is("a", lambda d: d["status"] == "waiting")
        with contextlib.closing(Subscriber(port, f"{ROOT}/dev/a/#", session="watcher")) as seen:
            assert seen.is_subscribed.wait(10)
            for second in range(40):
                if second == 10:
                    shown = (await run.status())["mqtt"]["embedded"]
                    os.kill(shown["pid"], signal.SIGKILL)
                terminal.say(epoch(second))
                await run.device_is("a", has(second))
            await run.device_is("a", lambda d: d["fixes"] == 40)
            await run.status_is(lambda s: s["mqtt"]["connects"] == 2 and s["outbox"]["depth"] == 0)

            def numbers() -> set[int]:
                return {each["seq"] for topic in (LIVE, HISTORY) for each in fixes(seen, topic)}

            await until(lambda: numbers() == set(range(40)), "all have come")
            live = [
                json.loads(each.payload)["seq"]
                for each in seen.messages()
                if each.topic == LIVE and not each.retain
            ]
            # The broker that came back delivers once more what its subscriber had not acknowledged.
            firsts = list(dict.fromkeys(live))
            assert firsts == sorted(firsts)
            assert (await run.status())["outbox"]["dropped"] == {}


def _disk(folder: Path) -> int:
    return sum(each.stat().st_size for each in folder.glob("outbox.db*"))


async def test_a_healthy_broker_leaves_the_disk_alone(tmp_path, terminal):
    require_mosquitto()
    broker = Mosquitto(tmp_path, "set_tcp_nodelay true")
    await broker.start()
    text = head(tmp_path, f'url = "{broker.url}"') + device("a", terminal.url)
    async with running(text + "[outbox]\ncommit_interval_ms = 5000\n") as run:
        await run.status_is(lambda s: s["mqtt"]["is_connected"])
        before = _disk(tmp_path / "state")
        await speak(run, terminal, 0, 40)
        await run.status_is(lambda s: s["outbox"]["depth"] == 0)
        assert _disk(tmp_path / "state") == before
        assert (await run.status())["outbox"]["acked"] >= 40
    await asyncio.sleep(0)
    broker.kill()
