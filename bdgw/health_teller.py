"""Publishes the health summary: at every change of a device, and at a steady pace."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, Protocol

__all__ = ["HealthTeller"]

_PERIOD_S = 10.0
_GATHER_S = 1.0
"""Several changes at once make one message."""


class HealthSource(Protocol):
    """Who knows how the gateway is."""

    def is_connected(self) -> bool:
        """Whether the broker takes messages."""
        ...

    def health(self) -> dict[str, Any]:
        """The summary."""
        ...


class HealthTeller:
    """One for the gateway; made before anything can change."""

    def __init__(self, publish: Callable[[dict[str, Any]], None]) -> None:
        self._publish = publish
        self._due = asyncio.Event()

    def changed(self) -> None:
        """Something has changed that the summary shows."""
        self._due.set()

    async def run(self, source: HealthSource) -> None:
        """Tell until cancelled.

        While the broker is away one of them waits, whose age tells of the outage; what counts is
        the one that follows when the broker is back.
        """
        is_one_waiting = False
        while True:
            self._due.clear()
            is_connected = source.is_connected()
            if is_connected or not is_one_waiting:
                self._publish(source.health())
                is_one_waiting = not is_connected
            await asyncio.sleep(_GATHER_S)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_PERIOD_S):
                    await self._due.wait()
