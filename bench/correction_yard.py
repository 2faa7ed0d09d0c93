"""The outside of the correction bench: a caster with one base, and the rovers' ports.

Both ends are in one process, so that both times are of one clock. A rover gets the very bytes that
were sent, so the k-th batch is complete when its port has delivered as many bytes as there were up
to the k-th. Arguments: folder for the ports, their number, seconds, record file.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
import tty
from fractions import Fraction
from pathlib import Path
from typing import Any

from fwsim.gnss_time import gpst_of_utc_ns
from fwsim.reference_station import ReferenceStation, StationSpec
from fwsim.scene import Place

_NS = 1_000_000_000
_LAST_S = 3.0
_WARM_UP = 5
"""Epochs until every rover has chosen its source; what they bring is not counted."""


class Rover:
    """The far end of one port: counts bytes, notes when each batch was whole."""

    def __init__(self, link: Path, ends: list[int], times_ns: list[int]) -> None:
        self.master, slave = os.openpty()
        tty.setraw(slave)
        os.set_blocking(self.master, False)
        link.symlink_to(os.ttyname(slave))
        self._slave = slave
        self._ends, self._times_ns = ends, times_ns
        self._n_bytes = 0
        self.latencies_ms: list[float] = []

    def on_readable(self) -> None:
        try:
            data = os.read(self.master, 65536)
        except BlockingIOError:
            return
        now_ns = time.monotonic_ns()
        if not self._times_ns:
            return
        self._n_bytes += len(data)
        while (k := len(self.latencies_ms)) < len(self._ends) and self._n_bytes >= self._ends[k]:
            self.latencies_ms.append((now_ns - self._times_ns[k]) / 1e6)


async def _main(folder: Path, n_ports: int, seconds: int) -> dict[str, Any]:
    ends: list[int] = []
    times_ns: list[int] = []
    rovers = [Rover(folder / f"rover-{n:03d}", ends, times_ns) for n in range(n_ports)]
    loop = asyncio.get_running_loop()
    for rover in rovers:
        loop.add_reader(rover.master, rover.on_readable)
    arrived: asyncio.Future[asyncio.StreamWriter] = loop.create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        if request.startswith(b"GET / "):
            writer.write(b"SOURCETABLE 200 OK\r\n\r\nENDSOURCETABLE\r\n")
            writer.close()
            return
        writer.write(b"ICY 200 OK\r\n\r\n")
        if not arrived.done():
            arrived.set_result(writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    print(json.dumps({"event": "ready", "port": port}), flush=True)
    base = ReferenceStation(
        StationSpec(place=Place(lat_deg=31.3, lon_deg=121.5), msm=7, rate_hz=Fraction(1))
    )
    writer = await arrived
    print(json.dumps({"event": "started"}), flush=True)
    await asyncio.sleep(2.0)  # every port is open by then
    epoch_ns = gpst_of_utc_ns(time.time_ns()) // _NS * _NS
    for n in range(_WARM_UP + seconds):
        epoch_ns += _NS
        batch = b"".join(base.frames(epoch_ns))
        await asyncio.sleep(max(0.0, (epoch_ns - gpst_of_utc_ns(time.time_ns())) / 1e9))
        if n >= _WARM_UP:
            ends.append((ends[-1] if ends else 0) + len(batch))
            times_ns.append(time.monotonic_ns())
        writer.write(batch)
    await asyncio.sleep(_LAST_S)
    latencies = [ms for rover in rovers for ms in rover.latencies_ms]
    return {
        "expected": n_ports * seconds,
        "received": len(latencies),
        "batch_bytes": ends[-1] // seconds,
        "latencies_ms": latencies,
    }


if __name__ == "__main__":
    result = asyncio.run(_main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
    Path(sys.argv[4]).write_text(json.dumps(result))
    print(json.dumps({"event": "done"}), flush=True)
