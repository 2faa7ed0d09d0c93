"""Where corrections meet: bases of this gateway, other casters, its own caster, and the rovers.

Joins the rooms that know nothing of each other. RTCM of a base device goes to the sources and
mounts that are made of it; what a base pushes, and what a relayed source brings, likewise.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial

import msgspec
import structlog

from bdgw.caster import Caster, UserTable
from bdgw.corrections import Corrections
from bdgw.errors import ConfigError
from bdgw.noise import NoiseGate
from bdgw.receiver import EpochSeen
from bdgw.rtcm.frame import PROTOCOL as RTCM3
from bdgw.wire.splitter import Frame

__all__ = ["Augmentation", "Routes", "UsersFile"]

_LOOK_S = 2.0

_log = structlog.get_logger(__name__)


class Routes(msgspec.Struct, frozen=True, kw_only=True):
    """Which frames go where, by name."""

    sources_of_device: Mapping[str, tuple[str, ...]] = {}
    """Base device -> corrections that are made of it."""
    mounts_of_device: Mapping[str, tuple[str, ...]] = {}
    """Base device -> mounts of the caster."""
    mounts_of_source: Mapping[str, tuple[str, ...]] = {}
    """Correction -> mounts of the caster that relay it."""
    sources_of_mount: Mapping[str, tuple[str, ...]] = {}
    """Mount that a base pushes to -> corrections that are made of it."""


class UsersFile:
    """The caster's accounts in a file that may change while the caster runs.

    ``stamp`` tells whether the file is another one than before; ``read`` reads it.
    """

    def __init__(self, *, stamp: Callable[[], object], read: Callable[[], UserTable]) -> None:
        self._stamp_of = stamp
        self._read = read
        self._stamp = stamp()

    def changed(self) -> UserTable | None:
        """Give the new accounts once after a change.

        Raises:
            ConfigError: the file is not as it must be; the accounts before stay in force.
        """
        stamp = self._stamp_of()
        if stamp == self._stamp:
            return None
        self._stamp = stamp
        return self._read()


class Augmentation:
    """One for the gateway."""

    def __init__(
        self,
        corrections: Corrections,
        routes: Routes,
        *,
        new_caster: Callable[[Callable[[str, bytes, float], None]], Caster | None],
        users_file: UsersFile | None,
    ) -> None:
        self.corrections = corrections
        self._routes = routes
        self._users_file = users_file
        self._noise: NoiseGate[str] = NoiseGate()
        self.caster = new_caster(self._pushed)
        if self.caster is not None:
            for source, mounts in routes.mounts_of_source.items():
                for mount in mounts:
                    corrections.listen(source, partial(self._feed, mount))

    async def run(self) -> None:
        """Serve until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.corrections.run(), name="corrections")
            if self.caster is not None:
                group.create_task(self.caster.run(), name="caster")
            if self.caster is not None and self._users_file is not None:
                watching = self._watch_users(self.caster, self._users_file)
                group.create_task(watching, name="caster users")

    def take(self, device: str, event: object, now: float) -> None:
        """Take what a device's session says: a position to serve, or the frame of a base."""
        if isinstance(event, EpochSeen):
            self.corrections.fix_seen(device, event.fix, now)
        elif isinstance(event, Frame) and event.protocol == RTCM3:
            for source in self._routes.sources_of_device.get(device, ()):
                self.corrections.receive_local(source, event.data, now)
            for mount in self._routes.mounts_of_device.get(device, ()):
                self._feed(mount, event.data, now)

    def _feed(self, mount: str, frames: bytes, now: float) -> None:
        """Give frames to a mount; whatever the caster makes of them, rovers and devices go on."""
        if self.caster is None:
            return
        try:
            self.caster.feed(mount, frames, now)
        except Exception as error:  # noqa: BLE001 - a mistake in one room stops no other one
            if self._noise.admit(mount, now):
                _log.exception("caster_feed_failed", mount=mount, reason=str(error))
            for again, count in self._noise.summaries(now):
                _log.error("caster_feed_failed_again", mount=again, count=count)

    def _pushed(self, mount: str, frames: bytes, now: float) -> None:
        for source in self._routes.sources_of_mount.get(mount, ()):
            self.corrections.receive_local(source, frames, now)

    async def _watch_users(self, caster: Caster, file: UsersFile) -> None:
        while True:
            await asyncio.sleep(_LOOK_S)
            try:
                table = await asyncio.to_thread(file.changed)
            except ConfigError as error:
                _log.error("caster_users_refused", reason=str(error))
                continue
            if table is not None:
                caster.set_users(table)
                _log.info("caster_users_changed", users=len(table.users))
