"""Routes on short messages: hand in, ask, call back, export."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Any, Literal, Protocol

import msgspec
from fastapi import FastAPI, Header, HTTPException, Query, Request, Response, params
from fastapi.responses import StreamingResponse

from bdgw.api.response import JsonResponse, problem
from bdgw.errors import BdgwError
from bdgw.shortmsg import ledger_store
from bdgw.shortmsg.message import State
from bdgw.shortmsg.record import inbound_object, message_object
from bdgw.shortmsg.request import BODY_BYTES_MAX, SendRequest

__all__ = ["MessageSource", "add_messages"]

_STATUS = {
    "accepted": 202,
    "known": 200,
    "done": 200,
    "refused": 422,
    "refused_for_now": 503,
    "not_found": 404,
    "conflict": 409,
}
_NOT_IN_TIME = ("deadline", "displaces")
"""Temporary refusals by the wish of this message itself, not by the state of the gateway."""
_RETRY_AFTER_S = "30"
_MEDIA = {"ndjson": "application/x-ndjson", "csv": "text/csv; charset=utf-8"}

Direction = Literal["out", "in"]
Form = Literal["json", "ndjson", "csv"]
Bound = Annotated[dt.datetime | None, Query()]


class Answer(Protocol):
    """What became of a request."""

    @property
    def verdict(self) -> str:
        """One of the words of ``_STATUS``."""
        ...

    @property
    def value(self) -> dict[str, Any]:
        """The object that tells of it."""
        ...


class MessageSource(Protocol):
    """What the API needs of the room of short messages; all it answers is safe on the disk."""

    async def send(self, body: bytes, *, origin: str, key: str | None = None) -> Answer:
        """Accept a message written in JSON, or say why not."""
        ...

    async def cancel(self, message_id: str) -> Answer:
        """Call a message back."""
        ...

    async def show(self, message_id: str) -> Answer:
        """One message of either direction."""
        ...

    async def sent(self, query: ledger_store.Query) -> ledger_store.Page:
        """A page of messages out."""
        ...

    async def received(self, query: ledger_store.InboundQuery) -> ledger_store.InboundPage:
        """A page of messages in."""
        ...

    def export(
        self, query: ledger_store.Query | ledger_store.InboundQuery, form: str
    ) -> AsyncIterator[str]:
        """Every message of a query, as ``ndjson`` or ``csv``, in pieces."""
        ...


class _Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """The questions that both directions share."""

    address: int | None
    from_utc_ns: int | None
    until_utc_ns: int | None
    is_newest_first: bool
    after: str | None
    limit: int


def add_messages(
    app: FastAPI, source: MessageSource, *, may_read: params.Depends, may_operate: params.Depends
) -> None:
    """Add the routes."""
    _add_questions(app, source, may_read)

    @app.post(
        "/api/v1/shortmsg",
        dependencies=[may_operate],
        status_code=202,
        openapi_extra={"requestBody": _request_body()},
    )
    async def post_message(
        request: Request, idempotency_key: Annotated[str | None, Header(max_length=128)] = None
    ) -> Response:
        """Hand in a message. 202: it is on the disk; accepted is not sent, sent not delivered."""
        answer = await source.send(await _body(request), origin="rest", key=idempotency_key)
        return _response(answer)

    @app.post("/api/v1/shortmsg/{message_id}/cancel", dependencies=[may_operate])
    async def post_cancel(message_id: str) -> Response:
        """Call a message back, while not all of it may have gone out."""
        return _response(await source.cancel(message_id))


def _add_questions(app: FastAPI, source: MessageSource, may_read: params.Depends) -> None:
    @app.get("/api/v1/shortmsg", dependencies=[may_read])
    async def get_messages(
        *,
        direction: Direction = "out",
        state: Annotated[list[State] | None, Query()] = None,
        key: Annotated[str | None, Query(max_length=200)] = None,
        is_unfinished: bool = False,
        terminal: Annotated[str | None, Query(max_length=64)] = None,
        kind: Annotated[str | None, Query(max_length=64)] = None,
        address: Annotated[int | None, Query(ge=0, lt=1 << 32)] = None,
        from_: Annotated[dt.datetime | None, Query(alias="from")] = None,
        to: Bound = None,
        order: Literal["newest", "oldest"] = "newest",
        after: Annotated[str | None, Query(max_length=64)] = None,
        limit: Annotated[int, Query(ge=1, le=ledger_store.PAGE_MAX)] = 100,
        form: Annotated[Form, Query(alias="format")] = "json",
    ) -> Response:
        """Messages, a page at a time, or all of a question as NDJSON or CSV."""
        wanted = _Wanted(
            address=address,
            from_utc_ns=_utc_ns("from", from_),
            until_utc_ns=_utc_ns("to", to),
            is_newest_first=order == "newest",
            after=after,
            limit=limit,
        )
        query: ledger_store.Query | ledger_store.InboundQuery
        if direction == "out":
            if terminal is not None or kind is not None:
                raise HTTPException(422, "terminal and kind are for direction=in")
            query = _out(wanted, tuple(state or ()), key, is_unfinished=is_unfinished)
        else:
            if state or key is not None or is_unfinished:
                raise HTTPException(422, "state, key and is_unfinished are for direction=out")
            query = _in(wanted, terminal, kind)
        if form != "json":
            return StreamingResponse(source.export(query, form), media_type=_MEDIA[form])
        return await _page(source, query)

    @app.get("/api/v1/shortmsg/{message_id}", dependencies=[may_read])
    async def get_message(message_id: str) -> Response:
        """One message, with all its steps where it went out."""
        try:
            return _response(await source.show(message_id))
        except BdgwError as error:
            raise HTTPException(503, str(error)) from None


def _out(
    wanted: _Wanted, states: tuple[State, ...], key: str | None, *, is_unfinished: bool
) -> ledger_store.Query:
    return ledger_store.Query(
        states=states,
        to=wanted.address,
        key=key,
        from_utc_ns=wanted.from_utc_ns,
        until_utc_ns=wanted.until_utc_ns,
        is_unfinished_only=is_unfinished,
        is_newest_first=wanted.is_newest_first,
        after=wanted.after,
        limit=wanted.limit,
    )


def _in(wanted: _Wanted, terminal: str | None, kind: str | None) -> ledger_store.InboundQuery:
    return ledger_store.InboundQuery(
        sender=wanted.address,
        terminal=terminal,
        kind=kind,
        from_utc_ns=wanted.from_utc_ns,
        until_utc_ns=wanted.until_utc_ns,
        is_newest_first=wanted.is_newest_first,
        after=wanted.after,
        limit=wanted.limit,
    )


async def _page(
    source: MessageSource, query: ledger_store.Query | ledger_store.InboundQuery
) -> Response:
    try:
        if isinstance(query, ledger_store.Query):
            out = await source.sent(query)
            rows, next_after = [message_object(each) for each in out.messages], out.next_after
        else:
            inbound = await source.received(query)
            rows = [inbound_object(each) for each in inbound.messages]
            next_after = inbound.next_after
    except BdgwError as error:
        raise HTTPException(503, str(error)) from None
    value: dict[str, Any] = {"messages": rows}
    if next_after is not None:
        value["next_after"] = next_after
    return JsonResponse(value)


def _response(answer: Answer) -> Response:
    status = _STATUS[answer.verdict]
    cause = answer.value.get("cause")
    if status < 400:
        headers = {"Location": f"/api/v1/shortmsg/{answer.value['id']}"} if status == 202 else None
        return JsonResponse(answer.value, status_code=status, headers=headers)
    if cause in _NOT_IN_TIME:
        status = 409
    more: Mapping[str, Any] = {
        name: item for name, item in answer.value.items() if name != "explanation"
    }
    return problem(
        status,
        answer.value["explanation"],
        {"Retry-After": _RETRY_AFTER_S} if status == 503 else None,
        more,
    )


async def _body(request: Request) -> bytes:
    """Read the body, however long it says that it is, up to what a message can have."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_BYTES_MAX:
            raise HTTPException(413, f"a message has {BODY_BYTES_MAX} bytes at most")
    return bytes(body)


def _utc_ns(name: str, moment: dt.datetime | None) -> int | None:
    if moment is None:
        return None
    if moment.tzinfo is None:
        raise HTTPException(422, f"{name}: a time needs its zone, for instance a Z at the end")
    since = moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1_000


def _request_body() -> dict[str, Any]:
    """Describe the body: the schema of ``SendRequest``, its two enumerations written out."""
    definitions = msgspec.json.schema(SendRequest)["$defs"]
    schema = definitions["SendRequest"]
    for name, value in schema["properties"].items():
        reference = value.pop("$ref", None)
        if reference is not None:
            schema["properties"][name] = definitions[reference.rpartition("/")[2]] | value
    return {"required": True, "content": {"application/json": {"schema": schema}}}
