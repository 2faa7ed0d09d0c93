"""The history of a running gateway, as an operator asks for it over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
import sqlite3
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.app.rig import Running, device, head, running
from tests.publish.brokers import Subscriber, free_port, until
from tests.receivers.rig import Terminal
from tests.store.postgres import PASSWORD, PostgresProcess
from tests.support.spoken import epoch, sentence

pytestmark = pytest.mark.usefixtures("brisk")
OPERATE = "canary-operate-0123456789"


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    with contextlib.closing(Terminal()) as made:
        yield made


def _ask(url: str, body: dict[str, Any] | None) -> tuple[int, str, str]:
    request = urllib.request.Request(
        url,
        data=None if body is None else json.dumps(body).encode(),
        headers={} if body is None else {"Authorization": f"Bearer {OPERATE}"},
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.headers["content-type"], answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers["content-type"], error.read().decode()


async def ask(run: Running, path: str, body: dict[str, Any] | None = None) -> tuple[int, str, str]:
    return await asyncio.to_thread(_ask, f"{run.gateway.api_url}/api/v1{path}", body)


async def values(run: Running, path: str, body: dict[str, Any] | None = None) -> Any:
    code, _, text = await ask(run, path, body)
    assert code in (200, 202), text
    return json.loads(text)


def config(folder: Path, port: Terminal, broker: str, *lines: str) -> str:
    (folder / "token").write_text(OPERATE, encoding="ascii")
    token = f'{{ name = "op", role = "operate", secret = {{ file = "{folder}/token" }} }}'
    more = "\n".join(lines)
    return (
        head(folder, f'url = "{broker}"')
        + f"    tokens = [{token}]\n{more}\n"
        + device("a", port.url, 'frame = "CGCS2000"')
    )


async def spoken(run: Running, port: Terminal, first: int, n: int) -> None:
    """Say epochs, a tenth of a second of the receiver's time apart, and wait for their fixes."""
    await run.device_is("a", lambda d: d["status"] in ("waiting", "streaming"))
    before = (await run.device("a"))["fixes"]
    port.say(sentence("GBGSV,1,1,01,07,41,120,44,1"))
    for number in range(first, first + n + 1):
        port.say(epoch(number * 0.1))
    await run.device_is("a", lambda d: d["fixes"] >= before + n)


async def test_what_a_receiver_said_is_found_by_time_and_sent_again(tmp_path, mosquitto, terminal):
    broker = await mosquitto()
    with contextlib.closing(Subscriber(broker.port, "bdgw/v1/yp-01/dev/#", version="5")) as heard:
        assert heard.is_subscribed.wait(10)
        async with running(config(tmp_path, terminal, broker.url)) as run:
            await spoken(run, terminal, 0, 40)
            (start,) = (await values(run, "/devices/a/gaps"))["starts"]
            assert start["is_current"]
            assert (start["first_seq"], start["n_missing"], start["missing"]) == (0, 0, [])
            found = await values(
                run, "/devices/a/fixes?from=2026-02-01T08:00:01Z&to=2026-02-01T16:00:02%2B08:00"
            )
            assert [fix["t_fix"][17:21] for fix in found["fixes"]] == [f"01.{n}" for n in range(10)]
            assert (await values(run, "/devices/a/sky"))["satellites"][0]["prn"] == 7
            live = heard_on(heard, "fix")
            await until(lambda: len(heard_on(heard, "fix")) >= 40, "live fixes")
            live = heard_on(heard, "fix")
            wanted = {"boot": start["boot"], "from_seq": 10, "to_seq": 19}
            answer = await values(run, "/devices/a/repair", wanted)
            assert (answer["n_found"], answer["n_missing"]) == (10, 0)
            await until(lambda: len(heard_on(heard, "history/fix")) == 10, "ten again")
            again = heard_on(heard, "history/fix")
        assert all(fix.pop("historical") is True for fix in again)
        for fix in live + again:
            fix.pop("t_pub")
        assert again == live[10:20], "each is the same record with the same id"
        assert [record["seq"] for record in found["fixes"]] == list(range(10, 20))
        assert found["fixes"] == again
        # What is sent again is never the latest.
        topic = "bdgw/v1/yp-01/dev/a/history/fix"
        assert not any(m.retain for m in heard.messages() if m.topic == topic)


def heard_on(subscriber: Subscriber, topic: str) -> list[dict[str, Any]]:
    return [json.loads(data) for data in subscriber.payloads(f"bdgw/v1/yp-01/dev/a/{topic}")]


