"""A short message of the demo: one IoT client sends it, another one receives it elsewhere.

Both are plain MQTT clients, each at the broker of its own gateway; between the gateways there is
nothing but the simulated satellite.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import Callable
from typing import Any

from bdgw.demo.scene import GATEWAY, SHIP, SHIP_CARD, TEXTS
from bdgw.publish import topics
from bdgw.publish.subscriber import Consumer, consume

__all__ = ["MessageTally", "exchange"]

_PAUSE_S = 12.0
_DELIVERED = "delivered"


class MessageTally:
    """Holds what has arrived against what was sent."""

    def __init__(self) -> None:
        self.texts: Counter[str] = Counter()
        """What was handed in."""
        self._received: Counter[str] = Counter()
        self._fates: dict[str, str] = {}
        self.changed = asyncio.Event()

    def sent(self, text: str) -> None:
        """Note what the client has handed to its broker."""
        self.texts[text] += 1

    def status(self, event: dict[str, Any]) -> None:
        """Take what the sender's gateway says of a message."""
        self._fates[event["id"]] = event["state"]
        self.changed.set()

    def received(self, event: dict[str, Any]) -> None:
        """Take what the receiver's gateway says to have received."""
        self._received[event.get("text", "")] += 1
        self.changed.set()

    @property
    def is_ok(self) -> bool:
        """Whether every text has arrived once, nothing else has, and the sender knows it."""
        fates = list(self._fates.values())
        is_known = len(fates) == self.texts.total() and set(fates) == {_DELIVERED}
        return is_known and self._received == self.texts


async def exchange(
    shore_url: str,
    ship_url: str,
    tally: MessageTally,
    *,
    n_texts: int | None,
    stop: asyncio.Event,
    show: Callable[[dict[str, Any]], None],
) -> None:
    """Send texts from the shore to the ship until ``stop``, and tell of them until cancelled.

    ``n_texts`` None is without end.

    ``show`` gets every event as it is published.

    Raises:
        UnavailableError: a broker does not answer.
    """
    at_shore = (
        topics.connection(GATEWAY),
        topics.message_event(GATEWAY, "status"),
        topics.message_reply(GATEWAY, "+"),
    )
    async with (
        consume(ship_url, topics.message_event(SHIP, "received")) as ship,
        consume(shore_url, *at_shore) as shore,
        asyncio.TaskGroup() as group,
    ):
        is_online = asyncio.Event()
        group.create_task(_watch_ship(ship, tally, show))
        group.create_task(_watch_shore(shore, tally, show, is_online))
        await is_online.wait()
        n_sent = 0
        while not stop.is_set() and (n_texts is None or n_sent < n_texts):
            text = TEXTS[n_sent % len(TEXTS)]
            n_sent += 1
            tally.sent(text)
            command = {"id": f"demo-{n_sent}", "to": SHIP_CARD, "text": text}
            body = json.dumps(command, ensure_ascii=False).encode()
            shore.publish(topics.message_command(GATEWAY, "send"), body)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _PAUSE_S)


async def _watch_ship(
    ship: Consumer, tally: MessageTally, show: Callable[[dict[str, Any]], None]
) -> None:
    while True:
        _, data, _ = await ship.messages.get()
        event = json.loads(data)
        tally.received(event)
        show(event)


async def _watch_shore(
    shore: Consumer,
    tally: MessageTally,
    show: Callable[[dict[str, Any]], None],
    is_online: asyncio.Event,
) -> None:
    while True:
        topic, data, _ = await shore.messages.get()
        event = json.loads(data)
        if topic == topics.connection(GATEWAY):
            # Before it says that it is there, it has not subscribed: a command would be for nobody.
            if event["state"] == "online":
                is_online.set()
            continue
        if topic == topics.message_event(GATEWAY, "status"):
            tally.status(event)
        show(event)
