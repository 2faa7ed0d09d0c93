"""From what sessions say to what the gateway publishes.

Numbers the fixes of a device, keeps back the implausible ones, and counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Protocol

import msgspec

from bdgw.hub import FixQuarantined, Hub, SkySeen
from bdgw.model import (
    Alarm,
    DeviceFix,
    Fix,
    FixKind,
    Provenance,
    Sky,
    Solver,
    SolverCheck,
    TimeQuality,
    Via,
)
from bdgw.receiver import EpochSeen
from bdgw.stream import StreamStats
from bdgw.timescale import format_utc

__all__ = ["DeviceFacts", "DeviceRecord", "Intake", "TimeJudge"]

_IMPLAUSIBLE = "no_such_date"
_BROADCAST_FRAME = "WGS84"

CorrectionOf = Callable[[str, Fix, float], Provenance | None]
"""(device, fix, monotonic seconds) -> the correction that the fix used, None where it used none
that we know of."""


def no_correction(_device: str, _fix: Fix, _now: float) -> None:
    """Stand in where the gateway gives no corrections."""


class TimeJudge(Protocol):
    """Who knows what time it is; learns it from live receivers as well."""

    def hear(self, device: str, fix: Fix, rx_s: float) -> None:
        """Note what a receiver says."""
        ...

    def reason_against(self, fix: Fix, rx_s: float, now: float) -> str | None:
        """Tell why a fix cannot be of the time when it was read; None: nothing against it."""
        ...


class DeviceFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the configuration says of a device and every fix of it repeats."""

    id: str
    via: Via
    frame: str | None = None
    frame_epoch_year: float | None = None
    sends_sky: bool = False


class DeviceRecord:
    """What has come of one device since the gateway started."""

    __slots__ = (
        "facts",
        "fix_counts",
        "last",
        "last_quarantined",
        "quarantine_reasons",
        "seq",
        "sky",
        "stats",
        "was_implausible",
    )

    def __init__(self, facts: DeviceFacts) -> None:
        self.facts = facts
        self.stats = StreamStats()
        self.seq = 0
        self.last: DeviceFix | None = None
        self.fix_counts = dict.fromkeys(FixKind, 0)
        self.quarantine_reasons: Counter[str] = Counter()
        self.last_quarantined: FixQuarantined | None = None
        self.was_implausible = False
        self.sky: tuple[Sky, float] | None = None
        """The last one, and when it was read."""

    @property
    def quarantined(self) -> int:
        """Fixes that were kept back."""
        return self.quarantine_reasons.total()


