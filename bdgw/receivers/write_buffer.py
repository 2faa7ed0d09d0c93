"""What waits to be written to one port. Pure.

Bounded in bytes, refusing when full, and honest about how long the other end has taken nothing.
"""

from __future__ import annotations

from bdgw.receivers.transport import WriteState

__all__ = ["WriteBuffer"]


class WriteBuffer:
    """Bytes in order; a message is taken as a whole or refused as a whole."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._pending = bytearray()
        self._n_drops = 0
        self._stalled_since_s: float | None = None

    def __len__(self) -> int:
        return len(self._pending)

    def has_room_for(self, n_bytes: int) -> bool:
        """Say whether ``n_bytes`` more fit."""
        return len(self._pending) + n_bytes <= self._limit_bytes

    def append(self, data: bytes, now: float) -> None:
        """Keep ``data``; waiting starts now if nothing waited before."""
        if not self._pending:
            self._stalled_since_s = now
        self._pending += data

    def count_drop(self) -> None:
        """Remember that one message was refused."""
        self._n_drops += 1

    def view(self, limit_bytes: int) -> bytes:
        """The next bytes to write, at most ``limit_bytes``."""
        return bytes(self._pending[:limit_bytes])

    def taken(self, n_bytes: int, now: float) -> None:
        """The other end took ``n_bytes``: that is progress."""
        del self._pending[:n_bytes]
        self._stalled_since_s = now if self._pending else None

    def state(self, now: float) -> WriteState:
        """How the sending side fares at ``now``."""
        since_s = self._stalled_since_s
        return WriteState(
            n_drops=self._n_drops,
            pending_bytes=len(self._pending),
            stalled_s=None if since_s is None else max(0.0, now - since_s),
        )
