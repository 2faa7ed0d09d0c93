"""A receiver: its bytes in, epochs with fixes out. Used live, in replays and on files alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from bdgw.model import Fix, FixKind, Sky
from bdgw.nmea.dating import DayKeeper
from bdgw.nmea.epoch import Epoch, EpochAssembler
from bdgw.nmea.sentence import Unsupported, Zda
from bdgw.stream import PROTOCOLS, BinaryFrame, RtcmFrame, StreamDecoder, StreamStats
from bdgw.timescale import DAY_NS
from bdgw.wire.splitter import NOISE_REASON, Frame, Skipped

__all__ = ["CaptureSession", "EpochSeen", "FramesSeen", "ReceiverEvent", "ReceiverSession"]


class EpochSeen(msgspec.Struct, frozen=True):
    """An epoch is complete: its fix with time and day, and its sky where the receiver tells it."""

    fix: Fix
    sky: Sky | None
    rx_s: float
    """When its last byte was read, on the caller's clock."""


class FramesSeen(msgspec.Struct, frozen=True):
    """So many whole frames came in one read; tells that the stream is in a language we know."""

    count: int


ReceiverEvent = EpochSeen | FramesSeen | Skipped | Frame
"""``Frame`` is given out for RTCM 3 and for raw data in binary languages: its bytes travel on."""


def no_host_clock(_now: float) -> None:
    """Stand in for the host clock where there is none: a file says nothing of today."""


def default_max_future_ns(_now: float) -> int:
    """Without a clock that is known to be right only a wrong day can be told from a right one."""
    return DAY_NS


