"""The command line. JSON goes to stdout, one object a line; everything for people to stderr."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, NoReturn, cast

import typer

from bdgw import __version__
from bdgw.errors import BdgwError, ConfigError, UnavailableError

if TYPE_CHECKING:
    from bdgw.config import Config

__all__ = ["main"]

EXIT_USAGE = 64
EXIT_UNAVAILABLE = 69
EXIT_SOFTWARE = 70
EXIT_CONFIG = 78
"""Distinct statuses (sysexits.h), so that a supervisor does not restart what cannot succeed."""

_CHUNK_BYTES = 1 << 16

app = typer.Typer(
    name="bdgw",
    help="BeiDou high-precision positioning and short-message gateway.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


class Language(enum.StrEnum):
    """What ``--as`` takes."""

    AUTO = "auto"
    NMEA = "nmea"
    RTCM3 = "rtcm3"


class FixFormat(enum.StrEnum):
    """What ``fixes --format`` takes."""

    NDJSON = "ndjson"
    CSV = "csv"
    GEOJSON = "geojson"
    GPX = "gpx"


ConfigOption = Annotated[
    Path, typer.Option("-c", "--config", metavar="FILE", help="configuration, TOML")
]
Captures = Annotated[
    list[str], typer.Argument(metavar="FILE...", help="captures, plain or .gz; - is stdin")
]


@app.callback(invoke_without_command=True)
def _root(
    *, version: Annotated[bool, typer.Option("--version", help="print the version")] = False
) -> None:
    if version:
        print(f"bdgw {__version__}")  # noqa: T201 - the command line speaks on stdout
        raise typer.Exit


@app.command()
def run(config: ConfigOption) -> None:
    """Run the gateway until it is stopped."""
    from bdgw.app import Gateway
    from bdgw.log import set_up_logging

    checked = _checked(config)
    set_up_logging(checked.log.format, checked.log.level)

    async def serve(stop: asyncio.Event) -> None:
        await Gateway(checked).run(stop)

    _run_until_signal(serve)


@app.command()
def check(config: ConfigOption) -> None:
    """Check a configuration: names file, key, value and what is allowed."""
    checked = _checked(config)
    _print({"file": str(config), "ok": True, "devices": len(checked.device)})


@app.command()
def decode(
    files: Captures,
    *,
    language: Annotated[Language, typer.Option("--as", help="protocol to look for")] = (
        Language.AUTO
    ),
    stats: Annotated[bool, typer.Option("--stats", help="print counts only")] = False,
) -> None:
    """Decode captures to JSON lines, one event a line, in stream order."""
    from bdgw.offline import decode_lines, stats_object
    from bdgw.stream import PROTOCOLS

    protocols = PROTOCOLS if language is Language.AUTO else (language.value,)
    for name in files:
        chunks = _chunks(name)
        if stats:
            _print(stats_object(name, chunks, protocols=protocols))
            continue
        for line in decode_lines(chunks, protocols=protocols):
            _print({"file": name, **line} if len(files) > 1 else line)


@app.command()
def fixes(
    files: Captures,
    *,
    form: Annotated[FixFormat, typer.Option("--format", help="how to write them")] = (
        FixFormat.NDJSON
    ),
    frame: Annotated[
        str | None, typer.Option(help="frame of the receiver's coordinates, e.g. CGCS2000")
    ] = None,
) -> None:
    """Write the epochs of captures as fixes, exactly as they would be published."""
    from bdgw import export
    from bdgw.offline import fixes as fixes_of

    writer = {
        FixFormat.NDJSON: export.ndjson,
        FixFormat.CSV: export.csv,
        FixFormat.GEOJSON: export.geojson,
        FixFormat.GPX: export.gpx,
    }[form]
    every = (fix for name in files for fix in fixes_of(_chunks(name), frame=frame))
    for text in writer(every):
        sys.stdout.write(text)
    sys.stdout.flush()


@app.command()
def replay(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="capture, plain or .gz")],
    config: ConfigOption,
    *,
    speed: Annotated[str, typer.Option(help="multiple of recorded time, or max")] = "1",
    device: Annotated[
        str | None, typer.Option(help="the device that the capture stands for")
    ] = None,
) -> None:
    """Play a capture through the whole gateway, in the place of one configured device."""
    from bdgw.config import load
    from bdgw.log import set_up_logging
    from bdgw.replay import replay_config, run_replay

    loaded = load(config)
    try:
        checked = replay_config(loaded, file, speed=speed, device=device)
    except ConfigError as error:
        raise typer.BadParameter(str(error)) from None
    set_up_logging(checked.log.format, checked.log.level)

    async def play(stop: asyncio.Event) -> None:
        _print(await run_replay(checked, stop))

    _run_until_signal(play)


@app.command()
def demo(
    *,
    seconds: Annotated[float | None, typer.Option(min=1, help="end by itself, judge")] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="MQTT port, 0 takes a free one")] = 0,
) -> None:
    """Run broker, simulator, gateway and subscriber on this machine and show what arrives."""
    from bdgw.demo import run_demo
    from bdgw.live import fix_table
    from bdgw.log import set_up_logging

    set_up_logging("console", "error")
    summary: dict[str, Any] = {}

    async def play(stop: asyncio.Event) -> None:
        with fix_table(is_terminal=sys.stdout.isatty(), write=_print) as show:
            summary.update(
                await run_demo(seconds=seconds, mqtt_port=port, show=show, say=_say, stop=stop)
            )

    _run_until_signal(play)
    _print(summary)
    if seconds is not None and not summary.get("ok"):
        raise typer.Exit(1)


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    add_help_option=False,
)
def sim(context: typer.Context) -> None:
    """Run the simulator (see firmware-sim/README.md): run, replay, many."""
    # A process of its own: the simulator shares no code with the gateway.
    os.execv(sys.executable, [sys.executable, "-m", "fwsim", *context.args])  # noqa: S606


def main() -> NoReturn:
    """Run the command line and end with the exit status of the contract."""
    try:
        # Not in standalone mode a command that raises ``typer.Exit`` makes this return its status.
        status = app(standalone_mode=False)
    except typer.Abort:
        _end(130)
    except ConfigError as error:
        _say(f"{error}\n")
        _end(EXIT_CONFIG)
    except UnavailableError as error:
        _say(f"{error}\n")
        _end(EXIT_UNAVAILABLE)
    except (BdgwError, OSError) as error:
        _say(f"{error}\n")
        _end(EXIT_SOFTWARE if isinstance(error, BdgwError) else EXIT_UNAVAILABLE)
    except Exception as error:
        show = getattr(error, "show", None)
        if show is None:
            raise
        show()
        _end(EXIT_USAGE)
    _end(status if isinstance(status, int) else 0)


def _end(status: int) -> NoReturn:
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.flush()
    raise SystemExit(status)


def _run_until_signal(serve: Callable[[asyncio.Event], Coroutine[Any, Any, None]]) -> None:
    """Run a service whose ``stop`` is set by SIGINT or SIGTERM; a second signal ends at once."""

    async def run() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()

        def on_signal() -> None:
            if stop.is_set() and task is not None:
                task.cancel()
            stop.set()

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, on_signal)
        await serve(stop)

    try:
        asyncio.run(run())
    except* BdgwError as group:
        raise _first(group) from None


def _checked(path: Path) -> Config:
    """Load a configuration and check that its values fit together."""
    from bdgw.app import check as check_together
    from bdgw.config import load

    config = load(path)
    try:
        check_together(config)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
    return config


def _first(group: BaseExceptionGroup[BdgwError]) -> BdgwError:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error if isinstance(error, BdgwError) else BdgwError(str(error))


def _chunks(name: str) -> Iterator[bytes]:
    if name == "-":
        yield from _read(sys.stdin.buffer)
        return
    import gzip
    import zlib

    path = Path(name)
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            yield from _read(cast("BinaryIO", file))
    except (OSError, EOFError, zlib.error) as error:
        raise UnavailableError(f"{name}: {getattr(error, 'strerror', None) or error}") from None


def _read(source: BinaryIO) -> Iterator[bytes]:
    # read1 gives what is there, so that events of a pipe come out while it is still open.
    read = getattr(source, "read1", source.read)
    while chunk := read(_CHUNK_BYTES):
        yield chunk


def _print(value: dict[str, Any]) -> None:
    from bdgw.publish.payload import encode

    sys.stdout.write(encode(value).decode() + "\n")
    sys.stdout.flush()


def _say(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()
