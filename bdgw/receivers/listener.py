"""One TCP port that many devices dial into: accept, ask who it is, hand over, or turn away.

The accept loop is our own and not ``asyncio.Server``, because a listening socket that breaks must
be noticed, shown in the state of its devices, and opened again.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import random
import socket
from collections.abc import Mapping

import structlog

from bdgw.backoff import Backoff
from bdgw.noise import NoiseGate
from bdgw.receivers.clock import Clock
from bdgw.receivers.endpoint import format_endpoint
from bdgw.receivers.identify import Answer, Identification, Identified, NeedMore, RuleBook, Unknown
from bdgw.receivers.slot import DeviceSlot, InboundTransport, ListenerState
from bdgw.receivers.snapshot import ListenerSnapshot
from bdgw.receivers.socket_link import SocketLink
from bdgw.receivers.spec import ListenerSpec, MatchRule, UnknownPolicy
from bdgw.receivers.stranger import Quarantine
from bdgw.receivers.transport import Lost, LostCause

__all__ = ["RETRY_CAP_S", "RETRY_FLOOR_S", "TcpListener", "bind_socket"]

_BACKLOG = 4096
"""The kernel cuts it to its own limit. After an outage of the network all modems dial at once."""
RETRY_FLOOR_S = 0.5
RETRY_CAP_S = 10.0
_ACCEPT_PAUSE_S = 1.0
"""After running out of descriptors or memory: the listening socket is fine, the host is not."""

_HOST_SHORT_OF = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_PEER_GAVE_UP = (errno.ECONNABORTED, errno.EPERM, errno.EPROTO, errno.ENETDOWN, errno.EHOSTUNREACH)
"""Source: accept(2): errors of the new connection, not of the listening socket."""


async def bind_socket(host: str, port: int, kind: socket.SocketKind) -> socket.socket:
    """Open a non-blocking bound socket; an empty host means every address, IPv4 and IPv6.

    Raises:
        OSError: the address is in use or not of this host.
    """
    is_dual = not host and socket.has_dualstack_ipv6()
    rows = await asyncio.get_running_loop().getaddrinfo(
        "::" if is_dual else host or None, port, type=kind, flags=socket.AI_PASSIVE
    )
    family, _, _, _, address = rows[0]
    sock = socket.socket(family, kind)
    try:
        sock.setblocking(False)
        if kind is socket.SOCK_STREAM:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(not is_dual))
        sock.bind(address)
    except BaseException:
        sock.close()
        raise
    return sock


class _Newcomer:
    """Handles a connection until it has named its device."""

    def __init__(self, listener: TcpListener, link: SocketLink, machine: Identification) -> None:
        self._listener = listener
        self.link = link
        self.machine = machine
        self.device_of_address: str | None = None

    def on_data(self, data: bytes) -> None:
        answer = self.machine.receive(data)
        if self.device_of_address is not None:
            answer = Identified(self.device_of_address, self.machine.data)
        self._listener.answered(self, answer)

    def on_lost(self, lost: Lost) -> None:
        self._listener.answered(self, Unknown(f"{self.machine.expire().reason}; {lost.reason}"))

    def on_waiting(self, lost: Lost | None, text: str) -> None:
        """Never called: an accepted connection waits for nobody."""

    def on_note(self, text: str | None) -> None:
        """Never called."""


class TcpListener:
    """One listening address and the connections that came in by it."""

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
            ValueError: two devices could claim the same peer.
        """
        self._spec = spec
        self._clock = clock
        self._rules = RuleBook(rules)
        self._backoff = Backoff(RETRY_FLOOR_S, RETRY_CAP_S, rng)
        self._address = format_endpoint(spec.endpoint)
        self._state = ListenerState(None, f"about to listen on {self._address}")
        self._slots = {device: DeviceSlot(device, self._state) for device in rules}
        self._newcomers: dict[_Newcomer, float] = {}
        self._quarantine = Quarantine(spec.max_quarantined)
        self._noise: NoiseGate[str] = NoiseGate()
        self._log = structlog.get_logger().bind(listener=self._address)
        self._bound_port: int | None = None
        self._next_attempt_at_s: float | None = None
        self._accept_due_s = 0.0
        self._n_failures = 0
        self._n_accepted = 0
        self._n_refused = 0

    def transport(self, device: str, *, write_limit_bytes: int) -> InboundTransport:
        """Make the transport for one connection of ``device``."""
        return InboundTransport(self._slots[device], write_limit_bytes=write_limit_bytes)

    async def run(self) -> None:
        """Listen for ever; a socket that cannot be opened or breaks is opened again."""
        try:
            while True:
                try:
                    await self._listen_once()
                except OSError as error:
                    await self._wait_after(error)
        finally:
            await self._close_all()

    def tick(self, now: float) -> None:
        """Turn away who has not named a device in time; write what the log held back."""
        limit_s = now - self._spec.identify_s
        for newcomer in [n for n, since_s in self._newcomers.items() if since_s <= limit_s]:
            self.answered(newcomer, newcomer.machine.expire())
        for slot in self._slots.values():
            slot.tick(now)
        for reason, count in self._noise.summaries(now):
            self._log.warning("unknown_peers_again", reason=reason, count=count)

    def answered(self, newcomer: _Newcomer, answer: Answer) -> None:
        """Act on what the identification says."""
        if isinstance(answer, NeedMore) or self._newcomers.pop(newcomer, None) is None:
            return
        now = self._clock.monotonic_s()
        if isinstance(answer, Identified):
            self._hand_over(newcomer.link, answer, now)
            return
        link, reason = newcomer.link, answer.reason
        is_kept = self._spec.unknown is UnknownPolicy.QUARANTINE and not link.is_over
        if self._noise.admit(reason, now):
            self._log.warning("unknown_peer", peer=link.peer, reason=reason, is_kept=is_kept)
        if is_kept:
            self._n_refused += self._quarantine.admit(link, newcomer.machine.data, reason, now)
        else:
            self._n_refused += 1
            link.abort()

    def snapshot(self, now: float) -> ListenerSnapshot:
        """The listener at ``now``."""
        next_s = self._next_attempt_at_s
        return ListenerSnapshot(
            address=self._address,
            is_listening=self._bound_port is not None,
            bound_port=self._bound_port,
            reason=self._state.text,
            next_attempt_in_s=None if next_s is None else max(0.0, next_s - now),
            n_failures=self._n_failures,
            n_accepted=self._n_accepted,
            n_connected=sum(slot.is_connected for slot in self._slots.values()),
            n_identifying=len(self._newcomers),
            n_refused=self._n_refused,
            n_taken_over=sum(slot.n_taken_over for slot in self._slots.values()),
            quarantined=self._quarantine.snapshot(now),
        )

    async def _listen_once(self) -> None:
        endpoint, loop = self._spec.endpoint, asyncio.get_running_loop()
        sock = await bind_socket(endpoint.host, endpoint.port, socket.SOCK_STREAM)
        try:
            sock.listen(_BACKLOG)
            self._bound_port = sock.getsockname()[1]
            self._next_attempt_at_s = None
            text = f"listening on {self._address}, the device has not dialled in"
            self._change(ListenerState(None, text))
            self._log.info("listening", port=self._bound_port)
            while True:
                conn = await self._accept(sock)
                self._backoff.reset()
                try:
                    await loop.connect_accepted_socket(self._newcomer_link, conn)
                except BaseException:
                    conn.close()
                    raise
                await self._keep_rate()
        finally:
            self._bound_port = None
            sock.close()

    async def _keep_rate(self) -> None:
        # A second's worth may come at once; what exceeds that waits in the kernel's queue.
        now = self._clock.monotonic_s()
        earliest_s = max(self._accept_due_s, now - 1.0)
        self._accept_due_s = earliest_s + 1.0 / self._spec.accepts_per_s
        await asyncio.sleep(max(0.0, self._accept_due_s - now))

    async def _accept(self, sock: socket.socket) -> socket.socket:
        while True:
            try:
                return (await asyncio.get_running_loop().sock_accept(sock))[0]
            except OSError as error:
                if error.errno in _HOST_SHORT_OF:
                    self._log.error("accept_failed", reason=error.strerror)
                    await asyncio.sleep(_ACCEPT_PAUSE_S)
                elif error.errno not in _PEER_GAVE_UP:
                    raise

    async def _wait_after(self, error: OSError) -> None:
        self._n_failures += 1
        delay_s = self._backoff.next_delay_s()
        self._next_attempt_at_s = self._clock.monotonic_s() + delay_s
        reason = f"cannot listen on {self._address}: {error.strerror or error}"
        text = f"{reason}; next attempt in {delay_s:.1f} s"
        if self._state.lost is None:
            self._log.error("listener_down", reason=reason, next_attempt_in_s=round(delay_s, 1))
        self._change(ListenerState(Lost(LostCause.LISTENER_DOWN, reason), text))
        await asyncio.sleep(delay_s)

    def _change(self, state: ListenerState) -> None:
        self._state = state
        for slot in self._slots.values():
            slot.listener_changed(state)

    def _newcomer_link(self) -> SocketLink:
        return SocketLink(clock=self._clock, on_made=self._on_made)

    def _on_made(self, link: SocketLink) -> None:
        self._n_accepted += 1
        machine = Identification(self._rules, max_bytes=self._spec.identify_max_bytes)
        newcomer = _Newcomer(self, link, machine)
        if len(self._newcomers) >= self._spec.max_unidentified:
            # The oldest has had the most time to speak; a flood must not lock out modems that
            # name themselves at once.
            self.answered(next(iter(self._newcomers)), Unknown("too many unidentified peers"))
        self._newcomers[newcomer] = self._clock.monotonic_s()
        link.attach(newcomer)
        device = self._rules.device_of_peer(link.host)
        if device is not None and self._slots[device].is_connected:
            # An address is a weak proof. Whoever only connects (a port scan, a health check) must
            # not push out a device that works; the first byte decides.
            newcomer.device_of_address = device
        elif device is not None:
            self.answered(newcomer, Identified(device, b""))
        elif not self._rules.reads_bytes:
            self.answered(newcomer, Unknown("no device has this address"))

    def _hand_over(self, link: SocketLink, answer: Identified, now: float) -> None:
        is_takeover = self._slots[answer.device].offer(link, answer.rest, now)
        if is_takeover and self._noise.admit(f"takeover of {answer.device}", now):
            self._log.warning("connection_taken_over", device=answer.device, peer=link.peer)

    async def _close_all(self) -> None:
        for newcomer in list(self._newcomers):
            await newcomer.link.close()
        self._newcomers.clear()
        await self._quarantine.close()
        for slot in self._slots.values():
            with contextlib.suppress(OSError):
                await slot.close()
