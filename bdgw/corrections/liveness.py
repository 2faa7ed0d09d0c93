"""When a stream gave something fresh last: by its epochs, and by arrival where none can be read.

Frames without an epoch count for little: a base that has lost the sky goes on saying where it
stands. So arrival is believed only after no epoch could be read for a while, and it ends with the
first epoch that can be. Pure.
"""

from __future__ import annotations

import enum

__all__ = ["Liveness", "Sign"]

_EPOCH_WAIT_S = 5.0
"""For so long an epoch is waited for; observations come every second, or nearly."""


class Sign(enum.IntEnum):
    """What the frames of one read say of the stream, from little to much."""

    NONE = 0
    """Positions, ephemerides, texts: no word of whether observations come."""
    UNKNOWN = 1
    """Numbers that are not known: whether there are observations in them nobody can say."""
    UNREADABLE = 2
    """Observations whose epoch cannot be read, or frames on which the reader failed."""
    EPOCH = 3
    """An epoch that was read, fresh or not."""


class Liveness:
    """Times of one stream, monotonic seconds."""

    def __init__(self) -> None:
        self._began_s: float | None = None
        self._fresh_epoch_s: float | None = None
        self._arrival_s: float | None = None
        self._has_epoch = False
        self.epoch_s: float | None = None
        """When an epoch was read last, fresh or not."""
        self.live_since_s: float | None = None
        """Since when fresh things have come without a break."""
        self.is_by_arrival = False
        """No epoch can be read: what comes is as old as its arrival."""

    @property
    def is_undecided(self) -> bool:
        """Frames have come that may be observations, and none with an epoch."""
        return self._began_s is not None and not self.is_by_arrival and not self._has_epoch

    @property
    def fresh_s(self) -> float | None:
        """When something fresh came last; None while nothing did."""
        return self._arrival_s if self.is_by_arrival else self._fresh_epoch_s

    def restart(self) -> None:
        """The connection has ended; the next one may bring another format."""
        self._began_s = None
        self._has_epoch = False

    def seen(self, sign: Sign, *, is_fresh: bool, now: float, break_s: float) -> None:
        """Take note of one read; ``is_fresh`` says that a frame with its ``sign`` may go out.

        After ``break_s`` without anything fresh the stream is live anew.
        """
        if sign is Sign.EPOCH:
            self.epoch_s = now
            self._has_epoch = True
            if self.is_by_arrival:
                self.is_by_arrival = False
                self.live_since_s = None
            if is_fresh:
                self._fresh_seen(self._fresh_epoch_s, now, break_s)
                self._fresh_epoch_s = now
            return
        if sign is Sign.NONE or not is_fresh:
            return
        if self._began_s is None:
            self._began_s = now
        if self._counts(sign, now):
            before_s = self.fresh_s
            self.is_by_arrival = True
            self._fresh_seen(before_s, now, break_s)
            self._arrival_s = now

    def _counts(self, sign: Sign, now: float) -> bool:
        if self._began_s is None or now - self._began_s < _EPOCH_WAIT_S:
            return False
        if self._has_epoch and sign is Sign.UNKNOWN:
            return False  # what comes beside observations is no sign of them
        return self.epoch_s is None or now - self.epoch_s >= _EPOCH_WAIT_S

    def _fresh_seen(self, before_s: float | None, now: float, break_s: float) -> None:
        if before_s is None or self.live_since_s is None or now - before_s > break_s:
            self.live_since_s = now
