"""What peers must be told, from the inbox to the terminal that took it. Pure."""

from __future__ import annotations

from bdgw.shortmsg.inbox import Inbox

__all__ = ["PeerAnswers"]


class PeerAnswers:
    """Receipts and controls by terminal; what a terminal refuses is told by the next one."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._given: dict[str, tuple[int, bytes]] = {}
        self._again: list[tuple[int, bytes]] = []

    def has_one(self, now: float) -> bool:
        """Whether a peer waits for a word."""
        return bool(self._again) or self._inbox.has_answer(now)

    def batch_due_s(self) -> float | None:
        """When receipts have waited long enough for others."""
        return self._inbox.receipts.next_s()

    def take(self, terminal: str, *, max_bytes: int, now: float) -> tuple[int, bytes] | None:
        """Give the address and the record that this terminal sends next."""
        answer = self._again.pop(0) if self._again else self._inbox.answer(now, max_bytes=max_bytes)
        if answer is not None:
            self._given[terminal] = answer
        return answer

    def done(self, terminal: str) -> None:
        """It went out, or may have, or never can."""
        self._given.pop(terminal, None)

    def put_back(self, terminal: str) -> None:
        """It did not go out."""
        answer = self._given.pop(terminal, None)
        if answer is not None:
            self._again.append(answer)
