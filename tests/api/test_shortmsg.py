"""REST on short messages over the real desk, service, ledger and SQLite, in virtual time."""

from __future__ import annotations

import csv
import io
import json
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest
from fastapi import FastAPI

from bdgw.api.app import build_api
from bdgw.api.auth import Token
from bdgw.messaging import MessageExchange, OfficeSpec
from bdgw.publish.outbox_book import OutboxBook
from bdgw.shortmsg.outgoing import Peer
from bdgw.shortmsg.service import ServiceSpec
from bdgw.shortmsg.terminal import TerminalSpec
from bdgw.shortmsg.terminal_event import StatusChanged
from bdgw.shortmsg.terminal_health import TerminalStatus
from bdgw.shortmsg.vocabulary import Card, CardRead, Family, Form, Received
from tests.api.devices import Devices

SECRET = "canary-operate-0123456789"
SHORE, HANDSET, SHIP = 210001, 300001, 175607
NOW_S, UTC_NS = 1000.0, 1_795_000_000_000_000_000

Ask = Callable[..., Coroutine[Any, Any, httpx.Response]]


class StillClock:
    def monotonic_s(self) -> float:
        return NOW_S

    def utc_ns(self) -> int:
        return UTC_NS


class Status:
    def full(self) -> dict[str, Any]:
        return {}

    def corrections(self) -> dict[str, Any]:
        return {}

    def terminals(self) -> list[dict[str, Any]]:
        return []

    def accept_base(self, name: str) -> bool:
        return False

    def failures(self) -> list[str]:
        return []


@pytest.fixture
async def exchange(tmp_path: Path) -> AsyncIterator[MessageExchange]:
    made = MessageExchange(
        OfficeSpec(
            service=ServiceSpec(
                terminals={"t1": Family.BD2},
                peers=(Peer(name="shore", addresses=frozenset([SHORE])),),
            ),
            terminals={"t1": TerminalSpec(family=Family.BD2)},
        ),
        gateway="yp-01",
        state_dir=tmp_path,
        clock=StillClock(),
        is_clock_trusted=lambda: True,
        entropy=secrets.token_bytes,
        flush=lambda _terminal: None,
        emit=lambda _event: None,
        holder=OutboxBook(),
        reply=lambda *_args, **_more: True,
    )
    async with made.opened():
        ready = StatusChanged(status=TerminalStatus.READY, reason="it answers")
        card = Card(address=SHIP, interval_s=60, level=3, is_encrypted=False)
        made.take("t1", ready, NOW_S)
        made.take("t1", CardRead(card=card), NOW_S)
        yield made


@pytest.fixture
def app(exchange: MessageExchange) -> FastAPI:
    token = Token(name="ops", role="operate", secret=SECRET)
    return build_api(
        Status(),
        Devices(),
        tokens=(token,),
        anonymous="none",
        version="1",
        messages=exchange.desk,
    )


@pytest.fixture
def ask(app: FastAPI) -> Ask:
    async def request(method: str, path: str, **more: Any) -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        headers = {"authorization": f"Bearer {SECRET}", **more.pop("headers", {})}
        async with httpx.AsyncClient(transport=transport, base_url="http://gw") as client:
            return await client.request(method, path, headers=headers, **more)

    return request


async def test_a_message_is_accepted_when_it_is_on_the_disk(ask: Ask, tmp_path: Path):
    answer = await ask("POST", "/api/v1/shortmsg", json={"to": "0300001", "text": "船已靠港"})
    assert answer.status_code == 202
    told = answer.json()
    assert answer.headers["location"] == f"/api/v1/shortmsg/{told['id']}"
    assert (told["state"], told["way"], told["n_slots"]) == ("accepted", "plain", 1)
    assert told["t_send"] == "2026-11-18T11:06:40.000000000Z"
    assert told["t_arrival"] == "2026-11-18T11:06:50.000000000Z"
    shown = (await ask("GET", answer.headers["location"])).json()
    assert (shown["direction"], shown["state"], shown["text"]) == ("out", "queued", "船已靠港")
    assert [step["event"] for step in shown["steps"]] == ["submitted", "queued"]
    assert shown["t_send"] == told["t_send"]
    # Read by a program that knows nothing of bdgw.
    import sqlite3

    with sqlite3.connect(f"file:{tmp_path}/ledger.db?mode=ro", uri=True) as disk:
        ((payload,),) = disk.execute("SELECT payload FROM message").fetchall()
    disk.close()
    assert payload.decode() == "船已靠港"


async def test_the_same_key_sends_nothing_and_another_content_is_a_conflict(ask: Ask):
    body = {"to": HANDSET, "text": "one", "idempotency_key": "k"}
    first = await ask("POST", "/api/v1/shortmsg", json=body)
    again = await ask("POST", "/api/v1/shortmsg", json=body)
    assert (first.status_code, again.status_code) == (202, 200)
    assert again.json()["id"] == first.json()["id"]
    assert again.json()["is_repeat"] is True
    other = await ask("POST", "/api/v1/shortmsg", json={**body, "text": "two"})
    assert (other.status_code, other.json()["cause"]) == (409, "key_conflict")


