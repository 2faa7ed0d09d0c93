"""Finding, paging, exporting and forgetting."""

from __future__ import annotations

import contextlib
import csv as csv_module
import io
import json
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from bdgw.shortmsg.ledger import Ledger
from bdgw.shortmsg.ledger_store import PAGE_MAX, InboundQuery, Query
from bdgw.shortmsg.message import Message, State, Submission
from bdgw.shortmsg.vocabulary import Form, Received, Service
from bdgw.store import export
from bdgw.store.direct import DirectStore
from bdgw.store.reader import LedgerReader
from bdgw.store.retention import RetentionLimits
from bdgw.store.sqlite import SqliteStore

T0 = 1_763_798_400_000_000_000  # 2025-11-22T08:00:00Z
SECOND_NS = 1_000_000_000
CARD = 123456


@pytest.fixture
def store() -> Iterator[DirectStore]:
    with contextlib.closing(DirectStore()) as made:
        yield made


@pytest.fixture
def ledger(store: DirectStore) -> Ledger:
    return Ledger(store, entropy=os.urandom)


@pytest.fixture
def messages(ledger: Ledger) -> list[Message]:
    """100 messages, one a second, in five states, to four peers."""
    made = []
    for number in range(100):
        at_utc_ns = T0 + number * SECOND_NS
        submission = Submission(to=number % 4, payload=b"x" * 50, key=f"key {number}")
        message_id = ledger.submit(submission, at_utc_ns=at_utc_ns).value.message.id
        if number % 5 > 0:
            ledger.queue(message_id, at_utc_ns=at_utc_ns + 1)
        if number % 5 > 1:
            ledger.on_air(message_id, unit=1, of=1, card=CARD, at_utc_ns=at_utc_ns + 2)
            ledger.unit_accepted(message_id, unit=1, at_utc_ns=at_utc_ns + 3)
        if number % 5 > 2:
            ledger.delivered(message_id, at_utc_ns=at_utc_ns + 4)
        made.append(ledger.get(message_id))
    return made


def receive(ledger: Ledger, number: int, *, n_bytes: int = 20) -> None:
    received = Received(
        sender=number % 3, form=Form.MIXED, content=bytes(n_bytes), n_bits=8, raw=bytes(n_bytes)
    )
    ledger.receive(received, terminal=f"t-{number % 2}", at_utc_ns=T0 + number * SECOND_NS)


QUERIES = [
    (Query(), lambda _message: True),
    (Query(to=2), lambda message: message.submission.to == 2),
    (Query(key="key 7"), lambda message: message.submission.key == "key 7"),
    (Query(states=(State.QUEUED,)), lambda message: message.state is State.QUEUED),
    (
        Query(states=(State.QUEUED, State.DELIVERED), to=3),
        lambda message: message.state in ("queued", "delivered") and message.submission.to == 3,
    ),
    (
        Query(from_utc_ns=T0 + 10 * SECOND_NS, until_utc_ns=T0 + 20 * SECOND_NS),
        lambda message: 10 <= (message.submitted_utc_ns - T0) // SECOND_NS < 20,
    ),
    (Query(is_unfinished_only=True), lambda message: not message.is_settled),
]


@pytest.mark.parametrize("is_newest_first", [True, False])
@pytest.mark.parametrize("limit", [1, 7, PAGE_MAX])
@pytest.mark.parametrize(("query", "is_meant"), QUERIES)
def test_every_question_is_answered_whole_whatever_the_pages(
    store: DirectStore,
    messages: list[Message],
    query: Query,
    is_meant,
    limit: int,
    is_newest_first: bool,
):
    query = Query(
        **{name: getattr(query, name) for name in Query.__struct_fields__}
        | {"limit": limit, "is_newest_first": is_newest_first}
    )
    expected = [message for message in messages if is_meant(message)]
    assert expected
    found = list(store.file.reader.all_messages(query))
    assert found == (expected[::-1] if is_newest_first else expected)
    assert len(store.find(query).messages) == min(limit, len(expected))


@pytest.mark.parametrize("limit", [0, PAGE_MAX + 1])
def test_a_page_is_bounded(store: DirectStore, limit: int):
    with pytest.raises(ValueError, match="page"):
        store.find(Query(limit=limit))
    with pytest.raises(ValueError, match="page"):
        store.inbound(InboundQuery(limit=limit))


