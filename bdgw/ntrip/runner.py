"""Keeps one stream of a caster coming, for ever: I/O and waiting; the rules are in pure modules.

One attempt at a time. The first attempt is like every other one, a name is resolved anew for each,
and no connection has a total deadline.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import ssl
from collections.abc import Callable

from bdgw.model import Fix
from bdgw.ntrip.asking import TableResult, ask_beside, ask_table, fetch_sourcetable, make_context
from bdgw.ntrip.authentication import Challenge
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
from bdgw.ntrip.tally import Tally

__all__ = ["AccountGate", "NtripClient", "NtripClientSpec", "fetch_sourcetable"]

_VAGUE_REFUSALS = (RefusalKind.BAD_REQUEST, RefusalKind.UNREADABLE, RefusalKind.OTHER)
"""What a caster may say to who does not tell it a position."""
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
        self._has_missed_position = False
        self._talk: Conversation | None = None
        self._past = Tally()
        self._state = ClientState(status=ClientStatus.IDLE, reason="not started")
        self._state_since_s = clock.monotonic_s()
        self._next_at_s: float | None = None

    # --- the owner's side --------------------------------------------------------------------

    async def run(self) -> None:
        """Serve until cancelled."""
        spec = self._spec
        try:
            self._decide_position()
            if self._rule.is_on:
                # Named like one that wants a position: what the table says comes first.
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
                    if self._has_missed_position:
                        await self._learn_table()
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
        return self._past.snapshot(
            self._spec,
            self._talk,
            now,
            state=self._state,
            state_age_s=max(0.0, now - self._state_since_s),
            next_attempt_in_s=None if self._next_at_s is None else max(0.0, self._next_at_s - now),
            n_failures=self._courtesy.n_failures,
            rule=self._rule,
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
        """Ask once what the table says of the mount, where nothing else says it."""
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
        learning = asyncio.ensure_future(self._learn_beside(talk))
        try:
            outcome = await talk.run(self._tls())
        finally:
            learning.cancel()
            await asyncio.wait([learning])
            self._talk = None
            self._past.add(talk)
        if not learning.cancelled():
            learning.result()
        self._learn_from(talk, request.version, outcome)
        return outcome

    async def _learn_beside(self, talk: Conversation) -> None:
        """Learn what the table says of the mount while its stream runs: that has come first."""
        if self._rule.is_known:
            return
        talk.is_table_awaited = self._memory.table_at_s is None
        await ask_beside(
            self._spec,
            self._memory,
            talk.wants_table,
            clock=self._clock,
            sleep=self._sleep,
            ssl_context=self._tls(),
        )
        self._decide_position()
        talk.learn_rule(self._rule)

    def _learn_from(self, talk: Conversation, asked: NtripVersion, outcome: Outcome) -> None:
        if talk.was_connected and (talk.dialect is not None or _is_silence(outcome)):
            self._memory.answered(asked, is_silent=talk.dialect is None)
        if talk.table is not None:
            self._memory.table_came(talk.table, self._spec.mount, now=self._clock.monotonic_s())
        is_silent = talk.granted_at_s is not None and talk.byte_at_s is None
        self._has_missed_position = is_silent or outcome.cause in _VAGUE_REFUSALS
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


def _is_silence(outcome: Outcome) -> bool:
    return outcome.cause in ("no_reply", "closed_unanswered")
