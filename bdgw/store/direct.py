"""A store that commits inside the call: for the command line, for virtual time, for tests."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence

from bdgw.shortmsg.ledger_store import (
    InboundPage,
    InboundQuery,
    Page,
    Query,
    RejectedWriteError,
    StoreError,
    Write,
)
from bdgw.shortmsg.message import Message, Step
from bdgw.store.file import MEMORY, LedgerFile

__all__ = ["FACTS_MAX", "DirectStore"]

FACTS_MAX = 100_000
"""What has happened and is on no disk yet: more than that are lost, and counted by the ledger."""


class _Ended:
    """Awaited to its end at once; the caller was told how it ended."""

    def __await__(self) -> Generator[None, None, None]:
        return
        yield


class DirectStore:
    """One commit a write, in the caller's thread; a fact that failed goes before the next write."""

    def __init__(self, path: str = MEMORY, *, max_bytes: int | None = None) -> None:
        """Open the file; ``:memory:`` is as forgetful as its name.

        Raises:
            StoreError: see ``LedgerFile``.
        """
        self.file = LedgerFile(path, max_bytes=max_bytes)
        self._kept: deque[tuple[Write, Callable[[StoreError | None], None]]] = deque()

    def close(self) -> None:
        """Try once more what was kept, and close the file."""
        self._write_kept()
        while self._kept:
            _write, done = self._kept.popleft()
            done(StoreError(f"{self.file.path}: closed before it could be written"))
        self.file.close()

    def write(self, write: Write, done: Callable[[StoreError | None], None]) -> Awaitable[None]:
        """Write at once."""
        self._write_kept()
        if self._kept and write.is_fact:
            error: StoreError | None = StoreError(f"{self.file.path}: facts before it wait")
        else:
            error = self._try(write)
        may_succeed = error is not None and not isinstance(error, RejectedWriteError)
        if may_succeed and write.is_fact and len(self._kept) < FACTS_MAX:
            self._kept.append((write, done))
        else:
            done(error)
        return _Ended()

    def _write_kept(self) -> None:
        while self._kept:
            write, done = self._kept[0]
            error = self._try(write)
            if error is not None and not isinstance(error, RejectedWriteError):
                return
            self._kept.popleft()
            done(error)

    def _try(self, write: Write) -> StoreError | None:
        try:
            return self.file.apply((write,))[0]
        except StoreError as error:
            return error

    def unfinished(self) -> Sequence[Message]:
        """Every message that is not settled, by id."""
        return self.file.reader.unfinished()

    def values(self) -> Mapping[str, bytes]:
        """The whole table of values."""
        return self.file.reader.values()

    def message(self, message_id: str) -> Message | None:
        """One message."""
        return self.file.reader.message(message_id)

    def steps(self, message_id: str) -> tuple[Step, ...]:
        """All steps of a message."""
        return self.file.reader.steps(message_id)

    def message_by_key(self, key: str) -> Message | None:
        """The message of a submission key."""
        return self.file.reader.message_by_key(key)

    def message_by_air_number(self, to: int, air_number: int) -> Message | None:
        """The newest message to a peer that has this number."""
        return self.file.reader.message_by_air_number(to, air_number)

    def find(self, query: Query) -> Page:
        """A page of messages."""
        return self.file.reader.find(query)

    def inbound(self, query: InboundQuery) -> InboundPage:
        """A page of received messages."""
        return self.file.reader.inbound(query)
