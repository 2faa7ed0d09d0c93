"""Which MQTT client can carry the outbox: aiomqtt, gmqtt, or paho with loop glue of our own.

Prints one JSON object per figure on stdout and a table with ratios on stderr. Every figure has the
three clients on the same broker in the same run; the host is shared, so trust the ratios.

    python bench/mqtt_clients.py [--quick]

``aiomqtt`` and ``gmqtt`` are used through their public interface. Neither gives the reason code of
a PUBACK there, so ``gmqtt+`` replaces one private method to get it (what using it would take).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import os
import shutil
import signal
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Protocol

import aiomqtt
import gmqtt
import paho.mqtt.client as paho
import structlog
from gmqtt.mqtt.constants import MQTTv50, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from bdgw.publish.embedded import EmbeddedBroker

PAYLOAD = b"x" * 200
TOPIC = "bench/fix"
REFUSED_TOPIC = "refused/fix"
HANG_LIMIT_S = 15.0


class Client(Protocol):
    """What the bench needs of a client: ``publish`` returns the PUBACK's reason code, if told."""

    name: str
    disconnects: list[str]

    async def connect(
        self, port: int, client_id: str, version: int, tls: ssl.SSLContext | None
    ) -> None: ...
    async def publish(self, topic: str) -> int | None: ...
    async def close(self) -> None: ...


class Aiomqtt:
    name = "aiomqtt"

    def __init__(self) -> None:
        self.disconnects: list[str] = []

    async def connect(self, port, client_id, version, tls):
        self._client = aiomqtt.Client(
            "localhost",
            port,
            identifier=client_id,
            protocol=aiomqtt.ProtocolVersion(version),
            tls_context=tls,
            max_inflight_messages=0,
        )
        self._client.pending_calls_threshold = 1_000_000
        await self._client.__aenter__()
        self._watch = asyncio.create_task(self._messages())

    async def _messages(self):
        try:
            async for _ in self._client.messages:
                pass
        except aiomqtt.MqttError as error:
            self.disconnects.append(str(error.__cause__ or error))

    async def publish(self, topic):
        await self._client.publish(topic, PAYLOAD, qos=1)

    async def close(self):
        with contextlib.suppress(aiomqtt.MqttError):
            await self._client.__aexit__(None, None, None)
        await self._watch


class _Acks(gmqtt.storage.PersistentStorage):  # type: ignore[misc]  # not typed
    """The constructor parameter of gmqtt that is told of each publish and each PUBACK."""

    def __init__(self) -> None:
        super().__init__()
        self.pending: dict[int, asyncio.Future[int | None]] = {}
        self.pushed = 0

    def push_message(self, mid, raw_package):
        super().push_message(mid, raw_package)
        self.pushed = mid
        self.pending[mid] = asyncio.get_running_loop().create_future()

    def remove_message_by_mid(self, mid):
        super().remove_message_by_mid(mid)
        future = self.pending.pop(mid, None)
        if future is not None and not future.done():
            future.set_result(None)


class Gmqtt:
    name = "gmqtt"
    _make = gmqtt.Client

    def __init__(self) -> None:
        self.disconnects: list[str] = []

    async def connect(self, port, client_id, version, tls):
        self._acks = _Acks()
        self._client = self._make(client_id, persistent_storage=self._acks)
        self._client.on_disconnect = self._on_disconnect
        self._hook()
        gmqtt_version = MQTTv50 if version == 5 else MQTTv311
        await self._client.connect("localhost", port, ssl=tls or False, version=gmqtt_version)

    def _hook(self):
        pass

    def _on_disconnect(self, _client, packet, *_):
        self.disconnects.append(f"packet {bytes(packet).hex() or 'none'}")

    async def publish(self, topic):
        self._client.publish(topic, PAYLOAD, qos=1)
        return await self._acks.pending[self._acks.pushed]

    async def close(self):
        await self._client.disconnect()


class _OneConnection(gmqtt.Client):  # type: ignore[misc]  # not typed
    async def reconnect(self, **_):
        """Leave reconnecting to us, and tell who waits that the connection is gone."""
        for future in self._persistent_storage.pending.values():
            if not future.done():
                future.set_exception(ConnectionError("connection lost"))


class GmqttPlus(Gmqtt):
    name = "gmqtt+"
    _make = _OneConnection

    def _hook(self):
        handler = self._client._package_handler
        original = handler._handle_puback_packet

        def puback(cmd, packet):
            future = self._acks.pending.pop(int.from_bytes(packet[:2], "big"), None)
            if future is not None and not future.done():
                future.set_result(packet[2] if len(packet) > 2 else 0)
            original(cmd, packet)

        handler._handle_puback_packet = puback


