"""The broker away for an hour of 1,000 devices, lived through at speed; then it comes back.

The hour is the real outbox on the real disk under a clock that runs ahead. Then a gateway of its
own opens what is left, with the broker there and the devices at their work: what a subscriber sees
of the live fixes is compared with the same without anything that waits.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from bdgw.prove.ground import Ground, stage
from bdgw.prove.life import LifeSpec, outbox_item
from bdgw.prove.run import Plan, ground_for
from bdgw.publish.durable_outbox import DurableOutbox
from bdgw.store.outbox_file import OutboxFile
from bench.figure import Figure, Options, figure, percentile
from bench.processes import ROOT

N_DEVICES = 1000
HOUR_S, QUICK_S = 3600, 300
_LIVE_S, _WARM_UP_S = 15.0, 4.0
_PER_S = 1000.0
_LIFE = 7
_TURN_S = 0.03
"""A little more than the outbox's own tick."""
_RSS_GROWTH_MB = 8.0
_DISK_SHARE = 1.15
_LATENCY_MS = 10.0


def run(options: Options) -> Iterator[Figure]:
    """On the disk of the working folder, through the embedded broker."""
    with tempfile.TemporaryDirectory(prefix=".bench-outage-", dir=ROOT) as name:
        yield from asyncio.run(_run(Path(name), QUICK_S if options.quick else HOUR_S))


async def _run(folder: Path, seconds: int) -> list[Figure]:
    path = folder / "outbox.db"
    seen = await _hour(path, seconds)
    figures = _of_hour(seen, seconds)
    plan = Plan(state_dir=folder, gateway="bench", settings=None, is_quick=True)
    async with ground_for(plan, folder, random.Random(1), lambda _text: None) as ground:
        alone = await _live(ground, folder / "fresh.db")
        beside = await _live(ground, path)
    p99 = [percentile(each["latencies_ms"], 99) for each in (alone, beside)]
    figures.append(
        figure(
            "outage",
            f"live p99 after the return, beside {beside['backlog']:,} that wait",
            p99[1],
            "ms",
            ok=beside["history"] > 0,
            peer="the same without",
            peer_value=p99[0],
            target=f"<= {_LATENCY_MS:g} ms more",
            met=p99[1] - p99[0] <= _LATENCY_MS,
            p50_ms=percentile(beside["latencies_ms"], 50),
            p50_ms_without=percentile(alone["latencies_ms"], 50),
            live_fixes=len(beside["latencies_ms"]),
            history_per_s=round(beside["history"] / _LIVE_S),
        )
    )
    return figures


class _Clock:
    """Monotonic seconds that are put forward."""

    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


async def _hour(path: Path, seconds: int) -> dict[str, Any]:
    clock = _Clock()
    outbox = DurableOutbox(monotonic_s=clock)
    outbox.open(OutboxFile(str(path)))
    spec = LifeSpec(
        number=_LIFE,
        gateway="bench/prove",
        file="",
        url="mqtt://nowhere",
        client_id="none",
        n_devices=N_DEVICES,
    )
    rss_mb, depths = [], []
    began_s = time.monotonic()
    for second in range(seconds):
        clock.now_s += 1.0
        for number in range(second * N_DEVICES, (second + 1) * N_DEVICES):
            outbox_item(outbox, spec, number, utc_ns=1_800_000_000 * 10**9, now_s=clock.now_s)
        # Until the disk has what is due, as it would have in a second.
        while outbox.snapshot(now_s=clock.now_s).unsafe > N_DEVICES:  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(_TURN_S)
        await asyncio.sleep(_TURN_S)
        if second % 30 == 29:
            rss_mb.append(_rss_mb())
            depths.append(outbox.snapshot(now_s=clock.now_s).depth)
    shot = outbox.snapshot(now_s=clock.now_s)
    took_s = time.monotonic() - began_s
    await outbox.close()
    return {
        "rss_mb": rss_mb,
        "depth": shot.depth,
        "dropped": dict(shot.dropped),
        "stored_bytes": shot.stored_bytes,
        "room_h": shot.room_h,
        "disk_bytes": sum(each.stat().st_size for each in path.parent.glob("outbox.db*")),
        "took_s": took_s,
        "commits": outbox.n_commits,
    }


def _of_hour(seen: dict[str, Any], seconds: int) -> list[Figure]:
    n = seconds * N_DEVICES
    is_whole = seen["depth"] == n and not seen["dropped"]
    # The first tenth fills tables and caches.
    calm_mb = seen["rss_mb"][len(seen["rss_mb"]) // 10]
    growth_mb = max(seen["rss_mb"]) - calm_mb
    return [
        figure(
            "outage",
            f"memory, {N_DEVICES} devices, {seconds:,} s without a broker",
            max(seen["rss_mb"]),
            "MB",
            ok=is_whole,
            target=f"<= {_RSS_GROWTH_MB:g} MB more than after a tenth",
            met=growth_mb <= _RSS_GROWTH_MB,
            after_a_tenth_mb=round(calm_mb, 1),
            waiting=seen["depth"],
            lived_through_in_s=round(seen["took_s"]),
        ),
        figure(
            "outage",
            "disk a fix that waits",
            seen["disk_bytes"] / n,
            "B",
            ok=is_whole,
            target=f"<= {_DISK_SHARE:g} of what the status says",
            met=seen["disk_bytes"] <= _DISK_SHARE * seen["stored_bytes"],
            disk_mb=round(seen["disk_bytes"] / 1e6, 1),
            status_mb=round(seen["stored_bytes"] / 1e6, 1),
            room_h=seen["room_h"],
            commits=seen["commits"],
        ),
    ]


async def _live(ground: Ground, path: Path) -> dict[str, Any]:
    """The devices at their work, with the broker there and what waits in a file."""
    async with stage(replace(ground, is_quick=False)) as on:
        on.verdict.expect(_LIFE)
        life = await on.lives.begin(
            on.spec(
                file=str(path),
                url=ground.settings.url,
                per_s=_PER_S,
                n_devices=N_DEVICES,
                history_jitter_s=0.5,
            )
        )
        await asyncio.sleep(_WARM_UP_S)
        backlog, n_arrived = life.value("depth"), on.witness.n_arrived
        on.witness.latencies_ms.clear()
        await asyncio.sleep(_LIVE_S)
        latencies_ms = list(on.witness.latencies_ms)
        history = on.witness.n_arrived - n_arrived - len(latencies_ms)
        await on.lives.kill()
    return {"latencies_ms": latencies_ms, "history": history, "backlog": backlog}


def _rss_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6
