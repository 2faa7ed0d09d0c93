"""Answers to commands that wait for room in the window of a connection, and end with it.

An answer is not kept beyond its connection: whoever gets none asks again, and a repeated command of
the same id gives the first answer.
"""

from __future__ import annotations

from collections import deque

import msgspec

__all__ = ["WAITING_MAX", "Answer", "AnswerQueue"]

WAITING_MAX = 1000
"""As many commands are worked on at a time; an answer above that is refused."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What is published to whoever asked."""

    topic: str
    payload: bytes
    correlation: bytes | None = None
    schema: str | None = None


class AnswerQueue:
    """Oldest first; those that are sent count until their PUBACK."""

    def __init__(self) -> None:
        self._waiting: deque[Answer] = deque()
        self._owed: set[int] = set()

    @property
    def n_owed(self) -> int:
        """PUBACKs that the broker owes."""
        return len(self._owed)

    @property
    def has_waiting(self) -> bool:
        """Whether any waits for room."""
        return bool(self._waiting)

    def put(self, answer: Answer) -> bool:
        """Queue an answer; False: there is no room."""
        if len(self._waiting) >= WAITING_MAX:
            return False
        self._waiting.append(answer)
        return True

    def take(self) -> Answer | None:
        """The next one to send."""
        return self._waiting.popleft() if self._waiting else None

    def sent(self, message_id: int) -> None:
        """It went out under this message id."""
        self._owed.add(message_id)

    def acknowledged(self, message_id: int) -> None:
        """The broker has answered a publish; whose it was need not be known."""
        self._owed.discard(message_id)

    def clear(self) -> None:
        """The connection has ended."""
        self._waiting.clear()
        self._owed.clear()
