"""100 short-message terminals in one gateway: CPU and memory, at rest and while all of them send.

Each terminal sends to the next one, as often as its card allows; the next one is a terminal of the
same gateway, so that each message is sent, accounted, received and published by the one that is
measured. Every message must come out at the subscriber once.
"""

from __future__ import annotations

import json
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from bench import brokers
from bench.figure import Figure, Options, figure
from bench.processes import MEASURED, OTHERS, Child, RigError, child

_TERMINALS = 100
_INTERVAL_S = 10
_MARGIN_S = 2
"""What the gateway adds to a card's interval."""
_FIRST_ADDRESS = 200_001
_READY_S = 120.0
_REST_S, _QUICK_REST_S = 30, 10
_ROUNDS, _QUICK_ROUNDS = 4, 2
_LAST_S = 60.0


class _Integrator:
    """Hands in messages and hears what becomes of them."""

    def __init__(self, url: str) -> None:
        host, _, port = url.rpartition("//")[2].partition(":")
        self.n_ready = 0
        self.received: Counter[str] = Counter()
        self.answers: Counter[str] = Counter()
        self._client = paho.Client(CallbackAPIVersion.VERSION2)
        self._client.max_inflight_messages_set(100)
        is_subscribed = threading.Event()
        self._client.on_connect = lambda client, *_: client.subscribe("bdgw/v1/bench/#", 1)
        self._client.on_subscribe = lambda *_: is_subscribed.set()
        self._client.on_message = self._heard
        self._client.connect(host, int(port))
        self._client.loop_start()
        if not is_subscribed.wait(10):
            raise RigError("the broker does not answer")

    def _heard(self, _client: Any, _userdata: Any, message: paho.MQTTMessage) -> None:
        if message.topic.endswith("/state/health"):
            terminals = json.loads(message.payload)["terminals"]
            self.n_ready = sum(one["status"] == "ready" for one in terminals)
        elif message.topic.endswith("/event/received"):
            self.received[json.loads(message.payload)["text"]] += 1
        elif "/command/reply/" in message.topic:
            self.answers[json.loads(message.payload)["result"]] += 1

    def send(self, name: str, value: dict[str, Any]) -> None:
        topic = "bdgw/v1/bench/shortmsg/command/send"
        self._client.publish(topic, json.dumps({"id": name, **value}), 1)

    def counts(self, expected: int) -> dict[str, int]:
        """The work that was done."""
        return {
            "expected": expected,
            "accepted": self.answers["accepted"],
            "received": sum(self.received.values()),
            "duplicates": sum(n - 1 for n in self.received.values()),
            "lost": expected - len(self.received),
        }

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def run(options: Options) -> Iterator[Figure]:
    rest_s = _QUICK_REST_S if options.quick else _REST_S
    n_rounds = _QUICK_ROUNDS if options.quick else _ROUNDS
    with (
        tempfile.TemporaryDirectory(prefix="bdgw-bench-") as name,
        brokers.running(brokers.names()[0], Path(name)) as broker,
    ):
        folder = Path(name)
        integrator = _Integrator(broker.url)
        try:
            scenario = _write(folder, broker)
            with child("fwsim", "rdss", "--scenario", str(scenario), cores=OTHERS) as air:
                air.wait_event("ready")
                config = str(folder / "gateway.toml")
                with child("bench.gateway", config, cores=[MEASURED]) as gateway:
                    gateway.wait_event("ready")
                    yield from _measure(gateway, integrator, rest_s, n_rounds)
                    gateway.stop()
        finally:
            integrator.close()


