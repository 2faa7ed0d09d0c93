"""The demo: broker, simulator, gateway and subscriber on one machine, and a proof at the end.

The simulator is a process of its own with its own encoders; it writes down what it has sent. The
demo passes only if every epoch of it came out once at the subscriber, with the right values.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bdgw import config
from bdgw.app import Gateway
from bdgw.errors import UnavailableError
from bdgw.publish import topics
from bdgw.publish.subscriber import Message, subscribe

__all__ = ["Tally", "run_demo"]

GATEWAY = "demo"
_READERS_S = 20
_HOLD_S = 2
_LAST_FIX_S = 5.0
_SIMULATED = (
    # Two receivers on serial lines and a field device that dials in over TCP.
    "name=rover-1,port=pty:{folder}/rover-1,rate_hz=10,track=circle,speed_m_s=2,radius_m=40,"
    "dialect=4.11,order=ublox,quality=rtk_fixed,sentences=RMC+VTG+GGA+GSA+GSV+GST",
    "name=rover-2,port=pty:{folder}/rover-2,rate_hz=1,track=line,speed_m_s=12,"
    "waypoints=31.30:121.50+31.36:121.62,dialect=4.11,order=unicore,quality=rtk_float,"
    "sentences=GGA+GSA+GSV+GST+RMC+VTG",
    "name=buoy-7,port=tcp:127.0.0.1:{port},rate_hz=1,track=static,dialect=old-bd,order=mtk,"
    "quality=dgnss,registration=DTU-0007",
)
_CONFIG = """
[gateway]
id = "{gateway}"
state_dir = "{folder}/state"
[broker]
url = "embedded"
listen = "127.0.0.1:{mqtt_port}"
[api]
listen = "127.0.0.1:0"
anonymous = "read"
[log]
level = "warning"
[[device]]
id = "rover-1"
url = "serial://{folder}/rover-1"
frame = "CGCS2000"
epoch = 2000.0
[[device]]
id = "rover-2"
url = "serial://{folder}/rover-2"
frame = "CGCS2000"
epoch = 2000.0
[[device]]
id = "buoy-7"
url = "tcp-listen://127.0.0.1:{port}"
match = {{ registration_line = "DTU-0007" }}
"""
# (key of the published fix, key of the simulator's truth, what binary rounding may add)
_COMPARED = (
    ("fix", "fix", None),
    ("lat_deg", "lat_deg", 1e-9),
    ("lon_deg", "lon_deg", 1e-9),
    ("alt_msl_m", "alt_msl_m", 1e-6),
    ("alt_hae_m", "alt_hae_m", 1e-6),
    ("hdop", "hdop", 1e-9),
    ("speed_m_s", "speed_m_s", 1e-3),
    ("course_deg", "course_deg", 1e-6),
)


class Tally:
    """Holds what the subscriber got against what the simulator has sent."""

    def __init__(self) -> None:
        self.received: dict[tuple[str, str], dict[str, Any]] = {}
        self.copies: Counter[tuple[str, str]] = Counter()
        self.arrived = asyncio.Event()

    def add(self, fix: dict[str, Any]) -> None:
        """Take a live fix from the subscriber."""
        key = (fix["dev"], fix.get("t_fix", ""))
        self.received.setdefault(key, fix)
        self.copies[key] += 1
        self.arrived.set()

    def missing(self, truth: list[dict[str, Any]]) -> int:
        """How many epochs that were sent have not come."""
        return sum((row["name"], row["t_utc"]) not in self.received for row in truth)

    def summary(self, truth: list[dict[str, Any]]) -> dict[str, Any]:
        """Judge: the summary object of ``bdgw demo --seconds``."""
        expected = {(row["name"], row["t_utc"]): row for row in truth}
        lost = self.missing(truth)
        invented = sum(key not in expected for key in self.received)
        wrong = sum(
            not _agrees(self.received[key], row)
            for key, row in expected.items()
            if key in self.received
        )
        duplicates = sum(count - 1 for count in self.copies.values())
        is_ok = bool(expected) and not (lost or wrong or invented or duplicates)
        return {
            "fixes_expected": len(expected),
            "fixes_received": sum(self.copies.values()),
            "duplicates": duplicates,
            "lost": lost,
            "wrong_values": wrong,
            "not_sent": invented,
            "ok": is_ok,
        }


def _agrees(fix: dict[str, Any], row: dict[str, Any]) -> bool:
    for key, name, tolerance in _COMPARED:
        got, sent = fix.get(key), row.get(name)
        if got is None or sent is None or tolerance is None:
            if got != sent:
                return False
        elif abs(got - sent) > tolerance:
            return False
    return True


async def run_demo(
    *,
    seconds: float | None,
    mqtt_port: int,
    show: Callable[[dict[str, Any]], None],
    say: Callable[[str], None],
    stop: asyncio.Event,
) -> dict[str, Any]:
    """Run until ``seconds`` are over or ``stop`` is set; give the summary.

    ``show`` gets every live fix, ``say`` text for the person at the screen.

    Raises:
        UnavailableError: broker, simulator or subscriber cannot be started.
    """
    with _folder() as folder:
        port = _free_port()
        text = _CONFIG.format(gateway=GATEWAY, folder=folder, port=port, mqtt_port=mqtt_port)
        gateway = Gateway(config.parse(text, name="demo"))
        ended, ready = asyncio.Event(), asyncio.Event()
        tally = Tally()
        async with asyncio.TaskGroup() as group:
            group.create_task(gateway.run(ended, on_ready=ready.set), name="gateway")
            await ready.wait()
            try:
                assert gateway.broker_url is not None  # noqa: S101 - set before on_ready
                address = topics.root(GATEWAY)
                async with subscribe(gateway.broker_url, f"{address}/dev/+/fix") as queue:
                    say(_how_to_watch(gateway))
                    taking = group.create_task(_take(queue, tally, show), name="subscriber")
                    truth = await _simulate(folder, port, seconds, stop)
                    await _wait_for_the_last(tally, truth)
                    taking.cancel()
            finally:
                ended.set()
        return tally.summary(truth)


async def _take(
    queue: asyncio.Queue[Message], tally: Tally, show: Callable[[dict[str, Any]], None]
) -> None:
    while True:
        _, data, is_retained = await queue.get()
        if not is_retained:
            fix = json.loads(data)
            tally.add(fix)
            show(fix)


async def _simulate(
    folder: Path, port: int, seconds: float | None, stop: asyncio.Event
) -> list[dict[str, Any]]:
    """Run the simulator to its end; give the epochs that it has written."""
    truth_file = folder / "truth.ndjson"
    command = [sys.executable, "-m", "fwsim", "run", "--truth", str(truth_file)]
    command += ["--wait-readers", str(_READERS_S), "--hold", str(_HOLD_S)]
    for device in _SIMULATED:
        command += ["--device", device.format(folder=folder, port=port)]
    if seconds is not None:
        command += ["--seconds", str(seconds)]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    talking = asyncio.create_task(process.communicate())
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait((talking, stopping), return_when=asyncio.FIRST_COMPLETED)
        if not talking.done():
            process.terminate()
        _, errors = await talking
    finally:
        stopping.cancel()
        if process.returncode is None:
            process.kill()
    if process.returncode not in (0, -15):
        raise UnavailableError(f"the simulator ended: {errors.decode(errors='replace')[-500:]}")
    if not truth_file.exists():
        return []
    return [json.loads(line) for line in truth_file.read_text(encoding="utf-8").splitlines()]


async def _wait_for_the_last(tally: Tally, truth: list[dict[str, Any]]) -> None:
    """Give the last fixes time to arrive."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_LAST_FIX_S):
            while tally.missing(truth):
                tally.arrived.clear()
                await tally.arrived.wait()


def _how_to_watch(gateway: Gateway) -> str:
    port = (gateway.broker_url or "").rpartition(":")[2]
    return (
        f"Subscribe from another terminal:\n"
        f"  mosquitto_sub -h 127.0.0.1 -p {port} -t '{topics.root(GATEWAY)}/#' -v\n"
        f"Status: {gateway.api_url}/api/v1/status\n"
    )


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    # Socket and terminal paths have a short limit, so not below a long working directory.
    with tempfile.TemporaryDirectory(prefix="bdgw-demo-", ignore_cleanup_errors=True) as name:
        yield Path(name)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
