"""The outbox through real brokers: fixes a second until PUBACK, a subscriber on the same host.

The peer is what a short script does: aiomqtt with 100 publishes at a time and nothing kept. Both
make the same payloads, and run one after the other against the same broker and subscriber.
Durable means: on the disk, or acknowledged by the broker (see docs/mqtt.md).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bdgw.publish.embedded import EmbeddedBroker
from bdgw.publish.outbox import Entry, Lane
from bdgw.publish.outbox_chunk import encode_chunk
from bdgw.store.outbox_file import OutboxFile
from bench.figure import Figure, Options, figure
from bench.processes import ROOT, RigError, find_mosquitto, free_port

TARGET_PER_S = 5000
_CALM_PER_S = 1000
_BACKLOG = 1_000_000
_CHUNK = 256
_SETTLE_S = 5.0
"""nats-server hands on what it has acknowledged up to seconds later, when it is short of disk."""
_START_S = 15.0
_PATIENCE_S = 60.0


def run(options: Options) -> Iterator[Figure]:
    """Measure on the disk of the working folder."""
    seconds, n_backlog = (3.0, _BACKLOG // 10) if options.quick else (10.0, _BACKLOG)
    for name in ("nats-server", "mosquitto"):
        if name == "mosquitto" and find_mosquitto() is None:
            continue
        yield asyncio.run(_most(name, seconds))
        yield asyncio.run(_paced(name, seconds))
        yield asyncio.run(_beside_backlog(name, seconds, n_backlog))
    yield asyncio.run(_away(seconds))


async def _most(name: str, seconds: float) -> Figure:
    async with _yard() as folder, _broker(name, folder) as (url, version):
        plain = await _measure(folder, url, version, "--plain", seconds=seconds)
        ours = await _measure(folder, url, version, seconds=seconds)
    return figure(
        "outbox",
        f"durable fixes through {name}, as fast as they go",
        ours["acked_in_time"] / ours["seconds"],
        "1/s",
        ok=ours["different"] == ours["acked"] and not ours["dropped"],
        peer="aiomqtt, nothing kept",
        peer_value=plain["acked_in_time"] / plain["seconds"],
        **_costs(ours),
        peer_cpu_us_per_fix=_cpu_us(plain),
    )


async def _paced(name: str, seconds: float) -> Figure:
    async with _yard() as folder, _broker(name, folder) as (url, version):
        seen = await _measure(folder, url, version, "--rate", str(TARGET_PER_S), seconds=seconds)
    rate = seen["acked_in_time"] / seen["seconds"]
    # Half a second of fixes in between is no backlog; one that grows is.
    is_level = seen["depth_late"] <= max(2 * seen["depth_early"], TARGET_PER_S / 2)
    return figure(
        "outbox",
        f"500 devices at 10 Hz through {name}",
        rate,
        "1/s",
        ok=seen["different"] == seen["acked"],
        target=f">= {TARGET_PER_S} 1/s, no growing backlog",
        met=rate >= 0.98 * TARGET_PER_S and is_level and not seen["history_left"],
        **_costs(seen),
        depth_early=seen["depth_early"],
        depth_late=seen["depth_late"],
    )


async def _beside_backlog(name: str, seconds: float, n_backlog: int) -> Figure:
    pace = ("--rate", str(_CALM_PER_S))
    async with _yard() as folder, _broker(name, folder) as (url, version):
        alone = await _measure(folder, url, version, *pace, seconds=seconds)
    async with _yard() as folder, _broker(name, folder) as (url, version):
        await asyncio.to_thread(_fill, folder / "outbox.db", n_backlog)
        beside = await _measure(folder, url, version, *pace, "--drain-s", "0", seconds=seconds)
    added_ms = beside["live_p99_ms"] - alone["live_p99_ms"]
    return figure(
        "outbox",
        f"live p99 through {name} beside a backlog of {n_backlog:,}",
        beside["live_p99_ms"],
        "ms",
        ok=beside["history"] > 0,
        peer="the same without",
        peer_value=alone["live_p99_ms"],
        target="<= 10 ms more",
        met=added_ms <= 10.0,
        live_p50_ms=beside["live_p50_ms"],
        history_per_s=round(beside["history"] / beside["seconds"]),
        rss_mb=round(beside["rss_mb"]),
        rss_mb_without=round(alone["rss_mb"]),
    )


async def _away(seconds: float) -> Figure:
    """No broker at all: everything goes to the disk."""
    async with _yard() as folder:
        url = f"mqtt://127.0.0.1:{free_port()}"
        seen = await _publisher(
            folder, url, "3.1.1", "--away", "--rate", str(_CALM_PER_S), seconds=seconds
        )
    return figure(
        "outbox",
        "written to the disk a fix while no broker is there, 1,000 fixes/s",
        seen["written_bytes"] / seen["offered"],
        "B",
        ok=seen["history_left"] > 0 and not seen["dropped"],
        cpu_us_per_fix=_cpu_us({**seen, "acked_in_time": seen["offered"]}),
        commits_per_s=round(seen["commits"] / seen["seconds"]),
    )


def _costs(seen: dict[str, Any]) -> dict[str, Any]:
    return {
        "p50_ms": round(seen.get("live_p50_ms", float("nan")), 1),
        "p99_ms": round(seen.get("live_p99_ms", float("nan")), 1),
        "written_bytes_per_fix": round(seen["written_bytes"] / max(1, seen["acked_in_time"])),
        "cpu_us_per_fix": _cpu_us(seen),
        "commits": seen["commits"],
    }


def _cpu_us(seen: dict[str, Any]) -> float:
    cpu_s, n = float(seen["cpu_s"]), int(seen["acked_in_time"])
    return round(cpu_s / max(1, n) * 1e6, 1)


def _fill(path: Path, n: int) -> None:
    """Write what an outage has left."""
    file = OutboxFile(str(path))
    payload = (
        b'{"v":1,"gw":"bench","dev":"rover-%d","boot":"0000","seq":%d,"t_fix":"2026-11-22T08:00:00'
        b'.200Z","t_rx":"2026-11-22T08:00:00.211Z","fix":"rtk_fixed","lat_deg":31.29%d,"lon_deg"'
        b':121.50%d,"sats_used":31,"solver":"receiver","via":"serial"}'
    )
    for number, first in enumerate(range(0, n, _CHUNK), start=1):
        entries = [
            Entry(
                id=index + 1,
                topic=f"bdgw/v1/bench/dev/rover-{index % 500}/history/fix",
                payload=payload % (index % 500, index // 500, index, index),
                lane=Lane.HISTORY,
                schema="bdgw/fix/1",
            )
            for index in range(first, min(n, first + _CHUNK))
        ]
        data = encode_chunk(entries)
        chunk = (number, False, len(entries), entries[-1].id, 0.0, data)
        file.apply(chunks=[chunk], settled=[], deleted=[], losses=[], ran_s=0.0)
    file.close()


async def _measure(
    folder: Path, url: str, version: str, *arguments: str, seconds: float
) -> dict[str, Any]:
    """A subscriber and a publisher; what both say."""
    port = str(urlsplit(url).port)
    subscriber = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.outbox_subscriber", port, "bdgw/v1/bench/#"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )
    assert subscriber.stdout is not None
    async with asyncio.timeout(_START_S):
        await subscriber.stdout.readline()
    seen = await _publisher(folder, url, version, *arguments, seconds=seconds)
    await asyncio.sleep(_SETTLE_S)
    out, _ = await subscriber.communicate(b"")
    return {**seen, **json.loads(out.splitlines()[-1])}


async def _publisher(
    folder: Path, url: str, version: str, *arguments: str, seconds: float
) -> dict[str, Any]:
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.outbox_publisher", url, str(folder)),
        *("--version", version, "--seconds", str(seconds), *arguments),
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )
    async with asyncio.timeout(seconds + _PATIENCE_S):
        out, _ = await child.communicate()
    if child.returncode:
        raise RigError(f"the publisher ended with {child.returncode}")
    made: dict[str, Any] = json.loads(out)
    return made


@contextlib.asynccontextmanager
async def _yard() -> AsyncIterator[Path]:
    folder = Path(tempfile.mkdtemp(dir=ROOT, prefix=".bench-outbox-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.asynccontextmanager
async def _broker(name: str, folder: Path) -> AsyncIterator[tuple[str, str]]:
    if name == "nats-server":
        async with EmbeddedBroker(folder) as broker:
            yield broker.url, "3.1.1"
        return
    port = free_port()
    lines = (
        f"listener {port} 127.0.0.1",
        "allow_anonymous true",
        "user root",
        # The defaults drop messages for a subscriber that is slow, and wait for more to send.
        "max_queued_messages 0",
        "max_inflight_messages 100",
        "set_tcp_nodelay true",
    )
    (folder / "mosquitto.conf").write_text("\n".join(lines) + "\n")
    process = await asyncio.create_subprocess_exec(
        *(str(find_mosquitto()), "-c", str(folder / "mosquitto.conf")), stderr=subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(_START_S):
            while True:
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    break
                await asyncio.sleep(0.02)
        yield f"mqtt://127.0.0.1:{port}", "5"
    finally:
        process.terminate()
        await process.wait()
