"""The gateway as a caster: bases, relays and pushed streams in, every kind of client out."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bdgw.ntrip.account import Account
from bdgw.ntrip.address import CasterAddress
from bdgw.ntrip.gga import GgaPolicy, GgaWhen
from bdgw.ntrip.request import NtripVersion
from bdgw.ntrip.runner import NtripClient, NtripClientSpec
from bdgw.ntrip.sourcetable import parse_sourcetable
from bdgw.receivers import SystemClock
from tests.app.correction_rig import (
    Heard,
    assert_passed_on,
    assert_whole,
    base_at,
    correction,
    dialled,
    field,
    from_caster,
    hasten,
    nobody,
    raw_client,
    rovers,
    sim_caster,
)
from tests.app.rig import device, running
from tests.publish.brokers import free_port, until
from tests.support.spoken import sentence

CREW = "canary-crew-41f"
PUSH, POST = "canary-push-0b7", "canary-post-5d2"
BASE = "kind=base,rate_hz=5,systems=GC,msm=7,position_every_s=1"


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    hasten(monkeypatch)
    for name, value in {"CREW": CREW, "PUSH": PUSH, "POST": POST}.items():
        monkeypatch.setenv(f"BDGW_TEST_{name}", value)


def password_of(name: str) -> str:
    return f'password = {{ env = "BDGW_TEST_{name}" }}'


def user(name: str, password: str, *more: str) -> str:
    return "[[caster.users]]\n" + "\n".join([f'name = "{name}"', password_of(password), *more, ""])


def mount(name: str, source: str, *more: str) -> str:
    lines = [f'name = "{name}"', f'source = "{source}"', *more, ""]
    return "[[caster.mounts]]\n" + "\n".join(lines)


def caster_of(port: int, *users: str) -> str:
    return f'[caster]\nlisten = "127.0.0.1:{port}"\n' + "".join(users)


def basic(user: str, password: str) -> str:
    return "Authorization: Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def pushing(name: str, port: int, head: str, **place: float) -> str:
    """A simulated base that dials the gateway's caster and begins with this request."""
    where = "".join(f",{key}={value}" for key, value in place.items())
    request = f"{head}\r\n\r\n".encode().hex()
    return f"name={name},{BASE},port=tcp:127.0.0.1:{port},registration_hex={request}{where}"


def source(password: str, mount: str) -> str:
    return f"SOURCE {password} /{mount}\r\nSource-Agent: NTRIP probe/1"


@contextlib.asynccontextmanager
async def our_client(port: int, mount: str) -> AsyncIterator[Heard]:
    """The gateway's own client, version 2, with the account of the crew."""
    heard = Heard()
    client = NtripClient(
        NtripClientSpec(
            address=CasterAddress(host="127.0.0.1", port=port),
            mount=mount,
            account=Account("crew", CREW),
            version=NtripVersion.V2,
            gga=GgaPolicy(when=GgaWhen.NEVER),
        ),
        on_body=lambda data, _now: heard.add(data),
        on_state=lambda _state: None,
        position=lambda: None,
        clock=SystemClock(),
        rng=random.Random(1),
    )
    task = asyncio.create_task(client.run())
    try:
        yield heard
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def listens(run: Any) -> None:
    await run.status_is(lambda s: s["caster"]["is_listening"])


def mount_of(shown: dict[str, Any], name: str) -> dict[str, Any]:
    return next(m for m in shown["caster"]["mounts"] if m["name"] == name)


