"""Short messages through whole gateways: pseudo-terminals, a simulated satellite, real brokers.

What is asserted is what an integrator hears over MQTT, an operator sees over HTTP, and what the
satellite really carried.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bdgw.errors import ConfigError
from bdgw.hostclock import HostClock
from bdgw.shortmsg import card_desk
from bdgw.status import gateway as gateway_status
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
from tests.publish.brokers import Mosquitto, until
from tests.support.gateway_process import gateway_process

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
            answer = await at_ship.send("cmd.1:a_b-c", SHORE, "船已靠港,一切正常")
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


async def test_units_reach_a_terminal_of_an_older_system(tmp_path, clients):
    """The card of the ship may send 3,600 bits, the older system of the shore knows 1,680."""
    texts = ["东海浪高三米", "东海浪高三米", "水位正常,流量平稳。" * 14]
    older = peer("shore", SHORE, 'family = "bd2-2.1"')
    with satellite(
        tmp_path,
        terminal(tmp_path, "ship", SHIP, family="bd3"),
        terminal(tmp_path, "shore", SHORE),
    ) as air:
        async with (
            running(config(tmp_path, "ship", EMBEDDED, peers=older, family="bd3")) as ship,
            running(config(tmp_path, "shore", EMBEDDED, peers=peer("ship", SHIP))) as shore,
        ):
            await asyncio.gather(ready(ship), ready(shore))
            at_ship = clients(port_of(ship.gateway.broker_url), "ship")
            at_shore = clients(port_of(shore.gateway.broker_url), "shore")
            for number, text in enumerate(texts):
                answer = await at_ship.send(f"cmd-{number}", SHORE, text)
                await at_ship.becomes(answer["message"]["id"], "delivered")
            assert [one["text"] for one in at_shore.received()] == texts
        assert max(one["air_bits"] for one in air.finish()) <= 1680


VERSIONS = ("3.1.1", "5")


@pytest.fixture
async def broker(mosquitto) -> Mosquitto:
    made: Mosquitto = await mosquitto()
    return made


def at(broker: Mosquitto, version: str = "3.1.1") -> str:
    return f'url = "{broker.url}"\nversion = "{version}"'


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_long_message_and_answers_over_mosquitto(tmp_path, clients, broker, version):
    text = "水位正常,流量平稳。" * 8
    with both(tmp_path, level=4) as air:
        async with pair(tmp_path, at(broker, version)):
            at_ship = clients(broker.port, "ship", version=version)
            at_shore = clients(broker.port, "shore", version=version)
            answer_to = "answers/me" if version == "5" else None
            wanted = {"id": "cmd-1", "to": SHORE, "text": text}
            at_ship.command("send", wanted, answer_to=answer_to, correlation=b"\x07\x08")
            end = answer_to or "/reply/cmd-1"
            await until(lambda: at_ship.heard(end), "an answer")
            (answer,) = at_ship.heard(end)
            assert (answer["result"], answer["message"]["way"]) == ("accepted", "long")
            if version == "5":
                (raw,) = at_ship.raw(end)
                assert raw.properties.CorrelationData == b"\x07\x08"
                assert raw.properties.ContentType == "application/json"
                assert not at_ship.heard("/reply/cmd-1")
            await until(at_shore.received, "the text arrives")
            (heard,) = at_shore.received()
            assert (heard["text"], heard["is_long"]) == (text, True)
            assert heard["content_hex"] == heard["data_hex"] == text.encode().hex()
            await at_ship.becomes(answer["message"]["id"], "delivered")
        on_air = [one for one in air.finish() if one["from"] == SHIP]
        assert len(on_air) == answer["message"]["n_slots"]


async def test_a_message_that_comes_while_the_broker_is_away_is_published_later(
    tmp_path, clients, broker, mosquitto
):
    other = await mosquitto()
    with both(tmp_path) as air:
        async with (
            running(config(tmp_path, "ship", at(other))) as ship,
            running(config(tmp_path, "shore", at(broker))) as shore,
        ):
            await asyncio.gather(ready(ship), ready(shore))
            at_ship = clients(other.port, "ship")
            broker.kill()
            await shore.status_is(lambda s: not s["mqtt"]["is_connected"])
            await at_ship.send("1", SHORE, "有人吗")
            await shore.status_is(lambda s: s["terminals"][0]["n_received"])
            # Whoever asks over HTTP sees that it waits.
            await shore.status_is(lambda s: s["outbox"]["depth"] >= 1)
            await broker.start()
            at_shore = clients(broker.port, "shore")
            await until(at_shore.received, "it is published")
            await shore.status_is(lambda s: s["mqtt"]["is_connected"])
            await shore.status_is(lambda s: s["outbox"]["depth"] == 0)
            assert [one["text"] for one in at_shore.received()] == ["有人吗"]
            assert "again" not in at_shore.received()[0]
        assert len(air.finish()) == 1


async def test_what_was_never_handed_to_the_broker_is_published_after_a_crash(
    tmp_path, clients, broker, mosquitto
):
    other = await mosquitto()
    with both(tmp_path):
        text = config(tmp_path, "shore", at(broker))
        async with running(config(tmp_path, "ship", at(other))) as ship:
            async with running(text) as shore:
                await asyncio.gather(ready(ship), ready(shore))
                broker.kill()
                at_ship = clients(other.port, "ship")
                await at_ship.send("1", SHORE, "有人吗")
                await shore.status_is(lambda s: s["terminals"][0]["n_received"])
                await shore.status_is(lambda s: s["outbox"]["depth"] >= 1)
                await shore.kill()
            await broker.start()
            at_shore = clients(broker.port, "shore")
            async with running(text) as shore:
                await until(at_shore.received, "it is published")
                await shore.stop()
            # From the outbox, which had it on its disk, or from the ledger, or from both.
            heard = at_shore.received()
            assert {one["text"] for one in heard} == {"有人吗"}
            assert len({one["id"] for one in heard}) == 1
            async with running(text) as shore:
                await ready(shore)
                assert len(at_shore.received()) == len(heard), "nothing is told for ever"


async def test_a_restart_in_between_loses_nothing_and_repeats_nothing(
    tmp_path, clients, broker, monkeypatch
):
    # After a restart the interval is counted from the latest feedback that there can have been.
    monkeypatch.setattr(card_desk, "FEEDBACK_LIMIT_S", 1.0)
    with both(tmp_path) as air:
        text = config(tmp_path, "ship", at(broker), peers=peer("shore", SHORE))
        async with running(
            config(tmp_path, "shore", at(broker), peers=peer("ship", SHIP))
        ) as shore:
            at_ship, at_shore = clients(broker.port, "ship"), clients(broker.port, "shore")
            async with running(text) as ship:
                await asyncio.gather(ready(ship), ready(shore))
                ids = [
                    (await at_ship.send(f"{n}", SHORE, f"第{n}条"))["message"]["id"]
                    for n in range(2)
                ]
                await at_ship.becomes(ids[0], "on_air")
                await ship.stop()
                # The peer's receipt for it may come while nobody listens.
                assert "accepted_by_terminal" in at_ship.states(ids[0])
                assert "on_air" not in at_ship.states(ids[1])
            # What is asked meanwhile waits at the broker.
            at_ship.command("send", {"id": "late", "to": SHORE, "text": "第2条"})
            async with running(text) as ship:
                await until(lambda: at_ship.heard("/reply/late"), "the late one is answered")
                ids.append(at_ship.heard("/reply/late")[0]["message"]["id"])
                for message in ids[1:]:
                    await at_ship.becomes(message, "delivered")
        told = [one["text"] for one in at_shore.received()]
        assert sorted(told) == [f"第{n}条" for n in range(3)]
        assert len([one for one in air.finish() if one["from"] == SHIP]) == 3


async def test_a_kill_right_after_the_answer_does_not_keep_it_from_being_sent(
    tmp_path, clients, broker
):
    path = tmp_path / "ship.toml"
    path.write_text(config(tmp_path, "ship", at(broker)), encoding="utf-8")
    with both(tmp_path) as air:
        at_ship = clients(broker.port, "ship")
        with gateway_process(path) as process:
            await until(lambda: process.events("mqtt_connected"), "connected")
            # No card is known yet: it is accepted all the same.
            answer = await at_ship.send("1", SHORE, "船已靠港")
            assert answer["result"] == "accepted"
            assert await asyncio.to_thread(process.stop, signal.SIGKILL) == -signal.SIGKILL
        with gateway_process(path) as process:
            await at_ship.becomes(answer["message"]["id"], "accepted_by_terminal")
            again = await at_ship.send("1", SHORE, "船已靠港")
            assert again["result"] == "known"
            assert await asyncio.to_thread(process.stop) == 0
        assert len([one for one in air.finish() if one["from"] == SHIP]) == 1


async def test_a_terminal_that_is_unplugged_and_plugged_in_again(tmp_path, clients, broker):
    with both(tmp_path) as air:
        async with running(config(tmp_path, "ship", at(broker))) as ship:
            await ready(ship)
            at_ship = clients(broker.port, "ship")
            air.finish()
            await ship.status_is(lambda s: s["terminals"][0]["status"] == "closed")
            answer = await at_ship.send("1", SHORE, "断线")
            assert answer["result"] == "accepted"
            with both(tmp_path) as air_again:
                await at_ship.becomes(answer["message"]["id"], "accepted_by_terminal")
                assert (await ship.status())["terminals"][0]["status"] == "ready"
            assert len(air_again.finish()) == 1


async def test_a_card_that_is_swapped(tmp_path, clients, broker):
    with both(tmp_path) as air:
        async with running(config(tmp_path, "ship", at(broker))) as ship:
            await ready(ship)
            at_ship = clients(broker.port, "ship")
            card = {"address": 150001, "interval_s": 60, "level": 2}
            air.do(terminal="ship", fault="swap", card=card, for_s=0.1)
            air.do(terminal="ship", fault="reboot", boot_s=0.2)
            await ship.status_is(
                lambda s: (
                    s["terminals"][0].get("card", {}).get("address") == 150001
                    and s["terminals"][0]["status"] == "ready"
                )
            )
            answer = await at_ship.send("1", SHORE, "新卡")
            await at_ship.becomes(answer["message"]["id"], "accepted_by_terminal")
        assert [one["from"] for one in air.finish()] == [150001]


async def test_sealed_messages_and_no_trace_of_the_key(
    tmp_path, clients, broker, monkeypatch, capfd
):
    key = random.Random(5).randbytes(16).hex()
    (tmp_path / "keys").write_text(f"7 {key}\n")
    (tmp_path / "keys").chmod(0o600)
    monkeypatch.setattr(HostClock, "is_synchronised", lambda _: True)
    permissions = 'permissions = [{ commands = ["valve"], key_ids = [7] }]'
    groups = f'groups = [{{ name = "fleet", keys = {{ file = "{tmp_path}/keys" }} }}]\n'
    ship_text, shore_text = (
        config(tmp_path, name, at(broker), peers=peer(other, address, 'group = "fleet"'), more=more)
        for name, other, address, more in (
            ("ship", "shore", SHORE, groups),
            ("shore", "ship", SHIP, groups + permissions),
        )
    )
    with both(tmp_path) as air:
        async with running(ship_text) as ship, running(shore_text) as shore:
            await asyncio.gather(ready(ship), ready(shore))
            at_ship, at_shore = clients(broker.port, "ship"), clients(broker.port, "shore")
            answer = await at_ship.send("1", SHORE, "关闭三号阀门")
            assert answer["message"]["way"] == "sealed"
            await until(at_shore.received, "it arrives")
            (heard,) = at_shore.received()
            assert (heard["text"], heard["is_sealed"], heard["commands"]) == (
                "关闭三号阀门",
                True,
                ["valve"],
            )
            await at_ship.becomes(answer["message"]["id"], "delivered")
            seen = json.dumps([await ship.status(), await shore.status()])
        on_air = "".join(one["content"] for one in air.finish())
        assert "关闭三号阀门".encode("gbk").hex() not in on_air
    bad = ship_text.replace('keys" }', 'keys" }, send_with = 9')
    with pytest.raises(ConfigError) as refused:
        async with running(bad):
            pass
    out, errors = capfd.readouterr()
    said = "".join((seen, out, errors, str(refused.value), repr(refused.value)))
    said += (at_ship.everything() + at_shore.everything()).decode()
    kept = b"".join(path.read_bytes() for path in tmp_path.glob("state-*/**/*") if path.is_file())
    for secret in (key, key.upper()):
        assert secret not in said
        assert secret.encode() not in kept
        assert secret not in on_air
    assert bytes.fromhex(key) not in kept


async def test_healthz_and_status_tell_of_terminals(tmp_path, broker, monkeypatch):
    monkeypatch.setattr(gateway_status, "_TERMINAL_GRACE_S", 1.0)
    with satellite(tmp_path, terminal(tmp_path, "ship", SHIP)) as air:
        text = config(tmp_path, "ship", at(broker), terminals=("ship", "other"))
        async with running(text) as ship:
            await ready(ship)
            status = await ship.status()
            one, other = status["terminals"]
            assert (one["dev"], one["status"], one["family"]) == ("ship", "ready", "bd2-2.1")
            assert one["card"] == {
                "address": SHIP,
                "interval_s": 1,
                "level": 3,
                "is_encrypted": False,
                **{k: v for k, v in one["card"].items() if k not in ("address", "interval_s")},
            }
            assert one["port"]["status"] == "streaming"
            assert other["port"]["status"] == "down"
            assert "No such file" in other["port"]["reason"]
            assert status["devices"] == []
            assert await ship.health_code() == 200
            air.finish()
            full = await ship.status_is(lambda s: s["failures"])
            assert full["failures"] == ["terminals: none of 2 has been able to send for 1 s"]
            assert await ship.health_code() == 503
