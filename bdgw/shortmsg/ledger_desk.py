"""What the ledger has in memory: unfinished messages, values, and writes on their way. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from bdgw.errors import BdgwError
from bdgw.shortmsg.fate import fold
from bdgw.shortmsg.ledger_store import Store, StoreError, Write
from bdgw.shortmsg.message import Message, Step
from bdgw.shortmsg.pending import Commit, Pending
from bdgw.shortmsg.staged import Staged

__all__ = ["LedgerDesk", "UnknownMessageError"]

T = TypeVar("T")


class UnknownMessageError(BdgwError):
    """No message has this id."""


class LedgerDesk:
    """Holds what is unfinished, ahead of the disk by what is being written."""

    def __init__(
        self, store: Store, on_durable: Callable[[Message, tuple[Step, ...]], None]
    ) -> None:
        self._store = store
        self._on_durable = on_durable
        self._messages = {message.id: Staged(message) for message in store.unfinished()}
        self._values = {name: Staged(value) for name, value in store.values().items()}
        self.n_facts_lost = 0

    @property
    def n_messages(self) -> int:
        """How many messages are held."""
        return len(self._messages)

    def messages(self) -> list[Message]:
        """Every message that is held, by id."""
        held = (self._messages[message_id].latest for message_id in sorted(self._messages))
        return [message for message in held if message is not None]

    def get(self, message_id: str) -> Message:
        """Give a message, held or not.

        Raises:
            UnknownMessageError: there is none.
        """
        held = self._messages.get(message_id)
        message = None if held is None else held.latest
        message = message or self._store.message(message_id)
        if message is None:
            raise UnknownMessageError(f"no message has the id {message_id!r}")
        return message

    def value(self, name: str) -> bytes | None:
        """Give a value."""
        held = self._values.get(name)
        return None if held is None else held.latest

    def commit(self, write: Write, value: T) -> Pending[T]:
        """Change memory, and send the change to the disk."""
        staged: list[tuple[Staged[Any], object]] = []
        if write.message is not None:
            held = self._held(write, write.message.id)
            staged.append((held, held.stage(write.message)))
        for change in write.values:
            cell = self._values.setdefault(change.name, Staged(None))
            staged.append((cell, cell.stage(change.value, is_independent=not change.is_guarded)))
        commit = Commit()

        def done(error: StoreError | None) -> None:
            for each, token in staged:
                each.resolve(token, is_written=error is None)
            commit.resolve(error)
            self._forget(write)
            if error is not None:
                self.n_facts_lost += write.is_fact
            else:
                self._tell(write)

        commit.awaitable = self._store.write(write, done)
        return Pending(value, commit)

    def _tell(self, write: Write) -> None:
        message = write.message
        if message is None:
            return
        if write.base_revision:
            self._on_durable(message, write.steps)
            return
        # What is written in one piece at the beginning is told step by step.
        for n in range(1, len(write.steps) + 1):
            was = fold(message.id, message.submission, write.steps[:n])
            self._on_durable(was, write.steps[n - 1 : n])

    def _held(self, write: Write, message_id: str) -> Staged[Message]:
        held = self._messages.get(message_id)
        if held is None:
            # A settled message is not held: a receipt may bring it back for a moment.
            durable = self._store.message(message_id) if write.base_revision else None
            held = self._messages[message_id] = Staged(durable)
        return held

    def _forget(self, write: Write) -> None:
        """Hold only what is unfinished."""
        message = write.message
        held = None if message is None else self._messages.get(message.id)
        if message is None or held is None or held.is_pending:
            return
        if held.durable is None or held.durable.is_settled:
            del self._messages[message.id]
