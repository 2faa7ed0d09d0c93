"""Fan-out of domain events to sinks.

A sink never blocks and never raises: a slow consumer has its own bounded queue with its own
policy and its own drop counter.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from bdgw.model import Alarm, ConnectionState, DeviceFix, DeviceState, Fix, Sky
from bdgw.shortmsg.inbox import Incoming
from bdgw.shortmsg.ledger_store import Inbound
from bdgw.shortmsg.message import Message, Step

__all__ = [
    "DomainEvent",
    "FixQuarantined",
    "Hub",
    "MessageChanged",
    "MessageReceived",
    "Sink",
    "SkySeen",
]


class SkySeen(msgspec.Struct, frozen=True, kw_only=True):
    """A sky view of one device."""

    device: str
    sky: Sky


class MessageChanged(msgspec.Struct, frozen=True, kw_only=True):
    """The newest steps in the life of a short message out; they are safe on the disk."""

    message: Message
    steps: tuple[Step, ...]
    is_again: bool = False
    """After a restart: all steps so far, which may have been told before."""


class MessageReceived(msgspec.Struct, frozen=True, kw_only=True):
    """A short message has come in; ``kept`` is what the ledger has of it."""

    incoming: Incoming
    kept: Inbound
    is_again: bool = False
    """After a restart: it may have been told before, under the same id."""


class FixQuarantined(msgspec.Struct, frozen=True, kw_only=True):
    """A fix that is kept back because its time cannot be; it has no number and is never shown."""

    device: str
    reason: str
    fix: Fix
    t_rx_utc_ns: int


DomainEvent = (
    DeviceFix
    | FixQuarantined
    | SkySeen
    | DeviceState
    | ConnectionState
    | Alarm
    | MessageChanged
    | MessageReceived
)


class Sink(Protocol):
    """Anything that takes domain events at once."""

    def offer(self, event: DomainEvent) -> None:
        """Take the event or count it as dropped; never block."""
        ...


class Hub:
    """Hands every event to every sink, in the order of subscription."""

    def __init__(self) -> None:
        self._sinks: list[Sink] = []

    def subscribe(self, sink: Sink) -> None:
        """Add a sink; there is no way to leave, because sinks live as long as the gateway."""
        self._sinks.append(sink)

    def publish(self, event: DomainEvent) -> None:
        """Offer the event to every sink."""
        for sink in self._sinks:
            sink.offer(event)
