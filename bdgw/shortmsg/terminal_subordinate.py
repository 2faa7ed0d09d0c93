"""The list of subordinates of a 指挥机, which comes in pages (RDSS digest 3.2 and 5.1)."""

from __future__ import annotations

__all__ = ["SubordinateList"]

_PAGES_MAX = 125
"""What family 2.1 can number; with 40 addresses a page that is 5,000."""
_TOTAL_MAX = 20_000
"""Bounds the memory, whatever a terminal says."""


class SubordinateList:
    """Collects pages until they are as many as the card announces, or no more come."""

    def __init__(self) -> None:
        self._n_announced = 0
        self._addresses: dict[int, None] = {}
        self.page = 1
        """The page to be asked for."""
        self.whole: tuple[int, ...] | None = None
        """What was collected, once no more is to come."""

    @property
    def is_complete(self) -> bool:
        """There are as many as the card announces."""
        return len(self._addresses) >= self._n_announced

    def begin(self, n_announced: int) -> bool:
        """A card was read; True where it has a list that is to be read."""
        self._n_announced = n_announced
        self._addresses = {}
        self.page = 1
        self.whole = None
        return n_announced > 0

    def page_seen(self, addresses: tuple[int, ...]) -> bool:
        """Take a page; True where another one is to be asked for."""
        n_before = len(self._addresses)
        room = _TOTAL_MAX - n_before
        self._addresses.update(dict.fromkeys(addresses[:room]))
        is_growing = len(self._addresses) > n_before
        self.page += 1
        return (
            is_growing
            and len(self._addresses) < min(self._n_announced, _TOTAL_MAX)
            and self.page <= _PAGES_MAX
        )

    def end(self) -> tuple[int, ...] | None:
        """Give what was collected, None where that is nothing."""
        if not self._addresses:
            return None
        self.whole = tuple(self._addresses)
        return self.whole