async def test_a_base_a_relay_and_pushed_streams_reach_clients_byte_for_byte(tmp_path: Path):
    own = free_port()
    token = basic("base-2", POST)
    post = f"POST /POST HTTP/1.1\r\nHost: x\r\nNtrip-Version: Ntrip/2.0\r\n{token}"
    lines = (
        f"name=base-1,{BASE},port=pty:{tmp_path}/base-1,station=1",
        pushing("source", own, source(PUSH, "PUSH"), station=2, lat_deg=31.5),
        pushing("post", own, post, station=3, lat_deg=31.7),
    )
    async with (
        sim_caster(base_at("BASE", station=4)) as caster,
        rovers(2) as (by_push, by_device),
        field(*lines) as afield,
    ):
        text = (
            nobody(tmp_path)
            + from_caster("net", caster, "BASE")
            + correction("pushed", "push://PUSH")
            + correction("site", "device://base-1")
            + caster_of(own, user("crew", "CREW", "max_sessions = 9"))
            + mount("SITE", "device:base-1", 'identifier = "Pier"', 'country = "CHN"')
            + mount("NET", "correction:net")
            + mount("PUSH", "push", password_of("PUSH"), 'frame = "CGCS2000"')
            + mount("POST", "push", password_of("POST"), 'frame = "CGCS2000"')
            + mount("NEAR", "nearest", 'members = ["PUSH", "POST"]', "is_open = true")
            + device("base-1", f"serial://{tmp_path}/base-1", 'role = "base"', 'frame = "CGCS2000"')
            + device("by-push", by_push.url, 'correction = "pushed"')
            + device("by-device", by_device.url, 'correction = "site"')
        )
        crew = basic("crew", CREW)
        async with running(text) as run, contextlib.AsyncExitStack() as stack:
            await listens(run)
            # Data of their own first: what is open to all gives the places of its members.
            await run.status_is(
                lambda s: all(
                    m.get("lat_deg") for m in s["caster"]["mounts"] if m["name"] != "NEAR"
                )
            )
            ours = await stack.enter_async_context(our_client(own, "SITE"))
            site = await stack.enter_async_context(raw_client(own, "SITE", crew))
            net = await stack.enter_async_context(raw_client(own, "NET", crew, version=2))
            pushed = await stack.enter_async_context(raw_client(own, "PUSH", crew))
            posted = await stack.enter_async_context(raw_client(own, "POST", crew))
            near = await stack.enter_async_context(raw_client(own, "NEAR"))
            assert near.head == site.head == b"ICY 200 OK\r\n\r\n"
            assert b"Transfer-Encoding: chunked" in net.head
            await until(lambda: len(site.frames()) > 20, "frames of the base")
            assert near.data == b"", "nothing before it has said where it is"
            near.writer.write(
                sentence("GPGGA,080000.00,3141.4000,N,12130.2000,E,1,12,0.6,20,M,10,M,,")
            )
            clients = (ours, site, net, pushed, posted, near, by_push, by_device)
            await until(lambda: all(len(c.frames()) > 20 for c in clients), "frames for all")
            shown = await run.status()
            table = await asked(own, "GET / HTTP/1.0\r\nUser-Agent: NTRIP probe/1\r\n\r\n")
            _, page, kind = await asyncio.to_thread(fetch_page, own)
        sent = {name: afield.sent[name].hashes() for name in ("base-1", "source", "post")}
        sent["net"] = caster.hashes("BASE")
    for client, name in (
        *((ours, "base-1"), (site, "base-1"), (by_device, "base-1"), (net, "net")),
        *((pushed, "source"), (by_push, "source"), (posted, "post"), (near, "post")),
    ):
        assert_passed_on(client.hashes(), sent[name])
    for client in (ours, site, pushed, posted, near, by_push, by_device):
        assert_whole(client.data)
    # The pushing bases were answered in their own dialects.
    assert afield.heard["source"].data == b"OK\r\n"
    assert afield.heard["post"].data.startswith(b"HTTP/1.1 200 OK\r\n")
    caster_shown = shown["caster"]
    (near_client,) = (c for c in caster_shown["clients"] if c["mount"] == "NEAR")
    assert near_client["source"] == "POST"
    assert near_client["distance_m"] == pytest.approx(1110, abs=40)
    assert mount_of(shown, "PUSH")["pusher"]["peer"].startswith("127.0.0.1:")
    assert {c["n_dropped"] for c in caster_shown["clients"]} == {0}
    check_table(table)
    assert "text/html" in kind
    for word in ("SITE", "Pier", "CHN", "31.2994, 121.5033", "NEAR"):
        assert word in page
    for secret in (CREW, PUSH, POST):
        assert secret not in page
        assert secret.encode() not in table
        assert secret not in repr(shown)


async def asked(port: int, text: str) -> bytes:
    """Ask a caster something and read to the end."""
    async with dialled(port) as peer:
        await peer.ask(text)
        return peer.head + await peer.over()


def fetch_page(port: int) -> tuple[int, str, str]:
    import urllib.request

    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/", headers={"Accept": "text/html", "User-Agent": "Mozilla/5.0"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.status, answer.read().decode(), answer.headers["content-type"]


def check_table(answer: bytes) -> None:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"SOURCETABLE 200 OK\r\n")
    table = parse_sourcetable(body)
    assert table.is_complete
    records = {record.mount: record for record in table.streams}
    assert records.keys() == {"SITE", "NET", "PUSH", "POST", "NEAR"}
    site = records["SITE"]
    assert (site.identifier, site.country, site.carrier) == ("Pier", "CHN", 2)
    assert (site.lat_deg, site.lon_deg) == (31.2994, 121.5033)
    # As measured on the wall clock of this machine.
    assert dict(site.details)[1005] == pytest.approx(1.0, abs=0.3)
    assert dict(site.details)[1127] == pytest.approx(0.2, abs=0.1)
    assert set(site.systems) == {"GPS", "BDS"}
    assert site.authentication == "B"
    assert (records["NEAR"].needs_gga, records["NEAR"].authentication) == (True, "N")
    assert records["POST"].lat_deg == 31.7


