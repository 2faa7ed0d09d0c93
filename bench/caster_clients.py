"""500 clients on one mount of the caster, with and without one that takes nothing.

The caster has a core of its own. The other core has one process that is the base (it pushes an
epoch of five frames a second, each with the moment of its writing) and all the clients. Every
frame must reach every client that reads, or the work was not done. RTKLIB's str2str as a caster
is measured in the same way, with as many clients as it takes (its table has 32 places).
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import json
import logging
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from bdgw.caster import (
    Caster,
    CasterSpec,
    Limits,
    MountKind,
    MountSpec,
    Password,
    Pusher,
    User,
    UserTable,
)
from bdgw.receivers import SystemClock, raise_descriptor_limit
from bdgw.wire.checksum import crc24q
from bench.figure import Figure, Options, figure, middle, percentile
from bench.processes import IS_PINNED, MEASURED, OTHERS, Child, RigError, child, free_port

_CLIENTS, _PEER_CLIENTS = 500, 30
_RUNS, _SECONDS = 3, 20
_QUICK_RUNS, _QUICK_SECONDS = 1, 8
_WARM_UP_EPOCHS, _WARM_UP_S = 40, 0.05
"""So much that the buffers of whoever takes nothing are full before anything is measured."""
_FRAMES, _FRAME_BYTES = 5, 400
_STAMP_AT, _STAMP_BYTES = 5, 12
_MOUNT, _USER, _PASSWORD = "BASE", "load", "load"
_SETTLE_S = 2.0


def epoch(number: int) -> bytes:
    """Five frames: the epoch's number and the moment of writing, then filling."""
    stamp = number.to_bytes(4, "big") + time.monotonic_ns().to_bytes(8, "big")
    payload = ((4094 << 4).to_bytes(2, "big") + stamp).ljust(_FRAME_BYTES - 6, b"\x55")
    head = b"\xd3" + len(payload).to_bytes(2, "big") + payload
    return (head + crc24q(head).to_bytes(3, "big")) * _FRAMES


def serve() -> None:
    """Be the caster until told to stop."""
    raise_descriptor_limit()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    spec = CasterSpec(
        host="127.0.0.1",
        port=0,
        mounts=(MountSpec(name=_MOUNT, kind=MountKind.PUSH),),
        limits=Limits(max_connections=2000, max_per_address=2000),
    )
    users = UserTable(
        users=(User(name=_USER, password=Password(_PASSWORD), max_sessions=2000),),
        pushers={_MOUNT: Pusher(password=Password(_PASSWORD))},
    )

    async def run() -> None:
        clock = SystemClock()
        caster = Caster(spec, users=users, on_push=lambda *_: None, clock=clock)
        task = asyncio.create_task(caster.run())
        while (port := caster.snapshot(0.0).bound_port) is None:  # noqa: ASYNC110 - set-up
            await asyncio.sleep(0.01)
        print(json.dumps({"event": "ready", "port": port}), flush=True)
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, lambda: _tell(caster, clock))
        await stop.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())


def _tell(caster: Caster, clock: SystemClock) -> None:
    clients = caster.snapshot(clock.monotonic_s()).clients
    print(
        json.dumps(
            {
                "event": "told",
                "clients": len(clients),
                "stalled": sum(each.stalled_s is not None for each in clients),
                "dropped": sum(each.n_dropped for each in clients),
                "dropped_most": max((each.n_dropped for each in clients), default=0),
            }
        ),
        flush=True,
    )


class Client:
    """One reading connection; even ones speak version 1, odd ones version 2."""

    def __init__(self, port: int, number: int, *, may_chunk: bool, is_small: bool = False) -> None:
        self.sock = socket.socket()
        if is_small:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        self.sock.connect(("127.0.0.1", port))
        token = base64.b64encode(f"{_USER}:{_PASSWORD}".encode()).decode()
        self.is_chunked = may_chunk and number % 2 == 1
        more = "Ntrip-Version: Ntrip/2.0\r\n" if self.is_chunked else ""
        version = "1.1" if self.is_chunked else "1.0"
        self.sock.sendall(
            f"GET /{_MOUNT} HTTP/{version}\r\nUser-Agent: NTRIP bench/1\r\n{more}"
            f"Authorization: Basic {token}\r\n\r\n".encode()
        )
        end = b"\r\n\r\n" if may_chunk else b"OK\r\n"
        head = b""
        while not head.endswith(end):
            head += self.sock.recv(1)
        if b"200 OK" not in head:
            raise RigError(head.decode(errors="replace"))
        self.sock.setblocking(False)
        self.rest = b""
        self.n_frames = 0
        self.wrong = 0

    def read(self, ages_ms: list[float]) -> None:
        """Take what is there; the age of the last frame of each epoch counts."""
        data = self.rest + self.sock.recv(65_536)
        now_ns = time.monotonic_ns()
        at = data.find(b"\xd3")
        while at >= 0 and at + _FRAME_BYTES <= len(data):
            frame = data[at : at + _FRAME_BYTES]
            if crc24q(frame):
                self.wrong += 1
                at = data.find(b"\xd3", at + 1)
                continue
            self.n_frames += 1
            stamp = frame[_STAMP_AT : _STAMP_AT + _STAMP_BYTES]
            number, at_ns = int.from_bytes(stamp[:4], "big"), int.from_bytes(stamp[4:], "big")
            if self.n_frames % _FRAMES == 0 and number >= _WARM_UP_EPOCHS:
                ages_ms.append((now_ns - at_ns) / 1e6)
            at = data.find(b"\xd3", at + _FRAME_BYTES)
        self.rest = data[at:] if at >= 0 else b""


