"""What happens to a gateway in the field: each is shown in the status, counted, and survived.

Real pseudo-terminals and sockets; what is asserted is what an operator sees over HTTP.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
import random
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bdgw import app, health_teller
from bdgw.assembly import publisher
from bdgw.errors import UnavailableError
from bdgw.hostclock import HostClock
from bdgw.publish import embedded
from bdgw.publish.mqtt import MqttPublisher
from bdgw.receivers import SystemClock
from bdgw.status import gateway as gateway_status
from tests.app.rig import Running, device, head, running
from tests.publish.brokers import Mosquitto, Subscriber, free_port, until
from tests.publish.conftest import require_mosquitto
from tests.receivers.rig import Terminal
from tests.support.spoken import epoch, sentence

pytestmark = pytest.mark.usefixtures("brisk")
RNG_SEED = 20


@pytest.fixture
def no_broker(tmp_path: Path) -> str:
    """The head of a configuration whose broker is not there."""
    return head(tmp_path, f'url = "mqtt://127.0.0.1:{free_port()}"')


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    with contextlib.closing(Terminal()) as made:
        yield made


async def speak(run: Running, port: Terminal, judge: Callable[[dict[str, Any]], Any]) -> None:
    """Say an epoch every 20 ms until the device is as ``judge`` wants it."""

    async def say() -> None:
        second = 0.0
        while True:
            with contextlib.suppress(BlockingIOError):
                port.say(epoch(second))
            second += 0.1
            await asyncio.sleep(0.02)

    speaking = asyncio.create_task(say())
    try:
        await run.device_is("a", judge)
    finally:
        speaking.cancel()


def is_streaming(shown: dict[str, Any]) -> bool:
    return bool(shown["status"] == "streaming")


def has_fixes(count: int) -> Callable[[dict[str, Any]], bool]:
    return lambda shown: bool(shown["fixes"] >= count)


async def test_a_cable_that_is_pulled_and_plugged_in_again(no_broker, tmp_path):
    path = tmp_path / "gnss"
    first, second = Terminal(), Terminal()
    first.link_as(path)
    async with running(no_broker + device("a", f"serial://{path}")) as run:
        await speak(run, first, is_streaming)
        before = await run.device("a")
        first.close()
        path.unlink()
        shown = await run.device_is("a", lambda d: d["n_lost"].get("open_failed"))
        assert shown["status"] == "down"
        assert shown["n_lost"]["gone"] == 1
        assert "No such file" in shown["reason"]
        assert shown["n_attempts"] >= 1
        second.link_as(path)
        await speak(run, second, lambda d: is_streaming(d) and d["fixes"] > before["fixes"] + 5)
        shown = await run.device("a")
        assert (shown["n_connections"], shown["n_lost"]["gone"]) == (2, 1)
        # seq goes on over the reconnect: a subscriber sees gaps only where something is missing.
        assert shown["last_fix"]["seq"] == shown["fixes"] - 1
    second.close()


async def test_a_port_that_is_not_there_yet(no_broker, tmp_path, terminal):
    path = tmp_path / "later"
    async with running(no_broker + device("a", f"serial://{path}")) as run:
        shown = await run.device_is("a", lambda d: d["n_lost"].get("open_failed", 0) >= 2)
        assert shown["status"] == "down"
        assert str(path) in shown["reason"]
        terminal.link_as(path)
        await speak(run, terminal, is_streaming)


async def test_a_receiver_that_falls_silent(no_broker, terminal):
    text = no_broker + device("a", terminal.url, "silence_s = 0.4")
    async with running(text) as run:
        await speak(run, terminal, is_streaming)
        shown = await run.device_is("a", lambda d: d["status"] == "silent")
        assert "no data for" in shown["reason"]
        assert shown["last_data_age_s"] >= 0.4
        shown = await run.device_is("a", lambda d: d["n_lost"].get("silent", 0) >= 1)
        assert shown["status"] == "silent", "that the port could be opened again is no news"
        await speak(run, terminal, is_streaming)


async def test_a_receiver_that_has_never_said_anything(no_broker, terminal):
    text = no_broker + device("a", terminal.url, "silence_s = 0.4")
    async with running(text) as run:
        shown = await run.device_is("a", lambda d: d["status"] == "silent")
        assert "no byte since it was opened" in shown["reason"]
        assert "last_data_age_s" not in shown
        assert (shown["fixes"], "last_fix" in shown) == (0, False)


async def test_half_a_sentence_and_then_a_pause(no_broker, terminal):
    whole = epoch(1, day=None)
    async with running(no_broker + device("a", terminal.url)) as run:
        await run.device_is("a", lambda d: d["status"] == "waiting")
        terminal.say(whole[:20])
        shown = await run.device_is("a", lambda d: d["stream"]["skipped_bytes"])
        assert shown["stream"]["skipped"] == {"incomplete": 1}
        assert shown["stream"]["skipped_bytes"] == 20
        terminal.say(whole[20:])
        terminal.say(epoch(2, day=None) + epoch(3, day=None))
        shown = await run.device_is("a", lambda d: d["fixes"] == 2)
        stream = shown["stream"]
        assert stream["events"] == {"GGA": 2}
        assert stream["decoded_bytes"] + stream["skipped_bytes"] == stream["bytes"]


async def test_half_a_sentence_before_the_cable_is_pulled_joins_nothing_after(no_broker, tmp_path):
    path = tmp_path / "gnss"
    first, second = Terminal(), Terminal()
    first.link_as(path)
    good = epoch(7, day=None)
    async with running(no_broker + device("a", f"serial://{path}")) as run:
        await run.device_is("a", lambda d: d["status"] == "waiting")
        first.say(good[:30])
        await run.device_is("a", lambda d: d["bytes_in"] == 30)
        first.close()
        second.link_as(path)
        await run.device_is("a", lambda d: d["n_connections"] == 2)
        second.say(good[30:] + epoch(8, day=None))
        shown = await run.device_is("a", lambda d: d["fixes"])
        assert shown["fixes"] == 1
        assert shown["stream"]["events"] == {"GGA": 1}
        # What stands between two sentences is 30 bytes before the pull, and the rest after it.
        assert shown["stream"]["skipped_bytes"] == len(good)
    second.close()


async def test_a_wrong_baud_rate(no_broker, terminal):
    """What a receiver at 115,200 looks like at 9,600: bytes, none of them a sentence."""
    noise = random.Random(RNG_SEED)
    async with running(no_broker + device("a", f"{terminal.url}?baud=9600")) as run:
        await run.device_is("a", lambda d: d["status"] == "waiting")

        async def babble() -> None:
            while True:
                with contextlib.suppress(BlockingIOError):
                    terminal.say(noise.randbytes(50))
                await asyncio.sleep(0.02)

        babbling = asyncio.create_task(babble())
        shown = await run.device_is("a", lambda d: d["status"] == "garbage")
        babbling.cancel()
        assert "wrong baud rate (9600 is set)?" in shown["reason"]
        assert (shown["fixes"], shown["n_frames"]) == (0, 0)
        assert shown["skipped_bytes"] > 500
        await speak(run, terminal, is_streaming)


async def test_a_receiver_whose_epoch_stands_still(no_broker, terminal):
    async with running(no_broker + device("a", terminal.url)) as run:
        await speak(run, terminal, is_streaming)

        async def only_sky() -> None:
            while True:
                terminal.say(sentence("GBGSV,1,1,01,07,41,120,44,1"))
                await asyncio.sleep(0.005)

        talking = asyncio.create_task(only_sky())
        shown = await run.device_is("a", lambda d: d["status"] == "stuck")
        talking.cancel()
        assert "no new epoch" in shown["reason"]
        await speak(run, terminal, is_streaming)


async def test_a_listener_whose_port_is_taken(no_broker):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        text = no_broker + device("a", f"tcp-listen://127.0.0.1:{port}")
        async with running(text) as run:
            shown = await run.status_is(lambda s: s["listeners"][0]["n_failures"])
            (listener,) = shown["listeners"]
            assert not listener["is_listening"]
            assert "in use" in listener["reason"]
            assert "next_attempt_in_s" in listener
            down = await run.device_is("a", lambda d: d["status"] == "down")
            assert "cannot listen on" in down["reason"]
            other.close()
            await run.status_is(lambda s: s["listeners"][0]["is_listening"])
            shown = await run.device_is("a", lambda d: d["status"] == "connecting")
            async with dialled(port) as dtu:
                dtu.write(epoch(0))
                await run.device_is("a", is_streaming)


@contextlib.asynccontextmanager
async def dialled(port: int, source: str = "127.0.0.1") -> AsyncIterator[asyncio.StreamWriter]:
    _, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
    try:
        yield writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def dtu_config(port: int, unknown: str) -> str:
    url = f"tcp-listen://127.0.0.1:{port}"
    return (
        f'[[listener]]\nurl = "{url}"\nunknown = "{unknown}"\nidentify_s = 0.5\n'
        + device("line", url, 'match = { registration_line = "DTU-0007" }')
        + device("bytes", url, 'match = { registration_hex = "FE 01 02" }')
        + device("peer", url, 'match = { peer = "127.0.0.9" }')
        + device("sentence", url, 'match = { sentence = "PDTU,017" }')
    )


async def test_many_devices_on_one_listener(no_broker):
    port = free_port()
    text = no_broker + dtu_config(port, "refuse")
    async with running(text) as run, contextlib.AsyncExitStack() as stack:
        await run.status_is(lambda s: s["listeners"][0]["is_listening"])

        async def dial(first: bytes, source: str = "127.0.0.1", count: int = 1) -> None:
            writer = await stack.enter_async_context(dialled(port, source))
            for part in (first[:3], first[3:], *(epoch(n, day=None) for n in range(count))):
                writer.write(part)
                await writer.drain()

        await dial(b"DTU-0007\r\n", count=1)
        await dial(b"\xfe\x01\x02", count=2)
        await dial(b"", source="127.0.0.9", count=3)
        await dial(sentence("PDTU,017,ok"), count=4)
        for name, count in (("line", 1), ("bytes", 2), ("peer", 3), ("sentence", 4)):
            shown = await run.device_is(name, has_fixes(count))
            assert (shown["status"], shown["fixes"]) == ("streaming", count)
            assert shown["stream"]["skipped_bytes"] == 0, "a registration is not data"
        shown = await run.status()
        assert shown["listeners"][0]["n_connected"] == 4
        assert (await run.device("peer"))["peer"].startswith("127.0.0.9:")


async def test_an_unknown_peer_is_refused_and_counted(no_broker):
    port = free_port()
    async with running(no_broker + dtu_config(port, "refuse")) as run:
        await run.status_is(lambda s: s["listeners"][0]["is_listening"])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        with contextlib.suppress(ConnectionResetError):
            assert await asyncio.wait_for(reader.read(), 10) == b""
        writer.close()
        shown = await run.status_is(lambda s: s["listeners"][0]["n_refused"] == 1)
        assert shown["listeners"][0]["quarantined"] == []
        assert all(each["bytes_in"] == 0 for each in shown["devices"])


async def test_an_unknown_peer_in_quarantine_is_seen_and_not_decoded(no_broker):
    port = free_port()
    async with running(no_broker + dtu_config(port, "quarantine")) as run:
        await run.status_is(lambda s: s["listeners"][0]["is_listening"])
        async with dialled(port) as writer:
            writer.write(b"WHO-AM-I\r\n" + epoch(0))
            shown = await run.status_is(lambda s: s["listeners"][0]["quarantined"])
            writer.write(epoch(1))
            total = len(b"WHO-AM-I\r\n" + epoch(0) + epoch(1))
            shown = await run.status_is(
                lambda s: s["listeners"][0]["quarantined"][0]["bytes_in"] == total
            )
            (stranger,) = shown["listeners"][0]["quarantined"]
            assert bytes.fromhex(stranger["head_hex"]).startswith(b"WHO-AM-I\r\n$GNGGA")
            assert stranger["peer"].startswith("127.0.0.1:")
            assert stranger["reason"]
            assert all(each["fixes"] == 0 for each in shown["devices"])
        await run.status_is(lambda s: not s["listeners"][0]["quarantined"])


async def test_the_newer_of_two_modems_with_one_identity_wins(no_broker):
    port = free_port()
    async with running(no_broker + dtu_config(port, "refuse")) as run:
        await run.status_is(lambda s: s["listeners"][0]["is_listening"])
        async with dialled(port) as old:
            old.write(b"DTU-0007\r\n" + epoch(0, day=None))
            await run.device_is("line", lambda d: d["fixes"] == 1)
            async with dialled(port) as new:
                new.write(b"DTU-0007\r\n" + epoch(1, day=None) + epoch(2, day=None))
                shown = await run.device_is("line", lambda d: d["fixes"] == 3)
                assert shown["n_lost"] == {"taken_over": 1}
                assert (await run.status())["listeners"][0]["n_taken_over"] == 1


async def test_a_device_that_is_dialled_and_hangs_up(no_broker):
    served: list[int] = []

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.append(len(served))
        writer.write(epoch(served[-1], day=None))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, running(no_broker + device("a", f"tcp://127.0.0.1:{port}")) as run:
        shown = await run.device_is("a", lambda d: d["fixes"] >= 3)
        assert shown["n_lost"]["peer_closed"] >= 2
        assert shown["n_connections"] >= 3
        server.close()
        shown = await run.device_is("a", lambda d: d["n_lost"].get("open_failed"))
        assert shown["status"] == "down"


async def test_datagrams(no_broker):
    port = free_port()
    async with running(no_broker + device("a", f"udp-listen://127.0.0.1:{port}")) as run:
        await run.status_is(lambda s: s["listeners"][0]["is_listening"])
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for second in range(3):
                sender.sendto(epoch(second), ("127.0.0.1", port))
            shown = await run.device_is("a", lambda d: d["fixes"] == 3)
        assert shown["last_fix"]["via"] == "ip"


# The broker


async def test_it_starts_and_reads_while_the_broker_is_away_and_delivers_when_it_comes(
    tmp_path, terminal
):
    require_mosquitto()
    broker = Mosquitto(tmp_path, "max_queued_messages 0")
    text = head(tmp_path, f'url = "{broker.url}"') + device("a", terminal.url)
    async with running(text) as run:
        await run.device_is("a", lambda d: d["status"] == "waiting")
        for second in range(20):
            terminal.say(epoch(second))
            await run.device_is("a", has_fixes(second))
        shown = await run.device_is("a", lambda d: d["fixes"] == 20)
        full = await run.status()
        assert not full["mqtt"]["is_connected"]
        assert "refused" in full["mqtt"]["reason"]
        assert full["outbox"]["depth"] >= 20
        assert full["outbox"]["acked"] == 0
        assert await run.health_code() == 200, "a restart of the broker is no failure"
        # A subscriber with a session is there before the gateway can be.
        await broker.start()
        subscriber = Subscriber(broker.port, "bdgw/v1/yp-01/dev/a/#")
        assert subscriber.is_subscribed.wait(10)
        full = await run.status_is(lambda s: s["outbox"]["depth"] == 0)
        assert full["outbox"]["accepted"] == full["outbox"]["acked"]
        assert full["outbox"]["dropped"] == {}
        late = Subscriber(broker.port, "bdgw/v1/yp-01/dev/a/fix")
        await until(late.messages, "the latest fix is retained")
        assert json.loads(late.payloads()[0]) == last_payload(shown, late.payloads()[0])
        for each in (subscriber, late):
            each.close()
    broker.kill()


def last_payload(shown: dict[str, Any], payload: bytes) -> dict[str, Any]:
    """The published form of the last fix as the status shows it."""
    sent = json.loads(payload)
    return {**shown["last_fix"], **{key: sent[key] for key in ("gw", "dev", "boot", "t_pub")}}


async def test_what_does_not_fit_is_dropped_oldest_first_and_counted(
    tmp_path, terminal, monkeypatch
):
    require_mosquitto()
    monkeypatch.setattr(health_teller, "_PERIOD_S", 0.1)
    broker = Mosquitto(tmp_path)
    text = head(tmp_path, f'url = "{broker.url}"') + device("a", terminal.url)
    async with running(text + "[outbox]\nmax_items = 10\n") as run:
        await run.device_is("a", lambda d: d["status"] == "waiting")
        for second in range(50):
            terminal.say(epoch(second))
            await run.device_is("a", has_fixes(second))
        await run.device_is("a", lambda d: d["fixes"] == 50)
        outbox = (await run.status())["outbox"]
        assert outbox["depth"] == 10
        assert sum(outbox["dropped"].values()) == outbox["accepted"] - 10 >= 40
        await broker.start()
        subscriber = Subscriber(broker.port, "bdgw/v1/yp-01/#")
        full = await run.status_is(lambda s: s["outbox"]["depth"] == 0)
        assert (
            full["outbox"]["acked"] + sum(full["outbox"]["dropped"].values())
            == (full["outbox"]["accepted"])
        )
        topic = "bdgw/v1/yp-01/dev/a/fix"
        await until(lambda: subscriber.payloads(topic), "the latest fix")
        assert json.loads(subscriber.payloads(topic)[-1])["seq"] == 49
        health = "bdgw/v1/yp-01/state/health"

        def dropped() -> list[int]:
            return [json.loads(data)["outbox"]["dropped"] for data in subscriber.payloads(health)]

        await until(lambda: dropped() and dropped()[-1] >= 40, "health says so")
        subscriber.close()
    broker.kill()


async def test_a_taken_port_of_the_embedded_broker_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(embedded, "_START_TIMEOUT_S", 1.5)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        text = head(tmp_path, f'url = "embedded"\nlisten = "127.0.0.1:{port}"')
        with pytest.raises(UnavailableError, match="embedded broker"):
            async with running(text):
                pass


async def test_healthz_tells_of_the_data_plane_and_not_of_the_process(
    tmp_path, terminal, monkeypatch
):
    require_mosquitto()
    monkeypatch.setattr(gateway_status, "_GRACE_S", 0.3)
    broker = Mosquitto(tmp_path)
    missing = device("b", f"serial://{tmp_path}/none")
    text = head(tmp_path, f'url = "{broker.url}"') + device("a", terminal.url) + missing
    async with running(text) as run:
        full = await run.status_is(lambda s: len(s["failures"]) == 2)
        assert not full["is_healthy"]
        assert full["failures"][0].startswith("broker: nothing acknowledged for")
        assert "not connected: " in full["failures"][0]
        assert full["failures"][1].startswith("receivers: none of 2 has delivered")
        assert await run.health_code() == 503
        await broker.start()
        full = await run.status_is(lambda s: len(s["failures"]) == 1)
        assert full["failures"][0].startswith("receivers:")
        assert await run.health_code() == 503
        # One of two works: the gateway works, and the status says what does not.
        await speak(run, terminal, is_streaming)
        assert await run.health_code() == 200
        assert (await run.device("b"))["status"] == "down"
        broker.kill()
        await run.status_is(lambda s: s["failures"])
        assert await run.health_code() == 503


def n_descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


async def test_ports_that_are_never_there_cost_no_descriptor(no_broker, tmp_path):
    devices = "".join(device(f"d{n}", f"serial://{tmp_path}/none-{n}") for n in range(50))
    async with running(no_broker + devices) as run:
        await run.status_is(lambda s: all(d["n_lost"] for d in s["devices"]))
        first = n_descriptors()
        await run.status_is(
            lambda s: all(d["n_lost"].get("open_failed", 0) > 4 for d in s["devices"])
        )
        assert n_descriptors() <= first + 4


class HostTime(SystemClock):
    """A clock whose calendar the test sets; its seconds go on as ever."""

    utc = 0

    def utc_ns(self) -> int:
        return self.utc


@pytest.mark.parametrize("year", [1970, 2038])
async def test_a_host_whose_clock_is_wrong_still_delivers(
    tmp_path, terminal, monkeypatch, year: int
):
    """A board without a battery starts in 1970; only flags and the host's own times differ."""
    require_mosquitto()
    HostTime.utc = (year - 1970) * 31_557_600 * 10**9 + 15_000_000 * 10**9  # in June
    monkeypatch.setattr(app, "SystemClock", HostTime)
    monkeypatch.setattr(app, "HostClock", partial(HostClock, utc_ns=lambda: HostTime.utc))
    broker = Mosquitto(tmp_path)
    await broker.start()
    subscriber = Subscriber(broker.port, "bdgw/v1/yp-01/#")
    assert subscriber.is_subscribed.wait(10)
    text = head(tmp_path, f'url = "{broker.url}"') + device("a", terminal.url)
    async with running(text) as run:
        await run.device_is("a", lambda d: d["status"] == "waiting")
        # With no clock at all, a day before this software was made would be a wrong week.
        day = dt.date(2026, 12, 24)
        terminal.say(epoch(0, day=day) + epoch(1, day=day))
        topic = "bdgw/v1/yp-01/dev/a/fix"
        await until(lambda: len(subscriber.payloads(topic)) == 2, "fixes")
        fix = json.loads(subscriber.payloads(topic)[0])
        assert (fix["t_fix"], fix["time_quality"]) == ("2026-12-24T08:00:00.000Z", "gnss")
        assert fix["t_rx"].startswith(str(year))
        assert (await run.status())["clock"]["is_set"] == (year != 1970)
        assert await run.health_code() == 200
        subscriber.close()
    broker.kill()


