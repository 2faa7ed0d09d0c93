"""The API as a client sees it: who may do what on every route, and what errors look like.

The matrix is made from the route table, so a route that is added is in it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest
from fastapi import Depends, FastAPI
from fastapi.routing import APIRoute

from bdgw.api.app import build_api
from bdgw.api.auth import ROLES, Token, authoriser
from bdgw.shortmsg.ledger_store import InboundPage, InboundQuery, Page, Query
from tests.api.devices import Devices

SECRETS = {role: f"canary-{role}-0123456789abcdef" for role in ROLES}
TOKENS = tuple(Token(name=f"t-{role}", role=role, secret=SECRETS[role]) for role in ROLES)
OPEN = {("GET", "/healthz")}
"""Needs no token and tells one word."""
NEEDS = {
    ("GET", "/api/v1/status"): "read",
    ("GET", "/api/v1/corrections"): "read",
    ("POST", "/api/v1/corrections/{name}/accept-base"): "operate",
    ("GET", "/api/v1/openapi.json"): "read",
    ("GET", "/api/v1/terminals"): "read",
    ("GET", "/api/v1/shortmsg"): "read",
    ("GET", "/api/v1/shortmsg/{message_id}"): "read",
    ("POST", "/api/v1/shortmsg"): "operate",
    ("POST", "/api/v1/shortmsg/{message_id}/cancel"): "operate",
    ("GET", "/api/v1/devices"): "read",
    ("GET", "/api/v1/devices/{device}"): "read",
    ("GET", "/api/v1/devices/{device}/sky"): "read",
    ("GET", "/api/v1/devices/{device}/fixes"): "read",
    ("GET", "/api/v1/devices/{device}/gaps"): "read",
    ("POST", "/api/v1/devices/{device}/repair"): "operate",
}
# Each is refused: unknown, cut, with more behind it, another scheme, empty, no scheme, an expired
# web token (its three parts say nothing here), and one that is not ASCII.
BAD = {
    "unknown": "Bearer nobody",
    "cut": f"Bearer {SECRETS['admin'][:-1]}",
    "longer": f"Bearer {SECRETS['admin']}x",
    "two": f"Bearer {SECRETS['admin']} {SECRETS['read']}",
    "basic": f"Basic {SECRETS['admin']}",
    "empty": "Bearer ",
    "no scheme": SECRETS["admin"],
    "nothing": "",
    "expired": "Bearer eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjF9.c2lnbmF0dXJl",
    "not ascii": "Bearer \xe9\xe9",
}


class Source:
    """A gateway whose state the test sets."""

    def __init__(self) -> None:
        self.reasons: list[str] = []

    def full(self) -> dict[str, Any]:
        return {"v": 1, "gw": "yp-01"}

    def corrections(self) -> dict[str, Any]:
        return {"sources": []}

    def accept_base(self, name: str) -> bool:
        return name != "held-by-nobody"

    def terminals(self) -> list[dict[str, Any]]:
        return []

    def failures(self) -> list[str]:
        return self.reasons


class Answered(msgspec.Struct):
    verdict: str
    value: dict[str, Any]


class Messages:
    """Whoever is let through to it gets an answer; what it says is tested in test_shortmsg.py."""

    async def send(self, body: bytes, *, origin: str, key: str | None = None) -> Answered:
        return Answered("known", {"id": "m"})

    async def cancel(self, message_id: str) -> Answered:
        return Answered("done", {"id": message_id})

    async def show(self, message_id: str) -> Answered:
        return Answered("done", {"id": message_id})

    async def sent(self, query: Query) -> Page:
        return Page(messages=(), next_after=None)

    async def received(self, query: InboundQuery) -> InboundPage:
        return InboundPage(messages=(), next_after=None)

    async def export(self, query: Query | InboundQuery, form: str) -> AsyncIterator[str]:
        yield ""


def api(anonymous: str = "none", source: Source | None = None) -> FastAPI:
    return build_api(
        source or Source(),
        Devices(),
        tokens=TOKENS,
        anonymous=anonymous,
        version="1.2.3",
        messages=Messages(),
    )


async def ask(
    app: FastAPI, method: str, path: str, authorization: str | None = None
) -> httpx.Response:
    headers = {} if authorization is None else {b"authorization": authorization.encode("latin-1")}
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://gw") as client:
        return await client.request(method, path, headers=headers)


def routes() -> list[tuple[str, str]]:
    table = [
        (method, route.path)
        for route in api().routes
        if isinstance(route, APIRoute)
        for method in sorted(route.methods or ())
    ]
    assert len(table) == len(api().routes), "a route that is no APIRoute escapes the matrix"
    return table


def assert_problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    """RFC 9457, section 3."""
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == status
    assert problem["type"] == "about:blank"
    assert problem["title"]
    assert problem["detail"]
    return problem


def test_every_route_has_been_thought_of():
    assert set(routes()) == OPEN | NEEDS.keys()


@pytest.mark.parametrize("route", routes())
@pytest.mark.parametrize("anonymous", ["none", "read"])
async def test_without_a_token(route: tuple[str, str], anonymous: str):
    answer = await ask(api(anonymous), *route)
    if route in OPEN or anonymous == NEEDS[route]:
        assert answer.is_success or answer.status_code == 422
    else:
        assert_problem(answer, 401)
        assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("route", [*routes(), ("GET", "/nothing/here"), ("PUT", "/healthz")])
@pytest.mark.parametrize("anonymous", ["none", "read"])
@pytest.mark.parametrize("bad", BAD)
async def test_a_bad_token_is_401_everywhere(route: tuple[str, str], anonymous: str, bad: str):
    answer = await ask(api(anonymous), *route, BAD[bad])
    assert_problem(answer, 401)
    assert answer.headers["www-authenticate"] == "Bearer"
    assert not any(secret[:12] in answer.text for secret in SECRETS.values())


@pytest.mark.parametrize("route", routes())
@pytest.mark.parametrize("role", ROLES)
async def test_a_known_token_may_what_its_role_may(route: tuple[str, str], role: str):
    answer = await ask(api(), *route, f"Bearer {SECRETS[role]}")
    needed = NEEDS.get(route)
    if needed is None or ROLES.index(role) >= ROLES.index(needed):
        assert answer.is_success or answer.status_code == 422
    else:
        assert_problem(answer, 403)


async def test_the_scheme_is_read_in_any_case():
    assert (await ask(api(), "GET", "/api/v1/status", f"bEARER {SECRETS['read']}")).is_success


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("needed", ROLES)
async def test_a_role_may_what_the_ones_before_it_may(role: str, needed: str):
    """403 for a known token whose role does not reach; no route of today needs more than read."""
    app = api()
    check = Depends(authoriser(TOKENS, anonymous="none", role=needed))

    @app.get("/needs", dependencies=[check])
    async def _needs() -> dict[str, str]:
        return {}

    answer = await ask(app, "GET", "/needs", f"Bearer {SECRETS[role]}")
    if ROLES.index(role) >= ROLES.index(needed):
        assert answer.status_code == 200
    else:
        problem = assert_problem(answer, 403)
        assert needed in problem["detail"]


@pytest.mark.parametrize(
    "path", ["/", "/api", "/api/v1/status/", "/docs", "/openapi.json", "/../x"]
)
async def test_what_is_not_there_is_a_problem_document(path: str):
    answer = await ask(api("read"), "GET", path)
    if answer.is_redirect:  # a slash too many leads to the path without it
        assert answer.headers["location"].endswith(path.rstrip("/"))
    else:
        assert_problem(answer, 404)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
async def test_a_method_that_is_not_there(method: str):
    answer = await ask(api("read"), method, "/api/v1/status")
    assert_problem(answer, 405)
    assert "GET" in answer.headers["allow"]


async def test_a_parameter_that_is_none():
    app = api()

    @app.get("/devices/{number}")
    async def _device(number: int) -> dict[str, int]:
        return {"number": number}

    problem = assert_problem(await ask(app, "GET", "/devices/seven"), 422)
    assert problem["detail"].startswith("path.number: ")


async def test_a_bug_is_a_problem_document_that_tells_nothing():
    class Broken(Source):
        def full(self) -> dict[str, Any]:
            raise RuntimeError("canary-of-a-traceback")

    answer = await ask(api("read", Broken()), "GET", "/api/v1/status")
    assert_problem(answer, 500)
    assert "canary" not in answer.text


async def test_healthz_tells_of_the_data_plane_in_one_word():
    source = Source()
    answer = await ask(api(source=source), "GET", "/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    source.reasons = ["broker: mqtts://secret.example is away"]
    answer = await ask(api(source=source), "GET", "/healthz")
    assert (answer.status_code, answer.json()) == (503, {"status": "failing"})
    assert "secret.example" not in answer.text


async def test_the_description_lists_the_routes():
    value = (await ask(api("read"), "GET", "/api/v1/openapi.json")).json()
    assert value["info"]["version"] == "1.2.3"
    assert value["paths"].keys() == {path for _, path in routes()}


def test_a_token_does_not_show_its_secret():
    shown = f"{TOKENS[0]!r} {TOKENS[0]} {TOKENS}"
    assert not any(secret in shown for secret in SECRETS.values())
    assert "t-read" in shown
