"""Lines of JSON that steer a running simulation: from stdin, or from a file as it grows."""

import asyncio
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

POLL_S = 0.1
MAX_LINE_BYTES = 65_536
STDIN = Path("-")

Obey = Callable[[Mapping[str, object]], None]
Complain = Callable[[str], None]


async def follow(path: Path, obey: Obey, complain: Complain) -> None:
    """Obey every line until cancelled, or until stdin ends; what makes no sense is complained of.

    The file may come later than this; only whole lines count.
    """
    if path == STDIN:
        await _follow_stdin(obey, complain)
        return
    offset = 0
    while True:
        data = _read_from(path, offset)
        *lines, rest = data.split(b"\n")
        if len(rest) >= MAX_LINE_BYTES:
            # A line that never ends is passed over, or nothing behind it would ever be read.
            complain("line too long")
            offset += len(rest)
        for line in lines:
            offset += len(line) + 1
            take_line(line, obey, complain)
        await asyncio.sleep(POLL_S)


def _read_from(path: Path, offset: int) -> bytes:
    if not path.exists():
        return b""
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(MAX_LINE_BYTES)


async def _follow_stdin(obey: Obey, complain: Complain) -> None:
    reader = asyncio.StreamReader(limit=MAX_LINE_BYTES)
    loop = asyncio.get_running_loop()
    try:
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while line := await reader.readline():
            take_line(line, obey, complain)
    except (OSError, ValueError) as error:
        complain(str(error))


def take_line(line: bytes, obey: Obey, complain: Complain) -> None:
    """Obey one line."""
    if not line.strip():
        return
    try:
        wish = json.loads(line)
        if isinstance(wish, Mapping):
            obey(wish)
        else:
            complain("not an object")
    except ValueError as error:
        complain(str(error))
