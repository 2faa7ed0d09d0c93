"""What subscribers hear of messages: each event at least once, whatever crashes in between.

The ledger has an event before it is told, and the outbox may lose it with the process. A cursor in
the ledger's table of values stands behind the last event that the outbox has safely; at the start
what is behind it is told again, marked as such, under the same ids.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Protocol

import msgspec
import structlog

from bdgw.hub import MessageChanged, MessageReceived
from bdgw.messaging.retelling import Reteller
from bdgw.shortmsg.ledger_store import Inbound, InboundPage, InboundQuery, StoreError
from bdgw.shortmsg.message import Message, Step
from bdgw.shortmsg.value_table import ValueTable
from bdgw.store.reader import LedgerReader
from bdgw.store.sqlite import SqliteStore

__all__ = ["Holder", "MessageFeed"]

_NAME = "feed/cursor"
_PAGE = 200
_EARLIER_MAX = 200
"""So many messages of a card are looked at for one that its peer had sent before."""
_LOOK_S = 0.5

_log = structlog.get_logger(__name__)

_Event = MessageChanged | MessageReceived


class Holder(Protocol):
    """Who has what is to be published: the outbox."""

    def newest(self) -> int:
        """The number of the entry that it took last; 0 before the first."""
        ...

    def is_safe(self, entry_id: int) -> bool:
        """Whether an entry survives the end of the process, or has left for good.

        In memory: the broker has it, or refuses it for ever. On a disk: it is durable.
        """
        ...


class _Cursor(msgspec.Struct, frozen=True, kw_only=True):
    received: str
    """Id of the last message in; empty: none."""
    status_utc_ns: int
    """Host time of the last step of a message out."""
    status_ids: tuple[str, ...] = ()
    """The messages whose step at this very time is safe."""


class MessageFeed:
    """One for the gateway."""

    def __init__(
        self,
        *,
        store: SqliteStore,
        values: ValueTable,
        reteller: Reteller,
        holder: Holder,
        publish: Callable[[_Event], None],
        utc_ns: Callable[[], int],
    ) -> None:
        """``publish`` hands an event to the outbox at once."""
        self._store = store
        self._values = values
        self._reteller = reteller
        self._holder = holder
        self._publish = publish
        newest = store.inbound(InboundQuery(limit=1)).messages
        self._newest_before = newest[0].id if newest else ""
        present = _Cursor(received=self._newest_before, status_utc_ns=utc_ns())
        self._kept = self._read()
        self._cursor = present if self._kept is None else self._kept
        self._unsafe: deque[tuple[int, _Event]] = deque()
        self._is_told_again = False
        self._work = asyncio.Event()
        self.n_again = 0
        """Events that were told again at the start."""

    def tell(self, event: _Event) -> None:
        """Publish an event that is safe in the ledger."""
        self._publish(event)
        self._unsafe.append((self._holder.newest(), event))
        self._work.set()

    async def tell_again(self) -> None:
        """Publish what the run before may not have; before anything received is told."""
        try:
            if self._kept is None:
                # Nobody has waited for what was before there was a cursor.
                await self._write()
            else:
                await self._received_again(self._kept.received)
                await self._changed_again(self._kept)
        except StoreError as error:
            _log.error("shortmsg_feed_failed", reason=str(error))
        self._is_told_again = True
        if self.n_again:
            _log.info("shortmsg_told_again", count=self.n_again)

    async def run(self) -> None:
        """Move the cursor behind what is safe, until cancelled."""
        while True:
            await self._work.wait()
            await self.save()
            if self._unsafe:
                await asyncio.sleep(_LOOK_S)
            else:
                self._work.clear()

    async def save(self) -> None:
        """Move the cursor now."""
        if not self._is_told_again:
            return
        before = self._cursor
        while self._unsafe and self._holder.is_safe(self._unsafe[0][0]):
            self._cursor = _behind(self._cursor, self._unsafe.popleft()[1])
        if self._cursor != before or self._cursor != self._read():
            try:
                await self._write()
            except StoreError as error:
                # Then more is told again than must be.
                _log.warning("shortmsg_feed_not_written", reason=str(error))

    # Again

    async def _received_again(self, after: str) -> None:
        query = InboundQuery(after=after, is_newest_first=False, limit=_PAGE)
        while True:
            page, earlier = await self._store.fetch(partial(self._page, query))
            for kept in page.messages:
                if kept.id > self._newest_before:
                    return
                incoming = self._reteller.retell(kept, earlier[kept.id])
                if incoming is not None:
                    self.n_again += 1
                    self.tell(MessageReceived(incoming=incoming, kept=kept, is_again=True))
            if page.next_after is None:
                return
            query = msgspec.structs.replace(query, after=page.next_after)

    def _page(
        self, query: InboundQuery, reader: LedgerReader
    ) -> tuple[InboundPage, dict[str, list[Inbound]]]:
        page = reader.inbound(query)
        earlier: dict[str, list[Inbound]] = {}
        for kept in page.messages:
            earlier[kept.id] = [
                one
                for address in sorted(self._reteller.addresses_of_peer(kept))
                for one in reader.inbound(
                    InboundQuery(sender=address, after=kept.id, limit=_EARLIER_MAX)
                ).messages
            ]
        return page, earlier

    async def _changed_again(self, cursor: _Cursor) -> None:
        def read(reader: LedgerReader) -> list[tuple[Message, tuple[Step, ...]]]:
            found = [*reader.unfinished(), *reader.settled_since(cursor.status_utc_ns)]
            found.sort(key=lambda message: message.state_utc_ns)
            return [
                (message, reader.steps(message.id))
                for message in found
                if not (message.is_settled and message.id in cursor.status_ids)
            ]

        for message, steps in await self._store.fetch(read):
            self.n_again += 1
            self.tell(MessageChanged(message=message, steps=steps, is_again=True))

    # The cursor

    def _read(self) -> _Cursor | None:
        kept = self._values.get(_NAME)
        try:
            return None if kept is None else msgspec.json.decode(kept, type=_Cursor)
        except msgspec.DecodeError:
            _log.error("shortmsg_feed_damaged")
            return None

    async def _write(self) -> None:
        packed = msgspec.json.encode(self._cursor)
        await self._values.compare_and_set(_NAME, self._values.get(_NAME), packed)


def _behind(cursor: _Cursor, event: _Event) -> _Cursor:
    """The cursor once this event is safe.

    It follows a clock that was set back: what happens from then on is behind it.
    """
    if isinstance(event, MessageReceived):
        return msgspec.structs.replace(cursor, received=event.kept.id)
    if not event.steps:
        return cursor
    at_utc_ns = event.steps[-1].at_utc_ns
    ids = cursor.status_ids if at_utc_ns == cursor.status_utc_ns else ()
    return msgspec.structs.replace(
        cursor, status_utc_ns=at_utc_ns, status_ids=(*ids, event.message.id)
    )
