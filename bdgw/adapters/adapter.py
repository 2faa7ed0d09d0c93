"""What every adapter is to the gateway: a sink with a life, counters, and maybe subscriptions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from bdgw.hub import DomainEvent

__all__ = ["Adapter", "Message", "Post"]

JSON = "application/json"


class Adapter(Protocol):
    """One ``[[adapter]]`` of the configuration."""

    name: str
    kind: str
    subscriptions: tuple[str, ...]
    """Topic filters of what it must hear from the broker."""

    def offer(self, event: DomainEvent) -> None:
        """Take an event of the gateway at once."""
        ...

    async def run(self) -> None:
        """Live until cancelled."""
        ...

    def on_message(self, topic: str, payload: bytes) -> None:
        """Take a message of a subscription, of its own or of another's."""
        ...

    def fields(self, now: float) -> dict[str, Any]:
        """Give the counters for the status, as plain values; ``now`` is monotonic seconds."""
        ...


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What an adapter wants published."""

    topic: str
    payload: bytes
    key: str
    """Messages of one key replace each other."""
    qos: int = 1
    retain: bool = True
    is_state: bool = False
    """It has one value and is never dropped; others are fixes among many."""
    content_type: str = JSON
    schema: str | None = None


Post = Callable[[Message], None]
"""Whoever takes messages to publish, at once."""
