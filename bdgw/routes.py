"""Who hears what a device says, and who writes to it.

Terminals speak to the exchange of short messages. What receivers and bases say goes to the
corrections, to the solver where the gateway solves, and to the intake, which numbers and publishes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from bdgw.assembly import DeviceEvent, new_receiver_session
from bdgw.augmentation import Augmentation
from bdgw.intake import Intake
from bdgw.messaging import MessageExchange, PortEvent
from bdgw.model import Solver, Via
from bdgw.receiver import EpochSeen
from bdgw.receivers import Clock, ReceiverPool
from bdgw.solving import Position, SolveMode, Solving
from bdgw.trusted_time import TrustedTime
from bdgw.wire.session import Session
from bdgw.wire.splitter import Frame

__all__ = ["DeviceRoutes"]

_CORRECTION_LIFETIME_S = 2.0
"""What a rover's port has not taken by then is overtaken by the next epoch."""


class DeviceRoutes:
    """One for the gateway: made before the parts that speak to each other, joined once all are."""

    def __init__(self, *, clock: Clock, time: TrustedTime) -> None:
        self._clock = clock
        self._time = time

    def join(
        self,
        *,
        pool: ReceiverPool[Any],
        intake: Intake,
        augmentation: Augmentation,
        solving: Solving,
        messages: MessageExchange | None,
    ) -> None:
        """Say who is there; nothing may come through before."""
        self._pool = pool
        self._intake = intake
        self._augmentation = augmentation
        self._solving = solving
        self._messages = messages

    def new_session(self, device: str) -> Session[DeviceEvent]:
        """Make the session of a new connection."""
        if self._messages is not None and self._messages.is_terminal(device):
            return self._messages.new_session(device)
        return new_receiver_session(self._intake.records[device], self._time)

    def take(self, device: str, event: DeviceEvent, now: float) -> None:
        """Take what the session of a device says."""
        if self._messages is not None and self._messages.is_terminal(device):
            # Its session is one of the exchange's own, see ``new_session``.
            self._messages.take(device, cast("PortEvent", event), now)
            return
        # A recording speaks of another time and place.
        if self._intake.records[device].facts.via is not Via.FILE:
            self._augmentation.take(device, event, now)
        if isinstance(event, Frame):
            self._solving.rover_frame(device, event.data, now)
        mode = self._solving.mode(device)
        if mode is SolveMode.RECEIVER:
            self._intake.take(device, event, now)
        elif isinstance(event, EpochSeen):
            if mode is SolveMode.GATEWAY:
                self._intake.take_sky(device, event)
            self._solving.receiver_epoch(device, event, now)

    def position(self, device: str, position: Position) -> None:
        """Take one epoch of a device that the gateway solves, alone or beside its receiver."""
        now, epoch = self._clock.monotonic_s(), position.epoch
        if position.solver is Solver.RECEIVER and epoch is not None:
            told = EpochSeen(position.fix, epoch.sky, epoch.rx_s)
            self._intake.take(device, told, now, position.check)
            return
        if epoch is None:
            # Where the rover is says which base is the nearest, and what a caster is told.
            self._augmentation.corrections.fix_seen(device, position.fix, position.rx_s)
        else:
            self._intake.take_sky(device, epoch)
        self._intake.take_solution(
            device, position.fix, position.rx_s, corr=position.corr, check=position.check
        )

    def write_correction(self, device: str, data: bytes, done: Callable[[bool], None]) -> bool:
        """Give corrections to whoever solves: the receiver, the gateway, or both."""
        mode = self._solving.mode(device)
        if mode is not SolveMode.RECEIVER:
            source = self._augmentation.corrections.giving(device)
            self._solving.base_frames(device, data, source, self._clock.monotonic_s())
        if mode is SolveMode.GATEWAY:
            done(True)
            return True
        return self._pool.write(device, data, lifetime_s=_CORRECTION_LIFETIME_S, done=done)
