"""Reports to a platform of JT/T 808: one connection for each terminal, for ever."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
import structlog

from bdgw import __version__
from bdgw.adapters.frame import Refusal
from bdgw.adapters.jt808_backlog import Saved
from bdgw.adapters.jt808_code import CodeFile
from bdgw.adapters.jt808_keeper import BacklogFile, BacklogKeeper
from bdgw.adapters.jt808_message import encode_location
from bdgw.adapters.jt808_queue import ReportQueue
from bdgw.adapters.jt808_session import CodeIssued, CodeRefused, Event, Failed, Jt808Session, Ready
from bdgw.adapters.pace import Pace
from bdgw.adapters.spec import Jt808Spec, Jt808Terminal
from bdgw.backoff import Backoff
from bdgw.history import History
from bdgw.hub import DomainEvent, SkySeen
from bdgw.model import DeviceFix, Sky

__all__ = ["Jt808Adapter", "Past"]

_FLOOR_S, _CAP_S = 1.0, 60.0
_REFUSED_S = 60.0
"""A platform that does not know a terminal will not know it a second later."""
_CONNECT_S = 10.0
_SKY_VALID_S = 30.0
"""A sky view comes every few epochs; an older one tells of another constellation."""
_READ_BYTES = 4096
_SAVE_S = 10.0
"""What the platform has answered since may come to it twice after a crash."""

_log = structlog.get_logger(__name__)


class Past(msgspec.Struct, frozen=True, kw_only=True):
    """Where reports are found again that the platform has not answered."""

    history: History
    boot: str
    """Of this start of the gateway."""
    file: BacklogFile


class Jt808Adapter:
    """One platform. Without a past, what it does not answer waits in memory only."""

    kind = "jt808"
    subscriptions: tuple[str, ...] = ()

    def __init__(
        self,
        spec: Jt808Spec,
        *,
        codes: CodeFile,
        past: Past | None,
        monotonic_s: Callable[[], float],
        rng: random.Random,
    ) -> None:
        self.name = spec.name
        self._spec = spec
        self._past = past
        self._lines = {
            terminal.device: _Line(
                spec, terminal, codes=codes, past=past, monotonic_s=monotonic_s, rng=rng
            )
            for terminal in spec.terminals
        }

    def offer(self, event: DomainEvent) -> None:
        """Queue a report of a fix; satellites in view only tell which systems it used."""
        if not isinstance(event, DeviceFix | SkySeen):
            return
        line = self._lines.get(event.device)
        if line is None:
            return
        if isinstance(event, SkySeen):
            line.take_sky(event.sky)
        else:
            line.take(event)

    async def run(self) -> None:
        """Keep all connections."""
        try:
            async with asyncio.TaskGroup() as group:
                for device, line in self._lines.items():
                    group.create_task(line.run(), name=f"jt808 {self.name} {device}")
                    if line.keeper is not None:
                        group.create_task(line.keeper.run(), name=f"backlog of {device}")
                if self._past is not None:
                    group.create_task(self._save_often(self._past.file), name="saving")
        finally:
            if self._past is not None:
                self._past.file.write(self._states())

    async def _save_often(self, file: BacklogFile) -> None:
        while True:
            await asyncio.sleep(_SAVE_S)
            await asyncio.to_thread(file.write, self._states())

    def _states(self) -> dict[str, Saved]:
        lines = self._lines.items()
        return {name: line.keeper.state() for name, line in lines if line.keeper is not None}

    def on_message(self, topic: str, payload: bytes) -> None:
        """Hear nothing: the broker is not needed here."""

    def fields(self, now: float) -> dict[str, Any]:  # noqa: ARG002 - no ages here
        """Give the counters of each terminal."""
        lines = self._lines.values()
        return {
            "platform": f"{self._spec.host}:{self._spec.port}",
            "edition": self._spec.edition.value,
            "coordinates": "gcj02" if self._spec.is_gcj02 else "as_is",
            "fixes": sum(line.n_reports for line in lines),
            "terminals": [line.fields() for line in lines],
        }


class _Line:
    """One terminal."""

    def __init__(
        self,
        spec: Jt808Spec,
        terminal: Jt808Terminal,
        *,
        codes: CodeFile,
        past: Past | None,
        monotonic_s: Callable[[], float],
        rng: random.Random,
    ) -> None:
        self._spec = spec
        self._terminal = terminal
        self._codes = codes
        self._monotonic_s = monotonic_s
        self._backoff = Backoff(_FLOOR_S, _CAP_S, rng)
        self._pace = Pace(spec.period_s)
        self._wake = asyncio.Event()
        self.keeper: BacklogKeeper | None = None
        self._queue = ReportQueue(spec.max_waiting)
        if past is not None:
            self.keeper = BacklogKeeper(
                terminal.device,
                history=past.history,
                boot=past.boot,
                saved=past.file.get(terminal.device),
                max_waiting=spec.max_waiting,
                period_s=spec.period_s,
                encode=partial(encode_location, terminal=terminal, is_gcj02=spec.is_gcj02),
                on_loaded=self._wake.set,
            )
            self._queue = self.keeper.queue
        self._serial = rng.randrange(0x10000)
        self._is_ready = False
        self._reason = "not yet connected"
        self._n_connects = 0
        self._n_bad = 0
        self._n_unsupported = 0
        self._refused: Counter[str] = Counter()
        self._session: Jt808Session | None = None
        self._used: tuple[frozenset[str], float] = (frozenset(), 0.0)
        self._n_passed_over = 0
        self.n_reports = 0

    def take(self, item: DeviceFix) -> None:
        if self.keeper is not None:
            self.keeper.seen(item)
        if not self._pace.is_due(item):
            self._n_passed_over += 1
            self._queue.cover(item.boot, item.seq)
            return
        body = encode_location(
            item, self._terminal, is_gcj02=self._spec.is_gcj02, systems=self._systems(item)
        )
        if isinstance(body, Refusal):
            self._refused[body.value] += 1
            self._queue.cover(item.boot, item.seq)
            return
        self._pace.told(item)
        self.n_reports += 1
        self._queue.put(body, item.boot, item.seq)
        self._wake.set()

    def take_sky(self, sky: Sky) -> None:
        self._used = (frozenset(system for system, _ in sky.used), self._monotonic_s())

    def _systems(self, item: DeviceFix) -> frozenset[str]:
        """The systems that the solution uses, where the receiver has said so lately."""
        systems, since_s = self._used
        is_fresh = self._monotonic_s() - since_s <= _SKY_VALID_S
        return systems if is_fresh and item.fix.sats_used != 0 else frozenset()

    async def run(self) -> None:
        while True:
            failed = await self._one_connection()
            self._is_ready = False
            self._reason = failed.reason
            _log.info("jt808_down", device=self._terminal.device, reason=failed.reason)
            delay_s = self._backoff.next_delay_s()
            await asyncio.sleep(delay_s + _REFUSED_S if failed.is_refusal else delay_s)

    async def _one_connection(self) -> Failed:
        try:
            async with asyncio.timeout(_CONNECT_S):
                reader, writer = await asyncio.open_connection(self._spec.host, self._spec.port)
        except (OSError, TimeoutError) as error:
            return Failed(f"cannot connect: {error or 'no answer'}")
        session = self._session = self._new_session()
        try:
            return await self._talk(session, reader, writer)
        finally:
            self._session = None
            self._queue.release_all()
            self._n_bad += session.n_bad
            self._n_unsupported += session.n_unsupported
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    def _new_session(self) -> Jt808Session:
        self._n_connects += 1
        self._reason = "connected, not yet authenticated"
        return Jt808Session(
            self._terminal,
            self._spec.edition,
            self._queue,
            code=self._terminal.auth_code or self._codes.get(self._terminal.phone),
            software=f"bdgw {__version__}",
            heartbeat_s=self._spec.heartbeat_s,
            next_serial=self._next_serial,
            now=self._monotonic_s(),
        )

    async def _talk(
        self, session: Jt808Session, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> Failed:
        reading = asyncio.ensure_future(reader.read(_READ_BYTES))
        waking = asyncio.ensure_future(self._wake.wait())
        try:
            while True:
                for event in session.events():
                    if isinstance(event, Failed):
                        return event
                    self._note(event)
                data = session.data_to_send()
                if data:
                    # Bounded: the session has a window and repeats only when an answer is due.
                    writer.write(data)
                deadline = session.deadline()
                timeout_s = None if deadline is None else max(0.0, deadline - self._monotonic_s())
                await asyncio.wait(
                    (reading, waking), timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED
                )
                now = self._monotonic_s()
                if reading.done():
                    session.receive(reading.result(), now=now)
                    reading = asyncio.ensure_future(reader.read(_READ_BYTES))
                if waking.done():
                    self._wake.clear()
                    waking = asyncio.ensure_future(self._wake.wait())
                self._flush(session, now)
                if deadline is not None and now >= deadline:
                    session.tick(now=now)
        except OSError as error:
            return Failed(f"connection broke: {error.strerror or error}")
        finally:
            for task in (reading, waking):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, OSError):
                    await task

    def _flush(self, session: Jt808Session, now: float) -> None:
        session.flush(now=now)
        if self._is_ready:
            self._want()

    def _want(self) -> None:
        if self.keeper is not None:
            self.keeper.want()

    def _note(self, event: Event) -> None:
        if isinstance(event, CodeIssued):
            self._codes.put(self._terminal.phone, event.code)
        elif isinstance(event, CodeRefused):
            self._codes.put(self._terminal.phone, None)
        elif isinstance(event, Ready):
            self._is_ready = True
            self._reason = "authenticated"
            self._backoff.reset()
            self._want()
            _log.info("jt808_ready", device=self._terminal.device)

    def _next_serial(self) -> int:
        self._serial = (self._serial + 1) % 0x10000
        return self._serial

    def fields(self) -> dict[str, Any]:
        session = self._session
        return {
            "dev": self._terminal.device,
            "is_ready": self._is_ready,
            "reason": self._reason,
            "connects": self._n_connects,
            "reports": self.n_reports,
            "passed_over": self._n_passed_over,
            "waiting": len(self._queue),
            "acked": self._queue.n_acked,
            "rejected": self._queue.n_rejected,
            "dropped": self._queue.n_dropped,
            "stored": 0 if self.keeper is None else self.keeper.n_stored,
            "missing": 0 if self.keeper is None else self.keeper.n_missing,
            "refused": dict(self._refused),
            "bad_frames": self._n_bad + (session.n_bad if session else 0),
            "unsupported_requests": self._n_unsupported + (session.n_unsupported if session else 0),
        }
