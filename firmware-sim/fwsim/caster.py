"""A caster on real sockets that behaves and misbehaves as told.

For tests: ``async with SimCaster(spec) as caster`` gives ``caster.port``, ``caster.change(…)`` and
``caster.counters()``. Time is that of the event loop: under a loop with virtual time the whole
caster lives in virtual time.
"""

import asyncio
import socket
import ssl
import time
from collections.abc import Callable, Mapping

from fwsim.ban import BanPolicy
from fwsim.caster_door import Door, Mount
from fwsim.caster_fault import KINDS as FAULTS
from fwsim.caster_line import Line
from fwsim.caster_outlet import Outlet, Tell, Time
from fwsim.caster_session import Session
from fwsim.caster_spec import ANY_MOUNT, CasterSpec, Event, check_change
from fwsim.caster_table import source_table, stream_row
from fwsim.gnss_time import NS_PER_S, gpst_of_utc_ns
from fwsim.reply import DIALECTS

BACKLOG = 1024
RESTART_S = 5.0


class SimCaster:
    """Listeners, mounts and sessions, and everything that can be changed while it runs."""

    def __init__(
        self,
        spec: CasterSpec,
        *,
        clock: Callable[[], float] | None = None,
        say: Tell | None = None,
        truth: Tell | None = None,
        stamp: Tell | None = None,
    ) -> None:
        """``clock`` is the time of the event loop unless given; callbacks get one record each.

        ``truth`` hears of every frame that left a mount, ``stamp`` of every batch.
        """
        self.spec = spec
        self.policy = BanPolicy(spec.rules)
        self.mounts = {mount.name: Mount(mount, seed=spec.seed) for mount in spec.mounts}
        self.door = Door(spec, self.mounts, self.policy, self._write_table)
        self.n_ggas = self.n_ggas_bad = self.n_ggas_unwanted = self.n_slow = 0
        self.start_s = 0.0
        self._clock = clock
        self._say = say
        self._truth = truth
        self._stamp = stamp
        self._outlet: Outlet | None = None
        self._n_sessions = 0
        self._start_gpst_ns = 0
        self._sessions: dict[Session, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._servers: list[asyncio.Server] = []
        self._ports: dict[bool, int] = {}
        self._bound: dict[bool, socket.socket] = {}
        self._holders: list[socket.socket] = []
        self._tls: ssl.SSLContext | None = None

    @property
    def port(self) -> int:
        """The port in the clear."""
        return self._ports[False]

    @property
    def tls_port(self) -> int:
        """The port with TLS.

        Raises:
            KeyError: there is none.
        """
        return self._ports[True]

    @property
    def outlet(self) -> Outlet:
        """The streams.

        Raises:
            RuntimeError: not started.
        """
        if self._outlet is None:
            raise RuntimeError("the caster is not started")
        return self._outlet

    async def __aenter__(self) -> "SimCaster":
        """Start."""
        await self.start()
        return self

    async def __aexit__(self, *exception: object) -> None:
        """Stop."""
        await self.stop()

    async def start(self) -> None:
        """Listen; the timeline begins.

        Raises:
            OSError: a port or a file is not available.
            SpecError: a stream cannot be made as described.
        """
        self.start_s = self.now_s()
        utc_ns = self.spec.start_utc_ns
        self._start_gpst_ns = gpst_of_utc_ns(time.time_ns() if utc_ns is None else utc_ns)
        passing = Time(clock=self.now_s, gpst_ns=self.gpst_ns, sleep=asyncio.sleep)
        self._outlet = Outlet(
            self.mounts, passing, seed=self.spec.seed, truth=self._truth, stamp=self._stamp
        )
        self._ports = {False: self.spec.port}
        if self.spec.tls_port is not None:
            self._tls = self._tls_context()
            self._ports[True] = self.spec.tls_port
        try:
            self._reserve()
            self._bind()
        except OSError:
            self._close_door()
            self._release()
            raise
        await self._serve(self._bound)
        for event in self.spec.timeline:
            self._spawn(self._happen(event))

    async def stop(self) -> None:
        """Stop listening and end all sessions in good order."""
        self._close_door()
        self.outlet.stop()
        for task in tuple(self._tasks):
            task.cancel()
        for session in tuple(self._sessions):
            session.close("caster stopped")
        waiting = [*self._tasks, *self._sessions.values()]
        _, late = await asyncio.wait(waiting, timeout=1.0) if waiting else (set(), set())
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        self._release()

    def change(self, mount: str, action: str, **parameters: object) -> None:
        """Let something go wrong, or right again: a fault, a dialect or an action by name.

        A stream fault replaces the faults of the mount and holds for running sessions too; a
        dialect holds for new ones; ``none`` goes back to how the mount began. ``close`` and
        ``reset`` end the sessions of the mount, ``away`` takes it out of the caster until
        ``back``. ``refuse``, ``accept`` and ``restart`` (``for_s``) are about the whole caster;
        ``*`` means all mounts.

        Raises:
            SpecError: no such name or parameter.
            KeyError: no such mount.
        """
        fault = check_change(action, parameters)
        chosen = list(self.mounts.values()) if mount == ANY_MOUNT else [self.mounts[mount]]
        at_s = round(self.now_s() - self.start_s, 3)
        self.say({"event": "change", "at_s": at_s, "mount": mount, "action": action, **parameters})
        if action in {"refuse", "accept", "restart"}:
            self._change_door(action, parameters)
            return
        for one in chosen:
            if action in FAULTS:
                one.set_faults(fault)
                self.outlet.changed(one)
            elif action in DIALECTS:
                one.dialect = action
                one.set_faults(None)
            else:
                self._act(one, action)

    def counters(self) -> dict[str, object]:
        """Return all counters, with offences and bans as the policy publishes them."""
        return {
            "sessions": self._n_sessions,
            "sessions_now": len(self._sessions),
            "bytes": sum(mount.bytes_sent for mount in self.mounts.values()),
            "bytes_by_mount": {name: mount.bytes_sent for name, mount in self.mounts.items()},
            "ggas": self.n_ggas,
            "ggas_bad": self.n_ggas_bad,
            "ggas_unwanted": self.n_ggas_unwanted,
            "slow_clients": self.n_slow,
            **self.policy.counters(),
        }

    def now_s(self) -> float:
        """Return the caster's clock in seconds."""
        return asyncio.get_running_loop().time() if self._clock is None else self._clock()

    def gpst_ns(self, at_s: float) -> int:
        """Return the GPST of a reading of the caster's clock, nanoseconds since 1980."""
        return self._start_gpst_ns + round((at_s - self.start_s) * NS_PER_S)

    def say(self, event: dict[str, object]) -> None:
        """Report, if somebody listens."""
        if self._say is not None:
            self._say(event)

    def find(self, name: str) -> Mount | None:
        """Return a mount, if there is one of that name."""
        return self.mounts.get(name)

    def _act(self, mount: Mount, action: str) -> None:
        if action == "none":
            mount.dialect = mount.spec.dialect
            mount.is_away = False
            mount.set_faults(mount.spec.fault)
            self.outlet.changed(mount)
        elif action in {"away", "back"}:
            mount.is_away = action == "away"
        if action in {"close", "reset", "away"}:
            for session in tuple(self._sessions):
                if session.is_on(mount):
                    session.close(action, is_reset=action == "reset")

    def _change_door(self, action: str, parameters: Mapping[str, object]) -> None:
        if action == "accept":
            self._open_door()
            return
        self._close_door()
        if action == "restart":
            for session in tuple(self._sessions):
                session.close(action, is_reset=True)
            self._spawn(self._accept_later(float(str(parameters.get("for_s", RESTART_S)))))

    async def _accept_later(self, delay_s: float) -> None:
        await asyncio.sleep(delay_s)
        self._open_door()

    def _open_door(self) -> None:
        # Bound here and now: who connects next is in the backlog, not refused.
        if not self._bound:
            self._bind()
            self._spawn(self._serve(self._bound))

    def _close_door(self) -> None:
        for server in self._servers:
            server.close()
        for listener in self._bound.values():
            listener.close()
        self._servers.clear()
        self._bound = {}

    def _reserve(self) -> None:
        """Hold the ports as long as the caster lives, listening or not.

        A port that nobody holds may be taken, even by a client that then connects to itself.
        """
        for is_tls, port in self._ports.items():
            holder = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            self._holders.append(holder)
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            holder.bind((self.spec.host, port))
            self._ports[is_tls] = holder.getsockname()[1]

    def _release(self) -> None:
        for holder in self._holders:
            holder.close()
        self._holders.clear()

    def _bind(self) -> None:
        self._bound = {}
        for is_tls, port in self._ports.items():
            listener = socket.create_server((self.spec.host, port), backlog=BACKLOG)
            self._bound[is_tls] = listener

    async def _serve(self, bound: Mapping[bool, socket.socket]) -> None:
        for is_tls, listener in bound.items():
            if bound is not self._bound:
                return
            # Known before it serves: a door that closes meanwhile takes it along.
            server = await asyncio.start_server(
                self._accept,
                sock=listener,
                ssl=self._tls if is_tls else None,
                backlog=BACKLOG,
                start_serving=False,
            )
            self._servers.append(server)
            await server.start_serving()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._n_sessions += 1
        session = Session(self._n_sessions, self, Line(reader, writer), seed=self.spec.seed)
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a session runs in a task")
        self._sessions[session] = task
        try:
            await session.run()
        finally:
            self._sessions.pop(session, None)

    def _tls_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if self.spec.certificate is not None:
            context.load_cert_chain(self.spec.certificate, self.spec.key)
        wanted = self.spec.server_name

        def check(tls: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> int | None:
            del tls
            return None if name == wanted else ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME

        if wanted is not None:
            context.sni_callback = check
        return context

    def _write_table(self) -> tuple[bytes, int]:
        rows = [
            stream_row(mount.spec, wants_gga=mount.wants_gga, frame=mount.faults.frame)
            for mount in self.mounts.values()
            if not mount.is_away
        ]
        return source_table(
            rows, host=self.spec.host, port=self.port, defect=self.spec.table_defect
        )

    async def _happen(self, event: Event) -> None:
        await asyncio.sleep(event.at_s)
        self.change(event.mount, event.action, **event.parameters)

    def _spawn(self, work: "asyncio._CoroutineLike[None]") -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
