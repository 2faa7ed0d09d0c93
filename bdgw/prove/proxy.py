"""A wire between gateway and broker that can be cut: a TCP proxy on the loopback.

Knows nothing of MQTT. ``dark`` is a half-open connection: bytes stop, nobody is told; new
connections are taken and led nowhere. ``refuse`` is a broker that is away.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from types import TracebackType
from typing import Self

__all__ = ["Proxy"]

_CHUNK_BYTES = 1 << 16
_OVERLAP_S = 0.3


class Proxy:
    """Listens from ``__aenter__`` to ``__aexit__``."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._pass = asyncio.Event()
        self._pass.set()
        self.is_refusing = False
        self._server: asyncio.Server | None = None
        self._links: set[asyncio.Task[None]] = set()
        self.n_overlaps = 0
        """Connections beside which an older one stayed open."""
        self.connect_times_s: list[float] = []

    @property
    def url(self) -> str:
        """Where the gateway connects to."""
        assert self._server is not None  # noqa: S101 - open by contract
        return f"mqtt://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._server is not None:
            self._server.close()
        await self.cut()

    def dark(self) -> None:
        """Stop passing bytes, and close nothing."""
        self._pass.clear()

    def light(self) -> None:
        """Pass bytes again, those that were held up first, as a network does that is mended."""
        self._pass.set()

    async def cut(self) -> None:
        """End every connection."""
        for link in list(self._links):
            link.cancel()
        if self._links:
            await asyncio.wait(list(self._links))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - asyncio serves each connection in a task
        # The end of the one before may be read a moment later than this beginning.
        asyncio.get_running_loop().call_later(_OVERLAP_S, self._look, set(self._links), task)
        self._links.add(task)
        self.connect_times_s.append(time.monotonic())
        try:
            if not self.is_refusing:
                with contextlib.suppress(OSError):
                    await self._link(reader, writer)
        except asyncio.CancelledError:
            # Cut: asyncio would log a connection handler that was cancelled.
            pass
        finally:
            self._links.discard(task)
            writer.transport.abort()

    def _look(self, older: set[asyncio.Task[None]], task: asyncio.Task[None]) -> None:
        self.n_overlaps += task in self._links and bool(older & self._links)

    async def _link(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(*self._target)
        try:
            async with asyncio.TaskGroup() as group:
                ways = [
                    group.create_task(self._copy(reader, far_writer)),
                    group.create_task(self._copy(far_reader, writer)),
                ]
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                for way in ways:
                    way.cancel()
        except* OSError:
            pass
        finally:
            far_writer.transport.abort()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(_CHUNK_BYTES):
            await self._pass.wait()
            writer.write(data)
            await writer.drain()
