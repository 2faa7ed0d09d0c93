"""After a start with a backlog: the retained latest of a silent device becomes its newest fix.

What waits on the disk goes to the history's topic, also the last fix of a device that has fallen
silent, and nothing would ever replace its retained latest. So its newest fix, as the history knows
it, goes out live once more. To a subscriber it is at worst a repetition.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

import structlog

from bdgw.history import HistoryError
from bdgw.model import DeviceFix

__all__ = ["renew_latest"]

_GRACE_S = 10.0
"""A device that lives speaks meanwhile, and its latest is right without any help."""
_RETRY_S = 10.0

_log = structlog.get_logger(__name__)


async def renew_latest(
    devices: Iterable[str],
    *,
    is_connected: asyncio.Event,
    newest: Callable[[str], Awaitable[DeviceFix | None]],
    has_spoken: Callable[[str], bool],
    send: Callable[[DeviceFix], None],
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Once the broker is there: send the newest fix of each device that stays silent."""
    await is_connected.wait()
    await sleep(_GRACE_S)
    for device in devices:
        while not has_spoken(device):
            try:
                fix = await newest(device)
            except HistoryError as error:
                _log.warning("latest_not_renewed_yet", device=device, reason=str(error))
                await sleep(_RETRY_S)
                continue
            # What came while it was read is newer.
            if fix is not None and not has_spoken(device):
                send(fix)
            break
