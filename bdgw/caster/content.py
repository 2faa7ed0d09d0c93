"""What a stream really contains: measured from its frames, for the sourcetable and the status.

Pure. Only whole frames with a good checksum come out, byte for byte; what is between them is
counted and goes nowhere. Nothing is stated that was not seen.
"""

from __future__ import annotations

from collections import OrderedDict, deque

import msgspec

from bdgw.caster.station import Station, read_station
from bdgw.rtcm.frame import LEADS, PROTOCOL, frame_rtcm3
from bdgw.rtcm.head import Head, MessageKind, RawEpoch, TimeScale, read_head
from bdgw.wire.splitter import Frame, Splitter

__all__ = ["Content", "MessageRate"]

_MAX_NUMBERS = 64
_ARRIVALS = 16
_FORGET_S = 60.0
_FORGET_TIMES = 3.0
_IDLE_S = 1.0
"""So long an unfinished frame is held, so that a false preamble holds up nothing for longer."""
_BITRATE_WINDOW_S = 60
_DAY_MS, _WEEK_MS = 86_400_000, 604_800_000
_BITRATE_MIN_S = 5.0
_SYSTEM_NAMES = {
    "G": "GPS",
    "R": "GLO",
    "E": "GAL",
    "C": "BDS",
    "J": "QZS",
    "S": "SBAS",
    "I": "IRS",
}
_MSM_CODE_ONLY = range(1071, 1132, 10)
"""MSM1 has pseudoranges and no carrier phase."""


class MessageRate(msgspec.Struct, frozen=True):
    """How often a message comes: ``period_s`` is None until it has come twice."""

    number: int
    period_s: float | None


class _Arrivals:
    """When one message number came; several frames of one epoch are one arrival.

    Observations count by the epoch that they state, because a mobile network brings several at
    once; all others by the time when they came.
    """

    __slots__ = ("epoch", "last_s", "times_s")

    def __init__(self) -> None:
        self.epoch: RawEpoch | None = None
        self.last_s = 0.0
        self.times_s: deque[float] = deque(maxlen=_ARRIVALS)

    def note(self, epoch: RawEpoch | None, now: float) -> None:
        self.last_s = now
        if epoch is None:
            self.times_s.append(now)
        elif epoch != self.epoch:
            self._note_epoch(epoch)

    def _note_epoch(self, epoch: RawEpoch) -> None:
        step_s = 0.0
        if self.epoch is not None:
            around_ms = _DAY_MS if epoch.scale is TimeScale.GLONASS else _WEEK_MS
            step_s = (epoch.time_ms - self.epoch.time_ms) % around_ms / 1000.0
        if step_s > _FORGET_S:
            self.times_s.clear()  # the epochs jumped: nothing can be said across that
        self.epoch = epoch
        self.times_s.append(self.times_s[-1] + step_s if self.times_s else 0.0)

    def period_s(self) -> float | None:
        if len(self.times_s) < 2:
            return None
        return (self.times_s[-1] - self.times_s[0]) / (len(self.times_s) - 1)

    def is_over(self, now: float) -> bool:
        patience_s = max(_FORGET_S, _FORGET_TIMES * (self.period_s() or 0.0))
        return now - self.last_s > patience_s


class _Signals(msgspec.Struct):
    """What observations of one system have had, and when last."""

    seen_s: float
    has_phase: bool = False
    has_upper: bool = False
    """A signal around 1.6 GHz (L1, E1, B1)."""
    has_lower: bool = False
    """A signal around 1.2 GHz (L2, L5, E5, E6, B2, B3)."""


