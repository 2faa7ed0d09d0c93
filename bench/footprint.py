"""What a gateway weighs and how long it takes to start: the command as a user runs it."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench import brokers, rig
from bench.brokers import Broker
from bench.corpus import simulated
from bench.figure import Figure, Options, figure, middle
from bench.processes import MEASURED, OTHERS, Child, child, free_port
from bench.subscriber import Collector, subscribed

_SETTLE_S = 3
_STREAM_S = 8
_MANY = 1000
_STARTS, _QUICK_STARTS = 9, 3
_RUNS, _QUICK_RUNS = 2, 1
_FIRST_S = 30.0
_CAPTURE_S = 2
_ALL = f"bdgw/v1/{rig.GATEWAY}/#"
_VERSION = ("-m", "bdgw", "--version")
_NOTHING = ("-c", "pass")


def run(options: Options) -> Iterator[Figure]:
    yield from _memory(_QUICK_RUNS if options.quick else _RUNS)
    starts = _QUICK_STARTS if options.quick else _STARTS
    yield _version(starts)
    yield from _first_publish(starts)


def _memory(runs: int) -> Iterator[Figure]:
    rss: dict[int, list[float]] = {0: [], 1: [], _MANY: []}
    received: dict[int, list[tuple[int, int]]] = {count: [] for count in rss}
    for _ in range(runs):
        for count in rss:
            mb, expected, came = _weigh(count)
            rss[count].append(mb)
            received[count].append((expected, came))
    empty = middle(rss[0])
    for count, each in rss.items():
        yield figure(
            "footprint",
            f"RSS with {count:,} TCP devices at 1 Hz",
            middle(each),
            "MB",
            ok=all(expected == came for expected, came in received[count]),
            each_run=[round(value, 1) for value in each],
            expected_received=received[count],
        )
    yield figure(
        "footprint",
        "RSS per device",
        (middle(rss[_MANY]) - empty) * 1000 / _MANY,
        "kB",
        ok=all(expected == came for expected, came in received[_MANY]),
    )


def _weigh(count: int) -> tuple[float, int, int]:
    """RSS in MB once all devices stream; fixes expected and received."""
    load = rig.Load("tcp", count, 1, _STREAM_S, broker=brokers.names()[0])
    with _gateway(load) as (gateway, collector, folder, port):
        if not count:
            time.sleep(_SETTLE_S)
            return gateway.rss_mb(), 0, 0
        with rig.devices(folder, load, port) as (generator, _):
            written = generator.wait_event("summary")["epochs_written"]
        collector.wait_count(written, _FIRST_S)
        return gateway.rss_mb(), written, collector.count()


@contextlib.contextmanager
def _gateway(load: rig.Load) -> Iterator[tuple[Child, Collector, Path, int]]:
    with (
        tempfile.TemporaryDirectory(prefix="bdgw-bench-") as name,
        brokers.running(load.broker, Path(name)) as broker,
        subscribed(broker.url, rig.FIX_FILTER) as collector,
        subscribed(broker.url, _ALL) as everything,
    ):
        folder, port = Path(name), free_port()
        config = rig.write_config(folder, broker, load, port)
        with child("bdgw", "run", "-c", str(config), cores=[MEASURED]) as gateway:
            everything.wait_count(1, _FIRST_S)
            yield gateway, collector, folder, port
            gateway.stop()


def _version(starts: int) -> Figure:
    times_s: dict[Sequence[str], list[float]] = {_VERSION: [], _NOTHING: []}
    for _ in range(starts):
        for arguments, taken in times_s.items():
            began_s = time.monotonic()
            subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
            taken.append(time.monotonic() - began_s)
    version_ms, nothing_ms = (1000 * middle(taken) for taken in times_s.values())
    return figure(
        "footprint",
        "bdgw --version, wall time",
        version_ms,
        "ms",
        ok=True,
        peer="python -c pass",
        peer_value=nothing_ms,
        starts=starts,
    )


def _first_publish(starts: int) -> Iterator[Figure]:
    """From starting the command to the birth message and to the first fix at a subscriber."""
    birth_ms, fix_ms, fixes = [], [], []
    for _ in range(starts):
        first, second, count = _start_once()
        birth_ms.append(first)
        fix_ms.append(second)
        fixes.append(count)
    ok = all(count == _CAPTURE_S for count in fixes)
    for what, each in (("birth message", birth_ms), ("first fix", fix_ms)):
        yield figure(
            "footprint",
            f"bdgw run, from start to {what} at a subscriber",
            middle(each),
            "ms",
            ok=ok,
            starts=starts,
            each_run=[round(value) for value in each],
            fixes_expected=_CAPTURE_S,
            fixes_received=sorted(set(fixes)),
        )


def _start_once() -> tuple[float, float, int]:
    with (
        tempfile.TemporaryDirectory(prefix="bdgw-bench-") as name,
        brokers.running(brokers.names()[0], Path(name)) as broker,
        subscribed(broker.url, _ALL) as collector,
    ):
        folder = Path(name)
        config = _capture_config(folder, broker)
        with child("bdgw", "run", "-c", str(config), cores=OTHERS) as gateway:
            until_s = time.monotonic() + _FIRST_S
            while len(collector.fixes()) < _CAPTURE_S and time.monotonic() < until_s:
                time.sleep(0.02)
            gateway.stop()
        began_ns = gateway.spawned_s * 1e9
        births = [at for at, topic, data in collector.arrivals if _is_birth(topic, data)]
        fixes = [at for at, _ in collector.fixes()]
        if not births or not fixes:
            return float("nan"), float("nan"), len(fixes)
        return (births[0] - began_ns) / 1e6, (fixes[0] - began_ns) / 1e6, len(fixes)


def _is_birth(topic: str, data: bytes) -> bool:
    return topic.endswith("/state/conn") and json.loads(data)["state"] == "online"


def _capture_config(folder: Path, broker: Broker) -> Path:
    """A gateway with one device: a capture of two epochs."""
    simulated(folder, seconds=_CAPTURE_S)
    path = rig.write_config(folder, broker, rig.Load("tcp", 0, 1, 1), 0)
    with path.open("a") as file:
        file.write(f'[[device]]\nid = "capture"\nurl = "file://{folder}/0.nmea"\n')
    return path
