"""Looks at one mountpoint for a while and says how its caster speaks. For people at a desk.

What is inside the stream is for the caller, who gets the bytes.
"""

from __future__ import annotations

import asyncio
import secrets
import ssl
from collections.abc import Callable

import msgspec

from bdgw.model import Fix
from bdgw.ntrip.account import Account
from bdgw.ntrip.address import CasterAddress
from bdgw.ntrip.asking import ask_table, make_context
from bdgw.ntrip.authentication import Challenge
from bdgw.ntrip.client_event import ClientLimits, Dialect
from bdgw.ntrip.conversation import DAY_NS, Conversation, Outcome, Sleep
from bdgw.ntrip.courtesy import CasterMemory, CourtesyLimits
from bdgw.ntrip.gga import GgaPolicy, format_gga
from bdgw.ntrip.link import Clock
from bdgw.ntrip.position_rule import PositionRule, decide_position
from bdgw.ntrip.refusal import RefusalKind
from bdgw.ntrip.request import DigestUse, NtripVersion, Request
from bdgw.ntrip.sourcetable import Sourcetable, StreamRecord
from bdgw.ntrip.spec import NtripClientSpec
from bdgw.ntrip.state import ClientStatus

__all__ = ["ProbeResult", "probe"]

_TRIES_MAX = 3
"""As asked for, in the other version, and with the answer to a challenge."""


class ProbeResult(msgspec.Struct, frozen=True, kw_only=True):
    """What was found. Texts are printable and hold no secret."""

    peer: str
    asked: NtripVersion
    """The version of the request that was answered, or asked last."""
    dialect: Dialect | None
    """None where nothing was answered."""
    is_granted: bool
    n_bytes: int
    first_byte_s: float | None
    """From the grant to the first byte."""
    watched_s: float
    """From the grant to the end."""
    n_positions: int
    position_rule: str
    record: StreamRecord | None
    """What the table says of the mountpoint."""
    table: Sourcetable | None
    table_problem: str
    """Why there is no table; empty with one."""
    cause: str | None
    """Why it ended before its time, as a word; None where it did not."""
    problem: str
    """The same in plain words, or why nothing came; empty where all is well."""


async def probe(
    address: CasterAddress,
    mount: str,
    *,
    seconds: float,
    clock: Clock,
    on_body: Callable[[bytes, float], None],
    account: Account | None = None,
    position: Fix | None = None,
    gga: GgaPolicy | None = None,
    version: NtripVersion | None = None,
    on_progress: Callable[[str], None] = lambda _: None,
    sleep: Sleep = asyncio.sleep,
    gap_s: float = CourtesyLimits().floor_s,
    limits: ClientLimits | None = None,
    ssl_context: ssl.SSLContext | None = None,
) -> ProbeResult:
    """Ask for the table, then watch the mountpoint for ``seconds`` after it was granted.

    ``gap_s`` lies between the two, before a second try in version 1 where version 2 met silence,
    and before a Digest is answered; ``on_progress`` is told what is being done.
    """
    spec = NtripClientSpec(
        address=address,
        mount=mount,
        account=account,
        version=version,
        gga=gga or GgaPolicy(),
        limits=limits or ClientLimits(),
        no_frames_s=float("inf"),  # the caller looks into the stream, and says nothing to us
    )
    looking = _Probe(spec, position, clock, sleep, gap_s, make_context(address, ssl_context))
    on_progress(f"asking {address} for its sourcetable")
    await looking.ask_table()
    for _ in range(_TRIES_MAX):
        on_progress(f"asking for {mount} in {looking.wait_s():.0f} s")
        await looking.watch(seconds, on_body, on_progress)
        if not looking.is_worth_repeating:
            break
    return looking.result()


