"""Fixes sent again on request: from the history to the history lane, each with its first id.

A request is answered at once with what is there and what is not; the sending follows in the
background at a bounded rate, one request after the other.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import structlog

from bdgw.history import History, HistoryError, RepairBusyError, RepairError, SeqRange
from bdgw.model import DeviceFix

__all__ = ["RANGE_MAX", "Repair"]

RANGE_MAX = 50_000
"""Numbers of one request: more than an hour at 10 Hz."""
_SEQ_MAX = 1 << 62
_WAITING_MAX = 16
_RANGES_MAX = 1000
_BATCH = 100
"""Fixes that are read and queued at a time."""
_RATE_PER_S = 500.0

_log = structlog.get_logger(__name__)


class _Job(msgspec.Struct, frozen=True):
    device: str
    boot: str
    wanted: SeqRange


class Repair:
    """One for the gateway. ``send`` queues a fix, and is False when there was no room for it."""

    def __init__(
        self,
        history: History,
        *,
        send: Callable[[DeviceFix], bool],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        rate_per_s: float = _RATE_PER_S,
    ) -> None:
        self._history = history
        self._send = send
        self._sleep = sleep
        self._rate_per_s = rate_per_s
        self._jobs: deque[_Job] = deque()
        self._has_jobs = asyncio.Event()
        self.n_sent = 0
        self.n_dropped = 0

    async def request(self, device: str, boot: str, from_seq: int, to_seq: int) -> dict[str, Any]:
        """Take a request and tell what will be sent and what is not there any more.

        Raises:
            RepairError: the range is none, or too large.
            RepairBusyError: too many wait.
            HistoryError: the history cannot be read.
        """
        if not 0 <= from_seq <= to_seq < _SEQ_MAX:
            raise RepairError("from_seq is 0 or more, and to_seq not below it")
        if to_seq - from_seq >= RANGE_MAX:
            raise RepairError(f"one request is for up to {RANGE_MAX} numbers")
        if len(self._jobs) >= _WAITING_MAX:
            raise RepairBusyError(f"{_WAITING_MAX} requests wait already")
        wanted = SeqRange(from_seq, to_seq)
        await self._history.flush()
        missing = await self._history.missing(device, boot, wanted, limit=_RANGES_MAX)
        n_found = to_seq - from_seq + 1 - missing.n_missing
        if n_found:
            self._jobs.append(_Job(device, boot, wanted))
            self._has_jobs.set()
        return {
            "dev": device,
            "boot": boot,
            "from_seq": from_seq,
            "to_seq": to_seq,
            "n_found": n_found,
            "n_missing": missing.n_missing,
            "missing": [{"from_seq": each.first, "to_seq": each.last} for each in missing.ranges],
        }

    async def run(self) -> None:
        """Send what was asked for, until cancelled."""
        while True:
            await self._has_jobs.wait()
            self._has_jobs.clear()
            while self._jobs:
                await self._send_all(self._jobs[0])
                self._jobs.popleft()

    async def _send_all(self, job: _Job) -> None:
        wanted = job.wanted
        while wanted.first <= wanted.last:
            try:
                fixes = await self._history.numbered(job.device, job.boot, wanted, limit=_BATCH)
            except HistoryError as error:
                _log.warning("repair_ended", device=job.device, reason=str(error))
                return
            if not fixes:
                return
            n_sent = sum(map(self._send, fixes))
            self.n_sent += n_sent
            self.n_dropped += len(fixes) - n_sent
            wanted = SeqRange(fixes[-1].seq + 1, wanted.last)
            await self._sleep(len(fixes) / self._rate_per_s)
