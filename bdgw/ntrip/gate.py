"""One session per account, and one memory per caster, for all clients of this gateway.

Services end both sessions when one account is used twice, and a caster counts the attempts of an
address, not of a mountpoint.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator

from bdgw.ntrip.account import Account
from bdgw.ntrip.address import CasterAddress
from bdgw.ntrip.courtesy import CasterMemory, CourtesyLimits
from bdgw.ntrip.service import find_service

__all__ = ["AccountGate"]

_Key = tuple[CasterAddress | str, str]


class AccountGate:
    """Shared by all clients; belongs to one event loop."""

    def __init__(self, floor_s: float = CourtesyLimits().floor_s) -> None:
        """Start empty; no two attempts to one caster begin closer than ``floor_s``."""
        self._floor_s = floor_s
        self._n_inside: dict[_Key, int] = {}
        self._waiting: dict[_Key, deque[asyncio.Future[None]]] = {}
        self._memories: dict[CasterAddress, CasterMemory] = {}

    def memory(self, address: CasterAddress) -> CasterMemory:
        """What is known of a caster; one per configured address."""
        return self._memories.setdefault(address, CasterMemory(self._floor_s))

    def is_free(self, address: CasterAddress, account: Account | None, n_most: int = 1) -> bool:
        """Whether ``hold`` would go through at once."""
        if account is None:
            return True
        key = _key(address, account)
        return not self._waiting.get(key) and self._n_inside.get(key, 0) < n_most

    @contextlib.asynccontextmanager
    async def hold(
        self, address: CasterAddress, account: Account | None, n_most: int = 1
    ) -> AsyncIterator[None]:
        """Be one of at most ``n_most`` users of the account; others wait in order."""
        if account is None:
            yield
            return
        key = _key(address, account)
        await self._enter(key, n_most)
        try:
            yield
        finally:
            self._leave(key)

    async def _enter(self, key: _Key, n_most: int) -> None:
        queue = self._waiting.setdefault(key, deque())
        if not queue and self._n_inside.get(key, 0) < n_most:
            self._n_inside[key] = self._n_inside.get(key, 0) + 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.append(turn)
        try:
            # Whoever leaves hands its place over, so the count stays.
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._leave(key)
            else:
                with contextlib.suppress(ValueError):  # whoever left has passed it over already
                    queue.remove(turn)
            raise

    def _leave(self, key: _Key) -> None:
        queue = self._waiting.get(key, deque())
        while queue:
            turn = queue.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._n_inside[key] = self._n_inside.get(key, 0) - 1
        if self._n_inside[key] <= 0:
            self._n_inside.pop(key, None)
            self._waiting.pop(key, None)


def _key(address: CasterAddress, account: Account) -> _Key:
    """An account belongs to a caster, and to all hosts and ports of a known service."""
    service = find_service(address.host)
    return (address if service is None else service.name, account.username)
