"""Requests to send fixes again, as they come from the broker: read, asked for, answered."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from bdgw.history import HistoryError, RepairBusyError, RepairError
from bdgw.publish import topics
from bdgw.publish.payload import VERSION, encode
from bdgw.repair import Repair

__all__ = ["IncomingCommand", "RepairCommands"]

_PAYLOAD_MAX_BYTES = 4096
_AT_ONCE_MAX = 16
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


class IncomingCommand(Protocol):
    """A command with the way back to whoever sent it."""

    @property
    def topic(self) -> str:
        """Where it came."""
        ...

    @property
    def payload(self) -> bytes:
        """What it says."""
        ...

    @property
    def is_retained(self) -> bool:
        """It was published before the gateway subscribed, perhaps long ago."""
        ...

    @property
    def response_topic(self) -> str | None:
        """Where an answer is expected (MQTT 5)."""
        ...

    @property
    def correlation(self) -> bytes | None:
        """What the answer must bring back (MQTT 5)."""
        ...

    @property
    def acknowledge(self) -> Callable[[], None]:
        """Tell the broker that it need not send it again."""
        ...


class Reply(Protocol):
    """Sends an answer; False where that is not possible now."""

    def __call__(self, topic: str, body: bytes, *, correlation: bytes | None = None) -> bool:
        """Send it."""
        ...


class _Request(msgspec.Struct, forbid_unknown_fields=True):
    boot: str
    from_seq: int
    to_seq: int
    id: str | None = None


_decode = msgspec.json.Decoder(_Request).decode


class RepairCommands:
    """One for the gateway. ``is_device`` knows the configured devices."""

    def __init__(
        self,
        gateway: str,
        repair: Repair,
        *,
        is_device: Callable[[str], bool],
        reply: Reply,
    ) -> None:
        self._gateway = gateway
        self._repair = repair
        self._is_device = is_device
        self._reply = reply
        self._tasks: set[asyncio.Task[None]] = set()

    def on_command(self, command: IncomingCommand) -> bool:
        """Take a command, and answer it soon; False where it is none of ours."""
        device = topics.device_of_repair(self._gateway, command.topic)
        if device is None:
            return False
        if command.is_retained or len(self._tasks) >= _AT_ONCE_MAX:
            # A retained request is an old one; and who sends so many does not wait for answers.
            command.acknowledge()
            return True
        task = asyncio.get_running_loop().create_task(self._answer(device, command))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    async def _answer(self, device: str, command: IncomingCommand) -> None:
        request_id, value = await self._value(device, command.payload)
        # What was asked for is in the queue of repairs; asked again it would only be sent twice.
        command.acknowledge()
        topic = command.response_topic
        if topic is None and request_id is not None:
            topic = topics.repair_reply(self._gateway, device, request_id)
        if topic is not None:
            body = encode({"v": VERSION, "gw": self._gateway, **value})
            self._reply(topic, body, correlation=command.correlation)

    async def _value(self, device: str, payload: bytes) -> tuple[str | None, dict[str, Any]]:
        request: _Request | None = None
        try:
            request = _read(payload)
            value = await self._requested(device, request)
        except (msgspec.DecodeError, RepairError) as error:
            value = {"dev": device, "error": "bad_request", "detail": str(error)}
        except RepairBusyError as error:
            value = {"dev": device, "error": "busy", "detail": str(error)}
        except HistoryError as error:
            value = {"dev": device, "error": "unavailable", "detail": str(error)}
        if request is None or request.id is None:
            return None, value
        return request.id, {**value, "id": request.id}

    async def _requested(self, device: str, request: _Request) -> dict[str, Any]:
        if not self._is_device(device):
            raise RepairError(f"there is no device {device!r}")
        return await self._repair.request(device, request.boot, request.from_seq, request.to_seq)


def _read(payload: bytes) -> _Request:
    if len(payload) > _PAYLOAD_MAX_BYTES:
        raise RepairError(f"a request has up to {_PAYLOAD_MAX_BYTES} bytes")
    request = _decode(payload)
    if request.id is not None and _NAME.fullmatch(request.id) is None:
        raise RepairError("id: up to 64 letters, digits, dashes and underscores")
    return request
