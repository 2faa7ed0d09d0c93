"""Two gateways whose terminals are joined by the simulated satellite network, and who listens."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.publish.brokers import until
from tests.support.gateway_process import environment, wait_until

SPEED = 60
SHIP, SHORE = 142019, 142020
FAMILIES = ("bd1-4.0", "bd2-2.1", "bd3")


class Satellite:
    """``fwsim rdss`` with a terminal ``ship`` and a terminal ``shore``; its faults are steered."""

    def __init__(self, folder: Path, *terminals: str, loss: float = 0.0) -> None:
        self._folder = folder
        self._truth = folder / "truth.ndjson"
        named = [item for one in terminals for item in ("--terminal", one)]
        how = ["--speed", str(SPEED), "--seed", "1", "--loss", str(loss), "--control", "-"]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "fwsim", "rdss", *how, "--truth", str(self._truth), *named],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment(),
            text=True,
        )
        assert self._process.stdout is not None
        ready = json.loads(self._process.stdout.readline())
        assert ready["event"] == "ready", ready

    def do(self, **wish: Any) -> None:
        """Let something happen, see ``docs``: a fault of a terminal, or a change of the network."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(wish) + "\n")
        self._process.stdin.flush()

    def finish(self) -> list[dict[str, Any]]:
        """End it; everything that was on air, and its fate."""
        if self._process.poll() is None:
            self._process.terminate()
            self._process.communicate(timeout=10)
        if not self._truth.exists():
            return []
        return [json.loads(line) for line in self._truth.read_text().splitlines()]


def terminal(folder: Path, name: str, address: int, *, family: str = "bd2-2.1", **more: Any) -> str:
    values = {"level": 3, "interval_s": 60, **more}
    rest = ",".join(f"{key}={value}" for key, value in values.items())
    return f"name={name},family={family},port=pty:{folder}/{name},address={address},{rest}"


@contextlib.contextmanager
def satellite(folder: Path, *terminals: str, loss: float = 0.0) -> Iterator[Satellite]:
    made = Satellite(folder, *terminals, loss=loss)
    try:
        yield made
    finally:
        made.finish()


def config(
    folder: Path,
    name: str,
    broker: str,
    *,
    peers: str = "",
    more: str = "",
    terminals: tuple[str, ...] | None = None,
    family: str | None = "bd2-2.1",
) -> str:
    """The configuration of a gateway whose terminal has its name; ``broker`` is its lines."""
    devices = "".join(
        f'[[device]]\nid = "{each}"\nurl = "serial://{folder}/{each}"\nrole = "terminal"\n'
        + (f'family = "{family}"\n' if family else "")
        for each in terminals or (name,)
    )
    return f"""
[gateway]
id = "{name}"
state_dir = "{folder}/state-{name}"
[broker]
{broker}
[api]
listen = "127.0.0.1:0"
anonymous = "read"
[shortmsg]
peers = [{peers}]
receipt_batch_s = 0.3
{more}
{devices}"""


def peer(name: str, address: int, *more: str) -> str:
    return "{ " + ", ".join([f'name = "{name}"', f'addresses = ["{address:07d}"]', *more]) + " }"


class Client:
    """An integrator: hears everything of a gateway, and may command; a thread of its own."""

    def __init__(self, port: int, gateway: str, *, version: str = "3.1.1") -> None:
        self.gateway = gateway
        self.is_v5 = version == "5"
        self._lock = threading.Lock()
        self._heard: list[tuple[str, dict[str, Any], paho.MQTTMessage]] = []
        self._is_subscribed = threading.Event()
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2,
            protocol=MQTTProtocolVersion.MQTTv5 if self.is_v5 else MQTTProtocolVersion.MQTTv311,
        )
        wanted = [(f"bdgw/v1/{gateway}/#", 1), ("answers/#", 1)]
        self._client.on_connect = lambda client, *_: client.subscribe(wanted)
        self._client.on_subscribe = lambda *_: self._is_subscribed.set()
        self._client.on_message = self._on_message
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert self._is_subscribed.wait(10)

    def _on_message(self, _client: Any, _userdata: Any, message: paho.MQTTMessage) -> None:
        with contextlib.suppress(ValueError), self._lock:
            self._heard.append((message.topic, json.loads(message.payload), message))

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def command(
        self,
        verb: str,
        value: Any,
        *,
        answer_to: str | None = None,
        correlation: bytes | None = None,
        retain: bool = False,
    ) -> None:
        properties = None
        if answer_to is not None:
            properties = Properties(PacketTypes.PUBLISH)
            properties.ResponseTopic = answer_to
            if correlation is not None:
                properties.CorrelationData = correlation
        topic = f"bdgw/v1/{self.gateway}/shortmsg/command/{verb}"
        body = value if isinstance(value, bytes | str) else json.dumps(value, ensure_ascii=False)
        self._client.publish(topic, body, 1, retain, properties).wait_for_publish(10)

    def heard(self, end: str) -> list[dict[str, Any]]:
        """All that came by topics that end so."""
        with self._lock:
            return [value for topic, value, _ in self._heard if topic.endswith(end)]

    def raw(self, end: str) -> list[paho.MQTTMessage]:
        with self._lock:
            return [message for topic, _, message in self._heard if topic.endswith(end)]

    def everything(self) -> bytes:
        with self._lock:
            return b"\n".join(bytes(message.payload) for _, _, message in self._heard)

    def received(self) -> list[dict[str, Any]]:
        return self.heard("/shortmsg/event/received")

    def states(self, message_id: str) -> list[str]:
        """The states that were told of a message, each once."""
        told = [
            one["state"] for one in self.heard("/shortmsg/event/status") if one["id"] == message_id
        ]
        return list(dict.fromkeys(told))

    async def send(self, command_id: str, to: int, text: str, **more: Any) -> dict[str, Any]:
        """Send a text; the answer to the command."""
        value = {"id": command_id, "to": f"{to:07d}", "text": text, **more}
        n_before = len(self.heard(f"/reply/{command_id}"))
        await asyncio.to_thread(self.command, "send", value)
        await until(
            lambda: len(self.heard(f"/reply/{command_id}")) > n_before, f"answer to {command_id}"
        )
        return self.heard(f"/reply/{command_id}")[-1]

    async def becomes(self, message_id: str, state: str) -> None:
        await until(lambda: state in self.states(message_id), f"{state}: {self.states(message_id)}")

    def wait_reply(self, command_id: str) -> dict[str, Any]:
        """For tests without an event loop."""
        wait_until(lambda: self.heard(f"/reply/{command_id}"), f"answer to {command_id}")
        return self.heard(f"/reply/{command_id}")[-1]


def port_of(url: str | None) -> int:
    assert url is not None
    return int(url.rpartition(":")[2])
