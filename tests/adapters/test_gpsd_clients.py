"""The programs that people point at a gpsd: Debian's own clients really connect and understand."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import pty
import select
import struct
import subprocess
import termios
import time

import pytest

from tests.adapters.gpsd_rig import feed_while, program, serving
from tests.publish.brokers import free_port

PATIENCE_S = 30.0


async def output_of(*command: str) -> str:
    """Run a client to its end and give what it printed."""
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        out, _ = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return out.decode()


async def test_gpspipe_reads_json():
    async with serving() as (server, port):
        task = asyncio.create_task(
            output_of(program("gpspipe"), "-w", "-n", "9", f"127.0.0.1:{port}")
        )
        await feed_while(task, server)
    objects = [json.loads(line) for line in task.result().splitlines()]
    assert [each["class"] for each in objects[:3]] == ["VERSION", "DEVICES", "WATCH"]
    tpv = next(each for each in objects if each["class"] == "TPV")
    assert (tpv["lat"], tpv["lon"]) == (31.2994021, 121.5033127)
    assert (tpv["mode"], tpv["status"]) == (3, 3)
    assert tpv["device"] == "rover-1"
    assert "alt" not in tpv


async def test_gpspipe_reads_nmea_that_an_independent_reader_understands():
    from pynmeagps import NMEAReader

    async with serving() as (server, port):
        task = asyncio.create_task(
            output_of(program("gpspipe"), "-r", "-n", "8", f"127.0.0.1:{port}")
        )
        await feed_while(task, server)
    sentences = [line for line in task.result().splitlines() if line.startswith("$")]
    gga = NMEAReader.parse(next(line for line in sentences if "GGA" in line))
    rmc = NMEAReader.parse(next(line for line in sentences if "RMC" in line))
    for sentence in (gga, rmc):
        assert sentence.lat == pytest.approx(31.2994021, abs=1e-8)
        assert sentence.lon == pytest.approx(121.5033127, abs=1e-8)
    assert gga.quality == 4
    assert rmc.spd == pytest.approx(1.42 * 3600 / 1852, abs=1e-3)
    assert rmc.cog == 271.3
    assert str(rmc.date) == "2026-11-22"


async def test_the_python_module_of_gpsd_reads_a_fix():
    script = """
import sys, gps
session = gps.gps(host="127.0.0.1", port=sys.argv[1], mode=gps.WATCH_ENABLE | gps.WATCH_JSON)
sky = fix = False
while not (sky and fix):
    session.next()
    sky = sky or bool(session.satellites)
    fix = fix or session.fix.mode == 3
f = session.fix
print(f.latitude, f.longitude, f.altHAE, f.altMSL, f.status, f.speed, f.track, f.time)
print(sorted((s.PRN, s.used) for s in session.satellites))
"""
    # Debian's module is for Debian's Python, whichever runs the tests.
    python = program("/usr/bin/python3")
    probe = await output_of(python, "-c", "import gps; print(gps.__version__)")
    if "Error" in probe and os.environ.get("BDGW_REQUIRE") != "1":
        pytest.skip("the Python module gps is not installed")
    async with serving() as (server, port):
        task = asyncio.create_task(output_of(python, "-c", script, str(port)))
        await feed_while(task, server)
    fix, satellites = task.result().splitlines()
    assert fix.startswith("31.2994021 121.5033127 18.412 8.1 3 1.42 271.3 2026-11-22T08:00:")
    assert satellites == str([(7, False), (72, True), (303, False), (421, True)])


async def test_cgps_shows_the_fix_on_its_screen():
    async with serving() as (server, port):
        task = asyncio.create_task(
            asyncio.to_thread(screen_of, [program("cgps"), "-s", f"127.0.0.1:{port}"], b"RTK FIX")
        )
        await feed_while(task, server)
    screen = task.result()
    assert b"31.29940210" in screen
    assert b"121.50331270" in screen


def screen_of(command: list[str], awaited: bytes) -> bytes:
    """Run a program in a terminal of its own until it has shown something."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
    process = subprocess.Popen(
        command,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        env={**os.environ, "TERM": "xterm"},
    )
    os.close(theirs)
    seen = b""
    end_s = time.monotonic() + PATIENCE_S
    try:
        while awaited not in seen and time.monotonic() < end_s:
            if select.select([ours], [], [], 0.1)[0]:
                seen += os.read(ours, 65_536)
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    return seen


async def test_a_gpsd_takes_the_adapter_as_its_source():
    """gpsd reads from another gpsd by ``gpsd://``, and gpspipe reads from that one."""
    chained = free_port()
    async with serving() as (server, port):
        daemon = await asyncio.create_subprocess_exec(
            *(program("gpsd"), "-N", "-n", "-S", str(chained), f"gpsd://127.0.0.1:{port}"),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            task = asyncio.create_task(wait_for_tpv(chained))
            await feed_while(task, server)
        finally:
            daemon.kill()
            await daemon.wait()
    tpv = task.result()
    assert tpv["lat"] == pytest.approx(31.2994021, abs=1e-8)
    assert tpv["mode"] == 3


async def wait_for_tpv(port: int) -> dict[str, object]:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)  # it is not up yet
                continue
            writer.write(b'?WATCH={"enable":true,"json":true};\n')
            try:
                while line := await reader.readline():
                    value: dict[str, object] = json.loads(line)
                    if value["class"] == "TPV" and "lat" in value:
                        return value
            finally:
                writer.close()
