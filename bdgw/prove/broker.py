"""Brokers that are ours to stop: the embedded one, and a Mosquitto with a file for its messages."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from bdgw.errors import UnavailableError
from bdgw.publish.embedded import EmbeddedBroker

__all__ = ["Embedded", "Mosquitto", "OwnBroker", "find_mosquitto"]

_START_TIMEOUT_S = 15.0
_STOP_TIMEOUT_S = 15.0
_POLL_S = 0.02


class OwnBroker(Protocol):
    """A broker that a drill may stop."""

    name: str

    @property
    def url(self) -> str:
        """The same at every start."""
        ...

    async def end(self) -> None:
        """Take it away."""
        ...

    async def begin(self) -> None:
        """Have it there again, with all that it has acknowledged."""
        ...


class Embedded:
    """The embedded broker, killed with SIGKILL: it writes before it acknowledges.

    Its own supervision starts it again; ``begin`` only waits.
    """

    name = "embedded broker"

    def __init__(self, broker: EmbeddedBroker) -> None:
        self._broker = broker
        self._n_restarts = 0

    @property
    def url(self) -> str:
        """The same at every start."""
        return self._broker.url

    async def end(self) -> None:
        """Kill it."""
        shot = self._broker.snapshot()
        self._n_restarts = shot.restarts
        if shot.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(shot.pid, signal.SIGKILL)

    async def begin(self) -> None:
        """Wait until it is there again."""
        async with asyncio.timeout(4 * _START_TIMEOUT_S):
            while True:
                shot = self._broker.snapshot()
                if shot.restarts > self._n_restarts and shot.is_running:
                    return
                await asyncio.sleep(_POLL_S)


class Mosquitto:
    """A Mosquitto on a free port of the loopback, alive between ``__aenter__`` and ``__aexit__``.

    It keeps its messages in memory between saves: a kill would take what it has acknowledged, and
    so it is asked to end (SIGTERM), which saves.
    """

    name = "Mosquitto with persistence"

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "mosquitto"
        self._port = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The same at every start."""
        return f"mqtt://127.0.0.1:{self._port}"

    async def __aenter__(self) -> Self:
        """Start it.

        Raises:
            UnavailableError: it is not installed, or does not come up.
        """
        self._folder.mkdir()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = int(probe.getsockname()[1])
        lines = (
            f"listener {self._port} 127.0.0.1",
            "allow_anonymous true",
            "persistence true",
            f"persistence_location {self._folder}/",
            # The defaults drop what a subscriber does not take at once.
            "max_queued_messages 0",
            "set_tcp_nodelay true",
            "log_type error",
        )
        (self._folder / "mosquitto.conf").write_text("\n".join(lines) + "\n", encoding="utf-8")
        await self.begin()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.end()

    async def begin(self) -> None:
        """Start it, and wait until it answers.

        Raises:
            UnavailableError: it is not installed, or does not come up.
        """
        command = [find_mosquitto(), "-c", str(self._folder / "mosquitto.conf")]
        if os.geteuid() == 0:
            # Started by root it would become a user who cannot write here.
            user = "\nuser root\n"
            config = self._folder / "mosquitto.conf"
            if user not in (text := config.read_text(encoding="utf-8")):
                config.write_text(text + user, encoding="utf-8")
        self._process = await asyncio.to_thread(_spawn, command)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_START_TIMEOUT_S):
                while self._process.poll() is None:
                    with contextlib.suppress(OSError):
                        _, writer = await asyncio.open_connection("127.0.0.1", self._port)
                        writer.close()
                        return
                    await asyncio.sleep(_POLL_S)
        raise UnavailableError("Mosquitto does not start")

    async def end(self) -> None:
        """Ask it to end, which saves."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                await asyncio.to_thread(process.wait, _STOP_TIMEOUT_S)
            process.kill()
            process.wait()


def find_mosquitto() -> str:
    """Find the program.

    Raises:
        UnavailableError: it is not installed.
    """
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
    found = shutil.which("mosquitto", path=path)
    if found is None:
        raise UnavailableError("Mosquitto is not installed")
    return found


def _spawn(command: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - the program that was found
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
