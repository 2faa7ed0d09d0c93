"""Events and commands of short messages against their JSON Schemas: all of them real ones."""

from __future__ import annotations

import asyncio
import json
import random
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from bdgw.errors import DecodeError
from bdgw.hub import MessageChanged, MessageReceived
from bdgw.messaging import MessageDesk, OfficeSpec, Verdict
from bdgw.messaging.board import TerminalBoard
from bdgw.messaging.mqtt_command import MessageCommands
from bdgw.messaging.office import MessageOffice
from bdgw.publish import message_payload, topics
from bdgw.publish.command import Command
from bdgw.receivers import SystemClock
from bdgw.shortmsg import terminal_event as says
from bdgw.shortmsg.authority import Permission
from bdgw.shortmsg.budget import Priority
from bdgw.shortmsg.message import Event, State
from bdgw.shortmsg.outgoing import Peer, Receipt, RefusalCause
from bdgw.shortmsg.request import SendRequest, submission_of
from bdgw.shortmsg.service import ServiceSpec
from bdgw.shortmsg.terminal_health import TerminalStatus
from bdgw.shortmsg.vocabulary import CardRead, Family, Form, Received, Service
from bdgw.status.messages import terminal_summary
from bdgw.store.sqlite import SqliteStore
from tests.app.rig import schema
from tests.shortmsg.service_rig import Air, Gateway, card
from tests.support.gateway_process import ROOT

SHIP, SHORE, HANDSET = 175607, 210001, 300001
COMMAND = schema("shortmsg_command")
SCHEMAS = {kind: schema(f"shortmsg_{kind}") for kind in ("received", "status", "reply")}


def definition(name: str) -> dict[str, Any]:
    """A part of the schema of commands."""
    value: dict[str, Any] = COMMAND.schema["$defs"][name]
    return value


def valid(kind: str, data: bytes) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(data)
    SCHEMAS[kind].validate(value)
    return value


def heard(gateway: Gateway) -> list[dict[str, Any]]:
    return [
        valid(
            "received",
            message_payload.received_payload(
                "gw", MessageReceived(incoming=one, kept=one.durable.value)
            ),
        )
        for one in gateway.heard
    ]


def told(gateway: Gateway, message_id: str) -> dict[str, Any]:
    event = MessageChanged(
        message=gateway.message(message_id), steps=gateway.store.steps(message_id)
    )
    return valid("status", message_payload.status_payload("gw", event))


def pair() -> tuple[Air, Gateway, Gateway]:
    air = Air(0)
    ship_peer = Peer(name="ship", addresses=frozenset([SHIP]))
    shore_peer = Peer(name="shore", addresses=frozenset([SHORE]))
    ship = Gateway(air, ServiceSpec(terminals={"t1": Family.BD2}, peers=(shore_peer,)))
    spec = ServiceSpec(
        terminals={"t1": Family.BD2},
        peers=(ship_peer,),
        permissions=(
            Permission(
                commands=frozenset(["stop"]), senders=frozenset([SHIP]), is_unsealed_accepted=True
            ),
        ),
    )
    shore = Gateway(air, spec)
    ship.insert("t1", card(SHIP))
    shore.insert("t1", card(SHORE))
    return air, ship, shore


def test_what_peers_send_and_receive_fits_its_schemas():
    air, ship, shore = pair()
    sent = [
        ship.submit(SHORE, "船已靠港,一切正常"),
        ship.submit(SHORE, "水" * 100),
        ship.submit(SHORE, data=bytes(range(40))),
        ship.submit(HANDSET, "收到请回复"),
    ]
    ids = [one.id for one in sent if isinstance(one, Receipt)]
    assert len(ids) == len(sent)
    for _ in range(40):
        air.run(30.0)
        for message_id in ids:
            told(ship, message_id)
    plain, data, long = heard(shore)
    assert plain["text"] == "船已靠港,一切正常"
    assert plain["commands"] == ["stop"]
    assert "is_long" not in plain
    assert (long["text"], long["is_long"]) == ("水" * 100, True)
    assert data["data_hex"] == bytes(range(40)).hex()
    assert [told(ship, message_id)["state"] for message_id in ids] == [
        *("delivered", "delivered", "delivered"),
        "accepted_by_terminal",
    ]


