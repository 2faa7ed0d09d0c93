"""Requests about short messages, in JSON and its plain values: the one door for REST and MQTT."""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import msgspec

from bdgw.errors import DecodeError
from bdgw.messaging.office import MessageOffice
from bdgw.receivers import Clock
from bdgw.shortmsg.fate import IllegalTransitionError
from bdgw.shortmsg.ledger import UnknownMessageError
from bdgw.shortmsg.ledger_store import (
    InboundPage,
    InboundQuery,
    Page,
    Query,
    StoreError,
)
from bdgw.shortmsg.message import Message
from bdgw.shortmsg.outgoing import Refusal, RefusalCause
from bdgw.shortmsg.record import format_utc_ns, inbound_object, message_object
from bdgw.shortmsg.request import bad_request, receipt_object, refusal_object, submission_of
from bdgw.store import export
from bdgw.store.reader import LedgerReader
from bdgw.store.sqlite import SqliteStore

__all__ = ["Answer", "MessageDesk", "Verdict"]

_NS_PER_S = 1_000_000_000


class Verdict(enum.StrEnum):
    """What became of a request."""

    ACCEPTED = "accepted"
    KNOWN = "known"
    """The idempotency key was known: the first message's receipt."""
    DONE = "done"
    REFUSED = "refused"
    """Trying the same again is of no use."""
    REFUSED_FOR_NOW = "refused_for_now"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    """The key belongs to another content, or the message is too far to be called back."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a request, and the object that tells of it."""

    verdict: Verdict
    value: dict[str, Any]


class MessageDesk:
    """Sends, cancels, finds. Whatever it answers is safe on the disk."""

    def __init__(self, office: MessageOffice, *, store: SqliteStore, clock: Clock) -> None:
        self._office = office
        self._store = store
        self._clock = clock

    async def send(self, body: bytes, *, origin: str, key: str | None = None) -> Answer:
        """Accept a message written in JSON, or say why not.

        ``key`` is the idempotency key where the body brings none.
        """
        try:
            submission = submission_of(body, origin=origin)
        except DecodeError as error:
            return self._refused(bad_request(error.what))
        if submission.idempotency_key is None and key is not None:
            submission = msgspec.structs.replace(submission, idempotency_key=key)
        now = self._clock.monotonic_s()
        receipt = self._office.service.submit(submission, now=now)
        self._office.wake()
        if isinstance(receipt, Refusal):
            return self._refused(receipt)
        try:
            await receipt.durable
        except StoreError as error:
            return self._refused(Refusal(cause=RefusalCause.STORE, explanation=str(error)))
        state = self._office.ledger.get(receipt.id).state if receipt.is_repeat else "accepted"
        value = receipt_object(receipt, state=state, now=now, utc_ns=self._clock.utc_ns())
        return Answer(verdict=Verdict.KNOWN if receipt.is_repeat else Verdict.ACCEPTED, value=value)

    async def cancel(self, message_id: str) -> Answer:
        """Call a message back, while not all of it may have gone out."""
        try:
            message = await self._office.service.cancel(message_id)
        except UnknownMessageError as error:
            return _problem(Verdict.NOT_FOUND, str(error))
        except IllegalTransitionError as error:
            return _problem(Verdict.CONFLICT, str(error))
        except StoreError as error:
            return self._refused(Refusal(cause=RefusalCause.STORE, explanation=str(error)))
        self._office.wake()
        return Answer(verdict=Verdict.DONE, value=message_object(message))

    async def show(self, message_id: str) -> Answer:
        """One message of either direction, with all its steps where it went out.

        Raises:
            StoreError: the disk cannot be read.
        """
        try:
            message = self._office.ledger.get(message_id)
        except UnknownMessageError as error:
            inbound = await self._store.fetch(lambda reader: reader.received(message_id))
            if inbound is None:
                return _problem(Verdict.NOT_FOUND, str(error))
            return Answer(
                verdict=Verdict.DONE, value={"direction": "in", **inbound_object(inbound)}
            )
        steps = await self._store.fetch(lambda reader: reader.steps(message_id))
        value = {"direction": "out", **message_object(message, steps), **self._expected(message)}
        return Answer(verdict=Verdict.DONE, value=value)

    async def sent(self, query: Query) -> Page:
        """A page of messages out.

        Raises:
            StoreError: the disk cannot be read.
        """
        return await self._store.fetch(lambda reader: reader.find(query))

    async def received(self, query: InboundQuery) -> InboundPage:
        """A page of messages in.

        Raises:
            StoreError: the disk cannot be read.
        """
        return await self._store.fetch(lambda reader: reader.inbound(query))

    async def export(self, query: Query | InboundQuery, form: str) -> AsyncIterator[str]:
        """Every message of a query, as ``ndjson`` or ``csv``, a page at a time.

        Raises:
            StoreError: the disk cannot be read.
        """
        is_first = True
        while True:
            text, next_after = await self._store.fetch(partial(_exported, query, form))
            # The header of a table stands above its first page only.
            yield text if is_first or form != "csv" else text.partition("\n")[2]
            is_first = False
            if next_after is None:
                return
            query = msgspec.structs.replace(query, after=next_after)

    def _expected(self, message: Message) -> dict[str, str]:
        """When a message that waits is to be sent and to arrive, as things are now."""
        now, utc_ns = self._clock.monotonic_s(), self._clock.utc_ns()
        promise = self._office.service.forecast(now).get(message.id)
        if promise is None:
            return {}
        return {
            name: format_utc_ns(utc_ns + round((at_s - now) * _NS_PER_S))
            for name, at_s in (("t_send", promise.t_send_s), ("t_arrival", promise.t_arrival_s))
        }

    def _refused(self, refusal: Refusal) -> Answer:
        value = refusal_object(refusal, now=self._clock.monotonic_s(), utc_ns=self._clock.utc_ns())
        if refusal.cause is RefusalCause.KEY_CONFLICT:
            verdict = Verdict.CONFLICT
        else:
            verdict = Verdict.REFUSED_FOR_NOW if refusal.is_retryable else Verdict.REFUSED
        return Answer(verdict=verdict, value=value)


def _exported(
    query: Query | InboundQuery, form: str, reader: LedgerReader
) -> tuple[str, str | None]:
    if isinstance(query, Query):
        out = reader.find(query)
        write = export.csv if form == "csv" else export.ndjson
        return "".join(write(out.messages, reader.steps)), out.next_after
    inbound = reader.inbound(query)
    write_inbound = export.inbound_csv if form == "csv" else export.inbound_ndjson
    return "".join(write_inbound(inbound.messages)), inbound.next_after


def _problem(verdict: Verdict, explanation: str) -> Answer:
    value = {"cause": verdict.value, "explanation": explanation, "is_retryable": False}
    return Answer(verdict=verdict, value=value)
