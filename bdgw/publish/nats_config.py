"""What nats-server is told and asked: its configuration, and an MQTT probe. Pure.

Every value that differs from the server's default stands beside its reason.
"""

from __future__ import annotations

import json
from pathlib import Path

__all__ = ["SYNC_LAG_S", "probe_packet", "render_config"]

_SYNC_INTERVAL_MS = 100
SYNC_LAG_S = 0.5
"""What the server has acknowledged is on the disk after this: its interval, and a slow sync."""


def render_config(
    *,
    directory: Path,
    host: str,
    port: int,
    user: str | None,
    password: str | None,
    max_store_bytes: int,
) -> str:
    """Write the server's configuration; ``host`` and ``port`` are those of the MQTT listener."""
    login = ""
    if user is not None:
        login = f"authorization {{ user: {_quoted(user)}, password: {_quoted(password or '')} }}\n"
    return (
        # A stable name: JetStream ties its store to it.
        "server_name: bdgw-embedded\n"
        # The NATS protocol is used to set limits only; any free port, for this machine only.
        "listen: 127.0.0.1:-1\n"
        # One payload is a fix or a short message; 1 MB leaves room for raw data.
        "max_payload: 1MB\n"
        # Gateway, dashboards and a few services; each costs memory.
        "max_connections: 1000\n"
        f"{login}"
        "jetstream {\n"
        f"  store_dir: {_quoted(str(directory))}\n"
        # "always" syncs each message by itself, a retained one twice: a few hundred a second are
        # then too many for a slow disk. What is acknowledged is written, so a crash takes nothing.
        f"  sync_interval: {_SYNC_INTERVAL_MS}ms\n"
        # All MQTT streams are files; memory streams are not used.
        "  max_memory_store: 16MB\n"
        # Messages that wait for subscribers which are away, and the retained ones.
        f"  max_file_store: {max_store_bytes}\n"
        "}\n"
        "mqtt {\n"
        f"  host: {_quoted(host)}\n"
        f"  port: {port}\n"
        # Unacknowledged messages of one subscription; the default of 1,024 holds up a subscriber
        # of a busy gateway that is half a second away. A session may have 65,535 in all and a
        # filter that ends in "#" counts twice, so this leaves room for 15 such filters.
        "  max_ack_pending: 2048\n"
        # A subscriber that died is found out by its keepalive; redelivery may wait.
        '  ack_wait: "30s"\n'
        "}\n"
    )


def probe_packet(client_id: str, user: str | None, password: str | None) -> bytes:
    """Encode an MQTT 3.1.1 CONNECT with a clean session.

    Source: MQTT 3.1.1, section 3.1.
    """
    flags = 0x02
    payload = _text(client_id)
    if user is not None:
        flags |= 0xC0
        payload += _text(user) + _text(password or "")
    body = _text("MQTT") + bytes([4, flags, 0, 10]) + payload
    length, head = len(body), bytearray([0x10])
    while True:
        length, digit = divmod(length, 128)
        head.append(digit | (0x80 if length else 0))
        if not length:
            return bytes(head) + body


def _text(text: str) -> bytes:
    data = text.encode()
    return len(data).to_bytes(2, "big") + data


def _quoted(text: str) -> str:
    # The configuration language has no \u escapes but takes UTF-8 as it is.
    return json.dumps(text, ensure_ascii=False)
