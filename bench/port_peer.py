"""The peer of the port bench: pyserial-asyncio-fast reads, bdgw's own session decodes.

So the difference to ``bench.gateway --no-publish`` is the reading alone. Arguments: record file,
then the ports.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import signal
import sys
import time
from pathlib import Path

from bdgw.receiver import EpochSeen, ReceiverSession
from bdgw.receivers import raise_descriptor_limit
from bdgw.timescale import format_utc

Row = tuple[int, str, str]


class Port(asyncio.Protocol):
    def __init__(self, device: str, rows: list[Row]) -> None:
        self._device = device
        self._rows = rows
        self._session = ReceiverSession(idle_s=0.3)

    def data_received(self, data: bytes) -> None:
        self._session.receive(data, now=time.monotonic())
        for event in self._session.events():
            if isinstance(event, EpochSeen):
                t_fix = format_utc(event.fix.t_gpst_ns or 0)
                self._rows.append((time.monotonic_ns(), self._device, t_fix))

    def finish(self) -> None:
        self.data_received(b"")


async def _main(ports: list[str]) -> list[Row]:
    raise_descriptor_limit()
    library = importlib.import_module("serial_asyncio_fast")  # from a temporary folder
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda *_: None)  # at 204 ports: 60,000 a second
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    rows: list[Row] = []
    made = []
    for path in ports:
        _, protocol = await library.create_serial_connection(
            loop, lambda path=path: Port(Path(path).name, rows), path, baudrate=115200
        )
        made.append(protocol)
    print(json.dumps({"event": "ready"}), flush=True)
    await stop.wait()
    for protocol in made:
        protocol.finish()
    return rows


if __name__ == "__main__":
    found = asyncio.run(_main(sys.argv[2:]))
    Path(sys.argv[1]).write_text("\n".join(json.dumps(row) for row in found))
