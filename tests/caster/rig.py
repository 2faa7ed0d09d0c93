"""A caster that really listens, frames to feed it, and clients made of bare sockets."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import functools
import operator
import random
import ssl
import time
from collections.abc import Callable
from typing import Any

from bdgw.caster import (
    Caster,
    CasterSnapshot,
    CasterSpec,
    ClientSnapshot,
    Limits,
    MountKind,
    MountSnapshot,
    MountSpec,
    Password,
    Pusher,
    User,
    UserTable,
)
from bdgw.receivers.clock import SystemClock
from bdgw.wire.checksum import crc24q

PATIENCE_S = 15.0
USER, PASSWORD, PUSH_PASSWORD = "rover", "canary-reader-9c1", "canary-pusher-2e7"
STATION = bytes.fromhex("d300133ed7d30202980edeef34b4bd62ac0941986f33360b98")
"""A 1005; source: RTCM 10403.3, the example of a transport frame (41.1 N, 77.1 W)."""
USERS = UserTable(
    users=(User(name=USER, password=Password(PASSWORD), max_sessions=1000),),
    pushers={"PUSH": Pusher(password=Password(PUSH_PASSWORD))},
)
MOUNTS = (
    MountSpec(name="BASE", kind=MountKind.LOCAL, identifier="Here"),
    MountSpec(name="OPEN", kind=MountKind.RELAY, is_open=True),
    MountSpec(name="PUSH", kind=MountKind.PUSH),
)
NTRIP = "User-Agent: NTRIP probe/1\r\n"
V2 = "Host: caster.example.com\r\nNtrip-Version: Ntrip/2.0\r\n" + NTRIP


def frame(number: int, n_bytes: int = 200) -> bytes:
    """A frame of a type that nobody decodes, with a counter in it and the length asked for."""
    payload = (4095 << 4).to_bytes(2, "big") + number.to_bytes(4, "big")
    payload = payload.ljust(n_bytes - 6, b"\xd3")
    head = b"\xd3" + len(payload).to_bytes(2, "big") + payload
    return head + crc24q(head).to_bytes(3, "big")


def sentence(text: bytes) -> bytes:
    """An NMEA sentence with its checksum."""
    return b"$%b*%02X\r\n" % (text, functools.reduce(operator.xor, text))


def basic(user: str = USER, password: str = PASSWORD) -> str:
    token = base64.b64encode(f"{user}:{password}".encode()).decode()
    return f"Authorization: Basic {token}\r\n"


async def until(condition: Callable[[], Any], what: str = "") -> None:
    """Wait until ``condition`` holds; for what tells nobody when it changes."""
    end_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end_s, f"timed out: {what or condition}"
        await asyncio.sleep(0.005)


class Rig:
    """A running caster and all that it handed on."""

    def __init__(
        self,
        *mounts: MountSpec,
        users: UserTable = USERS,
        host: str = "127.0.0.1",
        ssl_context: ssl.SSLContext | None = None,
        **limits: Any,
    ) -> None:
        self.pushed: list[tuple[str, bytes]] = []
        self.spec = CasterSpec(
            host=host, port=0, mounts=mounts or MOUNTS, limits=Limits(**limits), operator="Example"
        )
        self.clock = SystemClock()
        self.caster = Caster(
            self.spec,
            users=users,
            on_push=lambda mount, data, _now: self.pushed.append((mount, data)),
            clock=self.clock,
            ssl_context=ssl_context,
            rng=random.Random(1),
        )
        self.task: asyncio.Task[None] | None = None
        self.port = 0
        self._peers: list[Peer] = []

    async def __aenter__(self) -> Rig:
        self.task = asyncio.create_task(self.caster.run())
        await until(lambda: self.snapshot().bound_port, "the caster listens")
        self.port = self.snapshot().bound_port or 0
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self.task is not None
        is_well = not self.task.done()
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        for peer in self._peers:
            await peer.close()
        assert is_well, f"the caster had ended: {self.task}"

    def snapshot(self) -> CasterSnapshot:
        return self.caster.snapshot(self.clock.monotonic_s())

    def mount(self, name: str) -> MountSnapshot:
        return next(mount for mount in self.snapshot().mounts if mount.name == name)

    def clients(self, mount: str | None = None) -> list[ClientSnapshot]:
        return [each for each in self.snapshot().clients if mount in (None, each.mount)]

    def feed(self, mount: str, data: bytes) -> None:
        self.caster.feed(mount, data, self.clock.monotonic_s())

    async def has_clients(self, count: int) -> None:
        await until(lambda: len(self.clients()) == count, f"{count} clients")

    async def dial(self, text: str | bytes = b"", **options: Any) -> Peer:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, **options)
        peer = Peer(reader, writer)
        self._peers.append(peer)
        peer.send(text)
        return peer

    async def listen(self, mount: str = "BASE", headers: str | None = None) -> Peer:
        """Dial in as a client of version 1, up to the first byte of data."""
        head = NTRIP + basic() if headers is None else headers
        peer = await self.dial(f"GET /{mount} HTTP/1.0\r\n{head}\r\n")
        assert await peer.read(14) == b"ICY 200 OK\r\n\r\n"
        return peer

    async def push(self, password: str = PUSH_PASSWORD, mount: str = "PUSH") -> Peer:
        peer = await self.dial(f"SOURCE {password} /{mount}\r\n\r\n")
        assert await peer.read(4) == b"OK\r\n"
        return peer


class Peer:
    """One end of a connection, with patience."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: str | bytes) -> None:
        self.writer.write(data.encode() if isinstance(data, str) else data)

    async def read(self, n_bytes: int) -> bytes:
        async with asyncio.timeout(PATIENCE_S):
            return await self.reader.readexactly(n_bytes)

    async def rest(self) -> bytes:
        """Everything up to the end; a reset is an end too."""
        data = b""
        async with asyncio.timeout(PATIENCE_S):
            try:
                while piece := await self.reader.read(65_536):
                    data += piece
            except ConnectionError:
                pass
        return data

    async def head(self) -> str:
        async with asyncio.timeout(PATIENCE_S):
            return (await self.reader.readuntil(b"\r\n\r\n")).decode()

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(OSError, ssl.SSLError):
            await self.writer.wait_closed()
