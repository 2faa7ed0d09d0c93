"""Recordings: read to the end once, packed or not, paced by their own epochs."""

from __future__ import annotations

import gzip
import time
from pathlib import Path

import pytest

from bdgw.model import DeviceStatus
from bdgw.receivers import DeviceSpec, FileEndpoint
from tests.receivers.rig import Rig, running

LINES = [b"$%d,%s" % (i, b"q" * (i % 97)) for i in range(4000)]
DATA = b"".join(line + b"\n" for line in LINES)


@pytest.mark.parametrize("name", ["drive.nmea", "drive.nmea.gz"])
async def test_a_file_is_read_to_its_end_once(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(gzip.compress(DATA) if name.endswith(".gz") else DATA)
    rig = Rig(DeviceSpec(id="a", endpoint=FileEndpoint(path=str(path)), silence_s=0.01))
    async with running(rig):
        await rig.until(lambda: rig.status("a") is DeviceStatus.ENDED)
        assert rig.events["a"] == LINES
        (shot,) = rig.pool.snapshots()
        assert (shot.bytes_in, shot.n_connections) == (len(DATA), 1)
        assert f"after {len(DATA)} bytes" in shot.reason


async def test_an_unfinished_last_line_is_not_lost(tmp_path: Path) -> None:
    path = tmp_path / "cut.nmea"
    path.write_bytes(b"$one\n$tw")
    rig = Rig(DeviceSpec(id="a", endpoint=FileEndpoint(path=str(path))))
    async with running(rig):
        await rig.until(lambda: rig.status("a") is DeviceStatus.ENDED)
        assert rig.events["a"] == [b"$one", b"rest:$tw"]


async def test_a_damaged_archive_ends_early_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "cut.gz"
    path.write_bytes(gzip.compress(DATA)[:-500])
    rig = Rig(DeviceSpec(id="a", endpoint=FileEndpoint(path=str(path))))
    async with running(rig):
        await rig.until(lambda: rig.status("a") is DeviceStatus.ENDED)
        assert "ended early" in rig.states["a"][-1].reason


async def test_a_file_that_appears_later_is_read_then(tmp_path: Path) -> None:
    path = tmp_path / "late.nmea"
    rig = Rig(
        DeviceSpec(
            id="a",
            endpoint=FileEndpoint(path=str(path)),
            backoff_floor_s=0.01,
            backoff_cap_s=0.02,
        )
    )
    async with running(rig):
        await rig.until(lambda: rig.status("a") is DeviceStatus.DOWN)
        path.write_bytes(DATA)
        await rig.until(lambda: rig.status("a") is DeviceStatus.ENDED)
        assert rig.events["a"] == LINES


async def test_a_paced_file_takes_its_recorded_time(tmp_path: Path) -> None:
    path = tmp_path / "paced.nmea"
    path.write_bytes(b"".join(b"@%d.0\n$%s\n" % (i, b"q" * 300) for i in range(11)))
    rig = Rig(DeviceSpec(id="a", endpoint=FileEndpoint(path=str(path), speed=20.0)))
    async with running(rig):
        started_s = time.monotonic()
        await rig.until(lambda: rig.status("a") is DeviceStatus.ENDED)
        assert time.monotonic() - started_s >= 9 / 20.0
        assert len(rig.events["a"]) == 22


async def test_nothing_is_written_into_a_recording(tmp_path: Path) -> None:
    path = tmp_path / "slow.nmea"
    path.write_bytes(DATA)
    rig = Rig(DeviceSpec(id="a", endpoint=FileEndpoint(path=str(path), speed=0.01)))
    async with running(rig):
        await rig.until(lambda: rig.status("a") is DeviceStatus.STREAMING)
        assert not rig.pool.write("a", b"x")
        assert path.read_bytes() == DATA
        assert rig.pool.snapshots()[0].write_drops == 1
