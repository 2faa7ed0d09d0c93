"""Commands that come from the broker, to whom they are for, and the way back for answers."""

from __future__ import annotations

from bdgw.adapters import AdapterGroup
from bdgw.messaging import MessageExchange
from bdgw.publish import topics
from bdgw.publish.command import Command
from bdgw.publish.mqtt import MqttPublisher
from bdgw.repair_command import RepairCommands

__all__ = ["CommandDoor"]


class CommandDoor:
    """One for the gateway; made before those who answer, and opened when the publisher is there."""

    def __init__(self, gateway: str, adapters: AdapterGroup) -> None:
        self._gateway = gateway
        self._adapters = adapters
        self._messages: MessageExchange | None = None
        self._repairs: RepairCommands | None = None
        self._publisher: MqttPublisher | None = None

    def join(self, messages: MessageExchange | None, repairs: RepairCommands | None) -> None:
        """Say who takes commands beside the adapters."""
        self._messages = messages
        self._repairs = repairs

    def open(self, publisher: MqttPublisher) -> None:
        """From now on answers find a way."""
        self._publisher = publisher

    def filters(self) -> tuple[str, ...]:
        """The filters of what the gateway subscribes to."""
        of_messages = () if self._messages is None else self._messages.subscriptions()
        of_repairs = () if self._repairs is None else (topics.repair_commands(self._gateway),)
        return (*of_messages, *of_repairs, *self._adapters.subscriptions())

    def on_command(self, command: Command) -> None:
        """Take a command; whoever it is for acknowledges it, when what it asks for is safe."""
        if self._messages is not None and self._messages.on_command(command):
            return
        if self._repairs is not None and self._repairs.on_command(command):
            return
        self._adapters.on_message(command.topic, command.payload)
        command.acknowledge()

    def reply(
        self,
        topic: str,
        body: bytes,
        *,
        correlation: bytes | None = None,
        schema: str | None = None,
    ) -> bool:
        """Answer a command; False where there is no connection to the broker."""
        if self._publisher is None:
            return False
        return self._publisher.reply(topic, body, correlation=correlation, schema=schema)
