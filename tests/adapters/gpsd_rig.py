"""A gpsd adapter on a free port, fed by the test; and the programs of gpsd as clients."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import random
import shutil
from collections.abc import AsyncIterator, Iterator

import pytest

from bdgw.adapters import GpsdServer
from bdgw.adapters.spec import GpsdSpec
from bdgw.hub import SkySeen
from tests.adapters.fixes import SKY, T_POSIX_S, a_fix
from tests.publish.brokers import until


def program(name: str) -> str:
    """Find a program of Debian's gpsd packages, or skip; with BDGW_REQUIRE=1 absence fails."""
    path = shutil.which(name) or shutil.which(f"/usr/sbin/{name}")
    if path is None:
        if os.environ.get("BDGW_REQUIRE") == "1":
            pytest.fail(f"{name} is not installed")
        pytest.skip(f"{name} is not installed")
    return path


@contextlib.asynccontextmanager
async def serving(
    *devices: str, max_clients: int = 64, queue_bytes: int = 65_536
) -> AsyncIterator[tuple[GpsdServer, int]]:
    spec = GpsdSpec(
        name="gpsd",
        devices=devices or ("rover-1",),
        host="127.0.0.1",
        port=0,
        max_clients=max_clients,
        queue_bytes=queue_bytes,
    )
    server = GpsdServer(spec, utc_ns=lambda: T_POSIX_S * 10**9, rng=random.Random(1))
    task = asyncio.create_task(server.run())
    try:
        await until(lambda: server.bound_port is not None)
        assert server.bound_port is not None
        yield server, server.bound_port
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def epochs(server: GpsdServer, *devices: str) -> Iterator[int]:
    """Tell one epoch of every device at each step, a tenth of a second apart."""
    for seq in itertools.count():
        for device in devices or ("rover-1",):
            server.offer(a_fix(device=device, seq=seq, after_s=seq / 10))
            server.offer(SkySeen(device=device, sky=SKY))
        yield seq


async def feed_while(task: asyncio.Task[object], server: GpsdServer, *devices: str) -> None:
    """Feed epochs until the task is done, faster than a receiver would."""
    steps = epochs(server, *devices)
    while not task.done():
        next(steps)
        await asyncio.wait({task}, timeout=0.02)
