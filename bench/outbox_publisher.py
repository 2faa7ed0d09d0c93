"""The gateway from the fix on: payload, outbox, publisher; or a plain aiomqtt loop beside it.

Fixes of many devices come every 20 ms at a fixed rate, or (rate 0) as fast as they are taken.
Prints one JSON object at the end.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import cProfile
import importlib
import json
import logging
import os
import resource
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

import structlog

from bdgw.model import DeviceFix, Fix, FixKind, Provenance, TimeQuality, Via
from bdgw.publish import payload, topics
from bdgw.publish.durable_outbox import DurableOutbox
from bdgw.publish.mqtt import MqttPublisher, MqttSettings, Presence
from bdgw.publish.outbox_pace import Bounds, LanePace
from bdgw.publish.sink import PublishingSink
from bdgw.store.outbox_file import OutboxFile

GATEWAY = "bench"
PERIOD_S = 0.02
BRIEF_S = 0.002
_MOST_HELD = 400
"""With no rate: so many are held at most."""


def fixes(n_devices: int) -> Iterator[DeviceFix]:
    """Endless fixes, of one device after the other."""
    corr = Provenance(name="net", mount="RTCM33", station=1042, age_s=0.8)
    number = 0
    while True:
        epoch, device = divmod(number, n_devices)
        number += 1
        fix = Fix(
            t_gpst_ns=1_448_000_000_000_000_000 + epoch * 100_000_000,
            tod_utc_ns=None,
            time_quality=TimeQuality.GNSS,
            kind=FixKind.RTK_FIXED,
            lat_deg=31.3 + device / 1e4 + epoch / 1e8,
            lon_deg=121.5 + device / 1e4 - epoch / 1e8,
            alt_msl_m=9.5 + epoch % 100 / 1e3,
            alt_hae_m=19.8 + epoch % 100 / 1e3,
            acc_h_m=0.012,
            acc_v_m=0.021,
            acc_conf=0.68,
            speed_m_s=1.42,
            course_deg=epoch % 360 + 0.3,
            sats_used=31,
            hdop=0.6,
        )
        yield DeviceFix(
            device=f"rover-{device}",
            boot="82e55187",
            seq=epoch,
            fix=fix,
            via=Via.SERIAL,
            t_rx_utc_ns=time.time_ns(),
            frame="CGCS2000",
            frame_epoch_year=2000.0,
            corr=corr,
        )


def written_bytes() -> int:
    """What this process has sent to disks, by the kernel's count."""
    lines = Path("/proc/self/io").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("write_bytes:"))


