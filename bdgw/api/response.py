"""Answers: values as JSON, and errors as RFC 9457 problem documents."""

from __future__ import annotations

from http import HTTPStatus

import msgspec
from fastapi import Response
from starlette.exceptions import HTTPException

__all__ = ["JsonResponse", "ProblemResponse", "problem", "problem_of"]

_encode = msgspec.json.Encoder().encode


class JsonResponse(Response):
    """A value as JSON, encoded by msgspec."""

    media_type = "application/json"

    def render(self, content: object) -> bytes:
        """Encode the value."""
        return _encode(content)


class ProblemResponse(JsonResponse):
    """An error as an RFC 9457 problem document."""

    media_type = "application/problem+json"


def problem(status: int, detail: str, headers: dict[str, str] | None = None) -> ProblemResponse:
    """Make a problem document."""
    return ProblemResponse(
        {
            "type": "about:blank",
            "title": HTTPStatus(status).phrase,
            "status": status,
            "detail": detail,
        },
        status_code=status,
        headers=headers,
    )


def problem_of(error: HTTPException) -> ProblemResponse:
    """Make the problem document of an error."""
    headers = dict(error.headers) if error.headers else None
    return problem(error.status_code, str(error.detail), headers)
