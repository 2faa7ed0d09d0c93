"""Real brokers for a bench: Mosquitto with its defaults, and the embedded nats-server."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bdgw.publish.embedded import EmbeddedBroker
from bench.processes import OTHERS, RigError, find_mosquitto, free_port

_START_S = 20.0


@dataclass(frozen=True)
class Broker:
    """Where to connect, and with which version of MQTT."""

    name: str
    url: str
    version: str


def names() -> list[str]:
    """The brokers of this machine."""
    return ["mosquitto", "nats-server"] if find_mosquitto() else ["nats-server"]


@contextlib.contextmanager
def running(name: str, folder: Path) -> Iterator[Broker]:
    with (_mosquitto if name == "mosquitto" else _nats)(folder) as broker:
        yield broker


@contextlib.contextmanager
def _mosquitto(folder: Path) -> Iterator[Broker]:
    binary = find_mosquitto()
    if binary is None:
        raise RigError("mosquitto is not installed")
    port = free_port()
    # Nothing but what is needed to be let in: all limits and time-outs are the defaults.
    config = folder / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
    process = subprocess.Popen([binary, "-c", str(config)], stderr=subprocess.DEVNULL)
    os.sched_setaffinity(process.pid, OTHERS)
    try:
        until_s = time.monotonic() + _START_S
        while True:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            if time.monotonic() > until_s:
                raise RigError("mosquitto does not answer")
            time.sleep(0.02)
        yield Broker("mosquitto", f"mqtt://127.0.0.1:{port}", "5")
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def _nats(folder: Path) -> Iterator[Broker]:
    """The broker that bdgw embeds, but as a child of the bench, so that it has the other core."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    broker = EmbeddedBroker(folder)
    asyncio.run_coroutine_threadsafe(broker.__aenter__(), loop).result()
    try:
        pid = broker.snapshot().pid
        if pid is not None:
            for task in Path("/proc", str(pid), "task").iterdir():
                os.sched_setaffinity(int(task.name), OTHERS)
        yield Broker("nats-server", broker.url, "3.1.1")
    finally:
        asyncio.run_coroutine_threadsafe(broker.__aexit__(None, None, None), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
