"""One stream of corrections from bytes to what may go out: cut, looked at, judged, watched. Pure.

Looking is wrapped: whatever a decoder does with a frame, the frame travels on and the fault is
counted. Only three things stop a frame: its age, a base that cannot be, and a base that has jumped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from bdgw.corrections.base_guard import BaseGuard
from bdgw.corrections.choice import Facts
from bdgw.corrections.datum import Datum
from bdgw.corrections.freshness import Basis, Freshness, Judgement
from bdgw.corrections.health import StreamHealth
from bdgw.corrections.liveness import Liveness, Sign
from bdgw.corrections.outage import Outage
from bdgw.corrections.source_event import Delivery, SourceNews, SourceState, StreamLimits
from bdgw.corrections.stream import FrameStream
from bdgw.corrections.timekeeper import Opinions
from bdgw.rtcm.head import Head, MessageKind, read_head
from bdgw.rtcm.station import POSITION_NUMBERS, read_position

__all__ = ["Delivery", "SourceNews", "SourceState", "SourceStream", "StreamLimits"]

_GAP_PERIODS = 2.5
_HANDOVER_NUMBERS = (1005, 1006, 1007, 1008, 1032, 1033, 1230)
_HANDOVER_AGE_S = 120.0
"""What describes a base is sent every 10 to 60 s."""
_HELD_CAUSE = "base_held"
_IMPLAUSIBLE_CAUSE = "base_implausible"
_BY_ARRIVAL = "age judged by arrival: no readable epoch"
_UNKNOWN_KINDS = (MessageKind.OTHER, MessageKind.SSR)


class _Look:
    """What was seen in one frame."""

    __slots__ = ("epoch_ns", "frame", "has_failed", "head", "judgement")

    def __init__(self, frame: bytes) -> None:
        self.frame = frame
        self.head: Head | None = None
        self.has_failed = False
        self.judgement = Judgement.FRESH
        self.epoch_ns: int | None = None

    @property
    def sign(self) -> Sign:
        """What it says of the stream."""
        if self.epoch_ns is not None:
            return Sign.EPOCH
        if self.head is None:
            return Sign.UNREADABLE if self.has_failed else Sign.NONE
        if self.head.kind is MessageKind.OBSERVATION:
            return Sign.UNREADABLE
        return Sign.UNKNOWN if self.head.kind in _UNKNOWN_KINDS else Sign.NONE


class SourceStream:
    """The machine of one stream; it lives over all connections of it."""

    def __init__(
        self, *, datum: Datum, limits: StreamLimits, guard: BaseGuard, began_s: float
    ) -> None:
        self._datum = datum
        self._limits = limits
        self._began_s = began_s
        self._frames = FrameStream()
        self._freshness = Freshness(limits.max_age_s)
        self._handover: dict[int, tuple[bytes, float]] = {}
        self._handover_station: int | None = None
        self._news: list[SourceNews] = []
        self._liveness = Liveness()
        self._outage = Outage(began_s, alarm_s=limits.alarm_s)
        self.announced = limits.announced
        """May be replaced when the sourcetable is known."""
        self.guard = guard
        self.health = StreamHealth(began_s)
        self.state = SourceState.WAITING
        self.n_frames = 0
        self.dropped: Counter[str] = Counter()
        """Frames that did not go out, by cause."""
        self.inspection_failures = 0
        self.last_failure: str | None = None

    @property
    def stream(self) -> FrameStream:
        """Its counters of bytes."""
        return self._frames

    @property
    def freshness(self) -> Freshness:
        """How old its epochs are, and by which time."""
        return self._freshness

    def receive(self, data: bytes, now: float, opinions: Opinions) -> Delivery | None:
        """Take bytes of the stream; gives what may go out now."""
        return self._deliver(self._frames.receive(data, now=now), now, opinions)

    def restart(self, now: float, opinions: Opinions) -> Delivery | None:
        """The connection has ended; the next bytes begin anew."""
        delivery = self._deliver(self._frames.restart(now=now), now, opinions)
        self._liveness.restart()
        return delivery

    def tick(self, now: float, opinions: Opinions) -> Delivery | None:
        """Let timers up to ``now`` act."""
        delivery = self._deliver(self._frames.tick(now=now), now, opinions)
        self._watch(now)
        return delivery

    def deadline(self) -> float | None:
        """When held bytes are due; the state is looked at with every tick."""
        return self._frames.deadline()

    def news(self) -> list[SourceNews]:
        """Drain the alarms."""
        news, self._news = self._news, []
        return news

    def handover(self, now: float) -> bytes:
        """The latest frames that describe the base, for a rover that begins with this stream."""
        if self.guard.held_reason is not None:
            return b""
        return b"".join(
            frame
            for _, (frame, at_s) in sorted(self._handover.items())
            if now - at_s <= _HANDOVER_AGE_S
        )

    def facts(self, now: float) -> Facts:
        """What a choice needs to know."""
        is_live = self._state(now) is SourceState.LIVE
        fresh_s, live_since_s = self._liveness.fresh_s, self._liveness.live_since_s
        last_s = self._began_s if fresh_s is None else fresh_s
        return Facts(
            datum=self._datum,
            is_live=is_live,
            live_for_s=0.0 if live_since_s is None or not is_live else now - live_since_s,
            quiet_for_s=max(0.0, now - last_s),
            reason=self.reason(now),
            station=self.health.station,
            base=self.guard.base,
            systems=self.health.systems(now),
        )

    def reason(self, now: float) -> str:
        """The state in plain words."""
        match self._state(now):
            case SourceState.HELD:
                return self.guard.held_reason or ""
            case SourceState.LIVE:
                return _BY_ARRIVAL if self._liveness.is_by_arrival else "fresh epochs come"
            case SourceState.STALE:
                return self._stale_reason()
            case SourceState.LOST:
                return self._lost_reason(now)
            case _ if self._liveness.is_undecided:
                return "frames come, and no epoch could be read in them yet"
            case _ if self.n_frames:
                return "frames come, but no observations among them"
            case _ if self._frames.bytes_in:
                return f"{self._frames.bytes_in} bytes have come, and no whole frame among them"
        return "nothing has come yet"

    def remarks(self, now: float) -> tuple[str, ...]:
        """What is missing in the stream, in plain words."""
        remarks = self.health.remarks(now, self.announced)
        if self._liveness.is_by_arrival:
            remarks = (*remarks, _BY_ARRIVAL)
        base, station = self.guard.base, self.health.station
        if base is None or station is None or base.station == station:
            return remarks
        text = f"observations are of station {station}, the base position of {base.station}"
        return (*remarks, f"{text}: receivers do not join them")

    def age_s(self, now: float) -> float | None:
        """How old what came last is, by its epoch or else by its arrival."""
        fresh_s = self._liveness.fresh_s
        if self._liveness.is_by_arrival and fresh_s is not None:
            return max(0.0, now - fresh_s)
        return self._freshness.age_s(now)

    @property
    def age_basis(self) -> Basis | None:
        """Which time the age is counted by."""
        return Basis.ARRIVAL if self._liveness.is_by_arrival else self._freshness.basis

    def _lost_reason(self, now: float) -> str:
        fresh_s = self._liveness.fresh_s
        quiet_s = 0.0 if fresh_s is None else now - fresh_s
        what = "no frame" if self._liveness.is_by_arrival else "no fresh epoch"
        return f"{what} for {quiet_s:.0f} s"

    def _stale_reason(self) -> str:
        delay_s = self._freshness.delay_s or 0.0
        basis = self._freshness.basis
        if delay_s < 0.0:
            return f"epochs are {-delay_s:.0f} s ahead of the {basis}'s time"
        return (
            f"no observations newer than {delay_s:.0f} s by the {basis}'s time "
            f"(limit {self._limits.max_age_s:g} s)"
        )

    def _deliver(self, frames: list[bytes], now: float, opinions: Opinions) -> Delivery | None:
        if not frames:
            return None
        looks = [self._look(frame) for frame in frames]
        self._judge(looks, now, opinions)
        passed = [look for look in looks if self._passes(look, now)]
        self.n_frames += len(looks)
        observed = [look for look in passed if look.epoch_ns is not None]
        sign = max(look.sign for look in looks)
        self._liveness.seen(
            sign,
            is_fresh=any(look.sign is sign for look in passed),
            now=now,
            break_s=self._quiet_limit_s(),
        )
        if not passed:
            return None
        stations = {look.head.station for look in observed if look.head is not None}
        return Delivery(
            data=b"".join(look.frame for look in passed),
            n_frames=len(passed),
            stations=tuple(sorted(station for station in stations if station is not None)),
            epoch_gpst_ns=max((look.epoch_ns or 0 for look in observed), default=None),
        )

    def _look(self, frame: bytes) -> _Look:
        look = _Look(frame)
        try:
            look.head = read_head(frame)
        except Exception as error:  # noqa: BLE001 - a decoder fault never stops forwarding
            look.has_failed = True
            self._failed(error)
        return look

    def _judge(self, looks: Sequence[_Look], now: float, opinions: Opinions) -> None:
        try:
            judged = self._freshness.judge([look.head for look in looks], now, opinions)
            for look, (judgement, epoch_ns) in zip(looks, judged, strict=True):
                look.judgement, look.epoch_ns = judgement, epoch_ns
        except Exception as error:  # noqa: BLE001 - a decoder fault never stops forwarding
            self._failed(error)

    def _passes(self, look: _Look, now: float) -> bool:
        """Count a frame, look into it, and say whether it goes out."""
        cause: str | None = None
        try:
            self.health.frame_seen(look.head, look.epoch_ns, now)
            cause = self._base_cause(look, now)
        except Exception as error:  # noqa: BLE001 - a decoder fault never stops forwarding
            self._failed(error)
        if cause is None and look.judgement is not Judgement.FRESH:
            cause = look.judgement.value
        if cause is None and self.guard.held_reason is not None:
            cause = _HELD_CAUSE
        if cause is not None:
            self.dropped[cause] += 1
            return False
        self._keep_for_handover(look, now)
        return True

    def _base_cause(self, look: _Look, now: float) -> str | None:
        head = look.head
        if head is None or head.number not in POSITION_NUMBERS:
            return None
        message = read_position(look.frame)
        if message is None:
            return None
        may_pass, news = self.guard.position_seen(
            message.station, message.ecef_m, now, is_virtual=message.is_non_physical
        )
        if news is not None:
            fields: dict[str, str | int | float] = {"station": news.station}
            if news.moved_m is not None:
                fields["moved_m"] = news.moved_m
            self._news.append(SourceNews(kind=news.event.value, text=news.text, fields=fields))
        if may_pass:
            return None
        return _IMPLAUSIBLE_CAUSE if self.guard.held_reason is None else _HELD_CAUSE

    def _keep_for_handover(self, look: _Look, now: float) -> None:
        head = look.head
        if head is None or head.number not in _HANDOVER_NUMBERS:
            return
        if head.station != self._handover_station:
            self._handover.clear()
            self._handover_station = head.station
        self._handover[head.number] = (look.frame, now)

    def _failed(self, error: Exception) -> None:
        self.inspection_failures += 1
        self.last_failure = f"{type(error).__name__}: {error}"[:200]

    def _quiet_limit_s(self) -> float:
        return max(self._limits.max_age_s, _GAP_PERIODS * (self.health.period_s or 0.0))

    def _state(self, now: float) -> SourceState:
        if self.guard.held_reason is not None:
            return SourceState.HELD
        limit_s = self._quiet_limit_s()
        fresh_s, epoch_s = self._liveness.fresh_s, self._liveness.epoch_s
        if fresh_s is not None and now - fresh_s <= limit_s:
            return SourceState.LIVE
        if epoch_s is not None and now - epoch_s <= limit_s:
            return SourceState.STALE
        return SourceState.WAITING if fresh_s is None else SourceState.LOST

    def _watch(self, now: float) -> None:
        self.state = state = self._state(now)
        since_s = self._liveness.live_since_s
        live_for_s = None if since_s is None else now - since_s
        kind = self._outage.seen(state, live_for_s, now)
        if kind is not None:
            self._news.append(SourceNews(kind=kind, text=self.reason(now)))
