"""A mountpoint of a caster in the place of a receiver, and the manners that go with it."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import itertools
import re
import time
from functools import partial
from typing import Any

import pytest

from bdgw import config
from bdgw.app import Gateway
from bdgw.errors import ConfigError
from fwsim.ban import STRICT
from tests.app.correction_rig import (
    FLOOR_S,
    assert_passed_on,
    assert_whole,
    base_at,
    correction,
    hasten,
    nobody,
    raw_client,
    rovers,
    sim_caster,
)
from tests.app.rig import device, running
from tests.publish.brokers import free_port, until
from tests.support.spoken import sentence

FRAME = 'frame = "CGCS2000"'


def spoken() -> bytes:
    """An epoch of now."""
    now = dt.datetime.now(dt.UTC)
    clock = f"{now:%H%M%S}.{now.microsecond // 10_000:02d}"
    place = "3117.9641260,N,12130.1987620,E"
    return sentence(f"GNGGA,{clock},{place},4,31,0.6,8.1,M,10.312,M,1.0,77") + sentence(
        f"GNRMC,{clock},A,{place},0.0,,{now:%d%m%y},,,R"
    )


class Speaking:
    """A caster of version 1 whose one mount carries the sentences of a receiver."""

    def __init__(self) -> None:
        self.asked: list[tuple[float, bytes]] = []
        self.tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await self._answer(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
            self.tasks.discard(task)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        self.asked.append((time.monotonic(), request.split(b" ")[1]))
        if self.asked[-1][1] == b"/":
            writer.write(b"SOURCETABLE 200 OK\r\n\r\nENDSOURCETABLE\r\n")
            return
        writer.write(b"ICY 200 OK\r\n\r\n")
        for _ in range(10):
            writer.write(spoken())
            await asyncio.sleep(0.05)


def has_reason(words: str, shown: dict[str, Any]) -> bool:
    return words in shown["reason"]


@contextlib.asynccontextmanager
async def speaking() -> Any:
    caster = Speaking()
    server = await asyncio.start_server(caster.serve, "127.0.0.1", 0)
    caster.port = server.sockets[0].getsockname()[1]
    async with server:
        yield caster
    await asyncio.gather(*caster.tasks, return_exceptions=True)


async def test_a_receiver_behind_a_caster_gives_fixes_over_every_connection(tmp_path, monkeypatch):
    hasten(monkeypatch)
    async with speaking() as caster:
        text = nobody(tmp_path) + device("far", f"ntrip://127.0.0.1:{caster.port}/NMEA")
        async with running(text) as run:
            shown = await run.device_is("far", lambda d: d["fixes"] >= 15)
    assert shown["fix_counts"] == {"rtk_fixed": shown["fixes"]}
    assert shown["last_fix"]["via"] == "ip"
    assert shown["last_fix"]["corr"] == {"station": 77, "age_s": 1.0}, "none of ours"
    assert shown["n_connections"] >= 2
    assert shown["n_lost"]["peer_closed"] >= 1
    assert shown["stream"]["skipped_bytes"] == 0, "a head is not data"
    times = [at_s for at_s, _ in caster.asked]
    assert [path for _, path in caster.asked[:2]] == [b"/NMEA", b"/NMEA"], "the stream first"
    assert min(b - a for a, b in itertools.pairwise(times)) >= FLOOR_S - 0.1


async def test_a_base_behind_a_caster_is_a_source_of_corrections(tmp_path, monkeypatch):
    hasten(monkeypatch)
    own = free_port()
    async with sim_caster(base_at("BASE")) as caster, rovers() as (rover,):
        text = (
            nobody(tmp_path)
            + correction("site", "device://far")
            + f'[caster]\nlisten = "127.0.0.1:{own}"\n'
            + 'mounts = [{ name = "SITE", source = "device:far", is_open = true }]\n'
            + device("far", f"ntrip://127.0.0.1:{caster.caster.port}/BASE", 'role = "base"', FRAME)
            + device("rover", rover.url, 'correction = "site"')
        )
        async with running(text) as run, raw_client(own, "SITE") as client:
            await until(lambda: min(len(c.frames()) for c in (rover, client)) > 40, "frames")
            shown = await run.status()
        sent = caster.hashes("BASE")
    for who in (rover, client):
        assert_whole(who.data)
        assert_passed_on(who.hashes(), sent)
    far = next(d for d in shown["devices"] if d["dev"] == "far")
    assert (far["status"], far["fixes"]) == ("streaming", 0)
    assert shown["corrections"]["sources"][0]["state"] == "live"


async def test_why_a_mountpoint_gives_nothing_stands_in_the_status(tmp_path, monkeypatch):
    hasten(monkeypatch)
    monkeypatch.setenv("BDGW_TEST_WRONG", "not-this-one")
    guarded = [base_at(name, authentication="basic") for name in ("GUARDED", "SECRET")]
    mounts = [*guarded, base_at("AWAY", dialect="unavailable"), base_at("PAGE", dialect="html")]
    async with sim_caster(*mounts, accounts={"crew": "another"}) as caster:
        url = f"ntrip://127.0.0.1:{caster.caster.port}"
        wrong = 'password = { env = "BDGW_TEST_WRONG" }'
        text = (
            nobody(tmp_path)
            + device("without", f"{url}/GUARDED")
            + device("wrong", f"{url}/SECRET", 'username = "crew"', wrong)
            + device("nowhere", f"{url}/NOWHERE")
            + device("busy", f"{url}/AWAY")
            + device("page", f"{url}/PAGE")
        )
        async with running(text) as run:
            expected = {
                "without": "mount needs an account",
                "wrong": "the caster does not accept this user name and password",
                "nowhere": "no such mountpoint",
                "busy": "the caster is busy or full",
                "page": "a web page or text came where corrections should",
            }
            for name, words in expected.items():
                shown = await run.device_is(name, partial(has_reason, words))
                assert shown["status"] in ("connecting", "down")
                assert "next attempt in " in shown["reason"]
                assert "not-this-one" not in repr(shown)
            # What only people can change is not asked for again so soon.
            for mount, count in (("GUARDED", 1), ("SECRET", 1), ("NOWHERE", 1), ("PAGE", 1)):
                assert len(caster.said("request", mount=mount)) == count


async def test_a_caster_that_hangs_up_is_left_in_peace_for_ten_seconds(tmp_path):
    """With the waits as they are delivered, before strict rules."""
    mount = base_at("BASE", dialect="dies_after_accept")
    async with sim_caster(mount, rules=STRICT) as caster:
        text = nobody(tmp_path) + device("far", f"ntrip://127.0.0.1:{caster.caster.port}/BASE")
        async with running(text) as run:
            shown = await run.device_is("far", lambda d: "next attempt in" in d["reason"])
            paths = [each["mount"] for each in caster.said("request")]
        assert paths == ["BASE"], "the stream at once, and nothing else yet"
        waits_s = re.search(r"next attempt in (\d+) s", shown["reason"])
        assert waits_s is not None
        assert 9 <= int(waits_s[1]) <= 20
        assert not caster.caster.counters()["offences"]


async def test_a_device_of_a_caster_with_its_own_authority(tmp_path, certificates):
    cert, key = certificates.server("good")
    async with sim_caster(base_at("BASE"), tls_port=0, certificate=cert, key=key) as caster:
        url = f"{caster.tls_url}/BASE"
        trusting = device("trusting", url, f'ca_file = "{certificates.ca}"', 'role = "base"', FRAME)
        async with running(nobody(tmp_path) + trusting) as run:
            await run.device_is("trusting", lambda d: d["status"] == "streaming")
        doubting = device("doubting", url, 'role = "base"', FRAME)
        async with running(nobody(tmp_path / "other") + doubting) as run:
            shown = await run.device_is("doubting", lambda d: "authority" in d["reason"])
    assert shown["bytes_in"] == 0


@pytest.mark.parametrize(
    ("url", "ca_file", "said"),
    [
        ("ntrips://127.0.0.1:2102/BASE", "/nowhere/ca.pem", "device 'far': ca_file = '/nowhere/"),
        ("ntrip://127.0.0.1:2101/BASE", None, "device 'far': ca_file is for ntrips:// only"),
        ("tcp://127.0.0.1:2101", None, "device 'far': ca_file is for ntrips:// only"),
    ],
)
def test_a_certificate_file_that_cannot_serve_is_told(tmp_path, certificates, url, ca_file, said):
    text = nobody(tmp_path) + device("far", url, f'ca_file = "{ca_file or certificates.ca}"')
    with pytest.raises(ConfigError, match=re.escape(said)):
        Gateway(config.parse(text, name="test"))


def test_a_gateway_that_is_made_without_the_command_line_is_checked_as_well(tmp_path):
    text = (
        nobody(tmp_path)
        + correction("a", "ntrip://127.0.0.1:2101", 'mount = "A"', 'standby = "b"')
        + correction("b", "ntrip://127.0.0.1:2101", 'mount = "B"', frame="WGS84")
    )
    with pytest.raises(ConfigError, match="standby 'b' will be refused"):
        Gateway(config.parse(text, name="test"))
