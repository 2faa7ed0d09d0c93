"""What waits to be written to one port. Pure.

Bounded in bytes, refusing when full, and honest about how long the other end has taken nothing.
Perishable messages that have waited too long are left out, as a whole, before their first byte.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from bdgw.receivers.transport import Done, WriteState

__all__ = ["WriteBuffer"]

_NEVER_S = float("inf")


class _Message(NamedTuple):
    data: bytes
    expires_s: float
    done: Done | None

    def end(self, *, is_written: bool) -> None:
        if self.done is not None:
            self.done(is_written)


class WriteBuffer:
    """Messages in order; each is taken as a whole or refused as a whole."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._messages: deque[_Message] = deque()
        self._n_begun = 0
        self._n_bytes = 0
        self._n_drops = 0
        self._n_perished = 0
        self._stalled_since_s: float | None = None

    def __len__(self) -> int:
        return self._n_bytes

    def has_room_for(self, n_bytes: int, now: float) -> bool:
        """Say whether ``n_bytes`` more fit once what has perished is gone."""
        self._expire(now)
        return self._n_bytes + n_bytes <= self._limit_bytes

    def append(
        self,
        data: bytes,
        now: float,
        *,
        lifetime_s: float | None = None,
        done: Done | None = None,
    ) -> None:
        """Keep ``data``, for ``lifetime_s`` at most; waiting starts now if nothing waited.

        ``done`` is told once whether all of it was written.
        """
        if not data:
            return
        if not self._messages:
            self._stalled_since_s = now
        expires_s = _NEVER_S if lifetime_s is None else now + lifetime_s
        self._messages.append(_Message(data, expires_s, done))
        self._n_bytes += len(data)

    def count_drop(self) -> None:
        """Remember that one message was refused."""
        self._n_drops += 1

    def view(self, limit_bytes: int, now: float) -> bytes:
        """The next bytes to write, at most ``limit_bytes``; empty when nothing waits."""
        self._expire(now)
        pieces: list[bytes] = []
        n_bytes, begin = 0, self._n_begun
        for data, expires_s, _ in self._messages:
            if now >= expires_s and pieces:
                break  # its turn to be left out comes when it is the first
            piece = data[begin : begin + limit_bytes - n_bytes]
            pieces.append(piece)
            n_bytes += len(piece)
            begin = 0
            if n_bytes == limit_bytes:
                break
        return b"".join(pieces)

    def taken(self, n_bytes: int, now: float) -> None:
        """The other end took ``n_bytes``: that is progress."""
        self._n_bytes -= n_bytes
        n_bytes += self._n_begun
        written = []
        while self._messages and len(self._messages[0].data) <= n_bytes:
            written.append(self._messages.popleft())
            n_bytes -= len(written[-1].data)
        self._n_begun = n_bytes
        self._stalled_since_s = now if self._messages else None
        for message in written:
            message.end(is_written=True)

    def give_up(self) -> None:
        """The port is gone: what waits will not be written."""
        given_up = list(self._messages)
        self._messages.clear()
        self._n_begun = self._n_bytes = 0
        self._stalled_since_s = None
        for message in given_up:
            message.end(is_written=False)

    def state(self, now: float) -> WriteState:
        """How the sending side fares at ``now``."""
        since_s = self._stalled_since_s
        return WriteState(
            n_drops=self._n_drops,
            n_perished=self._n_perished,
            pending_bytes=self._n_bytes,
            stalled_s=None if since_s is None else max(0.0, now - since_s),
        )

    def _expire(self, now: float) -> None:
        # A message whose beginning is out must go on: half a frame would spoil the next one.
        begun = self._messages.popleft() if self._n_begun else None
        perished = []
        while self._messages and now >= self._messages[0].expires_s:
            perished.append(self._messages.popleft())
            self._n_bytes -= len(perished[-1].data)
        self._n_perished += len(perished)
        if begun is not None:
            self._messages.appendleft(begun)
        if not self._messages:
            self._stalled_since_s = None
        for message in perished:
            message.end(is_written=False)
