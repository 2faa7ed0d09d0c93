"""A device that listens and is dialled: one attempt, one connection."""

from __future__ import annotations

import asyncio

from bdgw.receivers.clock import Clock
from bdgw.receivers.endpoint import TcpEndpoint
from bdgw.receivers.socket_link import SocketLink
from bdgw.receivers.transport import Done, LinkHandler, WriteState

__all__ = ["TcpTransport"]

_HAPPY_EYEBALLS_DELAY_S = 0.25
"""Source: RFC 8305, section 5, recommended connection attempt delay."""


class TcpTransport:
    """Resolves the name anew each time, because peers move to other addresses."""

    def __init__(
        self, endpoint: TcpEndpoint, *, clock: Clock, timeout_s: float, write_limit_bytes: int
    ) -> None:
        self._endpoint = endpoint
        self._clock = clock
        self._timeout_s = timeout_s
        self._write_limit_bytes = write_limit_bytes
        self._link: SocketLink | None = None

    @property
    def peer(self) -> str:
        """Address and port that answered."""
        return "" if self._link is None else self._link.peer

    async def open(self, handler: LinkHandler) -> None:
        """Resolve and connect.

        Raises:
            OSError: not resolved, refused, unreachable, or timed out.
        """
        link = SocketLink(clock=self._clock)
        link.write_limit_bytes = self._write_limit_bytes
        link.attach(handler)
        self._link = link
        try:
            async with asyncio.timeout(self._timeout_s):
                await asyncio.get_running_loop().create_connection(
                    lambda: link,
                    self._endpoint.host,
                    self._endpoint.port,
                    happy_eyeballs_delay=_HAPPY_EYEBALLS_DELAY_S,
                )
        except TimeoutError:
            raise TimeoutError(f"no answer within {self._timeout_s:g} s") from None

    def write(
        self, data: bytes, *, lifetime_s: float | None = None, done: Done | None = None
    ) -> bool:
        """Send or buffer; False when there is no room or no connection."""
        return self._link is not None and self._link.write(data, lifetime_s=lifetime_s, done=done)

    def write_state(self, now: float) -> WriteState:
        """The sending side at ``now``."""
        return WriteState() if self._link is None else self._link.write_state(now)

    async def close(self) -> None:
        """Close the connection and wait until it is gone."""
        if self._link is not None:
            await self._link.close()
