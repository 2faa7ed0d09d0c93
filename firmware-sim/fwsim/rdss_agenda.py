"""What is due when: one queue of actions on a clock that somebody else moves. Pure."""

import heapq
from collections.abc import Callable

Action = Callable[[], None]


class Agenda:
    """Actions in the order of their time; equal times keep the order of entry."""

    def __init__(self) -> None:
        """Begin at zero."""
        self.now_s = 0.0
        self._n = 0
        self._queue: list[tuple[float, int, Action]] = []

    def at(self, at_s: float, action: Action) -> None:
        """Enter an action; one for the past is due now."""
        self._n += 1
        heapq.heappush(self._queue, (max(at_s, self.now_s), self._n, action))

    def deadline(self) -> float | None:
        """Return when the next action is due."""
        return self._queue[0][0] if self._queue else None

    def advance(self, to_s: float) -> None:
        """Do everything that is due up to a time; the clock never goes back."""
        while self._queue and self._queue[0][0] <= to_s:
            at_s, _, action = heapq.heappop(self._queue)
            self.now_s = at_s
            action()
        self.now_s = max(self.now_s, to_s)