@settings(max_examples=30)
@given(
    form=st.sampled_from(Form),
    content=st.binary(min_size=1, max_size=60),
    to=st.none() | st.integers(1, 2**24 - 1),
    is_intact=st.none() | st.booleans(),
    terminal_time=st.none() | st.text(max_size=10),
)
def test_whatever_comes_in_fits_its_schema(
    form: Form,
    content: bytes,
    to: int | None,
    is_intact: bool | None,
    terminal_time: str | None,
):
    _, _, shore = pair()
    received = Received(
        sender=HANDSET,
        to=to,
        form=form,
        content=content,
        n_bits=8 * len(content),
        raw=b"$" + content,
        is_intact=is_intact,
        terminal_time=terminal_time,
    )
    shore.hear("t1", received)
    for value in heard(shore):
        assert value["from"] == HANDSET
        assert bytes.fromhex(value["content_hex"]) == content


def test_schemas_and_code_have_the_same_words():
    status = SCHEMAS["status"].schema["properties"]
    assert status["state"]["enum"] == [one.value for one in State]
    steps = status["steps"]["items"]["properties"]
    assert steps["event"]["enum"] == [one.value for one in Event]
    reply = SCHEMAS["reply"].schema
    assert reply["properties"]["result"]["enum"] == [one.value for one in Verdict]
    assert reply["$defs"]["problem"]["properties"]["cause"]["enum"] == [
        *(one.value for one in RefusalCause),
        *(Verdict.NOT_FOUND.value, Verdict.CONFLICT.value),
    ]
    assert reply["$defs"]["state"]["enum"] == [one.value for one in State]
    terminal = schema("health").schema["properties"]["terminals"]["items"]["properties"]
    assert terminal["status"]["enum"] == [one.value for one in TerminalStatus]
    send = definition("send")["properties"]
    assert {*send} == {"id", *SendRequest.__struct_fields__}
    assert send["priority"]["enum"] == [one.value for one in Priority]
    assert send["service"]["enum"] == [one.value for one in Service]


def test_terminals_in_health_fit_its_schema():
    validator = Draft202012Validator(schema("health").schema["properties"]["terminals"])
    board = TerminalBoard({"t1": None}, now=0.0)
    validator.validate([terminal_summary(one) for one in board.snapshots(1.0)])
    board.take("t1", says.StatusChanged(status=TerminalStatus.READY, reason="ready"), now=2.0)
    board.take("t1", CardRead(card=card(SHIP)), now=2.0)
    (value,) = [terminal_summary(one) for one in board.snapshots(3.0)]
    validator.validate([value])
    assert value["card"] == SHIP


ADDRESSES = st.integers(-5, 2**24 + 5) | st.sampled_from(
    ["312345", "0312345", "0", "000", "", "3a", "١", "16777216", "99999999", "0" * 15, "0" * 16]
)
SENDS = st.fixed_dictionaries(
    {"id": st.just("a"), "to": ADDRESSES},
    optional={
        "text": st.text(max_size=4),
        "data_hex": st.sampled_from(["", "0", "00", "ff0A", "0g"]),
        "priority": st.sampled_from([*Priority, "urgent"]),
        "valid_s": st.sampled_from([0, -1, 0.5, 60]),
        "supersede_key": st.sampled_from(["", "k", "k" * 128, "k" * 129]),
        "idempotency_key": st.sampled_from(["", "k", "k" * 129]),
        "group": st.sampled_from(["", "g"]),
        "card": ADDRESSES,
        "service": st.sampled_from(["regional", "global", "other"]),
        "is_express": st.booleans(),
        "transliterate": st.sampled_from([True, 1]),
        "n_repeats": st.integers(-1, 11),
        "receipt": st.just(True),
    },
)


@given(value=SENDS)
def test_what_the_schema_lets_through_is_read_and_is_no_bad_submission(value: dict[str, Any]):
    if not COMMAND.is_valid(value):
        return
    submission = submission_of(
        msgspec.json.encode({name: item for name, item in value.items() if name != "id"}),
        origin="mqtt",
    )
    assert submission.problem() is None


@given(value=SENDS)
def test_what_the_schema_holds_back_would_be_refused(value: dict[str, Any]):
    if COMMAND.is_valid(value):
        return
    body = msgspec.json.encode({name: item for name, item in value.items() if name != "id"})
    try:
        submission = submission_of(body, origin="mqtt")
    except DecodeError:
        return
    is_no_card = submission.card is not None and not 0 < submission.card < 2**24
    assert submission.problem() is not None or is_no_card