async def test_a_step_of_the_host_clock_is_no_outage(tmp_path, monkeypatch):
    now = [1_000_000_000]
    monkeypatch.setattr(publisher, "MqttPublisher", partial(MqttPublisher, utc_ns=lambda: now[0]))
    HostTime.utc = now[0]
    monkeypatch.setattr(app, "SystemClock", HostTime)
    text = head(tmp_path, f'url = "mqtt://127.0.0.1:{free_port()}"')
    async with running(text) as run:
        assert await run.health_code() == 200
        now[0] = HostTime.utc = 1_790_000_000 * 10**9
        assert await run.health_code() == 200


@pytest.mark.parametrize("step_s", [3600, -3600])
async def test_a_step_of_the_host_clock_keeps_no_fix_back(tmp_path, terminal, monkeypatch, step_s):
    """Its kernel goes on saying that it is disciplined, as it does when a person sets the time."""
    start_s = 1_798_099_200  # 2026-12-24T08:00:00Z
    HostTime.utc = start_s * 10**9
    monkeypatch.setattr(app, "SystemClock", HostTime)
    host_clock = partial(HostClock, utc_ns=lambda: HostTime.utc, is_synchronised=lambda: True)
    monkeypatch.setattr(app, "HostClock", host_clock)
    text = head(tmp_path, f'url = "mqtt://127.0.0.1:{free_port()}"') + device("a", terminal.url)
    day = dt.date(2026, 12, 24)
    async with running(text) as run:
        await run.device_is("a", lambda d: d["status"] == "waiting")
        terminal.say(epoch(0, day=day) + epoch(0.1, day=day))
        await run.device_is("a", has_fixes(2))
        assert (await run.status())["clock"]["source"] == "host"
        HostTime.utc += step_s * 10**9
        shown = await run.status_is(lambda s: s["clock"]["n_steps"])
        clock = shown["clock"]
        assert (clock["is_host_right"], clock["source"]) == (False, "receivers")
        assert abs(clock["host_offset_s"] - step_s) < 30
        terminal.say(epoch(0.2, day=day) + epoch(0.3, day=day))
        shown = await run.device_is("a", has_fixes(4))
        assert shown["quarantined"] == 0
        assert shown["last_fix"]["t_fix"] == "2026-12-24T08:00:00.300Z"
