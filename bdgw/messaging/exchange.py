"""Everything of short messages that a gateway has, from its ledger's file to its MQTT commands."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, TypeVar

from bdgw.errors import UnavailableError
from bdgw.hub import MessageChanged, MessageReceived
from bdgw.messaging.board import TerminalSnapshot
from bdgw.messaging.desk import MessageDesk
from bdgw.messaging.feed import Holder, MessageFeed
from bdgw.messaging.mqtt_command import MessageCommands, Reply
from bdgw.messaging.office import MessageOffice, OfficeSpec
from bdgw.messaging.port import PortEvent, TerminalPort
from bdgw.messaging.retelling import Reteller
from bdgw.model import Alarm
from bdgw.publish import topics
from bdgw.publish.command import Command
from bdgw.receivers import Clock
from bdgw.shortmsg.ledger_store import StoreError
from bdgw.store.sqlite import SqliteStore

__all__ = ["MessageExchange"]

PartT = TypeVar("PartT")

_LEDGER_FILE = "ledger.db"
_SETTLE_S = 16.0
"""A terminal's feedback comes within 15 s of the request (RDSS digest 6.5)."""


class MessageExchange:
    """One for the gateway; ``opened`` must surround everything else."""

    def __init__(
        self,
        spec: OfficeSpec,
        *,
        gateway: str,
        state_dir: Path,
        clock: Clock,
        is_clock_trusted: Callable[[], bool],
        entropy: Callable[[int], bytes],
        flush: Callable[[str], None],
        emit: Callable[[MessageChanged | MessageReceived | Alarm], None],
        holder: Holder,
        reply: Reply,
        on_state: Callable[[], None] = lambda: None,
    ) -> None:
        """``emit`` hands an event to the outbox at once, and ``holder`` is the outbox.

        ``on_state`` is told when the state of a terminal has changed.
        """
        self._spec = spec
        self._gateway = gateway
        self._path = state_dir / _LEDGER_FILE
        self._clock = clock
        self._is_clock_trusted = is_clock_trusted
        self._entropy = entropy
        self._flush = flush
        self._emit = emit
        self._holder = holder
        self._reply = reply
        self._on_state = on_state
        self._feed: MessageFeed | None = None
        self._office: MessageOffice | None = None
        self._desk: MessageDesk | None = None
        self._commands: MessageCommands | None = None

    @contextlib.asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Open the ledger and take up what the run before has left.

        Raises:
            UnavailableError: the ledger cannot be used; it is left as it is.
        """
        try:
            store = SqliteStore(str(self._path))
        except StoreError as error:
            raise UnavailableError(f"ledger of short messages: {error}") from None
        async with store:
            try:
                self._office = MessageOffice(
                    self._spec,
                    store=store,
                    clock=self._clock,
                    is_clock_trusted=self._is_clock_trusted,
                    entropy=self._entropy,
                    flush=self._flush,
                    emit=self._tell,
                    on_state=self._on_state,
                )
            except ValueError as error:
                raise UnavailableError(f"{self._path}: {error}") from None
            self._feed = feed = MessageFeed(
                store=store,
                values=self._office.ledger.values,
                reteller=Reteller(self._spec.service),
                holder=self._holder,
                publish=self._emit,
                utc_ns=self._clock.utc_ns,
            )
            self._desk = MessageDesk(self._office, store=store, clock=self._clock)
            self._commands = MessageCommands(self._gateway, self._desk, reply=self._reply)
            try:
                yield
            finally:
                # What the broker took while the gateway stopped is not told again.
                await feed.save()

    async def run(self) -> None:
        """Serve until cancelled."""
        feed = _opened(self._feed)
        await feed.tell_again()
        async with asyncio.TaskGroup() as group:
            group.create_task(feed.run(), name="short message feed")
            group.create_task(self.office.run(), name="short messages")
            group.create_task(self.commands.run(), name="short message commands")

    def _tell(self, event: MessageChanged | MessageReceived | Alarm) -> None:
        if isinstance(event, Alarm):
            self._emit(event)
        else:
            _opened(self._feed).tell(event)

    async def settle(self) -> None:
        """Before the ports close: send no more, and hear what terminals still have to answer."""
        await self.office.settle(_SETTLE_S)

    @property
    def office(self) -> MessageOffice:
        """The owner of the service."""
        return _opened(self._office)

    @property
    def desk(self) -> MessageDesk:
        """Where requests go."""
        return _opened(self._desk)

    @property
    def commands(self) -> MessageCommands:
        """What comes by MQTT."""
        return _opened(self._commands)

    def subscriptions(self) -> tuple[str, ...]:
        """The filters of what the broker is asked for."""
        return (topics.message_command(self._gateway, "+"),)

    def on_command(self, command: Command) -> bool:
        """Take a command; False where it is for somebody else."""
        return self.commands.take(command)

    def is_terminal(self, device: str) -> bool:
        """Whether a device is a terminal."""
        return device in self._spec.terminals

    def new_session(self, terminal: str) -> TerminalPort:
        """Make the session of a new connection."""
        return self.office.new_session(terminal)

    def take(self, terminal: str, event: PortEvent, now: float) -> None:
        """Take what the session of a terminal says."""
        self.office.take(terminal, event, now)

    def counts(self) -> dict[str, Any]:
        """What has happened since the start, apart from the messages themselves."""
        office, commands = self.office, self.commands
        return {
            "unfinished": sum(1 for _ in office.ledger.unfinished()),
            "lost": office.n_lost,
            "answers_undeliverable": office.n_undeliverable,
            "too_early": office.service.n_too_early,
            "commands": dict(commands.counts),
            "ledger": office.ledger_state(),
        }

    def trouble(self, *, grace_s: float) -> str | None:
        """Why nothing can be accepted or kept any more, or since ``grace_s``; None while it can."""
        return self.office.trouble(grace_s=grace_s)

    def terminals(self) -> tuple[TerminalSnapshot, ...]:
        """Every terminal as it is now."""
        return self.office.terminals()


def _opened(part: PartT | None) -> PartT:
    if part is None:
        raise RuntimeError("the exchange has not been opened")
    return part
