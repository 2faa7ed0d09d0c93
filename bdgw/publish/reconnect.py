"""When to try the broker again. Pure: told what happened, it says how long to wait.

A connection that is lost soon after it was made, again and again, is mostly a second client with
the same client id: both throw each other out for ever. MQTT 5 brokers may say so (0x8E), the
others only close. Both end in an alarm and a long pause, so that one of the two can work.
"""

from __future__ import annotations

import random

import msgspec

from bdgw.backoff import Backoff
from bdgw.publish.reason import LossKind

__all__ = ["Pause", "ReconnectPolicy"]


class Pause(msgspec.Struct, frozen=True, kw_only=True):
    """How long to wait before the next attempt, and whether a person should know."""

    delay_s: float
    alarm: str | None = None


class ReconnectPolicy:
    """Full-jitter backoff, and the long pause of a takeover loop.

    A connection that lived less than ``short_life_s`` and was closed by the other end counts as
    short; ``max_short_lives`` of them in a row are a loop.
    """

    def __init__(
        self,
        *,
        floor_s: float,
        cap_s: float,
        loop_pause_s: float,
        rng: random.Random,
        short_life_s: float = 10.0,
        max_short_lives: int = 3,
    ) -> None:
        self._backoff = Backoff(floor_s, cap_s, rng)
        self._loop_pause_s = loop_pause_s
        self._rng = rng
        self._short_life_s = short_life_s
        self._max_short_lives = max_short_lives
        self._short_lives = 0

    def after(self, kind: LossKind, lived_s: float | None) -> Pause:
        """What to do after a loss; ``lived_s`` is None when no connection came about."""
        if kind is LossKind.TAKEN_OVER:
            return Pause(delay_s=self._loop_delay_s(), alarm="mqtt_taken_over")
        if lived_s is not None and lived_s >= self._short_life_s:
            self._short_lives = 0
            self._backoff.reset()
        elif lived_s is not None and kind in (LossKind.CLOSED, LossKind.DISCONNECTED):
            self._short_lives += 1
            if self._short_lives >= self._max_short_lives:
                self._short_lives = 0
                return Pause(delay_s=self._loop_delay_s(), alarm="mqtt_connection_unstable")
        return Pause(delay_s=self._backoff.next_delay_s())

    def _loop_delay_s(self) -> float:
        # Spread, or two gateways would meet again at the same moment.
        return self._rng.uniform(self._loop_pause_s, 2 * self._loop_pause_s)