def _write(folder: Path, broker: brokers.Broker) -> Path:
    lines = ['[gateway]\nid = "bench"', f'state_dir = "{folder}/state"', "[broker]"]
    lines += [f'url = "{broker.url}"\nversion = "{broker.version}"', '[log]\nlevel = "error"']
    terminals = []
    for number in range(_TERMINALS):
        name = f"T{number:03d}"
        lines += [f'[[device]]\nid = "{name}"\nurl = "serial://{folder}/{name}"']
        lines += ['role = "terminal"\nfamily = "bd2-2.1"']
        terminals += [f'[[terminal]]\nname = "{name}"\nfamily = "bd2-2.1"']
        terminals += [f'port = "pty:{folder}/{name}"\naddress = {_FIRST_ADDRESS + number}']
        terminals += [f"interval_s = {_INTERVAL_S}\nlevel = 3\nfeedback_s = [1.0, 3.0]"]
    (folder / "gateway.toml").write_text("\n".join(lines) + "\n")
    scenario = folder / "terminals.toml"
    scenario.write_text("\n".join(terminals) + "\n")
    return scenario


def _measure(
    gateway: Child, integrator: _Integrator, rest_s: float, n_rounds: int
) -> Iterator[Figure]:
    _wait(lambda: integrator.n_ready == _TERMINALS, _READY_S, "all terminals are ready")
    rest = _cpu_share(gateway, rest_s)
    yield _figure("CPU at rest", 100 * rest, "% of a core", ok=True)
    yield _figure("memory at rest", gateway.rss_mb(), "MB", ok=True)
    each_s = _INTERVAL_S + _MARGIN_S
    before_s, began_s = gateway.cpu_s(), time.monotonic()
    for turn in range(n_rounds):
        _hand_in(integrator, turn)
        time.sleep(each_s)
    busy = (gateway.cpu_s() - before_s) / (time.monotonic() - began_s)
    is_whole = _came(integrator, n_rounds * _TERMINALS)
    what = f"each sends every {each_s} s"
    counts = integrator.counts(n_rounds * _TERMINALS)
    yield _figure(f"CPU while {what}", 100 * busy, "% of a core", ok=is_whole, **counts)
    yield _figure(f"memory while {what}", gateway.rss_mb(), "MB", ok=is_whole)
    per_s = _TERMINALS / each_s
    yield _figure(
        "CPU a message, sent and received", 1000 * (busy - rest) / per_s, "ms", ok=is_whole
    )
    for turn in range(n_rounds, 2 * n_rounds):
        _hand_in(integrator, turn)
    n_waiting, expected = n_rounds * _TERMINALS, 2 * n_rounds * _TERMINALS
    _wait(lambda: sum(integrator.answers.values()) == expected, _LAST_S, "all are answered")
    busy = _cpu_share(gateway, (n_rounds - 1) * each_s)
    is_whole = _came(integrator, expected)
    yield _figure(
        f"CPU while {what}, {n_waiting} handed in at once",
        100 * busy,
        "% of a core",
        ok=is_whole,
        **integrator.counts(expected),
    )


def _hand_in(integrator: _Integrator, turn: int) -> None:
    """One message for each terminal."""
    for number in range(_TERMINALS):
        value = {
            "to": _FIRST_ADDRESS + (number + 1) % _TERMINALS,
            "card": _FIRST_ADDRESS + number,
            "text": f"第{turn}轮{number:03d}号",
        }
        integrator.send(f"{turn}-{number}", value)


def _came(integrator: _Integrator, expected: int) -> bool:
    end_s = time.monotonic() + _LAST_S
    while len(integrator.received) < expected and time.monotonic() < end_s:
        time.sleep(0.1)
    return sum(integrator.received.values()) == len(integrator.received) == expected


def _cpu_share(gateway: Child, seconds: float) -> float:
    cpu_s, wall_s = gateway.cpu_s(), time.monotonic()
    time.sleep(seconds)
    return (gateway.cpu_s() - cpu_s) / (time.monotonic() - wall_s)


def _figure(what: str, value: float, unit: str, *, ok: bool, **more: Any) -> Figure:
    return figure("terminals", f"{_TERMINALS} terminals, {what}", value, unit, ok=ok, **more)


def _wait(condition: Callable[[], bool], limit_s: float, what: str) -> None:
    end_s = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > end_s:
            raise RigError(f"not in {limit_s:.0f} s: {what}")
        time.sleep(0.1)
