"""The caster: takes streams in, serves them to clients, and knows who is there.

Streams of local receivers and of other casters come by ``feed``; bases that dial in are served
here and also handed to ``on_push``. Everything runs in callbacks of one event loop and nothing
waits for a client, so a client that takes nothing disturbs nobody.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import ssl
from collections import Counter
from collections.abc import Callable

import structlog

from bdgw import __version__
from bdgw.caster.clock import Clock
from bdgw.caster.connection import Connection
from bdgw.caster.desk import Desk
from bdgw.caster.door import Door
from bdgw.caster.mount import Mount, client_snapshot, nearest
from bdgw.caster.snapshot import CasterSnapshot, ClientSnapshot, MountSnapshot
from bdgw.caster.spec import CasterSpec, MountKind
from bdgw.caster.table import format_page, format_table
from bdgw.caster.user import UserTable
from bdgw.noise import NoiseGate
from bdgw.ntrip.answer import Refusal, format_http_date
from bdgw.ntrip.serving import Asked, Event, Moved, Pushed, ServingLimits, ServingSession

__all__ = ["SERVER_NAME", "Caster"]

SERVER_NAME = f"NTRIP bdgw/{__version__}"
_TICK_S = 1.0
_CLOSE_S = 0.5
_MAX_REASONS = 64


class Caster:
    """One caster. ``on_push(mount, frames, now)`` gets what bases push, in whole frames."""

    def __init__(
        self,
        spec: CasterSpec,
        *,
        users: UserTable,
        on_push: Callable[[str, bytes, float], None],
        clock: Clock,
        ssl_context: ssl.SSLContext | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self._spec = spec
        self._on_push = on_push
        self._clock = clock
        self._ssl_context = ssl_context
        limits = spec.limits
        self._mounts = {each.name: Mount(each, silent_s=limits.silent_s) for each in spec.mounts}
        self._desk = Desk(self, users, limits=limits, clock=clock, secret=secrets.token_bytes(32))
        self._door = Door(
            spec,
            self,
            self._new_connection,
            clock=clock,
            rng=rng or random.Random(),  # noqa: S311
        )
        self._serving_limits = ServingLimits(
            head_s=limits.head_s,
            pusher_silence_s=limits.pusher_silence_s,
            uplink_bytes_per_s=limits.uplink_bytes_per_s,
            push_bytes_per_s=limits.push_bytes_per_s,
        )
        self._log = structlog.get_logger().bind(caster=self._door.address)
        self._noise: NoiseGate[tuple[str, str]] = NoiseGate()
        self._n_refused: Counter[str] = Counter()
        self._fault: asyncio.Future[None] | None = None

    async def run(self) -> None:
        """Serve for ever."""
        self._fault = asyncio.get_running_loop().create_future()
        if self._has_clear_passwords():
            self._log.warning("caster_passwords_in_clear", reason="no TLS and not only loopback")
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._door.run(), name="caster door")
                group.create_task(self._keep_house(), name="caster ticks")
                await self._fault
        finally:
            await self._close()

    def feed(self, mount: str, frames: bytes, now: float) -> None:
        """Give the next bytes of a local or relayed mount; cut anywhere.

        Raises:
            KeyError: there is no such mount.
            ValueError: the mount is not fed from here.
        """
        fed = self._mounts[mount]
        if fed.spec.kind not in (MountKind.LOCAL, MountKind.RELAY):
            raise ValueError(f"mount {mount} is {fed.spec.kind}: it is not fed from here")
        fed.receive(frames, now)

    def set_users(self, table: UserTable) -> None:
        """Change the accounts now: whoever lost the right is disconnected, all others go on."""
        old, n_closed = self._desk.users, 0
        self._desk.change_users(table)
        for mount in self._mounts.values():
            for client in tuple(mount.clients):
                if client.user is None:
                    continue
                user = table.user(client.user)
                before = old.user(client.user)
                has_changed = user is None or before is None or user.password != before.password
                if user is None or has_changed or not user.may_read(mount.spec.name):
                    client.close("the account was taken away")
                    n_closed += 1
            name = mount.spec.name
            if mount.pusher is not None and table.pushers.get(name) != old.pushers.get(name):
                mount.pusher.close("the credential was taken away")
                n_closed += 1
        self._log.info("caster_users_changed", n_users=len(table.users), n_closed=n_closed)

    def snapshot(self, now: float) -> CasterSnapshot:
        """The caster at ``now``."""
        door = self._door
        next_s = door.next_attempt_at_s
        clients = [client for mount in self._mounts.values() for client in mount.clients]
        return CasterSnapshot(
            address=door.address,
            is_listening=door.bound_port is not None,
            bound_port=door.bound_port,
            reason=door.reason,
            is_tls=self._ssl_context is not None,
            has_clear_passwords=self._has_clear_passwords(),
            next_attempt_in_s=None if next_s is None else max(0.0, next_s - now),
            n_failures=door.n_failures,
            n_accepted=door.n_accepted,
            n_connections=len(door.connections),
            n_failed_logins=self._desk.n_failed_logins,
            n_refused=dict(self._n_refused),
            mounts=self._mount_snapshots(now),
            clients=tuple(self._client_snapshot(client, now) for client in clients),
        )

    def on_event(self, connection: Connection, event: Event, now: float) -> None:
        """Act on what a connection has brought."""
        if isinstance(event, Pushed):
            self._pushed(connection, event.data, now)
        elif isinstance(event, Asked):
            self._desk.ask(connection, event.request, now)
        elif isinstance(event, Moved):
            connection.position = event.position
            self._place(connection, now)

    def on_closed(self, connection: Connection) -> None:
        """Forget a connection."""
        self._door.leave(connection)

    def on_ended(self, connection: Connection) -> None:
        """Serve a connection no longer."""
        mount = self._mounts.get(connection.mount or "")
        if mount is None:
            return
        source = self._mounts.get(connection.source or "")
        if source is not None:
            source.readers.discard(connection)
        if mount.pusher is connection:
            mount.restart(None)
            self._say("caster_base_left", connection, mount=mount.spec.name)
        elif connection in mount.clients:
            mount.clients.discard(connection)
            self._say("caster_client_left", connection, mount=mount.spec.name)

    def on_fault(self, error: Exception) -> None:
        """End ``run`` with a mistake that a callback would have swallowed."""
        if self._fault is not None and not self._fault.done():
            self._fault.set_exception(error)

    def on_turned_away(self, host: str, reason: str) -> None:
        """Count a connection that was one too many."""
        self._count(reason, host)

    def on_refused(self, connection: Connection, refusal: Refusal, reason: str) -> None:
        """Count a request that was not served."""
        self._count(f"{refusal.status} {reason}", connection.host)

    def mount(self, name: str) -> Mount | None:
        """Find a mount."""
        return self._mounts.get(name)

    def table(self, connection: Connection) -> bytes:
        """The sourcetable for whoever dialled that address."""
        mounts = self._mount_snapshots(self._clock.monotonic_s())
        reached_at = (connection.local_host, connection.local_port)
        return format_table(self._spec, mounts, reached_at=reached_at)

    def page(self, *, is_unknown: bool) -> bytes:
        """The page for browsers."""
        mounts = self._mount_snapshots(self._clock.monotonic_s())
        return format_page(self._spec, mounts, is_unknown=is_unknown)

    def sessions_of(self, user: str) -> list[Connection]:
        """The sessions of an account, oldest first."""
        clients = {client for mount in self._mounts.values() for client in mount.clients}
        mine = [client for client in clients if client.user == user and client.is_open]
        return sorted(mine, key=lambda client: client.since_s)

    def admit_client(self, connection: Connection, mount: Mount, now: float) -> None:
        """Serve the stream."""
        connection.session.accept_stream(now=now)
        if connection.request is not None and connection.request.is_head:
            return
        connection.mount = mount.spec.name
        mount.clients.add(connection)
        if connection.request is not None and connection.request.position is not None:
            connection.position = connection.request.position
        # The head goes out before the first frame can.
        connection.flush()
        self._say("caster_client_joined", connection, mount=mount.spec.name)
        self._place(connection, now)

    def admit_pusher(self, connection: Connection, mount: Mount, now: float) -> None:
        """Take the stream of a base."""
        old = mount.pusher
        mount.restart(connection)
        connection.mount = mount.spec.name
        connection.session.accept_push(now=now)
        self._say("caster_base_joined", connection, mount=mount.spec.name)
        if old is not None:
            old.close("another base has taken over")

    def _new_connection(self) -> Connection:
        session = ServingSession(
            server=SERVER_NAME,
            http_date=lambda: format_http_date(self._clock.utc_ns()),
            now=self._clock.monotonic_s(),
            limits=self._serving_limits,
        )
        return Connection(
            session,
            self,
            clock=self._clock,
            limits=self._spec.limits,
            ssl_context=self._ssl_context,
        )

    def _pushed(self, connection: Connection, data: bytes, now: float) -> None:
        mount = self._mounts.get(connection.mount or "")
        if mount is None or mount.pusher is not connection:
            return
        self._hand_on(mount, mount.receive(data, now), now)

    def _hand_on(self, mount: Mount, frames: list[bytes], now: float) -> None:
        if frames and mount.spec.kind is MountKind.PUSH:
            self._on_push(mount.spec.name, b"".join(frames), now)

    def _place(self, connection: Connection, now: float) -> None:
        """Let the client read from its mount, or for NEAR from the base that is now the best."""
        asked = self._mounts[connection.mount or ""]
        source: str | None = asked.spec.name
        if asked.spec.kind is MountKind.NEAR:
            members = [self._mounts[spec.name] for spec in self._spec.members_of(asked.spec)]
            hysteresis_m = self._spec.limits.near_hysteresis_m
            source = nearest(asked.spec, members, connection, hysteresis_m=hysteresis_m, now=now)
        if source == connection.source:
            return
        if connection.source is not None:
            self._mounts[connection.source].readers.discard(connection)
        if asked.spec.kind is MountKind.NEAR:
            self._say("caster_near_chosen", connection, mount=asked.spec.name, source=source)
        connection.source = source
        if source is not None:
            self._mounts[source].readers.add(connection)

    async def _keep_house(self) -> None:
        while True:
            await asyncio.sleep(_TICK_S)
            self.tick(self._clock.monotonic_s())

    def tick(self, now: float) -> None:
        """Do what time alone brings: once a second."""
        for mount in self._mounts.values():
            self._hand_on(mount, mount.tick(now), now)
            is_flowing = mount.is_flowing(now)
            if is_flowing != mount.was_flowing:
                mount.was_flowing = is_flowing
                event = "caster_mount_flows" if is_flowing else "caster_mount_silent"
                self._log.info(event, mount=mount.spec.name)
            for client in tuple(mount.clients):
                self._look_after(client, mount, now)
        for (event, who), count in self._noise.summaries(now):
            self._log.info(f"{event}_again", who=who, count=count)

    def _look_after(self, client: Connection, mount: Mount, now: float) -> None:
        since_s = client.stalled_since_s
        if since_s is not None and now - since_s >= self._spec.limits.stall_s:
            client.abort(f"took nothing for {now - since_s:.0f} s")
        elif mount.spec.kind is MountKind.NEAR:
            self._place(client, now)

    def _mount_snapshots(self, now: float) -> tuple[MountSnapshot, ...]:
        return tuple(mount.snapshot(now) for mount in self._mounts.values())

    def _client_snapshot(self, client: Connection, now: float) -> ClientSnapshot:
        return client_snapshot(client, self._mounts.get(client.source or ""), now)

    def _has_clear_passwords(self) -> bool:
        users = self._desk.users
        has_accounts = bool(users.users or users.pushers)
        return self._ssl_context is None and has_accounts and not self._spec.is_loopback

    def _count(self, reason: str, host: str) -> None:
        if reason in self._n_refused or len(self._n_refused) < _MAX_REASONS:
            self._n_refused[reason] += 1
        if self._noise.admit(("caster_refused", f"{host}: {reason}"), self._clock.monotonic_s()):
            self._log.warning("caster_refused", host=host, reason=reason)

    def _say(self, event: str, connection: Connection, **fields: str | None) -> None:
        who = connection.user or connection.host
        if self._noise.admit((event, who), self._clock.monotonic_s()):
            agent = "" if connection.request is None else connection.request.agent
            reason = connection.end_reason
            more = {"agent": agent} if not reason else {"reason": reason}
            self._log.info(event, peer=connection.peer, user=connection.user, **fields, **more)

    async def _close(self) -> None:
        await self._desk.close()
        connections = tuple(self._door.connections)
        for connection in connections:
            connection.close("the caster stops")
        await _gone(connections)
        for connection in connections:
            connection.abort()
        await _gone(connections)


async def _gone(connections: tuple[Connection, ...]) -> None:
    open_yet = [each.closed for each in connections if not each.closed.done()]
    if open_yet:
        await asyncio.wait(open_yet, timeout=_CLOSE_S)