def load(port: int, n_clients: int, seconds: int, n_stalled: int, feed_port: int) -> None:
    """Be the base and all clients; ``feed_port`` 0 pushes to ``port``, else waits to be dialled."""
    raise_descriptor_limit()
    is_ours = feed_port == 0
    if is_ours:
        base = socket.create_connection(("127.0.0.1", port))
        base.sendall(f"SOURCE {_PASSWORD} /{_MOUNT}\r\n\r\n".encode())
        assert base.recv(64) == b"OK\r\n"
    else:
        server = socket.create_server(("127.0.0.1", feed_port))
        print(json.dumps({"event": "waiting"}), flush=True)
        base, _ = server.accept()
        time.sleep(1.0)
    base.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    clients = [Client(port, number, may_chunk=is_ours) for number in range(n_clients)]
    _stalled = [
        Client(port, number, may_chunk=is_ours, is_small=True) for number in range(n_stalled)
    ]
    selector = selectors.DefaultSelector()
    for client in clients:
        selector.register(client.sock, selectors.EVENT_READ, client)
    print(json.dumps({"event": "ready"}), flush=True)
    ages_ms: list[float] = []
    n_epochs = _WARM_UP_EPOCHS + seconds
    due_s = time.monotonic() + 0.5
    for number in range(n_epochs):
        read_until(selector, due_s, ages_ms)
        if number == _WARM_UP_EPOCHS:
            print(json.dumps({"event": "warm"}), flush=True)
        base.sendall(epoch(number))
        due_s += _WARM_UP_S if number < _WARM_UP_EPOCHS - 1 else 1.0
    expected = n_epochs * _FRAMES * n_clients
    end_s = time.monotonic() + _SETTLE_S
    while sum(client.n_frames for client in clients) < expected and time.monotonic() < end_s:
        read_until(selector, time.monotonic() + 0.05, ages_ms)
    received = sum(client.n_frames for client in clients)
    wrong = sum(client.wrong for client in clients)
    print(
        json.dumps(
            {
                "event": "done",
                "expected": expected,
                "received": received,
                "wrong": wrong,
                "ages_ms": ages_ms,
            }
        ),
        flush=True,
    )
    # The stalled ones stay until the caster has told of them.
    signal.pause()


def read_until(selector: selectors.BaseSelector, end_s: float, ages_ms: list[float]) -> None:
    while (wait_s := end_s - time.monotonic()) > 0:
        for key, _ in selector.select(wait_s):
            key.data.read(ages_ms)


@dataclass
class Result:
    """What one run gave."""

    expected: int
    received: int
    wrong: int
    cpu_share: float
    kb_per_client: float
    ages_ms: list[float] = field(repr=False)
    told: dict[str, Any] = field(default_factory=dict)

    @property
    def lost(self) -> int:
        return self.expected - self.received


def measure(n_clients: int, seconds: int, n_stalled: int) -> Result:
    """Our caster."""
    with child("bench.caster_clients", "--serve", cores=[MEASURED]) as caster:
        port = caster.wait_event("ready")["port"]
        bare_mb = caster.rss_mb()
        said, cpu_share, rss_mb = _loaded(caster, port, n_clients, seconds, n_stalled)
        caster.stop()
    kb_per_client = 1000.0 * (rss_mb - bare_mb) / (n_clients + n_stalled)
    return Result(*_counts(said), cpu_share, kb_per_client, said["ages_ms"], said["told"])


def _loaded(
    caster: Child, port: int, n_clients: int, seconds: int, n_stalled: int
) -> tuple[dict[str, Any], float, float]:
    arguments = ("--load", port, n_clients, seconds, n_stalled, 0)
    with child("bench.caster_clients", *map(str, arguments), cores=OTHERS) as clients:
        clients.wait_event("ready")
        clients.wait_event("warm")
        wall_s, cpu_s = time.monotonic(), caster.cpu_s()
        said = clients.wait_event("done")
        wall_s, cpu_s = time.monotonic() - wall_s, caster.cpu_s() - cpu_s
        rss_mb = caster.rss_mb()
        os.kill(caster._process.pid, signal.SIGUSR1)
        said["told"] = caster.wait_event("told")
        clients.stop()
    return said, cpu_s / wall_s, rss_mb


def _counts(said: dict[str, Any]) -> tuple[int, int, int]:
    return said["expected"], said["received"], said["wrong"]