class Intake:
    """One for the gateway. ``utc_ns`` and ``monotonic_s`` are the host's clocks."""

    def __init__(
        self,
        devices: list[DeviceFacts],
        hub: Hub,
        *,
        boot: str,
        utc_ns: Callable[[], int],
        monotonic_s: Callable[[], float],
        correction_of: CorrectionOf = no_correction,
        time_judge: TimeJudge | None = None,
    ) -> None:
        self._time_judge = time_judge
        self._correction_of = correction_of
        self.records = {facts.id: DeviceRecord(facts) for facts in devices}
        self._hub = hub
        self._boot = boot
        self._utc_ns = utc_ns
        self._monotonic_s = monotonic_s

    def take(
        self, device: str, event: object, now: float, check: SolverCheck | None = None
    ) -> None:
        """Take one event of a device's session; only epochs are its business.

        ``check`` is what the gateway's own solution says of it.
        """
        if not isinstance(event, EpochSeen):
            return
        record = self.records[device]
        if event.sky is not None:
            record.sky = (event.sky, event.rx_s)
        reason = self._reason_against(record.facts, event, now)
        if reason is not None:
            self._quarantine(record, event, reason)
            return
        record.was_implausible = False
        corr = self._correction_of(device, event.fix, now)
        self._publish(record, event, Solver.RECEIVER, corr, check)
        if record.facts.sends_sky and event.sky is not None:
            self._hub.publish(SkySeen(device=device, sky=event.sky))

    def take_solution(
        self,
        device: str,
        fix: Fix,
        rx_s: float,
        *,
        corr: Provenance | None,
        check: SolverCheck | None = None,
    ) -> None:
        """Take a position that the gateway has computed; it is numbered like the device's own.

        ``corr`` is the base that it used, and ``rx_s`` when its observations had come.
        """
        record = self.records[device]
        event = EpochSeen(fix, None, rx_s)
        if self._time_judge is not None:
            # It is not heard as a witness: its week is our own word.
            reason = self._time_judge.reason_against(fix, rx_s, self._monotonic_s())
            if reason is not None:
                self._quarantine(record, event, reason)
                return
        record.was_implausible = False
        self._publish(record, event, Solver.GATEWAY, corr, check)

    def take_sky(self, device: str, event: object) -> None:
        """Take the satellites that a receiver sees whose positions are not published."""
        if isinstance(event, EpochSeen) and event.sky is not None:
            record = self.records[device]
            record.sky = (event.sky, event.rx_s)
            if record.facts.sends_sky:
                self._hub.publish(SkySeen(device=device, sky=event.sky))

    def _publish(
        self,
        record: DeviceRecord,
        event: EpochSeen,
        solver: Solver,
        corr: Provenance | None,
        check: SolverCheck | None,
    ) -> None:
        frame, frame_epoch_year = self._frame_of(record.facts, event.fix, solver, corr)
        item = DeviceFix(
            device=record.facts.id,
            boot=self._boot,
            seq=record.seq,
            fix=event.fix,
            via=record.facts.via,
            t_rx_utc_ns=self._t_rx_utc_ns(event),
            solver=solver,
            frame=frame,
            frame_epoch_year=frame_epoch_year,
            corr=corr,
            check=check,
        )
        record.seq += 1
        record.last = item
        record.fix_counts[event.fix.kind] += 1
        self._hub.publish(item)

    @staticmethod
    def _frame_of(
        facts: DeviceFacts, fix: Fix, solver: Solver, corr: Provenance | None
    ) -> tuple[str | None, float | None]:
        """Give frame and epoch of the coordinates."""
        if corr is not None and corr.frame is not None:
            # A differential position is in the frame of its base, whatever the receiver is in.
            return corr.frame, corr.frame_epoch_year
        if solver is Solver.RECEIVER:
            return facts.frame, facts.frame_epoch_year
        # A point of our own is in that of the broadcast orbits, or of a base that does not say.
        return (_BROADCAST_FRAME if fix.kind is FixKind.SINGLE else None), None

    def _t_rx_utc_ns(self, event: EpochSeen) -> int:
        return self._utc_ns() - int((self._monotonic_s() - event.rx_s) * 1e9)

    def _reason_against(self, facts: DeviceFacts, event: EpochSeen, now: float) -> str | None:
        # A recording speaks of another time: only what its own session disbelieves is wrong.
        if self._time_judge is None or facts.via is Via.FILE:
            is_wrong = event.fix.time_quality is TimeQuality.IMPLAUSIBLE
            return _IMPLAUSIBLE if is_wrong else None
        self._time_judge.hear(facts.id, event.fix, event.rx_s)
        return self._time_judge.reason_against(event.fix, event.rx_s, now)

    def _quarantine(self, record: DeviceRecord, event: EpochSeen, reason: str) -> None:
        """Count and keep aside a fix whose date cannot be; one alarm when it begins."""
        record.quarantine_reasons[reason] += 1
        item = FixQuarantined(
            device=record.facts.id,
            reason=reason,
            fix=event.fix,
            t_rx_utc_ns=self._t_rx_utc_ns(event),
        )
        record.last_quarantined = item
        self._hub.publish(item)
        if record.was_implausible:
            return
        record.was_implausible = True
        t_gpst_ns = event.fix.t_gpst_ns
        claimed = "a time before 1980" if t_gpst_ns is None else format_utc(t_gpst_ns)
        self._hub.publish(
            Alarm(
                kind="time_implausible",
                device=record.facts.id,
                text=f"the receiver says {claimed}; its fixes are kept back until that ends",
                t_utc_ns=self._utc_ns(),
                fields={"t_claimed": claimed, "reason": reason},
            )
        )
