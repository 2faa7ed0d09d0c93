"""What subscribers hear at least once: events between the ledger and the broker, over crashes."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from bdgw.hub import MessageReceived
from bdgw.publish.message_payload import received_payload, status_payload
from bdgw.shortmsg.authority import Permission
from bdgw.shortmsg.key import KeyRing
from bdgw.shortmsg.outgoing import Peer
from tests.messaging.rig import HANDSET, SHIP, SHORE, Sky, Station, in_virtual_time, ring

TO_SHORE = Peer(name="shore", addresses=frozenset([SHORE]), group="fleet")
TO_SHIP = Peer(name="ship", addresses=frozenset([SHIP]), group="fleet")
LATER_S = 10_000.0


def heard(station: Station, *, again: bool | None = None) -> list[dict[str, Any]]:
    """What was put into the outbox of messages in."""
    events = [e for e in station.received() if again is None or e.is_again is again]
    return [json.loads(received_payload(station.name, event)) for event in events]


def test_what_the_broker_never_had_is_told_again_and_only_that(tmp_path: Path) -> None:
    first_heard: list[dict[str, Any]] = []

    async def first(sky: Sky) -> None:
        ship = Station(tmp_path / "a", sky)
        shore = Station(tmp_path / "b", sky, name="shore", address=SHORE)
        async with ship.running(), shore.running():
            await asyncio.gather(ship.ready(), shore.ready())
            await ship.send(to=SHORE, text="一")
            await shore.until(shore.received, "the first comes")
            shore.broker_takes_all()
            await asyncio.sleep(5.0)  # the cursor moves
            await ship.send(to=SHORE, text="二")
            await ship.send(to=SHORE, text="三")
            await shore.until(lambda: len(shore.received()) == 3, "all came")
            first_heard.extend(heard(shore))
            # The third reaches the broker, the second does not: neither is behind the cursor.
            *_, last = shore.outbox.take(10)
            shore.outbox.ack(last.id)
            await asyncio.sleep(5.0)

    async def second(sky: Sky) -> None:
        shore = Station(tmp_path / "b", sky, name="shore", address=SHORE)
        async with shore.running():
            await shore.until(lambda: len(shore.received()) == 2, "told again")
            wanted = [{**one, "again": True} for one in first_heard[1:]]
            assert heard(shore) == wanted
            shore.broker_takes_all()

    async def third(sky: Sky) -> None:
        shore = Station(tmp_path / "b", sky, name="shore", address=SHORE)
        async with shore.running():
            await asyncio.sleep(60.0)
            assert shore.received() == []

    in_virtual_time(first)
    in_virtual_time(second, behind_s=LATER_S)
    in_virtual_time(third, behind_s=2 * LATER_S)


def test_the_final_state_of_a_message_is_told_again(tmp_path: Path) -> None:
    ids: list[str] = []

    async def first(sky: Sky) -> None:
        async with Station(tmp_path, sky).running() as ship:
            await ship.ready()
            _, early = await ship.send(to=HANDSET, text="1")
            await ship.until(lambda: "accepted_by_terminal" in ship.states(early["id"]), "sent")
            ship.broker_takes_all()
            await asyncio.sleep(5.0)
            _, late = await ship.send(to=HANDSET, text="2")
            await ship.until(lambda: "accepted_by_terminal" in ship.states(late["id"]), "sent")
            _, waiting = await ship.send(to=HANDSET, text="3")
            ids.extend((early["id"], late["id"], waiting["id"]))

    async def second(sky: Sky) -> None:
        async with Station(tmp_path, sky).running() as ship:
            await ship.until(lambda: ship.states(ids[2]), "told again")
            assert ship.states(ids[0]) == []
            assert ship.states(ids[1]) == ["accepted_by_terminal"]
            told = next(event for event in ship.told if not isinstance(event, MessageReceived))
            value = json.loads(status_payload("ship", told))  # type: ignore[arg-type]
            assert (value["id"], value["again"], value["settled"]) == (ids[1], True, True)
            assert [step["event"] for step in value["steps"]] == [
                "submitted",
                "queued",
                "on_air",
                "unit_accepted",
            ]
            assert value["revision"] == 4

    in_virtual_time(first)
    in_virtual_time(second, behind_s=LATER_S)


def test_a_ledger_of_before_the_cursor_is_not_told_anew(tmp_path: Path) -> None:
    async def first(sky: Sky) -> None:
        ship = Station(tmp_path / "a", sky)
        shore = Station(tmp_path / "b", sky, name="shore", address=SHORE)
        async with ship.running(), shore.running():
            await asyncio.gather(ship.ready(), shore.ready())
            await ship.send(to=SHORE, text="一")
            await shore.until(shore.received, "it comes")
            # As if a bdgw without a feed had written it.
            await shore.exchange.office._store.fetch(lambda reader: reader.values())
        import sqlite3

        with sqlite3.connect(tmp_path / "b" / "ledger.db") as other:
            other.execute("DELETE FROM value WHERE name = 'feed/cursor'")
        other.close()

    async def second(sky: Sky) -> None:
        shore = Station(tmp_path / "b", sky, name="shore", address=SHORE)
        async with shore.running():
            await asyncio.sleep(60.0)
            assert shore.received() == []

    in_virtual_time(first)
    in_virtual_time(second, behind_s=LATER_S)


def secure_pair(tmp_path: Path, sky: Sky, keys: KeyRing) -> tuple[Station, Station]:
    ship = Station(tmp_path / "a", sky, peers=(TO_SHORE,), ring=keys)
    shore = Station(
        tmp_path / "b",
        sky,
        name="shore",
        address=SHORE,
        peers=(TO_SHIP,),
        ring=keys,
        permissions=(
            Permission(
                commands=frozenset(["valve"]), senders=frozenset([SHIP]), key_ids=frozenset(keys)
            ),
        ),
    )
    return ship, shore


def test_a_sealed_message_is_told_again_as_it_was_told(tmp_path: Path) -> None:
    first_heard: list[dict[str, Any]] = []

    async def first(sky: Sky) -> None:
        ship, shore = secure_pair(tmp_path, sky, ring())
        async with ship.running(), shore.running():
            await asyncio.gather(ship.ready(), shore.ready())
            _, value = await ship.send(to=SHORE, text="关闭三号阀门")
            assert value["way"] == "sealed"
            await ship.send(to=SHORE, data_hex="0102030405")
            await shore.until(lambda: len(shore.received()) == 2, "both come", 3000.0)
            first_heard.extend(heard(shore))

    async def second(sky: Sky) -> None:
        _, shore = secure_pair(tmp_path, sky, ring())
        async with shore.running():
            await shore.until(lambda: len(shore.received()) == 2, "told again")
            assert heard(shore) == [{**one, "again": True} for one in first_heard]

    in_virtual_time(first)
    one, other = sorted(first_heard, key=lambda told: "text" not in told)
    assert (one["text"], one["is_sealed"], one["commands"]) == ("关闭三号阀门", True, ["valve"])
    assert one["content_hex"] == one["data_hex"] == "关闭三号阀门".encode().hex()
    assert "关闭三号阀门".encode("gbk").hex() not in one["raw_hex"]
    assert other["data_hex"] == "0102030405"
    in_virtual_time(second, behind_s=LATER_S)


def test_a_seal_that_was_not_good_is_not_told_again_either(tmp_path: Path) -> None:
    async def first(sky: Sky) -> None:
        ship, _ = secure_pair(tmp_path, sky, ring())
        sky.stations.pop()
        other = Station(
            tmp_path / "b",
            sky,
            name="shore",
            address=SHORE,
            peers=(TO_SHIP,),
            ring=ring(2),
        )
        async with ship.running(), other.running():
            await asyncio.gather(ship.ready(), other.ready())
            await ship.send(to=SHORE, text="秘密")
            await other.until(lambda: other.exchange.office.n_lost, "it comes", 3000.0)
            assert other.received() == []

    async def second(sky: Sky) -> None:
        _, shore = secure_pair(tmp_path, sky, ring(2))
        async with shore.running():
            await asyncio.sleep(60.0)
            assert shore.received() == []

    in_virtual_time(first)
    in_virtual_time(second, behind_s=LATER_S)


def test_what_a_peer_had_sent_before_is_a_repeat_also_when_told_again(tmp_path: Path) -> None:
    first_heard: list[dict[str, Any]] = []
    peer = Peer(name="ship", addresses=frozenset([SHIP]))

    async def first(sky: Sky) -> None:
        # The ship does not know the shore as a peer, so it sends plain texts, the same twice.
        ship = Station(tmp_path / "a", sky)
        shore = Station(tmp_path / "b", sky, name="shore", address=SHORE, peers=(peer,))
        async with ship.running(), shore.running():
            await asyncio.gather(ship.ready(), shore.ready())
            await ship.send(to=SHORE, text="一")
            await shore.until(lambda: len(shore.received()) == 1, "it comes")
            await ship.send(to=SHORE, text="一")
            await shore.until(lambda: len(shore.received()) == 2, "it comes again")
            first_heard.extend(heard(shore))

    async def second(sky: Sky) -> None:
        shore = Station(tmp_path / "b", sky, name="shore", address=SHORE, peers=(peer,))
        async with shore.running():
            await shore.until(lambda: len(shore.received()) == 2, "told again")
            assert heard(shore) == [{**one, "again": True} for one in first_heard]

    in_virtual_time(first)
    assert [one.get("is_repeat") for one in first_heard] == [None, True]
    in_virtual_time(second, behind_s=LATER_S)


def test_a_disk_that_refuses_the_cursor_only_makes_more_be_told_again(tmp_path: Path) -> None:
    async def first(sky: Sky) -> None:
        async with Station(tmp_path, sky).running() as ship:
            await ship.ready()
            _, value = await ship.send(to=HANDSET, text="1")
            await ship.until(lambda: "accepted_by_terminal" in ship.states(value["id"]), "sent")
            sky.disk.fail_at = 0
            ship.broker_takes_all()
            await asyncio.sleep(20.0)
            assert not ship.end().done()

    async def second(sky: Sky) -> None:
        async with Station(tmp_path, sky).running() as ship:
            await ship.until(lambda: ship.told, "told again")

    in_virtual_time(first)
    in_virtual_time(second, behind_s=LATER_S)
