"""The routes of devices: how they are, where they were, what is missing and what is sent again.

What they answer comes from a ``DeviceSource``, which the composition root gives.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import re
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any, Literal, Protocol

import msgspec
from fastapi import FastAPI, Path, Query, Request, params
from fastapi.responses import StreamingResponse
from starlette.exceptions import HTTPException

from bdgw.api.response import JsonResponse
from bdgw.history import (
    Cursor,
    HistoryError,
    RangeTooLargeError,
    RepairBusyError,
    RepairError,
    UnknownBootError,
)

__all__ = ["DeviceSource", "TrackAnswer", "add_devices"]

_YEARS = range(1970, 2200)
_LIMIT_MAX = 1_000_000
_BODY_MAX_BYTES = 4096
_ZONE = re.compile(r" (\d\d:?\d\d)$")
_FAR_FUTURE_NS = 1 << 62


class TrackAnswer(Protocol):
    """A track that is written while it is read."""

    @property
    def media_type(self) -> str:
        """What it is written in."""
        ...

    @property
    def chunks(self) -> AsyncIterator[bytes]:
        """Its text."""
        ...


class DeviceSource(Protocol):
    """What the routes need to know of devices and of their history.

    What asks the history raises the errors of ``bdgw.history``.
    """

    def devices(self) -> list[dict[str, Any]]:
        """All of them, in the order of the configuration."""
        ...

    def device(self, device: str) -> dict[str, Any] | None:
        """One of them, None where it is not configured."""
        ...

    def sky(self, device: str) -> dict[str, Any] | None:
        """The satellites that it saw last, None before it saw any."""
        ...

    async def track(
        self,
        device: str,
        *,
        form: str,
        from_utc_ns: int | None,
        until_utc_ns: int | None,
        after: Cursor | None,
        limit: int | None,
    ) -> TrackAnswer:
        """Its fixes."""
        ...

    async def gaps(self, device: str) -> dict[str, Any]:
        """What is missing of them."""
        ...

    async def repair(self, device: str, boot: str, from_seq: int, to_seq: int) -> dict[str, Any]:
        """Send some of them again."""
        ...


class RepairBody(msgspec.Struct, forbid_unknown_fields=True):
    """What is to be sent again, both ends included."""

    boot: str
    from_seq: int
    to_seq: int


_decode_repair = msgspec.json.Decoder(RepairBody).decode
_Name = Annotated[str, Path(max_length=64)]
_Form = Literal["json", "csv", "geojson", "gpx"]


def add_devices(
    app: FastAPI, source: DeviceSource, *, may_read: params.Depends, may_operate: params.Depends
) -> None:
    """Add the routes."""
    _add_states(app, source, may_read)
    _add_history(app, source, may_read, may_operate)


def _configured(source: DeviceSource, device: str) -> dict[str, Any]:
    found = source.device(device)
    if found is None:
        raise HTTPException(404, f"there is no device {device!r}")
    return found


def _add_states(app: FastAPI, source: DeviceSource, may_read: params.Depends) -> None:
    @app.get("/api/v1/devices", dependencies=[may_read])
    async def get_devices() -> JsonResponse:
        """Every device with its state and counts."""
        return JsonResponse({"devices": source.devices()})

    @app.get("/api/v1/devices/{device}", dependencies=[may_read])
    async def get_device(device: _Name) -> JsonResponse:
        """One device with its state and counts."""
        return JsonResponse(_configured(source, device))

    @app.get("/api/v1/devices/{device}/sky", dependencies=[may_read])
    async def get_sky(device: _Name) -> JsonResponse:
        """The satellites that a device saw last."""
        _configured(source, device)
        sky = source.sky(device)
        if sky is None:
            raise HTTPException(404, f"{device!r} has not told of any satellites yet")
        return JsonResponse(sky)


def _add_history(
    app: FastAPI, source: DeviceSource, may_read: params.Depends, may_operate: params.Depends
) -> None:
    @app.get("/api/v1/devices/{device}/fixes", dependencies=[may_read])
    async def get_fixes(
        device: _Name,
        since: Annotated[str | None, Query(alias="from", max_length=40)] = None,
        until: Annotated[str | None, Query(alias="to", max_length=40)] = None,
        form: Annotated[_Form, Query(alias="format")] = "json",
        limit: Annotated[int | None, Query(ge=1, le=_LIMIT_MAX)] = None,
        after: Annotated[str | None, Query(max_length=100)] = None,
    ) -> StreamingResponse:
        """Fixes of a device from one instant to another, in the order in which they came."""
        _configured(source, device)
        from_utc_ns, until_utc_ns = _instant("from", since), _instant("to", until)
        if (from_utc_ns or 0) >= (_FAR_FUTURE_NS if until_utc_ns is None else until_utc_ns):
            raise HTTPException(422, "from must be before to")
        with _as_problems():
            track = await source.track(
                device,
                form=form,
                from_utc_ns=from_utc_ns,
                until_utc_ns=until_utc_ns,
                after=_cursor(after),
                limit=limit,
            )
        return StreamingResponse(track.chunks, media_type=track.media_type)

    @app.get("/api/v1/devices/{device}/gaps", dependencies=[may_read])
    async def get_gaps(device: _Name) -> JsonResponse:
        """Which numbers are missing in the history of a device."""
        _configured(source, device)
        with _as_problems():
            return JsonResponse(await source.gaps(device))

    @app.post("/api/v1/devices/{device}/repair", dependencies=[may_operate])
    async def post_repair(device: _Name, request: Request) -> JsonResponse:
        """Send fixes of a device again, on its topic of history."""
        _configured(source, device)
        wanted = await _repair_body(request)
        with _as_problems():
            answer = await source.repair(device, wanted.boot, wanted.from_seq, wanted.to_seq)
        return JsonResponse(answer, status_code=202)


@contextlib.contextmanager
def _as_problems() -> Iterator[None]:
    """Make what the history says problem documents."""
    try:
        yield
    except HistoryError as error:
        raise HTTPException(503, f"the history cannot be read now: {error}") from error
    except RepairBusyError as error:
        raise HTTPException(429, str(error), headers={"Retry-After": "30"}) from error
    except (UnknownBootError, RangeTooLargeError, RepairError) as error:
        raise HTTPException(422, str(error)) from error


def _instant(name: str, text: str | None) -> int | None:
    """Read an instant of RFC 3339; a leap second is the second after it, as in POSIX time."""
    if text is None:
        return None
    # A plus that was not encoded has become a blank on its way.
    text = _ZONE.sub(r"+\1", text)
    is_leap = ":60" in text
    try:
        moment = dt.datetime.fromisoformat(text.replace(":60", ":59"))
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None or moment.year not in _YEARS:
        raise HTTPException(
            422,
            f"{name}: an instant with its zone is needed, as in 2026-11-22T08:00:00Z, not {text!r}",
        )
    since = moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    return (since // dt.timedelta(microseconds=1) + is_leap * 1_000_000) * 1000


def _cursor(text: str | None) -> Cursor | None:
    if text is None:
        return None
    try:
        return Cursor.parse(text)
    except ValueError as error:
        raise HTTPException(422, f"after: {error}") from error


async def _repair_body(request: Request) -> RepairBody:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _BODY_MAX_BYTES:
            raise HTTPException(413, f"a request has up to {_BODY_MAX_BYTES} bytes")
    try:
        return _decode_repair(body)
    except msgspec.DecodeError as error:
        raise HTTPException(
            422, f'{{"boot":"…","from_seq":0,"to_seq":0}} is needed: {error}'
        ) from error
