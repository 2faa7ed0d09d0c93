"""``fwsim caster``: a simulated NTRIP caster from a scenario, steered while it runs."""

import argparse
import asyncio
import json
import math
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from fwsim.ban import RULES
from fwsim.caster import SimCaster
from fwsim.caster_spec import ANY_MOUNT, CasterSpec, load_caster, parse_mount
from fwsim.console import ndjson, say, until_signal
from fwsim.simulator import wait
from fwsim.spec import SpecError, parse_start

CONTROL_POLL_S = 0.1
MAX_CONTROL_BYTES = 65_536
STDIN = Path("-")


def add_caster(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the others."""
    caster = commands.add_parser("caster", help="simulated NTRIP caster, every dialect and fault")
    caster.add_argument("--scenario", type=Path, help="TOML with [caster], [[mount]], [[timeline]]")
    caster.add_argument(
        "--mount", action="append", default=[], help="name=…,dialect=…,key=value,… (repeatable)"
    )
    caster.add_argument("--host", help="address to listen on (default 127.0.0.1)")
    caster.add_argument("--port", type=int, help="port in the clear (default 0: a free one)")
    caster.add_argument("--rules", choices=sorted(RULES), help="how clients are judged")
    caster.add_argument("--seed", help="same seed, same faults")
    caster.add_argument("--start", help="'now' or ISO 8601 UTC: what the epochs say (default now)")
    caster.add_argument("--seconds", type=float, default=math.inf, help="end after so many seconds")
    caster.add_argument("--control", type=Path, help="JSON lines of changes: a file or - (stdin)")
    caster.add_argument("--truth", type=Path, help="NDJSON of every frame that left a mount")
    caster.add_argument("--stamps", type=Path, help="NDJSON: mount, batch, mono_ns, bytes")
    caster.set_defaults(work=run_caster)


def run_caster(arguments: argparse.Namespace) -> int:
    """Run the command.

    Raises:
        SpecError: the description cannot be followed.
        OSError: a port or file is not available.
    """
    spec = _spec(arguments)
    with ndjson(arguments.truth) as truth, ndjson(arguments.stamps) as stamp:
        caster = SimCaster(spec, say=say, truth=truth, stamp=stamp)
        summary = asyncio.run(
            until_signal(
                lambda stop: _run(caster, stop, arguments.seconds, arguments.control),
            )
        )
    # Said after the files are closed: who waits for it reads them whole.
    say(summary)
    return os.EX_OK


def _spec(arguments: argparse.Namespace) -> CasterSpec:
    spec = CasterSpec(mounts=())
    if arguments.scenario is not None:
        spec = load_caster(arguments.scenario)
    lines = tuple(parse_mount(_cells(line)) for line in arguments.mount)
    changes: dict[str, object] = {
        key: getattr(arguments, key)
        for key in ("host", "port", "seed")
        if getattr(arguments, key) is not None
    }
    if arguments.rules is not None:
        changes["rules"] = RULES[arguments.rules]
    if arguments.start is not None:
        changes["start_utc_ns"] = parse_start(arguments.start)
    spec = replace(spec, mounts=spec.mounts + lines, **changes)  # type: ignore[arg-type]
    if not spec.mounts:
        raise SpecError("at least one mount is needed")
    return spec


def _cells(line: str) -> dict[str, object]:
    table: dict[str, object] = {}
    for cell in line.split(","):
        key, equals, value = cell.partition("=")
        if not equals:
            msg = f"{cell!r} is not key=value"
            raise SpecError(msg)
        table[key.strip()] = value.strip()
    return table


async def _run(
    caster: SimCaster, stop: asyncio.Event, seconds: float, control: Path | None
) -> dict[str, object]:
    await caster.start()
    ready: dict[str, object] = {
        "event": "ready",
        "host": caster.spec.host,
        "port": caster.port,
        "mounts": list(caster.mounts),
    }
    if caster.spec.tls_port is not None:
        ready["tls_port"] = caster.tls_port
    say(ready)
    steering = None
    if control is not None:
        steering = asyncio.get_running_loop().create_task(_steer(caster, control))
    try:
        if math.isinf(seconds):
            await stop.wait()
        else:
            await wait(stop, seconds)
    finally:
        if steering is not None:
            steering.cancel()
            await asyncio.gather(steering, return_exceptions=True)
        await caster.stop()
    return {"event": "summary", **caster.counters()}


async def _steer(caster: SimCaster, control: Path) -> None:
    obey = _obey(caster)
    if control == STDIN:
        await _follow_stdin(obey)
    else:
        await _follow_file(control, obey)


async def _follow_stdin(obey: Callable[[bytes], None]) -> None:
    reader = asyncio.StreamReader(limit=MAX_CONTROL_BYTES)
    loop = asyncio.get_running_loop()
    try:
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while line := await reader.readline():
            obey(line)
    except (OSError, ValueError) as error:
        say({"event": "error", "reason": f"control: {error}"})


async def _follow_file(path: Path, obey: Callable[[bytes], None]) -> None:
    """Obey lines as they are appended; the file may come later."""
    offset = 0
    while True:
        if path.exists():  # noqa: ASYNC240 - a look at a small local file
            with path.open("rb") as file:
                file.seek(offset)
                data = file.read(MAX_CONTROL_BYTES)
            *lines, _ = data.split(b"\n")
            for line in lines:
                offset += len(line) + 1
                obey(line)
        await asyncio.sleep(CONTROL_POLL_S)


def _obey(caster: SimCaster) -> Callable[[bytes], None]:
    """Make what follows ``{"mount": "A", "fault": "silent", …}``; a bad line is reported."""

    def obey(line: bytes) -> None:
        if not line.strip():
            return
        try:
            wish = json.loads(line)
            if not isinstance(wish, Mapping):
                raise SpecError("not an object")
            rest = dict(wish)
            mount = str(rest.pop("mount", ANY_MOUNT))
            words = [str(rest.pop(key)) for key in ("fault", "dialect", "action") if key in rest]
            if len(words) != 1:
                raise SpecError("one of fault, dialect or action is needed")
            caster.change(mount, words[0], **rest)
        except KeyError as error:
            say({"event": "error", "reason": f"control: no mount {error}"})
        except ValueError as error:
            say({"event": "error", "reason": f"control: {error}"})

    return obey
