"""Devices that dial in: told apart, taken over, and a listener that dies."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket

import pytest

from bdgw.model import DeviceStatus
from bdgw.receivers import (
    DeviceSpec,
    ListenerSpec,
    MatchRule,
    PeerRule,
    RegistrationRule,
    SentenceRule,
    SystemClock,
    TcpListenEndpoint,
)
from bdgw.receivers.listener import TcpListener
from bdgw.receivers.transport import Lost
from tests.receivers.modem import ANY_PORT, device, dialled
from tests.receivers.rig import Rig, running, until


@pytest.mark.parametrize(
    ("rule_a", "rule_b", "hello_a", "hello_b", "fed_a", "fed_b"),
    [
        (
            RegistrationRule(data=b"A1"),
            RegistrationRule.from_hex("00 FF 0A"),
            b"A1$a\n",
            b"\x00\xff\x0a$b\n",
            [b"$a"],
            [b"$b"],
        ),
        (
            RegistrationRule(data=b"DTU-1", is_line=True),
            RegistrationRule(data=b"DTU-10", is_line=True),
            b"DTU-1\r\n$a\n",
            b"DTU-10\n$b\n",
            [b"$a"],
            [b"$b"],
        ),
        (
            SentenceRule(text="$PDTU,017"),
            SentenceRule(text="$PDTU,018"),
            b"$first\n$PDTU,017*00\n$a\n",
            b"$PDTU,018*00\n$b\n",
            [b"$first", b"$PDTU,017*00", b"$a"],
            [b"$PDTU,018*00", b"$b"],
        ),
        (
            PeerRule(network="127.0.0.1"),
            PeerRule(network="127.0.0.0/8"),
            b"$a\n",
            b"$b\n",
            [b"$a"],
            [b"$b"],
        ),
    ],
    ids=["bytes", "line", "sentence", "peer"],
)
async def test_two_devices_share_a_listener(
    rule_a: MatchRule,
    rule_b: MatchRule,
    hello_a: bytes,
    hello_b: bytes,
    fed_a: list[bytes],
    fed_b: list[bytes],
) -> None:
    rig = Rig(device("a", rule_a), device("b", rule_b))
    async with running(rig):
        port = await rig.port_of()
        async with dialled(port) as modem_a, dialled(port, "127.0.0.2") as modem_b:
            modem_b.say(hello_b)
            for byte in hello_a:
                modem_a.say(bytes([byte]))
                await asyncio.sleep(0)
            await rig.until(lambda: rig.events == {"a": fed_a, "b": fed_b})
            assert rig.status("a") is rig.status("b") is DeviceStatus.STREAMING
            assert rig.pool.write("b", b"correction")
            assert await modem_b.reader.readexactly(10) == b"correction"


async def test_the_only_device_needs_no_rule_and_comes_back() -> None:
    rig = Rig(device("a"))
    async with running(rig):
        port = await rig.port_of()
        assert rig.status("a") is DeviceStatus.CONNECTING
        async with dialled(port) as modem:
            modem.say(b"$one\n$ha")
            await rig.until(lambda: rig.events["a"] == [b"$one"])
        await rig.until(lambda: rig.status("a") is DeviceStatus.DOWN)
        assert "waiting for it to come again" in rig.states["a"][-1].reason
        async with dialled(port) as modem:
            modem.say(b"lf\n$two\n")
            await rig.until(lambda: rig.events["a"] == [b"$one", b"rest:$ha", b"lf", b"$two"])
        (shot,) = rig.pool.snapshots()
        assert shot.n_connections == 2


async def test_every_byte_arrives_in_order() -> None:
    rng = random.Random(3)
    lines = [b"$%d,%s" % (i, b"y" * rng.randrange(300)) for i in range(3000)]
    data = b"ID" + b"".join(line + b"\n" for line in lines)
    rig = Rig(device("a", RegistrationRule(data=b"ID")), device("b", RegistrationRule(data=b"X")))
    async with running(rig):
        async with dialled(await rig.port_of()) as modem:
            at = 0
            while at < len(data):
                size = rng.choice([1, 50, 5000])
                modem.say(data[at : at + size])
                await modem.writer.drain()
                at += size
            await rig.until(lambda: len(rig.events["a"]) >= len(lines))
        assert rig.events == {"a": lines, "b": []}


async def test_the_newest_connection_of_a_device_takes_over() -> None:
    rig = Rig(device("a", RegistrationRule(data=b"A1")))
    async with running(rig):
        port = await rig.port_of()
        async with dialled(port) as old, dialled(port) as new:
            old.say(b"A1$one\n$ha")
            await rig.until(lambda: rig.events["a"] == [b"$one"])
            new.say(b"A1$two\n")
            await rig.until(lambda: rig.events["a"] == [b"$one", b"rest:$ha", b"$two"])
            assert await old.is_hung_up()
            (shot,) = rig.pool.snapshots()
            assert shot.peer == new.address
            assert shot.n_lost == {"taken_over": 1}
            assert DeviceStatus.DOWN not in rig.statuses("a")
            assert rig.pool.listener_snapshots()[0].n_taken_over == 1


class Bucket:
    """Keeps what a link delivers."""

    def __init__(self) -> None:
        self.data = b""
        self.lost: list[Lost] = []

    def on_data(self, data: bytes) -> None:
        self.data += data

    def on_lost(self, lost: Lost) -> None:
        self.lost.append(lost)

    def on_waiting(self, lost: Lost | None, text: str) -> None:
        pass

    def on_note(self, text: str | None) -> None:
        pass


async def test_nothing_is_lost_while_a_connection_waits_to_be_fetched() -> None:
    rules = {"a": RegistrationRule(data=b"A1")}
    spec = ListenerSpec(endpoint=ANY_PORT)
    listener = TcpListener(spec, rules, clock=SystemClock(), rng=random.Random(1))
    task = asyncio.create_task(listener.run())
    try:
        await until(lambda: listener.snapshot(0.0).bound_port is not None)
        async with dialled(listener.snapshot(0.0).bound_port or 0) as modem:
            modem.say(b"A1$one\n")
            await until(lambda: listener.snapshot(0.0).n_connected == 1)
            modem.say(b"$two\n")
            for _ in range(20):
                await asyncio.sleep(0)
            bucket = Bucket()
            transport = listener.transport("a", write_limit_bytes=1000)
            await transport.open(bucket)
            await until(lambda: bucket.data == b"$one\n$two\n")
            modem.writer.transport.abort()
            await until(lambda: len(bucket.lost) == 1)
            await transport.close()
            assert len(bucket.lost) == 1
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_two_modems_with_one_identity_are_named() -> None:
    rig = Rig(device("a", RegistrationRule(data=b"A1")))
    async with running(rig), contextlib.AsyncExitStack() as stack:
        port = await rig.port_of()
        for i in range(5):
            modem = await stack.enter_async_context(dialled(port, f"127.0.0.{1 + i % 2}"))
            modem.say(b"A1$%d\n" % i)
            await rig.until(lambda i=i: b"$%d" % i in rig.events["a"])  # type: ignore[misc] # a default binds the loop variable
        await rig.until(lambda: "same identity?" in rig.states["a"][-1].reason)
        assert "127.0.0.1, 127.0.0.2" in rig.states["a"][-1].reason


async def test_a_half_open_connection_is_closed_after_silence() -> None:
    rig = Rig(device("a", silence_s=0.3))
    async with running(rig):
        async with dialled(await rig.port_of()) as modem:
            modem.say(b"$one\n")
            await rig.until(lambda: rig.status("a") is DeviceStatus.SILENT)
            assert await modem.is_hung_up()
        assert rig.pool.snapshots()[0].n_lost == {"silent": 1}
        assert rig.status("a") is DeviceStatus.SILENT


async def test_a_port_that_is_taken_is_tried_until_it_is_free() -> None:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as squatter:
        port = squatter.getsockname()[1]
        endpoint = TcpListenEndpoint(host="127.0.0.1", port=port)
        rules = {"a": RegistrationRule(data=b"A"), "b": RegistrationRule(data=b"B")}
        rig = Rig(*(DeviceSpec(id=n, endpoint=endpoint, match=rule) for n, rule in rules.items()))
        async with running(rig):
            await rig.until(lambda: rig.status("a") is rig.status("b") is DeviceStatus.DOWN)
            assert "in use" in rig.states["b"][-1].reason
            (shot,) = rig.pool.listener_snapshots()
            assert (shot.is_listening, shot.n_failures) == (False, 1)
            squatter.close()
            await rig.port_of()
            await rig.until(lambda: rig.status("a") is DeviceStatus.CONNECTING)
            async with dialled(port) as modem:
                modem.say(b"B$one\n")
                await rig.until(lambda: rig.events["b"] == [b"$one"])


async def test_a_listening_socket_that_breaks_is_opened_again_and_devices_stay() -> None:
    rig = Rig(device("a", RegistrationRule(data=b"A1")), device("b", RegistrationRule(data=b"B1")))
    async with running(rig):
        port = await rig.port_of()
        async with dialled(port) as modem:
            modem.say(b"A1$one\n")
            await rig.until(lambda: rig.events["a"] == [b"$one"])
            break_listening_socket(port)
            # Accepting fails at once; the connection that is there works on.
            await rig.until(lambda: rig.status("b") is DeviceStatus.DOWN)
            assert "its listener is down" in rig.states["a"][-1].reason
            assert rig.status("a") is DeviceStatus.STREAMING
            modem.say(b"$two\n")
            await rig.until(lambda: rig.events["a"] == [b"$one", b"$two"])
            await rig.until(lambda: rig.status("b") is DeviceStatus.CONNECTING)
            await rig.until(lambda: "listener" not in rig.states["a"][-1].reason)
        async with dialled(await rig.port_of()) as modem:
            modem.say(b"B1$three\n")
            await rig.until(lambda: rig.events["b"] == [b"$three"])


def break_listening_socket(port: int) -> None:
    """Make the kernel end the listening socket of this process that is bound to ``port``."""
    for fd in range(3, 1000):
        with contextlib.suppress(OSError):
            sock = socket.socket(fileno=fd)
            try:
                is_listening = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
                if is_listening and sock.getsockname()[1] == port:
                    sock.shutdown(socket.SHUT_RDWR)
                    return
            finally:
                sock.detach()
    raise AssertionError("no such listening socket")


async def test_a_connection_is_accepted_on_every_address_when_none_is_named() -> None:
    rig = Rig(DeviceSpec(id="a", endpoint=TcpListenEndpoint(host="", port=0)))
    async with running(rig):
        async with dialled(await rig.port_of()) as modem:
            modem.say(b"$one\n")
            await rig.until(lambda: rig.events["a"] == [b"$one"])
        assert rig.pool.snapshots()[0].n_connections == 1


def test_devices_that_cannot_be_told_apart_are_refused_before_anything_opens() -> None:
    async def build() -> None:
        Rig(device("a"), device("b"))

    with pytest.raises(ValueError, match="needs a match rule"):
        asyncio.run(build())
