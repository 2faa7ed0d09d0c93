"""Command line of the simulator: ``run``, ``replay``, ``many``, ``caster`` and ``rdss``.

Stdout carries JSON lines only (ready, started, summary); what goes wrong is said on stderr.
"""

import argparse
import asyncio
import contextlib
import math
import os
import sys
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from fwsim.build import build_device, build_device_port, build_port
from fwsim.caster_command import add_caster
from fwsim.console import ndjson, say, until_signal
from fwsim.device import Device
from fwsim.load import Load, Stamp
from fwsim.ports import Port
from fwsim.rdss_command import add_rdss
from fwsim.simulator import NamedPort, RunOptions, Simulator, Stalled
from fwsim.spec import (
    DeviceSpec,
    Scenario,
    SpecError,
    load_scenario,
    parse_line,
    parse_start,
)
from fwsim.tcp_port import Modem
from fwsim.values import read_speed

EXIT_USAGE = 64
EXIT_UNAVAILABLE = 69


def main(argv: list[str] | None = None) -> int:
    """Run the simulator; 0 clean, 64 usage, 69 a port or reader is unavailable."""
    arguments = _parser().parse_args(argv)
    work: Callable[[argparse.Namespace], int] = arguments.work
    try:
        return work(arguments)
    except SpecError as error:
        sys.stderr.write(f"fwsim: {error}\n")
        return EXIT_USAGE
    except (OSError, Stalled) as error:
        sys.stderr.write(f"fwsim: {error}\n")
        return EXIT_UNAVAILABLE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="fwsim", description="Simulated GNSS field devices.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="simulated receivers on ports")
    run.add_argument("--scenario", type=Path, help="TOML file with any number of [[device]]")
    run.add_argument(
        "--device", action="append", default=[], help="name=…,port=…,key=value,… (repeatable)"
    )
    run.add_argument("--epochs", type=int, help="end after so many epochs a device")
    run.add_argument("--seconds", type=float, default=math.inf, help="end after so many seconds")
    run.add_argument("--seed", help="same seed, same bytes (default 0)")
    run.add_argument("--start", help="'now' or ISO 8601 UTC (default now)")
    run.add_argument("--fast", action="store_true", help="as fast as the readers take it")
    run.add_argument("--truth", type=Path, help="NDJSON of every epoch written whole")
    run.add_argument("--truth-damaged", type=Path, help="NDJSON of every other epoch")
    run.add_argument("--stamps", type=Path, help="NDJSON: device, t_utc, mono_ns of last byte")
    _add_life(run)
    run.set_defaults(work=_run)

    replay = commands.add_parser("replay", help="a capture to a port, byte for byte")
    replay.add_argument("file", type=Path)
    replay.add_argument("--port", required=True, help="pty:PATH, tcp:HOST:PORT, …")
    replay.add_argument("--name", default="replay")
    replay.add_argument("--speed", type=read_speed, default=1.0, help="factor or 'max'")
    replay.add_argument("--loop", action="store_true")
    replay.add_argument("--chunk", type=int, help="largest write, bytes")
    replay.add_argument("--byte-rate", type=float, help="bytes a second instead of times inside")
    replay.add_argument("--registration", help="line sent first on a dialled connection")
    replay.add_argument("--seconds", type=float, default=math.inf, help="end after so many seconds")
    _add_life(replay)
    replay.set_defaults(work=_replay)

    many = commands.add_parser("many", help="load generator: very many still devices")
    many.add_argument("--count", type=int, required=True)
    many.add_argument("--port", required=True, help="tcp:HOST:PORT, udp:HOST:PORT or pty-dir:DIR")
    many.add_argument("--rate-hz", default="1")
    many.add_argument("--sentences", type=int, default=4, help="1 to 7 (default 4)")
    many.add_argument("--registration", default="ID-%04d", help="name and registration line")
    many.add_argument("--epochs", type=int, help="end after so many epochs a device")
    many.add_argument("--seconds", type=float, default=math.inf, help="end after so many seconds")
    many.add_argument("--wait-readers", type=float, default=30.0, help="start at the latest then")
    many.add_argument("--hold", type=float, default=0.0, help="keep ports S seconds at the end")
    many.add_argument("--stamps", type=Path, help="NDJSON: device, t_utc, mono_ns of last byte")
    many.set_defaults(work=_many)
    add_caster(commands)
    add_rdss(commands)
    return parser


