"""How much of a core it costs to read many serial ports, by reading window.

A feeder process plays so many receivers on pseudo-terminals: one 604-byte epoch a period and port,
in pieces of 64 bytes spaced like a 115200-baud line, each epoch ending with a stamp of the moment
when its last byte was written. The reader is this process: the whole ``ReceiverPool`` with a
session that only splits lines, or, for comparison, a bare ``loop.add_reader`` per port doing the
same splitting. Every line must arrive, or the run fails. One JSON object a run goes to stdout.

    python bench/serial_ports.py [--ports 500] [--hz 1] [--seconds 5] [--windows 0,2,5,20]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import heapq
import json
import logging
import os
import random
import subprocess
import sys
import time
import tty
from collections.abc import Iterator
from pathlib import Path

import structlog

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bdgw.model import DeviceState, DeviceStatus
from bdgw.receivers import (
    DeviceSpec,
    Epoch,
    Good,
    ReceiverPool,
    SerialEndpoint,
    SystemClock,
    Verdict,
    raise_descriptor_limit,
)

EPOCH_BYTES = 604
PIECE_BYTES = 64
PIECE_SPACING_S = PIECE_BYTES * 10 / 115_200
STAMP = b"@%014.6f\n"
STAMP_BYTES = len(STAMP % 0.0)
BODY = (b"$" + b"x" * 74 + b"\n") * 7
BODY = BODY + b"$" + b"x" * (EPOCH_BYTES - len(BODY) - STAMP_BYTES - 2) + b"\n"
LINES_PER_EPOCH = BODY.count(b"\n") + 1
assert len(BODY) + STAMP_BYTES == EPOCH_BYTES


def feed(n_ports: int, hz: float, n_epochs: int) -> None:
    """Play the receivers: print the ports, wait for a line on stdin, write, wait for the end."""
    raise_descriptor_limit()
    masters = []
    for _ in range(n_ports):
        master, slave = os.openpty()
        tty.setraw(slave)
        masters.append(master)
        print(os.ttyname(slave), flush=True)
        os.close(slave)
    sys.stdin.readline()
    start_s = time.monotonic() + 0.2
    rng = random.Random(1)
    phases_s = [rng.random() / hz for _ in masters]
    queue = [(start_s + phase_s, port, 0, 0) for port, phase_s in enumerate(phases_s)]
    heapq.heapify(queue)
    while queue:
        due_s, port, epoch, offset = heapq.heappop(queue)
        if (wait_s := due_s - time.monotonic()) > 0:
            time.sleep(wait_s)
        end = min(offset + PIECE_BYTES, EPOCH_BYTES)
        # The stamp goes out whole in the last piece.
        if offset >= len(BODY) or end > len(BODY):
            os.write(masters[port], BODY[offset:] + STAMP % time.monotonic())
            end = EPOCH_BYTES
        else:
            os.write(masters[port], BODY[offset:end])
        if end < EPOCH_BYTES:
            heapq.heappush(queue, (due_s + PIECE_SPACING_S, port, epoch, end))
        elif epoch + 1 < n_epochs:
            next_s = start_s + phases_s[port] + (epoch + 1) / hz
            heapq.heappush(queue, (next_s, port, epoch + 1, 0))
    sys.stdin.readline()


class Tally:
    """What arrived: lines, and the age of every stamp when it was read."""

    def __init__(self) -> None:
        self.n_lines = 0
        self.ages_s: list[float] = []

    def count(self, line: bytes) -> None:
        self.n_lines += 1
        if line[:1] == b"@":
            self.ages_s.append(time.monotonic() - float(line[1:]))


class LineSession:
    """Splits at line feeds and nothing more."""

    def __init__(self) -> None:
        self._buffer = b""
        self._lines: list[bytes] = []

    def receive(self, data: bytes, *, now: float) -> None:  # noqa: ARG002 - the contract has it
        *self._lines, self._buffer = (self._buffer + data).split(b"\n")

    def tick(self, *, now: float) -> None:
        """Nothing waits."""

    def events(self) -> Iterator[bytes]:
        lines, self._lines = self._lines, []
        return iter(lines)

    def data_to_send(self) -> bytes:
        return b""

    def deadline(self) -> float | None:
        return None


def classify(line: bytes) -> Verdict:
    return Epoch(float(line[1:])) if line[:1] == b"@" else Good()


async def until(tally: Tally, n_lines: int, patience_s: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(patience_s):
            while tally.n_lines < n_lines:  # noqa: ASYNC110 - an event per line would be measured
                await asyncio.sleep(0.05)


async def read_with_pool(
    paths: list[str], feeder: subprocess.Popen[str], window_s: float | None, patience_s: float
) -> tuple[Tally, float, float]:
    tally = Tally()
    n_open = 0

    def on_state(state: DeviceState) -> None:
        nonlocal n_open
        n_open += state.status is DeviceStatus.WAITING

    pool: ReceiverPool[bytes] = ReceiverPool(
        [DeviceSpec(id=path, endpoint=SerialEndpoint(path=path)) for path in paths],
        new_session=lambda _device: LineSession(),
        classify=classify,
        emit=lambda _device, line, _now: tally.count(line),
        on_state=on_state,
        clock=SystemClock(),
        rng=random.Random(1),
        window_s=window_s,
    )
    task = asyncio.create_task(pool.run())
    while n_open < len(paths):  # noqa: ASYNC110 - set-up, not measured
        await asyncio.sleep(0.01)
    cpu_s, wall_s = await measured(feeder, tally, len(paths), patience_s)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    return tally, cpu_s, wall_s


async def read_bare(
    paths: list[str], feeder: subprocess.Popen[str], patience_s: float
) -> tuple[Tally, float, float]:
    tally = Tally()
    loop = asyncio.get_running_loop()

    def watch(fd: int) -> None:
        buffer = b""

        def on_readable() -> None:
            nonlocal buffer
            *lines, buffer = (buffer + os.read(fd, 4096)).split(b"\n")
            for line in lines:
                tally.count(line)

        loop.add_reader(fd, on_readable)

    fds = [os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK) for path in paths]
    for fd in fds:
        watch(fd)
    cpu_s, wall_s = await measured(feeder, tally, len(paths), patience_s)
    for fd in fds:
        loop.remove_reader(fd)
        os.close(fd)
    return tally, cpu_s, wall_s


async def measured(
    feeder: subprocess.Popen[str], tally: Tally, n_ports: int, patience_s: float
) -> tuple[float, float]:
    """Let the feeder go and count this process's CPU seconds until every line is there."""
    assert feeder.stdin is not None
    assert isinstance(feeder.args, list)
    n_epochs = int(feeder.args[-1])
    wall_s, cpu_s = time.monotonic(), time.process_time()
    feeder.stdin.write("go\n")
    feeder.stdin.flush()
    await until(tally, n_ports * n_epochs * LINES_PER_EPOCH, patience_s)
    return time.process_time() - cpu_s, time.monotonic() - wall_s


