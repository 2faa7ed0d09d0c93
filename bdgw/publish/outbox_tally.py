"""What has come of the entries, how fast they come, and for how long there is room. Pure."""

from __future__ import annotations

from collections import Counter

from bdgw.publish.outbox_pace import Bounds

__all__ = ["FlowRate", "Tally"]

_PERIOD_S = 10.0
_KEPT = 0.9
"""Share of the old mean that each period leaves: about two minutes count."""


class FlowRate:
    """Counts what is added; ``tick`` makes a rate of it."""

    def __init__(self) -> None:
        self.items_per_s = 0.0
        self._n = 0
        self._n_all = 0
        self._bytes_all = 0
        self._since_s: float | None = None
        self._is_first = True

    @property
    def item_bytes(self) -> float:
        """Mean size of an item."""
        return self._bytes_all / self._n_all if self._n_all else 0.0

    def add(self, size_bytes: int) -> None:
        """Count one item."""
        self._n += 1
        self._n_all += 1
        self._bytes_all += size_bytes

    def tick(self, now_s: float) -> None:
        """Let time pass."""
        if self._since_s is None:
            self._since_s, self._n = now_s, 0
            return
        passed_s = now_s - self._since_s
        if passed_s < _PERIOD_S:
            return
        rate = self._n / passed_s
        if self._is_first:
            self.items_per_s, self._is_first = rate, False
        else:
            self.items_per_s = _KEPT * self.items_per_s + (1 - _KEPT) * rate
        self._since_s, self._n = now_s, 0


class Tally:
    """Counters of this process."""

    def __init__(self) -> None:
        self.accepted = 0
        self.restored = 0
        self.acked = 0
        self.rejected: Counter[str] = Counter()
        self.dropped: Counter[str] = Counter()
        self.flow = FlowRate()

    def accept(self, size_bytes: int) -> None:
        """Count an entry that was put."""
        self.accepted += 1
        self.flow.add(size_bytes)

    def room_h(
        self, bounds: Bounds, *, depth: int, used_bytes: int, stored_item_bytes: float | None
    ) -> float | None:
        """Hours until a bound is reached if nothing leaves; None while the rate is unknown."""
        if not self.flow.items_per_s:
            return None
        item_bytes = self.flow.item_bytes if stored_item_bytes is None else stored_item_bytes
        room_s = min(
            (bounds.max_items - depth) / self.flow.items_per_s,
            (bounds.max_bytes - used_bytes) / (self.flow.items_per_s * item_bytes),
            bounds.max_age_s,
        )
        return round(max(0.0, room_s) / 3600, 2)
