"""One UDP port that many devices send to.

Every datagram stands for itself: it is told apart by its sender's address or by a registration in
front of it, or it belongs to the only device.
"""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Mapping
from typing import Any, cast

import structlog

from bdgw.backoff import Backoff
from bdgw.noise import NoiseGate
from bdgw.receivers.clock import Clock
from bdgw.receivers.endpoint import format_endpoint
from bdgw.receivers.identify import Identified, RuleBook
from bdgw.receivers.listener import RETRY_CAP_S, RETRY_FLOOR_S, bind_socket
from bdgw.receivers.snapshot import ListenerSnapshot
from bdgw.receivers.socket_link import format_address
from bdgw.receivers.spec import ListenerSpec, MatchRule, UnknownPolicy
from bdgw.receivers.stranger import Stranger
from bdgw.receivers.transport import Done, LinkHandler, Lost, LostCause, WriteState

__all__ = ["DatagramTransport", "UdpListener"]

_RECEIVE_BUFFER_BYTES = 1 << 20
"""A busy second of a few hundred devices may wait in the kernel."""


class DatagramTransport:
    """What one device sees of the shared socket; open while the socket is bound."""

    def __init__(self, listener: UdpListener, device: str) -> None:
        self._listener = listener
        self._device = device
        self._n_drops = 0
        self.handler: LinkHandler | None = None
        self.bound: asyncio.Future[None] | None = None
        self.address: tuple[Any, ...] | None = None

    @property
    def peer(self) -> str:
        """Where the last datagram came from."""
        return format_address(self.address)

    async def open(self, handler: LinkHandler) -> None:
        """Wait until the socket is bound."""
        self.handler = handler
        await self._listener.join(self._device, self)

    def write(
        self,
        data: bytes,
        *,
        lifetime_s: float | None = None,  # noqa: ARG002 - the contract has it
        done: Done | None = None,
    ) -> bool:
        """Send one datagram to where the last one came from."""
        if self.address is not None and self._listener.send(data, self.address):
            if done is not None:
                done(True)
            return True
        self._n_drops += 1
        return False

    def write_state(self, now: float) -> WriteState:  # noqa: ARG002 - the contract has it
        """Datagrams are sent or dropped at once; nothing waits."""
        return WriteState(n_drops=self._n_drops)

    async def close(self) -> None:
        """Leave the listener."""
        self.handler = None
        self._listener.leave(self._device, self)


