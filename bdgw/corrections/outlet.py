"""One receiver of corrections: a device, or a mount of the own caster. No I/O of its own.

Joins the choice, the trail of what was sent, and the counters; sending is a function given to it,
called once for a read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from bdgw.corrections.choice import Chooser, Facts, FailoverRules, StreamKey
from bdgw.corrections.datum import Datum
from bdgw.corrections.nearest import Nearest
from bdgw.corrections.snapshot import OutletSnapshot
from bdgw.corrections.source import Delivery
from bdgw.corrections.trail import Trail
from bdgw.geodesy import Ecef, chord_m

__all__ = ["NearestSlot", "Outlet", "Slot", "Write"]

Write = Callable[[bytes, float, Callable[[bool], None]], bool]
"""Gets one read, the time and whom to tell whether it was really written; whether it is taken."""

REFUSED = "refused"
PERISHED = "perished"
_ALARM_AGAIN_S = 3600.0
_ALARMS_MAX = 64
_PROVE_S = 30.0
"""A base that has given nothing for so long is left aside for the next nearest."""
_LOOK_S = 5.0
"""How often distances are looked at; a table has thousands of bases."""


class Slot:
    """A place in the ranking that is always the same stream."""

    def __init__(self, key: StreamKey) -> None:
        self._key = key

    @property
    def reason(self) -> str | None:
        """Why there is no stream; None when there is."""
        return None

    def resolve(self, rover_m: Ecef | None, now: float) -> StreamKey | None:  # noqa: ARG002
        """Give the stream that stands here now."""
        return self._key

    def look(self, facts: Mapping[StreamKey, Facts], now: float) -> None:
        """Learn from how the stream fares."""


class NearestSlot(Slot):
    """A place in the ranking that the nearest base takes.

    ``places`` gives the bases to choose from; ``may_leave`` says whether another base could fare
    better than one that gives nothing, which it cannot when the account is refused.
    """

    def __init__(
        self,
        nearest: Nearest,
        *,
        places: Callable[[], Mapping[StreamKey, Ecef]],
        may_leave: Callable[[StreamKey], bool],
    ) -> None:
        self._nearest = nearest
        self._places = places
        self._may_leave = may_leave
        self._since_s = 0.0
        self._look_at_s = 0.0

    @property
    def reason(self) -> str | None:
        """Why there is no base; None when there is."""
        return self._nearest.reason if self._nearest.current is None else None

    def resolve(self, rover_m: Ecef | None, now: float) -> StreamKey | None:
        """Give the nearest base, with hysteresis."""
        before = self._nearest.current
        if before is not None and now < self._look_at_s:
            return before
        self._look_at_s = now + _LOOK_S
        chosen = self._nearest.choose(rover_m, self._places(), now)
        if chosen != before:
            self._since_s = now
        return chosen

    def look(self, facts: Mapping[StreamKey, Facts], now: float) -> None:
        """Leave a base aside that does not deliver."""
        key = self._nearest.current
        known = None if key is None else facts.get(key)
        if key is None or known is None or known.is_live:
            return
        given_s = min(known.quiet_for_s, now - self._since_s)
        if given_s >= _PROVE_S and self._may_leave(key):
            self._nearest.exclude(key, now)
            self._look_at_s = now


class Outlet:
    """Who gets corrections, and what has become of them."""

    def __init__(
        self,
        name: str,
        *,
        correction: str,
        slots: Sequence[Slot],
        rules: FailoverRules,
        write: Write,
        began_s: float,
        is_device: bool,
        datum: Datum | None = None,
    ) -> None:
        self.name = name
        self.correction = correction
        self.is_device = is_device
        self.slots = tuple(slots)
        self.chooser = Chooser(rules, began_s=began_s, datum=datum)
        self.trail = Trail()
        self._write = write
        self._is_begun = False
        self.ranked: tuple[StreamKey, ...] = ()
        self.rover_m: Ecef | None = None
        self.n_frames = 0
        self.n_writes = 0
        self.bytes_out = 0
        self.dropped: Counter[str] = Counter()
        self.last_forwarded_s: float | None = None
        self._frame_alarm_s: dict[StreamKey, float] = {}

    @property
    def current(self) -> StreamKey | None:
        """The stream that it gets."""
        return self.chooser.current

    def rank(self, now: float) -> tuple[StreamKey, ...]:
        """Find the streams that it may get, best first."""
        found = (slot.resolve(self.rover_m, now) for slot in self.slots)
        self.ranked = tuple(dict.fromkeys(key for key in found if key is not None))
        return self.ranked

    def wanted(self) -> set[StreamKey]:
        """The streams to keep connected for it, the one in use until another has taken over."""
        wanted = set(self.ranked)
        if self.current is not None:
            wanted.add(self.current)
        return wanted

    def choose(self, facts: Mapping[StreamKey, Facts], now: float) -> bool:
        """Decide anew; True when the stream has changed."""
        for slot in self.slots:
            slot.look(facts, now)
        has_changed = self.chooser.choose(self.ranked, facts, now, rover_m=self.rover_m)
        if has_changed:
            self._is_begun = False
        return has_changed

    def frame_news(self, now: float) -> list[tuple[StreamKey, str]]:
        """Streams refused for their frame that have not been told of within the last hour."""
        news = []
        for key, why in self.chooser.frame_refusals.items():
            last_s = self._frame_alarm_s.get(key)
            if last_s is None or now - last_s >= _ALARM_AGAIN_S:
                self._frame_alarm_s[key] = now
                news.append((key, why))
        while len(self._frame_alarm_s) > _ALARMS_MAX:
            del self._frame_alarm_s[next(iter(self._frame_alarm_s))]
        return news

    def snapshot(
        self, facts: Mapping[StreamKey, Facts], reasons: Mapping[StreamKey, str], now: float
    ) -> OutletSnapshot:
        """How it fares at ``now``; ``reasons`` says why streams are not live."""
        datum = self.chooser.datum
        known = None if self.current is None else facts.get(self.current)
        base = None if known is None else known.base
        at_s = self.last_forwarded_s
        return OutletSnapshot(
            device=self.name,
            is_device=self.is_device,
            correction=self.correction,
            source=None if self.current is None else self.current.source,
            mount=None if self.current is None else self.current.mount,
            reason=self._reason(facts, reasons),
            frame=None if datum is None else datum.frame,
            epoch_year=None if datum is None else datum.epoch_year,
            baseline_m=(
                None
                if base is None or self.rover_m is None
                else round(chord_m(base.ecef_m, self.rover_m), 1)
            ),
            n_switches=self.chooser.n_switches,
            n_frames=self.n_frames,
            bytes_out=self.bytes_out,
            n_writes=self.n_writes,
            dropped=dict(self.dropped),
            last_forwarded_age_s=None if at_s is None else max(0.0, now - at_s),
            refusals={str(key): why for key, why in self.chooser.refusals.items()},
        )

    def forward(
        self, delivery: Delivery, datum: Datum, now: float, *, handover: Callable[[], bytes]
    ) -> None:
        """Send one read; refused bytes are counted and forgotten, for tomorrow they are stale.

        ``handover`` gives the frames that describe the base; they go first with a new stream, so
        that its observations never meet the position of the base before.
        """
        key = self.current
        if key is None:
            return
        is_first, self._is_begun = not self._is_begun, True
        data = handover() + delivery.data if is_first else delivery.data

        def ended(is_written: bool) -> None:
            if is_written:
                self.n_writes += 1
                self.n_frames += delivery.n_frames
                self.bytes_out += len(data)
                self.last_forwarded_s = now
                self.trail.forwarded(key, datum, delivery.stations, delivery.epoch_gpst_ns, now)
                return
            self.dropped[PERISHED] += 1
            if is_first and key == self.current:
                self._is_begun = False

        try:
            is_taken = self._write(data, now, ended)
        except OSError:
            is_taken = False
        if is_taken:
            # Bound from now on: what waits in a port may still go out.
            self.chooser.forwarded(datum, now)
            return
        self.dropped[REFUSED] += 1
        if is_first:
            self._is_begun = False

    def _reason(self, facts: Mapping[StreamKey, Facts], reasons: Mapping[StreamKey, str]) -> str:
        """What it gets, or why it gets nothing, in plain words."""
        key = self.current
        if key is not None and key in facts and facts[key].is_live:
            is_first = bool(self.ranked) and key == self.ranked[0]
            return f"gets {key}" if is_first else f"gets {key}, which stands in"
        told = [slot.reason for slot in self.slots if slot.reason is not None]
        told += [f"{key}: {why}" for key, why in self.chooser.refusals.items()]
        told += [
            f"{key}: {reasons[key]}"
            for key in self.ranked
            if key in reasons and not (key in facts and facts[key].is_live)
        ]
        return "; ".join(told) or "nothing has come yet"
