"""Moves bytes between a transport and a protocol session, with one timer for its deadlines.

Runs inside the callback that read the bytes: no task is woken for a read. Knows nothing of the
protocol, the link's health, or reconnection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

from bdgw.receivers.clock import Clock
from bdgw.wire.session import Session

__all__ = ["Pump"]

EventT = TypeVar("EventT")

_MIN_DELAY_S = 0.001
"""A session whose deadline does not move on must not become a busy loop."""


class Pump(Generic[EventT]):
    """One session of one connection; ``on_timer_error`` takes what a timer would swallow."""

    def __init__(
        self,
        session: Session[EventT],
        emit: Callable[[EventT, float], None],
        clock: Clock,
        *,
        write: Callable[[bytes], bool],
        on_timer_error: Callable[[Exception], None],
    ) -> None:
        self._session = session
        self._emit = emit
        self._clock = clock
        self._write = write
        self._on_timer_error = on_timer_error
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due_s = 0.0

    @property
    def session(self) -> Session[EventT]:
        """The protocol machine; call ``flush`` after telling it something."""
        return self._session

    def feed(self, data: bytes) -> None:
        """Take bytes that were just read."""
        now = self._clock.monotonic_s()
        self._session.receive(data, now=now)
        self._deliver(now)

    def flush(self) -> None:
        """Deliver what the session has to say or to send by itself."""
        self._deliver(self._clock.monotonic_s())

    def finish(self) -> None:
        """Tell the session that no more bytes will come, deliver the rest, and stop."""
        now = self._clock.monotonic_s()
        self._session.receive(b"", now=now)
        for event in self._session.events():
            self._emit(event, now)
        self.close()

    def close(self) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _deliver(self, now: float) -> None:
        for event in self._session.events():
            self._emit(event, now)
        data = self._session.data_to_send()
        if data:
            self._write(data)
        deadline = self._session.deadline()
        if deadline is not None:
            self._arm(deadline, now)

    def _arm(self, deadline: float, now: float) -> None:
        # Every read moves the deadline later, so a timer that is early enough stays: it finds
        # out when it fires. Only an earlier deadline costs a new timer.
        if self._timer is not None:
            if self._timer_due_s <= deadline:
                return
            self._timer.cancel()
        delay_s = max(_MIN_DELAY_S, deadline - now)
        self._timer_due_s = now + delay_s
        self._timer = self._loop.call_later(delay_s, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        now = self._clock.monotonic_s()
        try:
            deadline = self._session.deadline()
            if deadline is not None and deadline <= now:
                self._session.tick(now=now)
            self._deliver(now)
        except Exception as error:  # noqa: BLE001 - the loop would log it and go on; the owner ends
            self._on_timer_error(error)
