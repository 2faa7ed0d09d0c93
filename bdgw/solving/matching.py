"""Which epoch of the base goes with an epoch of the rover, and how long it is waited for. Pure.

As with recorded data: the newest one that is not later. Live, it may still be on its way.
"""

from __future__ import annotations

from collections import Counter, deque

import msgspec

from bdgw.solving.gathering import EpochFrames

__all__ = ["SAME_INSTANT_NS", "Matcher", "Pair"]

SAME_INSTANT_NS = 50_000_000
"""Receivers steer their clocks to a few milliseconds; so much later is the same instant."""
_WAITING_MAX = 8
_BASES_MAX = 16
_BACK_NS = 3_600_000_000_000
"""A time that goes back by more is another clock, and not an epoch that came twice."""


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """An epoch of the rover, and the base's that serves it."""

    rover: EpochFrames
    base: EpochFrames | None


class Matcher:
    """One rover. ``dropped`` counts its epochs that will not be solved, by cause."""

    def __init__(self, *, wait_s: float, max_age_s: float, has_base: bool) -> None:
        self._wait_s = wait_s
        self._max_age_ns = round(max_age_s * 1e9)
        self._has_base = has_base
        self._waiting: deque[EpochFrames] = deque()
        self._bases: deque[EpochFrames] = deque(maxlen=_BASES_MAX)
        self._period_ns = 0
        self._last_ns: int | None = None
        self.n_waited = 0
        """Epochs that went on without the base's of their instant, as it did not come in time."""
        self.dropped: Counter[str] = Counter()

    def rover(self, epoch: EpochFrames) -> None:
        """Take an epoch of the rover; one that is not newer than the one before is dropped."""
        last_ns, t_ns = self._last_ns, epoch.t_gpst_ns
        if last_ns is not None and last_ns - _BACK_NS < t_ns <= last_ns:
            self.dropped["repeated"] += 1
            return
        self._last_ns = t_ns
        if len(self._waiting) == _WAITING_MAX:
            self._waiting.popleft()
            self.dropped["overtaken"] += 1
        self._waiting.append(epoch)

    def base(self, epoch: EpochFrames) -> None:
        """Take an epoch of the base."""
        if self._bases:
            step_ns = epoch.t_gpst_ns - self._bases[-1].t_gpst_ns
            if step_ns <= 0:
                if step_ns > -_BACK_NS:
                    return
                self.forget_base()
            else:
                # The shortest step lately: a gap says nothing of how often the base speaks.
                self._period_ns = min(step_ns, self._period_ns or step_ns, self._max_age_ns)
        self._bases.append(epoch)

    def forget_base(self) -> None:
        """Another base begins."""
        self._bases.clear()
        self._period_ns = 0

    def due(self, now: float) -> list[Pair]:
        """Give the epochs that wait no longer, oldest first."""
        found = []
        while self._waiting and self._is_due(self._waiting[0], now):
            epoch = self._waiting.popleft()
            found.append(Pair(rover=epoch, base=self._base_for(epoch)))
        return found

    def deadline(self) -> float | None:
        """When ``due`` has something to give even if nothing comes."""
        return self._waiting[0].rx_s + self._wait_s if self._waiting else None

    def _is_due(self, epoch: EpochFrames, now: float) -> bool:
        if not self._has_base or not self._bases:
            return True
        newest_ns = self._bases[-1].t_gpst_ns
        behind_ns = epoch.t_gpst_ns - newest_ns
        if behind_ns <= SAME_INSTANT_NS:
            return True
        if self._period_ns and behind_ns < self._period_ns - SAME_INSTANT_NS:
            return True  # the base speaks less often, and its next one is of later
        if behind_ns > self._max_age_ns:
            return True  # it has stopped
        if now < epoch.rx_s + self._wait_s:
            return False
        self.n_waited += 1
        return True

    def _base_for(self, epoch: EpochFrames) -> EpochFrames | None:
        limit_ns = epoch.t_gpst_ns + SAME_INSTANT_NS
        for base in reversed(self._bases):
            if base.t_gpst_ns <= limit_ns:
                is_young = epoch.t_gpst_ns - base.t_gpst_ns <= self._max_age_ns
                return base if is_young else None
        return None
