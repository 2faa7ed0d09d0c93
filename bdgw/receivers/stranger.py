"""Connections that no device claims: kept open for an operator to look at, never decoded.

Bounded in number and in bytes; what they send is counted and thrown away.
"""

from __future__ import annotations

from bdgw.receivers.snapshot import QuarantinedPeer
from bdgw.receivers.socket_link import SocketLink
from bdgw.receivers.transport import Lost

__all__ = ["HEAD_BYTES", "Quarantine", "Stranger"]

HEAD_BYTES = 128
"""Enough to recognise a sentence, a registration or an HTTP request."""


class Stranger:
    """Counts what one unknown peer sends and keeps the beginning."""

    def __init__(self, peer: str, data: bytes, reason: str, now: float) -> None:
        self._peer = peer
        self._head = data[:HEAD_BYTES]
        self._bytes_in = len(data)
        self._reason = reason
        self._since_s = now
        self.is_over = False

    def on_data(self, data: bytes) -> None:
        """Count; keep only what the head still lacks."""
        self._bytes_in += len(data)
        missing = HEAD_BYTES - len(self._head)
        if missing > 0:
            self._head += data[:missing]

    def on_lost(self, lost: Lost) -> None:  # noqa: ARG002 - the contract has it
        """It has gone away by itself."""
        self.is_over = True

    def on_waiting(self, lost: Lost | None, text: str) -> None:
        """Never called: an accepted connection waits for nobody."""

    def on_note(self, text: str | None) -> None:
        """Never called."""

    def snapshot(self, now: float) -> QuarantinedPeer:
        """What is known of it at ``now``."""
        return QuarantinedPeer(
            peer=self._peer,
            reason=self._reason,
            age_s=max(0.0, now - self._since_s),
            bytes_in=self._bytes_in,
            head=self._head,
        )


class Quarantine:
    """The unknown connections of one listener, oldest first."""

    def __init__(self, max_links: int) -> None:
        self._max_links = max_links
        self._links: dict[SocketLink, Stranger] = {}

    def admit(self, link: SocketLink, data: bytes, reason: str, now: float) -> int:
        """Keep ``link``; return how many older ones were closed to make room."""
        self._forget_gone()
        n_closed = 0
        while self._links and len(self._links) >= self._max_links:
            oldest = next(iter(self._links))
            del self._links[oldest]
            oldest.abort()
            n_closed += 1
        stranger = Stranger(link.peer, data, reason, now)
        self._links[link] = stranger
        link.attach(stranger)
        return n_closed

    def snapshot(self, now: float) -> tuple[QuarantinedPeer, ...]:
        """Everyone who is still connected."""
        self._forget_gone()
        return tuple(stranger.snapshot(now) for stranger in self._links.values())

    async def close(self) -> None:
        """Close them all."""
        links, self._links = list(self._links), {}
        for link in links:
            await link.close()

    def _forget_gone(self) -> None:
        for link in [link for link, stranger in self._links.items() if stranger.is_over]:
            del self._links[link]
