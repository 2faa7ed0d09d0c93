"""What was kept of every device's fixes: the words of the question and of the answer.

A fix is known by its device, ``boot`` and ``seq``. The stores behind it are in ``bdgw.store``; who
asks sees a ``History`` and not which of them it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from bdgw.errors import BdgwError
from bdgw.model import DeviceFix

__all__ = [
    "PAGE_MAX",
    "BootGaps",
    "Cursor",
    "FixPage",
    "FixQuery",
    "History",
    "HistoryError",
    "HistoryState",
    "Missing",
    "RangeTooLargeError",
    "RepairBusyError",
    "RepairError",
    "SeqRange",
    "UnknownBootError",
]

PAGE_MAX = 5000
"""Fixes of a page: some megabytes of memory, some tens of milliseconds of reading."""


class HistoryError(BdgwError):
    """The history cannot be read now; the text says why."""


class UnknownBootError(BdgwError):
    """A ``boot`` of a device of which nothing is kept, or not any more."""


class RangeTooLargeError(BdgwError):
    """More fixes than one answer gives."""


class RepairError(BdgwError):
    """A request for fixes that makes no sense; the text says why."""


class RepairBusyError(BdgwError):
    """Too many requests wait already; it may be asked again later."""


class SeqRange(msgspec.Struct, frozen=True, order=True):
    """Numbers from ``first`` to ``last``, both of them included."""

    first: int
    last: int


class Cursor(msgspec.Struct, frozen=True):
    """The place behind a fix in the order in which fixes of a device were kept."""

    boot: str
    seq: int

    def __str__(self) -> str:
        return f"{self.boot}.{self.seq}"

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """Read ``boot.seq``.

        Raises:
            ValueError: it is none.
        """
        boot, _, seq = text.rpartition(".")
        if not boot or not (seq.isascii() and seq.isdigit()) or len(seq) > 18:
            raise ValueError('a place is written as "boot.seq", as in the fix before it')
        return cls(boot, int(seq))


class FixQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Fixes of a device from one instant (included) to another (not included).

    The instant of a fix is its own where its day is believed, else the one of its reception.
    """

    device: str
    from_utc_ns: int | None = None
    until_utc_ns: int | None = None
    after: Cursor | None = None
    limit: int = PAGE_MAX

    def __post_init__(self) -> None:
        if not 1 <= self.limit <= PAGE_MAX:
            raise ValueError(f"a page has 1 to {PAGE_MAX} fixes, not {self.limit}")


class FixPage(msgspec.Struct, frozen=True, kw_only=True):
    """Fixes in the order in which they were kept: by start of the gateway, and by ``seq``."""

    fixes: tuple[DeviceFix, ...]
    has_more: bool


class BootGaps(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of one device since one start of the gateway."""

    boot: str
    first_seq: int
    """What is older has been forgotten, or was never kept."""
    last_seq: int
    n_missing: int
    missing: tuple[SeqRange, ...]
    """Between the two, ascending; at most as many as were asked for."""
    first_utc_ns: int
    last_utc_ns: int


class Missing(msgspec.Struct, frozen=True, kw_only=True):
    """What is not there of a range of numbers."""

    n_missing: int
    ranges: tuple[SeqRange, ...]
    """Ascending; at most as many as were asked for."""


class HistoryState(msgspec.Struct, frozen=True, kw_only=True):
    """Counters since the start, and gauges; offered = stored + dropped + refused + waiting."""

    kind: str
    """``sqlite`` or ``postgresql``."""
    offered: int
    stored: int
    dropped: int
    """Given up because the store did not take them in time: the oldest that waited."""
    refused: int
    """Values that the store can never take."""
    waiting: int
    quarantined: int
    """Kept aside, with the reason."""
    used_bytes: int | None
    forgotten: int
    """Deleted by age or bytes."""
    error: str | None
    """Why nothing is written at the moment."""
    n_failures: int


class History(Protocol):
    """Where fixes are kept, as its readers see it. Every answer is of what is safe."""

    def state(self) -> HistoryState:
        """Counters and gauges."""
        ...

    async def flush(self) -> None:
        """Wait until what was offered up to now is kept or given up; at most for seconds."""
        ...

    async def page(self, query: FixQuery) -> FixPage:
        """A page of fixes.

        Raises:
            HistoryError: it cannot be read.
            UnknownBootError: nothing is kept of the start that ``after`` names.
        """
        ...

    async def count(self, query: FixQuery) -> int:
        """Of so many fixes the range has at most; quick, and not below the truth."""
        ...

    async def gaps(self, device: str, *, limit: int) -> Sequence[BootGaps]:
        """For each start, oldest first, which numbers are missing.

        Raises:
            HistoryError: it cannot be read.
        """
        ...

    async def newest(self, device: str) -> DeviceFix | None:
        """The fix that was kept last, of whatever start of the gateway.

        Raises:
            HistoryError: it cannot be read.
        """
        ...

    async def numbered(
        self, device: str, boot: str, wanted: SeqRange, *, limit: int
    ) -> tuple[DeviceFix, ...]:
        """The first fixes of a range of numbers, ascending; none where none is kept.

        Raises:
            HistoryError: it cannot be read.
        """
        ...

    async def missing(self, device: str, boot: str, wanted: SeqRange, *, limit: int) -> Missing:
        """Which numbers of a range are not kept.

        Raises:
            HistoryError: it cannot be read.
        """
        ...
