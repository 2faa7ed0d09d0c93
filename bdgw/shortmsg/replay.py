"""Which sealed messages were opened already: a bounded memory per sender and key. Pure.

The last counters are remembered one by one, so late messages of any age are let in as long as
fewer than a window of newer ones came before them; whatever is below all remembered ones is old.
Only messages with a right tag are ever shown to it, so outsiders can neither fill nor move it.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Mapping

__all__ = ["LANES_MAX", "WINDOW", "ReplayGuard", "ReplayVerdict"]

WINDOW = 64
LANES_MAX = 4096
_ROW = struct.Struct(">Q8s")
_LOW = struct.Struct(">q")
_PREFIX = "replay/"


class ReplayVerdict(enum.StrEnum):
    """What the memory says of a genuine message."""

    FRESH = "fresh"
    REPLAYED = "replayed"
    """The very same message again."""
    NONCE_REUSED = "nonce_reused"
    """Another message under a counter that was used: two senders have one key and address."""
    TOO_OLD = "too_old"
    """Below the window: perhaps opened before."""
    TABLE_FULL = "table_full"
    """No room for another sender; nobody is forgotten to make some."""


class _Lane:
    __slots__ = ("low", "seen")

    def __init__(self) -> None:
        self.low = -1
        self.seen: dict[int, bytes] = {}


class ReplayGuard:
    """The memory of one receiver. A lane is a sender and a key id."""

    def __init__(
        self, stored: Mapping[str, bytes] | None = None, *, lanes_max: int = LANES_MAX
    ) -> None:
        """Begin with the entries that ``entry`` gave; others in the mapping are passed over.

        Raises:
            ValueError: an entry is damaged. To begin empty would let old messages in again.
        """
        self._lanes: dict[tuple[int, int], _Lane] = {}
        self._lanes_max = lanes_max
        for name, value in (stored or {}).items():
            if name.startswith(_PREFIX):
                self._restore(name, value)

    def __len__(self) -> int:
        return len(self._lanes)

    def note(self, sender: int, key_id: int, counter: int, tag: bytes) -> ReplayVerdict:
        """Judge a genuine message and remember it if it is fresh; ``tag`` is of 8 bytes."""
        lane = self._lanes.get((sender, key_id))
        if lane is None:
            if len(self._lanes) >= self._lanes_max:
                return ReplayVerdict.TABLE_FULL
            lane = self._lanes[sender, key_id] = _Lane()
        known = lane.seen.get(counter)
        if known is not None:
            return ReplayVerdict.REPLAYED if known == tag else ReplayVerdict.NONCE_REUSED
        if counter <= lane.low:
            return ReplayVerdict.TOO_OLD
        lane.seen[counter] = tag
        if len(lane.seen) > WINDOW:
            lane.low = min(lane.seen)
            del lane.seen[lane.low]
        return ReplayVerdict.FRESH

    def entry(self, sender: int, key_id: int) -> tuple[str, bytes]:
        """Give name and value of what must be durable before an opened message is acted on."""
        lane = self._lanes[sender, key_id]
        rows = b"".join(_ROW.pack(counter, tag) for counter, tag in sorted(lane.seen.items()))
        return f"{_PREFIX}{sender}/{key_id}", _LOW.pack(lane.low) + rows

    def _restore(self, name: str, value: bytes) -> None:
        words = name.removeprefix(_PREFIX).split("/")
        n_rows, left = divmod(len(value) - _LOW.size, _ROW.size)
        if len(words) != 2 or not all(w.isdecimal() for w in words) or left or n_rows > WINDOW:
            raise ValueError(f"stored entry {name!r} is damaged")
        lane = _Lane()
        (lane.low,) = _LOW.unpack_from(value)
        lane.seen = dict(_ROW.iter_unpack(value[_LOW.size :]))
        self._lanes[int(words[0]), int(words[1])] = lane
