"""Talking to the REST API of a running gateway."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Annotated, Any
from urllib.parse import urlencode, urlsplit

import typer

from bdgw.cli.output import EXIT_NOPERM, say
from bdgw.errors import ConfigError, UnavailableError

__all__ = ["DEFAULT_TOKEN_ENV", "ApiOption", "GatewayApi", "TokenEnvOption"]

DEFAULT_TOKEN_ENV = "BDGW_TOKEN"  # noqa: S105 - the name of a variable
_TIMEOUT_S = 30.0
_NOT_ALLOWED = (401, 403)

ApiOption = Annotated[
    str, typer.Option("--api", metavar="URL", help="address of the gateway's API")
]
TokenEnvOption = Annotated[
    str | None,
    typer.Option(help=f"environment variable that holds the token; default {DEFAULT_TOKEN_ENV}"),
]


class GatewayApi:
    """The API at a URL."""

    def __init__(self, url: str, *, token_env: str | None) -> None:
        """Take the token out of the environment.

        Raises:
            ConfigError: the variable that was named is not set.
        """
        if urlsplit(url).scheme not in ("http", "https"):
            raise typer.BadParameter(f"{url!r}: http://host:port is needed")
        self._url = url.rstrip("/")
        token = os.environ.get(token_env or DEFAULT_TOKEN_ENV, "")
        if token_env is not None and not token:
            raise ConfigError(f"environment variable {token_env} is not set")
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def get(self, path: str, query: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        """Ask; status and answer.

        Raises:
            UnavailableError: nobody answers there, or nothing that is JSON.
        """
        return self._json(self._request(path, query))

    def post(self, path: str, value: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Hand in; status and answer.

        Raises:
            UnavailableError: nobody answers there, or nothing that is JSON.
        """
        return self._json(self._request(path, body=json.dumps(value).encode()))

    def lines(self, path: str, query: dict[str, Any]) -> Iterator[str]:
        """Ask for something long, line by line.

        Raises:
            UnavailableError: nobody answers there, or it refuses.
            typer.Exit: the token may not, which has been said.
        """
        request = self._request(path, query)
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310 - http(s), checked
                for line in answer:
                    yield line.decode().rstrip("\n")
        except urllib.error.HTTPError as error:
            problem = self._read(error.code, error.read())[1]
            text = f"{self._url}: {problem.get('detail', error)}"
            if error.code in _NOT_ALLOWED:
                say(f"{text}\n")
                raise typer.Exit(EXIT_NOPERM) from None
            raise UnavailableError(text) from None
        except OSError as error:
            raise UnavailableError(f"{self._url}: {_reason(error)}") from None

    def _request(
        self, path: str, query: dict[str, Any] | None = None, body: bytes | None = None
    ) -> urllib.request.Request:
        text = f"{self._url}{path}"
        if query:
            text += "?" + urlencode(query, doseq=True)
        headers = dict(self._headers)
        if body is not None:
            headers["Content-Type"] = "application/json"
        return urllib.request.Request(text, data=body, headers=headers)  # noqa: S310 - http(s), checked

    def _json(self, request: urllib.request.Request) -> tuple[int, dict[str, Any]]:
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310 - http(s), checked
                return self._read(answer.status, answer.read())
        except urllib.error.HTTPError as error:
            return self._read(error.code, error.read())
        except OSError as error:
            raise UnavailableError(f"{self._url}: {_reason(error)}") from None

    def _read(self, status: int, body: bytes) -> tuple[int, dict[str, Any]]:
        try:
            value = json.loads(body)
        except ValueError:
            raise UnavailableError(f"{self._url}: status {status}, no JSON") from None
        if not isinstance(value, dict):
            raise UnavailableError(f"{self._url}: status {status}, no JSON object")
        return status, value


def _reason(error: OSError) -> str:
    reason = getattr(error, "reason", error)
    return str(getattr(reason, "strerror", None) or reason)
