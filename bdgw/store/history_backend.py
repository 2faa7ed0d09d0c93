"""What the writer and the readers of the history need of a store: the seam of SQLite and others.

Calls block, and are of one thread at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from bdgw.history import BootGaps, FixPage, FixQuery, Missing, SeqRange
from bdgw.hub import FixQuarantined
from bdgw.model import DeviceFix

__all__ = ["HistoryBackend", "HistoryItem", "HistoryLimits", "HistoryReader", "Written"]

HistoryItem = DeviceFix | FixQuarantined


class HistoryLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How long and how much is kept; None is without a limit."""

    max_age_ns: int | None = None
    max_bytes: int | None = None
    max_quarantined: int = 10_000

    def __post_init__(self) -> None:
        for limit in (self.max_age_ns, self.max_bytes):
            if limit is not None and limit <= 0:
                raise ValueError("a limit of the history is above 0, or None")


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a batch."""

    n_stored: int
    n_quarantined: int
    n_refused: int
    """Values that cannot be written, now or ever."""


class HistoryBackend(Protocol):
    """Writes. After an error it may be called again: it opens anew what it needs."""

    kind: str

    def write(self, items: Sequence[HistoryItem], *, trusted_utc_ns: int | None) -> Written:
        """Write all in one commit; what is there already stays as it is and counts as stored.

        ``trusted_utc_ns`` is the time now where it is known to be right.

        Raises:
            StoreError: nothing is written; it may succeed later.
        """
        ...

    def retain(self, *, trusted_utc_ns: int | None) -> int:
        """Delete a part of what is too old or too much; how many. 0: nothing is left to do.

        Raises:
            StoreError: it could not be deleted.
        """
        ...

    def used_bytes(self) -> int | None:
        """Bytes in use, None where that is not ours to know.

        Raises:
            StoreError: it cannot be asked.
        """
        ...

    def close(self) -> None:
        """Close what is open."""
        ...


class HistoryReader(Protocol):
    """Reads, beside the writer and without waiting for it. See ``bdgw.history.History``."""

    def page(self, query: FixQuery) -> FixPage:
        """A page of fixes."""
        ...

    def count(self, query: FixQuery) -> int:
        """Of so many fixes the range has at most."""
        ...

    def gaps(self, device: str, *, limit: int) -> Sequence[BootGaps]:
        """What is missing, for each start."""
        ...

    def newest(self, device: str) -> DeviceFix | None:
        """The fix that was kept last."""
        ...

    def numbered(
        self, device: str, boot: str, wanted: SeqRange, *, limit: int
    ) -> tuple[DeviceFix, ...]:
        """The first fixes of a range of numbers."""
        ...

    def missing(self, device: str, boot: str, wanted: SeqRange, *, limit: int) -> Missing:
        """Which numbers of a range are not kept."""
        ...

    def close(self) -> None:
        """Close what is open."""
        ...
