"""Corrections from a caster to 100 rovers on serial ports: from the caster's byte to the write.

The latency is from before the caster gives a batch to its socket to when the rover's port has taken
its last byte.
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from bench.figure import Figure, Options, figure, percentile
from bench.processes import MEASURED, OTHERS, child

Write = tuple[int, str, int]
"""Monotonic nanoseconds, port, bytes."""

_ROVERS = 100
_SECONDS, _QUICK_SECONDS = 60, 15
_TARGET_MS = 20.0
_CONFIG = """
[gateway]
id = "bench"
state_dir = "{folder}/state"
[broker]
url = "mqtt://127.0.0.1:9"
[log]
level = "error"
[[correction]]
name = "base"
url = "ntrip://127.0.0.1:{port}"
mount = "BENCH"
gga = {{ when = "never" }}
"""
_DEVICE = """
[[device]]
id = "rover-{n:03d}"
url = "serial://{folder}/rover-{n:03d}"
correction = "base"
silence_s = 3600
"""


def run(options: Options) -> Iterator[Figure]:
    seconds = _QUICK_SECONDS if options.quick else _SECONDS
    with tempfile.TemporaryDirectory(prefix="bdgw-bench-") as name:
        sent, writes, cpu_s = _measure(Path(name), seconds)
    latencies = _latencies_ms(sent["ends"], sent["times_ns"], writes)
    expected = _ROVERS * seconds
    is_whole = len(latencies) == expected
    for percent, target in ((50, None), (99, _TARGET_MS)):
        value = percentile(latencies, percent)
        yield figure(
            "corrections",
            f"caster to {_ROVERS} serial ports, p{percent}",
            value,
            "ms",
            ok=is_whole,
            target=None if target is None else f"<= {target:g} ms",
            met=None if target is None else value <= target and is_whole,
            expected=expected,
            received=len(latencies),
            batch_bytes=sent["ends"][-1] // seconds,
            max_ms=round(max(latencies, default=float("nan")), 1),
            cpu_percent=round(100 * cpu_s / seconds, 1),
        )


def _measure(folder: Path, seconds: int) -> tuple[dict[str, list[int]], list[Write], float]:
    """Run it; give what was sent, the gateway's writes and its CPU time."""
    sent, written = folder / "sent.json", folder / "written.ndjson"
    arguments = (str(folder), str(_ROVERS), str(seconds), str(sent))
    with child("bench.correction_yard", *arguments, cores=OTHERS) as yard:
        port = yard.wait_event("ready")["port"]
        config = folder / "gateway.toml"
        devices = (_DEVICE.format(folder=folder, n=n) for n in range(_ROVERS))
        config.write_text(_CONFIG.format(folder=folder, port=port) + "".join(devices))
        options = ("--record", str(written), "--record-writes")
        with child("bench.gateway", str(config), *options, cores=[MEASURED]) as gateway:
            yard.wait_event("started")
            before_s = gateway.cpu_s()
            yard.wait_event("done")
            cpu_s = gateway.cpu_s() - before_s
            gateway.stop()
    rows = [json.loads(line) for line in written.read_text().splitlines()]
    return json.loads(sent.read_text()), rows, cpu_s


def _latencies_ms(ends: list[int], times_ns: list[int], writes: list[Write]) -> list[float]:
    """A rover gets the very bytes that were sent: count them to find where a batch ended."""
    taken: Counter[str] = Counter()
    n_done: Counter[str] = Counter()
    latencies = []
    for mono_ns, port, n_bytes in writes:
        if mono_ns < times_ns[0]:
            continue  # the warm-up
        taken[port] += n_bytes
        while n_done[port] < len(ends) and taken[port] >= ends[n_done[port]]:
            latencies.append((mono_ns - times_ns[n_done[port]]) / 1e6)
            n_done[port] += 1
    return latencies