class PahoGlue:
    name = "paho+glue"

    def __init__(self) -> None:
        self.disconnects: list[str] = []
        self._pending: dict[int, asyncio.Future[int | None]] = {}

    async def connect(self, port, client_id, version, tls):
        self._loop = asyncio.get_running_loop()
        self._connected: asyncio.Future[None] = self._loop.create_future()
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id,
            protocol=MQTTProtocolVersion(version),
            reconnect_on_failure=False,
        )
        client.max_inflight_messages = 0
        if tls is not None:
            client.tls_set_context(tls)
        client.on_connect = lambda *_: self._connected.set_result(None)
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_socket_close = self._on_socket_close
        client.on_socket_register_write = lambda c, _, s: self._loop.add_writer(s, c.loop_write)
        client.on_socket_unregister_write = self._on_socket_written
        self._client = client
        # The writer callbacks run in the loop only: during connect() nothing waits to be written.
        await asyncio.to_thread(client.connect, "localhost", port, 30)
        sock = client.socket()
        assert sock is not None
        self._loop.add_reader(sock, self._read)
        await self._connected

    def _on_socket_close(self, _client, _userdata, sock):
        self._loop.remove_reader(sock)

    def _on_socket_written(self, _client, _userdata, sock):
        self._loop.remove_writer(sock)

    def _read(self):
        # One call reads as many packets as are in flight, and TLS may hold more than the socket.
        self._client.loop_read()
        sock = self._client.socket()
        while isinstance(sock, ssl.SSLSocket) and sock.pending():
            self._client.loop_read()
            sock = self._client.socket()

    def _on_publish(self, _client, _userdata, mid, reason_code, _properties):
        future = self._pending.pop(mid, None)
        if future is not None and not future.done():
            future.set_result(reason_code.value)

    def _on_disconnect(self, _client, _userdata, _flags, reason_code, _properties):
        self.disconnects.append(f"{reason_code.value:#x} {reason_code}")
        for future in self._pending.values():
            if not future.done():
                future.set_exception(ConnectionError(str(reason_code)))

    async def publish(self, topic):
        info = self._client.publish(topic, PAYLOAD, qos=1)
        future = self._pending[info.mid] = self._loop.create_future()
        return await future

    async def close(self):
        self._client.disconnect()


CLIENTS: list[Callable[[], Client]] = [Aiomqtt, Gmqtt, GmqttPlus, PahoGlue]


class Mosquitto:
    """A Mosquitto on a free port, set up for measuring (no Nagle, no queue limit)."""

    def __init__(self, directory: Path, tls_files: tuple[Path, Path] | None) -> None:
        self.port = _free_port()
        self._directory = directory
        self._config = directory / f"mosquitto-{self.port}.conf"
        acl = directory / "acl"
        acl.write_text("topic readwrite bench/#\n")
        lines = [
            # Started by root it would change to a user that cannot read the key.
            "user root",
            f"listener {self.port} 127.0.0.1",
            "allow_anonymous true",
            "set_tcp_nodelay true",
            "max_inflight_messages 0",
            "max_queued_messages 0",
            f"acl_file {acl}",
        ]
        if tls_files is not None:
            lines += [f"certfile {tls_files[0]}", f"keyfile {tls_files[1]}"]
        self._config.write_text("\n".join(lines) + "\n")
        self.process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        binary = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
        self.process = subprocess.Popen(  # noqa: ASYNC220 - forking is all it does here
            [binary, "-c", str(self._config)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self._directory,
        )
        while True:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            await asyncio.sleep(0.02)

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _make_certificate(directory: Path) -> tuple[Path, Path]:
    cert, key = directory / "cert.pem", directory / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext"),
            *("subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(cert)),
        ],
        check=True,
        capture_output=True,
    )
    return cert, key


def emit(**figure: Any) -> dict[str, Any]:
    print(json.dumps(figure), flush=True)
    return figure


async def measure_rate(
    make: Callable[[], Client], port: int, tls: ssl.SSLContext | None, window: int, seconds: float
) -> tuple[float, float, float]:
    """Messages per second, CPU in us per message, p99 of publish to PUBACK in ms."""
    client = make()
    await client.connect(port, f"bench-{os.getpid()}-{client.name}", 4, tls)
    done, took_s = 0, []
    end_s = time.monotonic() + seconds

    async def worker() -> None:
        nonlocal done
        while (start_s := time.monotonic()) < end_s:
            await client.publish(TOPIC)
            took_s.append(time.monotonic() - start_s)
            done += 1

    cpu_s, start_s = time.process_time(), time.monotonic()
    await asyncio.gather(*(worker() for _ in range(window)))
    cpu_s, wall_s = time.process_time() - cpu_s, time.monotonic() - start_s
    await client.close()
    p99_ms = statistics.quantiles(took_s, n=100)[98] * 1e3
    return done / wall_s, cpu_s / done * 1e6, p99_ms


async def drill_reason(make: Callable[[], Client], broker: Mosquitto) -> str:
    """What the client says when the broker refuses a topic with PUBACK 0x87 (MQTT 5)."""
    client = make()
    await client.connect(broker.port, "bench-reason", 5, None)
    try:
        code = await asyncio.wait_for(client.publish(REFUSED_TOPIC), 5)
        said = "success" if code is None else f"reason code {code:#x}"
    except Exception as error:  # noqa: BLE001 - the point is to see what comes
        said = repr(error)
    await client.close()
    return said


