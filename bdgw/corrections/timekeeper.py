"""What GPST it is, from the opinions of the host's clock and of the receivers.

The host's clock may be wrong by an hour and may step; a receiver that has a fix knows the time and
is the one that will judge the age of a correction in the end. Here their opinions are only
collected, as offsets of GPST against the monotonic clock; which one to believe for a stream is
decided beside the stream (``freshness``), because its epochs are a third witness.
"""

from __future__ import annotations

from statistics import median_low

import msgspec

from bdgw.model import Fix, FixKind, TimeQuality

__all__ = ["Opinions", "Timekeeper"]

SECOND_NS = 1_000_000_000
_STEP_NS = SECOND_NS
"""A disciplined clock is slewed by 500 ppm at most; more than this between two looks is a step."""
_AGREE_NS = 2 * SECOND_NS
"""A fix is older than its arrival by the receiver's and the modem's delay."""
_RECEIVER_MEMORY_S = 60.0
_TIMED = (TimeQuality.GNSS, TimeQuality.GNSS_WEEK_RESOLVED)


class Opinions(msgspec.Struct, frozen=True, gc=False):
    """GPST minus the monotonic clock, nanoseconds, as each says; None where it says nothing."""

    receiver_ns: int | None
    host_ns: int | None
    is_host_in_doubt: bool
    """It has stepped, and no receiver has confirmed it since."""

    @property
    def agree(self) -> bool:
        """Whether both speak and say the same."""
        return (
            self.receiver_ns is not None
            and self.host_ns is not None
            and abs(self.receiver_ns - self.host_ns) <= _AGREE_NS
        )


class _Best:
    """The greatest offset of a receiver in the last minute."""

    __slots__ = ("at_s", "offset_ns", "seen_at_s")

    def __init__(self, offset_ns: int, now: float) -> None:
        self.offset_ns = offset_ns
        self.at_s = now
        self.seen_at_s = now


class Timekeeper:
    """One for the gateway."""

    def __init__(self) -> None:
        self._host_ns: int | None = None
        self._is_host_in_doubt = False
        self._receivers: dict[str, _Best] = {}

    def host_seen(self, gpst_ns: int | None, now: float) -> None:
        """Look at the host's clock; None while it is not set."""
        if gpst_ns is None:
            self._host_ns = None
            return
        offset_ns = gpst_ns - _ns(now)
        if self._host_ns is not None and abs(offset_ns - self._host_ns) > _STEP_NS:
            self._is_host_in_doubt = True
        self._host_ns = offset_ns

    def fix_seen(self, device: str, fix: Fix, now: float) -> None:
        """Take the time of a live fix; ``now`` is when it came.

        One that knows no day, or whose receiver has no fix, says nothing. A fix comes late and
        never early, so the greatest offset of the last minute is the best one.
        """
        if fix.t_gpst_ns is None or fix.kind is FixKind.NONE or fix.time_quality not in _TIMED:
            return
        offset_ns = fix.t_gpst_ns - _ns(now)
        best = self._receivers.get(device)
        if best is None or offset_ns >= best.offset_ns or _is_old(best.at_s, now):
            best = self._receivers[device] = _Best(offset_ns, now)
        best.seen_at_s = now

    def opinions(self, now: float) -> Opinions:
        """What is known at ``now``."""
        for device in [d for d, best in self._receivers.items() if _is_old(best.seen_at_s, now)]:
            del self._receivers[device]
        offsets = [best.offset_ns for best in self._receivers.values()]
        receiver_ns = median_low(offsets) if offsets else None
        opinions = Opinions(receiver_ns, self._host_ns, self._is_host_in_doubt)
        if opinions.agree and self._is_host_in_doubt:
            self._is_host_in_doubt = False
            opinions = Opinions(receiver_ns, self._host_ns, False)
        return opinions


def _is_old(at_s: float, now: float) -> bool:
    return now - at_s > _RECEIVER_MEMORY_S


def _ns(seconds: float) -> int:
    return round(seconds * SECOND_NS)