async def test_who_may_not_is_refused_in_words_of_its_dialect(tmp_path):
    own = free_port()
    text = (
        nobody(tmp_path)
        + caster_of(own, user("crew", "CREW"), user("guest", "POST", 'mounts = ["OTHER"]'))
        + mount("PUSH", "push", password_of("PUSH"))
        + mount("OTHER", "push", password_of("POST"))
    )
    v1 = "GET /{} HTTP/1.0\r\nUser-Agent: NTRIP probe/1\r\n{}\r\n\r\n"
    v2 = "GET /{} HTTP/1.1\r\nHost: x\r\nNtrip-Version: Ntrip/2.0\r\n{}\r\n\r\n"
    wrong, crew = basic("crew", "canary-wrong-9"), basic("crew", CREW)
    async with running(text) as run:
        await listens(run)
        for request, answer in (
            (v1.format("PUSH", "X: 1"), b"HTTP/1.0 401 Unauthorized\r\n"),
            (v2.format("PUSH", wrong), b"HTTP/1.1 401 Unauthorized\r\n"),
            (v2.format("PUSH", basic("guest", POST)), b"HTTP/1.1 403 Forbidden\r\n"),
            (v2.format("NONE", crew), b"HTTP/1.1 404 Not Found\r\n"),
            (v1.format("NONE", crew), b"SOURCETABLE 200 OK\r\n"),
            (f"{source('canary-wrong-9', 'PUSH')}\r\n\r\n", b"ERROR - Bad Password\r\n"),
            (f"{source(CREW, 'PUSH')}\r\n\r\n", b"ERROR - Bad Password\r\n"),
            (f"{source(PUSH, 'NONE')}\r\n\r\n", b"ERROR - Mount Point Taken or Invalid\r\n"),
        ):
            said = await asked(own, request)
            assert said.startswith(answer), (request, said)
            for secret in (CREW, PUSH, POST, "canary-wrong-9"):
                assert secret.encode() not in said
        shown = (await run.status())["caster"]
    assert shown["n_failed_logins"] == 3
    assert shown["n_refused"] == {
        "401 this mount needs an account": 1,
        "401 user name or password is wrong": 3,
        "403 this account does not open the mount": 1,
        "404 unknown mount": 2,
        "404 no mount to push to": 1,
    }
    assert not shown["clients"]


async def test_accounts_change_while_the_caster_runs(tmp_path, capsys):
    own = free_port()
    users = tmp_path / "users.toml"

    def write(*names: str, tail: str = "") -> None:
        fresh = tmp_path / "users.new"
        fresh.write_text(
            "".join(
                f'[[users]]\nname = "{name}"\npassword = {{ env = "BDGW_TEST_CREW" }}\n'
                for name in names
            )
            + tail
        )
        fresh.replace(users)

    write("stays", "goes")
    text = (
        nobody(tmp_path)
        + f'[caster]\nlisten = "127.0.0.1:{own}"\nusers_file = "{users}"\n'
        + 'mounts = [{ name = "SITE", source = "device:base-1" }]\n'
        + device("base-1", f"serial://{tmp_path}/base-1", 'role = "base"')
    )
    async with (
        field(f"name=base-1,{BASE},port=pty:{tmp_path}/base-1") as afield,
        running(text) as run,
    ):
        await listens(run)
        async with (
            raw_client(own, "SITE", basic("stays", CREW)) as stays,
            raw_client(own, "SITE", basic("goes", CREW)) as goes,
        ):
            await until(lambda: min(len(c.frames()) for c in (stays, goes)) > 10, "frames")
            refused = await asked(own, f"GET /SITE HTTP/1.0\r\n{basic('comes', CREW)}\r\n\r\n")
            assert b"401" in refused
            # Half a file, as an editor may leave it: what was in force stays so.
            write(tail="[[users]\n")
            said: list[str] = []

            def is_told() -> bool:
                said.append(capsys.readouterr().out)
                return "caster_users_refused" in said[-1]

            await until(is_told, "the log says that the file cannot be read")
            assert CREW not in "".join(said)
            write("stays", "comes")
            await goes.over()
            async with raw_client(own, "SITE", basic("comes", CREW)) as comes:
                n_before = len(stays.frames())
                await until(lambda: len(comes.frames()) > 10, "the new one gets frames")
                await until(lambda: len(stays.frames()) > n_before + 10, "others go on")
                again = await asked(own, f"GET /SITE HTTP/1.0\r\n{basic('goes', CREW)}\r\n\r\n")
                assert b"401" in again
        sent = afield.sent["base-1"].hashes()
    for client in (stays, goes, comes):
        assert_passed_on(client.hashes(), sent)
    assert not stays.is_over