async def drill_takeover(make: Callable[[], Client]) -> str:
    """What the client says when another one takes its client id (DISCONNECT 0x8E).

    Mosquitto 2.0 only closes the connection then, so a few lines play the broker.
    """

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(b"\x20\x03\x00\x00\x00")
        await asyncio.sleep(0.2)
        writer.write(b"\xe0\x02\x8e\x00")
        writer.close()

    client = make()
    async with await asyncio.start_server(serve, "localhost", 0) as server:
        await client.connect(server.sockets[0].getsockname()[1], "bench-twin", 5, None)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(3):
                while not client.disconnects:  # noqa: ASYNC110 - each client tells in its own way
                    await asyncio.sleep(0.01)
    with contextlib.suppress(Exception):
        await asyncio.wait_for(client.close(), 5)
    return client.disconnects[0] if client.disconnects else "nothing"


async def drill_kill(make: Callable[[], Client], broker: Mosquitto) -> dict[str, Any]:
    """Kill the broker with 100 in flight, start it again, see what becomes of the 100."""
    client = make()
    await client.connect(broker.port, "bench-kill", 5, None)
    assert broker.process is not None
    broker.process.send_signal(signal.SIGSTOP)
    calls = [asyncio.create_task(client.publish(TOPIC)) for _ in range(100)]
    await asyncio.sleep(0.3)
    broker.stop()
    start_s = time.monotonic()
    await broker.start()
    subscriber = await asyncio.create_subprocess_exec(
        *["mosquitto_sub", "-p", str(broker.port), "-q", "1", "-t", "bench/#", "-F", "%t"],
        *["-W", str(int(HANG_LIMIT_S))],
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    done, hanging = await asyncio.wait(calls, timeout=HANG_LIMIT_S)
    told_s = time.monotonic() - start_s
    failed = sum(1 for call in done if call.exception() is not None)
    output, _ = await subscriber.communicate()
    for call in hanging:
        call.cancel()
    with contextlib.suppress(Exception):
        await asyncio.wait_for(client.close(), 5)
    return {
        "reported_failed": failed,
        "reported_ok": len(done) - failed,
        "hanging": len(hanging),
        "resent_by_client": output.count(b"\n"),
        "told_after_s": round(told_s, 2),
    }


@contextlib.asynccontextmanager
async def running(broker: Mosquitto) -> AsyncIterator[Mosquitto]:
    await broker.start()
    try:
        yield broker
    finally:
        broker.stop()


async def rates(directory: Path, seconds: float) -> list[dict[str, Any]]:
    figures = []
    cert = _make_certificate(directory)
    trust = ssl.create_default_context(cafile=str(cert[0]))
    async with (
        running(Mosquitto(directory, None)) as plain,
        running(Mosquitto(directory, cert)) as secure,
        EmbeddedBroker(directory) as nats,
    ):
        brokers = [("mosquitto", plain.port, None), ("mosquitto+tls", secure.port, trust)]
        brokers.append(("nats-server", nats.port, None))
        for broker_name, port, tls in brokers:
            for window in (1, 20, 100):
                base = 0.0
                for make in CLIENTS:
                    rate, cpu_us, p99_ms = await measure_rate(make, port, tls, window, seconds)
                    base = base or rate
                    figure = emit(
                        figure="rate",
                        broker=broker_name,
                        client=make().name,
                        in_flight=window,
                        messages_per_s=round(rate),
                        cpu_us_per_message=round(cpu_us, 1),
                        p99_ms=round(p99_ms, 2),
                        ratio=round(rate / base, 2),
                    )
                    figures.append(figure)
    return figures


async def drills(directory: Path) -> None:
    async with running(Mosquitto(directory, None)) as broker:
        for make in CLIENTS:
            said = await drill_reason(make, broker)
            emit(figure="puback_0x87", client=make().name, says=said)
        for make in CLIENTS:
            said = await drill_takeover(make)
            emit(figure="takeover_0x8e", client=make().name, says=said)
        for make in CLIENTS:
            emit(figure="kill_100_in_flight", client=make().name, **await drill_kill(make, broker))


def table(figures: list[dict[str, Any]]) -> str:
    head = "| broker | in flight | client | messages/s | CPU us/message | p99 ms | ratio |"
    rows = [head, "|---|---|---|---|---|---|---|"]
    rows += [
        f"| {f['broker']} | {f['in_flight']} | {f['client']} | {f['messages_per_s']} "
        f"| {f['cpu_us_per_message']} | {f['p99_ms']} | {f['ratio']} |"
        for f in figures
    ]
    return "\n".join(rows)


async def run(*, quick: bool) -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        figures = await rates(directory, 0.5 if quick else 2.0)
        print(table(figures), file=sys.stderr)
        await drills(directory)


def main() -> None:
    parser = argparse.ArgumentParser(description="MQTT clients compared")
    parser.add_argument("--quick", action="store_true", help="half a second a figure")
    logging.basicConfig(level=logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    asyncio.run(run(quick=parser.parse_args().quick))


if __name__ == "__main__":
    main()
