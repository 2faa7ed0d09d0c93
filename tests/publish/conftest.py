from __future__ import annotations

import asyncio
import contextlib
import os
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bdgw.model import Alarm, ConnectionState
from bdgw.publish.embedded import EmbeddedBroker
from bdgw.publish.mqtt import MqttPublisher, MqttSettings
from bdgw.publish.outbox import Lane, Outgoing
from bdgw.publish.outbox_book import OutboxBook
from tests.publish.brokers import (
    Certificates,
    Mosquitto,
    ScriptedBroker,
    Subscriber,
    find_mosquitto,
    presence,
    until,
)


class Gateway:
    """A publisher with its outbox, running, and all that it said."""

    def __init__(self, url: str, outbox: OutboxBook | None = None, **settings: Any) -> None:
        self.outbox = outbox or OutboxBook()
        self.said: list[ConnectionState | Alarm] = []
        values: dict[str, Any] = {
            "client_id": "gw-test",
            "backoff_floor_s": 0.05,
            "backoff_cap_s": 0.2,
            "retry_floor_s": 0.05,
            **settings,
        }
        self.publisher = MqttPublisher(
            MqttSettings(url=url, **values),
            self.outbox,
            presence(),
            emit=self.said.append,
            rng=random.Random(1),
        )
        self.task = asyncio.create_task(self.publisher.run())

    def put(self, topic: str, payload: bytes, lane: Lane = Lane.LIVE, **more: Any) -> int | None:
        return self.outbox.put(
            Outgoing(topic=topic, payload=payload, lane=lane, **more), now_s=time.monotonic()
        )

    async def connected(self) -> None:
        await until(lambda: self.publisher.snapshot().is_connected, "connected")

    async def drained(self) -> None:
        await until(lambda: self.outbox.snapshot(now_s=0.0).depth == 0, "outbox is empty")

    def alarms(self) -> list[str]:
        return [each.kind for each in self.said if isinstance(each, Alarm)]

    async def kill(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    async def stop(self) -> None:
        if not self.task.done():
            await self.publisher.stop(drain_s=20)
        with contextlib.suppress(asyncio.CancelledError):
            await self.task


@pytest.fixture
async def gateway() -> AsyncIterator[Callable[..., Gateway]]:
    made: list[Gateway] = []

    def make(*arguments: Any, **settings: Any) -> Gateway:
        made.append(Gateway(*arguments, **settings))
        return made[-1]

    yield make
    for each in made:
        await each.stop()


@pytest.fixture
def subscriber() -> Iterator[Callable[..., Subscriber]]:
    made: list[Subscriber] = []

    def make(*arguments: Any, **settings: Any) -> Subscriber:
        made.append(Subscriber(*arguments, **settings))
        assert made[-1].is_subscribed.wait(10)
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    made = Certificates(tmp_path_factory.mktemp("certificates"))
    made.make()
    return made


def require_mosquitto() -> None:
    if find_mosquitto() is None:
        if os.environ.get("BDGW_REQUIRE") == "1":
            pytest.fail("mosquitto is required but not installed")
        pytest.skip("mosquitto is not installed")


@pytest.fixture
async def mosquitto(tmp_path: Path) -> AsyncIterator[Callable[..., Any]]:
    require_mosquitto()
    made: list[Mosquitto] = []

    async def make(*lines: str) -> Mosquitto:
        made.append(Mosquitto(tmp_path, *lines))
        await made[-1].start()
        return made[-1]

    yield make
    for each in made:
        each.kill()


@pytest.fixture
async def nats(tmp_path: Path) -> AsyncIterator[EmbeddedBroker]:
    async with EmbeddedBroker(tmp_path, rng=random.Random(1)) as broker:
        yield broker


@pytest.fixture
async def scripted() -> AsyncIterator[ScriptedBroker]:
    async with ScriptedBroker() as broker:
        yield broker


@pytest.fixture(params=["nats 3.1.1", "mosquitto 3.1.1", "mosquitto 5"])
async def any_broker(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Any]:
    """A real broker and the protocol version to speak to it."""
    name, version = request.param.split()
    if name == "nats":
        async with EmbeddedBroker(tmp_path, rng=random.Random(1)) as broker:
            yield broker, version
    else:
        require_mosquitto()
        mosquitto = Mosquitto(tmp_path)
        await mosquitto.start()
        yield mosquitto, version
        mosquitto.kill()
