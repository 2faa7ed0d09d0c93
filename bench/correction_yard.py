"""The outside of the correction bench: a caster with one base, and the far ends of the ports.

Arguments: folder for the ports, their number, seconds, record file. The record holds when each
batch was given to the socket and how many bytes there were up to its end.
"""

from __future__ import annotations

import asyncio
import json
import os
import selectors
import sys
import threading
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


def _open_ports(folder: Path, n_ports: int) -> list[int]:
    """Make pseudo-terminals that are drained by a thread, as rovers would read them."""
    masters = []
    for n in range(n_ports):
        master, slave = os.openpty()
        tty.setraw(slave)
        os.set_blocking(master, False)
        (folder / f"rover-{n:03d}").symlink_to(os.ttyname(slave))
        masters.append(master)
    threading.Thread(target=_drain, args=(masters,), daemon=True).start()
    return masters


def _drain(masters: list[int]) -> None:
    selector = selectors.DefaultSelector()
    for master in masters:
        selector.register(master, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            os.read(key.fd, 4096)


async def _main(folder: Path, n_ports: int, seconds: int) -> dict[str, Any]:
    _open_ports(folder, n_ports)
    arrived: asyncio.Future[asyncio.StreamWriter] = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"ICY 200 OK\r\n\r\n")
        if not arrived.done():
            arrived.set_result(writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    print(json.dumps({"event": "ready", "port": port}), flush=True)
    place = Place(lat_deg=31.3, lon_deg=121.5)
    base = ReferenceStation(StationSpec(place=place, msm=7, rate_hz=Fraction(1)))
    writer = await arrived
    print(json.dumps({"event": "started"}), flush=True)
    await asyncio.sleep(2.0)  # every port is open by then
    ends: list[int] = []
    times_ns: list[int] = []
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
    return {"ends": ends, "times_ns": times_ns}


if __name__ == "__main__":
    result = asyncio.run(_main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
    Path(sys.argv[4]).write_text(json.dumps(result))
    print(json.dumps({"event": "done"}), flush=True)