class UdpListener(asyncio.DatagramProtocol):
    """One bound address and the devices that share it."""

    def __init__(
        self,
        spec: ListenerSpec,
        rules: Mapping[str, MatchRule | None],
        *,
        clock: Clock,
        rng: random.Random,
    ) -> None:
        """Prepare; ``rules`` has the match rule of every device of this listener.

        Raises:
            ValueError: two devices could claim the same datagram, or a rule needs a connection.
        """
        self._spec = spec
        self._clock = clock
        self._rules = RuleBook(rules)
        if self._rules.has_sentences:
            raise ValueError("udp-listen tells devices apart by peer or registration only")
        self._backoff = Backoff(RETRY_FLOOR_S, RETRY_CAP_S, rng)
        self._address = format_endpoint(spec.endpoint)
        self._members: dict[str, DatagramTransport] = {}
        self._strangers: dict[str, Stranger] = {}
        self._noise: NoiseGate[str] = NoiseGate()
        self._log = structlog.get_logger().bind(listener=self._address)
        self._transport: asyncio.DatagramTransport | None = None
        self._over: asyncio.Future[OSError] | None = None
        self._lost: Lost | None = None
        self._text = f"about to listen on {self._address}"
        self._next_attempt_at_s: float | None = None
        self._n_failures = 0
        self._n_accepted = 0
        self._n_refused = 0

    def transport(self, device: str) -> DatagramTransport:
        """Make the transport for one life of ``device``."""
        return DatagramTransport(self, device)

    async def run(self) -> None:
        """Stay bound for ever; a socket that cannot be bound or breaks is bound again."""
        while True:
            try:
                await self._bind_once()
            except OSError as error:
                await self._wait_after(error)

    async def join(self, device: str, member: DatagramTransport) -> None:
        """Take datagrams for ``device`` from now on, and wait until they can come."""
        self._members[device] = member
        if self._transport is None:
            member.bound = asyncio.get_running_loop().create_future()
            if member.handler is not None:
                member.handler.on_waiting(self._lost, self._text)
            await member.bound

    def leave(self, device: str, member: DatagramTransport) -> None:
        """Take no more datagrams for ``device``."""
        if self._members.get(device) is member:
            del self._members[device]

    def send(self, data: bytes, address: tuple[Any, ...]) -> bool:
        """Send a datagram unless the socket is away or the kernel is behind."""
        transport = self._transport
        if transport is None:
            return False
        # Every datagram transport has this method; the type of the base class only forgot it.
        if cast("asyncio.WriteTransport", transport).get_write_buffer_size() > 0:
            return False
        transport.sendto(data, address)
        return True

    def tick(self, now: float) -> None:
        """Write what the log held back."""
        for reason, count in self._noise.summaries(now):
            self._log.warning("unknown_datagrams_again", reason=reason, count=count)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is bound: let the devices in."""
        self._transport = cast("asyncio.DatagramTransport", transport)
        for member in self._members.values():
            if member.bound is not None and not member.bound.done():
                member.bound.set_result(None)

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        """Give the datagram to its device."""
        self._n_accepted += 1
        device = self._rules.device_of_peer(str(addr[0]))
        if device is None:
            answer = self._rules.match_registration(data)
            if not isinstance(answer, Identified):
                self._turn_away(data, addr)
                return
            device, data = answer.device, answer.rest
        member = self._members.get(device)
        if member is None or member.handler is None:
            return
        member.address = addr
        if data:
            member.handler.on_data(data)

    def error_received(self, exc: Exception) -> None:
        """A peer's port is closed, or the like: no fault of the socket."""
        now = self._clock.monotonic_s()
        if self._noise.admit(f"send: {exc}", now):
            self._log.warning("datagram_not_sent", reason=str(exc))

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket broke, or was closed by us."""
        self._transport = None
        if self._over is not None and not self._over.done():
            self._over.set_result(exc if isinstance(exc, OSError) else OSError("socket closed"))

    def snapshot(self, now: float) -> ListenerSnapshot:
        """The listener at ``now``."""
        transport, next_s = self._transport, self._next_attempt_at_s
        port = None if transport is None else transport.get_extra_info("sockname")[1]
        return ListenerSnapshot(
            address=self._address,
            is_listening=transport is not None,
            bound_port=port,
            reason=self._text,
            next_attempt_in_s=None if next_s is None else max(0.0, next_s - now),
            n_failures=self._n_failures,
            n_accepted=self._n_accepted,
            n_connected=sum(member.address is not None for member in self._members.values()),
            n_identifying=0,
            n_refused=self._n_refused,
            n_taken_over=0,
            quarantined=tuple(stranger.snapshot(now) for stranger in self._strangers.values()),
        )

    async def _bind_once(self) -> None:
        endpoint, loop = self._spec.endpoint, asyncio.get_running_loop()
        sock = await bind_socket(endpoint.host, endpoint.port, socket.SOCK_DGRAM)
        over = self._over = loop.create_future()
        self._lost, self._next_attempt_at_s = None, None
        self._text = f"listening on {self._address}"
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
            transport, _ = await loop.create_datagram_endpoint(lambda: self, sock=sock)
        except BaseException:
            sock.close()
            raise
        self._log.info("listening", port=transport.get_extra_info("sockname")[1])
        try:
            raise await asyncio.shield(over)
        finally:
            transport.abort()
            # The port is free again only once the loop has closed the socket.
            await asyncio.wait([over])

    async def _wait_after(self, error: OSError) -> None:
        self._n_failures += 1
        delay_s = self._backoff.next_delay_s()
        self._next_attempt_at_s = self._clock.monotonic_s() + delay_s
        reason = f"cannot listen on {self._address}: {error.strerror or error}"
        if self._lost is None:
            self._log.error("listener_down", reason=reason, next_attempt_in_s=round(delay_s, 1))
        self._lost = Lost(LostCause.LISTENER_DOWN, reason)
        self._text = f"{reason}; next attempt in {delay_s:.1f} s"
        for member in list(self._members.values()):
            handler = member.handler
            if handler is None:
                continue
            if member.bound is not None and not member.bound.done():
                handler.on_waiting(self._lost, self._text)
            else:
                member.handler = None
                handler.on_lost(self._lost)
        await asyncio.sleep(delay_s)

    def _turn_away(self, data: bytes, addr: tuple[Any, ...]) -> None:
        now, peer = self._clock.monotonic_s(), format_address(addr)
        reason = "no device has this address or registration"
        if self._noise.admit(reason, now):
            self._log.warning("unknown_peer", peer=peer, reason=reason)
        stranger = self._strangers.get(peer)
        if stranger is not None:
            stranger.on_data(data)
            return
        self._n_refused += 1
        if self._spec.unknown is UnknownPolicy.QUARANTINE:
            while len(self._strangers) >= self._spec.max_quarantined:
                del self._strangers[next(iter(self._strangers))]
            self._strangers[peer] = Stranger(peer, data, reason, now)