def measure_str2str(n_clients: int, seconds: int) -> Result:
    """RTKLIB's caster, fed by TCP."""
    port, feed_port = free_port(), free_port()
    arguments = ("--load", port, n_clients, seconds, 0, feed_port)
    with child("bench.caster_clients", *map(str, arguments), cores=OTHERS) as clients:
        clients.wait_event("waiting")
        out = f"ntripc://{_USER}:{_PASSWORD}@:{port}/{_MOUNT}"
        command = ["str2str", "-in", f"tcpcli://127.0.0.1:{feed_port}", "-out", out]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        process = subprocess.Popen(command, **quiet)  # type: ignore[call-overload]
        try:
            os.sched_setaffinity(process.pid, [MEASURED])
            clients.wait_event("ready")
            clients.wait_event("warm")
            wall_s, cpu_s = time.monotonic(), _cpu_s(process.pid)
            said = clients.wait_event("done")
            wall_s, cpu_s = time.monotonic() - wall_s, _cpu_s(process.pid) - cpu_s
        finally:
            process.kill()
            process.wait()
    return Result(*_counts(said), cpu_s / wall_s, float("nan"), said["ages_ms"])


def _cpu_s(pid: int) -> float:
    fields = Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def run(options: Options) -> Iterator[Figure]:
    runs, seconds = (_QUICK_RUNS, _QUICK_SECONDS) if options.quick else (_RUNS, _SECONDS)
    well: list[Result] = []
    stalled: list[Result] = []
    few: list[Result] = []
    theirs: list[Result] = []
    for _ in range(runs):
        well.append(measure(_CLIENTS, seconds, 0))
        stalled.append(measure(_CLIENTS - 1, seconds, 1))
        few.append(measure(_PEER_CLIENTS, seconds, 0))
        if shutil.which("str2str"):
            with contextlib.suppress(RigError):
                theirs.append(measure_str2str(_PEER_CLIENTS, seconds))
    yield from _ours(well, stalled)
    yield from _against(few, theirs)


def _ours(well: list[Result], stalled: list[Result]) -> Iterator[Figure]:
    both = [*well, *stalled]
    lost = sum(result.lost for result in both)
    wrong = sum(result.wrong for result in both)
    work: dict[str, Any] = {
        "ok": not lost and not wrong and all(result.told["stalled"] == 1 for result in stalled),
        "clients": _CLIENTS,
        "pinned": IS_PINNED,
        "expected": sum(result.expected for result in both),
        "received": sum(result.received for result in both),
        "wrong": wrong,
    }
    yield figure(
        "caster",
        "500 clients, lost by those that read",
        lost,
        "frames",
        target="0",
        met=not lost and not wrong,
        stalled=[result.told["stalled"] for result in stalled],
        dropped_for_the_stalled=[result.told["dropped"] for result in stalled],
        **work,
    )
    for percent in (50, 99):
        each = [percentile(result.ages_ms, percent) for result in well]
        with_one = [percentile(result.ages_ms, percent) for result in stalled]
        more = {"each_run": [round(v, 2) for v in each], **work}
        yield figure(
            "caster", f"500 clients, p{percent}, base to client", middle(each), "ms", **more
        )
        yield figure(
            "caster",
            f"499 clients beside a stalled one, p{percent}",
            middle(with_one),
            "ms",
            peer="without it",
            peer_value=middle(each),
            ratio=middle(each) / middle(with_one),
            **{**more, "each_run": [round(v, 2) for v in with_one]},
        )
    shares = [100.0 * result.cpu_share for result in well]
    yield figure("caster", "500 clients, CPU", middle(shares), "% of a core", runs=shares, **work)
    sizes = [result.kb_per_client for result in well]
    yield figure("caster", "500 clients, memory", middle(sizes), "kB a client", runs=sizes, **work)


def _against(few: list[Result], theirs: list[Result]) -> Iterator[Figure]:
    if not theirs:
        return
    work: dict[str, Any] = {
        "ok": not sum(result.lost + result.wrong for result in few),
        "peer_lost": sum(result.lost for result in theirs),
        "clients": _PEER_CLIENTS,
        "pinned": IS_PINNED,
    }
    for percent in (50, 99):
        mine = middle([percentile(result.ages_ms, percent) for result in few])
        other = middle([percentile(result.ages_ms, percent) for result in theirs])
        yield figure(
            "caster",
            f"30 clients, p{percent}, base to client",
            mine,
            "ms",
            peer="str2str",
            peer_value=other,
            ratio=other / mine,
            **work,
        )
    mine = middle([100.0 * result.cpu_share for result in few])
    other = middle([100.0 * result.cpu_share for result in theirs])
    yield figure(
        "caster",
        "30 clients, CPU",
        mine,
        "% of a core",
        peer="str2str",
        peer_value=other,
        ratio=other / mine if mine else None,
        **work,
    )


def main() -> int:
    """The roles of the child processes, or the bench by itself."""
    if sys.argv[1:2] == ["--serve"]:
        serve()
        return 0
    if sys.argv[1:2] == ["--load"]:
        load(*map(int, sys.argv[2:7]))
        return 0
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    are_done = True
    for one in run(Options(quick=parser.parse_args().quick)):
        print(json.dumps(one, ensure_ascii=False), flush=True)
        are_done &= one["ok"]
    return 0 if are_done else 1


if __name__ == "__main__":
    raise SystemExit(main())
