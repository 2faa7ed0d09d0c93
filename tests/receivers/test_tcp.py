"""Devices that are dialled: real sockets, an accepting peer that the test plays."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
from collections.abc import AsyncIterator

from bdgw.model import DeviceStatus
from bdgw.receivers import DeviceSpec, TcpEndpoint
from tests.receivers.rig import Rig, running


class Caster:
    """A listening device; counts its callers and keeps the last one."""

    def __init__(self) -> None:
        self.n_calls = 0
        self.is_rude = False
        self.greeting = b""
        self.writer: asyncio.StreamWriter | None = None
        self.reader: asyncio.StreamReader | None = None
        self.port = 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.n_calls += 1
        self.reader, self.writer = reader, writer
        writer.write(self.greeting)
        if self.is_rude:
            writer.close()

    def say(self, data: bytes) -> None:
        assert self.writer is not None
        self.writer.write(data)


@contextlib.asynccontextmanager
async def listening(caster: Caster) -> AsyncIterator[Caster]:
    writers: set[asyncio.StreamWriter] = set()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.add(writer)
        await caster.answer(reader, writer)

    server = await asyncio.start_server(answer, "127.0.0.1", caster.port)
    caster.port = server.sockets[0].getsockname()[1]
    try:
        yield caster
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        await server.wait_closed()


def spec(port: int, **limits: float) -> DeviceSpec:
    fast = {"backoff_floor_s": 0.01, "backoff_cap_s": 0.04} | limits
    return DeviceSpec(id="a", endpoint=TcpEndpoint(host="127.0.0.1", port=port), **fast)  # type: ignore[arg-type] # every limit is a float


async def test_every_byte_arrives_in_order_also_the_greeting() -> None:
    rng = random.Random(5)
    lines = [b"$%d,%s" % (i, b"z" * rng.randrange(300)) for i in range(3000)]
    async with listening(Caster()) as caster:
        caster.greeting = b"$hello\n"
        rig = Rig(spec(caster.port))
        async with running(rig):
            await rig.until(lambda: rig.events["a"] == [b"$hello"])
            data = b"".join(line + b"\n" for line in lines)
            while data:
                size = rng.choice([1, 90, 9000])
                caster.say(data[:size])
                data = data[size:]
            await rig.until(lambda: len(rig.events["a"]) > len(lines))
            assert rig.events["a"] == [b"$hello", *lines]
            assert rig.pool.write("a", b"rtcm")
            assert caster.reader is not None
            assert await caster.reader.readexactly(4) == b"rtcm"


async def test_the_first_attempt_is_not_special_and_it_never_gives_up() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    rig = Rig(spec(port))
    async with running(rig):
        await rig.until(lambda: rig.pool.snapshots()[0].n_lost.get("open_failed", 0) >= 15)
        assert rig.statuses("a") == [DeviceStatus.CONNECTING, DeviceStatus.DOWN]
        caster = Caster()
        caster.port = port
        async with listening(caster):
            await rig.until(lambda: rig.status("a") is DeviceStatus.WAITING)


async def test_a_connection_that_opens_and_dies_does_not_reset_the_backoff() -> None:
    async with listening(Caster()) as caster:
        caster.is_rude = True
        caster.greeting = b"$one frame is no proof\n"
        rig = Rig(spec(caster.port, backoff_floor_s=0.001, backoff_cap_s=0.02))
        async with running(rig):
            await rig.until(lambda: caster.n_calls >= 8)
            (shot,) = rig.pool.snapshots()
            assert shot.n_attempts >= 7
            assert shot.n_lost["peer_closed"] >= 7
            caster.is_rude = False
            await rig.until(lambda: rig.status("a") is DeviceStatus.STREAMING)
            # Also not by staying open: the watchdog has looked at it more than once by then.
            await rig.until(lambda: rig.pool.snapshots()[0].status_age_s > 0.6)
            assert rig.pool.snapshots()[0].n_attempts >= 7


async def test_good_data_for_long_enough_resets_the_backoff() -> None:
    async with listening(Caster()) as caster:
        caster.is_rude = True
        rig = Rig(spec(caster.port, proven_s=0.3, backoff_floor_s=0.001, backoff_cap_s=0.02))
        async with running(rig):
            await rig.until(lambda: rig.pool.snapshots()[0].n_attempts >= 3)
            caster.is_rude = False

            def is_reset() -> bool:
                if caster.writer is not None and not caster.writer.is_closing():
                    caster.say(b"$good\n")
                return rig.pool.snapshots()[0].n_attempts == 0

            await rig.until(is_reset)
            assert rig.status("a") is DeviceStatus.STREAMING


async def test_a_reset_is_shown_with_its_reason() -> None:
    async with listening(Caster()) as caster:
        rig = Rig(spec(caster.port))
        async with running(rig):
            await rig.until(lambda: caster.writer is not None)
            assert caster.writer is not None
            sock = caster.writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
            caster.writer.transport.abort()
            await rig.until(lambda: rig.pool.snapshots()[0].n_lost.get("error", 0) == 1)
            downs = [s for s in rig.states["a"] if s.status is DeviceStatus.DOWN]
            assert "Connection reset by peer" in downs[0].reason


async def test_a_peer_that_takes_nothing_is_a_stall_and_not_silence() -> None:
    async with listening(Caster()) as caster:
        rig = Rig(spec(caster.port))
        async with running(rig):
            await rig.until(lambda: caster.writer is not None)
            assert caster.reader is not None
            n_taken = 0
            while rig.pool.write("a", b"c" * 20_000):
                n_taken += 1
                assert n_taken < 10_000
            caster.say(b"$still talking\n")
            await rig.until(lambda: rig.status("a") is DeviceStatus.STREAMING)
            await rig.until(lambda: (rig.pool.snapshots()[0].write_stalled_s or 0.0) > 0.05)
            (shot,) = rig.pool.snapshots()
            assert shot.write_drops == 1
            assert shot.write_pending_bytes <= 65536
            # One buffer empties as a whole: what waits in it counts when it is empty.
            assert shot.bytes_out <= 20_000 * n_taken - shot.write_pending_bytes
            await caster.reader.readexactly(20_000 * n_taken)
            await rig.until(lambda: rig.pool.snapshots()[0].write_stalled_s is None)
            assert rig.pool.snapshots()[0].bytes_out == 20_000 * n_taken


async def test_a_name_that_does_not_resolve_is_a_reason_to_try_again() -> None:
    endpoint = TcpEndpoint(host="no-such-host.invalid", port=1)
    rig = Rig(DeviceSpec(id="a", endpoint=endpoint))
    async with running(rig):
        await rig.until(lambda: rig.status("a") is DeviceStatus.DOWN)
        assert "next attempt in" in rig.states["a"][-1].reason
