"""``fwsim rdss``: simulated short-message terminals joined by a simulated satellite network."""

import argparse
import asyncio
import math
import os
from dataclasses import replace
from pathlib import Path

from fwsim.console import ndjson, say, until_signal
from fwsim.rdss_control import follow
from fwsim.rdss_scenario import RdssScenario, load_rdss, parse_line
from fwsim.rdss_server import RdssServer
from fwsim.spec import SpecError, parse_start
from fwsim.values import read_speed


def add_rdss(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the others."""
    rdss = commands.add_parser("rdss", help="short-message terminals and their satellite network")
    rdss.add_argument(
        "--scenario", type=Path, help="TOML: [network], [[terminal]], [[outage]], [[timeline]]"
    )
    rdss.add_argument(
        "--terminal",
        action="append",
        default=[],
        help="name=…,family=…,port=…,address=…,key=value,… (repeatable)",
    )
    rdss.add_argument("--seed", help="same seed, same losses and delays")
    rdss.add_argument("--loss", type=float, help="chance that a message is lost")
    rdss.add_argument("--start", help="'now' or ISO 8601 UTC: the clock of the terminals")
    rdss.add_argument("--speed", type=read_speed, help="divides intervals and delays (default 1)")
    rdss.add_argument("--seconds", type=float, default=math.inf, help="end after so many seconds")
    rdss.add_argument("--control", type=Path, help="JSON lines of changes: a file or - (stdin)")
    rdss.add_argument("--truth", type=Path, help="NDJSON of every message on air and its fate")
    rdss.set_defaults(work=run_rdss)


def run_rdss(arguments: argparse.Namespace) -> int:
    """Run the command.

    Raises:
        SpecError: the description cannot be followed.
        OSError: a port or file is not available.
    """
    scenario = _scenario(arguments)
    with ndjson(arguments.truth) as truth:
        server = RdssServer(scenario, say=say, truth=truth)
        summary = asyncio.run(
            until_signal(lambda stop: _run(server, stop, arguments.seconds, arguments.control))
        )
    # Said after the file is closed: who waits for it reads it whole.
    say(summary)
    return os.EX_OK


def _scenario(arguments: argparse.Namespace) -> RdssScenario:
    scenario = RdssScenario()
    if arguments.scenario is not None:
        scenario = load_rdss(arguments.scenario)
    lines = tuple(parse_line(line) for line in arguments.terminal)
    wishes = {key: getattr(arguments, key) for key in ("seed", "loss")}
    changes = {key: value for key, value in wishes.items() if value is not None}
    try:
        network = replace(scenario.network, **changes)
    except ValueError as error:
        raise SpecError(str(error)) from error
    scenario = replace(scenario, terminals=scenario.terminals + lines, network=network)
    if arguments.start is not None:
        scenario = replace(scenario, start_utc_ns=parse_start(arguments.start))
    if arguments.speed is not None:
        if math.isinf(arguments.speed):
            raise SpecError("speed must be finite")
        scenario = replace(scenario, speed=arguments.speed)
    return scenario


async def _run(
    server: RdssServer, stop: asyncio.Event, seconds: float, control: Path | None
) -> dict[str, object]:
    steering = None
    if control is not None:
        work = follow(control, server.obey, _complain)
        steering = asyncio.get_running_loop().create_task(work)
    try:
        return await server.run(stop, seconds)
    finally:
        if steering is not None:
            steering.cancel()
            await asyncio.gather(steering, return_exceptions=True)


def _complain(reason: str) -> None:
    say({"event": "error", "reason": f"control: {reason}"})