class _Probe:
    """The parts of one look, in order."""

    def __init__(
        self,
        spec: NtripClientSpec,
        position: Fix | None,
        clock: Clock,
        sleep: Sleep,
        gap_s: float,
        ssl_context: ssl.SSLContext | None,
    ) -> None:
        self._spec = spec
        self._position = position
        self._clock = clock
        self._sleep = sleep
        self._memory = CasterMemory(gap_s)
        self._ssl_context = ssl_context
        self._table_problem = ""
        self._challenge: Challenge | None = None
        self._has_tried_other = False
        self._asked = self._version()
        self._rule = PositionRule(is_on=False, is_known=False, text="")
        self._talk: Conversation | None = None
        self._outcome: Outcome | None = None
        self._first_at_s: float | None = None
        self._ended_at_s = 0.0

    @property
    def is_worth_repeating(self) -> bool:
        """Nothing came back and the other version was not tried, or a Digest waits for its answer.

        Each once: a fresh challenge that is answered wrongly is the account.
        """
        outcome, talk = self._outcome, self._talk
        if outcome is None or talk is None:
            return False
        if outcome.cause == RefusalKind.NEEDS_DIGEST and self._challenge is None:
            self._challenge = talk.challenge
            return True
        is_silent = outcome.cause in ("no_reply", "closed_unanswered")
        if not is_silent or self._spec.version is not None or self._has_tried_other:
            return False
        self._has_tried_other = True
        return True

    def _version(self) -> NtripVersion:
        return self._spec.version or self._memory.version()

    def wait_s(self) -> float:
        """How long until the caster may be asked again."""
        due_s = self._memory.due_s()
        return 0.0 if due_s is None else max(0.0, due_s - self._clock.monotonic_s())

    async def _turn(self) -> None:
        while (wait_s := self.wait_s()) > 0.0:
            await self._sleep(wait_s)
        self._memory.attempt(now=self._clock.monotonic_s())

    async def ask_table(self) -> None:
        """Get the table, or the reason why not."""
        await self._turn()
        spec = self._spec
        result = await ask_table(
            Request(
                address=spec.address, mount=None, version=self._version(), account=spec.account
            ),
            clock=self._clock,
            sleep=self._sleep,
            connect_s=spec.connect_s,
            limits=spec.limits,
            ssl_context=self._ssl_context,
        )
        self._memory.learn_table(result.table, now=self._clock.monotonic_s())
        self._table_problem = result.text
        if result.has_replied is not None:
            self._memory.answered(result.asked, is_silent=not result.has_replied)

    async def watch(
        self,
        seconds: float,
        on_body: Callable[[bytes, float], None],
        on_progress: Callable[[str], None],
    ) -> None:
        """Ask for the stream and stay for a while."""
        await self._turn()
        spec = self._spec
        self._rule = decide_position(
            spec.gga,
            spec.mount,
            needs_gga=None,
            is_learned=False,
            record=self._memory.record(spec.mount),
        )
        self._asked = self._version()

        def body(data: bytes, now: float) -> None:
            self._first_at_s = now if self._first_at_s is None else self._first_at_s
            on_body(data, now)

        def tell(status: ClientStatus, text: str) -> None:
            if status is not ClientStatus.UNPROVEN:
                on_progress(text)

        talk = self._talk = Conversation(
            spec,
            self._request(),
            self._rule,
            clock=self._clock,
            sleep=self._sleep,
            known_fix=lambda: self._position,
            on_body=body,
            tell=tell,
        )
        self._outcome = await self._run(talk, seconds)
        self._ended_at_s = self._clock.monotonic_s()
        self._memory.answered(self._asked, is_silent=talk.dialect is None)

    async def _run(self, talk: Conversation, seconds: float) -> Outcome | None:
        """None where its time was over first."""
        running = asyncio.ensure_future(talk.run(self._ssl_context))
        try:
            while not running.done():
                since_s = talk.granted_at_s
                left_s = 0.2 if since_s is None else since_s + seconds - self._clock.monotonic_s()
                if left_s <= 0.0:
                    return None
                napping = asyncio.ensure_future(self._sleep(min(left_s, 0.2)))
                await asyncio.wait([running, napping], return_when=asyncio.FIRST_COMPLETED)
                napping.cancel()
                await asyncio.wait([napping])
            return running.result()
        finally:
            running.cancel()
            await asyncio.wait([running])

    def _request(self) -> Request:
        gga = None
        if self._rule.is_on and self._position is not None:
            tod_ns = self._clock.utc_ns() % DAY_NS
            gga = format_gga(self._position, self._spec.gga, tod_utc_ns=tod_ns)
        digest = None
        if self._challenge is not None:
            digest = DigestUse(challenge=self._challenge, cnonce=secrets.token_hex(16), count=1)
        return Request(
            address=self._spec.address,
            mount=self._spec.mount,
            version=self._asked,
            account=self._spec.account,
            digest=digest,
            gga=gga,
        )

    def result(self) -> ProbeResult:
        """Everything that was found."""
        talk, outcome, table = self._talk, self._outcome, self._memory.table
        granted_at_s = None if talk is None else talk.granted_at_s
        n_bytes = 0 if talk is None else talk.bytes_in
        first_s, watched_s = None, 0.0
        if granted_at_s is not None:
            watched_s = self._ended_at_s - granted_at_s
            first_s = None if self._first_at_s is None else self._first_at_s - granted_at_s
        problem = "" if outcome is None else outcome.text
        if not problem and not n_bytes:
            problem = "granted, but nothing came" + self._hint()
        return ProbeResult(
            peer="" if talk is None else talk.peer,
            asked=self._asked,
            dialect=None if talk is None else talk.dialect,
            is_granted=granted_at_s is not None,
            n_bytes=n_bytes,
            first_byte_s=first_s,
            watched_s=watched_s,
            n_positions=0 if talk is None else talk.n_positions,
            position_rule=self._rule.text,
            record=None if table is None else table.find(self._spec.mount),
            table=table,
            table_problem=self._table_problem,
            cause=None if outcome is None else outcome.cause,
            problem=problem,
        )

    def _hint(self) -> str:
        if self._talk is not None and self._talk.n_positions:
            return "; it was told the position: outside the area served, or no data now?"
        if self._position is None:
            return ": the caster waits for a position? (none was given)"
        return ": no data now?"
