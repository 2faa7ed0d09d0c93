"""A gateway inside the test's own event loop, its ports, and questions to it over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker

from bdgw import config
from bdgw.app import Gateway
from tests.publish.brokers import until
from tests.support.gateway_process import ROOT, fetch

PATIENCE_S = 20.0
SCHEMAS = ROOT / "bdgw" / "publish" / "schema"


def schema(name: str) -> Draft202012Validator:
    """The shipped schema of one kind of message."""
    value = json.loads((SCHEMAS / f"{name}.schema.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(value)
    return Draft202012Validator(value, format_checker=FormatChecker())


async def _becomes(
    look: Callable[[], Awaitable[dict[str, Any]]], judge: Callable[[dict[str, Any]], Any]
) -> dict[str, Any]:
    end_s = time.monotonic() + PATIENCE_S
    while not judge(seen := await look()):
        assert time.monotonic() < end_s, f"it has not become so: {seen}"
        await asyncio.sleep(0.02)  # nobody tells when it changes: it is asked over HTTP
    return seen


class Running:
    """A gateway that runs, and what an operator sees of it."""

    def __init__(self, gateway: Gateway, task: asyncio.Task[None], stop: asyncio.Event) -> None:
        self.gateway = gateway
        self._task = task
        self._stop = stop

    async def status(self) -> dict[str, Any]:
        url = f"{self.gateway.api_url}/api/v1/status"
        code, value, _ = await asyncio.to_thread(fetch, url)
        assert code == 200
        assert isinstance(value, dict)
        return value

    async def device(self, name: str) -> dict[str, Any]:
        devices = (await self.status())["devices"]
        found: dict[str, Any] = next(device for device in devices if device["dev"] == name)
        return found

    async def health_code(self) -> int:
        code, _, _ = await asyncio.to_thread(fetch, f"{self.gateway.api_url}/healthz")
        return code

    async def device_is(self, name: str, judge: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
        """Wait until the status of a device, as the API shows it, is as ``judge`` wants it."""
        return await _becomes(lambda: self.device(name), judge)

    async def status_is(self, judge: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
        """Wait until the whole status is as ``judge`` wants it."""
        return await _becomes(self.status, judge)

    async def stop(self) -> None:
        """End as on SIGTERM."""
        self._stop.set()
        await self._task

    async def kill(self) -> None:
        """End at once, without a goodbye."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


@contextlib.asynccontextmanager
async def running(text: str) -> AsyncIterator[Running]:
    """Run a gateway with this configuration around a block."""
    gateway = Gateway(config.parse(text, name="test"))
    stop, ready = asyncio.Event(), asyncio.Event()
    task = asyncio.create_task(gateway.run(stop, on_ready=ready.set))
    run = Running(gateway, task, stop)
    try:
        await until(lambda: ready.is_set() or task.done(), "the gateway has started")
        if task.done():
            task.result()
        yield run
    finally:
        stop.set()
        await asyncio.gather(task, return_exceptions=True)


def head(folder: Path, broker: str) -> str:
    """The part of a configuration before the devices; ``broker`` is its lines."""
    return f"""
    [gateway]
    id = "yp-01"
    state_dir = "{folder}/state"
    [broker]
    {broker}
    [api]
    listen = "127.0.0.1:0"
    anonymous = "read"
    """


def device(name: str, url: str, *lines: str) -> str:
    more = "\n".join(lines)
    return f'[[device]]\nid = "{name}"\nurl = "{url}"\n{more}\n'
