"""Short messages through whole gateways: pseudo-terminals, a simulated satellite, real brokers.

What is asserted is what an integrator hears over MQTT, an operator sees over HTTP, and what the
satellite really carried.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.app.message_rig import (
    FAMILIES,
    SHIP,
    SHORE,
    Client,
    Satellite,
    config,
    peer,
    port_of,
    satellite,
    terminal,
)
from tests.app.rig import Running, running
from tests.publish.brokers import until

pytestmark = pytest.mark.usefixtures("brisk")
EMBEDDED = 'url = "embedded"\nlisten = "127.0.0.1:0"'


@pytest.fixture
def clients() -> Iterator[Callable[..., Client]]:
    made: list[Client] = []

    def make(port: int, gateway: str, **more: Any) -> Client:
        made.append(Client(port, gateway, **more))
        return made[-1]

    yield make
    for each in made:
        each.close()


async def ready(run: Running, *, n: int = 1) -> None:
    await run.status_is(
        lambda s: (
            sum(one["status"] == "ready" for one in s["terminals"]) == n
            and s["mqtt"]["is_connected"]
        )
    )


@contextlib.asynccontextmanager
async def pair(
    folder: Path, broker: str, *, ship: str = "", shore: str = "", family: str = "bd2-2.1"
) -> AsyncIterator[tuple[Running, Running]]:
    """Both gateways at one broker, each the other's peer; ``ship`` and ``shore`` say more."""
    async with (
        running(
            config(folder, "ship", broker, peers=peer("shore", SHORE), more=ship, family=family)
        ) as a,
        running(
            config(folder, "shore", broker, peers=peer("ship", SHIP), more=shore, family=family)
        ) as b,
    ):
        await asyncio.gather(ready(a), ready(b))
        yield a, b


def both(folder: Path, **more: Any) -> contextlib.AbstractContextManager[Satellite]:
    return satellite(
        folder, terminal(folder, "ship", SHIP, **more), terminal(folder, "shore", SHORE, **more)
    )


@pytest.mark.parametrize("family", FAMILIES)
async def test_a_chinese_text_goes_from_a_client_of_one_to_a_client_of_the_other(
    tmp_path, clients, family
):
    with both(tmp_path, family=family) as air:
        async with pair(tmp_path, EMBEDDED, family=family) as (ship, shore):
            at_ship = clients(port_of(ship.gateway.broker_url), "ship")
            at_shore = clients(port_of(shore.gateway.broker_url), "shore")
            answer = await at_ship.send("cmd-1", SHORE, "船已靠港,一切正常")
            assert answer["result"] == "accepted"
            message = answer["message"]["id"]
            await until(at_shore.received, "the text arrives")
            (heard,) = at_shore.received()
            assert (heard["text"], heard["from"], heard["peer"]) == (
                "船已靠港,一切正常",
                SHIP,
                "ship",
            )
            assert heard["terminal"] == "shore"
            # Only the other gateway's receipt delivers.
            await at_ship.becomes(message, "delivered")
            assert at_ship.states(message)[-2:] == ["accepted_by_terminal", "delivered"]
            shown = (await ship.status())["terminals"]
            assert shown[0]["card"]["address"] == SHIP
            assert await ship.health_code() == 200
        assert len([one for one in air.finish() if one["from"] == SHIP]) == 1