class ReceiverSession:
    """Bytes of one receiver in, ``ReceiverEvent`` out; the ``Session`` contract.

    ``host_gpst_ns`` gives the host clock in GPST nanoseconds for a ``now``, or None where it is
    not to be trusted. ``idle_s`` is the quiet time after which an unfinished frame is given up
    and an open epoch closed. ``max_future_ns`` is how far ahead of the host clock a receiver's
    date is believed. With ``is_recording`` the host's day is not lent to epochs without one.
    ``stats`` goes on counting where an earlier connection ended.
    """

    def __init__(
        self,
        *,
        protocols: tuple[str, ...] = PROTOCOLS,
        idle_s: float = 1.0,
        host_gpst_ns: Callable[[float], int | None] = no_host_clock,
        max_future_ns: Callable[[float], int] = default_max_future_ns,
        is_recording: bool = False,
        stats: StreamStats | None = None,
    ) -> None:
        self._decoder = StreamDecoder(protocols=protocols, idle_s=idle_s, stats=stats)
        self.stats = self._decoder.stats
        self._epochs = EpochAssembler(idle_s=idle_s)
        self._days = DayKeeper(is_recording=is_recording)
        self._max_future_ns = max_future_ns
        self._host_gpst_ns = host_gpst_ns
        self._has_fix: bool | None = None
        self._first_day: Zda | None = None
        self._events: list[ReceiverEvent] = []

    def receive(self, data: bytes, *, now: float) -> None:
        """Take bytes; ``b""`` says that the stream has ended and gives out what is open."""
        self._decoder.receive(data, now=now)
        self._consume(now)
        if not data:
            self._epochs.finish()
            self._drain_epochs(now)

    def tick(self, *, now: float) -> None:
        """Let quiet times end what is unfinished."""
        self._decoder.tick(now=now)
        self._consume(now)
        self._epochs.tick(now=now)
        self._drain_epochs(now)

    def deadline(self) -> float | None:
        """When ``tick`` is due."""
        first, second = self._decoder.deadline(), self._epochs.deadline()
        if first is None or second is None:
            return second if first is None else first
        return min(first, second)

    def data_to_send(self) -> bytes:
        """Nothing: a receiver is only listened to."""
        return b""

    def events(self) -> Iterator[ReceiverEvent]:
        """Drain what happened."""
        events, self._events = self._events, []
        return iter(events)

    def _consume(self, now: float) -> None:
        n_frames = 0
        for item in self._decoder.events():
            if isinstance(item, Skipped):
                self._events.append(item)
                if item.reason != NOISE_REASON:
                    self._epochs.damage()
                continue
            n_frames += 1
            message = item.message
            if isinstance(message, RtcmFrame):
                self._events.append(item.frame)
            elif isinstance(message, BinaryFrame):
                if message.is_raw:
                    self._events.append(item.frame)
            elif isinstance(message, Zda):
                self._drain_epochs(now)  # it is of no use to what was complete before it
                self._hear_day(message, now)
            elif not isinstance(message, Unsupported):
                self._epochs.add(message, now=now)
        if n_frames:
            self._events.append(FramesSeen(n_frames))
        self._drain_epochs(now)

    def _hear_day(self, message: Zda, now: float) -> None:
        """Believe a ZDA while there are fixes; the first epoch decides on what came before it."""
        if self._has_fix is None:
            self._first_day = message
        elif self._has_fix:
            self._learn_day(message, now)

    def _learn_day(self, message: Zda, now: float) -> None:
        if message.date is not None and message.tod_ns is not None:
            self._days.max_future_ns = self._max_future_ns(now)
            self._days.learn(message.date, message.tod_ns, self._host_gpst_ns(now))

    def _drain_epochs(self, now: float) -> None:
        for item in self._epochs.events():
            if isinstance(item, Epoch):
                self.stats.epochs += 1
                self._events.append(EpochSeen(self._dated(item, now), item.sky, item.rx_s))
            else:
                self.stats.late[item.reason] += 1

    def _dated(self, epoch: Epoch, now: float) -> Fix:
        is_fixed = self._has_fix = epoch.fix.kind is not FixKind.NONE
        if self._first_day is not None:
            if is_fixed:
                self._learn_day(self._first_day, now)
            self._first_day = None
        if epoch.tod_ns is None:
            return epoch.fix
        host = self._host_gpst_ns(now)
        self._days.max_future_ns = self._max_future_ns(now)
        t_gpst_ns, quality = self._days.resolve(epoch.tod_ns, epoch.date, host, is_fixed=is_fixed)
        return msgspec.structs.replace(
            epoch.fix, t_gpst_ns=t_gpst_ns, tod_utc_ns=epoch.tod_ns, time_quality=quality
        )


class CaptureSession:
    """A receiver read from a recording: how fast it is played changes nothing in what it says.

    The pauses of a replay are not the receiver's and the host's day is not the recording's, so a
    replay gives the fixes that reading the file gives. The host clock only finds dates that lie
    in the future.
    """

    def __init__(
        self,
        *,
        host_gpst_ns: Callable[[float], int | None] = no_host_clock,
        max_future_ns: Callable[[float], int] = default_max_future_ns,
        stats: StreamStats | None = None,
    ) -> None:
        self._now = 0.0
        # The session inside has a time of its own; the host's clock is asked for the real one.
        self._inner = ReceiverSession(
            host_gpst_ns=lambda _now: host_gpst_ns(self._now),
            max_future_ns=lambda _now: max_future_ns(self._now),
            is_recording=True,
            stats=stats,
        )

    def receive(self, data: bytes, *, now: float) -> None:
        """Take bytes; ``b""`` says that the recording has ended."""
        self._now = now
        self._inner.receive(data, now=0.0)

    def tick(self, *, now: float) -> None:
        """Let time pass, which means nothing here."""

    def deadline(self) -> float | None:
        """There is nothing to wait for."""
        return None

    def data_to_send(self) -> bytes:
        """Nothing."""
        return b""

    def events(self) -> Iterator[ReceiverEvent]:
        """Drain what happened; epochs are received when they are played."""
        for event in self._inner.events():
            if isinstance(event, EpochSeen):
                yield EpochSeen(event.fix, event.sky, self._now)
            else:
                yield event