async def test_the_header_is_a_key_as_well(ask: Ask):
    body = {"to": HANDSET, "text": "one"}
    answers = [
        await ask("POST", "/api/v1/shortmsg", json=body, headers={"Idempotency-Key": "h"})
        for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [202, 200]
    assert (await ask("GET", "/api/v1/shortmsg?key=h")).json()["messages"][0]["key"] == "h"


@pytest.mark.parametrize(
    ("body", "status", "cause", "word"),
    [
        ({"to": HANDSET, "text": "收到😀"}, 422, "text_not_encodable", "character 3"),
        ({"to": HANDSET, "text": "报" * 100}, 422, "too_long", "do not fit"),
        ({"to": HANDSET, "text": "x", "valid_s": 5}, 409, "deadline", "deadline"),
        ({"to": 0, "text": "x"}, 422, "bad_submission", "to must be"),
        ({"to": "12a", "text": "x"}, 422, "bad_submission", "to is an address"),
        ({"to": HANDSET}, 422, "bad_submission", "either text or data"),
        ({"to": HANDSET, "data_hex": "0g"}, 422, "bad_submission", "data_hex"),
        ({"to": HANDSET, "text": "x", "colour": 1}, 422, "bad_submission", "colour"),
        ({"to": HANDSET, "text": "x", "priority": "high"}, 422, "bad_submission", "priority"),
        ({"to": SHORE, "text": "x", "group": "nobody"}, 422, "no_key", "nobody"),
        ({"to": HANDSET, "text": "x", "group": "nobody"}, 422, "bad_submission", "no bdgw peer"),
        ([1], 422, "bad_submission", "object"),
    ],
)
async def test_what_is_not_accepted_says_why_and_is_not_kept(
    ask: Ask, body: Any, status: int, cause: str, word: str
):
    answer = await ask("POST", "/api/v1/shortmsg", json=body)
    assert (answer.status_code, answer.json()["cause"]) == (status, cause)
    assert answer.headers["content-type"] == "application/problem+json"
    assert word in answer.json()["detail"]
    assert (await ask("GET", "/api/v1/shortmsg")).json() == {"messages": []}


async def test_a_body_without_end_is_cut_off(ask: Ask):
    answer = await ask("POST", "/api/v1/shortmsg", content=b'{"text":"' + b"x" * 300_000)
    assert answer.status_code == 413


async def test_a_message_is_called_back_once(ask: Ask):
    sent = (await ask("POST", "/api/v1/shortmsg", json={"to": HANDSET, "text": "no"})).json()
    path = f"/api/v1/shortmsg/{sent['id']}/cancel"
    answer = await ask("POST", path)
    assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
    assert (await ask("POST", path)).status_code == 409
    assert (await ask("POST", "/api/v1/shortmsg/nothing/cancel")).status_code == 404
    assert (await ask("GET", "/api/v1/shortmsg/nothing")).status_code == 404


async def test_questions_pages_and_exports(ask: Ask, exchange: MessageExchange):
    ids = [
        (await ask("POST", "/api/v1/shortmsg", json={"to": 300000 + n, "text": f"第{n}"})).json()[
            "id"
        ]
        for n in range(5)
    ]
    first = (await ask("GET", "/api/v1/shortmsg?limit=2&order=oldest")).json()
    rest = (
        await ask("GET", f"/api/v1/shortmsg?limit=5&order=oldest&after={first['next_after']}")
    ).json()
    assert [each["id"] for each in first["messages"] + rest["messages"]] == ids
    assert "next_after" not in rest
    one = (await ask("GET", "/api/v1/shortmsg?address=300003&state=queued&state=on_air")).json()
    assert [each["text"] for each in one["messages"]] == ["第3"]
    assert (await ask("GET", "/api/v1/shortmsg?from=2026-11-18T11:06:41Z")).json() == {
        "messages": []
    }
    lines = (await ask("GET", "/api/v1/shortmsg?format=ndjson&limit=2")).text.splitlines()
    assert [json.loads(line)["id"] for line in lines] == ids[::-1]
    table = await ask("GET", "/api/v1/shortmsg?format=csv&limit=2&order=oldest")
    rows = list(csv.DictReader(io.StringIO(table.text)))
    assert [row["id"] for row in rows] == ids
    assert table.headers["content-type"].startswith("text/csv")


async def test_what_was_received_is_there_with_its_raw_bytes(ask: Ask, exchange: MessageExchange):
    content = "收到".encode("gbk")
    heard = Received(sender=HANDSET, form=Form.HANZI, content=content, n_bits=32, raw=b"$BDTXR,..")
    exchange.take("t1", heard, NOW_S)
    # Writes are in order: what is answered after it is on the disk after it.
    await ask("POST", "/api/v1/shortmsg", json={"to": HANDSET, "text": "x"})
    (kept,) = (await ask("GET", "/api/v1/shortmsg?direction=in&address=300001")).json()["messages"]
    assert (kept["text"], kept["raw_hex"]) == ("收到", b"$BDTXR,..".hex())
    shown = (await ask("GET", f"/api/v1/shortmsg/{kept['id']}")).json()
    assert (shown["direction"], shown["from"], shown["terminal"]) == ("in", HANDSET, "t1")
    table = (await ask("GET", "/api/v1/shortmsg?direction=in&format=csv")).text
    assert [row["text"] for row in csv.DictReader(io.StringIO(table))] == ["收到"]


@pytest.mark.parametrize(
    "query",
    [
        "from=2026-11-18T11:06:41",
        "from=yesterday",
        "limit=0",
        "limit=1001",
        "state=gone",
        "direction=in&state=queued",
        "terminal=t1",
        "format=xml",
    ],
)
async def test_a_question_that_makes_no_sense(ask: Ask, query: str):
    answer = await ask("GET", f"/api/v1/shortmsg?{query}")
    assert answer.status_code == 422
    assert answer.json()["detail"]


async def test_the_description_holds_the_schema_of_a_submission(ask: Ask):
    spec = (await ask("GET", "/api/v1/openapi.json")).json()
    content = spec["paths"]["/api/v1/shortmsg"]["post"]["requestBody"]["content"]
    schema = content["application/json"]["schema"]
    jsonschema.validate({"to": 1, "text": "x", "priority": "distress"}, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"to": 1, "priority": "high"}, schema)
