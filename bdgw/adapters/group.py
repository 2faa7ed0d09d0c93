"""All adapters of a gateway as one sink with one life."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from bdgw.adapters.adapter import Adapter
from bdgw.hub import DomainEvent

__all__ = ["AdapterGroup"]


class AdapterGroup:
    """Hands every event to every adapter, and runs them."""

    def __init__(self, adapters: Sequence[Adapter]) -> None:
        self.adapters = tuple(adapters)

    def offer(self, event: DomainEvent) -> None:
        """Take an event; no adapter waits, so none holds up another."""
        for adapter in self.adapters:
            adapter.offer(event)

    async def run(self) -> None:
        """Live until cancelled."""
        async with asyncio.TaskGroup() as group:
            for adapter in self.adapters:
                group.create_task(adapter.run(), name=f"adapter {adapter.name}")

    def on_message(self, topic: str, payload: bytes) -> None:
        """Pass on a message of a subscription."""
        for adapter in self.adapters:
            adapter.on_message(topic, payload)

    def subscriptions(self) -> tuple[str, ...]:
        """Filters of what the adapters must hear from the broker, each once."""
        return tuple(dict.fromkeys(each for one in self.adapters for each in one.subscriptions))

    def fields(self, now: float) -> list[dict[str, Any]]:
        """Give name, kind and counters of each adapter."""
        return [
            {"name": each.name, "kind": each.kind, **each.fields(now)} for each in self.adapters
        ]
