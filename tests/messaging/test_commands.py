"""Commands by MQTT: what is answered where, and when the broker may forget them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bdgw.messaging import mqtt_command
from tests.messaging.rig import HANDSET, Sky, Station, command, in_virtual_time

ROOT = "bdgw/v1/ship/shortmsg/command"


async def answered(ship: Station, made: Any, n: int = 1) -> dict[str, Any]:
    """Give a command to a station; the newest answer once there are ``n``."""
    assert ship.exchange.on_command(made)
    await ship.until(lambda: len(ship.replies) >= n, "an answer")
    return ship.replies[-1][1]


def test_a_send_is_answered_and_acknowledged_when_it_is_safe(tmp_path: Path) -> None:
    async def main(sky: Sky) -> None:
        async with Station(tmp_path, sky).running() as ship:
            await ship.ready()
            made, acknowledged = command("send", {"id": "c-1", "to": "0300001", "text": "早"})
            answer = await answered(ship, made)
            assert ship.replies[0][0] == f"{ROOT}/reply/c-1"
            assert (answer["id"], answer["result"]) == ("c-1", "accepted")
            assert answer["message"]["state"] == "accepted"
            assert acknowledged == [True]
            shown = await ship.desk.show(answer["message"]["id"])
            assert (shown.value["origin"], shown.value["key"]) == ("mqtt", "mqtt/c-1")

    in_virtual_time(main)


def test_a_command_twice_is_one_message(tmp_path: Path) -> None:
    async def main(sky: Sky) -> None:
        async with Station(tmp_path, sky).running() as ship:
            await ship.ready()
            body = {"id": "c-1", "to": HANDSET, "text": "早"}
            first = await answered(ship, command("send", body)[0])
            made, acknowledged = command("send", body)
            second = await answered(ship, made, 2)
            assert second["result"] == "known"
            assert second["message"]["id"] == first["message"]["id"]
            assert acknowledged
            other = await answered(ship, command("send", {**body, "text": "晚"})[0], 3)
            assert (other["result"], other["message"]["cause"]) == ("conflict", "key_conflict")
            bad = await answered(ship, command("send", {**body, "supersede_key": "\a"})[0], 4)
            assert (bad["result"], bad["message"]["cause"]) == ("refused", "bad_submission")
            await asyncio.sleep(200.0)
            assert sky.on_air() == 1

    in_virtual_time(main)


def test_a_key_of_the_sender_goes_before_the_id_of_the_command(tmp_path: Path) -> None:
    async def main(sky: Sky) -> None:
        async with Station(tmp_path, sky).running() as ship:
            await ship.ready()
            body = {"to": HANDSET, "text": "早", "idempotency_key": "k"}
            first = await answered(ship, command("send", {"id": "1", **body})[0])
            second = await answered(ship, command("send", {"id": "2", **body})[0], 2)
            assert second["message"]["id"] == first["message"]["id"]

    in_virtual_time(main)


def test_a_retained_command_is_ignored_and_acknowledged(tmp_path: Path) -> None:
    async def main(sky: Sky) -> None:
        async with Station(tmp_path, sky).running() as ship:
            await ship.ready()
            body = {"id": "c-1", "to": HANDSET, "text": "早"}
            made, acknowledged = command("send", body, is_retained=True)
            assert ship.exchange.on_command(made)
            await ship.until(lambda: acknowledged, "acknowledged")
            assert ship.replies == []
            await asyncio.sleep(100.0)
            assert sky.on_air() == 0

    in_virtual_time(main)


def test_a_full_queue_leaves_commands_to_the_broker(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(mqtt_command, "_WAITING_MAX", 2)

    async def main(sky: Sky) -> None:
        async with Station(tmp_path, sky).running() as ship:
            await ship.ready()
            made = [command("send", {"id": f"c-{n}", "to": HANDSET, "text": f"{n}"}) for n in "123"]
            for each, _ in made:
                assert ship.exchange.on_command(each)
            await ship.until(lambda: len(ship.replies) == 2, "two answers")
            assert [bool(acknowledged) for _, acknowledged in made] == [True, True, False]
            assert ship.exchange.commands.counts["left_to_the_broker"] == 1

    in_virtual_time(main)


def test_mqtt_5_names_where_the_answer_goes(tmp_path: Path) -> None:
    async def main(sky: Sky) -> None:
        async with Station(tmp_path, sky).running() as ship:
            await ship.ready()
            where: dict[str, Any] = {"response_topic": "answers/me", "correlation": b"\x00\x01"}
            await answered(ship, command("send", {"id": "1", "to": 1, "text": "x"}, **where)[0])
            topic, _, correlation = ship.replies[0]
            assert (topic, correlation) == ("answers/me", b"\x00\x01")
            # Where nobody could be told by the id, somebody still can by the topic.
            refused = await answered(ship, command("send", b"{", **where)[0], 2)
            assert refused["result"] == "refused"
            assert "id" not in refused

    in_virtual_time(main)


@pytest.mark.parametrize("topic", ["bdgw/v1/ship/dev/a/fix", f"{ROOT}/send", "bdgw/v1/ship"])
def test_an_answer_is_no_way_to_speak_in_the_name_of_the_gateway(
    tmp_path: Path, topic: str
) -> None:
    async def main(sky: Sky) -> None:
        async with Station(tmp_path, sky).running() as ship:
            await ship.ready()
            body = {"id": "c-1", "to": HANDSET, "text": "x"}
            await answered(ship, command("send", body, response_topic=topic)[0])
            assert ship.replies[0][0] == f"{ROOT}/reply/c-1"

    in_virtual_time(main)


BAD = [
    (b"", "not a JSON object"),
    (b"[]", "not a JSON object"),
    (b"\xff", "not a JSON object"),
    (b"[" * 100_000, "not a JSON object"),
    (b'{"id":"1","x":' + b"[" * 100_000, "not a JSON object"),
    (b'{"id":"1","to":123456789012345678901234567890,"text":"x"}', "to"),
    (b'{"id":"1","to":1,"text":"x","n_repeats":123456789012345678901234567890}', "n_repeats"),
    (b'{"to":1,"text":"x"}', "id"),
    (b'{"id":"","to":1,"text":"x"}', "id"),
    (b'{"id":"a/b","to":1,"text":"x"}', "id"),
    (b'{"id":"a\\n","to":1,"text":"x"}', "id"),
    (b'{"id":7,"to":1,"text":"x"}', "id"),
    (b'{"id":"1","to":1,"text":"x","colour":1}', "colour"),
    (b'{"id":"1","to":1}', "either text or data"),
    (b'{"id":"1","to":1,"text":"x","valid_s":1e300}', "valid_s"),
    (b'{"id":"1","to":1,"text":"x","valid_s":1e12}', "valid_s"),
    (b'{"id":"1","to":1,"text":"x","supersede_key":"\\u0007"}', "supersede_key"),
    (b'{"id":"1","to":1,"text":"x","valid_s":-1}', "valid_s"),
    (b'{"id":"1","to":"1a","text":"x"}', "to is an address"),
    (b'{"id":"1","to":1,"data_hex":"0"}', "data_hex"),
]


@pytest.mark.parametrize(("body", "word"), BAD)
def test_what_makes_no_sense_is_refused_and_acknowledged(
    tmp_path: Path, body: bytes, word: str
) -> None:
    async def main(sky: Sky) -> None:
        async with Station(tmp_path, sky).running() as ship:
            await ship.ready()
            made, acknowledged = command("send", body, response_topic="answers/me")
            answer = await answered(ship, made)
            assert answer["result"] == "refused"
            assert word in answer["message"]["explanation"]
            assert acknowledged
            assert not ship.end().done()

    in_virtual_time(main)


def test_an_unreadable_command_without_a_way_back_is_acknowledged(tmp_path: Path) -> None:
    async def main(sky: Sky) -> None:
        async with Station(tmp_path, sky).running() as ship:
            made, acknowledged = command("send", b"{")
            assert ship.exchange.on_command(made)
            await ship.until(lambda: acknowledged, "acknowledged")
            assert ship.replies == []

    in_virtual_time(main)


def test_cancel_by_command(tmp_path: Path) -> None:
    async def main(sky: Sky) -> None:
        async with Station(tmp_path, sky).running() as ship:
            await ship.ready()
            await ship.send(to=HANDSET, text="1")
            _, second = await ship.send(to=HANDSET, text="2")
            await ship.until(sky.on_air, "the first goes")
            wanted = {"id": "c-1", "message": second["id"]}
            answer = await answered(ship, command("cancel", wanted)[0])
            assert (answer["result"], answer["message"]["state"]) == ("done", "cancelled")
            again = await answered(ship, command("cancel", wanted)[0], 2)
            assert again["result"] == "conflict"
            unknown = await answered(ship, command("cancel", {"id": "2", "message": "no"})[0], 3)
            assert unknown["result"] == "not_found"
            for bad in ({"id": "3"}, {"id": "3", "message": 7}, {**wanted, "more": 1}):
                n = len(ship.replies) + 1
                assert (await answered(ship, command("cancel", bad)[0], n))["result"] == "refused"

    in_virtual_time(main)


def test_a_command_waits_for_a_disk_that_does_not_take_it(tmp_path: Path) -> None:
    async def main(sky: Sky) -> None:
        async with Station(tmp_path, sky).running() as ship:
            await ship.ready()
            await asyncio.sleep(5.0)
            sky.disk.fail_at = 0
            made, acknowledged = command("send", {"id": "c-1", "to": HANDSET, "text": "早"})
            answer = await answered(ship, made)
            assert (answer["result"], answer["message"]["cause"]) == ("refused_for_now", "store")
            await asyncio.sleep(60.0)
            assert not acknowledged
            assert len(ship.replies) == 1
            sky.disk.fail_at = None
            await ship.until(lambda: acknowledged, "acknowledged")
            assert ship.replies[-1][1]["result"] == "accepted"
            await ship.until(lambda: sky.on_air() == 1, "sent")

    in_virtual_time(main)


def test_nobody_hears_an_answer_while_there_is_no_connection(tmp_path: Path) -> None:
    async def main(sky: Sky) -> None:
        async with Station(tmp_path, sky).running() as ship:
            await ship.ready()
            ship.is_connected = False
            body = {"id": "c-1", "to": HANDSET, "text": "早"}
            made, acknowledged = command("send", body)
            assert ship.exchange.on_command(made)
            await ship.until(lambda: acknowledged, "acknowledged")
            assert ship.exchange.commands.counts["unanswered"] == 1
            ship.is_connected = True
            answer = await answered(ship, command("send", body)[0])
            assert answer["result"] == "known"

    in_virtual_time(main)


def test_commands_about_something_else_are_left(tmp_path: Path) -> None:
    async def main(sky: Sky) -> None:
        async with Station(tmp_path, sky).running() as ship:
            assert not ship.exchange.on_command(command("repair", {"id": "1"})[0])
            other = command("send", {"id": "1"}, gateway="another")[0]
            assert not ship.exchange.on_command(other)

    in_virtual_time(main)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
_FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "id": st.just("1") | _JSON,
        "to": st.integers() | st.text("0123456789", max_size=20) | _JSON,
        "text": st.text() | _JSON,
        "data_hex": st.text("0123456789abcdef") | _JSON,
        "priority": st.sampled_from(["distress", "alarm", "routine", "x"]) | _JSON,
        "valid_s": st.floats() | st.integers() | _JSON,
        "supersede_key": st.text() | _JSON,
        "idempotency_key": st.text() | _JSON,
        "group": st.text() | _JSON,
        "card": st.integers() | _JSON,
        "service": st.sampled_from(["regional", "global"]) | _JSON,
        "is_express": st.booleans() | _JSON,
        "transliterate": st.booleans() | _JSON,
        "n_repeats": st.integers() | _JSON,
        "message": st.text() | _JSON,
    },
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    bodies=st.lists(
        st.tuples(
            st.sampled_from(["send", "cancel"]),
            st.binary(max_size=60) | _FIELDS.map(lambda fields: json.dumps(fields).encode()),
        ),
        max_size=25,
    )
)
def test_no_command_ends_the_gateway_and_each_is_acknowledged(
    tmp_path_factory: pytest.TempPathFactory, bodies: list[tuple[str, bytes]]
) -> None:
    folder = tmp_path_factory.mktemp("any")

    async def main(sky: Sky) -> None:
        async with Station(folder, sky).running() as ship:
            await ship.ready()
            made = [command(verb, body, response_topic="answers/me") for verb, body in bodies]
            for each, _ in made:
                assert ship.exchange.on_command(each)
            await ship.until(lambda: all(acknowledged for _, acknowledged in made), "acknowledged")
            assert len(ship.replies) == len(bodies)

    in_virtual_time(main)
