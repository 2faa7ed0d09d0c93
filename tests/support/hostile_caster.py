"""A caster that sends back whatever it was told, wherever an answer has room for it."""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
from collections.abc import AsyncIterator, Callable

__all__ = ["ECHOES", "HostileCaster", "hostile_casters"]

_STR = "STR;{0};{0};RTCM 3;1005(1);2;GPS;{0};CHN;31.3;121.5;0;0;{0};none;B;N;9600;{0}\r\n"
_TABLE = f"{_STR}CAS;{{0}};2101;{{0}};{{0}};0;CHN;31.3;121.5\r\nENDSOURCETABLE\r\n"

# How the answer to a request for a stream begins; {0} is what the client has said of itself.
ECHOES: dict[str, str] = {
    "status": "HTTP/1.1 401 {0}\r\n\r\n",
    "forbidden": "HTTP/1.1 403 Forbidden {0}\r\nServer: {0}\r\nContent-Type: {0}\r\n\r\n{0}",
    "old": "ERROR - Bad Password {0}\r\n",
    "words": "{0}\r\n{0}\r\n",
    "page": "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nServer: {0}\r\n\r\n<h1>{0}</h1>",
    "stream": "ICY 200 OK\r\nServer: {0}\r\n{0}\r\n\r\n{0}\r\n$PTEXT,{0}\r\n",
    "headers": "HTTP/1.1 200 OK\r\n{0}: {0}\r\nNtrip-Version: {0}\r\nContent-Type: {0}\r\n\r\n{0}",
    "chunks": "HTTP/1.1 200 OK\r\nContent-Type: gnss/data\r\nTransfer-Encoding: chunked\r\n\r\n{0}",
    "moved": "HTTP/1.1 302 {0}\r\nLocation: http://{0}@caster.example.com/{0}\r\n\r\n",
    "table": f"SOURCETABLE 200 OK\r\nServer: {{0}}\r\n\r\n{_TABLE}",
    "challenge": 'HTTP/1.1 401 {0}\r\nWWW-Authenticate: Basic realm="{0}"\r\n\r\n',
    "digest": (
        'HTTP/1.1 401 {0}\r\nWWW-Authenticate: Digest realm="{0}", nonce="{0}", qop="auth", '
        'algorithm=MD5, opaque="{0}"\r\n\r\n'
    ),
    "busy": "HTTP/1.1 503 {0}\r\nRetry-After: {0}\r\n\r\n{0}",
    "cut": "HTTP/1.1 200 OK\r\nServer: {0}",
}


class HostileCaster:
    """One way to echo, on one port."""

    def __init__(self, echo: str) -> None:
        self.echo = echo
        self.port = 0
        self.heads: list[str] = []
        self.tasks: set[asyncio.Task[None]] = set()

    def said_of(self, head: str) -> list[str]:
        """What a client has told of its account, as it came and taken apart."""
        value = next(
            (line[14:].strip() for line in head.split("\r\n") if line[:14] == "Authorization:"), ""
        )
        scheme, _, token = value.partition(" ")
        forms = [value, token]
        if scheme == "Basic":
            with contextlib.suppress(binascii.Error):
                pair = base64.b64decode(token).decode("utf-8", "replace")
                forms += [pair, pair.partition(":")[2]]
        return [form for form in forms if form] or ["nothing"]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await self._answer(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
            self.tasks.discard(task)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("utf-8", "replace")
        self.heads.append(head)
        forms = self.said_of(head)
        text = ECHOES["table"] if head.startswith("GET / ") else ECHOES[self.echo]
        # A different form at every place, and all of them in turn.
        first, *parts = text.split("{0}")
        told = first + "".join(forms[n % len(forms)] + part for n, part in enumerate(parts))
        writer.write(told.encode())
        await writer.drain()
        await asyncio.sleep(0.05)  # an answer that is cut off is looked at, too


@contextlib.asynccontextmanager
async def hostile_casters(
    on_each: Callable[[HostileCaster], None] = lambda _: None,
) -> AsyncIterator[dict[str, HostileCaster]]:
    """One of each kind."""
    async with contextlib.AsyncExitStack() as stack:
        made = {}
        for echo in ECHOES:
            caster = made[echo] = HostileCaster(echo)
            server = await asyncio.start_server(caster.serve, "127.0.0.1", 0)
            await stack.enter_async_context(server)
            caster.port = server.sockets[0].getsockname()[1]
            on_each(caster)
        yield made
        for caster in made.values():
            await asyncio.gather(*caster.tasks, return_exceptions=True)