def _add_life(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--wait-for-file", type=Path, help="first byte once this file exists")
    parser.add_argument(
        "--wait-readers", type=float, default=0.0, help="first byte once all ports are read, or S"
    )
    parser.add_argument("--hold", type=float, default=0.0, help="keep ports S seconds at the end")
    parser.add_argument("--stall", type=float, default=30.0, help="give up on a reader after S")


def _options(arguments: argparse.Namespace) -> RunOptions:
    return RunOptions(
        wait_readers_s=arguments.wait_readers,
        wait_for_file=arguments.wait_for_file,
        hold_s=arguments.hold,
        stall_s=arguments.stall,
    )


def _run(arguments: argparse.Namespace) -> int:
    scenario = Scenario(devices=())
    if arguments.scenario is not None:
        scenario = load_scenario(arguments.scenario)
    lines = tuple(parse_line(line) for line in arguments.device)
    scenario = replace(scenario, devices=scenario.devices + lines)
    if arguments.seed is not None:
        scenario = replace(scenario, seed=arguments.seed)
    if arguments.start is not None:
        scenario = replace(scenario, start_utc_ns=parse_start(arguments.start))
    options = replace(
        _options(arguments), start_utc_ns=scenario.start_utc_ns, is_fast=arguments.fast
    )
    with (
        ndjson(arguments.truth) as tell,
        ndjson(arguments.truth_damaged) as tell_damaged,
        _stamps(arguments.stamps) as stamp,
    ):

        def on_written(truth: dict[str, object]) -> None:
            mono_ns = time.monotonic_ns()
            if stamp is not None and "t_utc" in truth:
                stamp(str(truth["name"]), str(truth["t_utc"]), mono_ns)
            if tell is not None:
                tell(truth)

        summary = _simulate(
            scenario,
            options,
            max_epochs=arguments.epochs,
            max_s=arguments.seconds,
            on_written=on_written,
            on_damaged=tell_damaged,
        )
    # Said after the files are closed: who waits for it reads them whole.
    say(summary)
    return os.EX_OK


def _replay(arguments: argparse.Namespace) -> int:
    registration = arguments.registration
    spec = DeviceSpec(
        name=arguments.name,
        port=arguments.port,
        replay=arguments.file,
        speed=arguments.speed,
        loop=arguments.loop,
        chunk=arguments.chunk,
        byte_rate=arguments.byte_rate,
        registration=b"" if registration is None else f"{registration}\r\n".encode(),
    )
    # A replay has no grid of epochs to wait for: it begins at once.
    options = replace(_options(arguments), start_utc_ns=time.time_ns())
    say(_simulate(Scenario(devices=(spec,)), options, max_s=arguments.seconds))
    return os.EX_OK


def _many(arguments: argparse.Namespace) -> int:
    names = [arguments.registration % i for i in range(1, arguments.count + 1)]
    ports = [_many_port(arguments.port, name) for name in names]
    with _stamps(arguments.stamps) as stamp:
        try:
            load = Load(
                names,
                ports,
                rate_hz=Fraction(arguments.rate_hz),
                n_sentences=arguments.sentences,
                stamp=stamp,
            )
        except (ValueError, ZeroDivisionError) as error:
            raise SpecError(str(error)) from error
        summary = asyncio.run(
            until_signal(
                lambda stop: load.run(
                    stop,
                    say,
                    wait_readers_s=arguments.wait_readers,
                    max_epochs=arguments.epochs,
                    max_s=arguments.seconds,
                    hold_s=arguments.hold,
                )
            )
        )
    say(summary)
    return os.EX_OK


def _many_port(text: str, name: str) -> Port:
    if text.startswith("pty-dir:"):
        return build_port(f"pty:{Path(text.removeprefix('pty-dir:')) / name}")
    return build_port(text, Modem(registration=f"{name}\r\n".encode()))


@contextlib.contextmanager
def _stamps(path: Path | None) -> Iterator[Stamp | None]:
    if path is None:
        yield None
        return
    with path.open("w", encoding="utf-8") as file:
        write = file.write

        def stamp(name: str, t_utc: str, mono_ns: int) -> None:
            write(f'{{"device":"{name}","t_utc":"{t_utc}","mono_ns":{mono_ns}}}\n')

        yield stamp


def _simulate(
    scenario: Scenario,
    options: RunOptions,
    *,
    max_epochs: int | None = None,
    max_s: float = math.inf,
    on_written: Callable[[dict[str, object]], None] | None = None,
    on_damaged: Callable[[dict[str, object]], None] | None = None,
) -> dict[str, object]:
    names = [spec.name for spec in scenario.devices]
    if not names or len(set(names)) < len(names):
        msg = "at least one device is needed, and every name once only"
        raise SpecError(msg)
    ports = [NamedPort(spec.name, build_device_port(spec)) for spec in scenario.devices]

    def make_devices(start_utc_ns: int) -> Sequence[Device]:
        return [
            build_device(
                spec,
                named.port,
                start_utc_ns=start_utc_ns,
                seed=scenario.seed,
                max_epochs=max_epochs,
                max_s=max_s,
                is_lossless=options.is_fast,
                on_written=on_written,
                on_damaged=on_damaged,
            )
            for spec, named in zip(scenario.devices, ports, strict=True)
        ]

    try:
        # Built once for nothing: a description that cannot be followed must not open ports.
        make_devices(0)
    except (ValueError, EOFError, zlib.error) as error:
        raise SpecError(str(error)) from error
    simulator = Simulator(ports, make_devices, options, say)
    return {**asyncio.run(until_signal(simulator.run)), "seed": scenario.seed}


if __name__ == "__main__":
    sys.exit(main())
