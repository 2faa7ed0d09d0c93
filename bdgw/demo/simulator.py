"""The simulator as a process of its own: started, spoken to in JSON lines, ended."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import Sequence
from types import TracebackType
from typing import Any

from bdgw.errors import UnavailableError

__all__ = ["Simulator"]

_STARTED_S = 20.0
_ENDED_S = 10.0
_TAIL_CHARS = 500


class Simulator:
    """``async with Simulator(arguments)``: it is gone when the block ends."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self._arguments = tuple(arguments)
        self._process: asyncio.subprocess.Process | None = None
        self._lines: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._reading: list[asyncio.Task[None]] = []
        self._errors = ""

    async def __aenter__(self) -> Simulator:
        """Start it."""
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "fwsim", *self._arguments), stdin=pipe, stdout=pipe, stderr=pipe
        )
        self._reading = [
            asyncio.create_task(self._read_lines(), name="simulator lines"),
            asyncio.create_task(self._read_errors(), name="simulator errors"),
        ]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End it, by force if need be."""
        process = self._running()
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            try:
                async with asyncio.timeout(_ENDED_S):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
        await asyncio.wait(self._reading)

    async def said(self, event: str) -> dict[str, Any]:
        """Wait for an event of this name.

        Raises:
            UnavailableError: it has ended instead, or says nothing.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STARTED_S):
                while (line := await self._lines.get()).get("event") != "end of output":
                    if line.get("event") == event:
                        return line
        raise UnavailableError(f"the simulator did not start: {self._errors[-_TAIL_CHARS:]}")

    def tell(self, change: dict[str, Any]) -> None:
        """Send a change as a JSON line."""
        stdin = self._running().stdin
        if stdin is not None and not stdin.is_closing():
            stdin.write(json.dumps(change).encode() + b"\n")

    async def until_end_or(self, stop: asyncio.Event) -> None:
        """Wait until it has ended by itself, or end it when ``stop`` is set.

        Raises:
            UnavailableError: it ended with an error.
        """
        process = self._running()
        ending = asyncio.create_task(process.wait())
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait((ending, stopping), return_when=asyncio.FIRST_COMPLETED)
            if not ending.done():
                process.terminate()
            status = await ending
        finally:
            stopping.cancel()
            ending.cancel()
        await asyncio.wait(self._reading)
        if status not in (0, -15):
            raise UnavailableError(f"the simulator ended: {self._errors[-_TAIL_CHARS:]}")

    def _running(self) -> asyncio.subprocess.Process:
        if self._process is None:
            raise RuntimeError("the simulator was not started")
        return self._process

    async def _read_lines(self) -> None:
        stdout = self._running().stdout
        while stdout is not None and (line := await stdout.readline()):
            self._lines.put_nowait(json.loads(line))
        self._lines.put_nowait({"event": "end of output"})

    async def _read_errors(self) -> None:
        stderr = self._running().stderr
        while stderr is not None and (line := await stderr.readline()):
            self._errors = (self._errors + line.decode(errors="replace"))[-4 * _TAIL_CHARS :]
