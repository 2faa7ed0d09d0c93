"""The routes of devices: what is asked of the source, and what is refused before it is asked."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from bdgw.api.app import build_api
from bdgw.history import (
    Cursor,
    HistoryError,
    RangeTooLargeError,
    RepairBusyError,
    RepairError,
    UnknownBootError,
)
from bdgw.timescale import SECOND_NS
from tests.api.devices import Devices
from tests.api.test_api import SECRETS, TOKENS, Source, assert_problem

EIGHT_NS = 1_798_099_200 * SECOND_NS
"""2026-12-24T08:00:00Z."""
BASE = "/api/v1/devices"
REPAIR = {"boot": "b1", "from_seq": 1, "to_seq": 3}


def api(devices: Devices) -> FastAPI:
    return build_api(Source(), devices, tokens=TOKENS, anonymous="read", version="1")


async def ask(devices: Devices, path: str, **parameters: Any) -> httpx.Response:
    transport = httpx.ASGITransport(api(devices), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://gw") as client:
        return await client.get(f"{BASE}{path}", params=parameters)


async def post(devices: Devices, path: str, **body: Any) -> httpx.Response:
    transport = httpx.ASGITransport(api(devices), raise_app_exceptions=False)
    headers = {"Authorization": f"Bearer {SECRETS['operate']}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://gw") as client:
        return await client.post(f"{BASE}{path}", headers=headers, **body)


async def test_states_and_skies():
    devices = Devices()
    assert (await ask(devices, "")).json() == {"devices": [{"dev": "a"}]}
    assert (await ask(devices, "/a")).json() == {"dev": "a"}
    assert (await ask(devices, "/a/sky")).json() == {"dev": "a", "satellites": []}
    assert_problem(await ask(devices, "/blind/sky"), 404)


@pytest.mark.parametrize("path", ["", "/sky", "/fixes", "/gaps"])
async def test_a_device_that_there_is_not(path: str):
    devices = Devices()
    problem = assert_problem(await ask(devices, f"/nobody{path}"), 404)
    assert "nobody" in problem["detail"]
    assert_problem(await post(devices, "/nobody/repair", json=REPAIR), 404)
    assert devices.asked == []


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("2026-12-24T08:00:00Z", EIGHT_NS),
        ("2026-12-24T16:00:00+08:00", EIGHT_NS),
        ("2026-12-24T16:00:00 08:00", EIGHT_NS),  # a plus that nobody has encoded
        ("2026-12-24T08:00:00.250Z", EIGHT_NS + 250_000_000),
        ("2026-12-24 08:00:00Z", EIGHT_NS),
        ("2026-12-24T07:59:60Z", EIGHT_NS),  # a leap second, as t_fix writes it
        ("1970-01-01T00:00:00Z", 0),
    ],
)
async def test_instants(text: str, ns: int):
    devices = Devices()
    assert (await ask(devices, "/a/fixes", **{"from": text})).is_success
    ((device, wanted),) = devices.asked
    assert (device, wanted["from_utc_ns"], wanted["until_utc_ns"]) == ("a", ns, None)


@pytest.mark.parametrize("key", ["from", "to"])
@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2026-12-24",
        "2026-12-24T08:00:00",  # of which zone?
        "2026-13-24T08:00:00Z",
        "1798099200",
        "9999-12-31T00:00:00Z",
        "0001-01-01T00:00:00Z",
        "2026-12-24T08:00:00Z" + "0" * 50,
    ],
)
async def test_what_is_no_instant(key: str, text: str):
    devices = Devices()
    problem = assert_problem(await ask(devices, "/a/fixes", **{key: text}), 422)
    assert key in problem["detail"]
    assert devices.asked == []


async def test_from_must_be_before_to():
    early, late = "2026-12-24T08:00:00Z", "2026-12-24T08:00:01Z"
    devices = Devices()
    for first, last in ((late, early), (early, early)):
        assert_problem(await ask(devices, "/a/fixes", **{"from": first, "to": last}), 422)
    assert (await ask(devices, "/a/fixes", **{"from": early, "to": late})).is_success


@pytest.mark.parametrize("form", ["json", "csv", "geojson", "gpx"])
async def test_a_track_goes_out_as_it_comes(form: str):
    answer = await ask(Devices(), "/a/fixes", format=form)
    assert (answer.text, answer.headers["content-type"].partition(";")[0]) == (
        "one,two",
        f"text/{form}",
    )


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("format", "kml"),
        ("limit", "0"),
        ("limit", "-1"),
        ("limit", "1000001"),
        ("limit", "many"),
        ("after", "b1"),
        ("after", "b1.x"),
        ("after", "b" * 101),
    ],
)
async def test_parameters_that_are_none(key: str, value: str):
    devices = Devices()
    problem = assert_problem(await ask(devices, "/a/fixes", **{key: value}), 422)
    assert key in problem["detail"]
    assert devices.asked == []


async def test_a_place_and_a_limit():
    devices = Devices()
    await ask(devices, "/a/fixes", after="7f.3a.12", limit=5)
    ((_, wanted),) = devices.asked
    assert (wanted["after"], wanted["limit"]) == (Cursor("7f.3a", 12), 5)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (HistoryError("the disk is away"), 503),
        (UnknownBootError("nothing is kept of boot 'x'"), 422),
        (RangeTooLargeError("too many"), 422),
        (RepairError("too wide"), 422),
        (RepairBusyError("later"), 429),
    ],
)
async def test_what_the_history_says_is_a_problem_document(error: Exception, status: int):
    devices = Devices(error)
    answers = [
        await ask(devices, "/a/fixes"),
        await ask(devices, "/a/gaps"),
        await post(devices, "/a/repair", json=REPAIR),
    ]
    for answer in answers:
        assert str(error) in assert_problem(answer, status)["detail"]
        assert ("retry-after" in answer.headers) == (status == 429)


async def test_a_repair_is_taken():
    devices = Devices()
    answer = await post(devices, "/a/repair", json=REPAIR)
    assert (answer.status_code, answer.json()) == (202, {"n_found": 1})
    assert devices.asked == [("a", "b1", 1, 3)]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 422),
        (b"null", 422),
        (b"{}", 422),
        (b'{"boot":"b1","from_seq":"1","to_seq":2}', 422),
        (b'{"boot":"b1","from_seq":1,"to_seq":2,"x":1}', 422),
        (b'{"boot":"b1","from_seq":1.5,"to_seq":2}', 422),
        (b"\xff" * 10, 422),
        (b" " * 5000, 413),
    ],
)
async def test_a_repair_that_makes_no_sense(body: bytes, status: int):
    devices = Devices()
    assert_problem(await post(devices, "/a/repair", content=body), status)
    assert devices.asked == []
