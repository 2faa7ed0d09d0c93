"""A real MQTT subscriber that notes when each fix came, before looking at it."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from bench.processes import RigError

_START_S = 15.0


class Collector:
    """What has come, retained messages of the past excepted."""

    def __init__(self) -> None:
        self.arrivals: list[tuple[int, str, bytes]] = []

    def take(self, message: paho.MQTTMessage) -> None:
        if not message.retain:
            self.arrivals.append((time.monotonic_ns(), message.topic, bytes(message.payload)))

    def count(self) -> int:
        return len(self.arrivals)

    def wait_count(self, count: int, timeout_s: float) -> bool:
        until_s = time.monotonic() + timeout_s
        while len(self.arrivals) < count and time.monotonic() < until_s:
            time.sleep(0.02)
        return len(self.arrivals) >= count

    def fixes(self) -> list[tuple[int, dict[str, Any]]]:
        return [
            (mono_ns, json.loads(payload))
            for mono_ns, topic, payload in self.arrivals
            if topic.endswith("/fix")
        ]


@contextlib.contextmanager
def subscribed(url: str, topic_filter: str) -> Iterator[Collector]:
    """Collect at QoS 1 until the block ends; the subscription is in force on entry."""
    collector, ready = Collector(), threading.Event()
    parts = urlsplit(url)
    client = paho.Client(CallbackAPIVersion.VERSION2)

    def on_connect(*_: object) -> None:
        client.subscribe(topic_filter, qos=1)

    client.on_connect = on_connect
    client.on_subscribe = lambda *_: ready.set()
    client.on_message = lambda _client, _data, message: collector.take(message)
    client.connect(parts.hostname or "", parts.port or 1883)
    client.loop_start()
    try:
        if not ready.wait(_START_S):
            raise RigError(f"no subscription at {url}")
        yield collector
    finally:
        client.disconnect()
        client.loop_stop()
