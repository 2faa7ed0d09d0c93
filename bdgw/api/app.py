"""The routes. What they answer comes from a ``StatusSource``, which the composition root gives."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from fastapi import Depends, FastAPI, Request, Response, params
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from bdgw.api.auth import Token, authoriser, refusal_of
from bdgw.api.devices import DeviceSource, add_devices
from bdgw.api.response import JsonResponse, problem, problem_of
from bdgw.api.shortmsg import MessageSource, add_messages

__all__ = ["StatusSource", "build_api"]


class StatusSource(Protocol):
    """What the API needs to know of the gateway."""

    def full(self) -> dict[str, Any]:
        """Everything that the status shows."""
        ...

    def corrections(self) -> dict[str, Any]:
        """Every source of corrections, and what each device is given."""
        ...

    def terminals(self) -> list[dict[str, Any]]:
        """Every terminal for short messages."""
        ...

    def accept_base(self, name: str) -> bool:
        """Believe the new place of a base whose stream is held back; False if none is."""
        ...

    def failures(self) -> list[str]:
        """Why the data plane does not work; empty when it does."""
        ...


def build_api(
    status: StatusSource,
    devices: DeviceSource,
    *,
    tokens: tuple[Token, ...],
    anonymous: str,
    version: str,
    messages: MessageSource | None = None,
) -> FastAPI:
    """Make the ASGI application.

    ``anonymous`` is the role of requests without a token (``none`` or ``read``). Without
    ``messages`` the gateway has no terminals, and the routes on short messages are not there.
    """
    app = FastAPI(
        title="bdgw",
        version=version,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        default_response_class=JsonResponse,
    )
    may_read = Depends(authoriser(tokens, anonymous=anonymous, role="read"))
    may_operate = Depends(authoriser(tokens, anonymous=anonymous, role="operate"))

    _answer_errors(app, tokens)
    _add_corrections(app, status, may_read=may_read, may_operate=may_operate)
    if messages is not None:
        add_messages(app, messages, may_read=may_read, may_operate=may_operate)
    add_devices(app, devices, may_read=may_read, may_operate=may_operate)

    @app.get("/api/v1/status", dependencies=[may_read])
    async def get_status() -> JsonResponse:
        """The whole state of the gateway."""
        return JsonResponse(status.full())

    @app.get("/api/v1/terminals", dependencies=[may_read])
    async def get_terminals() -> JsonResponse:
        """Every terminal for short messages: card, beams, what it is doing."""
        return JsonResponse({"terminals": status.terminals()})

    @app.get("/api/v1/openapi.json", dependencies=[may_read])
    async def get_openapi() -> JsonResponse:
        """The description of this API."""
        return JsonResponse(app.openapi())

    @app.get("/healthz")
    async def get_health() -> JsonResponse:
        """Whether the data plane works: 200 or 503. Open to all, and tells no more than that."""
        is_healthy = not status.failures()
        return JsonResponse(
            {"status": "ok" if is_healthy else "failing"}, status_code=200 if is_healthy else 503
        )

    return app


def _answer_errors(app: FastAPI, tokens: tuple[Token, ...]) -> None:
    """Make every error a problem document, and a token that is not known one everywhere."""

    @app.middleware("http")
    async def _refuse_unknown_tokens(
        request: Request, answer: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        refusal = refusal_of(request, tokens)
        return await answer(request) if refusal is None else problem_of(refusal)

    @app.exception_handler(HTTPException)
    async def _http_error(_request: Request, error: HTTPException) -> Response:
        return problem_of(error)

    @app.exception_handler(Exception)
    async def _bug(_request: Request, _error: Exception) -> Response:
        return problem(500, "the gateway could not answer; its log says why")

    @app.exception_handler(RequestValidationError)
    async def _bad_request(_request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return problem(422, f"{where}: {first['msg']}")


def _add_corrections(
    app: FastAPI, status: StatusSource, *, may_read: params.Depends, may_operate: params.Depends
) -> None:
    @app.get("/api/v1/corrections", dependencies=[may_read])
    async def get_corrections() -> JsonResponse:
        """Sources of corrections, and what each device is given."""
        return JsonResponse(status.corrections())

    @app.post("/api/v1/corrections/{name}/accept-base", dependencies=[may_operate])
    async def post_accept_base(name: str) -> JsonResponse:
        """Believe the new place of a base that has jumped, so that its stream goes on."""
        if not status.accept_base(name):
            raise HTTPException(409, f"no stream of {name!r} is held back because of its base")
        return JsonResponse({"accepted": name})
