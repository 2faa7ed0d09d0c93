"""Room on the disk for what a message under way must remember: few names, used again. Pure."""

from __future__ import annotations

import msgspec

from bdgw.shortmsg.transfer_state import TransferState
from bdgw.shortmsg.value_table import ValueTable

__all__ = ["Shelf", "ShelfEntry"]

_FREE = b""


class ShelfEntry(msgspec.Struct, frozen=True, kw_only=True):
    """What one long message remembers."""

    id: str
    payload: bytes
    """As it was made: a nonce is used once, so nothing is sealed again."""
    state: TransferState | None = None
    card: int | None = None
    """The one that has sent units of it."""


class Shelf:
    """A fixed number of places; a name in the table of values cannot be taken away again."""

    def __init__(self, values: ValueTable, *, name: str, n_places: int) -> None:
        self._values = values
        self._names = [f"{name}/{place}" for place in range(n_places)]
        self._held: dict[str, tuple[str, bytes]] = {}
        for place in self._names:
            kept = values.get(place)
            if kept:
                entry = msgspec.msgpack.decode(kept, type=ShelfEntry)
                self._held[entry.id] = (place, kept)

    def get(self, message_id: str) -> ShelfEntry | None:
        """What a message remembers."""
        held = self._held.get(message_id)
        return None if held is None else msgspec.msgpack.decode(held[1], type=ShelfEntry)

    @property
    def is_full(self) -> bool:
        """Whether there is no room for another message."""
        return len(self._held) >= len(self._names)

    def put(self, entry: ShelfEntry) -> bool:
        """Keep it in the place of what this message kept before; False: there is no room."""
        held = self._held.get(entry.id)
        if held is None:
            used = {place for place, _ in self._held.values()}
            free = next((place for place in self._names if place not in used), None)
            if free is None:
                return False
            held = (free, self._values.get(free) or _FREE)
        place, _ = held
        packed = msgspec.msgpack.encode(entry)
        self._values.compare_and_set(place, self._values.get(place), packed)
        self._held[entry.id] = (place, packed)
        return True

    def drop(self, message_id: str) -> None:
        """The message has its outcome."""
        held = self._held.pop(message_id, None)
        if held is not None:
            self._values.compare_and_set(held[0], self._values.get(held[0]), _FREE)
