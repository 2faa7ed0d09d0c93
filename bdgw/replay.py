"""A capture through the whole gateway: the configured device's port becomes the file."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from bdgw.app import Gateway
from bdgw.config import Config, DeviceConfig
from bdgw.errors import ConfigError, UnavailableError
from bdgw.offline import stats_fields
from bdgw.receivers import FileEndpoint, parse_endpoint

__all__ = ["replay_config", "run_replay"]

_POLL_S = 0.05


def replay_config(config: Config, file: Path, *, speed: str, device: str | None) -> Config:
    """Put the file in the place of one device and leave the other devices out.

    Raises:
        ConfigError: the device is not named and there are several, it does not exist, or
            ``speed`` is none.
    """
    names = [item.id for item in config.device]
    if device is None and len(names) != 1:
        raise ConfigError(f"--device is needed, one of: {', '.join(names) or 'none configured'}")
    chosen = [item for item in config.device if item.id == (device or names[0])]
    if not chosen:
        raise ConfigError(f"--device {device!r} is not configured, only: {', '.join(names)}")
    url = f"{file.resolve().as_uri()}?speed={speed}"
    try:
        parse_endpoint(url)
    except ValueError as error:
        raise ConfigError(f"--speed: {error}") from None
    # A recording is given no corrections, and needs no account.
    alone = {"match": None, "correction": "none", "username": None, "password": None}
    replayed = chosen[0].model_copy(update={"url": url, **alone})
    rest = {"listener": (), "correction": (), "caster": None}
    return config.model_copy(update={"device": (replayed,), **rest})


async def run_replay(config: Config, stop: asyncio.Event) -> dict[str, Any]:
    """Play to the end of the file and until the broker has everything; give the counts.

    Raises:
        UnavailableError: there is no such file, or the broker or API address cannot be had.
    """
    _must_be_readable(config.device[0])
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
    assert gateway.status is not None  # noqa: S101 - set before the end of a run
    (device,) = gateway.status.health()["devices"]
    return {
        "device": record.facts.id,
        "ended": device["reason"],
        "fixes": record.seq,
        "quarantined": record.quarantined,
        "delivered": gateway.delivered(),
        **stats_fields(record.stats),
    }


def _must_be_readable(device: DeviceConfig) -> None:
    """Refuse a file that is not there: the gateway itself would wait for it for ever."""
    endpoint = parse_endpoint(device.url)
    assert isinstance(endpoint, FileEndpoint)  # noqa: S101 - ``replay_config`` made it so
    try:
        Path(endpoint.path).open("rb").close()
    except OSError as error:
        raise UnavailableError(f"{endpoint.path}: {error.strerror or error}") from None
