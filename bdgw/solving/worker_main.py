"""A worker process: jobs on stdin, outcomes on stdout, until stdin ends.

So it ends with the gateway, even when that is killed. Started as ``python -m
bdgw.solving.worker_main``; a message is its length in four bytes, then as many bytes.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from functools import lru_cache
from typing import BinaryIO

# Matrices here have about a hundred rows: threads would only wait for each other.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import msgspec

from bdgw.solving.antenna_file import read_antennas
from bdgw.solving.job import LENGTH, Outcome, decode_job, encode_outcome
from bdgw.solving.rover_solver import RoverSolver

__all__ = ["main", "serve"]


def serve(source: BinaryIO, sink: BinaryIO) -> None:
    """Answer jobs until their source ends."""
    solvers: dict[str, RoverSolver] = {}
    read = lru_cache(maxsize=64)(read_antennas)
    while len(head := source.read(LENGTH.size)) == LENGTH.size:
        job = decode_job(source.read(LENGTH.unpack(head)[0]))
        begun_s = time.process_time()
        try:
            outcome = solvers.setdefault(job.device, RoverSolver(read)).solve(job)
        except Exception as error:  # noqa: BLE001 - a mistake costs one rover an epoch, not all
            solvers.pop(job.device, None)
            outcome = Outcome(error=f"{type(error).__name__}: {error}"[:200])
        spent_ms = 1000.0 * (time.process_time() - begun_s)
        data = encode_outcome(msgspec.structs.replace(outcome, spent_ms=spent_ms))
        sink.write(LENGTH.pack(len(data)) + data)
        sink.flush()


def main() -> None:
    """Serve the gateway; Ctrl-C is for it, which closes our stdin."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    serve(sys.stdin.buffer, sys.stdout.buffer)


if __name__ == "__main__":
    main()