class Content:
    """Bytes in, whole frames out, and what they were. ``now`` is monotonic seconds."""

    def __init__(self) -> None:
        self._splitter = Splitter({PROTOCOL: (LEADS, frame_rtcm3)}, idle_s=_IDLE_S, hold_s=_IDLE_S)
        self._arrivals: OrderedDict[int, _Arrivals] = OrderedDict()
        self._signals: dict[str, _Signals] = {}
        self._buckets: deque[tuple[int, int]] = deque(maxlen=_BITRATE_WINDOW_S)
        self._first_s: float | None = None
        self._last_station_frame = b""
        self.station: Station | None = None
        """Where the base says it is."""
        self.last_frame_s: float | None = None
        self.n_frames = 0
        self.n_bytes = 0
        """Of frames."""
        self.skipped_bytes = 0
        self.inspection_failures = 0
        """Frames that went out although looking into them failed."""

    def receive(self, data: bytes, *, now: float) -> list[bytes]:
        """Take bytes of the stream; the frames that became whole, in order."""
        self._splitter.receive(data, now=now)
        return self._drain(now)

    def tick(self, *, now: float) -> list[bytes]:
        """Give up a frame that does not become whole; what was held back behind it comes out."""
        deadline = self._splitter.deadline()
        if deadline is None or now < deadline:
            return []
        self._splitter.tick(now=now)
        return self._drain(now)

    def rates(self, now: float) -> tuple[MessageRate, ...]:
        """Every message of the last minute, by number."""
        for number in [n for n, seen in self._arrivals.items() if seen.is_over(now)]:
            del self._arrivals[number]
        return tuple(
            MessageRate(number, seen.period_s()) for number, seen in sorted(self._arrivals.items())
        )

    def systems(self, now: float) -> tuple[str, ...]:
        """Systems with observations in the last minute, as the sourcetable writes them."""
        return tuple(name for letter, name in _SYSTEM_NAMES.items() if letter in self._fresh(now))

    def carrier(self, now: float) -> int | None:
        """0 no carrier phase, 1 one frequency, 2 two and more; None without observations."""
        fresh = self._fresh(now).values()
        if not fresh:
            return None
        if not any(seen.has_phase for seen in fresh):
            return 0
        return 2 if any(seen.has_upper and seen.has_lower for seen in fresh) else 1

    def bits_per_s(self, now: float) -> float | None:
        """The rate of the last minute; None until the stream has run for a few seconds."""
        if self._first_s is None or now - self._first_s < _BITRATE_MIN_S:
            return None
        window_s = min(now - self._first_s, float(_BITRATE_WINDOW_S))
        oldest_s = now - window_s
        return 8.0 * sum(size for second, size in self._buckets if second >= oldest_s) / window_s

    def _drain(self, now: float) -> list[bytes]:
        frames = []
        for event in self._splitter.events():
            if isinstance(event, Frame):
                frames.append(event.data)
                self._count(event.data, now)
                try:
                    self._look_into(event.data, now)
                except Exception:  # noqa: BLE001 - whatever a decoder does, the frame goes out
                    self.inspection_failures += 1
            else:
                self.skipped_bytes += len(event.data)
        return frames

    def _count(self, frame: bytes, now: float) -> None:
        self.n_frames += 1
        self.n_bytes += len(frame)
        self.last_frame_s = now
        if self._first_s is None:
            self._first_s = now
        second = int(now)
        if self._buckets and self._buckets[-1][0] == second:
            self._buckets[-1] = (second, self._buckets[-1][1] + len(frame))
        else:
            self._buckets.append((second, len(frame)))

    def _look_into(self, frame: bytes, now: float) -> None:
        head = read_head(frame)
        if head is None:
            return
        self._note_arrival(head, now)
        if head.kind is MessageKind.OBSERVATION:
            self._note_signals(head, now)
        elif head.kind is MessageKind.STATION and frame != self._last_station_frame:
            self._last_station_frame = frame
            self.station = read_station(frame) or self.station

    def _note_arrival(self, head: Head, now: float) -> None:
        arrivals = self._arrivals.get(head.number)
        if arrivals is None:
            arrivals = self._arrivals[head.number] = _Arrivals()
            if len(self._arrivals) > _MAX_NUMBERS:
                self._arrivals.popitem(last=False)
        arrivals.note(head.epoch, now)
        self._arrivals.move_to_end(head.number)

    def _note_signals(self, head: Head, now: float) -> None:
        if head.system is None:
            return
        seen = self._signals.get(head.system)
        if seen is None or now - seen.seen_s > _FORGET_S:
            seen = self._signals[head.system] = _Signals(seen_s=now)
        seen.seen_s = now
        seen.has_phase |= head.number not in _MSM_CODE_ONLY
        for code in head.signal_codes:
            if code is None:
                continue
            # RINEX: band 1 is around 1.6 GHz in every system, and so is BeiDou's band 2 (B1I).
            is_upper = code[0] == "1" or (head.system == "C" and code[0] == "2")
            seen.has_upper |= is_upper
            seen.has_lower |= not is_upper

    def _fresh(self, now: float) -> dict[str, _Signals]:
        return {k: seen for k, seen in self._signals.items() if now - seen.seen_s <= _FORGET_S}
