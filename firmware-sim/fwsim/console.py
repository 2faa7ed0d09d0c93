"""What all commands share: JSON lines out, files of JSON lines, an orderly end by signal."""

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path


def say(event: dict[str, object]) -> None:
    """Print one JSON line."""
    sys.stdout.write(json.dumps(event, ensure_ascii=False) + "\n")
    sys.stdout.flush()


async def until_signal(
    run: Callable[[asyncio.Event], Awaitable[dict[str, object]]],
) -> dict[str, object]:
    """Run something that ends when its event is set; SIGTERM and SIGINT set it."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        # Only the main thread may take signals; run from another one, its owner stops it.
        with contextlib.suppress(ValueError, RuntimeError):
            loop.add_signal_handler(number, stop.set)
    return await run(stop)


@contextlib.contextmanager
def ndjson(path: Path | None) -> Iterator[Callable[[dict[str, object]], None] | None]:
    """Open an NDJSON file for appending lines that others may follow while it grows."""
    if path is None:
        yield None
        return
    with path.open("w", encoding="utf-8", buffering=1) as file:
        yield lambda record: _write_line(file.write, record)


def _write_line(write: Callable[[str], int], record: dict[str, object]) -> None:
    write(json.dumps(record, ensure_ascii=False) + "\n")
