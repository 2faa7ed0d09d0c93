"""The gateway as a process of its own, instrumented from outside; runs what ``bdgw run`` runs.

With ``--record`` every publish call of a fix, or with ``--record-writes`` every whole write to a
serial port, is noted with CLOCK_MONOTONIC and written down at the end. With ``--no-publish`` only
reading, decoding, joining and numbering are run: fixes end in a list. ``--profile`` writes a
cProfile; BDGW_BENCH_PROFILE in the environment asks for it in any bench.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import cProfile
import json
import logging
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import structlog

from bdgw.app import Gateway
from bdgw.config import load
from bdgw.hub import DomainEvent
from bdgw.model import DeviceFix
from bdgw.publish.mqtt_connection import MqttConnection
from bdgw.receivers import raise_descriptor_limit
from bdgw.receivers.serial_port import SerialTransport
from bdgw.timescale import format_utc

Row = tuple[int, str, str]


class PublishCalls:
    """Notes every publish call; the payloads are looked into at the end only."""

    def __init__(self) -> None:
        self._calls: list[tuple[int, str, bytes]] = []
        original = MqttConnection.publish
        note = self._calls.append

        def publish(connection: MqttConnection, topic: str, payload: bytes, **more: Any) -> Any:
            note((time.monotonic_ns(), topic, payload))
            return original(connection, topic, payload, **more)

        MqttConnection.publish = publish  # type: ignore[method-assign, assignment]

    def rows(self) -> list[Row]:
        rows = []
        for mono_ns, topic, payload in self._calls:
            if topic.endswith("/fix"):
                fix = json.loads(payload)
                rows.append((mono_ns, fix["dev"], fix.get("t_fix", "")))
        return rows


class PortWrites:
    """Notes when a serial port has taken bytes as a whole."""

    def __init__(self) -> None:
        self._writes: list[tuple[int, str, int]] = []
        original = SerialTransport.write
        note = self._writes.append

        def write(
            transport: SerialTransport, data: bytes, *, lifetime_s: float | None = None
        ) -> bool:
            is_taken = original(transport, data, lifetime_s=lifetime_s)
            if is_taken and not len(transport._out):
                note((time.monotonic_ns(), transport._endpoint.path, len(data)))
            return is_taken

        SerialTransport.write = write  # type: ignore[method-assign, assignment]

    def rows(self) -> list[tuple[int, str, int]]:
        return self._writes


class LastSink:
    """Takes the place of publishing."""

    def __init__(self) -> None:
        self._fixes: list[tuple[int, DeviceFix]] = []

    def offer(self, event: DomainEvent) -> None:
        if isinstance(event, DeviceFix):
            self._fixes.append((time.monotonic_ns(), event))

    def rows(self) -> list[Row]:
        return [
            (mono_ns, item.device, format_utc(item.fix.t_gpst_ns or 0))
            for mono_ns, item in self._fixes
        ]


def _ready() -> None:
    print(json.dumps({"event": "ready"}), flush=True)


async def _serve(gateway: Gateway, stop: asyncio.Event) -> None:
    await gateway.run(stop, on_ready=_ready)


async def _only_receive(gateway: Gateway, sink: LastSink, stop: asyncio.Event) -> None:
    gateway._hub._sinks[:] = [sink]
    raise_descriptor_limit()
    receiving = asyncio.create_task(gateway._pool.run())
    _ready()
    await stop.wait()
    receiving.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await receiving


async def _main(arguments: argparse.Namespace) -> Sequence[tuple[Any, ...]]:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    calls = PublishCalls() if arguments.record and not arguments.no_publish else None
    gateway = Gateway(load(arguments.config))
    if arguments.record_writes:
        writes = PortWrites()
        await _serve(gateway, stop)
        return writes.rows()
    if arguments.no_publish:
        sink = LastSink()
        await _only_receive(gateway, sink, stop)
        return sink.rows()
    await _serve(gateway, stop)
    return calls.rows() if calls is not None else []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", type=Path)
    parser.add_argument("--record", type=Path)
    parser.add_argument("--record-writes", action="store_true")
    parser.add_argument("--no-publish", action="store_true")
    parser.add_argument("--profile", default=os.environ.get("BDGW_BENCH_PROFILE"))
    arguments = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    profile = cProfile.Profile()
    if arguments.profile:
        profile.enable()
    rows = asyncio.run(_main(arguments))
    if arguments.profile:
        profile.dump_stats(arguments.profile)
    if arguments.record is not None:
        arguments.record.write_text("\n".join(json.dumps(row) for row in rows))


if __name__ == "__main__":
    main()
