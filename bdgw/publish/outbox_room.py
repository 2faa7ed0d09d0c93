"""How much room the outbox has, in memory and on the disk together, and when room is made. Pure."""

from __future__ import annotations

from bdgw.publish.outbox_memory import Memory
from bdgw.publish.outbox_pace import Bounds
from bdgw.publish.outbox_shelf import Shelf
from bdgw.publish.outbox_tally import Tally

__all__ = ["Room"]

_AGING_PERIOD_S = 60.0


class Room:
    """Looks at memory and shelf; changes nothing of them."""

    def __init__(self, bounds: Bounds, memory: Memory, shelf: Shelf) -> None:
        self._bounds = bounds
        self._memory = memory
        self._shelf = shelf
        self._aged_s: float | None = None
        self._memory_aged_s: float | None = None

    @property
    def depth(self) -> int:
        """Entries, wherever they are."""
        return len(self._memory.held) + self._shelf.n_stored

    @property
    def size_bytes(self) -> int:
        """Their size."""
        return self._memory.size_bytes + self._shelf.size_bytes

    def excess(self) -> tuple[int, int]:
        """Tell by how many entries and bytes the bounds are exceeded."""
        over_bytes = self.size_bytes - self._bounds.max_bytes
        return max(0, self.depth - self._bounds.max_items), max(0, over_bytes)

    def is_over(self) -> bool:
        """Whether a bound is exceeded."""
        return self.excess() != (0, 0)

    def is_memory_over(self, *, is_disk_well: bool) -> bool:
        """Whether something in memory must go now."""
        bounds, memory = self._bounds, self._memory
        if len(memory.held) > bounds.memory_items or memory.size_bytes > bounds.memory_bytes:
            return True
        # What is on the disk only is older, and goes first, with the next commit.
        is_on_disk = self._shelf.n_stored > 0 and not memory.history.entries
        return not (is_on_disk and is_disk_well) and self.is_over()

    def too_old_s(self, now_s: float) -> float | None:
        """From time to time, give before when entries in memory are too old."""
        if self._memory_aged_s is not None and now_s - self._memory_aged_s < _AGING_PERIOD_S:
            return None
        self._memory_aged_s = now_s
        return now_s - self._bounds.max_age_s

    def is_aging(self, now_s: float) -> bool:
        """From time to time, say that what is too old on the disk is to be given up."""
        is_due = self._aged_s is None or now_s - self._aged_s >= _AGING_PERIOD_S
        if self._shelf.n_stored <= 0 or not is_due:
            return False
        self._aged_s = now_s
        return True

    def age_again(self) -> None:
        """There may be more that is too old than one commit should delete."""
        self._aged_s = None

    def hours(self, tally: Tally) -> float | None:
        """Hours until a bound is reached if nothing leaves; None while the rate is unknown."""
        shelf = self._shelf
        return tally.room_h(
            self._bounds,
            depth=self.depth,
            used_bytes=self.size_bytes,
            stored_item_bytes=shelf.bytes_written / shelf.n_written if shelf.n_written else None,
        )