def test_received_messages_are_found(ledger: Ledger, store: DirectStore):
    for number in range(60):
        receive(ledger, number)
    everything = list(store.file.reader.all_inbound(InboundQuery(limit=7)))
    assert [each.received_utc_ns for each in everything] == [
        T0 + number * SECOND_NS for number in reversed(range(60))
    ]
    some = store.inbound(InboundQuery(sender=1, terminal="t-0", until_utc_ns=T0 + 20 * SECOND_NS))
    assert {(each.received_utc_ns - T0) // SECOND_NS for each in some.messages} == {4, 10, 16}
    assert store.inbound(InboundQuery(kind="sl651")).messages == ()


def test_questions_use_an_index(store: DirectStore, messages: list[Message]):
    """A full scan of a year's messages would keep the writer's disk busy for seconds."""
    explain = store.file._connection.execute
    for where in (
        "WHERE id = 'x'",
        "WHERE key = 'x'",
        "WHERE is_settled = 0 ORDER BY id",
        "WHERE state IN ('queued') ORDER BY id DESC LIMIT 9",
        "WHERE peer = 4 ORDER BY id DESC LIMIT 9",
        "WHERE peer = 4 AND air_number = 5 ORDER BY id DESC LIMIT 1",
    ):
        plan = " ".join(
            row[3] for row in explain(f"EXPLAIN QUERY PLAN SELECT * FROM message {where}")
        )
        assert "USING INDEX" in plan or "USING COVERING INDEX" in plan, (where, plan)
        assert "TEMP B-TREE" not in plan, (where, plan)


async def test_pages_are_read_beside_the_writer(tmp_path: Path):
    async with SqliteStore(str(tmp_path / "ledger.db")) as store:
        ledger = Ledger(store, entropy=os.urandom)
        for number in range(30):
            await ledger.submit(Submission(to=number, payload=b"x"), at_utc_ns=T0 + number)

        def read(reader: LedgerReader) -> list[Message]:
            return list(reader.all_messages(Query(limit=4)))

        assert [message.submission.to for message in await store.fetch(read)] == [
            *range(29, -1, -1)
        ]


# --- export --------------------------------------------------------------------------------------


def test_ndjson_has_every_step_with_its_time(store: DirectStore, messages: list[Message]):
    lines = [json.loads(line) for line in export.ndjson(messages, store.steps)]
    assert [line["id"] for line in lines] == [message.id for message in messages]
    delivered = lines[3]
    assert (delivered["state"], delivered["possibly_sent"]) == ("delivered", False)
    assert delivered["t_accepted"] == "2025-11-22T08:00:03.000000000Z"
    assert [(step["event"], step["t"][20:]) for step in delivered["steps"]] == [
        ("submitted", "000000000Z"),
        ("queued", "000000001Z"),
        ("on_air", "000000002Z"),
        ("unit_accepted", "000000003Z"),
        ("delivered", "000000004Z"),
    ]
    assert bytes.fromhex(delivered["payload_hex"]) == b"x" * 50
    # Accepted by the terminal is not delivered, and unknown is absent.
    assert lines[2]["state"] == "accepted_by_terminal"
    assert "t_receipt" not in lines[2]
    assert not [name for line in lines for name, value in line.items() if value in (None, "")]


def test_csv_has_the_time_of_each_state(store: DirectStore, messages: list[Message]):
    rows = list(csv_module.DictReader(io.StringIO("".join(export.csv(messages, store.steps)))))
    assert len(rows) == len(messages)
    times = [name for name in rows[3] if name.startswith("t_") and rows[3][name]]
    assert [rows[3][name][26:29] for name in times] == [
        "004",
        "000",
        "001",
        "002",
        "002",
        "003",
        "004",
    ]
    assert (rows[0]["t_queued"], rows[0]["n_units"]) == ("", "")
    assert {row["state"] for row in rows} == {
        "accepted",
        "queued",
        "accepted_by_terminal",
        "delivered",
    }


def test_times_of_several_units(ledger: Ledger, store: DirectStore):
    message_id = ledger.submit(Submission(to=1, payload=b"x"), at_utc_ns=T0).value.message.id
    ledger.queue(message_id, at_utc_ns=T0, of=2)
    for unit in (1, 2):
        ledger.on_air(message_id, unit=unit, of=2, card=CARD, at_utc_ns=T0 + 10 * unit)
        ledger.unit_accepted(message_id, unit=unit, at_utc_ns=T0 + 10 * unit + 1)
    (row,) = csv_module.DictReader(
        io.StringIO("".join(export.csv([ledger.get(message_id)], store.steps)))
    )
    names = ("t_first_on_air", "t_last_on_air", "t_accepted_by_terminal")
    assert [int(row[name][20:29]) for name in names] == [10, 20, 21]


def test_a_received_text_becomes_no_formula(ledger: Ledger, store: DirectStore):
    received = Received(
        sender=1, form=Form.HANZI, content=b"=1+1", n_bits=28, raw=b"$..", service=Service.GLOBAL
    )
    ledger.receive(received, terminal="t-1", at_utc_ns=T0, kind="text", text="=1+1")
    found = store.inbound(InboundQuery()).messages
    (row,) = csv_module.DictReader(io.StringIO("".join(export.inbound_csv(found))))
    assert (row["text"], row["raw_hex"], row["intact"]) == ("'=1+1", "242e2e", "")
    (line,) = [json.loads(line) for line in export.inbound_ndjson(found)]
    assert (line["text"], line["service"], line["from"]) == ("=1+1", "global", 1)
    assert line["t_received"] == "2025-11-22T08:00:00.000000000Z"


# --- retention -----------------------------------------------------------------------------------


def test_age_takes_what_is_settled_and_received_and_old(
    ledger: Ledger, store: DirectStore, messages: list[Message]
):
    for number in range(100):
        receive(ledger, number)
    limits = RetentionLimits(max_age_ns=50 * SECOND_NS)
    kept = store.file.retain(limits, now_utc_ns=T0 + 100 * SECOND_NS)
    left = {message.id for message in store.find(Query(limit=PAGE_MAX)).messages}
    old = messages[:50]
    assert left == {message.id for message in messages[50:]} | {
        message.id for message in old if not message.is_settled
    }
    assert kept.n_messages == sum(message.is_settled for message in old) == 30
    assert (kept.n_inbound, len(store.inbound(InboundQuery()).messages)) == (50, 50)
    gone = next(message for message in old if message.is_settled)
    assert store.steps(gone.id) == ()
    # Its key is free again.
    assert ledger.submit(gone.submission, at_utc_ns=T0).value.is_new


def test_bytes_take_the_oldest_and_give_the_room_back(tmp_path: Path):
    path = tmp_path / "ledger.db"
    with contextlib.closing(DirectStore(str(path))) as store:
        ledger = Ledger(store, entropy=os.urandom)
        waiting = ledger.submit(Submission(to=1, payload=b"w"), at_utc_ns=T0).value.message.id
        for number in range(400):
            receive(ledger, number, n_bytes=2000)
        before = store.file.reader.used_bytes()
        kept = store.file.retain(RetentionLimits(max_bytes=before // 2), now_utc_ns=T0)
        assert kept.used_bytes <= before // 2
        assert kept.is_kept
        newest = store.inbound(InboundQuery(limit=PAGE_MAX)).messages
        assert newest[0].received_utc_ns == T0 + 399 * SECOND_NS
        assert 100 <= len(newest) == 400 - kept.n_inbound
        assert store.message(waiting) is not None
    assert path.stat().st_size < before * 0.6


def test_what_is_unfinished_stays_whatever_the_bytes(store: DirectStore, ledger: Ledger):
    rng = random.Random(1)
    for number in range(50):
        ledger.submit(Submission(to=number, payload=rng.randbytes(5000)), at_utc_ns=T0)
    kept = store.file.retain(RetentionLimits(max_bytes=1), now_utc_ns=T0 + 10**18)
    assert (kept.n_messages, kept.is_kept) == (0, False)
    assert len(list(restarted := store.unfinished())) == 50
    assert restarted


async def test_a_running_gateway_forgets_between_its_batches(tmp_path: Path):
    async with SqliteStore(str(tmp_path / "ledger.db")) as store:
        ledger = Ledger(store, entropy=os.urandom)
        ids = []
        for number in range(20):
            submitted = await ledger.submit(Submission(to=number, payload=b"x"), at_utc_ns=T0)
            ids.append(submitted.message.id)
            await ledger.cancel(ids[-1], at_utc_ns=T0 + 1, cause="user")
        kept = await store.retain(RetentionLimits(max_age_ns=1), now_utc_ns=T0 + 9)
        assert kept.n_messages == 20
        assert store.message(ids[0]) is None


@pytest.mark.parametrize("limits", [{"max_age_ns": 0}, {"max_bytes": -1}])
def test_a_limit_of_nothing_is_a_mistake(limits: dict[str, int]):
    with pytest.raises(ValueError, match="above 0"):
        RetentionLimits(**limits)
