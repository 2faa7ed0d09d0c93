"""What the outbox wants of the file behind it; ``bdgw.store.outbox_file`` has it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Protocol

__all__ = ["Chunk", "ChunkFile", "FileTotals"]


class Chunk(Protocol):
    """A chunk as the file gives it."""

    @property
    def id(self) -> int:
        """Ascending in the order of writing."""
        ...

    @property
    def n(self) -> int:
        """Entries, the settled ones included."""
        ...

    @property
    def accepted_s(self) -> float:
        """When the last of them was accepted, in seconds that the outbox has run."""
        ...

    @property
    def data(self) -> bytes:
        """The entries, encoded."""
        ...

    @property
    def settled(self) -> bytes:
        """A bit an entry, the first one lowest."""
        ...

    @property
    def n_waiting(self) -> int:
        """Entries that are not settled."""
        ...

    @property
    def size_bytes(self) -> int:
        """What it counts against the bound."""
        ...


class FileTotals(Protocol):
    """What the file holds."""

    @property
    def n(self) -> int:
        """Entries, the settled ones included."""
        ...

    @property
    def size_bytes(self) -> int:
        """What it counts against the bound."""
        ...

    @property
    def last_chunk(self) -> int:
        """The highest id that a chunk ever had."""
        ...

    @property
    def last_entry(self) -> int:
        """The highest id that a stored entry ever had."""
        ...

    @property
    def ran_s(self) -> float:
        """How long the outbox has run."""
        ...


class ChunkFile(Protocol):
    """The file behind the outbox; what fails raises a ``BdgwError`` and leaves no trace."""

    def totals(self) -> FileTotals:
        """Count what is there."""
        ...

    def urgent(self) -> Sequence[Chunk]:
        """Every chunk that may not be dropped."""
        ...

    def next(self, after: int, skip: Collection[int]) -> Chunk | None:
        """The first ordinary chunk behind ``after``, those in ``skip`` excepted."""
        ...

    def apply(
        self,
        *,
        chunks: Sequence[tuple[int, bool, int, int, float, bytes]],
        settled: Sequence[tuple[int, int, bytes]],
        deleted: Iterable[int],
        losses: Iterable[tuple[str, bytes]],
        ran_s: float,
    ) -> list[int]:
        """Write all of it in one commit; the sizes of the new chunks."""
        ...

    def oldest(
        self, *, after: int, keep: Collection[int], n: int, size_bytes: int, before_s: float
    ) -> Sequence[Chunk]:
        """Ordinary chunks to be given up, oldest first."""
        ...

    def losses(self) -> Sequence[tuple[str, bytes]]:
        """The rows of undelivered fixes, by device."""
        ...

    def close(self) -> None:
        """Close it."""
        ...