async def test_the_history_survives_the_gateway_and_its_numbers_begin_anew(tmp_path, terminal):
    text = config(tmp_path, terminal, f"mqtt://127.0.0.1:{free_port()}")
    boots = []
    for first in (0, 30):
        async with running(text) as run:
            await spoken(run, terminal, first, 20)
            boots.append((await run.status())["boot"])
            found = await values(run, "/devices/a/fixes")
    assert {fix["boot"] for fix in found["fixes"]} == set(boots)
    seqs = [(boots.index(fix["boot"]), fix["seq"]) for fix in found["fixes"]]
    assert seqs == sorted(seqs)
    assert len(seqs) >= 40


async def test_what_cannot_be_of_now_is_counted_shown_and_kept_aside(tmp_path, terminal):
    text = config(tmp_path, terminal, f"mqtt://127.0.0.1:{free_port()}")
    async with running(text) as run:
        await spoken(run, terminal, 0, 10)
        latest = (await run.device("a"))["last_fix"]
        terminal.say(b"".join(epoch(5 + n, day=dt.date(2038, 1, 19)) for n in range(4)))
        shown = await run.device_is("a", lambda d: d["quarantined"] >= 3)
        assert shown["quarantine"]["reasons"].keys() == {"future"}
        assert shown["quarantine"]["is_now"]
        assert shown["quarantine"]["last_claimed"].startswith("2038-01-19T08:00:0")
        assert shown["last_fix"]["seq"] in (latest["seq"], latest["seq"] + 1)
        assert shown["last_fix"]["t_fix"].startswith("2026-02-01")
        found = (await values(run, "/devices/a/fixes?from=2030-01-01T00:00:00Z"))["fixes"]
        assert found == []
        await run.status_is(lambda s: s["history"]["quarantined"] >= 3)
    with contextlib.closing(sqlite3.connect(tmp_path / "state" / "history.db")) as file:
        rows = file.execute("SELECT DISTINCT device, reason FROM quarantine").fetchall()
    assert rows == [("a", "future")]


async def test_a_gateway_without_a_history(tmp_path, terminal):
    url = f"mqtt://127.0.0.1:{free_port()}"
    async with running(config(tmp_path, terminal, url, "[history]", "enabled = false")) as run:
        code, kind, text = await ask(run, "/devices/a/fixes")
        assert (code, kind) == (503, "application/problem+json")
        assert "switched off" in text
        assert not (tmp_path / "state" / "history.db").exists()


async def test_a_history_that_is_damaged_stops_nothing_else(tmp_path, terminal):
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "history.db").write_bytes(b"this is no database" * 1000)
    url = f"mqtt://127.0.0.1:{free_port()}"
    async with running(config(tmp_path, terminal, url)) as run:
        await spoken(run, terminal, 0, 20)
        shown = await run.status_is(lambda s: s["history"].get("error"))
        assert "damaged" in shown["history"]["error"]
        assert shown["history"]["waiting"] >= 20
        code, _, text = await ask(run, "/devices/a/fixes")
        assert code == 503
        assert "damaged" in text


async def test_the_same_behind_postgresql(tmp_path, terminal):
    process = PostgresProcess()
    try:
        process.start()
        secret = tmp_path / "database"
        secret.write_text(PASSWORD, encoding="ascii")
        lines = (f'[store]\nurl = "{process.url()}"', f'password = {{ file = "{secret}" }}')
        text = config(tmp_path, terminal, f"mqtt://127.0.0.1:{free_port()}", *lines)
        async with running(text) as run:
            await spoken(run, terminal, 0, 20)
            found = await values(run, "/devices/a/fixes?limit=5")
            assert [fix["seq"] for fix in found["fixes"]] == list(range(5))
            shown = (await run.status())["history"]
            assert (shown["kind"], shown["dropped"]) == ("postgresql", 0)
            assert PASSWORD not in json.dumps(await run.status())
            assert not (tmp_path / "state" / "history.db").exists()
            process.stop()
            code, _, text = await ask(run, "/devices/a/fixes")
            assert code == 503
            assert PASSWORD not in text
            await spoken(run, terminal, 30, 20)
            process.start()
            await run.status_is(lambda s: s["history"]["stored"] >= 40)
            found = await values(run, f"/devices/a/fixes?after={found['next_after']}")
            seqs = [fix["seq"] for fix in found["fixes"]]
            assert seqs == list(range(5, 5 + len(seqs)))
            assert len(seqs) >= 35
    finally:
        process.remove()
