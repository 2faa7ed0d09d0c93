"""The state of the gateway as plain values, for the API and for the health message.

Built from snapshots, never from a driver; keys carry units and unknown is absent. Health is
decoded frames, acknowledged publishes and moving epochs, never an open socket.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from bdgw import __version__, timescale
from bdgw.adapters import AdapterGroup
from bdgw.caster import Caster
from bdgw.corrections import Corrections
from bdgw.history import HistoryState
from bdgw.hostclock import HostClock
from bdgw.hub import FixQuarantined
from bdgw.intake import DeviceRecord, Intake
from bdgw.messaging import MessageExchange, TerminalSnapshot
from bdgw.model import DeviceStatus
from bdgw.offline import stats_fields
from bdgw.publish.embedded import EmbeddedBroker
from bdgw.publish.mqtt import MqttPublisher
from bdgw.publish.outbox import Outbox
from bdgw.publish.payload import VERSION, fix_payload, format_posix, sky_fields
from bdgw.receivers import ListenerSnapshot, ReceiverPool, ReceiverSnapshot
from bdgw.solving import Solving
from bdgw.status.corrections import caster_fields, corrections_fields, source_summary
from bdgw.status.messages import terminal_summary, terminals_down, terminals_fields
from bdgw.status.process import process_fields
from bdgw.status.value import present, rounded
from bdgw.trusted_time import TimeState

__all__ = ["GatewayStatus"]

HEALTH_VALID_S = 60
_TERMINAL_GRACE_S = 300.0
"""A ship under a bridge, a terminal that starts anew: short messages are made for waiting."""
_GRACE_S = 30.0
"""A broker restart or a receiver that is being replugged is not yet a failure of the gateway."""


class GatewayStatus:
    """Answers how the gateway is doing; every call looks anew."""

    def __init__(
        self,
        *,
        gateway: str,
        boot: str,
        intake: Intake,
        pool: ReceiverPool[Any],
        outbox: Outbox,
        publisher: MqttPublisher,
        broker: EmbeddedBroker | None,
        corrections: Corrections,
        solving: Solving,
        caster: Caster | None,
        messages: MessageExchange | None,
        adapters: AdapterGroup,
        host_clock: HostClock,
        time_state: Callable[[float], TimeState],
        history: Callable[[], HistoryState] | None,
        utc_ns: Callable[[], int],
        monotonic_s: Callable[[], float],
    ) -> None:
        self._gateway = gateway
        self._boot = boot
        self._intake = intake
        self._pool = pool
        self._outbox = outbox
        self._publisher = publisher
        self._broker = broker
        self._corrections = corrections
        self._solving = solving
        self._caster = caster
        self._messages = messages
        self._adapters = adapters
        self._host_clock = host_clock
        self._time_state = time_state
        self._history = history
        self._utc_ns = utc_ns
        self._monotonic_s = monotonic_s
        self._started_s = monotonic_s()

    def full(self) -> dict[str, Any]:
        """Everything that the REST status shows."""
        value = {
            **self._head(),
            "version": __version__,
            "uptime_s": round(self._monotonic_s() - self._started_s, 3),
            "is_healthy": not self.failures(),
            "failures": self.failures(),
            "process": process_fields(),
            "clock": self._clock(),
            "mqtt": self._mqtt(),
            "outbox": present(
                msgspec.to_builtins(self._outbox.snapshot(now_s=self._monotonic_s()))
            ),
            "devices": self.devices(),
            "listeners": [_listener(snapshot) for snapshot in self._pool.listener_snapshots()],
            "corrections": self.corrections(),
            "adapters": self._adapters.fields(self._monotonic_s()),
        }
        if self._history is not None:
            value["history"] = present(msgspec.to_builtins(self._history()))
        if self._caster is not None:
            value["caster"] = caster_fields(self._caster.snapshot(self._monotonic_s()))
        if self._messages is not None:
            value["terminals"] = self.terminals()
            value["shortmsg"] = self._messages.counts()
        return value

    def devices(self) -> list[dict[str, Any]]:
        """Every receiver and base, in the order of the configuration."""
        return [
            self._device(snapshot, self._intake.records[snapshot.device])
            for snapshot in self._receivers()
        ]

    def device(self, device: str) -> dict[str, Any] | None:
        """One receiver or base, None where it is not configured."""
        for snapshot in self._receivers():
            if snapshot.device == device:
                return self._device(snapshot, self._intake.records[device])
        return None

    def sky(self, device: str) -> dict[str, Any] | None:
        """The satellites that a device saw last, None before it saw any."""
        seen = self._intake.records[device].sky
        if seen is None:
            return None
        sky, rx_s = seen
        age_s = rounded(self._monotonic_s() - rx_s)
        return {"dev": device, "age_s": age_s, **sky_fields(sky)}

    def terminals(self) -> list[dict[str, Any]]:
        """Every terminal for short messages, with its card."""
        ports = {snapshot.device: snapshot for snapshot in self._pool.snapshots()}
        return terminals_fields(self._terminals(), ports)

    def corrections(self) -> dict[str, Any]:
        """Every source of corrections, and what each device is given."""
        return corrections_fields(self._corrections.snapshots(self._monotonic_s()))

    def accept_base(self, name: str) -> bool:
        """Believe the new place of a base whose stream is held back; False if none is."""
        return self._corrections.accept_base(name)

    def health(self) -> dict[str, Any]:
        """The summary that is published and retained."""
        outbox = self._outbox.snapshot(now_s=self._monotonic_s())
        devices = []
        for snapshot in self._receivers():
            record = self._intake.records[snapshot.device]
            devices.append(
                present(
                    {
                        "dev": snapshot.device,
                        "status": snapshot.status.value,
                        "reason": snapshot.reason,
                        "since": format_posix(snapshot.since_utc_ns),
                        "fix": record.last.fix.kind.value if record.last else None,
                        "last_data_age_s": rounded(snapshot.last_data_age_s),
                        "fixes": record.seq,
                        "quarantined": record.quarantined,
                    }
                )
            )
        return {
            **self._head(),
            "valid_for_s": HEALTH_VALID_S,
            "is_healthy": not self.failures(),
            "devices": devices,
            "corrections": [
                source_summary(source)
                for source in self._corrections.snapshots(self._monotonic_s()).sources
            ],
            "terminals": [terminal_summary(one) for one in self._terminals()],
            "outbox": present(
                {
                    "depth": outbox.depth,
                    "bytes": outbox.bytes,
                    "dropped": sum(outbox.dropped.values()),
                    "history": outbox.history,
                    "oldest_unacked_age_s": rounded(outbox.oldest_unacked_age_s),
                    "room_h": outbox.room_h,
                    "storage_error": outbox.storage_error,
                }
            ),
        }

    def is_connected(self) -> bool:
        """Whether the broker takes messages."""
        return self._publisher.snapshot().is_connected

    def failures(self) -> list[str]:
        """Why the data plane does not work, in plain words; empty when it does."""
        reasons = []
        mqtt = self._publisher.snapshot()
        # There is always something to acknowledge, because health itself is published. Its age is
        # of the monotonic clock: one that is put right after the start is no outage of years.
        waiting_s = mqtt.oldest_unacked_age_s
        if waiting_s is not None and waiting_s > _GRACE_S:
            why = "" if mqtt.is_connected else f", not connected: {mqtt.reason}"
            reasons.append(f"broker: nothing acknowledged for {waiting_s:.0f} s{why}")
        devices = self._receivers()
        uptime_s = self._monotonic_s() - self._started_s
        if devices and all(_is_down(device, uptime_s) for device in devices):
            reasons.append(f"receivers: none of {len(devices)} has delivered for {_GRACE_S:.0f} s")
        terminals_why = terminals_down(self._terminals(), grace_s=_TERMINAL_GRACE_S)
        if terminals_why is not None:
            reasons.append(terminals_why)
        messages = self._messages
        ledger_why = None if messages is None else messages.trouble(grace_s=_GRACE_S)
        if ledger_why is not None:
            reasons.append(ledger_why)
        return reasons

    def _receivers(self) -> list[ReceiverSnapshot]:
        records = self._intake.records
        return [snapshot for snapshot in self._pool.snapshots() if snapshot.device in records]

    def _terminals(self) -> tuple[TerminalSnapshot, ...]:
        return () if self._messages is None else self._messages.terminals()

    def _head(self) -> dict[str, Any]:
        return {
            "v": VERSION,
            "gw": self._gateway,
            "boot": self._boot,
            "t": format_posix(self._utc_ns()),
        }

    def _clock(self) -> dict[str, Any]:
        now = self._host_clock.gpst_ns(0.0)
        day = None if now is None else timescale.utc_from_gpst(now)[0]
        return present(
            {
                "is_set": self._host_clock.is_set(),
                "is_synchronised": self._host_clock.is_synchronised(),
                **msgspec.to_builtins(self._time_state(self._monotonic_s())),
                "gpst_minus_utc_s": None if day is None else timescale.leap_seconds(day),
                "leap_table_valid_until": timescale.LEAP_TABLE_VALID_UNTIL.isoformat(),
                "is_leap_table_expired": (
                    None if day is None else day > timescale.LEAP_TABLE_VALID_UNTIL
                ),
            }
        )

    def _mqtt(self) -> dict[str, Any]:
        snapshot = self._publisher.snapshot()
        value = msgspec.to_builtins(snapshot)
        value["since"] = format_posix(value.pop("since_utc_ns"))
        if self._broker is not None:
            value["embedded"] = present(msgspec.to_builtins(self._broker.snapshot()))
        return present(value)

    def _device(self, snapshot: ReceiverSnapshot, record: DeviceRecord) -> dict[str, Any]:
        value = msgspec.to_builtins(snapshot)
        value["dev"] = value.pop("device")
        value["url"] = value.pop("endpoint")
        value["since"] = format_posix(value.pop("since_utc_ns"))
        value["fixes"] = record.seq
        value["fix_counts"] = {kind.value: n for kind, n in record.fix_counts.items() if n}
        value["quarantined"] = record.quarantined
        if record.last_quarantined is not None:
            value["quarantine"] = _quarantine(record, record.last_quarantined)
        counts = stats_fields(record.stats)
        counts["late"] = dict(record.stats.late)
        value["stream"] = counts
        solver = self._solving.snapshot(snapshot.device)
        if solver is not None:
            value["solver"] = present(msgspec.to_builtins(solver))
        if record.last is not None:
            last = fix_payload(
                record.last.fix,
                via=record.last.via,
                frame=record.last.frame,
                epoch=record.last.frame_epoch_year,
                solver=record.last.solver,
                corr=record.last.corr,
            )
            last.seq = record.last.seq
            last.t_rx = format_posix(record.last.t_rx_utc_ns)
            value["last_fix"] = msgspec.to_builtins(last)
        return present(value)


def _quarantine(record: DeviceRecord, last: FixQuarantined) -> dict[str, Any]:
    claimed_ns = last.fix.t_gpst_ns
    return present(
        {
            "reasons": dict(record.quarantine_reasons),
            "is_now": record.was_implausible,
            "last_reason": last.reason,
            "last_claimed": None if claimed_ns is None else timescale.format_utc(claimed_ns),
            "last_t_rx": format_posix(last.t_rx_utc_ns),
        }
    )


def _listener(snapshot: ListenerSnapshot) -> dict[str, Any]:
    value = present(msgspec.to_builtins(snapshot))
    for peer, shown in zip(snapshot.quarantined, value.get("quarantined", []), strict=True):
        shown["head_hex"] = peer.head.hex()
        del shown["head"]
    return value


def _is_down(snapshot: ReceiverSnapshot, uptime_s: float) -> bool:
    """Tell whether a device has delivered nothing of use for the grace time."""
    if snapshot.status is DeviceStatus.ENDED:
        return False
    if snapshot.status is DeviceStatus.STUCK:
        return snapshot.status_age_s > _GRACE_S
    age_s = snapshot.last_frame_age_s
    return (uptime_s if age_s is None else age_s) > _GRACE_S
