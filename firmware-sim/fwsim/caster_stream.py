"""Where the frames of a mount come from: a recording, or a computed reference station.

Pure. Both are asked by GPST instants (nanoseconds since 1980) and know when they are due next.
"""

from collections.abc import Sequence
from itertools import pairwise
from statistics import median_low
from typing import Protocol

from fwsim.caster_fault import Change, Shift
from fwsim.caster_frame import DAY_MS, cut_frames, dated, epoch_ms, is_glonass, moved, number_of
from fwsim.gnss_time import NS_PER_S

NS_PER_MS = 1_000_000
# A longer pause in a recording is a stop of the recording, not of the station.
MAX_GAP_MS = 10_000
# A recording without observations is played so many frames a second.
FRAMES_PER_S = 10


class FrameSource(Protocol):
    """Something that has frames at instants."""

    def due_ns(self) -> int | None:
        """Return when the next frames are due; nothing when there are none left."""
        ...

    def take(self, change: Change) -> Sequence[bytes]:
        """Return the next frames, as changed as they are asked for."""
        ...

    def resume(self, now_ns: int) -> None:
        """Go on from now: what nobody heard is not made up for."""
        ...


class Station(Protocol):
    """A reference station that computes its frames."""

    def frames(self, t_gpst_ns: int) -> list[bytes]:
        """Return the frames that are due at an epoch."""
        ...

    def move(self, shift_m: Shift | None, *, is_told_only: bool) -> None:
        """Stand so far east, north and up of the first site from now on, or say so only."""
        ...


class StationSource:
    """The epochs of a computed station on a grid of GPST."""

    def __init__(self, station: Station, *, rate_hz: float = 1.0) -> None:
        """``rate_hz``: epochs a second, on multiples of their period."""
        self._station = station
        self._period_ns = round(NS_PER_S / rate_hz)
        self._due_ns = 0

    def due_ns(self) -> int | None:
        """Return the next epoch."""
        return self._due_ns

    def take(self, change: Change) -> Sequence[bytes]:
        """Return the frames of the next epoch, or of one that much earlier."""
        self._station.move(change.shift_m, is_told_only=change.is_told_only)
        age_ns = round(change.age_s * NS_PER_S)
        epoch_ns = self._due_ns - age_ns // self._period_ns * self._period_ns
        self._due_ns += self._period_ns
        return self._station.frames(epoch_ns)

    def resume(self, now_ns: int) -> None:
        """Take the first epoch that has not begun."""
        self._due_ns = max(self._due_ns, -(-now_ns // self._period_ns) * self._period_ns)


class RecordedSource:
    """The frames of a recording, epoch by epoch at its own pace."""

    def __init__(
        self,
        data: bytes,
        *,
        is_loop: bool = True,
        is_live: bool = False,
        rate_hz: float | None = None,
    ) -> None:
        """Cut a recording; ``is_live`` writes the instant of leaving into the epochs.

        ``rate_hz`` replaces the pace inside.

        Raises:
            ValueError: there is no valid frame in it.
        """
        self._epochs = cut_epochs(data)
        if not self._epochs:
            raise ValueError("the recording has no valid RTCM 3 frame")
        if rate_hz is not None:
            step_ms = round(1000 / rate_hz)
            self._epochs = [(i * step_ms, frames) for i, (_, frames) in enumerate(self._epochs)]
        self._is_loop = is_loop
        self._is_live = is_live
        self._round_ms = self._epochs[-1][0] + _typical_step_ms(self._epochs)
        self._next = 0
        self._begin_ns = 0

    def due_ns(self) -> int | None:
        """Return when the next epoch leaves; nothing behind the last one."""
        if self._next >= len(self._epochs) and not self._is_loop:
            return None
        n_rounds, index = divmod(self._next, len(self._epochs))
        at_ms = n_rounds * self._round_ms + self._epochs[index][0]
        return self._begin_ns + at_ms * NS_PER_MS

    def take(self, change: Change) -> Sequence[bytes]:
        """Return the next epoch, byte for byte unless it is live or changed."""
        due_ns = self.due_ns() or 0
        frames = self._epochs[self._next % len(self._epochs)][1]
        self._next += 1
        age_ms = round(change.age_s * 1000)
        if self._is_live:
            frames = [dated(frame, due_ns // NS_PER_MS - age_ms) for frame in frames]
        elif age_ms:
            frames = [_older(frame, age_ms) for frame in frames]
        if change.shift_m is not None:
            frames = [moved(frame, change.shift_m) for frame in frames]
        return frames

    def resume(self, now_ns: int) -> None:
        """Let the next epoch leave now: nobody misses a part of a recording."""
        due_ns = self.due_ns()
        if due_ns is not None and due_ns < now_ns:
            # Whole seconds keep live epochs as round as a station's.
            behind_ns = now_ns - due_ns
            self._begin_ns += -(-behind_ns // NS_PER_S) * NS_PER_S


def cut_epochs(data: bytes) -> list[tuple[int, list[bytes]]]:
    """Cut a recording where the time of its observations changes: milliseconds, frames.

    Frames without a time stay with the epoch they follow, those before the first with the first.
    GLONASS counts only when it is alone: its leap seconds are those of the recording's year.
    """
    frames = list(cut_frames(data))
    times = [None if is_glonass(number_of(frame) or 0) else epoch_ms(frame) for frame in frames]
    if all(at_ms is None for at_ms in times):
        times = [epoch_ms(frame) for frame in frames]
    if all(at_ms is None for at_ms in times):
        times = [i // FRAMES_PER_S * 1000 for i in range(len(frames))]
    epochs: list[tuple[int, list[bytes]]] = []
    last_ms: int | None = None
    for at_ms, frame in zip(times, frames, strict=True):
        if not epochs:
            epochs.append((0, []))
        elif at_ms is not None and last_ms is not None and at_ms != last_ms:
            epochs.append((epochs[-1][0] + _gap_ms(at_ms - last_ms), []))
        epochs[-1][1].append(frame)
        last_ms = last_ms if at_ms is None else at_ms
    return epochs


def _gap_ms(step_ms: int) -> int:
    """Return the pause for a step: the end of a day or week is a step on, backwards is none."""
    if step_ms < -DAY_MS // 2:
        step_ms %= DAY_MS
    return min(max(step_ms, 0), MAX_GAP_MS)


def _typical_step_ms(epochs: Sequence[tuple[int, list[bytes]]]) -> int:
    steps = [after[0] - before[0] for before, after in pairwise(epochs)]
    return max(1, median_low(steps)) if steps else 1000


def _older(frame: bytes, age_ms: int) -> bytes:
    at_ms = epoch_ms(frame)
    return frame if at_ms is None else dated(frame, at_ms - age_ms)
