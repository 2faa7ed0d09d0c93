"""500 pseudo-terminals at 1 Hz in one process: the share of a core, whole path and reading alone.

The peer is pyserial-asyncio-fast, fetched into a temporary folder where the network allows it; it
reads at most some 203 ports, so it is compared at 200 and shown at 500.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench import brokers, rig
from bench.figure import Figure, Options, figure, middle, percentile
from bench.processes import MEASURED, child

_PORTS, _PEER_PORTS = 500, 200
_RUNS, _SECONDS = 3, 12
_PEER_RUNS = 2
_QUICK_RUNS, _QUICK_SECONDS = 1, 9
_TARGET_PERCENT = 25.0
_PEER = "pyserial-asyncio-fast"
_FETCH_S = 60


def run(options: Options) -> Iterator[Figure]:
    runs, seconds = (_QUICK_RUNS, _QUICK_SECONDS) if options.quick else (_RUNS, _SECONDS)
    broker = brokers.names()[0]
    whole, alone = [], []
    for _ in range(runs):
        whole.append(rig.run(rig.Load("pty", _PORTS, 1, seconds, broker=broker)))
        alone.append(rig.run(rig.Load("pty", _PORTS, 1, seconds, broker=broker, publishes=False)))
    yield _cpu("whole path to the broker", whole, _TARGET_PERCENT, broker)
    yield _cpu("reading and decoding alone", alone, _TARGET_PERCENT, broker)
    for percent in (50, 99):
        each = [percentile(result.to_publish_ms, percent) for result in whole]
        yield figure(
            "ports",
            f"500 ports at 1 Hz, p{percent} to publish call",
            middle(each),
            "ms",
            ok=all(result.ok for result in whole),
            each_run=[round(value, 2) for value in each],
            expected=sum(result.expected for result in whole),
            received=sum(result.received for result in whole),
        )
    if not options.quick:
        yield from _peers(_PEER_RUNS, seconds)


def _cpu(what: str, results: list[rig.Result], target: float, broker: str) -> Figure:
    each = [100 * result.cpu_share for result in results]
    lost = sum(result.lost for result in results)
    return figure(
        "ports",
        f"500 ports at 1 Hz, CPU, {what}",
        middle(each),
        "% of a core",
        ok=all(result.ok for result in results),
        target=f"<= {target:g} %",
        met=middle(each) <= target and not lost,
        broker=broker,
        lost=lost,
        each_run=[round(value, 1) for value in each],
        expected=sum(result.expected for result in results),
        received=sum(result.received for result in results),
        runs=[result.work() for result in results],
    )


def _peers(runs: int, seconds: int) -> Iterator[Figure]:
    with tempfile.TemporaryDirectory(prefix="bdgw-bench-peer-") as folder:
        if not _fetch(folder):
            sys.stderr.write(f"{_PEER} cannot be fetched: no comparison\n")
            return
        ours, theirs = [], []
        load = rig.Load("pty", _PEER_PORTS, 1, seconds, publishes=False)
        for _ in range(runs):
            ours.append(rig.run(load))
            theirs.append(_run_peer(load, folder))
        yield _compare(ours, theirs)
        yield _breaking(_run_peer(rig.Load("pty", _PORTS, 1, seconds, publishes=False), folder))


def _fetch(folder: str) -> bool:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--target", folder, _PEER]
    with contextlib.suppress(subprocess.TimeoutExpired):
        return subprocess.run(command, capture_output=True, timeout=_FETCH_S).returncode == 0
    return False


def _run_peer(load: rig.Load, library: str) -> rig.Result:
    os.environ["PYTHONPATH"], before = library, os.environ.get("PYTHONPATH", "")
    try:
        with tempfile.TemporaryDirectory(prefix="bdgw-bench-") as name:
            return _peer_in(Path(name), load)
    finally:
        os.environ["PYTHONPATH"] = before


def _peer_in(folder: Path, load: rig.Load) -> rig.Result:
    record = folder / "calls.ndjson"
    ports = [str(folder / rig.device_name("pty", n)) for n in range(1, load.count + 1)]
    with rig.devices(folder, load, 0) as (generator, stamps):
        generator.wait_event("ready")
        with child("bench.port_peer", str(record), *ports, cores=[MEASURED]) as peer:
            peer.wait_event("ready")
            return rig.measure(generator, peer, load, stamps, record, None)


def _compare(ours: list[rig.Result], theirs: list[rig.Result]) -> Figure:
    our_cpu = [100 * result.cpu_share for result in ours]
    peer_cpu = [100 * result.cpu_share for result in theirs]
    return figure(
        "ports",
        f"{_PEER_PORTS} ports at 1 Hz, CPU, reading and decoding",
        middle(our_cpu),
        "% of a core",
        peer=_PEER,
        peer_value=middle(peer_cpu),
        ratio=middle(peer_cpu) / middle(our_cpu),
        ok=all(result.ok for result in ours + theirs),
        each_run=[round(value, 1) for value in our_cpu],
        peer_each_run=[round(value, 1) for value in peer_cpu],
        expected=sum(result.expected for result in ours),
        received=sum(result.received for result in ours),
        peer_received=sum(result.received for result in theirs),
    )


def _breaking(result: rig.Result) -> Figure:
    """What the peer makes of 500 ports; its loss is the finding, not our failure."""
    return figure(
        "ports",
        f"500 ports at 1 Hz, {_PEER}: fixes lost",
        result.lost,
        "fixes",
        ok=bool(result.expected),
        expected=result.expected,
        received=result.received,
        cpu_percent=round(100 * result.cpu_share, 1),
    )
