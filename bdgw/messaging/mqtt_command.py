"""Commands about short messages that come by MQTT: ``shortmsg/command/send`` and ``…/cancel``.

A command has an ``id``: it names the answer's topic where the broker speaks 3.1.1, and stands in
for an idempotency key, because a broker may deliver a command twice. It is acknowledged to the
broker when what it asks for is safe on the disk. Until the disk takes it, it is tried again here: a
broker does not send it again by this connection, and stops at some twenty that wait.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Annotated, Any

import msgspec
import structlog

from bdgw.messaging.desk import Answer, MessageDesk, Verdict
from bdgw.publish import topics
from bdgw.publish.command import Command
from bdgw.publish.payload import VERSION
from bdgw.shortmsg.outgoing import RefusalCause

__all__ = ["MessageCommands", "Reply"]

Reply = Callable[..., bool]
"""``(topic, payload, correlation=…, schema=…)``: publishes an answer; False where it cannot."""

_WAITING_MAX = 1000
"""Commands that are being worked on; above that they are left to the broker, unacknowledged."""

_STORE_RETRY_S = 2.0
_OWN_TOPICS = "bdgw/"
_SCHEMA = "bdgw/shortmsg_reply/1"

_log = structlog.get_logger(__name__)


class _Cancel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    message: str


class _Id(msgspec.Struct, frozen=True):
    id: Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9._:-]{1,64}\Z")]


class MessageCommands:
    """One for the gateway."""

    def __init__(self, gateway: str, desk: MessageDesk, *, reply: Reply) -> None:
        self._gateway = gateway
        self._desk = desk
        self._reply = reply
        self._queue: asyncio.Queue[Command] = asyncio.Queue(_WAITING_MAX)
        self.counts: Counter[str] = Counter()
        """Commands by what became of them."""

    def take(self, command: Command) -> bool:
        """Take a command; False where it is none of ours."""
        if command.topic not in (
            topics.message_command(self._gateway, "send"),
            topics.message_command(self._gateway, "cancel"),
        ):
            return False
        try:
            self._queue.put_nowait(command)
        except asyncio.QueueFull:
            # Not acknowledged: the broker keeps it for the next connection.
            self.counts["left_to_the_broker"] += 1
        return True

    async def run(self) -> None:
        """Work on commands, one after the other, until cancelled."""
        while True:
            command = await self._queue.get()
            if command.is_retained:
                # Nobody knows how old it is; to send it at every connect would be worse.
                self.counts["retained"] += 1
                _log.warning("retained_command_ignored", topic=command.topic)
                command.acknowledge()
                continue
            command_id, fields, answer = _read(command.payload)
            if command_id is not None and answer is None:
                answer = await self._done(command, command_id, fields)
            if answer is None:
                answer = _bad("id is missing")
            self.counts[answer.verdict.value] += 1
            self._answer(command, command_id, answer)
            command.acknowledge()

    async def _done(self, command: Command, command_id: str, fields: dict[str, Any]) -> Answer:
        """Do it; whoever asked hears of a disk that does not take it, once."""
        has_told = False
        while True:
            answer = await self._do(command.topic, command_id, fields)
            if answer.value.get("cause") != RefusalCause.STORE:
                return answer
            if not has_told:
                has_told = True
                self.counts["store"] += 1
                self._answer(command, command_id, answer)
            await asyncio.sleep(_STORE_RETRY_S)

    async def _do(self, topic: str, command_id: str, fields: dict[str, Any]) -> Answer:
        body = msgspec.json.encode(fields)
        if topic == topics.message_command(self._gateway, "send"):
            return await self._desk.send(body, origin="mqtt", key=f"mqtt/{command_id}")
        try:
            wanted = msgspec.json.decode(body, type=_Cancel)
        except msgspec.DecodeError as error:
            return _bad(str(error))
        return await self._desk.cancel(wanted.message)

    def _answer(self, command: Command, command_id: str | None, answer: Answer) -> None:
        topic = command.response_topic
        if topic is None or not self._may_answer_to(topic):
            if command_id is None:
                _log.warning("command_refused", topic=command.topic, **answer.value)
                return
            topic = topics.message_reply(self._gateway, command_id)
        value = {"v": VERSION, "gw": self._gateway, "id": command_id}
        value |= {"result": answer.verdict.value, "message": answer.value}
        payload = msgspec.json.encode({k: v for k, v in value.items() if v is not None})
        if not self._reply(topic, payload, correlation=command.correlation, schema=_SCHEMA):
            self.counts["unanswered"] += 1

    def _may_answer_to(self, topic: str) -> bool:
        """Whoever may only command must not publish what looks like the gateway's own."""
        is_reply = topic.startswith(topics.message_reply(self._gateway, ""))
        return is_reply or not topic.startswith((_OWN_TOPICS, "$"))


def _read(payload: bytes) -> tuple[str | None, dict[str, Any], Answer | None]:
    """The id, the other fields, and the answer where that is an error already."""
    try:
        fields = msgspec.json.decode(payload, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return None, {}, _bad(f"not a JSON object: {error}")
    try:
        command_id = msgspec.convert(fields, type=_Id).id
    except msgspec.ValidationError:
        return None, {}, _bad("id: 1 to 64 of letters, digits, . _ : - are needed")
    fields.pop("id")
    return command_id, fields, None


def _bad(explanation: str) -> Answer:
    value = {"cause": "bad_submission", "explanation": explanation, "is_retryable": False}
    return Answer(verdict=Verdict.REFUSED, value=value)
