"""Bounds on what nats-server keeps for MQTT sessions that are away.

nats-server keeps every QoS 1 message for a session that is away, without limit. When its store is
full it takes no message and no connection from anyone: one forgotten subscriber would stop the
gateway. MQTT has no setting for this, so the stream behind it is given bounds through the NATS
protocol, of which this file speaks the five lines that are needed.

Source: docs.nats.io, client protocol; JetStream API, STREAM.INFO and STREAM.UPDATE.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from bdgw.errors import LinkError

__all__ = ["bound_messages"]

_STREAM = "$MQTT_msgs"
_INBOX = "_INBOX.bdgw"
_TIMEOUT_S = 5.0
_NS_PER_S = 1_000_000_000


async def bound_messages(
    port: int, *, user: str | None, password: str | None, max_bytes: int, max_age_s: float
) -> None:
    """Let the oldest messages for absent sessions go above ``max_bytes`` or ``max_age_s``.

    Raises:
        LinkError: the server does not answer or refuses.
    """
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                await _bound(reader, writer, (user, password), max_bytes, max_age_s)
            finally:
                writer.close()
                await writer.wait_closed()
    except (OSError, EOFError, TimeoutError, ValueError) as error:
        raise LinkError(f"nats-server does not take its limits: {error!r}") from error


async def _bound(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    login: tuple[str | None, str | None],
    max_bytes: int,
    max_age_s: float,
) -> None:
    options: dict[str, Any] = {"verbose": False, "pedantic": False}
    if login[0] is not None:
        options |= {"user": login[0], "pass": login[1] or ""}
    writer.write(f"CONNECT {json.dumps(options)}\r\nSUB {_INBOX} 1\r\n".encode())
    config = (await _request(reader, writer, "INFO", {}))["config"]
    config |= {"max_bytes": max_bytes, "max_age": int(max_age_s * _NS_PER_S), "discard": "old"}
    # Duplicates are looked for no longer than messages live; a longer window is refused.
    config["duplicate_window"] = min(config.get("duplicate_window", 0), config["max_age"])
    await _request(reader, writer, "UPDATE", config)


async def _request(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, verb: str, body: dict[str, Any]
) -> dict[str, Any]:
    data = json.dumps(body).encode() if body else b""
    head = f"PUB $JS.API.STREAM.{verb}.{_STREAM} {_INBOX} {len(data)}\r\n".encode()
    writer.write(head + data + b"\r\n")
    while True:
        line = (await reader.readuntil(b"\r\n")).split()
        if line[0] == b"PING":
            writer.write(b"PONG\r\n")
        elif line[0] == b"-ERR":
            raise ValueError(b" ".join(line[1:]).decode("utf-8", "replace"))
        elif line[0] == b"MSG":
            answer = json.loads(await reader.readexactly(int(line[-1]) + 2))
            if "error" in answer:
                raise ValueError(str(answer["error"].get("description")))
            return dict(answer)
