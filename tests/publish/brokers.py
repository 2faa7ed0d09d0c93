"""Real brokers, a scripted one, and a real subscriber for the tests of the publisher."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from bdgw.publish.mqtt import Presence

TIMEOUT_S = 20.0
STATE_TOPIC = "t/state/conn"


async def until(condition: Callable[[], Any], what: str = "", timeout_s: float = TIMEOUT_S) -> None:
    """Wait until ``condition`` holds; looked at often, so no test waits longer than it must."""
    end_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end_s, f"timed out: {what or condition}"
        await asyncio.sleep(0.005)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def presence() -> Presence:
    return Presence(
        topic=STATE_TOPIC,
        online=lambda: b"online",
        lost=lambda: b"lost",
        offline=lambda: b"offline",
    )


@dataclass
class Certificates:
    """A small authority and what it has signed (or not)."""

    directory: Path

    @property
    def ca(self) -> Path:
        return self.directory / "ca.pem"

    def server(self, name: str) -> tuple[Path, Path]:
        return self.directory / f"{name}.pem", self.directory / f"{name}.key"

    def make(self) -> None:
        self._self_signed("ca", "/CN=bdgw test authority")
        self._self_signed("selfsigned", "/CN=localhost")
        self._signed("good", "localhost", days=2)
        self._signed("client", "gateway", days=2)
        self._signed("elsewhere", "elsewhere.example", days=2)
        self._signed("expired", "localhost", days=-1)

    def _self_signed(self, name: str, subject: str) -> None:
        cert, key = self.server(name)
        _openssl("req", "-x509", *_NEW_KEY, "-days", "2", "-subj", subject, "-out", cert, key=key)

    def _signed(self, name: str, host: str, days: int) -> None:
        cert, key = self.server(name)
        request, extension = cert.with_suffix(".csr"), cert.with_suffix(".ext")
        extension.write_text(f"subjectAltName=DNS:{host}\n")
        _openssl("req", *_NEW_KEY, "-subj", f"/CN={host}", "-out", request, key=key)
        ca_cert, ca_key = self.server("ca")
        _openssl(
            *("x509", "-req", "-in", request, "-CA", ca_cert, "-CAkey", ca_key),
            *("-CAcreateserial", "-days", days, "-extfile", extension, "-out", cert),
        )


_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


def _openssl(*arguments: object, key: Path | None = None) -> None:
    command = ["openssl", *map(str, arguments)]
    if key is not None:
        command += ["-keyout", str(key)]
    subprocess.run(command, check=True, capture_output=True)


class Mosquitto:
    """A Mosquitto on one port, which can be killed and started again."""

    def __init__(self, directory: Path, *lines: str) -> None:
        self.port = free_port()
        self._config = directory / f"mosquitto-{self.port}.conf"
        fixed = [f"listener {self.port} 127.0.0.1", "allow_anonymous true", "user root"]
        self._config.write_text("\n".join([*fixed, *lines]) + "\n")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    async def start(self) -> None:
        self._process = subprocess.Popen(  # noqa: ASYNC220 - forking is all it does here
            [find_mosquitto() or "mosquitto", "-c", str(self._config)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        await until(self._answers, "mosquitto answers")

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _answers(self) -> bool:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        return False


def find_mosquitto() -> str | None:
    return shutil.which("mosquitto") or shutil.which("/usr/sbin/mosquitto")


class Subscriber:
    """A subscriber with its own thread, independent of the code under test."""

    def __init__(
        self, port: int, topic_filter: str = "#", *, version: str = "3.1.1", session: str = ""
    ) -> None:
        is_v5 = version == "5"
        self._lock = threading.Lock()
        self._messages: list[paho.MQTTMessage] = []
        self.is_subscribed = threading.Event()
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2,
            session,
            clean_session=None if is_v5 else not session,
            protocol=MQTTProtocolVersion.MQTTv5 if is_v5 else MQTTProtocolVersion.MQTTv311,
        )
        self._client.on_connect = lambda c, *_: c.subscribe(topic_filter, 1)
        self._client.on_subscribe = lambda *_: self.is_subscribed.set()
        self._client.on_message = self._on_message
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def _on_message(self, client, userdata, message):
        with self._lock:
            self._messages.append(message)

    def messages(self) -> list[paho.MQTTMessage]:
        with self._lock:
            return list(self._messages)

    def payloads(self, topic: str | None = None) -> list[bytes]:
        return [bytes(m.payload) for m in self.messages() if topic in (None, m.topic)]

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@dataclass
class Received:
    topic: str
    payload: bytes
    message_id: int


class ScriptedBroker:
    """Says exactly what a test wants a broker to say; MQTT 5 only.

    ``answer`` gives the PUBACK's reason code for a publish, or None for silence.
    """

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.connects = 0
        self.open_now = 0
        self.open_most = 0
        self.connack_properties = b""
        self.connack_code = 0
        self.answer: Callable[[Received], int | None] = lambda _: 0
        self.after_connect: Callable[[asyncio.StreamWriter], None] = lambda _: None
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    async def __aenter__(self) -> ScriptedBroker:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for writer in list(self._writers):
            writer.close()
        await self._server.wait_closed()
        await until(lambda: self.open_now == 0, "scripted broker is quiet")

    def fixes(self) -> list[Received]:
        return [each for each in self.received if each.topic != STATE_TOPIC]

    def send_all(self, packet: bytes) -> None:
        for writer in self._writers:
            writer.write(packet)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open_now += 1
        self.open_most = max(self.open_most, self.open_now)
        self._writers.add(writer)
        try:
            while True:
                self._handle(*await _read_packet(reader), writer)
        except (EOFError, OSError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
            self.open_now -= 1

    def _handle(self, kind: int, body: bytes, writer: asyncio.StreamWriter) -> None:
        if kind >> 4 == 1:
            self.connects += 1
            properties = self.connack_properties
            rest = bytes([0, self.connack_code, len(properties)]) + properties
            writer.write(bytes([0x20, len(rest)]) + rest)
            self.after_connect(writer)
        elif kind >> 4 == 3:
            self._publish(kind, body, writer)
        elif kind >> 4 == 14:
            writer.close()

    def _publish(self, kind: int, body: bytes, writer: asyncio.StreamWriter) -> None:
        length = int.from_bytes(body[:2], "big")
        topic, rest = body[2 : 2 + length].decode(), body[2 + length :]
        message_id = int.from_bytes(rest[:2], "big") if kind & 6 else 0
        rest = rest[2:] if kind & 6 else rest
        received = Received(topic, rest[1 + rest[0] :], message_id)
        self.received.append(received)
        code = self.answer(received)
        if code is not None and message_id:
            writer.write(b"\x40\x03" + message_id.to_bytes(2, "big") + bytes([code]))


async def _read_packet(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    kind = (await reader.readexactly(1))[0]
    length, shift = 0, 0
    while True:
        digit = (await reader.readexactly(1))[0]
        length |= (digit & 0x7F) << shift
        shift += 7
        if not digit & 0x80:
            return kind, await reader.readexactly(length)
