"""The gpsd server among its clients: one that is slow, one too many, an address that is taken."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import socket
from typing import Any

from bdgw.adapters import GpsdServer
from bdgw.adapters.spec import GpsdSpec
from bdgw.hub import SkySeen
from tests.adapters.fixes import SKY, T_POSIX_S, a_fix
from tests.adapters.gpsd_rig import epochs, serving
from tests.publish.brokers import until

WATCH = b'?WATCH={"enable":true,"json":true};\n'


async def next_of(reader: asyncio.StreamReader, kind: str) -> dict[str, Any]:
    async with asyncio.timeout(20.0):
        while line := await reader.readline():
            value: dict[str, Any] = json.loads(line)
            if value["class"] == kind:
                return value
    raise AssertionError(f"no {kind} came")


async def watching(port: int, request: bytes = WATCH):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    await next_of(reader, "WATCH")
    return reader, writer


async def test_a_client_that_takes_nothing_hurts_nobody():
    async with serving(queue_bytes=20_000) as (server, port):
        lazy = socket.socket()
        lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        lazy.setblocking(False)
        await asyncio.get_running_loop().sock_connect(lazy, ("127.0.0.1", port))
        await asyncio.get_running_loop().sock_sendall(lazy, WATCH)
        reader, writer = await watching(port)
        steps = epochs(server)
        for _ in range(20_000):
            seq = next(steps)
            if seq % 50 == 0:
                await asyncio.sleep(0)
                tpv = await next_of(reader, "TPV")
                assert tpv["device"] == "rover-1"
            if server.fields(0.0)["lines_dropped"] > 100:
                break
        assert server.fields(0.0)["lines_dropped"] > 100
        assert server.fields(0.0)["clients"] == 2
        lazy.close()
        writer.close()


async def test_one_client_too_many_is_turned_away():
    async with serving(max_clients=1) as (server, port):
        _, first = await watching(port)
        reader, second = await asyncio.open_connection("127.0.0.1", port)
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
        assert server.fields(0.0)["clients_turned_away"] == 1
        first.close()
        second.close()
        await until(lambda: server.fields(0.0)["clients"] == 0)


async def test_a_poll_gives_the_last_of_every_device():
    async with serving("rover-1", "rover-2") as (server, port):
        server.offer(a_fix(device="rover-2", lat_deg=30.5))
        server.offer(SkySeen(device="rover-2", sky=SKY))
        server.offer(a_fix(device="stranger"))
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"?POLL;\n")
        poll = await next_of(reader, "POLL")
        assert [each["lat"] for each in poll["tpv"]] == [30.5]
        assert [each["nSat"] for each in poll["sky"]] == [4]
        assert poll["time"] == "2026-11-22T08:00:00.000Z"
        writer.close()


async def test_a_name_that_cannot_be_one_stops_nothing():
    spec = GpsdSpec(name="gpsd", devices=("rover-1",), host="a..b", port=2947)
    server = GpsdServer(spec, utc_ns=lambda: T_POSIX_S * 10**9, rng=random.Random(1))
    task = asyncio.create_task(server.run())
    await until(lambda: server.fields(0.0)["failures"] == 1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_an_address_that_is_taken_is_tried_again(monkeypatch):
    monkeypatch.setattr("bdgw.adapters.gpsd_server._RETRY_FLOOR_S", 0.01)
    monkeypatch.setattr("bdgw.adapters.gpsd_server._RETRY_CAP_S", 0.02)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        spec = GpsdSpec(name="gpsd", devices=("rover-1",), host="127.0.0.1", port=port)
        server = GpsdServer(spec, utc_ns=lambda: T_POSIX_S * 10**9, rng=random.Random(1))
        task = asyncio.create_task(server.run())
        await until(lambda: server.fields(0.0)["failures"] > 0)
        assert "cannot listen" in server.fields(0.0)["reason"]
    await until(lambda: server.fields(0.0)["is_listening"])
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
