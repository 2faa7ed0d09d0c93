"""A recording on disk as a device that speaks once, from its beginning to its end."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path
from typing import BinaryIO, cast

from bdgw.receivers.clock import Clock
from bdgw.receivers.endpoint import FileEndpoint
from bdgw.receivers.pace import Pace
from bdgw.receivers.transport import Done, LinkHandler, Lost, LostCause, WriteState

__all__ = ["CaptureTransport"]

_READ_BYTES = 1 << 16
_PIECE_BYTES = 4096
"""What is decoded before other devices get their turn: about half a millisecond of NMEA."""
_PACED_PIECE_BYTES = 256
"""Well under one epoch, so that a paced recording does not run ahead."""


def _open_file(path: str) -> BinaryIO:
    if path.endswith(".gz"):
        return cast("BinaryIO", gzip.open(path, "rb"))
    return Path(path).open("rb")


class CaptureTransport:
    """Reads in a thread, delivers in the event loop, and ends with ``LostCause.ENDED``."""

    def __init__(
        self,
        endpoint: FileEndpoint,
        *,
        executor: Executor,
        clock: Clock,
        last_epoch_s: Callable[[], float | None],
    ) -> None:
        """Prepare; ``last_epoch_s`` gives the time of the epoch that was decoded last."""
        self._endpoint = endpoint
        self._executor = executor
        self._clock = clock
        self._last_epoch_s = last_epoch_s
        self._task: asyncio.Task[None] | None = None
        self._n_bytes = 0
        self._n_drops = 0

    @property
    def peer(self) -> str:
        """The path of the file."""
        return self._endpoint.path

    async def open(self, handler: LinkHandler) -> None:
        """Open the file and begin to read.

        Raises:
            OSError: the file is missing or may not be read.
        """
        loop = asyncio.get_running_loop()
        opening = loop.run_in_executor(self._executor, _open_file, self._endpoint.path)
        try:
            file = await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(_close_late)
            raise
        self._task = loop.create_task(self._play(file, handler), name=f"play {self.peer}")

    def write(
        self,
        data: bytes,  # noqa: ARG002 - the contract has it
        *,
        lifetime_s: float | None = None,  # noqa: ARG002
        done: Done | None = None,  # noqa: ARG002
    ) -> bool:
        """Nobody listens in a file."""
        self._n_drops += 1
        return False

    def write_state(self, now: float) -> WriteState:  # noqa: ARG002 - the contract has it
        """Only drops."""
        return WriteState(n_drops=self._n_drops)

    async def close(self) -> None:
        """Stop reading and close the file."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _play(self, file: BinaryIO, handler: LinkHandler) -> None:
        loop = asyncio.get_running_loop()
        try:
            pace = self._pace()
            while data := await self._read(file):
                await self._deliver(data, handler, pace)
            reason = f"end of file after {self._n_bytes} bytes"
        except (OSError, EOFError, zlib.error) as error:
            # Reading it again would publish its beginning twice.
            reason = f"ended early after {self._n_bytes} bytes: {error}"
        finally:
            await asyncio.shield(loop.run_in_executor(self._executor, file.close))
        handler.on_lost(Lost(LostCause.ENDED, reason))

    async def _read(self, file: BinaryIO) -> bytes:
        loop = asyncio.get_running_loop()
        reading = loop.run_in_executor(self._executor, file.read, _READ_BYTES)
        try:
            return await asyncio.shield(reading)
        except asyncio.CancelledError:
            await asyncio.wait([reading])  # the file is closed only when no thread reads it
            raise

    async def _deliver(self, data: bytes, handler: LinkHandler, pace: Pace | None) -> None:
        step_bytes = _PIECE_BYTES if pace is None else _PACED_PIECE_BYTES
        for start in range(0, len(data), step_bytes):
            piece = data[start : start + step_bytes]
            self._n_bytes += len(piece)
            handler.on_data(piece)
            wait_s = 0.0
            if pace is not None:
                now = self._clock.monotonic_s()
                wait_s = pace.wait_s(len(piece), self._last_epoch_s(), now)
            await asyncio.sleep(wait_s)

    def _pace(self) -> Pace | None:
        speed = self._endpoint.speed
        return None if speed is None else Pace(speed, self._clock.monotonic_s())


def _close_late(opening: asyncio.Future[BinaryIO]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()
