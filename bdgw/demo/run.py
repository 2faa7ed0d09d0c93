"""Brokers, simulator, two gateways and their clients on one machine, and a proof at the end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

from bdgw import config
from bdgw.app import Gateway
from bdgw.demo.message import MessageTally, exchange
from bdgw.demo.scene import (
    BASE_MOUNT,
    CORRECTED,
    CORRECTION,
    GATEWAY,
    SHIP,
    SIMULATED,
    caster_arguments,
    configuration,
    rdss_arguments,
    ship_configuration,
)
from bdgw.demo.simulator import Simulator
from bdgw.demo.tally import CorrectionTally, Tally
from bdgw.publish import topics
from bdgw.publish.subscriber import Message, subscribe

__all__ = ["run_demo", "summarise"]

_READERS_S = 20
_HOLD_S = 2
_LAST_FIX_S = 5.0
_LAST_WORD_S = 10.0
"""How long a message that is still under way at the end is waited for."""
_FALL_BACK_S = 8.0
"""The rover is alone again so long after the last correction, and a little more."""
_ON_S, _OFF_S = 20.0, 14.0


async def run_demo(
    *,
    seconds: float | None,
    mqtt_port: int,
    show: Callable[[dict[str, Any]], None],
    show_message: Callable[[dict[str, Any]], None],
    say: Callable[[str], None],
    stop: asyncio.Event,
) -> dict[str, Any]:
    """Run until ``seconds`` are over or ``stop`` is set; give the summary.

    ``show`` gets every live fix, ``show_message`` every event of a short message, ``say`` text for
    the person at the screen.

    Raises:
        UnavailableError: broker, simulator or subscriber cannot be started.
    """
    tally, corrected, messages = Tally(), CorrectionTally(CORRECTED, CORRECTION), MessageTally()
    with _folder() as folder:
        async with (
            Simulator(caster_arguments()) as caster,
            Simulator(rdss_arguments(folder)) as air,
        ):
            started = await caster.said("ready")
            await air.said("ready")
            # Nothing may reach the rover before it has been seen alone.
            _tell(caster, "silent")
            ports = {"port": _free_port(), "own_port": _free_port(), "mqtt_port": mqtt_port}
            text = configuration(folder=folder, caster_port=started["port"], **ports)
            gateway = Gateway(config.parse(text, name="demo"))
            ship = Gateway(config.parse(ship_configuration(folder), name="ship"))
            async with (
                _running(gateway, ship) as group,
                subscribe(_broker(gateway), f"{topics.root(GATEWAY)}/dev/#") as queue,
            ):
                say(_how_to_watch(gateway, ship, ports["own_port"]))
                talk = exchange(
                    _broker(gateway),
                    _broker(ship),
                    messages,
                    n_texts=None if seconds is None else 1,
                    stop=stop,
                    show=show_message,
                )
                helpers = (
                    group.create_task(_take(queue, tally, corrected, show), name="fixes"),
                    group.create_task(talk, name="short messages"),
                    group.create_task(_play(caster, corrected, seconds, say), name="play"),
                )
                truth = await _simulate(folder, ports["port"], seconds, stop)
                helpers[-1].cancel()
                await _wait_for_the_last(tally, truth)
                await _wait_for_the_last_word(messages)
                for helper in helpers:
                    helper.cancel()
                await asyncio.wait(helpers)
    return summarise(tally.summary(truth), corrected, messages)


def summarise(
    fixes: dict[str, Any], corrected: CorrectionTally, messages: MessageTally
) -> dict[str, Any]:
    """Judge: all of it must be right."""
    is_ok = fixes.pop("ok") and corrected.is_ok and messages.is_ok
    proofs = {"corrections_ok": corrected.is_ok, "shortmsg_ok": messages.is_ok}
    return {**fixes, **proofs, "ok": is_ok}


@contextlib.asynccontextmanager
async def _running(*gateways: Gateway) -> AsyncIterator[asyncio.TaskGroup]:
    """Run gateways until the block ends; all of them have started on entry."""
    ended = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        starts = []
        for gateway in gateways:
            ready = asyncio.Event()
            group.create_task(gateway.run(ended, on_ready=ready.set), name="gateway")
            starts.append(ready)
        for ready in starts:
            await ready.wait()
        try:
            yield group
        finally:
            ended.set()


def _broker(gateway: Gateway) -> str:
    assert gateway.broker_url is not None  # noqa: S101 - set before on_ready
    return gateway.broker_url


async def _take(
    queue: asyncio.Queue[Message],
    tally: Tally,
    corrected: CorrectionTally,
    show: Callable[[dict[str, Any]], None],
) -> None:
    while True:
        topic, data, is_retained = await queue.get()
        # What came late on a busy machine is in the history.
        if not is_retained and topic.endswith("/fix"):
            fix = json.loads(data)
            tally.add(fix)
            corrected.add(fix)
            show(fix)


async def _play(
    caster: Simulator, corrected: CorrectionTally, seconds: float | None, say: Callable[[str], None]
) -> None:
    """Let the caster speak, fall silent and speak again: the rover shows what that is worth."""
    await corrected.seen_alone.wait()
    _tell(caster, "none")
    on_s = _ON_S if seconds is None else seconds / 2
    if seconds is not None and seconds - on_s < _FALL_BACK_S:
        return  # too short to see the end of it
    while True:
        await asyncio.sleep(on_s)
        corrected.cut()
        _tell(caster, "silent")
        say(f"The caster falls silent: watch {CORRECTED} fall back.\n")
        try:
            await asyncio.sleep(_FALL_BACK_S)
        except asyncio.CancelledError:
            corrected.cut_short()
            raise
        await asyncio.sleep(_OFF_S - _FALL_BACK_S)
        corrected.restored()
        _tell(caster, "none")
        say(f"The caster speaks again: watch {CORRECTED} recover.\n")


def _tell(caster: Simulator, fault: str) -> None:
    caster.tell({"mount": BASE_MOUNT, "fault": fault})


async def _simulate(
    folder: Path, port: int, seconds: float | None, stop: asyncio.Event
) -> list[dict[str, Any]]:
    """Run the simulated devices to their end; give the epochs that they have written."""
    truth_file = folder / "truth.ndjson"
    arguments = ["run", "--truth", str(truth_file)]
    arguments += ["--wait-readers", str(_READERS_S), "--hold", str(_HOLD_S)]
    for device in SIMULATED:
        arguments += ["--device", device.format(folder=folder, port=port)]
    if seconds is not None:
        arguments += ["--seconds", str(seconds)]
    async with Simulator(arguments) as devices:
        await devices.until_end_or(stop)
    if not truth_file.exists():
        return []
    return [json.loads(line) for line in truth_file.read_text(encoding="utf-8").splitlines()]


async def _wait_for_the_last(tally: Tally, truth: list[dict[str, Any]]) -> None:
    """Give the last fixes time to arrive."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_LAST_FIX_S):
            while tally.missing(truth):
                tally.arrived.clear()
                await tally.arrived.wait()


async def _wait_for_the_last_word(messages: MessageTally) -> None:
    """Give a message that is under way time to arrive, and its sender to hear of it."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_LAST_WORD_S):
            while not messages.is_ok:
                messages.changed.clear()
                await messages.changed.wait()


def _how_to_watch(gateway: Gateway, ship: Gateway, own_port: int) -> str:
    port = _broker(gateway).rpartition(":")[2]
    ship_port = _broker(ship).rpartition(":")[2]
    return (
        f"Subscribe from another terminal:\n"
        f"  mosquitto_sub -h 127.0.0.1 -p {port} -t '{topics.root(GATEWAY)}/#' -v\n"
        f"  mosquitto_sub -h 127.0.0.1 -p {ship_port} -t '{topics.root(SHIP)}/#' -v\n"
        f"Status: {gateway.api_url}/api/v1/status\n"
        f"Corrections: {gateway.api_url}/api/v1/corrections\n"
        f"Caster of the gateway: ntrip://127.0.0.1:{own_port}/SITE\n"
    )


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    # Socket and terminal paths have a short limit, so not below a long working directory.
    with tempfile.TemporaryDirectory(prefix="bdgw-demo-", ignore_cleanup_errors=True) as name:
        yield Path(name)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
