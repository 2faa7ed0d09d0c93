"""The connection under a session: bounded reads, slow and last words, orderly ends and resets."""

import asyncio
import contextlib
import socket
import ssl
import struct

from fwsim.caster_request import MAX_HEAD_BYTES

HEAD_TIMEOUT_S = 15.0
FAREWELL_S = 1.0
READ_BYTES = 4096
RESET_ON_CLOSE = struct.pack("ii", 1, 0)
BLANK_LINE = b"\r\n\r\n"


class Line:
    """One accepted connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take it over."""
        self._reader = reader
        self._writer = writer
        peer = writer.get_extra_info("peername")
        self.address = str(peer[0]) if peer else "unknown"
        self._set_option(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    @property
    def unsent_bytes(self) -> int:
        """What the client has not taken."""
        return self._writer.transport.get_write_buffer_size()

    async def read(self) -> bytes:
        """Return what came; nothing at the end."""
        return await self._reader.read(READ_BYTES)

    async def read_head(self) -> tuple[bytes, bytes]:
        """Read up to the blank line; what came behind it is returned too."""
        data = b""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(HEAD_TIMEOUT_S):
                while BLANK_LINE not in data and len(data) < MAX_HEAD_BYTES:
                    part = await self.read()
                    if not part:
                        break
                    data += part
        head, blank, rest = data.partition(BLANK_LINE)
        return head + blank, rest

    def send(self, data: bytes) -> None:
        """Send without waiting."""
        self._writer.write(data)

    async def send_slowly(self, data: bytes, drip_s: float) -> None:
        """Send at once, or byte by byte with pauses."""
        step = 1 if drip_s else max(1, len(data))
        for i in range(0, len(data), step):
            self._writer.write(data[i : i + step])
            await self._writer.drain()
            if drip_s:
                await asyncio.sleep(drip_s)

    async def send_last(self, data: bytes, drip_s: float = 0.0) -> None:
        """Send so that it arrives: unread input would turn the close into a reset."""
        if not data:
            return
        await self.send_slowly(data, drip_s)
        if self._writer.can_write_eof():
            self._writer.write_eof()
        await self.swallow(FAREWELL_S)

    async def swallow(self, seconds: float) -> None:
        """Read and forget until the client leaves, or so long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while await self.read():
                    pass

    def close(self, *, is_reset: bool = False) -> None:
        """Begin to close, in good order or so that the client sees a reset."""
        if is_reset:
            self._set_option(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            self._writer.transport.abort()
        else:
            self._writer.close()

    async def closed(self) -> None:
        """Close and wait until it is."""
        self._writer.close()
        with contextlib.suppress(OSError, ssl.SSLError):
            await self._writer.wait_closed()

    def _set_option(self, level: int, option: int, value: int | bytes) -> None:
        # The event loop asks for no delay only where a socket was made with its protocol number.
        plain = self._writer.get_extra_info("socket")
        if plain is not None:
            with contextlib.suppress(OSError):
                plain.setsockopt(level, option, value)
