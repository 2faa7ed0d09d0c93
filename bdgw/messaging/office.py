"""The owner of the short-message service: wakes it, hands its dispatches to terminals, keeps order.

Nothing goes to a terminal, to a submitter or to a subscriber before the ledger has it. A request
to a terminal waits for its own commit only, so a slow disk holds up no other terminal's answers.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import msgspec
import structlog

from bdgw.errors import EncodeError
from bdgw.hub import MessageChanged, MessageReceived
from bdgw.messaging.board import TerminalBoard, TerminalSnapshot
from bdgw.messaging.port import PortEvent, SkippedBytes, TerminalPort
from bdgw.model import Alarm
from bdgw.receiver import FramesSeen
from bdgw.receivers import Clock
from bdgw.shortmsg import terminal_event as says
from bdgw.shortmsg.group_security import GroupSecurity
from bdgw.shortmsg.inbox import Incoming, Lost
from bdgw.shortmsg.key import KeyRing
from bdgw.shortmsg.ledger import Ledger
from bdgw.shortmsg.ledger_store import StoreError, Write
from bdgw.shortmsg.message import Message, Step
from bdgw.shortmsg.outgoing import Dispatch
from bdgw.shortmsg.peer_group import PeerGroups
from bdgw.shortmsg.service import ServiceSpec, ShortMessageService
from bdgw.shortmsg.terminal import TerminalSession, TerminalSpec
from bdgw.shortmsg.terminal_health import TerminalStatus
from bdgw.shortmsg.vocabulary import CardRead
from bdgw.store.retention import RetentionLimits
from bdgw.store.sqlite import SqliteStore

__all__ = ["MessageOffice", "OfficeSpec"]

_MIN_WAIT_S = 0.001
_SECURITY_PERIOD_S = 20.0
_RETAIN_PERIOD_S = 3600.0
_ALARMING = frozenset(
    {
        TerminalStatus.DEAF,
        TerminalStatus.SUPPRESSED,
        TerminalStatus.NO_CARD,
        TerminalStatus.NOT_LISTENING,
        TerminalStatus.GARBAGE,
        TerminalStatus.DEAD,
    }
)

_log = structlog.get_logger(__name__)


class OfficeSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator says of short messages."""

    service: ServiceSpec
    terminals: dict[str, TerminalSpec]
    """By device id."""
    rings: dict[str, KeyRing] = {}
    """Keys by peer group."""
    host: str = ""
    """Names this machine by what a copied disk does not carry; needed where there are keys."""
    max_seal_age_s: int | None = None
    retention: RetentionLimits = RetentionLimits()


