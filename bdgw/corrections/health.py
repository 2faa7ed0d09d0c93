"""What a correction stream carries, against what it should: rates, systems, gaps, reasons in words.

Everything is counted from the heads of frames; nothing here decides what is forwarded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from bdgw.rtcm.head import Head, MessageKind

__all__ = ["StreamHealth"]

_NUMBERS_MAX = 64
"""Message numbers counted apart; the standard has fewer than a stream can make up."""
OTHER = 0
_BUCKET_S = 10.0
_BUCKETS = 6
_ABSENT_PERIODS = 10
_ABSENT_MIN_S = 30.0
"""An announced message that has not come for this long, or ten of its periods, is missed."""
_REDATED_S = 3600.0
"""Epochs that leap further than the time that has passed were dated anew."""
_GAP_STEPS = 2.5
"""An epoch later than this many usual steps after the one before it is a gap."""
_BASE_WITHIN_S = 60.0
_EPHEMERIS_WITHIN_S = 300.0
_SYSTEMS = {
    "G": ("GPS", 1019),
    "R": ("GLONASS", 1020),
    "E": ("Galileo", 1046),
    "C": ("BDS", 1042),
    "J": ("QZSS", 1044),
}
_RANGES_ONLY = range(1, 4)
"""MSM1 to MSM3 carry ranges modulo 1 ms: nothing for a rover."""


class _System:
    """What has been seen of one system; the masks are those of its last epoch."""

    __slots__ = ("at_s", "epoch_ns", "levels", "satellite_mask", "signal_mask", "signals")

    def __init__(self) -> None:
        self.epoch_ns: int | None = None
        self.satellite_mask = 0
        self.signal_mask = 0
        self.signals: tuple[str, ...] = ()
        self.at_s = 0.0
        self.levels: set[int] = set()


class StreamHealth:
    """Statistics of one stream since it began; ``began_s`` is monotonic seconds."""

    def __init__(self, began_s: float) -> None:
        self._began_s = began_s
        self.counts: Counter[int] = Counter()
        """Frames by message number; 0 is fillers and whatever exceeds the table."""
        self._buckets: list[tuple[int, Counter[int]]] = []
        self._last_at_s: dict[int, float] = {}
        self._systems: dict[str, _System] = {}
        self._ephemeris_at_s: dict[str, float] = {}
        self._first_frame_s: float | None = None
        self._base_at_s: float | None = None
        self._epoch_ns: int | None = None
        self._epoch_at_s = began_s
        self._step_ns: int | None = None
        self.gaps = 0
        self.longest_gap_s = 0.0
        self.station: int | None = None
        """The station id of the latest observations."""

    def frame_seen(self, head: Head | None, epoch_ns: int | None, now: float) -> None:
        """Count one whole frame; ``head`` is None for a filler and for what cannot be read."""
        number = OTHER if head is None else head.number
        if number not in self.counts and len(self.counts) >= _NUMBERS_MAX:
            number = OTHER
        self.counts[number] += 1
        self._bucket(now)[number] += 1
        self._last_at_s[number] = now
        if self._first_frame_s is None:
            self._first_frame_s = now
        if head is None:
            return
        if head.kind is MessageKind.OBSERVATION:
            self.station = head.station
            self._observation_seen(head, epoch_ns, now)
        elif head.kind is MessageKind.EPHEMERIS and head.system is not None:
            self._ephemeris_at_s[head.system] = now
        elif head.number in (1005, 1006):
            self._base_at_s = now

    @property
    def period_s(self) -> float | None:
        """The usual step from one epoch to the next."""
        return None if self._step_ns is None else self._step_ns / 1e9

    def rates_hz(self, now: float) -> dict[int, float]:
        """Frames a second by message number over the last minute."""
        oldest = int(now // _BUCKET_S) - _BUCKETS + 1
        span_s = max(now - max(self._began_s, oldest * _BUCKET_S), 1.0)
        total: Counter[int] = Counter()
        for index, counts in self._buckets:
            if index >= oldest:
                total += counts
        return {number: round(n / span_s, 3) for number, n in sorted(total.items())}

    def satellites(self) -> dict[str, int]:
        """Satellites by system letter in the last epoch of each."""
        return {
            letter: system.satellite_mask.bit_count()
            for letter, system in sorted(self._systems.items())
        }

    def signals(self) -> dict[str, tuple[str, ...]]:
        """RINEX codes of the signals by system letter in the last epoch; unknown ones are left."""
        return {letter: system.signals for letter, system in sorted(self._systems.items())}

    def systems(self, now: float, *, within_s: float = 30.0) -> frozenset[str]:
        """The systems that have given observations a rover can use within the last seconds."""
        return frozenset(
            letter
            for letter, system in self._systems.items()
            if now - system.at_s <= within_s and not _is_ranges_only(system.levels)
        )

    def remarks(
        self, now: float, announced: Sequence[tuple[int, float | None]] = ()
    ) -> tuple[str, ...]:
        """Say in plain words what is missing; ``announced`` is (number, period in s) as promised.

        Empty while no frame has come: then there is a better reason.
        """
        if self._first_frame_s is None:
            return ()
        remarks = [*self._missed(now, announced), *self._content_remarks(now)]
        return tuple(remarks)

    def _content_remarks(self, now: float) -> list[str]:
        listened_s = 0.0 if self._first_frame_s is None else now - self._first_frame_s
        remarks = []
        if listened_s >= _BASE_WITHIN_S and _is_past(self._base_at_s, now, _BASE_WITHIN_S):
            remarks.append("no base position (needs 1005 or 1006)")
        if listened_s >= _ABSENT_MIN_S:
            if not self._systems:
                remarks.append("no observations (needs MSM4 to MSM7, or 1004 and 1012)")
            for letter, system in sorted(self._systems.items()):
                if _is_ranges_only(system.levels):
                    name = _SYSTEMS.get(letter, (letter, 0))[0]
                    remarks.append(f"{name}: only ranges modulo 1 ms (needs MSM4 to MSM7)")
        if listened_s >= _EPHEMERIS_WITHIN_S:
            remarks += self._ephemeris_remarks(now)
        return remarks

    def _ephemeris_remarks(self, now: float) -> list[str]:
        # A remark and no fault: rovers read ephemerides from the sky.
        return [
            f"{name}: no ephemeris (needs {number})"
            for letter, (name, number) in _SYSTEMS.items()
            if letter in self._systems
            and _is_past(self._ephemeris_at_s.get(letter), now, _EPHEMERIS_WITHIN_S)
        ]

    def _missed(self, now: float, announced: Sequence[tuple[int, float | None]]) -> list[str]:
        missed = []
        first_s = now if self._first_frame_s is None else self._first_frame_s
        for number, period_s in announced[:_NUMBERS_MAX]:
            limit_s = max(_ABSENT_MIN_S, _ABSENT_PERIODS * (period_s or 0.0))
            last_s = self._last_at_s.get(number, first_s)
            if now - last_s >= limit_s:
                every = "" if period_s is None else f" every {period_s:g} s"
                missed.append(f"announced {number}{every}, none for {now - last_s:.0f} s")
        return missed

    def _observation_seen(self, head: Head, epoch_ns: int | None, now: float) -> None:
        if head.system is None:
            return
        system = self._systems.setdefault(head.system, _System())
        system.at_s = now
        if head.number > 1070 and len(system.levels) < 7:
            system.levels.add(head.number % 10)
        elif head.number < 1070:
            system.levels.add(4)  # legacy observations carry full ranges
        if epoch_ns is None or epoch_ns != system.epoch_ns:
            system.epoch_ns = epoch_ns
            system.satellite_mask = 0
        system.satellite_mask |= head.satellite_mask
        if head.signal_mask != system.signal_mask:
            system.signal_mask = head.signal_mask
            system.signals = tuple(code for code in head.signal_codes if code is not None)
        if epoch_ns is not None and head.system != "R":
            self._epoch_seen(epoch_ns, now)

    def _epoch_seen(self, epoch_ns: int, now: float) -> None:
        before, self._epoch_ns = self._epoch_ns, epoch_ns
        waited_s, self._epoch_at_s = now - self._epoch_at_s, now
        if before is None or epoch_ns == before:
            return
        step_ns = epoch_ns - before
        usual_ns = self._step_ns
        if step_ns < 0 or usual_ns is None:
            self._step_ns = step_ns if step_ns > 0 else None
        elif step_ns / 1e9 > waited_s + _REDATED_S:
            self._step_ns = usual_ns  # the week was not known before: no gap of the stream
        elif step_ns > _GAP_STEPS * usual_ns:
            self.gaps += 1
            self.longest_gap_s = max(self.longest_gap_s, step_ns / 1e9)
        else:
            # The usual step follows slowly upwards and at once downwards.
            self._step_ns = min(step_ns, usual_ns + (step_ns - usual_ns) // 4)

    def _bucket(self, now: float) -> Counter[int]:
        index = int(now // _BUCKET_S)
        if not self._buckets or self._buckets[-1][0] != index:
            self._buckets.append((index, Counter()))
            del self._buckets[:-_BUCKETS]
        return self._buckets[-1][1]


def _is_ranges_only(levels: set[int]) -> bool:
    return bool(levels) and max(levels) in _RANGES_ONLY


def _is_past(at_s: float | None, now: float, within_s: float) -> bool:
    return at_s is None or now - at_s > within_s
