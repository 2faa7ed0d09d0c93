"""Corrections from a caster to 100 rovers on serial ports: time from the caster's byte to the port.

The latency is from before the caster writes a batch to when its last byte has come out of a
rover's port, so it contains the caster, both kernels and the reading beside the gateway itself.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.figure import Figure, Options, figure, percentile
from bench.processes import MEASURED, OTHERS, child

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
        folder = Path(name)
        record = folder / "record.json"
        arguments = (str(folder), str(_ROVERS), str(seconds), str(record))
        with child("bench.correction_yard", *arguments, cores=OTHERS) as yard:
            port = yard.wait_event("ready")["port"]
            config = folder / "gateway.toml"
            devices = (_DEVICE.format(folder=folder, n=n) for n in range(_ROVERS))
            config.write_text(_CONFIG.format(folder=folder, port=port) + "".join(devices))
            with child("bench.gateway", str(config), cores=[MEASURED]) as gateway:
                yard.wait_event("started")
                before_s = gateway.cpu_s()
                yard.wait_event("done")
                cpu_s = gateway.cpu_s() - before_s
                gateway.stop()
        result = json.loads(record.read_text())
    latencies = result["latencies_ms"]
    is_whole = result["received"] == result["expected"]
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
            expected=result["expected"],
            received=result["received"],
            batch_bytes=result["batch_bytes"],
            max_ms=round(max(latencies, default=float("nan")), 1),
            cpu_percent=round(100 * cpu_s / (seconds + 10), 1),
        )
