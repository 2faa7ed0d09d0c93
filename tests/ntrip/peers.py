"""Casters that others wrote, run as they come: RTKLIB's str2str, pygnssutils' gnssserver."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bdgw.rtcm.frame import frame_rtcm3
from tests.conftest import read_capture, shared_data


def find_str2str() -> str:
    return _needed(shutil.which("str2str"), "RTKLIB's str2str")


def find_gnssserver() -> str:
    beside = Path(sys.executable).with_name("gnssserver")
    found = str(beside) if beside.exists() else shutil.which("gnssserver")
    return _needed(found, "pygnssutils' gnssserver")


def _needed(found: str | None, what: str) -> str:
    if found is None:
        reason = f"{what} is not installed"
        if os.environ.get("BDGW_REQUIRE") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def recorded_frames() -> list[bytes]:
    """Whole, valid frames of a capture with BeiDou in it."""
    data = read_capture(shared_data("gnss", "rtcm3", "sept.rtcm"))
    frames, position = [], 0
    while position < len(data):
        length = frame_rtcm3(data, position, True) if data[position] == 0xD3 else "noise"
        if isinstance(length, int) and length > 0:
            frames.append(data[position : position + length])
            position += length
        else:
            position += 1
    assert len(frames) > 100
    return frames


class Feed:
    """A TCP port that every peer can read from: frames go out when the test says so."""

    def __init__(self) -> None:
        self.port = 0
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def n_readers(self) -> int:
        return len(self._writers)

    def say(self, data: bytes) -> None:
        for writer in self._writers:
            writer.write(data)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await reader.read()
        self._writers.discard(writer)
        writer.transport.abort()


@contextlib.asynccontextmanager
async def feeding() -> AsyncIterator[Feed]:
    feed = Feed()
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        await feed.serve(reader, writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    feed.port = server.sockets[0].getsockname()[1]
    try:
        yield feed
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()
        await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def process(*command: str, directory: Path, port: int) -> AsyncIterator[None]:
    """Run a peer until the end of the block; it has begun to listen when the block begins."""
    started = subprocess.Popen(  # noqa: ASYNC220 - forking is all it does here
        command,
        cwd=directory,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        await _listening(started, port)
        yield
    finally:
        started.kill()
        started.wait()


async def _listening(started: subprocess.Popen[bytes], port: int) -> None:
    """Wait until the kernel lists the port, without a connection that the peer would count."""
    wanted = f":{port:04X} 00000000:0000 0A"
    end_s = time.monotonic() + 20.0
    while wanted not in await asyncio.to_thread(Path("/proc/net/tcp").read_text):
        assert started.poll() is None, "the peer ended"
        assert time.monotonic() < end_s, "the peer does not listen"
        await asyncio.sleep(0.05)
