"""A plain MQTT client: what an IoT consumer would run. Used by the demo and by benchmarks."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from bdgw.errors import UnavailableError

__all__ = ["Consumer", "Message", "consume", "subscribe"]

_TIMEOUT_S = 10.0

Message = tuple[str, bytes, bool]
"""Topic, payload, and whether it is a retained message of the past."""


class Consumer(NamedTuple):
    """A client that is connected and has subscribed."""

    messages: asyncio.Queue[Message]
    publish: Callable[[str, bytes], None]
    """Hand a message (topic, payload) to the broker at QoS 1, not retained."""


@contextlib.asynccontextmanager
async def subscribe(url: str, topic_filter: str) -> AsyncIterator[asyncio.Queue[Message]]:
    """Receive at QoS 1 until the block ends; the subscription is in force on entry.

    Raises:
        UnavailableError: the broker does not answer or refuses the subscription.
    """
    async with consume(url, topic_filter) as consumer:
        yield consumer.messages


@contextlib.asynccontextmanager
async def consume(url: str, *topic_filters: str) -> AsyncIterator[Consumer]:
    """Receive and publish at QoS 1 until the block ends; all subscriptions are in force on entry.

    Raises:
        UnavailableError: the broker does not answer or refuses the subscription.
    """
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[Message] = asyncio.Queue()
    ready: asyncio.Future[None] = loop.create_future()
    parts = urlsplit(url)
    client = paho.Client(CallbackAPIVersion.VERSION2)

    def settle(error: str | None) -> None:
        if not ready.done():
            if error is None:
                ready.set_result(None)
            else:
                ready.set_exception(UnavailableError(error))

    def on_connect(_client: paho.Client, _data: Any, _flags: Any, code: Any, _more: Any) -> None:  # noqa: ANN401 - paho's types
        if code.is_failure:
            loop.call_soon_threadsafe(settle, f"the broker refuses: {code}")
        else:
            client.subscribe([(each, 1) for each in topic_filters])

    def on_subscribe(_client: paho.Client, _data: Any, _id: int, codes: Any, _more: Any) -> None:  # noqa: ANN401 - paho's types
        refused = [str(code) for code in codes if code.is_failure]
        loop.call_soon_threadsafe(settle, ", ".join(refused) or None)

    def on_message(_client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:  # noqa: ANN401 - paho's types
        item = (message.topic, bytes(message.payload), bool(message.retain))
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(queue.put_nowait, item)

    def publish(topic: str, payload: bytes) -> None:
        client.publish(topic, payload, qos=1)

    client.on_connect = on_connect
    client.on_subscribe = on_subscribe
    client.on_message = on_message
    try:
        await asyncio.to_thread(client.connect, parts.hostname or "", parts.port or 1883, 30)
        client.loop_start()
        async with asyncio.timeout(_TIMEOUT_S):
            await ready
        yield Consumer(queue, publish)
    except (OSError, TimeoutError) as error:
        raise UnavailableError(f"no subscription at {url}: {error}") from None
    finally:
        client.disconnect()
        await asyncio.to_thread(client.loop_stop)
