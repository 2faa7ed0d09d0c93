"""The place of one device at a shared TCP listener: who waits for it, who holds it, who wants it.

The newest connection of a device wins, because a modem that lost its old connection is the usual
reason for a new one. Two modems with one identity would take the device from each other for ever;
that is counted and said.
"""

from __future__ import annotations

import asyncio
from collections import deque

import msgspec

from bdgw.receivers.socket_link import SocketLink
from bdgw.receivers.transport import Done, LinkHandler, Lost, LostCause, WriteState

__all__ = ["DeviceSlot", "InboundTransport", "ListenerState"]

_FLAPPING_TAKEOVERS = 3
_FLAPPING_PERIOD_S = 60.0


class ListenerState(msgspec.Struct, frozen=True):
    """Whether the shared socket listens; ``lost`` says why it does not."""

    lost: Lost | None
    text: str


class DeviceSlot:
    """Joins accepted connections of one device with the transport that its supervisor opens."""

    def __init__(self, device: str, state: ListenerState) -> None:
        self.device = device
        self.n_taken_over = 0
        self._state = state
        self._handler: LinkHandler | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._offered: tuple[SocketLink, bytes] | None = None
        self._active: SocketLink | None = None
        self._takeovers: deque[tuple[float, str]] = deque(maxlen=2 * _FLAPPING_TAKEOVERS)
        self._note: str | None = None
        self._listener_note: str | None = None

    @property
    def is_connected(self) -> bool:
        """A connection is in use or waits to be."""
        return self._active is not None or self._offered is not None

    def offer(self, link: SocketLink, rest: bytes, now: float) -> bool:
        """Bring a connection that named this device; True when it replaces another one."""
        link.hold()
        older, self._active = self._active, None
        if self._offered is not None:
            older, self._offered = self._offered[0], None
        if older is not None:
            self.n_taken_over += 1
            self._takeovers.append((now, older.peer))
            self._takeovers.append((now, link.peer))
            reason = f"taken over by a newer connection from {link.peer}"
            older.lose(Lost(LostCause.TAKEN_OVER, reason))
        self._offered = (link, rest)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
        self.tick(now)
        return older is not None

    def tick(self, now: float) -> None:
        """Raise or take back the remark about two modems with one identity."""
        recent = [peer for at_s, peer in self._takeovers if now - at_s < _FLAPPING_PERIOD_S]
        note = None
        if len(recent) >= 2 * _FLAPPING_TAKEOVERS:
            hosts = sorted({peer.rpartition(":")[0] for peer in recent})
            note = (
                f"connections take it over from each other ({', '.join(hosts)}): "
                "do two modems have the same identity?"
            )
        self._note = note
        self._tell_note()

    def listener_changed(self, state: ListenerState) -> None:
        """The shared socket came up or went down."""
        self._state = state
        if self._handler is None:
            return
        if self._waiter is not None:
            self._handler.on_waiting(state.lost, state.text)
        self._tell_note()

    async def take(self, handler: LinkHandler) -> SocketLink:
        """Wait for a connection of this device and attach ``handler`` to it."""
        self._handler = handler
        self._tell_note()
        if self._offered is None:
            self._waiter = asyncio.get_running_loop().create_future()
            handler.on_waiting(self._state.lost, self._state.text)
            try:
                await self._waiter
            finally:
                self._waiter = None
        offered = self._offered
        if offered is None:  # pragma: no cover - only ``offer`` ends the wait
            raise OSError("the connection was withdrawn")
        self._offered = None
        self._active = offered[0]
        offered[0].attach(handler, offered[1])
        return offered[0]

    def release(self, link: SocketLink | None) -> None:
        """The supervisor is done with ``link``."""
        if self._active is link:
            self._active = None
        self._handler = None

    async def close(self) -> None:
        """Drop a connection that nobody fetched."""
        if self._offered is not None:
            offered, self._offered = self._offered, None
            await offered[0].close()

    def _tell_note(self) -> None:
        if self._handler is None:
            return
        note = self._note
        if note is None and self._state.lost is not None and self._waiter is None:
            note = f"its listener is down: {self._state.lost.reason}"
        self._handler.on_note(note)


class InboundTransport:
    """One connection of one device that dials in."""

    def __init__(self, slot: DeviceSlot, *, write_limit_bytes: int) -> None:
        self._slot = slot
        self._write_limit_bytes = write_limit_bytes
        self._link: SocketLink | None = None

    @property
    def peer(self) -> str:
        """Address and port of the device or its modem."""
        return "" if self._link is None else self._link.peer

    async def open(self, handler: LinkHandler) -> None:
        """Wait, for ever if need be, until the device dials in."""
        self._link = await self._slot.take(handler)
        self._link.write_limit_bytes = self._write_limit_bytes

    def write(
        self, data: bytes, *, lifetime_s: float | None = None, done: Done | None = None
    ) -> bool:
        """Send or buffer; False when there is no room or no connection."""
        return self._link is not None and self._link.write(data, lifetime_s=lifetime_s, done=done)

    def write_state(self, now: float) -> WriteState:
        """The sending side at ``now``."""
        return WriteState() if self._link is None else self._link.write_state(now)

    async def close(self) -> None:
        """Close the connection and wait until it is gone."""
        self._slot.release(self._link)
        if self._link is not None:
            await self._link.close()