class MessageOffice:
    """One for the gateway, made inside the running event loop."""

    def __init__(
        self,
        spec: OfficeSpec,
        *,
        store: SqliteStore,
        clock: Clock,
        is_clock_trusted: Callable[[], bool],
        entropy: Callable[[int], bytes],
        flush: Callable[[str], None],
        emit: Callable[[MessageChanged | MessageReceived | Alarm], None],
        on_state: Callable[[], None],
    ) -> None:
        """Take up where the run before ended.

        ``flush`` writes what a terminal's session has to send. ``emit`` is called only with what
        is safe on the disk, ``on_state`` when the state of a terminal has changed.

        Raises:
            ConfigError: keys do not fit together.
            ValueError: a stored counter of seals is damaged.
        """
        self._spec = spec
        self._store = store
        self._clock = clock
        self._is_clock_trusted = is_clock_trusted
        self._flush = flush
        self._emit = emit
        self._on_state = on_state
        self.ledger = Ledger(store, entropy=entropy, on_durable=self._changed)
        self._security = self._build_security()
        now = clock.monotonic_s()
        self.service = ShortMessageService(
            spec.service,
            ledger=self.ledger,
            utc_ns=clock.utc_ns,
            now=now,
            security=self._security,
        )
        self._board = TerminalBoard(spec.service.terminals, now=now)
        self._ports: dict[str, TerminalPort] = {}
        self._alarmed: defaultdict[str, set[TerminalStatus]] = defaultdict(set)
        self._work = asyncio.Event()
        self._incoming: asyncio.Queue[Incoming] = asyncio.Queue()
        self._dispatching: set[asyncio.Task[None]] = set()
        self._answered = asyncio.Event()
        self._is_stopping = False
        self.n_undeliverable = 0
        """Answers to peers that no frame of the terminal could carry."""
        self._had_clock = True
        self.n_lost = 0
        """Long messages that will not be whole, and seals that were not good."""

    # Terminals

    def new_session(self, terminal: str) -> TerminalPort:
        """Make the session of a new connection; the intervals of the one before go on."""
        before = self._ports.get(terminal)
        session = TerminalSession(
            self._spec.terminals[terminal],
            now=self._clock.monotonic_s(),
            marks=() if before is None else before.session.marks,
        )
        port = self._ports[terminal] = TerminalPort(session)
        return port

    def take(self, terminal: str, event: PortEvent, now: float) -> None:
        """Take what the session of a terminal says."""
        if isinstance(event, FramesSeen | SkippedBytes):
            return
        before = self._board.status_of(terminal)
        self._board.take(terminal, event, now=now)
        self.service.terminal_event(terminal, event, now=now)
        # At once: while the gateway stops nobody else collects.
        self._collect()
        match event:
            case CardRead(card=card) | says.CardChanged(card=card):
                if self._security is not None:
                    self._security.prepare(card.address)
            case says.StatusChanged(status=status, reason=reason) if status is not before:
                self._status_changed(terminal, status, reason)
            case says.Rebooted(text=text):
                _log.warning("terminal_restarted", device=terminal, text=text)
            case _:
                pass
        self._work.set()
        self._answered.set()

    def terminals(self) -> tuple[TerminalSnapshot, ...]:
        """Every terminal as it is now."""
        return self._board.snapshots(self._clock.monotonic_s())

    def trouble(self, *, grace_s: float) -> str | None:
        """Why nothing can be accepted or kept any more, or since ``grace_s``; None while it can."""
        if self._store.error is not None:
            return f"ledger of short messages: {self._store.error}"
        failing = self._store.failing
        if failing is None or failing[1] <= grace_s:
            return None
        return f"ledger of short messages: nothing written for {failing[1]:.0f} s: {failing[0]}"

    def ledger_state(self) -> dict[str, Any]:
        """Whether the disk takes what is to be kept."""
        failing = self._store.failing
        error = self._store.error or (None if failing is None else failing[0])
        state: dict[str, Any] = {"is_writable": error is None, "waiting": self._store.n_waiting}
        if error is not None:
            state["reason"] = str(error)
        if failing is not None:
            state["failing_s"] = round(failing[1], 3)
        return state

    def wake(self) -> None:
        """Something was submitted or cancelled."""
        self._work.set()

    # Running

    async def run(self) -> None:
        """Serve until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._dispatch_what_is_due(group), name="short messages")
            group.create_task(self._tell_incoming(), name="received short messages")
            group.create_task(self._keep_house(), name="short message housekeeping")

    async def settle(self, limit_s: float) -> None:
        """Send no more; wait until terminals have answered what they were asked, and that is told.

        What is cut off here would be possibly sent for ever.
        """
        self._is_stopping = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                while self._dispatching or any(
                    port.session.is_sending for port in self._ports.values()
                ):
                    self._answered.clear()
                    await self._answered.wait()
                with contextlib.suppress(StoreError):
                    # Behind all that was said; what waits for a disk is told after the restart.
                    await self._store.write(Write(), lambda _error: None)
                await self._incoming.join()

    async def _dispatch_what_is_due(self, group: asyncio.TaskGroup) -> None:
        while not self._is_stopping:
            self._work.clear()
            now = self._clock.monotonic_s()
            for dispatch in self.service.due(now):
                task = group.create_task(
                    self._send(dispatch), name=f"short message by {dispatch.terminal}"
                )
                self._dispatching.add(task)
                task.add_done_callback(self._dispatched)
            self._collect()
            deadline = self.service.deadline()
            wait_s = None if deadline is None else max(_MIN_WAIT_S, deadline - now)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._work.wait()

    async def _send(self, dispatch: Dispatch) -> None:
        """Give a request to its terminal once it is safe that it will be."""
        terminal = dispatch.terminal
        try:
            await dispatch.durable
        except StoreError as error:
            _log.error("shortmsg_not_written", device=terminal, reason=str(error))
            self.service.undispatched(terminal, now=self._clock.monotonic_s())
            self._work.set()
            return
        except asyncio.CancelledError:
            # The gateway stops: it has not gone out, and nobody shall think so.
            self.service.undispatched(terminal, now=self._clock.monotonic_s())
            raise
        port = self._ports.get(terminal)
        now = self._clock.monotonic_s()
        if port is None:
            self.service.undispatched(terminal, now=now)
            self._work.set()
            return
        try:
            port.session.submit(dispatch.frame, now=now)
        except EncodeError as error:
            if dispatch.message_id is None:
                # What a peer was to be told; a message has its outcome in the ledger.
                _log.error("shortmsg_answer_undeliverable", device=terminal, reason=str(error))
                self.n_undeliverable += 1
            self.service.undeliverable(terminal, str(error), now=now)
            self._work.set()
            return
        for event in port.events():
            self.take(terminal, event, now)
        self._flush(terminal)

    def _collect(self) -> None:
        for event in self.service.events():
            if isinstance(event, Incoming):
                self._incoming.put_nowait(event)
            else:
                self._lost(event)

    async def _tell_incoming(self) -> None:
        """Publish what was received, in order, each once its ledger entry is safe."""
        while True:
            incoming = await self._incoming.get()
            try:
                kept = await incoming.durable
            except StoreError as error:
                # A fact that no disk will ever take: it is told all the same.
                _log.error("shortmsg_received_not_written", id=incoming.id, reason=str(error))
                kept = incoming.durable.value
            self._emit(MessageReceived(incoming=incoming, kept=kept))
            self._incoming.task_done()

    async def _keep_house(self) -> None:
        due_s = self._clock.monotonic_s()
        while True:
            if self._security is not None:
                self._security.poll()
                self._judge_clock()
            now = self._clock.monotonic_s()
            if now >= due_s and self._is_clock_trusted():
                due_s = now + _RETAIN_PERIOD_S
                await self._forget_old()
            await asyncio.sleep(_SECURITY_PERIOD_S)

    def _judge_clock(self) -> None:
        """Without a clock nothing can be sealed, and what is to be sealed waits."""
        is_trusted = self._is_clock_trusted()
        if self._had_clock and not is_trusted:
            text = (
                "the host's clock is not synchronised: nothing can be sealed or opened until then"
            )
            _log.warning("shortmsg_no_clock")
            self._alarm("shortmsg_no_clock", None, text)
        self._had_clock = is_trusted

    async def _forget_old(self) -> None:
        try:
            gone = await self._store.retain(self._spec.retention, now_utc_ns=self._clock.utc_ns())
        except StoreError as error:
            _log.error("shortmsg_retention_failed", reason=str(error))
            return
        if gone.n_messages or gone.n_inbound or not gone.is_kept:
            _log.info("shortmsg_forgotten", **msgspec.structs.asdict(gone))

    # Inside

    def _dispatched(self, task: asyncio.Task[None]) -> None:
        self._dispatching.discard(task)
        self._answered.set()

    def _build_security(self) -> GroupSecurity | None:
        if not self._spec.rings:
            return None
        groups = PeerGroups(
            self._spec.rings,
            stored=self._store.values(),
            host=self._spec.host,
            max_age_s=self._spec.max_seal_age_s,
        )

        def utc_s() -> float | None:
            return self._clock.utc_ns() / 1e9 if self._is_clock_trusted() else None

        return GroupSecurity(groups, self.ledger.values, utc_s=utc_s)

    def _changed(self, message: Message, steps: tuple[Step, ...]) -> None:
        self._emit(MessageChanged(message=message, steps=steps))

    def _status_changed(self, terminal: str, status: TerminalStatus, reason: str) -> None:
        self._on_state()
        is_bad = status in _ALARMING
        write = _log.warning if is_bad else _log.info
        write("terminal_state", device=terminal, status=status.value, reason=reason)
        if status is TerminalStatus.READY:
            self._alarmed.pop(terminal, None)
        elif is_bad and status not in self._alarmed[terminal]:
            # Once until it works again: a port that is opened anew finds the same each time.
            self._alarmed[terminal].add(status)
            self._alarm(f"terminal_{status.value}", terminal, reason)

    def _lost(self, lost: Lost) -> None:
        self.n_lost += 1
        _log.warning("shortmsg_lost", sender=lost.sender, reason=lost.reason)
        self._alarm("shortmsg_lost", None, lost.reason, sender=lost.sender)

    def _alarm(self, kind: str, terminal: str | None, text: str, **fields: int) -> None:
        t_utc_ns = self._clock.utc_ns()
        self._emit(Alarm(kind=kind, device=terminal, text=text, t_utc_ns=t_utc_ns, fields=fields))
