"""Peer groups with a ledger's table of values under them, in the words of the service. Pure.

The table writes in order, so a replay entry that is handed to it before the message is written is
durable before the message is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from bdgw.errors import DecodeError
from bdgw.shortmsg.compose import SealLaterError, Unsealed
from bdgw.shortmsg.ledger_store import StaleWriteError
from bdgw.shortmsg.nonce import CounterError, Reservation
from bdgw.shortmsg.peer_group import PeerGroups
from bdgw.shortmsg.pending import Pending
from bdgw.shortmsg.seal import OVERHEAD_BYTES, SealRefused

__all__ = ["GroupSecurity", "Values"]


class Values(Protocol):
    """A durable table of names and bytes."""

    def get(self, name: str) -> bytes | None:
        """Give a value."""
        ...

    def compare_and_set(self, name: str, expected: bytes | None, value: bytes) -> Pending[bool]:
        """Replace ``expected``; False where something else stands."""
        ...


class GroupSecurity:
    """Seals and opens by the clock of the host; ``poll`` keeps counters at hand."""

    overhead_bytes: int = OVERHEAD_BYTES

    def __init__(
        self, groups: PeerGroups, values: Values, *, utc_s: Callable[[], float | None]
    ) -> None:
        """``utc_s`` gives POSIX seconds, None while the host's clock is not set."""
        self._groups = groups
        self._values = values
        self._utc_s = utc_s
        self._pending: list[tuple[Reservation, Pending[bool]]] = []
        self._unsaved: dict[str, tuple[bytes, Pending[bool]]] = {}

    def prepare(self, card: int) -> None:
        """Say that a card, by the address that it gives itself, may send for every group.

        Raises:
            EncodeError: there is no room for it.
            ValueError: a stored counter is damaged.
        """
        for group in self._groups.names():
            self._groups.prepare(group, card)
        self.poll()

    def poll(self) -> None:
        """Ask for counters that run out, and take those that are durable; at least once a minute.

        Raises:
            ValueError: a stored counter is damaged.
        """
        self._settle()
        for due in self._groups.due(utc_s=self._utc_s()):
            asked = self._values.compare_and_set(due.name, due.expected, due.value)
            self._pending.append((due, asked))
        self._settle()

    def has_key(self, group: str) -> bool:
        """Tell whether something can be sealed for a group."""
        return group in self._groups.names()

    def seal(self, group: str, payload: bytes, *, sender: int, receiver: int) -> bytes:
        """Seal what one of our cards sends to an address.

        Raises:
            SealLaterError: no counter can be given now.
            EncodeError: there is no key, or the payload is empty or too long.
        """
        if self.has_key(group):
            self._groups.prepare(group, sender)
            self.poll()
        try:
            return self._groups.seal(
                group, payload, sender=sender, receiver=receiver, utc_s=self._utc_s()
            )
        except CounterError as error:
            raise SealLaterError(str(error)) from None

    def open(
        self, group: str | None, sealed: bytes, *, sender: int, receivers: Sequence[int]
    ) -> Unsealed:
        """Open what a sender has sealed for one of these addresses.

        Raises:
            DecodeError: it is not genuine, was opened before, or is too old.
        """
        result = self._groups.open(
            group, sealed, sender=sender, receivers=receivers, utc_s=self._utc_s()
        )
        if isinstance(result, SealRefused):
            raise DecodeError(f"seal: {result.reason}")
        self._save(*result.replay_entry)
        return Unsealed(content=result.content, key_id=result.key_id)

    @property
    def n_unsaved(self) -> int:
        """Replay entries that are not durable yet; more than a few mean a disk that is full."""
        return len(self._unsaved)

    def _save(self, name: str, value: bytes) -> None:
        asked = self._values.compare_and_set(name, self._values.get(name), value)
        self._unsaved[name] = value, asked

    def _settle(self) -> None:
        for name, (value, asked) in list(self._unsaved.items()):
            if asked.is_durable and asked.value:
                del self._unsaved[name]
            elif asked.is_durable or asked.error is not None:
                self._save(name, value)
        waiting: list[tuple[Reservation, Pending[bool]]] = []
        for due, asked in self._pending:
            if asked.is_durable and asked.value:
                self._groups.granted(due)
            elif asked.is_durable or isinstance(asked.error, StaleWriteError):
                self._groups.refused(due, self._values.get(due.name))
            elif asked.error is not None:
                self._groups.failed(due)
            else:
                waiting.append((due, asked))
        self._pending = waiting