def run(n_ports: int, hz: float, seconds: float, window_ms: float | None, reader: str) -> bool:
    """One measurement; True when every line arrived."""
    n_epochs = max(1, round(seconds * hz))
    args = [sys.executable, __file__, "--feed", str(n_ports), str(hz), str(n_epochs)]
    with subprocess.Popen(args, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as feeder:
        assert feeder.stdout is not None
        paths = [feeder.stdout.readline().strip() for _ in range(n_ports)]
        patience_s = seconds + 10.0
        if reader == "add_reader":
            tally, cpu_s, wall_s = asyncio.run(read_bare(paths, feeder, patience_s))
        else:
            window_s = None if window_ms is None else window_ms / 1000.0
            pooled = read_with_pool(paths, feeder, window_s, patience_s)
            tally, cpu_s, wall_s = asyncio.run(pooled)
        feeder.communicate("end\n")
    expected = n_ports * n_epochs * LINES_PER_EPOCH
    ages_ms = sorted(1000.0 * age_s for age_s in tally.ages_s) or [float("nan")]
    print(
        json.dumps(
            {
                "ports": n_ports,
                "hz": hz,
                "reader": reader,
                "window_ms": window_ms,
                "cpu_percent_of_core": round(100.0 * cpu_s / wall_s, 1),
                "lines": tally.n_lines,
                "lines_expected": expected,
                "latency_p50_ms": round(ages_ms[len(ages_ms) // 2], 2),
                "latency_p99_ms": round(ages_ms[len(ages_ms) * 99 // 100], 2),
                "ok": tally.n_lines == expected,
            }
        ),
        flush=True,
    )
    return tally.n_lines == expected


def main() -> int:
    """Run every window and the bare reader; exit status 1 when a line was lost."""
    if sys.argv[1:2] == ["--feed"]:
        feed(int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4]))
        return 0
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ports", type=int, default=500)
    parser.add_argument("--hz", type=float, default=1.0)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--windows", default="0,2,5,20", help="milliseconds, comma-separated")
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    raise_descriptor_limit()
    arguments = (options.ports, options.hz, options.seconds)
    results = [run(*arguments, None, "add_reader")]
    results += [run(*arguments, float(w), "pool") for w in options.windows.split(",") if w]
    results.append(run(*arguments, None, "pool"))
    return 0 if all(results) else 1


if __name__ == "__main__":
    raise SystemExit(main())
