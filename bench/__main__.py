"""``python -m bench [NAME...] [--json] [--quick]``: run figure groups and print a table.

JSON goes to stdout, one object a figure; the table goes to stderr, so that both can be kept. The
exit status is 1 when any figure's work was not done; a missed target is shown and is no error.
"""

from __future__ import annotations

import argparse
import logging
import os
import subprocess
import sys
import time
from pathlib import Path

import structlog

from bench import (
    caster_clients,
    corrections,
    decode,
    footprint,
    history,
    kill_drill,
    ledger,
    long_messages,
    many_ports,
    many_tcp,
    outage_hour,
    outbox,
    positioning,
    robustness,
    rovers,
    rtcm_decode,
    segments,
    ten_hertz,
    terminals,
)
from bench.figure import Bench, Figure, Options, emit, table

SCRIPTS = {"mqtt-clients": "mqtt_clients.py", "port-windows": "serial_ports.py"}
"""Studies behind a decision: run by name only, with figures of their own."""
BENCHES: dict[str, Bench] = {
    "decode": decode.run,
    "rtcm": rtcm_decode.run,
    "tcp": many_tcp.run,
    "serial": ten_hertz.run,
    "ports": many_ports.run,
    "segments": segments.run,
    "long-messages": long_messages.run,
    "ledger": ledger.run,
    "kills": kill_drill.run,
    "outbox": outbox.run,
    "history": history.run,
    "terminals": terminals.run,
    "outage": outage_hour.run,
    "footprint": footprint.run,
    "corrections": corrections.run,
    "caster": caster_clients.run,
    "positioning": positioning.run,
    "rovers": rovers.run,
    "robustness": robustness.run,
}


def main() -> int:
    known = [*BENCHES, *SCRIPTS]
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(known)}")
    parser.add_argument("--json", action="store_true", help="no table")
    parser.add_argument("--quick", action="store_true", help="under two minutes, less certain")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.names if name not in known]
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; known: {', '.join(known)}")
    logging.basicConfig(level=logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    began_s = time.monotonic()
    figures: list[Figure] = []
    are_done = True
    for name in arguments.names or BENCHES:
        sys.stderr.write(f"{name} …\n")
        if name in SCRIPTS:
            are_done &= _run_script(SCRIPTS[name])
            continue
        figures += [emit(one) for one in BENCHES[name](Options(quick=arguments.quick))]
    if figures and not arguments.json:
        load = os.getloadavg()[0]
        sys.stderr.write(
            f"\n{table(figures)}\n\n{time.monotonic() - began_s:.0f} s on {os.cpu_count()} cores, "
            f"load average {load:.1f} at the end\n"
        )
    return 0 if are_done and all(one["ok"] for one in figures) else 1


def _run_script(file: str) -> bool:
    command = [sys.executable, str(Path(__file__).with_name(file))]
    return subprocess.run(command, check=False).returncode == 0


if __name__ == "__main__":
    raise SystemExit(main())
