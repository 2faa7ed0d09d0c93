"""Asking a caster for its table."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable

import msgspec

from bdgw.errors import LinkError
from bdgw.ntrip.account import Account
from bdgw.ntrip.address import CasterAddress
from bdgw.ntrip.client import ClientSession
from bdgw.ntrip.client_event import (
    ClientEvent,
    ClientLimits,
    Dialect,
    Ended,
    Refused,
    TableReceived,
)
from bdgw.ntrip.conversation import Sleep, wait_or_over
from bdgw.ntrip.courtesy import CasterMemory
from bdgw.ntrip.gate import AccountGate
from bdgw.ntrip.link import CasterLink, Clock, open_link
from bdgw.ntrip.request import NtripVersion, Request
from bdgw.ntrip.sourcetable import Sourcetable
from bdgw.ntrip.spec import NtripClientSpec

__all__ = ["TableResult", "ask_beside", "ask_table", "fetch_sourcetable", "make_context"]


_LOOK_S = 1.0
"""How often it is looked whether the table is wanted."""


class TableResult(msgspec.Struct, frozen=True, kw_only=True):
    """What came of asking for a table."""

    asked: NtripVersion
    table: Sourcetable | None
    cause: str
    """Empty with a table; else the kind of loss, end or refusal."""
    text: str
    has_replied: bool | None
    """Whether a byte came back; None where there was no connection."""
    dialect: Dialect | None = None
    is_refused: bool = False


def make_context(
    address: CasterAddress, ssl_context: ssl.SSLContext | None
) -> ssl.SSLContext | None:
    """Give the context that checks a caster's certificate and host: ours, or the system's."""
    if address.is_tls and ssl_context is None:
        return ssl.create_default_context()
    return ssl_context


async def ask_table(
    request: Request,
    *,
    clock: Clock,
    sleep: Sleep,
    connect_s: float,
    limits: ClientLimits,
    ssl_context: ssl.SSLContext | None,
) -> TableResult:
    """Make one attempt at the table; the caller has seen to the etiquette."""
    seen: list[ClientEvent] = []
    link = CasterLink(
        lambda now: ClientSession(request, now=now, limits=limits),
        clock=clock,
        on_event=lambda event, _: seen.append(event),
    )
    never = asyncio.Event()
    try:
        loss = await open_link(request.address, link, timeout_s=connect_s, ssl_context=ssl_context)
        while loss is None and not link.over.done():
            deadline_s = None if link.session is None else link.session.deadline()
            wait_s = 0.0 if deadline_s is None else max(0.0, deadline_s - clock.monotonic_s())
            await wait_or_over(sleep, wait_s, link.over, never)
            link.tick()
        if loss is None:
            loss = link.over.result()
    finally:
        await link.close()
    if loss is not None:
        return TableResult(
            asked=request.version, table=None, cause=loss.kind, text=loss.text, has_replied=None
        )
    return _result(request, seen, None if link.session is None else link.session.dialect)


def _result(request: Request, seen: list[ClientEvent], dialect: Dialect | None) -> TableResult:
    table, cause, text, is_refused = None, "closed", "the connection ended", False
    for event in seen:
        match event:
            case TableReceived():
                table, cause, text = event.table, "", ""
            case Refused():
                cause, text, is_refused = str(event.kind), event.text, event.kind.is_lasting
            case Ended():
                cause, text = str(event.kind), event.text
            case _:
                pass
    return TableResult(
        asked=request.version,
        table=table,
        cause=cause,
        text=text,
        has_replied=dialect is not None,
        dialect=dialect,
        is_refused=is_refused,
    )


async def ask_beside(
    spec: NtripClientSpec,
    memory: CasterMemory,
    wants: Callable[[float], bool],
    *,
    clock: Clock,
    sleep: Sleep,
    ssl_context: ssl.SSLContext | None,
) -> None:
    """Ask for the table while a stream runs; returns once somebody has, with or without success.

    Begins when ``wants`` says so and the caster may be asked again, and goes without the account,
    lest the caster take it for a second session.
    """
    while memory.table_at_s is None:
        await sleep(_LOOK_S)
        now = clock.monotonic_s()
        due_s = memory.due_s()
        if memory.table_at_s is not None or not wants(now) or (due_s is not None and due_s > now):
            continue
        memory.attempt(now=now)
        memory.table_at_s = now
        request = Request(
            address=spec.address,
            mount=None,
            version=spec.version or memory.version(),
            user_agent=spec.user_agent,
        )
        result = await ask_table(
            request,
            clock=clock,
            sleep=sleep,
            connect_s=spec.connect_s,
            limits=spec.limits,
            ssl_context=ssl_context,
        )
        memory.learn_table(result.table, now=clock.monotonic_s())


async def fetch_sourcetable(
    address: CasterAddress,
    *,
    clock: Clock,
    account: Account | None = None,
    version: NtripVersion | None = None,
    gate: AccountGate | None = None,
    sleep: Sleep = asyncio.sleep,
    connect_s: float = 10.0,
    limits: ClientLimits | None = None,
    ssl_context: ssl.SSLContext | None = None,
) -> Sourcetable:
    """Give a caster's table, under the same etiquette as a stream.

    Waits for its turn, and where version 2 meets silence asks once more in version 1.

    Raises:
        LinkError: no table, with the reason in plain words.
    """
    memory = (gate or AccountGate()).memory(address)
    ssl_context = make_context(address, ssl_context)
    for is_last in (False, True):
        while (due_s := memory.due_s()) is not None and due_s > clock.monotonic_s():
            await sleep(due_s - clock.monotonic_s())
        memory.attempt(now=clock.monotonic_s())
        result = await ask_table(
            Request(
                address=address, mount=None, version=version or memory.version(), account=account
            ),
            clock=clock,
            sleep=sleep,
            connect_s=connect_s,
            limits=limits or ClientLimits(),
            ssl_context=ssl_context,
        )
        memory.learn_table(result.table, now=clock.monotonic_s())
        if result.has_replied is not None:
            memory.answered(result.asked, is_silent=not result.has_replied)
        if result.table is not None:
            return result.table
        if is_last or version is not None or result.has_replied is not False:
            break
    raise LinkError(f"{address}: {result.text}")
