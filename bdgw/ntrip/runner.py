"""Keeps one stream of a caster coming, for ever: I/O and waiting; the rules are in pure modules.

One attempt at a time. The first attempt is like every other one, a name is resolved anew for each,
and no connection has a total deadline.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import ssl
from collections import Counter
from collections.abc import Callable

from bdgw.model import Fix
from bdgw.ntrip.asking import TableResult, ask_table, fetch_sourcetable, make_context
from bdgw.ntrip.authentication import Challenge
from bdgw.ntrip.client_event import Dialect
from bdgw.ntrip.conversation import DAY_NS, Conversation, Outcome, Sleep
from bdgw.ntrip.courtesy import Courtesy
from bdgw.ntrip.gate import AccountGate
from bdgw.ntrip.gga import format_gga, has_position
from bdgw.ntrip.link import Clock
from bdgw.ntrip.position_rule import PositionRule, decide_position
from bdgw.ntrip.refusal import RefusalKind
from bdgw.ntrip.request import DigestUse, NtripVersion, Request
from bdgw.ntrip.spec import NtripClientSpec
from bdgw.ntrip.state import ClientSnapshot, ClientState, ClientStatus

__all__ = ["AccountGate", "NtripClient", "NtripClientSpec", "fetch_sourcetable"]

_POLL_S = 1.0
"""How often a position that is waited for is looked for."""


class NtripClient:
    """One stream over all its connections."""

    def __init__(
        self,
        spec: NtripClientSpec,
        *,
        on_body: Callable[[bytes, float], None],
        on_state: Callable[[ClientState], None],
        position: Callable[[], Fix | None],
        clock: Clock,
        rng: random.Random,
        sleep: Sleep = asyncio.sleep,
        gate: AccountGate | None = None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        """Prepare; nothing is opened before ``run``.

        ``on_body`` gets the bytes of the stream and the monotonic time they came; neither it nor
        ``on_state`` may block. ``position`` gives the latest live fix, or None.
        """
        self._spec = spec
        self._on_body = on_body
        self._on_state = on_state
        self._position = position
        self._clock = clock
        self._sleep = sleep
        self._gate = gate or AccountGate(spec.courtesy.floor_s)
        self._ssl_context = ssl_context
        self._memory = self._gate.memory(spec.address)
        self._courtesy = Courtesy(spec.courtesy, uniform=rng.uniform)
        self._rule = PositionRule(is_on=False, is_known=False, text="")
        self._last_fix: Fix | None = None
        self._challenge: Challenge | None = None
        self._n_challenge_uses = 0
        self._talk: Conversation | None = None
        self._past = _Past()
        self._state = ClientState(status=ClientStatus.IDLE, reason="not started")
        self._state_since_s = clock.monotonic_s()
        self._next_at_s: float | None = None

    # --- the owner's side --------------------------------------------------------------------

    async def run(self) -> None:
        """Serve until cancelled."""
        spec = self._spec
        try:
            self._decide_position()
            await self._learn_table()
            await self._wait_for_position()
            if not self._gate.is_free(spec.address, spec.account, spec.sessions_per_account):
                self._tell(
                    ClientStatus.WAITING_FOR_ACCOUNT,
                    "the account is used by another source of this gateway",
                )
            # Kept between attempts: a source that yields its account would fight for it.
            async with self._gate.hold(spec.address, spec.account, spec.sessions_per_account):
                while True:
                    await self._wait_for_turn()
                    self._rest_after(await self._attempt())
        finally:
            self._next_at_s = None
            self._tell(ClientStatus.IDLE, "stopped")

    def frames_seen(self, n: int, now: float) -> None:
        """Take note that ``n`` valid frames came out of the stream: only that makes it good."""
        talk = self._talk
        if n <= 0 or talk is None or talk.granted_at_s is None:
            return
        self._past.n_frames += n
        self._past.frame_at_s = now
        talk.frame_seen(now)
        if self._courtesy.frames_seen(n, now=now):
            self._past.n_good += 1

    def snapshot(self, now: float | None = None) -> ClientSnapshot:
        """The client at ``now``, for status and metrics."""
        now = self._clock.monotonic_s() if now is None else now
        past, talk = self._past, self._talk
        byte_at_s = past.byte_at_s if talk is None else talk.byte_at_s or past.byte_at_s
        return ClientSnapshot(
            caster=str(self._spec.address),
            mount=self._spec.mount,
            state=self._state,
            state_age_s=max(0.0, now - self._state_since_s),
            peer=(talk.peer if talk is not None else "") or past.peer,
            next_attempt_in_s=None if self._next_at_s is None else max(0.0, self._next_at_s - now),
            n_attempts=past.n_attempts,
            n_accepted=past.n_accepted + (talk is not None and talk.granted_at_s is not None),
            n_good=past.n_good,
            n_failures=self._courtesy.n_failures,
            n_lost=dict(past.n_lost),
            bytes_in=past.bytes_in + (0 if talk is None else talk.bytes_in),
            bytes_out=past.bytes_out + (0 if talk is None else talk.bytes_out),
            n_frames=past.n_frames,
            n_positions=past.n_positions + (0 if talk is None else talk.n_positions),
            sends_position=self._rule.is_on if talk is None else talk.sends_position,
            position_rule=self._rule.text,
            last_byte_age_s=_age(byte_at_s, now),
            last_frame_age_s=_age(past.frame_at_s, now),
            write_stalled_s=None if talk is None else _age(talk.stalled_at_s, now),
            n_write_drops=past.n_write_drops + (0 if talk is None else talk.n_write_drops),
            dialect=(None if talk is None else talk.dialect) or past.dialect,
        )

    # --- before an attempt -------------------------------------------------------------------

    async def _wait_for_position(self) -> None:
        """Do not trouble a caster that will only wait: first know where the rover is."""
        while not self._is_position_ready():
            await self._sleep(_POLL_S)

    def _decide_position(self) -> None:
        spec = self._spec
        self._rule = decide_position(
            spec.gga,
            spec.mount,
            needs_gga=spec.needs_gga,
            is_learned=self._memory.wants_position(spec.mount),
            record=self._memory.record(spec.mount),
        )

    def _is_position_ready(self) -> bool:
        """Decide anew whether a position is wanted; False, and said, where it is not known."""
        self._decide_position()
        if not self._rule.is_on or self._known_fix() is not None:
            return True
        self._next_at_s = None
        self._tell(
            ClientStatus.WAITING_FOR_POSITION,
            f"waiting for a position: {self._rule.text}, and none is known yet",
        )
        return False

    def _known_fix(self) -> Fix | None:
        """The latest fix with a position.

        While the rover has lost its own, the last one stands in: a caster that hears nothing ends
        the stream.
        """
        fix = self._position()
        if fix is not None and has_position(fix):
            self._last_fix = fix
        return self._last_fix

    async def _learn_table(self) -> None:
        """Ask once what the table says of the mount, where the policy leaves it to the table."""
        spec, memory = self._spec, self._memory
        while not self._rule.is_known and memory.table_at_s is None:
            if not await self._is_turn("the sourcetable"):
                continue
            memory.table_at_s = self._clock.monotonic_s()
            self._tell(ClientStatus.CONNECTING, f"asking {spec.address} for its sourcetable")
            request = Request(
                address=spec.address,
                mount=None,
                version=self._version(),
                account=spec.account,
                user_agent=spec.user_agent,
            )
            result = await ask_table(
                request,
                clock=self._clock,
                sleep=self._sleep,
                connect_s=spec.connect_s,
                limits=spec.limits,
                ssl_context=self._tls(),
            )
            self._note_table(result)

    def _note_table(self, result: TableResult) -> None:
        self._memory.learn_table(result.table, now=self._clock.monotonic_s())
        if result.has_replied is not None:
            self._memory.answered(result.asked, is_silent=not result.has_replied)
        if result.table is None:
            self._rest_after(Outcome(result.cause, f"no sourcetable: {result.text}"))

    async def _wait_for_turn(self) -> None:
        """Wait until an attempt is allowed and makes sense, and take it."""
        while True:
            await self._wait_for_position()
            if await self._is_turn("the stream"):
                return

    async def _is_turn(self, what: str) -> bool:
        """Take the turn if this client and all the others of this caster may try; else wait."""
        now = self._clock.monotonic_s()
        due_s = max(self._courtesy.due_s() or now, self._memory.due_s() or now)
        if due_s <= now:
            self._next_at_s = None
            self._courtesy.attempt(now=now)
            self._memory.attempt(now=now)
            self._past.n_attempts += 1
            return True
        self._next_at_s = due_s
        if self._state.status is not ClientStatus.RESTING:
            text = f"asking for {what} in {due_s - now:.0f} s, not to overrun the caster"
            self._tell(ClientStatus.RESTING, text)
        await self._sleep(due_s - now)
        return False

    # --- an attempt --------------------------------------------------------------------------

    async def _attempt(self) -> Outcome:
        request = self._request()
        talk = Conversation(
            self._spec,
            request,
            self._rule,
            clock=self._clock,
            sleep=self._sleep,
            known_fix=self._known_fix,
            on_body=self._on_body,
            tell=self._tell,
        )
        self._talk = talk
        try:
            outcome = await talk.run(self._tls())
        finally:
            self._talk = None
            self._past.add(talk)
        self._learn_from(talk, request.version, outcome)
        return outcome

    def _learn_from(self, talk: Conversation, asked: NtripVersion, outcome: Outcome) -> None:
        if talk.was_connected and (talk.dialect is not None or _is_silence(outcome)):
            self._memory.answered(asked, is_silent=talk.dialect is None)
        if talk.table is not None:
            self._memory.learn_table(talk.table, now=self._clock.monotonic_s())
        if talk.has_position_helped:
            self._memory.position_helped(self._spec.mount)
        if outcome.cause == RefusalKind.NEEDS_DIGEST:
            self._challenge, self._n_challenge_uses = talk.challenge, 0
        elif outcome.cause == RefusalKind.BAD_ACCOUNT:
            self._challenge = None

    def _rest_after(self, outcome: Outcome) -> None:
        now = self._clock.monotonic_s()
        self._past.n_lost[str(outcome.cause)] += 1
        self._next_at_s = self._courtesy.ended(
            now=now, is_refusal=outcome.is_lasting, retry_after_s=outcome.retry_after_s
        )
        self._tell(
            ClientStatus.RESTING,
            f"{outcome.text}; next attempt in {self._next_at_s - now:.0f} s",
            outcome.cause,
        )

    # --- small things ------------------------------------------------------------------------

    def _request(self) -> Request:
        spec = self._spec
        fix = self._known_fix() if self._rule.is_on else None
        tod_ns = self._clock.utc_ns() % DAY_NS
        digest = None
        if self._challenge is not None:
            self._n_challenge_uses += 1
            digest = DigestUse(
                challenge=self._challenge,
                cnonce=secrets.token_hex(16),
                count=self._n_challenge_uses,
            )
        return Request(
            address=spec.address,
            mount=spec.mount,
            version=self._version(),
            account=spec.account,
            digest=digest,
            gga=None if fix is None else format_gga(fix, spec.gga, tod_utc_ns=tod_ns),
            user_agent=spec.user_agent,
        )

    def _version(self) -> NtripVersion:
        return self._spec.version or self._memory.version()

    def _tls(self) -> ssl.SSLContext | None:
        self._ssl_context = make_context(self._spec.address, self._ssl_context)
        return self._ssl_context

    def _tell(self, status: ClientStatus, reason: str, cause: str | None = None) -> None:
        state = ClientState(status=status, reason=reason, cause=cause)
        if state == self._state:
            return
        if status is not self._state.status:
            self._state_since_s = self._clock.monotonic_s()
        self._state = state
        self._on_state(state)


class _Past:
    """The sums over all connections that are over."""

    def __init__(self) -> None:
        self.n_lost: Counter[str] = Counter()
        self.n_attempts = self.n_accepted = self.n_good = self.n_frames = 0
        self.bytes_in = self.bytes_out = self.n_positions = self.n_write_drops = 0
        self.byte_at_s: float | None = None
        self.frame_at_s: float | None = None
        self.peer = ""
        self.dialect: Dialect | None = None

    def add(self, talk: Conversation) -> None:
        """Take over what a connection counted."""
        self.n_accepted += talk.granted_at_s is not None
        self.bytes_in += talk.bytes_in
        self.bytes_out += talk.bytes_out
        self.n_positions += talk.n_positions
        self.n_write_drops += talk.n_write_drops
        self.byte_at_s = talk.byte_at_s or self.byte_at_s
        self.peer = talk.peer or self.peer
        self.dialect = talk.dialect or self.dialect


def _is_silence(outcome: Outcome) -> bool:
    return outcome.cause in ("no_reply", "closed_unanswered")


def _age(at_s: float | None, now: float) -> float | None:
    return None if at_s is None else max(0.0, now - at_s)