async def gateway(arguments: argparse.Namespace) -> dict[str, object]:
    outbox = DurableOutbox(
        monotonic_s=time.monotonic,
        bounds=Bounds(),
        pace=LanePace(history_per_s=arguments.history_per_s),
    )
    outbox.open(OutboxFile(str(arguments.folder / "outbox.db")))
    sink = PublishingSink(GATEWAY, outbox, monotonic_s=time.monotonic, utc_ns=time.time_ns)
    state = json.dumps({"v": 1}).encode()
    presence = Presence(
        topic=topics.connection(GATEWAY),
        online=lambda: state,
        lost=lambda: state,
        offline=lambda: state,
    )
    connected = asyncio.Event()
    publisher = MqttPublisher(
        MqttSettings(
            url=arguments.url,
            client_id="bdgw-bench",
            version=arguments.version,
            history_jitter_s=0.0,
        ),
        outbox,
        presence,
        emit=lambda event: connected.set() if getattr(event, "is_connected", False) else None,
        finish=sink.finish,
    )
    running = asyncio.create_task(publisher.run())
    if not arguments.away:
        await connected.wait()
    before, began_cpu_s, began_s = written_bytes(), time.process_time(), time.monotonic()
    depths: list[int] = []
    n_offered = 0
    source = fixes(arguments.devices)
    while (now_s := time.monotonic()) < began_s + arguments.seconds:
        seen = outbox.snapshot(now_s=now_s)
        if arguments.rate:
            due = int((now_s - began_s) * arguments.rate) - n_offered
        else:
            due = _MOST_HELD - (seen.depth - seen.history)
        for _ in range(due):
            sink.offer(next(source))
        n_offered += max(0, due)
        depths.append(seen.depth - seen.history)
        await asyncio.sleep(PERIOD_S if arguments.rate else BRIEF_S)
    ended_s = time.monotonic()
    seen = outbox.snapshot(now_s=ended_s)
    cpu_s = time.process_time() - began_cpu_s
    bytes_written = written_bytes() - before
    await publisher.stop(drain_s=0.0 if arguments.away else arguments.drain_s)
    await running
    last = outbox.snapshot(now_s=time.monotonic())
    book_written = outbox._book.shelf.n_written
    await outbox.close()
    quarter = len(depths) // 4
    return {
        "offered": n_offered,
        "acked_in_time": seen.acked,
        "acked": last.acked,
        "seconds": ended_s - began_s,
        "cpu_s": cpu_s,
        "written_bytes": bytes_written,
        "n_written": book_written,
        "commits": outbox.n_commits,
        "depth_early": max(depths[quarter : 2 * quarter]),
        "depth_late": max(depths[-quarter:]),
        "history_left": last.history,
        "dropped": sum(last.dropped.values()),
        "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


async def plain(arguments: argparse.Namespace) -> NoReturn:
    """What a short script does: aiomqtt, 100 publishes at a time, nothing kept."""
    # Installed with the peers only; the gateway is measured without them, too.
    aiomqtt = importlib.import_module("aiomqtt")
    source = fixes(arguments.devices)
    n_offered = n_acked = 0
    waiting: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()
    parts = urlsplit(arguments.url)
    version = (
        aiomqtt.ProtocolVersion.V5 if arguments.version == "5" else aiomqtt.ProtocolVersion.V311
    )
    async with aiomqtt.Client(
        parts.hostname or "",
        parts.port or 1883,
        identifier="plain",
        protocol=version,
        max_inflight_messages=0,
    ) as client:
        client.pending_calls_threshold = 1_000_000
        began_cpu_s, began_s = time.process_time(), time.monotonic()
        until_s = began_s + arguments.seconds

        async def work() -> None:
            nonlocal n_acked
            while True:
                topic, data = await waiting.get()
                await client.publish(topic, data, qos=1, retain=True)
                n_acked += 1

        _workers = [asyncio.create_task(work()) for _ in range(arguments.window)]
        while (now_s := time.monotonic()) < until_s:
            due = int((now_s - began_s) * arguments.rate) - n_offered
            if not arguments.rate:
                due = _MOST_HELD - waiting.qsize()
            for _ in range(max(0, due)):
                item = next(source)
                data = payload.device_fix_payload(GATEWAY, item)
                data = payload.stamp_published(data, time.time_ns())
                waiting.put_nowait((topics.fix(GATEWAY, item.device), data))
            n_offered += max(0, due)
            await asyncio.sleep(PERIOD_S if arguments.rate else BRIEF_S)
        n_in_time, queued, took_s = n_acked, waiting.qsize(), time.monotonic() - began_s
        cpu_s = time.process_time() - began_cpu_s
        made = {
            "offered": n_offered,
            "acked_in_time": n_in_time,
            "acked": n_in_time,
            "seconds": took_s,
            "cpu_s": cpu_s,
            "depth_late": queued,
            "written_bytes": 0,
        }
        print(json.dumps(made), flush=True)
        # What it still waits for may take minutes to be given up.
        os._exit(0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--version", default="3.1.1")
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--away", action="store_true", help="there is no broker")
    parser.add_argument("--devices", type=int, default=500)
    parser.add_argument("--rate", type=float, default=0.0)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--drain-s", type=float, default=5.0)
    parser.add_argument("--history-per-s", type=float, default=1000.0)
    parser.add_argument("--window", type=int, default=100)
    parser.add_argument("--profile", default=os.environ.get("BDGW_BENCH_PROFILE"))
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    profile = cProfile.Profile()
    with profile if arguments.profile else contextlib.nullcontext():
        made = asyncio.run((plain if arguments.plain else gateway)(arguments))
    if arguments.profile:
        profile.dump_stats(arguments.profile)
    print(json.dumps(made), flush=True)


if __name__ == "__main__":
    main()
