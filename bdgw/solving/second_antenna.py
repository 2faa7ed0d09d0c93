"""The other antenna of a device with a heading: its epochs, and how long they are waited for. Pure.

Only epochs of one instant make a vector: there is no older one that would serve.
"""

from __future__ import annotations

from collections import deque

from bdgw.positioning.moving_base import SAME_NS
from bdgw.rtcm.frame import LEADS as RTCM3_LEADS
from bdgw.solving.gathering import LANGUAGE_S, EpochFrames, Gathered, Gatherer
from bdgw.solving.gathering_raw import RawGatherer

__all__ = ["SecondAntenna"]

_KEPT_MAX = 16
_SILENT_NS = 5_000_000_000
"""It has stopped: its epochs are not waited for."""
_BACK_NS = 3_600_000_000_000


class SecondAntenna:
    """One device's. ``wait_s`` counts from when the epoch of the device itself was whole."""

    def __init__(self, *, wait_s: float) -> None:
        self._wait_s = wait_s
        self._gatherer = Gatherer()
        self._raw = RawGatherer()
        self._language: str | None = None
        self._spoke_s = 0.0
        self._epochs: deque[EpochFrames] = deque(maxlen=_KEPT_MAX)
        self._period_ns = 0

    def receive(self, frame: bytes, *, near_gpst_ns: int | None, now: float) -> list[Gathered]:
        """Take a frame of its stream, RTCM 3 or UBX; epochs are kept, what is whole is given."""
        if frame[0] in RTCM3_LEADS:
            found = self._gatherer.receive(frame, near_gpst_ns=near_gpst_ns, now=now)
        else:
            found = self._raw.receive(frame, now=now)
        return self._kept(found, now)

    def tick(self, *, now: float) -> list[Gathered]:
        """Close an epoch that nothing has been added to for a while."""
        return self._kept(self._gatherer.tick(now=now), now)

    def deadline(self) -> float | None:
        """When ``tick`` is due."""
        return self._gatherer.deadline()

    def due_s(self, epoch: EpochFrames, now: float) -> float:
        """Give when an epoch of the device is waited for no longer, ``now`` where it is not."""
        if not self._epochs:
            return now
        behind_ns = epoch.t_gpst_ns - self._epochs[-1].t_gpst_ns
        speaks_less_often = self._period_ns and behind_ns < self._period_ns - SAME_NS
        if behind_ns <= SAME_NS or behind_ns > _SILENT_NS or speaks_less_often:
            return now
        return epoch.rx_s + self._wait_s

    def frames_of(self, epoch: EpochFrames) -> bytes:
        """Give the frames of its epoch of that instant; none where it has none."""
        for own in reversed(self._epochs):
            if abs(own.t_gpst_ns - epoch.t_gpst_ns) <= SAME_NS:
                return own.frames
        return b""

    def _kept(self, items: list[Gathered], now: float) -> list[Gathered]:
        for item in items:
            if isinstance(item, EpochFrames) and self._is_of_language(item, now):
                self._keep(item)
        return items

    def _is_of_language(self, epoch: EpochFrames, now: float) -> bool:
        """Keep to one language of a receiver that sends both: their phases are not one arc."""
        if epoch.language != self._language and self._language is not None:
            if now - self._spoke_s < LANGUAGE_S:
                return False
            self._epochs.clear()
            self._period_ns = 0
        self._language, self._spoke_s = epoch.language, now
        return True

    def _keep(self, epoch: EpochFrames) -> None:
        if self._epochs:
            step_ns = epoch.t_gpst_ns - self._epochs[-1].t_gpst_ns
            if -_BACK_NS < step_ns <= 0:
                return
            if step_ns < 0:
                self._epochs.clear()
                self._period_ns = 0
            else:
                self._period_ns = min(step_ns, self._period_ns or step_ns, _SILENT_NS)
        self._epochs.append(epoch)
