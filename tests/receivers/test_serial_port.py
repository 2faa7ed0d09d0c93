"""Serial ports, played by pseudo-terminals: unplug, replug, silence, garbage, blocked writers."""

from __future__ import annotations

import asyncio
import os
import random
import resource
from pathlib import Path

import pytest
import serial

from bdgw.model import DeviceStatus
from bdgw.receivers import DeviceSpec, parse_endpoint, raise_descriptor_limit
from bdgw.receivers.port_reader import PortReader
from tests.receivers.rig import Rig, Terminal, running, terminals


def spec(terminal: Terminal, device: str = "a", **limits: float) -> DeviceSpec:
    return DeviceSpec(id=device, endpoint=parse_endpoint(terminal.url), **limits)  # type: ignore[arg-type] # every limit is a float


def count_descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


async def test_streams_and_stays_in_order() -> None:
    with terminals(1) as (terminal,):
        rig = Rig(spec(terminal))
        async with running(rig):
            await rig.until(lambda: rig.status("a") is DeviceStatus.WAITING)
            terminal.say(b"$one\n$tw")
            await rig.until(lambda: rig.events["a"] == [b"$one"])
            terminal.say(b"o\n")
            await rig.until(lambda: rig.events["a"] == [b"$one", b"$two"])
            assert rig.statuses("a")[-2:] == [DeviceStatus.WAITING, DeviceStatus.STREAMING]
            (shot,) = rig.pool.snapshots()
            assert (shot.bytes_in, shot.n_frames, shot.peer) == (10, 2, terminal.path)


@pytest.mark.parametrize("window_s", [0.0, 0.002, 0.02])
async def test_every_byte_arrives_in_order_whatever_the_window(window_s: float) -> None:
    rng = random.Random(7)
    lines = [b"$%d,%s" % (i, b"x" * rng.randrange(200)) for i in range(3000)]
    data = b"".join(line + b"\n" for line in lines)
    with terminals(1) as (terminal,):
        rig = Rig(spec(terminal), window_s=window_s)
        async with running(rig):
            await rig.until(lambda: rig.status("a") is DeviceStatus.WAITING)
            sent = 0
            while sent < len(data):
                try:
                    size = rng.choice([1, 7, 300, 4000])
                    sent += os.write(terminal.master, data[sent : sent + size])
                except BlockingIOError:
                    await asyncio.sleep(0)
            await rig.until(lambda: len(rig.events["a"]) >= len(lines))
            assert rig.events["a"] == lines


async def test_the_port_is_transparent_in_both_directions() -> None:
    data = bytes(range(256)) * 12
    with terminals(1) as (terminal,):
        rig = Rig(spec(terminal))
        async with running(rig):
            await rig.until(lambda: rig.status("a") is DeviceStatus.WAITING)
            terminal.say(data)
            await rig.until(lambda: rig.pool.snapshots()[0].bytes_in == len(data))
            assert rig.pool.write("a", data)
            assert os.read(terminal.master, 2 * len(data)) == data
        assert b"\n".join(rig.events["a"]).replace(b"rest:", b"") == data


async def test_stale_input_is_not_taken_for_new() -> None:
    with terminals(1) as (terminal,):
        keeper = os.open(terminal.path, os.O_RDWR | os.O_NOCTTY)
        try:
            terminal.say(b"$stale\n")
            rig = Rig(spec(terminal))
            async with running(rig):
                await rig.until(lambda: rig.status("a") is DeviceStatus.WAITING)
                terminal.say(b"$fresh\n")
                await rig.until(lambda: rig.events["a"] != [])
                assert rig.events["a"] == [b"$fresh"]
        finally:
            os.close(keeper)


