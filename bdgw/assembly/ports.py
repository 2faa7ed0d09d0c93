"""Builds the pool of devices: which session each connection gets, and what its events prove."""

from __future__ import annotations

import random
from collections.abc import Callable

from bdgw.config import Config
from bdgw.errors import ConfigError
from bdgw.intake import DeviceRecord
from bdgw.messaging import PortEvent
from bdgw.messaging import SkippedBytes as SkippedTerminalBytes
from bdgw.model import DeviceState, Via
from bdgw.ntrip.gate import AccountGate
from bdgw.plan import device_specs, listener_specs
from bdgw.receiver import (
    CaptureSession,
    EpochSeen,
    FramesSeen,
    ReceiverEvent,
    ReceiverSession,
)
from bdgw.receivers import Clock, Epoch, Good, ReceiverPool, Skipped, Verdict
from bdgw.trusted_time import TrustedTime
from bdgw.wire.session import Session
from bdgw.wire.splitter import Skipped as SkippedBytes

__all__ = ["DeviceEvent", "build_pool", "new_receiver_session"]

_LOCAL_IDLE_S = 0.3
_NETWORK_IDLE_S = 2.0
"""A DTU may cut a sentence in two packets a second apart; a serial line never pauses that long."""

DeviceEvent = ReceiverEvent | PortEvent
"""What the session of a device says: of a receiver or base, or of a terminal."""


def build_pool(
    config: Config,
    *,
    new_session: Callable[[str], Session[DeviceEvent]],
    emit: Callable[[str, DeviceEvent, float], None],
    on_state: Callable[[DeviceState], None],
    clock: Clock,
    rng: random.Random,
    gate: AccountGate | None = None,
) -> ReceiverPool[DeviceEvent]:
    """Build the pool, which finds out whether the devices can be told apart.

    Raises:
        ConfigError: they cannot; names both.
    """
    try:
        return ReceiverPool(
            device_specs(config),
            listener_specs(config),
            new_session=new_session,
            classify=_classify,
            emit=emit,
            on_state=on_state,
            clock=clock,
            rng=rng,
            gate=gate,
        )
    except ValueError as error:
        raise ConfigError(str(error)) from None


def new_receiver_session(record: DeviceRecord, time: TrustedTime) -> Session[ReceiverEvent]:
    """Make the session of one connection of a receiver or base, or of a recording."""
    if record.facts.via is Via.FILE:
        return CaptureSession(
            host_gpst_ns=time.gpst_ns, max_future_ns=time.max_future_ns, stats=record.stats
        )
    return ReceiverSession(
        idle_s=_NETWORK_IDLE_S if record.facts.via is Via.IP else _LOCAL_IDLE_S,
        host_gpst_ns=time.gpst_ns,
        max_future_ns=time.max_future_ns,
        stats=record.stats,
    )


def _classify(event: DeviceEvent) -> Verdict:
    if isinstance(event, EpochSeen):
        t_ns = event.fix.t_gpst_ns if event.fix.t_gpst_ns is not None else event.fix.tod_utc_ns
        return None if t_ns is None else Epoch(t_ns / 1e9)
    if isinstance(event, FramesSeen):
        return Good(event.count)
    if isinstance(event, SkippedBytes):
        return Skipped(len(event.data))
    if isinstance(event, SkippedTerminalBytes):
        return Skipped(event.n_bytes)
    return None
