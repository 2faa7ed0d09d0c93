"""A capture through the whole gateway: the configured device's port becomes the file."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from bdgw.app import Gateway
from bdgw.config import Config
from bdgw.errors import ConfigError
from bdgw.offline import stats_fields

__all__ = ["replay_config", "run_replay"]

_POLL_S = 0.05


def replay_config(config: Config, file: Path, *, speed: str, device: str | None) -> Config:
    """Put the file in the place of one device and leave the other devices out.

    Raises:
        ConfigError: the device is not named and there are several, or it does not exist.
    """
    names = [item.id for item in config.device]
    if device is None and len(names) != 1:
        raise ConfigError(f"--device is needed, one of: {', '.join(names) or 'none configured'}")
    chosen = [item for item in config.device if item.id == (device or names[0])]
    if not chosen:
        raise ConfigError(f"--device {device!r} is not configured, only: {', '.join(names)}")
    url = f"{file.resolve().as_uri()}?speed={speed}"
    replayed = chosen[0].model_copy(update={"url": url, "match": None})
    return config.model_copy(update={"device": (replayed,), "listener": ()})


async def run_replay(config: Config, stop: asyncio.Event) -> dict[str, Any]:
    """Play to the end of the file and until the broker has everything; give the counts."""
    gateway = Gateway(config)
    ready = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(gateway.run(stop, on_ready=ready.set), name="gateway")
        waiting = group.create_task(ready.wait(), name="ready")
        await asyncio.wait((running, waiting), return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        while not stop.is_set() and not gateway.is_drained():  # noqa: ASYNC110 - asks two parties
            await asyncio.sleep(_POLL_S)
        stop.set()
    (record,) = gateway.intake.records.values()
    return {
        "device": record.facts.id,
        "fixes": record.seq,
        "quarantined": record.quarantined,
        "delivered": gateway.delivered(),
        **stats_fields(record.stats),
    }