async def test_unplug_and_replug_behind_a_symlink(tmp_path: Path) -> None:
    link = tmp_path / "usb-receiver"
    with terminals(2) as (first, second):
        first.link_as(link)
        rig = Rig(
            DeviceSpec(
                id="a",
                endpoint=parse_endpoint(f"serial://{link}"),
                backoff_floor_s=0.01,
                backoff_cap_s=0.05,
            )
        )
        async with running(rig):
            await rig.until(lambda: rig.status("a") is DeviceStatus.WAITING)
            first.say(b"$one\n$hal")
            await rig.until(lambda: rig.events["a"] == [b"$one"])
            link.unlink()
            first.close()
            await rig.until(lambda: rig.status("a") is DeviceStatus.DOWN)
            # Half a sentence and a new connection never become one sentence.
            assert rig.events["a"] == [b"$one", b"rest:$hal"]
            await rig.until(lambda: rig.pool.snapshots()[0].n_attempts >= 3)
            assert str(link) in rig.pool.snapshots()[0].reason
            second.link_as(link)
            await rig.until(lambda: rig.status("a") is DeviceStatus.WAITING)
            second.say(b"f\n$two\n")
            await rig.until(lambda: rig.events["a"][2:] == [b"f", b"$two"])
            (shot,) = rig.pool.snapshots()
            assert shot.peer == second.path
            assert shot.n_lost["gone"] == 1
            assert shot.n_lost["open_failed"] >= 2
            assert rig.statuses("a").count(DeviceStatus.DOWN) <= 3


async def test_silence_reopens_the_port() -> None:
    with terminals(1) as (terminal,):
        rig = Rig(spec(terminal, silence_s=0.3, backoff_floor_s=0.01, backoff_cap_s=0.05))
        async with running(rig):
            await rig.until(lambda: rig.status("a") is DeviceStatus.WAITING)
            terminal.say(b"$one\n")
            await rig.until(lambda: rig.pool.snapshots()[0].n_lost.get("silent", 0) >= 2)
            assert rig.status("a") is DeviceStatus.SILENT
            assert rig.statuses("a").count(DeviceStatus.SILENT) == 1

            def is_back() -> bool:
                # What is said while the port is closed for reopening is stale by design.
                terminal.say(b"$two\n")
                return rig.status("a") is DeviceStatus.STREAMING

            await rig.until(is_back)


async def test_garbage_is_named_and_survived() -> None:
    with terminals(1) as (terminal,):
        endpoint = parse_endpoint(terminal.url + "?baud=9600")
        rig = Rig(DeviceSpec(id="a", endpoint=endpoint, garbage_s=0.3))

        def is_garbage() -> bool:
            terminal.say(b"\xf8\x00\n")
            return rig.status("a") is DeviceStatus.GARBAGE

        async with running(rig):
            await rig.until(lambda: rig.status("a") is DeviceStatus.WAITING)
            await rig.until(is_garbage)
            assert "wrong baud rate (9600 is set)" in rig.states["a"][-1].reason
            terminal.say(b"$1\n$2\n$3\n")
            await rig.until(lambda: rig.status("a") is DeviceStatus.STREAMING)
            assert rig.pool.snapshots()[0].skipped_bytes >= 3


async def test_epochs_that_stand_still_are_stuck() -> None:
    with terminals(1) as (terminal,):
        rig = Rig(spec(terminal, stuck_s=0.3))

        def is_stuck() -> bool:
            terminal.say(b"@12.0\n")
            return rig.status("a") is DeviceStatus.STUCK

        async with running(rig):
            await rig.until(lambda: rig.status("a") is DeviceStatus.WAITING)
            await rig.until(is_stuck)
            terminal.say(b"@13.0\n@14.0\n")
            await rig.until(lambda: rig.status("a") is DeviceStatus.STREAMING)


