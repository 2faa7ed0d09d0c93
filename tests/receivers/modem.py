"""A device that dials in, as the tests of the listener play it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from bdgw.receivers import (
    DeviceSpec,
    MatchRule,
    TcpListenEndpoint,
)

ANY_PORT = TcpListenEndpoint(host="127.0.0.1", port=0)


def device(name: str, rule: MatchRule | None = None, **limits: float) -> DeviceSpec:
    return DeviceSpec(id=name, endpoint=ANY_PORT, match=rule, **limits)  # type: ignore[arg-type] # every limit is a float


@contextlib.asynccontextmanager
async def dialled(port: int, source: str = "127.0.0.1") -> AsyncIterator[Modem]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
    try:
        yield Modem(reader, writer)
    finally:
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


class Modem:
    """The device's end of a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def say(self, data: bytes) -> None:
        self.writer.write(data)

    async def is_hung_up(self) -> bool:
        try:
            async with asyncio.timeout(10.0):
                return await self.reader.read() == b""
        except ConnectionError:
            return True

    @property
    def address(self) -> str:
        host, port = self.writer.get_extra_info("sockname")[:2]
        return f"{host}:{port}"
