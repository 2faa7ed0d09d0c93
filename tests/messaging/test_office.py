"""The owner of the service: what leaves for a terminal and when, over disks and lines that fail."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from bdgw.errors import EncodeError
from bdgw.model import Alarm
from bdgw.shortmsg.ledger import UnknownMessageError
from bdgw.shortmsg.outgoing import Peer
from tests.messaging.rig import HANDSET, SHIP, SHORE, Sky, Station, in_virtual_time, ring

TO_SHORE = Peer(name="shore", addresses=frozenset([SHORE]))
TO_SHIP = Peer(name="ship", addresses=frozenset([SHIP]))


def test_a_text_to_a_handset_is_accepted_by_the_terminal_and_no_more(tmp_path: Path) -> None:
    async def main(sky: Sky) -> None:
        async with Station(tmp_path, sky).running() as ship:
            await ship.ready()
            verdict, value = await ship.send(to=HANDSET, text="船已靠港")
            assert (verdict, value["state"], value["way"]) == ("accepted", "accepted", "plain")
            assert value["t_send"] < value["t_arrival"]
            await ship.until(lambda: sky.on_air(), "on air")
            await asyncio.sleep(60.0)
            told = ship.states(value["id"])
            assert told == ["accepted", "queued", "on_air", "accepted_by_terminal"]

    in_virtual_time(main)


def test_nothing_goes_to_the_port_before_on_air_is_on_the_disk(tmp_path: Path) -> None:
    async def main(sky: Sky) -> None:
        ship = Station(tmp_path, sky)
        async with ship.running():
            await ship.ready()
            _, value = await ship.send(to=HANDSET, text="x", valid_s=600)
            durable: list[str] = []

            def look() -> None:
                if b"$CCTXA" in ship.to_terminal and not durable:
                    with contextlib.closing(sqlite3.connect(tmp_path / "ledger.db")) as other:
                        rows = other.execute(
                            "SELECT event FROM step WHERE message_id = ? ORDER BY number",
                            (value["id"],),
                        )
                        durable.extend(name for (name,) in rows)

            ship.has_flushed = look
            await ship.until(lambda: durable, "a request goes to the terminal")
            assert durable == ["submitted", "queued", "on_air"]

    in_virtual_time(main)


def test_a_disk_that_fails_at_submit_refuses_and_nothing_is_sent(tmp_path: Path) -> None:
    async def main(sky: Sky) -> None:
        async with Station(tmp_path, sky).running() as ship:
            await ship.ready()
            await asyncio.sleep(5.0)
            sky.disk.fail_at = 0
            verdict, value = await ship.send(to=HANDSET, text="x")
            assert (verdict, value["cause"]) == ("refused_for_now", "store")
            sky.disk.fail_at = None
            await asyncio.sleep(300.0)
            assert sky.on_air() == 0
            verdict, _ = await ship.send(to=HANDSET, text="y")
            assert verdict == "accepted"
            await ship.until(lambda: sky.on_air() == 1, "the next one goes")

    in_virtual_time(main)


def test_what_the_disk_did_not_take_is_no_trouble_at_its_deadline(tmp_path: Path) -> None:
    async def main(sky: Sky) -> None:
        async with Station(tmp_path, sky).running() as ship:
            await ship.ready()
            ship.unplug()
            sky.disk.fail_at = 0
            verdict, _ = await ship.send(to=HANDSET, text="x", valid_s=30.0, supersede_key="k")
            assert verdict == "refused_for_now"
            sky.disk.fail_at = None
            verdict, value = await ship.send(to=HANDSET, text="y", supersede_key="k")
            assert verdict == "accepted"
            assert "superseded" not in value
            await asyncio.sleep(120.0)
            assert not ship.end().done()

    in_virtual_time(main)


def test_a_disk_that_fails_at_on_air_sends_nothing_and_tries_again(tmp_path: Path) -> None:
    async def main(sky: Sky) -> None:
        async with Station(tmp_path, sky).running() as ship:
            await ship.ready()
            await ship.send(to=HANDSET, text="takes the slot")
            _, value = await ship.send(to=HANDSET, text="x")
            await ship.until(lambda: sky.on_air() == 1, "the first goes")
            await asyncio.sleep(10.0)
            sky.disk.fail_at = 0
            await asyncio.sleep(90.0)
            assert sky.on_air() == 1
            assert sky.disk.n_failed
            sky.disk.fail_at = None
            await ship.until(lambda: "accepted_by_terminal" in ship.states(value["id"]), "sent")
            assert sky.on_air() == 2
            answer = await ship.desk.show(value["id"])
            assert answer.value["n_sends"] == 1
            assert not answer.value["possibly_sent"]

    in_virtual_time(main)


def test_a_message_that_comes_while_the_disk_fails_is_told_when_it_is_safe(tmp_path: Path) -> None:
    async def main(sky: Sky) -> None:
        ship = Station(tmp_path / "a", sky)
        shore = Station(tmp_path / "b", sky, name="shore", address=SHORE)
        async with ship.running(), shore.running():
            await asyncio.gather(ship.ready(), shore.ready())
            await ship.send(to=SHORE, text="收到请回")
            await ship.until(lambda: sky.on_air(), "on air")
            sky.disk.fail_at = 0
            await ship.until(lambda: shore.exchange.terminals()[0].n_received, "it comes")
            await asyncio.sleep(20.0)
            assert shore.received() == []
            sky.disk.fail_at = None
            await shore.until(shore.received, "it is told")
            (heard,) = shore.received()
            assert heard.kept.text == "收到请回"

    in_virtual_time(main)


def test_the_stop_waits_for_the_terminal_and_tells_what_comes_meanwhile(tmp_path: Path) -> None:
    async def main(sky: Sky) -> None:
        ship = Station(tmp_path / "a", sky)
        shore = Station(tmp_path / "b", sky, name="shore", address=SHORE)
        async with ship.running(), shore.running():
            await asyncio.gather(ship.ready(), shore.ready())
            await asyncio.sleep(5.0)
            _, first = await ship.send(to=HANDSET, text="1")
            _, second = await ship.send(to=HANDSET, text="2")
            await shore.send(to=SHIP, text="早")
            await ship.until(lambda: "on_air" in ship.states(first["id"]), "on air")
            sky.network.change(delay_s=(0.5, 0.6))
            began_s = sky.clock.monotonic_s()
            await ship.exchange.settle()
            assert 0.5 < sky.clock.monotonic_s() - began_s < 16.0
            # By now all of it is told, and not some time later.
            assert ship.states(first["id"])[-1] == "accepted_by_terminal"
            await ship.until(ship.received, "what came while it stopped", limit_s=20.0)
            await asyncio.sleep(200.0)
            assert ship.states(second["id"])[-1] == "queued"

    in_virtual_time(main)


def test_a_stop_in_the_commit_of_on_air_leaves_nothing_possibly_sent(tmp_path: Path) -> None:
    ids: list[str] = []

    async def first(sky: Sky) -> None:
        async with Station(tmp_path, sky).running() as ship:
            await ship.ready()
            _, value = await ship.send(to=HANDSET, text="x")
            ids.append(value["id"])
            # The run is cancelled while it is being written.
            while not ship.exchange.office._dispatching:  # noqa: ASYNC110 - nobody tells of it
                await asyncio.sleep(0)

    async def second(sky: Sky) -> None:
        async with Station(tmp_path, sky).running() as ship:
            answer = await ship.desk.show(ids[0])
            assert not answer.value["possibly_sent"]
            await ship.until(lambda: "accepted_by_terminal" in ship.states(ids[0]), "sent")
            assert sky.on_air() == 1

    in_virtual_time(first)
    in_virtual_time(second, behind_s=500.0)


def test_a_request_that_the_terminal_cannot_carry_is_refused_for_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cannot(*_: Any, **__: Any) -> int:
        raise EncodeError("a command that silences a terminal stands in it")

    async def main(sky: Sky) -> None:
        async with Station(tmp_path, sky).running() as ship:
            await ship.ready()
            monkeypatch.setattr(ship.port.session, "submit", cannot)
            _, value = await ship.send(to=HANDSET, text="x")
            await ship.until(lambda: "refused" in ship.states(value["id"]), "refused")
            answer = await ship.desk.show(value["id"])
            assert answer.value["retryable"] is False
            assert "silences" in answer.value["cause"]
            monkeypatch.undo()
            _, other = await ship.send(to=HANDSET, text="y")
            await ship.until(lambda: "accepted_by_terminal" in ship.states(other["id"]), "sent")

    in_virtual_time(main)


def test_a_terminal_that_reconnects_keeps_its_interval(tmp_path: Path) -> None:
    async def main(sky: Sky) -> None:
        async with Station(tmp_path, sky).running() as ship:
            await ship.ready()
            await ship.send(to=HANDSET, text="1")
            await ship.send(to=HANDSET, text="2")
            await ship.until(lambda: sky.on_air() == 1, "the first goes")
            await asyncio.sleep(10.0)
            ship.unplug()
            await asyncio.sleep(5.0)
            ship.plug()
            await ship.until(lambda: sky.on_air() == 2, "the second goes")
            one, two = (message.t_s for message in sky.network.truth)
            assert 60.0 < two - one < 80.0
            assert sky.network.terminals["ship"].counters.get("refused", 0) == 0

    in_virtual_time(main)


def test_a_terminal_that_is_pulled_in_the_middle_of_a_request(tmp_path: Path) -> None:
    async def main(sky: Sky) -> None:
        async with Station(tmp_path, sky).running() as ship:
            await ship.ready()
            _, value = await ship.send(to=HANDSET, text="1")
            await ship.until(lambda: ship.port.session.is_sending, "asked")
            ship.unplug()
            await asyncio.sleep(1.0)
            assert ship.states(value["id"])[-1] == "refused"
            answer = await ship.desk.show(value["id"])
            assert (answer.value["cause"], answer.value["possibly_sent"]) == ("possibly_sent", True)
            ship.plug()
            await asyncio.sleep(200.0)
            assert sky.on_air() == 1

    in_virtual_time(main)


def test_two_gateways_deliver_a_long_message_and_its_ledger_has_what_was_said(
    tmp_path: Path,
) -> None:
    async def main(sky: Sky) -> None:
        ship = Station(tmp_path / "a", sky, peers=(TO_SHORE,))
        shore = Station(tmp_path / "b", sky, name="shore", address=SHORE, peers=(TO_SHIP,))
        async with ship.running(), shore.running():
            await asyncio.gather(ship.ready(), shore.ready())
            text = "水位正常。" * 30
            _, value = await ship.send(to=SHORE, text=text)
            assert (value["way"], value["n_slots"]) == ("long", 5)
            await ship.until(lambda: "delivered" in ship.states(value["id"]), "delivered", 2000.0)
            (heard,) = shore.received()
            assert (heard.incoming.text, heard.incoming.peer) == (text, "ship")
            assert heard.kept.content == text.encode()
            assert heard.kept.raw[1:] == text.encode("gbk")

    in_virtual_time(main)


def test_an_alarm_for_a_terminal_that_hears_nothing(tmp_path: Path) -> None:
    async def main(sky: Sky) -> None:
        async with Station(tmp_path, sky).running() as ship:
            await ship.ready()
            sky.network.fault("ship", "deaf")
            await ship.until(
                lambda: any(isinstance(event, Alarm) for event in ship.told), "an alarm"
            )
            alarm = next(event for event in ship.told if isinstance(event, Alarm))
            assert alarm.kind.startswith("terminal_")
            assert alarm.device == "t1"

    in_virtual_time(main)


def test_cancel_on_a_failing_disk_leaves_the_message_where_it_was(tmp_path: Path) -> None:
    async def main(sky: Sky) -> None:
        async with Station(tmp_path, sky).running() as ship:
            await ship.ready()
            await ship.send(to=HANDSET, text="1")
            _, value = await ship.send(to=HANDSET, text="2")
            await ship.until(lambda: sky.on_air() == 1, "the first goes")
            await asyncio.sleep(10.0)
            sky.disk.fail_at = 0
            answer = await ship.desk.cancel(value["id"])
            assert answer.value["cause"] == "store"
            sky.disk.fail_at = None
            await ship.until(
                lambda: "accepted_by_terminal" in ship.states(value["id"]), "it is sent", 200.0
            )

    in_virtual_time(main)


def test_cancel(tmp_path: Path) -> None:
    async def main(sky: Sky) -> None:
        async with Station(tmp_path, sky).running() as ship:
            await ship.ready()
            _, first = await ship.send(to=HANDSET, text="1")
            _, second = await ship.send(to=HANDSET, text="2")
            await ship.until(lambda: sky.on_air() == 1, "the first goes")
            assert (await ship.desk.cancel(second["id"])).verdict == "done"
            assert (await ship.desk.cancel(second["id"])).verdict == "conflict"
            assert (await ship.desk.cancel(first["id"])).verdict == "conflict"
            assert (await ship.desk.cancel("nothing")).verdict == "not_found"
            with pytest.raises(UnknownMessageError):
                ship.exchange.office.ledger.get("nothing")
            await asyncio.sleep(200.0)
            assert sky.on_air() == 1

    in_virtual_time(main)


def test_forecast(tmp_path: Path) -> None:
    async def main(sky: Sky) -> None:
        async with Station(tmp_path, sky).running() as ship:
            await ship.ready()
            await ship.send(to=HANDSET, text="1")
            _, second = await ship.send(to=HANDSET, text="2")
            shown = (await ship.desk.show(second["id"])).value
            assert shown["t_send"][:21] == second["t_send"][:21]
            assert shown["direction"] == "out"
            await ship.until(lambda: sky.on_air() == 2, "sent")
            await asyncio.sleep(10.0)
            assert "t_send" not in (await ship.desk.show(second["id"])).value

    in_virtual_time(main)


def test_a_ledger_that_is_damaged_while_running_is_trouble(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main(sky: Sky) -> None:
        async with Station(tmp_path, sky).running() as ship:
            await ship.ready()
            assert ship.exchange.trouble(grace_s=30.0) is None
            sky.disk.fail_code = sqlite3.SQLITE_CORRUPT
            sky.disk.fail_at = 0
            await ship.send(to=HANDSET, text="x")
            assert "ledger.db" in (ship.exchange.trouble(grace_s=30.0) or "")
            assert not ship.end().done()

    in_virtual_time(main)


def test_without_a_clock_what_is_to_be_sealed_waits_and_that_is_said(tmp_path: Path) -> None:
    async def main(sky: Sky) -> None:
        peer = Peer(name="shore", addresses=frozenset([SHORE]), group="fleet")
        ship = Station(tmp_path, sky, peers=(peer,), ring=ring(), is_clock_trusted=False)
        async with ship.running():
            await ship.ready()
            _, value = await ship.send(to=SHORE, text="x")
            await asyncio.sleep(100.0)
            assert ship.states(value["id"])[-1] == "queued"
            alarms = [event.kind for event in ship.told if isinstance(event, Alarm)]
            assert alarms == ["shortmsg_no_clock"]

    in_virtual_time(main)


def test_a_full_disk_is_in_the_status_at_once_and_trouble_after_its_grace(tmp_path: Path) -> None:
    async def main(sky: Sky) -> None:
        async with Station(tmp_path, sky).running() as ship:
            await ship.ready()
            assert ship.exchange.counts()["ledger"] == {"is_writable": True, "waiting": 0}
            sky.disk.fail_at = 0
            assert (await ship.send(to=HANDSET, text="x"))[0] == "refused_for_now"
            state = ship.exchange.counts()["ledger"]
            assert (state["is_writable"], "full" in state["reason"]) == (False, True)
            await asyncio.sleep(29.0)
            assert ship.exchange.trouble(grace_s=30.0) is None
            await asyncio.sleep(5.0)
            assert "nothing written for" in (ship.exchange.trouble(grace_s=30.0) or "")
            # Nobody hands in anything, and yet it is seen that there is room again.
            sky.disk.fail_at = None
            await asyncio.sleep(6.0)
            assert ship.exchange.trouble(grace_s=30.0) is None
            assert ship.exchange.counts()["ledger"]["is_writable"]

    in_virtual_time(main)