async def test_a_blocked_writer_disturbs_nobody() -> None:
    with terminals(2) as (deaf, lively):
        rig = Rig(spec(deaf, "deaf"), spec(lively, "lively"))
        async with running(rig):
            await rig.until(lambda: rig.status("lively") is DeviceStatus.WAITING)
            await rig.until(lambda: rig.status("deaf") is DeviceStatus.WAITING)
            message = b"c" * 1000
            taken = [rig.pool.write("deaf", message) for _ in range(200)]
            assert taken[0]
            assert not taken[-1]
            lively.say(b"$one\n")
            deaf.say(b"$still read\n")
            await rig.until(lambda: rig.events["lively"] == [b"$one"])
            await rig.until(lambda: rig.events["deaf"] == [b"$still read"])
            await rig.until(lambda: (rig.pool.snapshots()[0].write_stalled_s or 0.0) > 0.05)
            shot = rig.pool.snapshots()[0]
            assert shot.write_drops == taken.count(False)
            n_taken_bytes = 1000 * taken.count(True)
            assert 0 < shot.write_pending_bytes <= 65536
            # A message that is half out counts when it is out.
            waiting_bytes = -(-shot.write_pending_bytes // 1000) * 1000
            assert shot.bytes_out == n_taken_bytes - waiting_bytes
            assert shot.status is DeviceStatus.STREAMING, "a stall of writing is no silence"

            received = 0

            def has_everything() -> bool:
                nonlocal received
                try:
                    while chunk := os.read(deaf.master, 65536):
                        assert chunk.strip(b"c") == b""
                        received += len(chunk)
                except BlockingIOError:
                    pass
                return received == n_taken_bytes

            await rig.until(has_everything)
            await rig.until(lambda: rig.pool.snapshots()[0].write_stalled_s is None)
            assert rig.pool.snapshots()[0].bytes_out == n_taken_bytes
            reader = rig.pool._reader
            assert reader is not None
            assert reader._epoll.poll(0) == [], "the loop spins on a port that has nothing to write"
            assert rig.pool.write("deaf", b"again")


async def test_nothing_is_written_to_a_port_that_is_away() -> None:
    endpoint = parse_endpoint("serial:///dev/bdgw-no-such-port?baud=9600")
    rig = Rig(DeviceSpec(id="a", endpoint=endpoint))
    async with running(rig):
        await rig.until(lambda: rig.status("a") is DeviceStatus.DOWN)
        assert not rig.pool.write("a", b"x")
        assert rig.pool.snapshots()[0].write_drops == 1
        assert "/dev/bdgw-no-such-port: No such file" in rig.states["a"][-1].reason
        assert "next attempt in" in rig.states["a"][-1].reason


async def test_a_port_in_use_is_refused_and_the_lock_outlives_configuring() -> None:
    with terminals(1) as (terminal,):
        rig = Rig(spec(terminal))
        async with running(rig):
            await rig.until(lambda: rig.status("a") is DeviceStatus.WAITING)
            with pytest.raises(serial.SerialException, match="exclusively lock"):
                serial.Serial(terminal.path, exclusive=True)
        serial.Serial(terminal.path, exclusive=True).close()


async def test_a_real_port_without_baud_rate_says_so() -> None:
    # The null device stands for any character device that is not a pseudo-terminal.
    rig = Rig(DeviceSpec(id="a", endpoint=parse_endpoint("serial:///dev/null")))
    async with running(rig):
        await rig.until(lambda: rig.status("a") is DeviceStatus.DOWN)
        assert "needs its baud rate: add ?baud=" in rig.states["a"][-1].reason


async def test_a_file_that_is_no_port_says_so() -> None:
    rig = Rig(DeviceSpec(id="a", endpoint=parse_endpoint("serial:///dev/null?baud=9600")))
    async with running(rig):
        await rig.until(lambda: rig.status("a") is DeviceStatus.DOWN)
        assert "Inappropriate ioctl" in rig.states["a"][-1].reason


async def test_more_ports_than_select_can_hold_one_descriptor_each() -> None:
    count = 300
    raise_descriptor_limit()
    with terminals(count) as ports:
        rig = Rig(*(spec(port, f"d{i}") for i, port in enumerate(ports)))
        before = count_descriptors()
        async with running(rig):
            await rig.until(
                lambda: all(s.status is DeviceStatus.WAITING for s in rig.pool.snapshots())
            )
            assert count_descriptors() - before <= count + 4
            for i, port in enumerate(ports):
                port.say(b"$%d\n" % i)
            await rig.until(lambda: all(rig.events.values()))
            assert [rig.events[f"d{i}"] for i in range(count)] == [
                [b"$%d" % i] for i in range(count)
            ]
        assert count_descriptors() <= before + 1


async def test_the_window_follows_the_number_of_ports() -> None:
    class Deaf:
        def on_readable(self, *, is_hung_up: bool) -> int:
            return 0

        def on_writable(self) -> None:
            pass

    with terminals(70) as ports:
        reader = PortReader()
        few_s = reader.window_s
        for port in ports:
            reader.add(port.master, Deaf())
        many_s = reader.window_s
        for port in ports:
            reader.remove(port.master)
        assert (few_s, many_s, reader.window_s) == (0.0, 0.02, 0.0)
        reader.close()


def test_the_soft_limit_becomes_the_hard_one() -> None:
    hard = raise_descriptor_limit()
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)
