"""uvicorn as a task among others: it takes no signals and never ends the process."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import uvicorn
from fastapi import FastAPI

from bdgw.errors import UnavailableError

__all__ = ["ApiServer"]


class _QuietServer(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the gateway, which stops sources before sinks."""
        yield


class ApiServer:
    """Serves an application on one address, bound at once so that a taken port is an error."""

    def __init__(self, app: FastAPI, *, host: str, port: int) -> None:
        """Bind.

        Raises:
            UnavailableError: the address cannot be bound.
        """
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            self._socket = socket.create_server((host, port), family=family, backlog=256)
        except OSError as error:
            raise UnavailableError(f"api: {host}:{port} cannot be bound: {error}") from None
        self.host = host
        self.port: int = self._socket.getsockname()[1]
        config = uvicorn.Config(
            app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=2
        )
        self._server = _QuietServer(config)

    async def run(self) -> None:
        """Serve until ``stop``."""
        try:
            await self._server.serve(sockets=[self._socket])
        finally:
            self._socket.close()

    def stop(self) -> None:
        """Let ``run`` end after the requests at hand."""
        self._server.should_exit = True
