"""``make soak``: a gateway whose receivers, broker, caster and clients come and go all the time.

A real ``bdgw run``; simulated receivers that are unplugged every few seconds, a broker and a caster
that are restarted, clients of the gateway's own caster and API that connect and leave. Nothing of
it may make the gateway grow: resident memory, descriptors, threads and tasks are looked at every
few seconds, and the last quarter is compared with the second one. Exit status 1 when one has grown.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import statistics
import sys
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bdgw.prove.broker import Mosquitto
from bench.processes import ROOT, free_port

SECONDS = 1200.0
_LOOK_S = 2.0
_N_PTY, _N_TCP, _RATE_HZ = 6, 6, 5
_STOP_S = 20.0
_MB = 1e6
BOUNDS: dict[str, tuple[float, float]] = {
    # Beside what was there: a share, and a number.
    "rss_mb": (0.03, 3.0),
    "n_descriptors": (0.0, 3.0),
    "n_threads": (0.0, 2.0),
    "n_tasks": (0.0, 6.0),
}
_CONFIG = """
[gateway]
id = "soak"
state_dir = "{folder}/state"
[broker]
url = "{broker}"
version = "3.1.1"
[api]
listen = "127.0.0.1:{api_port}"
anonymous = "read"
[log]
level = "error"
[[correction]]
name = "net"
url = "ntrip://127.0.0.1:{caster_port}"
mount = "BASE"
frame = "CGCS2000"
epoch = 2000.0
gga = {{ when = "never" }}
[caster]
listen = "127.0.0.1:{own_port}"
mounts = [{{ name = "SITE", source = "correction:net", is_open = true }}]
"""


@dataclass
class Rig:
    """Where everything is, and what has happened to it."""

    folder: Path
    rng: random.Random
    gateway: asyncio.subprocess.Process
    api_port: int
    own_port: int
    samples: list[dict[str, float]] = field(default_factory=list)
    done: dict[str, int] = field(default_factory=dict)

    def count(self, what: str) -> None:
        self.done[what] = self.done.get(what, 0) + 1

    def status(self) -> dict[str, Any]:
        url = f"http://127.0.0.1:{self.api_port}/api/v1/status"
        with urllib.request.urlopen(url, timeout=15) as answer:
            value: dict[str, Any] = json.load(answer)
            return value


def scenario(folder: Path, tcp_port: int, seconds: float, rng: random.Random) -> str:
    """Receivers, each with its own times of being away."""
    text = 'seed = "soak"\n'
    for number in range(_N_PTY + _N_TCP):
        port = f"pty:{folder}/r{number}" if number < _N_PTY else f"tcp:127.0.0.1:{tcp_port}"
        text += (
            f'[[device]]\nname = "r{number}"\nport = "{port}"\nrate_hz = {_RATE_HZ}\n'
            f'track = "circle"\nreconnect_s = 0.2\n'
        )
        if number >= _N_PTY:
            text += f'registration = "R{number}"\n'
        at_s = rng.uniform(2, 8)
        while at_s < seconds:
            away_s = rng.uniform(0.3, 2.0)
            text += (
                f'[[device.fault]]\nkind = "unplug"\nfrom_s = {at_s:.2f}\n'
                f"to_s = {at_s + away_s:.2f}\n"
            )
            at_s += away_s + rng.uniform(1.0, 8.0)
    return text


def devices(folder: Path, tcp_port: int) -> str:
    text = ""
    for number in range(_N_PTY + _N_TCP):
        is_pty = number < _N_PTY
        url = f"serial://{folder}/r{number}" if is_pty else f"tcp-listen://127.0.0.1:{tcp_port}"
        text += f'[[device]]\nid = "r{number}"\nurl = "{url}"\n'
        if not is_pty:
            text += f'match = {{ registration_line = "R{number}" }}\n'
        elif number == 0:
            text += 'correction = "net"\n'
    return text


async def python(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        cwd=ROOT,
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'firmware-sim'}", "PATH": "/usr/bin:/bin"},
    )


async def end(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), _STOP_S)
    except TimeoutError:
        process.kill()
        await process.wait()


@contextlib.asynccontextmanager
async def running(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await python(*arguments)
    try:
        yield process
    finally:
        await end(process)


async def flap_broker(rig: Rig, broker: Mosquitto) -> None:
    while True:
        # Shorter lives would look like a second client with the same id, and be waited out.
        await asyncio.sleep(rig.rng.uniform(10.5, 14.0))
        await broker.end()
        await asyncio.sleep(rig.rng.uniform(0.2, 2.0))
        await broker.begin()
        rig.count("broker restarts")


async def flap_caster(rig: Rig, port: int) -> None:
    mount = "name=BASE,msm=7,position_every_s=1,lat_deg=31.30,lon_deg=121.50"
    while True:
        async with running("fwsim", "caster", "--port", str(port), "--mount", mount):
            await asyncio.sleep(rig.rng.uniform(8.0, 25.0))
        rig.count("caster restarts")
        await asyncio.sleep(rig.rng.uniform(0.5, 3.0))


async def flap_clients(rig: Rig) -> None:
    """Clients of the caster: some are polite, some just go."""
    while True:
        with contextlib.suppress(OSError, TimeoutError):
            reader, writer = await asyncio.open_connection("127.0.0.1", rig.own_port)
            writer.write(b"GET /SITE HTTP/1.1\r\nHost: x\r\nNtrip-Version: Ntrip/2.0\r\n")
            writer.write(b"User-Agent: NTRIP soak\r\n\r\n" if rig.rng.random() < 0.9 else b"")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(reader.read(2000), rig.rng.uniform(0.05, 1.0))
            writer.transport.abort() if rig.rng.random() < 0.5 else writer.close()
            rig.count("caster clients")
        await asyncio.sleep(rig.rng.uniform(0.05, 0.4))


async def look(rig: Rig, end_s: float) -> None:
    began_s = time.monotonic()
    while time.monotonic() < end_s:
        await asyncio.sleep(_LOOK_S)
        if rig.gateway.returncode is not None:
            raise SystemExit(f"the gateway has ended, status {rig.gateway.returncode}")
        seen = await asyncio.to_thread(rig.status)
        process = seen["process"]
        sample = {name: float(process[name]) for name in BOUNDS if name in process}
        sample |= {
            "rss_mb": process["rss_bytes"] / _MB,
            "at_s": time.monotonic() - began_s,
            "fixes": sum(each["fixes"] for each in seen["devices"]),
            "acked": seen["outbox"]["acked"],
            "depth": seen["outbox"]["depth"],
            "lost_links": sum(sum(each["n_lost"].values()) for each in seen["devices"]),
        }
        rig.samples.append(sample)


def judged(samples: list[dict[str, float]]) -> list[dict[str, Any]]:
    """Compare the last quarter with the second: the first one is for warming up."""
    n = len(samples)
    second, last = samples[n // 4 : n // 2], samples[3 * n // 4 :]
    rows = []
    for name, (share, number) in BOUNDS.items():
        before = statistics.median(each[name] for each in second)
        after = statistics.median(each[name] for each in last)
        allowed = before * share + number
        hours = (statistics.mean(each["at_s"] for each in last)) / 3600
        hours -= statistics.mean(each["at_s"] for each in second) / 3600
        rows.append(
            {
                "figure": name,
                "second_quarter": round(before, 1),
                "last_quarter": round(after, 1),
                "max": round(max(each[name] for each in samples), 1),
                "slope_per_h": round((after - before) / hours, 1),
                "allowed_growth": round(allowed, 1),
                "ok": after - before <= allowed,
            }
        )
    return rows


async def soak(folder: Path, seconds: float, seed: int) -> tuple[list[dict[str, Any]], Rig]:
    rng = random.Random(seed)
    api_port, own_port, caster_port, tcp_port = (free_port() for _ in range(4))
    async with contextlib.AsyncExitStack() as stack:
        broker = await stack.enter_async_context(Mosquitto(folder))
        config, scene = folder / "soak.toml", folder / "scenario.toml"
        ports = {"api_port": api_port, "own_port": own_port, "caster_port": caster_port}
        text = _CONFIG.format(folder=folder, broker=broker.url, **ports)
        config.write_text(text + devices(folder, tcp_port))
        scene.write_text(scenario(folder, tcp_port, seconds + 60, rng))
        gateway = await stack.enter_async_context(running("bdgw", "run", "-c", str(config)))
        rig = Rig(folder, rng, gateway, api_port, own_port)
        await _ready(rig)
        await stack.enter_async_context(running("fwsim", "run", "--scenario", str(scene)))
        works: list[Callable[[], Awaitable[None]]] = [
            lambda: flap_broker(rig, broker),
            lambda: flap_caster(rig, caster_port),
            lambda: flap_clients(rig),
        ]
        tasks = [asyncio.ensure_future(work()) for work in works]
        looking = asyncio.ensure_future(look(rig, time.monotonic() + seconds))
        try:
            await asyncio.wait((looking, *tasks), return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                if task.done():
                    task.result()
            await looking
        finally:
            for task in (looking, *tasks):
                task.cancel()
            await asyncio.wait((looking, *tasks))
    if gateway.returncode != 0:
        raise SystemExit(f"the gateway did not end well: status {gateway.returncode}")
    return judged(rig.samples), rig


async def _ready(rig: Rig) -> None:
    end_s = time.monotonic() + 60
    while time.monotonic() < end_s:
        with contextlib.suppress(OSError):
            await asyncio.to_thread(rig.status)
            return
        await asyncio.sleep(0.2)
    raise SystemExit("the gateway does not start")


def main() -> int:
    parser = argparse.ArgumentParser(prog="soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bdgw-soak-") as name:
        rows, rig = asyncio.run(soak(Path(name), arguments.seconds, arguments.seed))
    last = rig.samples[-1]
    happened = {**rig.done, "lost receivers": int(last["lost_links"])}
    happened |= {key: int(last[key]) for key in ("fixes", "acked", "depth")}
    for row in rows:
        print(json.dumps(row))
    head = ("figure", "second_quarter", "last_quarter", "max", "slope_per_h", "allowed_growth")
    lines = [" | ".join(f"{key:>14}" for key in (*head, "ok"))]
    lines += [" | ".join(f"{row[key]!s:>14}" for key in (*head, "ok")) for row in rows]
    sys.stderr.write("\n".join(lines) + f"\n{happened}\n")
    # A gateway to which nothing happened has proved nothing.
    is_proof = last["fixes"] > 0 and last["acked"] > 0 and rig.done.get("broker restarts", 0) > 0
    return 0 if is_proof and all(row["ok"] for row in rows) else 1


if __name__ == "__main__":
    raise SystemExit(main())