@pytest.mark.parametrize(
    ("value", "is_valid"),
    [
        ({"id": "c-1", "to": 312345, "text": "水"}, True),
        ({"id": "c-1", "message": "01a2"}, True),
        ({"to": 312345, "text": "水"}, False),
        ({"id": "c 1", "to": 312345, "text": "水"}, False),
        ({"id": "c" * 65, "to": 312345, "text": "水"}, False),
        ({"id": "c-1", "to": 312345, "text": "水", "data_hex": "00"}, False),
        ({"id": "c-1", "to": 312345}, False),
        ({"id": "c-1", "message": "01a2", "to": 312345}, False),
    ],
)
def test_a_command_is_one_or_the_other(value: dict[str, Any], is_valid: bool):
    assert COMMAND.is_valid(value) is is_valid


def test_the_examples_of_the_documentation_are_what_they_say():
    text = ROOT.joinpath("docs", "mqtt.md").read_text(encoding="utf-8")
    examples = [
        json.loads(block)
        for block in re.findall(r"```json\n(\{.*?\})\n```", text, re.DOTALL)
        if "\n{" not in block
    ]
    commands = [json.loads(found) for found in re.findall(r" -m '(\{.*?\})'", text)]
    for kind, mark in (("received", "from"), ("status", "steps"), ("reply", "result")):
        found = [one for one in examples if mark in one]
        assert found, kind
        for one in found:
            SCHEMAS[kind].validate(one)
    assert len(commands) == 3
    for one in commands:
        COMMAND.validate(one)


async def answers(tmp_path: Path, *commands: tuple[str, Any]) -> list[dict[str, Any]]:
    """What the real door answers, over the real ledger, without a card."""
    told: list[dict[str, Any]] = []
    come = asyncio.Event()

    def reply(_topic: str, body: bytes, **_more: object) -> bool:
        told.append(valid("reply", body))
        come.set()
        return True

    clock = SystemClock()
    async with SqliteStore(str(tmp_path / "ledger.db")) as store:
        office = MessageOffice(
            OfficeSpec(service=ServiceSpec(terminals={"t1": Family.BD2}), terminals={}),
            store=store,
            clock=clock,
            is_clock_trusted=lambda: True,
            entropy=random.Random(0).randbytes,
            flush=lambda _terminal: None,
            emit=lambda _event: None,
            on_state=lambda: None,
        )
        door = MessageCommands("gw", MessageDesk(office, store=store, clock=clock), reply=reply)
        working = asyncio.create_task(door.run())
        for verb, value in commands:
            if verb == "cancel" and value["message"] == "the first":
                value = {**value, "message": told[0]["message"]["id"]}
            payload = value if isinstance(value, bytes) else json.dumps(value).encode()
            topic = topics.message_command("gw", verb)
            come.clear()
            assert door.take(
                Command(
                    topic=topic,
                    payload=payload,
                    is_retained=False,
                    response_topic="answers",
                    correlation=None,
                    acknowledge=lambda: None,
                )
            )
            await come.wait()
        working.cancel()
        await asyncio.wait([working])
    return told


async def test_every_kind_of_answer_fits_its_schema(tmp_path: Path):
    first = {"id": "c-1", "to": HANDSET, "text": "收到请回复"}
    told = await answers(
        tmp_path,
        ("send", first),
        ("send", first),
        ("send", {**first, "text": "别的"}),
        ("send", {"id": "c-2", "to": HANDSET}),
        ("send", {"id": "c-3", "to": HANDSET, "text": "一", "group": "nobody"}),
        ("send", b"not JSON"),
        ("cancel", {"id": "c-4", "message": "nothing"}),
        ("cancel", {"id": "c-5", "message": "the first"}),
        ("cancel", {"id": "c-6", "message": "the first"}),
    )
    assert [one["result"] for one in told] == [
        *("accepted", "known", "conflict", "refused", "refused", "refused", "not_found"),
        *("done", "conflict"),
    ]
    assert "id" not in told[5]
    assert [one["id"] for one in told if "id" in one] == [
        *("c-1", "c-1", "c-1", "c-2", "c-3", "c-4", "c-5", "c-6"),
    ]
