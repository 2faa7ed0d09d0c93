"""Keeps what a platform of JT/T 808 has not answered, beyond the memory and the end of the gateway.

The history has every fix already, so that only numbers are kept here: a file says which of them
the platform still has to be told. Their reports are made again from the history, page by page, when
the platform takes them.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import msgspec
import structlog

from bdgw.adapters.frame import Refusal
from bdgw.adapters.jt808_backlog import Backlog, Mark, Saved, after
from bdgw.adapters.jt808_queue import ReportQueue, Span
from bdgw.adapters.kept_file import read_kept, write_kept
from bdgw.adapters.pace import Pace
from bdgw.history import History, HistoryError, SeqRange
from bdgw.model import DeviceFix

__all__ = ["BacklogFile", "BacklogKeeper"]

_PAGE = 1000
_WAITING_LOW = 100
"""With fewer reports waiting than this, the next page is read: some three batches."""
_RETRY_S = 10.0

_log = structlog.get_logger(__name__)


class BacklogFile:
    """What is saved of all terminals of a platform. Never raises."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._kept: Mapping[str, Saved] = read_kept(path, dict[str, Saved]) or {}
        self._lock = threading.Lock()

    def get(self, device: str) -> Saved:
        """What an earlier start has left."""
        return self._kept.get(device, Saved())

    def write(self, states: Mapping[str, Saved]) -> None:
        """Put it on the disk, unless it is there."""
        with self._lock:
            if states != self._kept and write_kept(self._path, msgspec.json.encode(states)):
                self._kept = states


class BacklogKeeper:
    """One terminal's. ``encode`` makes the report of a fix; ``on_loaded`` is told of new ones."""

    def __init__(
        self,
        device: str,
        *,
        history: History,
        boot: str,
        saved: Saved,
        max_waiting: int,
        period_s: float,
        encode: Callable[[DeviceFix], bytes | Refusal],
        on_loaded: Callable[[], None],
    ) -> None:
        self._device = device
        self._history = history
        self._boot = boot
        self._saved = saved
        self._backlog = Backlog(saved.spans)
        self._is_complete = saved.until is None
        """Whether what came after ``saved.until`` is in the backlog."""
        self._until = saved.until
        self._pace = Pace(period_s)
        self._encode = encode
        self._on_loaded = on_loaded
        self._is_wanted = asyncio.Event()
        self._max_waiting = max_waiting
        self._n_low = min(_WAITING_LOW, max_waiting)
        self.queue = ReportQueue(max_waiting, self._backlog.add)
        self.n_missing = 0
        """Fixes that the history has not any more."""

    @property
    def n_stored(self) -> int:
        """Fixes that are in the history only, those that would be passed over included."""
        return self._backlog.n_fixes

    def seen(self, item: DeviceFix) -> None:
        """Note that a fix was offered: it is in the queue, or need not be told."""
        self._until = Mark(item.boot, item.seq, item.t_rx_utc_ns)

    def state(self) -> Saved:
        """What a later start must know."""
        unanswered = Backlog(self._backlog.spans())
        for span in self.queue.spans():
            unanswered.add(span)
        until = self._until if self._is_complete else self._saved.until
        return Saved(until, tuple(unanswered.spans()))

    def want(self) -> None:
        """The platform takes reports: see to it that there are some."""
        if self.queue.n_waiting < self._n_low and self._backlog.first() is not None:
            self._is_wanted.set()

    async def run(self) -> None:
        """Find what an earlier start has left, then read whatever is wanted, until cancelled."""
        await self._persistently(self._complete)
        while True:
            await self._is_wanted.wait()
            self._is_wanted.clear()
            await self._persistently(self._read)

    async def _persistently(self, step: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await step()
            except HistoryError as error:
                _log.warning("jt808_backlog_unread", device=self._device, reason=str(error))
                await asyncio.sleep(_RETRY_S)
            else:
                return

    async def _complete(self) -> None:
        until = self._saved.until
        if until is None:
            return
        starts = await self._history.gaps(self._device, limit=1)
        # What came since this start is in the queue.
        earlier = [start for start in starts if start.boot != self._boot]
        spans = after(until, earlier)
        for span in spans:
            self._backlog.add(span)
        if spans and self._until == until:
            last = earlier[-1]
            self._until = Mark(last.boot, last.last_seq, last.last_utc_ns)
        self._is_complete = True
        self._on_loaded()

    async def _read(self) -> None:
        while (span := self._backlog.first()) and self.queue.n_waiting < self._n_low:
            await self._history.flush()
            wanted = SeqRange(span.first, span.last)
            fixes = await self._history.numbered(self._device, span.boot, wanted, limit=_PAGE)
            read, n_read = self._take_in(span, fixes)
            self._backlog.take(read)
            self.n_missing += read.last - read.first + 1 - n_read
            self._on_loaded()

    def _take_in(self, span: Span, fixes: Sequence[DeviceFix]) -> tuple[Span, int]:
        """Make reports of the first fixes of a span, as many as there is room for.

        Gives what they are of the span, and how many of its fixes there were.
        """
        room = self._max_waiting - self.queue.n_waiting
        reports: list[tuple[bytes, Span]] = []
        last = fixes[-1].seq if len(fixes) == _PAGE else span.last
        n_read = 0
        for item in fixes:
            body = self._encode(item) if self._pace.is_due(item) else None
            if body is None or isinstance(body, Refusal):
                if reports:
                    report, before = reports.pop()
                    reports.append((report, Span(span.boot, before.first, item.seq)))
            elif len(reports) == room:
                last = item.seq - 1
                break
            else:
                self._pace.told(item)
                reports.append((body, Span(span.boot, item.seq, item.seq)))
            n_read += 1
        self.queue.put_again(reports)
        return Span(span.boot, span.first, last), n_read
