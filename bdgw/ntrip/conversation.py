"""One connection of a client from dialling to its end, with the positions that it sends."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from bdgw.model import Fix
from bdgw.ntrip.authentication import Challenge
from bdgw.ntrip.client import ClientSession
from bdgw.ntrip.client_event import (
    Accepted,
    Body,
    ClientEvent,
    Dialect,
    Ended,
    Refused,
    TableReceived,
)
from bdgw.ntrip.gga import PositionUpload
from bdgw.ntrip.link import CasterLink, Clock, open_link
from bdgw.ntrip.position_rule import PositionRule
from bdgw.ntrip.request import Request
from bdgw.ntrip.sourcetable import Sourcetable
from bdgw.ntrip.spec import NtripClientSpec
from bdgw.ntrip.state import ClientStatus, Loss, LossKind

__all__ = ["Conversation", "Outcome", "Sleep", "wait_or_over"]

Sleep = Callable[[float], Awaitable[None]]

_POLL_S = 1.0
"""How often a granted stream is looked at: position moved, silence, no frames."""
_SETTLED_S = 30.0
"""After so long of a stream the caster has time for its table."""
DAY_NS = 86_400_000_000_000


class Outcome(NamedTuple):
    """How an attempt, and what came of it, ended."""

    cause: str
    """A ``LossKind``, ``EndKind`` or ``RefusalKind``."""
    text: str
    is_lasting: bool = False
    """Only people can change it."""
    retry_after_s: float | None = None


async def wait_or_over(
    sleep: Sleep, wait_s: float, over: asyncio.Future[Loss | None], wake: asyncio.Event
) -> None:
    """Wait ``wait_s``, or until it is over, or until something happens that changes the wait."""
    tasks: list[asyncio.Future[Any]] = [
        asyncio.ensure_future(sleep(wait_s)),
        asyncio.ensure_future(wake.wait()),
    ]
    try:
        await asyncio.wait([*tasks, over], return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


class Conversation:
    """Lives once. What it saw can be read from it, during and after."""

    def __init__(
        self,
        spec: NtripClientSpec,
        request: Request,
        rule: PositionRule,
        *,
        clock: Clock,
        sleep: Sleep,
        known_fix: Callable[[], Fix | None],
        on_body: Callable[[bytes, float], None],
        tell: Callable[[ClientStatus, str], None],
    ) -> None:
        self._spec = spec
        self._rule = rule
        self._clock = clock
        self._sleep = sleep
        self._known_fix = known_fix
        self._on_body = on_body
        self._tell = tell
        self._wake = asyncio.Event()
        self._outcome: Outcome | None = None
        self._upload = PositionUpload(spec.gga, is_on=rule.is_on)
        self._is_trying_position = False
        self._frame_at_s: float | None = None
        self._link = CasterLink(
            lambda now: ClientSession(request, now=now, limits=spec.limits),
            clock=clock,
            on_event=self._on_event,
        )
        self.granted_at_s: float | None = None
        self.byte_at_s: float | None = None
        self.bytes_in = 0
        self.n_write_drops = 0
        self.has_position_helped = False
        """The stream was silent and spoke once it was told a position."""
        self.is_table_awaited = False
        """The table may yet say whether a position is wanted: until then none is tried."""
        self.table: Sourcetable | None = None
        """Sent instead of a stream."""
        self.challenge: Challenge | None = None
        """Digest that the caster asked for."""

    @property
    def peer(self) -> str:
        """The address that answered."""
        return self._link.peer

    @property
    def bytes_out(self) -> int:
        """Sent so far."""
        return self._link.n_sent

    @property
    def n_positions(self) -> int:
        """Positions sent."""
        return self._upload.n_sent

    @property
    def sends_position(self) -> bool:
        """Whether positions are sent on this connection."""
        return self._upload.is_on

    @property
    def stalled_at_s(self) -> float | None:
        """Since when the caster takes nothing."""
        return self._link.stalled_at_s

    @property
    def dialect(self) -> Dialect | None:
        """How the caster answered, None while it has not."""
        return None if self._link.session is None else self._link.session.dialect

    @property
    def was_connected(self) -> bool:
        """The request went out."""
        return self._link.session is not None

    async def run(self, ssl_context: ssl.SSLContext | None) -> Outcome:
        """Dial, ask, and stay until it is over."""
        spec, link = self._spec, self._link
        self._tell(ClientStatus.CONNECTING, f"connecting to {spec.address}")
        try:
            loss = await open_link(
                spec.address, link, timeout_s=spec.connect_s, ssl_context=ssl_context
            )
            if loss is None:
                if not self._wake.is_set():  # else the answer was faster
                    self._tell(ClientStatus.ASKING, f"asked {link.peer} for {spec.mount}")
                loss = await self._converse()
        finally:
            await link.close()
        if loss is not None:
            return Outcome(loss.kind, loss.text, is_lasting=loss.kind.is_lasting)
        outcome = self._outcome or Outcome("closed", "the connection ended")
        return outcome._replace(text=outcome.text + self._likely_cause(outcome.cause))

    def frame_seen(self, now: float) -> None:
        """A valid frame came out of the stream."""
        self._frame_at_s = now
        self._tell(ClientStatus.STREAMING, "valid frames come")

    def wants_table(self, now: float) -> bool:
        """Whether it is time to ask for the table: a granted stream is silent, or has settled."""
        if self.granted_at_s is None:
            return False
        return self._is_silent(now) or now - self.granted_at_s >= _SETTLED_S

    def learn_rule(self, rule: PositionRule) -> None:
        """Go by what is known by now of whether a position is wanted."""
        self._rule = rule
        self.is_table_awaited = False
        if not rule.is_on or self._upload.is_on:
            return
        self._upload.turn_on()
        if self.byte_at_s is None and self._known_fix() is None:
            text = f"waiting for a position: {rule.text}, and none is known yet"
            self._tell(ClientStatus.WAITING_FOR_POSITION, text)

    # --- while it lasts ----------------------------------------------------------------------

    async def _converse(self) -> Loss | None:
        link = self._link
        while not link.over.done():
            now = self._clock.monotonic_s()
            stalled_at_s, most_s = link.stalled_at_s, self._spec.write_stall_s
            if stalled_at_s is not None and now - stalled_at_s >= most_s:
                text = f"the caster took nothing for {most_s:g} s"
                return Loss(kind=LossKind.WRITE_STALLED, text=text)
            self._wake.clear()
            await wait_or_over(self._sleep, self._wait_s(now), link.over, self._wake)
            link.tick()
            if self.granted_at_s is not None and not link.over.done():
                self._look(self._clock.monotonic_s())
            if self._frameless_s() >= self._spec.no_frames_s:
                text = f"no valid RTCM 3 frame in {self._spec.no_frames_s:g} s of bytes"
                return Loss(kind=LossKind.NO_FRAMES, text=text)
        return link.over.result()

    def _wait_s(self, now: float) -> float:
        session = self._link.session
        deadline_s = None if session is None else session.deadline()
        due_s = now + self._spec.limits.reply_s if deadline_s is None else deadline_s
        if self.granted_at_s is not None:
            due_s = min(due_s, now + _POLL_S)
        return max(0.0, due_s - now)

    def _on_event(self, event: ClientEvent, now: float) -> None:
        match event:
            case Body(data):
                self._body(data, now)
                return
            case Accepted():
                self.granted_at_s = now
                self._tell(ClientStatus.WAITING_FOR_DATA, "granted; no data yet")
                self._send_position(now)
            case TableReceived(table=table):
                self.table = table
            case Refused():
                self.challenge = event.challenge
                self._outcome = Outcome(
                    event.kind, event.text, event.kind.is_lasting, event.retry_after_s
                )
            case Ended(kind=kind, text=text):
                self._outcome = Outcome(kind, text)
        self._wake.set()

    def _body(self, data: bytes, now: float) -> None:
        if self.byte_at_s is None:
            self._frame_at_s = now
        if self._is_trying_position:
            self.has_position_helped = True
            self._is_trying_position = False
        if self.byte_at_s is None or self.has_position_helped:
            self._tell(ClientStatus.UNPROVEN, "bytes come, no valid frame in them yet")
        self.byte_at_s = now
        self.bytes_in += len(data)
        self._on_body(data, now)

    def _look(self, now: float) -> None:
        """What only time can tell: a position is due, silence, bytes that are no frames."""
        self._send_position(now)
        if self._frameless_s() >= self._spec.unproven_s:
            self._tell(
                ClientStatus.UNPROVEN,
                "bytes come but no valid RTCM 3 frame in them: RTCM 2, CMR or something else?",
            )

    def _frameless_s(self) -> float:
        """For how long bytes have come without a valid frame."""
        if self.byte_at_s is None or self._frame_at_s is None:
            return 0.0
        return self.byte_at_s - self._frame_at_s

    def _send_position(self, now: float) -> None:
        """Send the position if one is due, or if silence suggests that one is waited for."""
        if not self._upload.is_on:
            if self._rule.is_known or self.is_table_awaited or not self._is_silent(now):
                return
            if self._known_fix() is None:
                self._tell(
                    ClientStatus.WAITING_FOR_POSITION,
                    "granted but silent: the caster may wait for a position, and none is known yet",
                )
                return
            self._upload.turn_on()
            self._is_trying_position = True
        if self._link.stalled_at_s is not None:
            self.n_write_drops += 1  # a position that waits in a queue is an old one
            return
        line = self._upload.next(
            self._known_fix(), now=now, tod_utc_ns=self._clock.utc_ns() % DAY_NS
        )
        if line is not None and self._link.session is not None:
            self._link.session.send_position(line)
            self._link.flush()

    def _is_silent(self, now: float) -> bool:
        since_s = self.granted_at_s if self.byte_at_s is None else self.byte_at_s
        return since_s is not None and now - since_s >= self._spec.gga_silence_s

    def _likely_cause(self, cause: str) -> str:
        """What an ending without data probably means, by what we told the caster."""
        if cause not in ("idle", "closed_empty") or self.byte_at_s is not None:
            return ""
        if self._upload.n_sent:
            return "; it was told the position: outside the area served, or no data now?"
        if self._upload.is_on or not self._rule.is_known:
            return "; does the caster wait for a position?"
        return f"; no data now, or it wants a position although {self._rule.text}?"
