"""What every command shares: statuses, options, output, signals, the reading of files.

JSON goes to stdout, one object a line; everything for people to stderr.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, cast

import typer

from bdgw.errors import BdgwError, ConfigError, UnavailableError

if TYPE_CHECKING:
    from bdgw.config import Config

__all__ = [
    "EXIT_CONFIG",
    "EXIT_NOPERM",
    "EXIT_SOFTWARE",
    "EXIT_UNAVAILABLE",
    "EXIT_USAGE",
    "Captures",
    "ConfigOption",
    "checked_config",
    "chunks_of",
    "print_json",
    "run_until_signal",
    "say",
]

EXIT_USAGE = 64
EXIT_UNAVAILABLE = 69
EXIT_SOFTWARE = 70
EXIT_NOPERM = 77
EXIT_CONFIG = 78
"""Distinct statuses (sysexits.h), so that a supervisor does not restart what cannot succeed."""

_CHUNK_BYTES = 1 << 16

ConfigOption = Annotated[
    Path, typer.Option("-c", "--config", metavar="FILE", help="configuration, TOML")
]
Captures = Annotated[
    list[str], typer.Argument(metavar="FILE...", help="captures, plain or .gz; - is stdin")
]


def run_until_signal(serve: Callable[[asyncio.Event], Coroutine[Any, Any, None]]) -> None:
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


def checked_config(path: Path) -> Config:
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


def chunks_of(name: str) -> Iterator[bytes]:
    """Give a file, plain or .gz, in pieces; ``-`` is stdin.

    Raises:
        UnavailableError: it cannot be read, or is damaged.
    """
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


def print_json(value: dict[str, Any]) -> None:
    """Write one object as a line on stdout."""
    from bdgw.publish.payload import encode

    sys.stdout.write(encode(value).decode() + "\n")
    sys.stdout.flush()


def say(text: str) -> None:
    """Write for people, on stderr."""
    sys.stderr.write(text)
    sys.stderr.flush()
