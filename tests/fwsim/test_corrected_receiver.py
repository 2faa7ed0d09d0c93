"""A base and a rover on real ports, a cable between them, and time as a number."""

import contextlib
import json
import os
import select
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pyrtcm import RTCMReader

import fwsim
from fwsim.build import build_device, build_device_port
from fwsim.gnss_time import NS_PER_S
from fwsim.spec import SpecError, parse_line
from fwsim.values import read_moves, read_quality

START_UTC_NS = (1_795_348_800 + 12) * NS_PER_S
QUICK = "dgnss_after_s=0,float_after_s=1,fixed_after_s=3,fixed_max_age_s=3,float_max_age_s=5"
QUICK += ",dgnss_max_age_s=7"
PATIENCE_S = 5.0


class Rig:
    """A device on its port, with all that it told."""

    def __init__(self, line, seed="1"):
        self.spec = parse_line(line)
        self.port = build_device_port(self.spec)
        self.port.open()
        self.truth: list[dict[str, Any]] = []
        self.device = build_device(
            self.spec,
            self.port,
            start_utc_ns=START_UTC_NS,
            seed=seed,
            on_written=self.truth.append,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.port.close()


class PtyCable:
    def __init__(self, rig):
        self.fd = os.open(rig.port.address, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)

    def fileno(self):
        return self.fd

    def read(self):
        got = b""
        while select.select([self], [], [], 0.0)[0]:
            got += os.read(self.fd, 65536)
        return got

    def write(self, data):
        try:
            return os.write(self.fd, data)
        except BlockingIOError:
            return 0

    def close(self):
        os.close(self.fd)


class TcpCable:
    def __init__(self, connection):
        self.connection = connection
        connection.setblocking(False)

    def fileno(self):
        return self.connection.fileno()

    def read(self):
        got = b""
        while select.select([self], [], [], 0.0)[0]:
            part = self.connection.recv(65536)
            if not part:
                break
            got += part
        return got

    def write(self, data):
        try:
            return self.connection.send(data)
        except BlockingIOError:
            return 0

    def close(self):
        self.connection.close()


def step_until(rig, now_s, condition):
    """Step a device at one instant until the kernel has done its part."""
    for _ in range(2000):
        rig.device.step(now_s)
        if condition():
            return
        select.select([], [], [], 0.002)
    raise AssertionError("the kernel did not deliver")


def exchange(rig, cable, now_s, data):
    """Send bytes to the device and wait until it has them all."""
    had = rig.port.counters.bytes_from_gateway
    sent = 0

    def is_there():
        nonlocal sent
        sent += cable.write(data[sent:]) if sent < len(data) else 0
        return rig.port.counters.bytes_from_gateway - had == len(data)

    step_until(rig, now_s, is_there)


@pytest.fixture(params=["pty", "tcp", "tcp-listen"])
def wired(request, tmp_path):
    """A rover on each kind of port, and the other end of its line."""
    listener = None
    if request.param == "pty":
        port = f"pty:{tmp_path / 'rover'}"
    elif request.param == "tcp-listen":
        port = "tcp-listen:127.0.0.1:0"
    else:
        listener = socket.create_server(("127.0.0.1", 0))
        listener.settimeout(PATIENCE_S)
        port = f"tcp:127.0.0.1:{listener.getsockname()[1]}"
    with Rig(f"name=rover,port={port},quality=corrected,sentences=GGA+RMC,{QUICK}") as rig:
        if request.param == "pty":
            cable: PtyCable | TcpCable = PtyCable(rig)
        elif listener is not None:
            rig.port.tick(0.0)
            cable = TcpCable(listener.accept()[0])
        else:
            host, _, number = rig.port.address.rpartition(":")
            cable = TcpCable(socket.create_connection((host, int(number)), PATIENCE_S))
        step_until(rig, -1.0, rig.port.is_heard)
        yield rig, cable
        cable.close()
        if listener is not None:
            listener.close()


def base_line(tmp_path, **keys):
    extra = "".join(f",{key}={value}" for key, value in keys.items())
    return f"name=base,port=file:{tmp_path / 'base'},kind=base,position_every_s=1{extra}"


def base_epochs(tmp_path, seconds, **keys):
    """Return what a base device sends in each second, from its real port."""
    with Rig(base_line(tmp_path, **keys)) as base:
        parts: list[bytes] = []
        path = tmp_path / "base"
        for second in range(seconds):
            base.device.step(float(second))
            base.port._file.flush()
            parts.append(path.read_bytes()[len(b"".join(parts)) :])
        return parts


def test_corrections_on_the_wire_raise_the_quality_and_their_end_lowers_it(wired, tmp_path):
    rig, cable = wired
    corrections = base_epochs(tmp_path, 8, station=33, ephemeris_every_s=0)
    received = b""
    for second in range(20):
        rig.device.step(float(second))
        if second < 8:
            exchange(rig, cable, second + 0.2, corrections[second])
        select.select([cable], [], [], PATIENCE_S)
        received += cable.read()
    words = [row["fix"] for row in rig.truth]
    expected = ["single", "dgnss", "rtk_float", "rtk_float"] + ["rtk_fixed"] * 7
    expected += ["rtk_float"] * 2 + ["dgnss"] * 2 + ["single"] * 5
    assert words == expected
    ages = [row.get("age_s") for row in rig.truth]
    assert ages == [None] + [1.0] * 7 + [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0] + [None] * 5
    assert {row.get("station") for row in rig.truth} == {None, 33}
    # What is in the sentences is what the truth says.
    gga = [line.split(b"*")[0].split(b",") for line in received.split(b"\r\n") if b"GGA" in line]
    assert len(gga) == 20
    digits = {"single": b"1", "dgnss": b"2", "rtk_float": b"5", "rtk_fixed": b"4"}
    assert [row[6] for row in gga] == [digits[word] for word in words]
    told = [(float(row[13]), int(row[14])) if row[13] else (None, None) for row in gga]
    assert told == [(row.get("age_s"), row.get("station")) for row in rig.truth]
    counts = rig.device.counts()
    assert counts["rtcm_frames"] == sum(1 for part in corrections for _ in frames_of(part))
    assert counts["rtcm_crc_failures"] == counts["rtcm_stale"] == 0
    assert counts["bytes_from_gateway"] == sum(map(len, corrections))


def frames_of(data):
    at = 0
    while at < len(data):
        size = 6 + (data[at + 1] << 8 | data[at + 2])
        yield data[at : at + size]
        at += size


def test_damage_on_the_line_is_counted(wired, tmp_path):
    rig, cable = wired
    (data,) = base_epochs(tmp_path, 1)
    damaged = data[:20] + b"\xff" + data[21:]
    exchange(rig, cable, 0.5, damaged)
    counts = rig.device.counts()
    assert counts["rtcm_crc_failures"] >= 1
    assert counts["rtcm_frames"] == sum(1 for _ in frames_of(data)) - 1


@pytest.mark.parametrize("kind", ["pty", "tcp-listen"])
def test_a_receiver_that_does_not_read_blocks_its_writer(tmp_path, kind):
    port = {"pty": f"pty:{tmp_path / 'rover'}", "tcp-listen": "tcp-listen:127.0.0.1:0"}[kind]
    with Rig(f"name=rover,port={port},quality=corrected,reads=no,sentences=GGA") as rig:
        if kind == "pty":
            cable: PtyCable | TcpCable = PtyCable(rig)
        else:
            host, _, number = rig.port.address.rpartition(":")
            cable = TcpCable(socket.create_connection((host, int(number)), PATIENCE_S))
        step_until(rig, -1.0, rig.port.is_heard)
        sent, quiet = 0, 0
        while quiet < 3:
            taken = cable.write(bytes(65536))
            sent += taken
            quiet = 0 if taken else quiet + 1
            rig.device.step(0.0)
            assert sent < 100_000_000
        assert rig.device.counts()["bytes_from_gateway"] == 0
        # It goes on speaking all the same.
        rig.device.step(1.0)
        select.select([cable], [], [], PATIENCE_S)
        assert b"GGA" in cable.read()
        cable.close()


def test_a_base_speaks_rtcm_that_others_read(tmp_path):
    parts = base_epochs(tmp_path, 3, msm=7, rate_hz=1, station=9)
    for part in parts:
        identities = [RTCMReader.parse(frame).identity for frame in frames_of(part)]
        assert {"1005", "1077", "1087", "1097", "1127"} <= set(identities)


def test_a_base_may_speak_nmea_in_between(tmp_path):
    line = base_line(tmp_path, output="nmea+rtcm", rate_hz=2, sentences="GGA", quality="manual")
    with Rig(line) as base:
        for half in range(4):
            base.device.step(half / 2)
        base.port._file.flush()
        data = (tmp_path / "base").read_bytes()
    assert [row["fix"] for row in base.truth] == ["manual"] * 4
    heads = [data.index(b"GGA,120012.00"), data.index(b"GGA,120012.50")]
    assert heads[0] < data.index(b"\xd3\x00\x13") < heads[1]
    assert data.count(b"GGA") == 4


def test_a_base_has_the_faults_of_any_device(tmp_path):
    clean = base_epochs(tmp_path, 5)
    silent = base_epochs(tmp_path, 5, fault="silence:from=1:to=3")
    assert silent == [clean[0], b"", b"", *clean[3:]]
    doubled = base_epochs(tmp_path, 5, fault="duplicate:p=1")
    for single, double in zip(clean, doubled, strict=True):
        assert list(frames_of(double))[::2] == list(frames_of(double))[1::2]
        assert list(frames_of(double))[::2] == list(frames_of(single))
    moved = base_epochs(tmp_path, 5, move="2:5:0:0", ephemeris_every_s=0)
    still = base_epochs(tmp_path, 5, ephemeris_every_s=0)
    assert [a == b for a, b in zip(moved, still, strict=True)] == [True, True, False, False, False]
    told = base_epochs(tmp_path, 5, move="2:5:0:0", move_is_told_only="yes", ephemeris_every_s=0)
    for a, b in zip(told[2:], still[2:], strict=True):
        (position, *rest), (old_position, *old_rest) = frames_of(a), frames_of(b)
        assert rest == old_rest
        assert position != old_position


def test_slow_and_odd_rates(tmp_path):
    parts = base_epochs(tmp_path, 12, rate_hz="0.2", ephemeris_every_s=0, position_every_s=0)
    assert [i for i, part in enumerate(parts) if part] == [0, 5, 10]
    odd = parse_line(base_line(tmp_path, rate_hz="0.3"))
    with pytest.raises(ValueError, match="whole"):
        build_device(odd, build_device_port(odd), start_utc_ns=START_UTC_NS, seed="1")


def test_errors_have_the_size_of_the_fix(tmp_path):
    line = f"name=r,port=file:{tmp_path / 'r'},sentences=GGA,rate_hz=10"
    with Rig(line + ",error_scale=1,quality=single:0+rtk_fixed:20") as rig, Rig(line) as still:
        for tenth in range(400):
            rig.device.step(tenth / 10)
            still.device.step(0.0)
    north_m = [(row["lat_deg"] - still.truth[0]["lat_deg"]) * 111_000 for row in rig.truth]
    assert 0.5 < max(map(abs, north_m[:200])) < 6.0
    assert 0.003 < max(map(abs, north_m[200:])) < 0.05


def test_words_of_a_description():
    assert read_quality("corrected") is None
    assert read_moves("30:5+60:5:-2.5:0.1") == ((30.0, 5.0, 0.0, 0.0), (60.0, 5.0, -2.5, 0.1))
    assert read_moves([[30, 5]]) == ((30.0, 5.0, 0.0, 0.0),)
    for line in (
        "move=30",
        "move=1:2:3:4:5",
        "kind=caster",
        "ephemerides=1043",
        "float_after_s=-1",
    ):
        with pytest.raises(SpecError, match=line.partition("=")[0]):
            parse_line(f"name=a,port=file:x,{line}")


def test_a_running_simulator_passes_on_what_its_ports_hear(tmp_path):
    """Base and rover of one process, by its own clock; the cable between them is here."""
    truth = tmp_path / "truth.ndjson"
    base = "name=base,port=tcp-listen:127.0.0.1:0,kind=base,position_every_s=1,systems=GC"
    rover = "name=rover,port=tcp-listen:127.0.0.1:0,quality=corrected,rate_hz=5,sentences=GGA"
    rover += ",float_after_s=0,fixed_after_s=0.4"
    alone = rover.replace("name=rover", "name=alone")
    devices = [option for line in (base, rover, alone) for option in ("--device", line)]
    command = [sys.executable, "-m", "fwsim", "run", *devices]
    command += ["--truth", str(truth), "--seconds", "2.5", "--wait-readers", "10"]
    environment = os.environ | {"PYTHONPATH": str(Path(fwsim.__file__).parents[1])}
    with (
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process,
        contextlib.ExitStack() as stack,
    ):
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        ends = []
        for device in ready["devices"]:
            host, _, number = device["port"].rpartition(":")
            connection = socket.create_connection((host, int(number)), PATIENCE_S)
            ends.append(stack.enter_context(connection))
        sent = 0
        while part := ends[0].recv(65536):
            ends[1].sendall(part)
            sent += len(part)
        *_, summary = (json.loads(line) for line in process.stdout)
    assert process.returncode == 0
    counts = {device["name"]: device for device in summary["devices"]}
    assert counts["base"]["bytes_written"] == sent
    assert counts["rover"]["bytes_from_gateway"] == sent
    assert counts["rover"]["rtcm_frames"] > 10
    assert counts["rover"]["rtcm_crc_failures"] == 0
    assert "rtcm_frames" not in counts["base"]
    rows = [json.loads(line) for line in truth.read_text().splitlines()]
    told = {name: [row for row in rows if row["name"] == name] for name in ("rover", "alone")}
    assert told["rover"][-1]["fix"] == "rtk_fixed"
    assert told["rover"][-1]["station"] == 1042
    assert 0.0 <= told["rover"][-1]["age_s"] <= 1.1
    assert {row["fix"] for row in told["alone"]} == {"single"}
    assert counts["alone"]["rtcm_frames"] == 0
