"""What the ledger wants of a disk, and the values that pass between the two. Pure.

A store writes whole ``Write`` values in the order in which it got them, each entirely or not at
all, and says so only when they are safe from a power cut.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

import msgspec

from bdgw.errors import BdgwError
from bdgw.shortmsg.message import Message, State, Step
from bdgw.shortmsg.vocabulary import Form, Service

__all__ = [
    "PAGE_MAX",
    "Inbound",
    "InboundPage",
    "InboundQuery",
    "Page",
    "Query",
    "RejectedWriteError",
    "StaleWriteError",
    "Store",
    "StoreCorruptError",
    "StoreError",
    "StoreFullError",
    "ValueWrite",
    "Write",
]

PAGE_MAX = 1000


class StoreError(BdgwError):
    """The disk did not take it, and nothing of it is on the disk."""


class StoreFullError(StoreError):
    """No room: on the disk, or within the bytes that the configuration allows."""


class StoreCorruptError(StoreError):
    """The file is damaged or is not ours; it is left as it is, for people to look at."""


class RejectedWriteError(StoreError):
    """No disk will ever take it: a number or a text that no row can hold."""


class StaleWriteError(RejectedWriteError):
    """What the write was based on is not what stands on the disk."""


class ValueWrite(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the small table of values; a guarded one only replaces ``expected``."""

    name: str
    value: bytes
    is_guarded: bool = False
    expected: bytes | None = None
    """None: there must be no such entry."""


class Inbound(msgspec.Struct, frozen=True, kw_only=True):
    """A message that came in. The frame and the content are kept as they came."""

    id: str
    received_utc_ns: int
    """Host time."""
    terminal: str
    """The device that received it."""
    sender: int
    to: int | None
    service: Service
    form: Form
    content: bytes
    n_bits: int
    raw: bytes
    terminal_time: str | None = None
    """As the terminal wrote it; never believed."""
    is_intact: bool | None = None
    kind: str = "binary"
    """What the content was recognised as."""
    text: str | None = None
    """The content as text, where it is text."""
    peer_message: str | None = None
    """For one that took several units: which one it completed, as its sender numbers it."""


class Write(msgspec.Struct, frozen=True, kw_only=True):
    """What is written together, or not at all."""

    message: Message | None = None
    """As it is after ``steps``."""
    steps: tuple[Step, ...] = ()
    """Its last ones; a new message has its submission among them."""
    values: tuple[ValueWrite, ...] = ()
    inbound: Inbound | None = None
    is_fact: bool = False
    """It has happened already, so it is tried again until it is on the disk; the others are
    intentions: they fail at once, and what was intended is not done."""

    @property
    def base_revision(self) -> int:
        """The number of steps that must be on the disk already; 0 for a new message."""
        return 0 if self.message is None else self.message.revision - len(self.steps)


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """Which messages, a page at a time. Every bound that is None lets all through."""

    states: tuple[State, ...] = ()
    """None of them: all."""
    to: int | None = None
    key: str | None = None
    from_utc_ns: int | None = None
    """Submitted at this time or later."""
    until_utc_ns: int | None = None
    """Submitted before."""
    is_unfinished_only: bool = False
    is_newest_first: bool = True
    after: str | None = None
    """``next_after`` of the page before."""
    limit: int = 100


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """Messages in the order of their ids."""

    messages: tuple[Message, ...]
    next_after: str | None
    """For the next page; None: there is none."""


class InboundQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which received messages, a page at a time."""

    sender: int | None = None
    terminal: str | None = None
    kind: str | None = None
    from_utc_ns: int | None = None
    until_utc_ns: int | None = None
    is_newest_first: bool = True
    after: str | None = None
    limit: int = 100


class InboundPage(msgspec.Struct, frozen=True, kw_only=True):
    """Received messages in the order of their ids."""

    messages: tuple[Inbound, ...]
    next_after: str | None


class Store(Protocol):
    """A disk. Reads give what is durable."""

    def write(self, write: Write, done: Callable[[StoreError | None], None]) -> Awaitable[None]:
        """Take a write, behind those taken before; never blocks for long, never raises.

        ``done`` is called in the thread of the caller, before what is returned is awaited to its
        end: with None when it is safe on the disk, with an error when it is not there at all.
        """
        ...

    def unfinished(self) -> Sequence[Message]:
        """Every message that is not settled, by id."""
        ...

    def values(self) -> Mapping[str, bytes]:
        """The whole table of values."""
        ...

    def message(self, message_id: str) -> Message | None:
        """One message."""
        ...

    def steps(self, message_id: str) -> tuple[Step, ...]:
        """All steps of a message; none of an unknown one."""
        ...

    def message_by_key(self, key: str) -> Message | None:
        """The message of a submission key."""
        ...

    def message_by_air_number(self, to: int, air_number: int) -> Message | None:
        """The newest message to a peer that has this number."""
        ...

    def find(self, query: Query) -> Page:
        """A page of messages."""
        ...

    def inbound(self, query: InboundQuery) -> InboundPage:
        """A page of received messages."""
        ...
