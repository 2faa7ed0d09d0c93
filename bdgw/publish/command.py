"""A message that came from the broker: what it asks for is of no concern here. Pure."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

__all__ = ["Command"]


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """A command with the way back to whoever sent it."""

    topic: str
    payload: bytes
    is_retained: bool
    """It was published before the gateway subscribed, perhaps long ago."""
    response_topic: str | None
    """Where an answer is expected (MQTT 5)."""
    correlation: bytes | None
    """What the answer must bring back (MQTT 5)."""
    acknowledge: Callable[[], None]
    """Tell the broker that it need not send it again; does nothing after the connection ended."""
