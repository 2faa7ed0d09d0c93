"""A mountpoint of a caster in the place of a receiver.

The client lives as long as its device and keeps the caster's etiquette: it alone decides when to
try again. Each connection that it brings is one transport for the device's supervisor, which waits
for it as it waits for a modem that dials in.
"""

from __future__ import annotations

import asyncio
import random
import ssl

from bdgw.model import Fix
from bdgw.ntrip.account import Account
from bdgw.ntrip.gate import AccountGate
from bdgw.ntrip.runner import NtripClient, NtripClientSpec
from bdgw.ntrip.state import ClientState, ClientStatus
from bdgw.receivers.clock import Clock
from bdgw.receivers.endpoint import NtripEndpoint
from bdgw.receivers.transport import Done, LinkHandler, Lost, LostCause, WriteState

__all__ = ["NtripStream", "NtripTransport"]

_FLOWING = (ClientStatus.UNPROVEN, ClientStatus.STREAMING)


class NtripStream:
    """The client of one device, and the place where its transports wait."""

    def __init__(
        self,
        endpoint: NtripEndpoint,
        account: Account | None,
        *,
        clock: Clock,
        rng: random.Random,
        gate: AccountGate,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._client = NtripClient(
            NtripClientSpec(address=endpoint.address, mount=endpoint.mount, account=account),
            on_body=self._on_body,
            on_state=self._on_state,
            position=_nowhere,
            clock=clock,
            rng=rng,
            gate=gate,
            ssl_context=ssl_context,
        )
        self._clock = clock
        self._handler: LinkHandler | None = None
        self._opening: asyncio.Future[None] | None = None
        self._is_flowing = False
        self._reason = "not started"

    @property
    def peer(self) -> str:
        """Address and port of the caster."""
        return self._client.snapshot().peer

    async def run(self) -> None:
        """Keep the stream coming until cancelled."""
        await self._client.run()

    def frames_seen(self, n_frames: int) -> None:
        """Take note that so many valid frames came: only that makes a connection good."""
        self._client.frames_seen(n_frames, self._clock.monotonic_s())

    async def take(self, handler: LinkHandler) -> None:
        """Wait until data flows and let ``handler`` have it from its first byte on."""
        self._handler = handler
        if self._is_flowing:
            return
        handler.on_waiting(None, self._reason)
        self._opening = asyncio.get_running_loop().create_future()
        try:
            await self._opening
        finally:
            self._opening = None

    def release(self) -> None:
        """The supervisor is done with this connection."""
        self._handler = None

    def _on_body(self, data: bytes, _now: float) -> None:
        if self._handler is not None:
            self._handler.on_data(data)

    def _on_state(self, state: ClientState) -> None:
        was_flowing, self._is_flowing = self._is_flowing, state.status in _FLOWING
        self._reason = state.reason
        handler = self._handler
        if handler is None:
            return
        if self._opening is not None and not self._opening.done():
            if self._is_flowing:
                self._opening.set_result(None)
            else:
                handler.on_waiting(None, state.reason)
        elif was_flowing and not self._is_flowing:
            self._handler = None
            handler.on_lost(Lost(LostCause.PEER_CLOSED, state.reason))


class NtripTransport:
    """One connection that the client has brought."""

    def __init__(self, stream: NtripStream) -> None:
        self._stream = stream
        self._n_drops = 0

    @property
    def peer(self) -> str:
        """Address and port of the caster."""
        return self._stream.peer

    async def open(self, handler: LinkHandler) -> None:
        """Wait, for ever if need be, until data flows."""
        await self._stream.take(handler)

    def write(
        self,
        data: bytes,  # noqa: ARG002 - the contract has it
        *,
        lifetime_s: float | None = None,  # noqa: ARG002
        done: Done | None = None,  # noqa: ARG002
    ) -> bool:
        """Nobody listens at the other end: a mountpoint takes no corrections."""
        self._n_drops += 1
        return False

    def write_state(self, now: float) -> WriteState:  # noqa: ARG002 - the contract has it
        """Only drops."""
        return WriteState(n_drops=self._n_drops)

    async def close(self) -> None:
        """Let go; the client goes on by itself."""
        self._stream.release()


def _nowhere() -> Fix | None:
    """A device that stands for a stream has no position of its own to tell."""
    return None
