"""What the broker has not got, as an operator is told over HTTP, and its repair."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

from tests.app.rig import Running, running
from tests.app.test_history import config, heard_on, spoken, values
from tests.publish.brokers import Mosquitto, Subscriber, until
from tests.publish.conftest import require_mosquitto
from tests.receivers.rig import Terminal

pytestmark = pytest.mark.usefixtures("brisk")
SMALL = "[outbox]\ncommit_interval_ms = 5\nbacklog_after_s = 0.1\nmax_items = 32"


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    with contextlib.closing(Terminal()) as made:
        yield made


async def undelivered(run: Running) -> list[dict[str, Any]]:
    gaps = await values(run, "/devices/a/gaps")
    listed: list[dict[str, Any]] = gaps["undelivered"]
    assert gaps["n_undelivered"] == sum(each["to_seq"] - each["from_seq"] + 1 for each in listed)
    return listed


async def repaired(run: Running, lost: dict[str, Any]) -> None:
    wanted = {name: lost[name] for name in ("boot", "from_seq", "to_seq")}
    answer = await values(run, "/devices/a/repair", wanted)
    assert answer["n_missing"] == 0


async def test_what_the_broker_refuses_is_told_until_it_is_repaired(tmp_path, terminal):
    require_mosquitto()
    acl = tmp_path / "acl"
    acl.write_text("topic read #\ntopic write bdgw/v1/yp-01/state/#\n", encoding="ascii")
    broker = Mosquitto(tmp_path, f"acl_file {acl}")
    await broker.start()
    text = config(tmp_path, terminal, broker.url)
    async with running(text) as run:
        await spoken(run, terminal, 0, 20)
        await run.status_is(lambda s: s["outbox"]["rejected"].get("not_authorized", 0) >= 21)
        (lost,) = await undelivered(run)
        assert lost["boot"] == (await run.status())["boot"]
        assert lost["reason"] == "not_authorized"
        assert lost["from_seq"] == 0
        assert lost["to_seq"] >= 19
    broker.kill()
    acl.write_text("topic readwrite #\n", encoding="ascii")
    await broker.start()
    with contextlib.closing(Subscriber(broker.port, "bdgw/v1/yp-01/dev/#")) as heard:
        assert heard.is_subscribed.wait(10)
        async with running(text) as run:
            # Another start of the gateway still knows; an epoch may have ended with the first one.
            (known,) = await undelivered(run)
            assert known["to_seq"] - lost["to_seq"] in {0, 1}
            assert known == {**lost, "to_seq": known["to_seq"]}
            lost = known
            await repaired(run, {**lost, "to_seq": 9})
            await until(lambda: len(heard_on(heard, "history/fix")) == 10, "ten sent again")
            await run.status_is(lambda s: s["outbox"]["depth"] == 0)
            assert await undelivered(run) == [{**lost, "from_seq": 10}]
            await repaired(run, lost)
            n_lost = lost["to_seq"] + 1
            await until(lambda: len(heard_on(heard, "history/fix")) == 10 + n_lost, "all of them")
            await run.status_is(lambda s: s["outbox"]["depth"] == 0)
            assert await undelivered(run) == []
        async with running(text) as run:
            assert await undelivered(run) == []
    broker.kill()


async def test_what_had_no_room_is_told_after_a_kill_and_can_be_sent(tmp_path, terminal):
    require_mosquitto()
    broker = Mosquitto(tmp_path)
    text = config(tmp_path, terminal, broker.url, SMALL)
    async with running(text) as run:
        for first in range(0, 100, 10):
            await spoken(run, terminal, first, 10)
        full = await run.status_is(
            lambda s: s["outbox"]["unsafe"] == 0 and not s["outbox"]["is_over_bound"]
        )
        boot, n = full["boot"], (await run.device("a"))["fixes"]
        (lost,) = await undelivered(run)
        # The newest are kept, and what is not kept is told: nothing is unsaid.
        assert (lost["boot"], lost["from_seq"], lost["reason"]) == (boot, 0, "superseded")
        assert n - 32 <= lost["to_seq"] + 1 < n
        assert full["outbox"]["dropped"] == {"superseded": lost["to_seq"] + 1}
        # What is given up is noted in the commit that deletes it, or within a second.
        await until(lambda: not run.gateway._outbox.losses.has_changed, "it is noted")
        await run.kill()
    await broker.start()
    with contextlib.closing(Subscriber(broker.port, "bdgw/v1/yp-01/dev/#")) as heard:
        assert heard.is_subscribed.wait(10)
        async with running(config(tmp_path, terminal, broker.url)) as run:
            assert await undelivered(run) == [lost]
            await repaired(run, lost)
            await until(
                lambda: {each["seq"] for each in heard_on(heard, "history/fix")} >= set(range(n)),
                "every fix of the first start",
            )
            await run.status_is(lambda s: s["outbox"]["depth"] == 0)
            assert await undelivered(run) == []
    broker.kill()
