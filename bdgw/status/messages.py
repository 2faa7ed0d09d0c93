"""Terminals and short messages as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from bdgw.messaging import TerminalSnapshot
from bdgw.messaging.board import terminal_object
from bdgw.receivers import ReceiverSnapshot
from bdgw.status.value import present

__all__ = ["terminal_summary", "terminals_down", "terminals_fields"]

_PORT_FIELDS = (
    "endpoint",
    "peer",
    "bytes_in",
    "bytes_out",
    "n_frames",
    "skipped_bytes",
    "n_connections",
    "n_lost",
    "next_attempt_in_s",
    "last_frame_age_s",
    "write_drops",
)


def terminals_fields(
    terminals: tuple[TerminalSnapshot, ...], ports: Mapping[str, ReceiverSnapshot]
) -> list[dict[str, Any]]:
    """Every terminal with the port that it is on."""
    return [terminal_object(one) | {"port": _port(ports[one.terminal])} for one in terminals]


def _port(snapshot: ReceiverSnapshot) -> dict[str, Any]:
    value = msgspec.to_builtins(snapshot)
    state = {"status": value["status"], "reason": value["reason"]}
    return present(state | {name: value[name] for name in _PORT_FIELDS})


def terminal_summary(snapshot: TerminalSnapshot) -> dict[str, Any]:
    """What the health message says of a terminal."""
    return present(
        {
            "dev": snapshot.terminal,
            "status": snapshot.status.value,
            "reason": snapshot.reason,
            "card": None if snapshot.card is None else snapshot.card.address,
            "received": snapshot.n_received,
            "accepted": snapshot.n_accepted,
            "possibly_sent": snapshot.n_unknown,
        }
    )


def terminals_down(terminals: tuple[TerminalSnapshot, ...], *, grace_s: float) -> str | None:
    """Why no short message can go out, None while one can."""
    if not terminals or any(one.not_working_s <= grace_s for one in terminals):
        return None
    return f"terminals: none of {len(terminals)} has been able to send for {grace_s:.0f} s"
