"""Keeps the sourcetable of a caster fresh: asked for once an hour, and seldom after a refusal."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable
from typing import Protocol

from bdgw.backoff import Backoff
from bdgw.corrections.mount_table import MountTable
from bdgw.corrections.spec import SourceSpec
from bdgw.errors import LinkError
from bdgw.ntrip.account import Account
from bdgw.ntrip.address import CasterAddress
from bdgw.ntrip.table_record import Sourcetable

__all__ = ["FetchTable", "keep_table"]

_EVERY_S = 3600.0
_RETRY_S = (60.0, 3600.0)


class FetchTable(Protocol):
    """Gives a caster's sourcetable under the etiquette; raises LinkError."""

    def __call__(
        self, address: CasterAddress, *, account: Account | None
    ) -> Awaitable[Sourcetable]:
        """Fetch it."""
        ...


async def keep_table(
    spec: SourceSpec, table: MountTable, fetch: FetchTable | None, rng: random.Random
) -> None:
    """Have the sourcetable of a source until cancelled, and a new one every hour."""
    if fetch is None or spec.address is None:
        table.failed("there is no way to fetch it")
        return
    account = next(iter(spec.accounts), None)
    backoff = Backoff(*_RETRY_S, rng)
    while True:
        try:
            table.table_seen(await fetch(spec.address, account=account))
            backoff.reset()
            wait_s = _EVERY_S * rng.uniform(1.0, 1.1)
        except (LinkError, OSError) as error:
            table.failed(str(error))
            wait_s = backoff.next_delay_s()
        await asyncio.sleep(wait_s)
