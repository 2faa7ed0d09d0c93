"""``fwsim caster`` as its users see it, and other people's clients at its port."""

import contextlib
import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

import fwsim
from fwsim.__main__ import main
from fwsim.caster_frame import cut_frames, number_of

PATIENCE_S = 20.0
STATION = "name=BASE,systems=GC,position_every_s=1,ephemeris_every_s=2"


@contextlib.contextmanager
def running(*arguments):
    """Run the command in a process; yields it, its port and what it has said up to ``ready``."""
    environment = os.environ | {"PYTHONPATH": str(Path(fwsim.__file__).parents[1])}
    process = subprocess.Popen(
        [sys.executable, "-m", "fwsim", "caster", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    try:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        assert ready["event"] == "ready"
        yield process, ready["port"]
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def finish(process):
    """End a run; return what it said."""
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0
    assert err == ""
    return [json.loads(line) for line in out.splitlines()]


def missing(name):
    """Skip what needs a peer; with BDGW_REQUIRE=1 its absence is a failure."""
    reason = f"{name} is not installed"
    if os.environ.get("BDGW_REQUIRE") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def peer(name):
    """Find another program."""
    return shutil.which(name) or missing(name)


def wait_for_bytes(path, size):
    until_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < until_s:
        if path.exists() and path.stat().st_size >= size:
            return
        time.sleep(0.1)
    pytest.fail(f"{path} did not grow to {size} bytes")


def numbers(path):
    return {number_of(frame) for frame in cut_frames(path.read_bytes())}


def test_it_obeys_lines_and_ends_with_a_summary(tmp_path):
    truth = tmp_path / "truth.ndjson"
    arguments = ("--mount", STATION, "--control", "-", "--truth", str(truth))
    with running(*arguments) as (process, port):
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b"GET /BASE HTTP/1.0\r\nUser-Agent: NTRIP test/1\r\n\r\n")
            client.settimeout(PATIENCE_S)
            got = b""
            while len(set(map(number_of, cut_frames(got)))) < 3:
                got += client.recv(4096)
            process.stdin.write('{"mount": "BASE", "fault": "silent"}\n')
            process.stdin.write('{"mount": "NONE", "fault": "silent"}\n')
            process.stdin.write('{"mount": "BASE", "fault": "sillent"}\n')
            process.stdin.write("no json\n")
            process.stdin.flush()
            client.settimeout(2.5)
            with contextlib.suppress(TimeoutError):
                while part := client.recv(4096):
                    got += part
            client.settimeout(1.5)
            with pytest.raises(TimeoutError):
                client.recv(4096)
        *events, summary = finish(process)
    assert got.startswith(b"ICY 200 OK\r\n\r\n")
    kinds = [event["event"] for event in events]
    assert kinds.count("request") == kinds.count("end") == 1
    assert kinds.count("error") == 3
    assert any("did you mean 'silent'" in event.get("reason", "") for event in events)
    assert summary["event"] == "summary"
    assert summary["bytes"] == len(got) - 14
    rows = [json.loads(row) for row in truth.read_text().splitlines()]
    assert sum(row["bytes"] for row in rows) == summary["bytes"]


def test_it_obeys_a_file_that_comes_later(tmp_path):
    control = tmp_path / "control"
    with running("--mount", STATION, "--control", str(control)) as (process, port):
        time.sleep(0.3)
        control.write_text('{"action": "refuse"}\n{"mount"')
        until_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < until_s:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1.0).close()
            except ConnectionRefusedError:
                break
            time.sleep(0.05)
        else:
            pytest.fail("the door stayed open")
        with control.open("a") as file:
            file.write(': "BASE", "fault": "silent"}\n')
        time.sleep(0.5)
        events = finish(process)
    changes = [event["action"] for event in events if event["event"] == "change"]
    assert changes == ["refuse", "silent"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["caster"],
        ["caster", "--mount", "name"],
        ["caster", "--mount", "name=A,dialect=x"],
        ["caster", "--mount", "name=A,msm=3"],
        ["caster", "--mount", "name=A", "--mount", "name=A"],
        ["caster", "--mount", "name=A", "--start", "soon"],
    ],
)
def test_wrong_use_is_64(arguments, capsys):
    assert main(arguments) == 64
    assert capsys.readouterr().err.startswith("fwsim: ")


def test_what_is_not_there_is_69(tmp_path, capsys):
    assert main(["caster", "--mount", "name=A,capture=/nonexistent"]) == 69
    assert main(["caster", "--scenario", str(tmp_path / "none.toml")]) == 69
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert main(["caster", "--mount", "name=A", "--port", port]) == 69
    assert capsys.readouterr().err.count("fwsim: ") == 3


@pytest.mark.parametrize("dialect", ["auto", "icy_headers"])
def test_str2str_of_rtklib_reads_a_mount(tmp_path, dialect):
    str2str = peer("str2str")
    out = tmp_path / "str2str.rtcm3"
    with running("--mount", f"{STATION},dialect={dialect}", "--rules", "strict") as (process, port):
        source = f"ntrip://rover:secret@127.0.0.1:{port}/BASE"
        client = subprocess.Popen(
            [str2str, "-in", source, "-out", f"file://{out}"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            # It writes in blocks, and the rest when it ends.
            time.sleep(6.0)
        finally:
            client.send_signal(signal.SIGINT)
            client.wait(PATIENCE_S)
        events = finish(process)
    assert {1005, 1042, 1074, 1124} <= numbers(out)
    request = next(event for event in events if event["event"] == "request")
    assert request["version"] == 1
    assert request["agent"].startswith("NTRIP RTKLIB")
    assert events[-1]["offences"] == 0


def test_str2str_sends_its_position_to_a_virtual_base(tmp_path):
    str2str = peer("str2str")
    out = tmp_path / "str2str.rtcm3"
    mount = f"{STATION},is_virtual=yes"
    with running("--mount", mount, "--rules", "strict") as (process, port):
        source = f"ntrip://127.0.0.1:{port}/BASE"
        place = ("-p", "31.3", "121.5", "20.0", "-n", "1000")
        client = subprocess.Popen(
            [str2str, "-in", source, "-out", f"file://{out}", *place],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            time.sleep(6.0)
        finally:
            client.send_signal(signal.SIGINT)
            client.wait(PATIENCE_S)
        events = finish(process)
    gga = next(event for event in events if event["event"] == "gga")
    assert gga["lat_deg"] == pytest.approx(31.3, abs=1e-4)
    assert {1005, 1074, 1124} <= numbers(out)
    assert events[-1]["offences"] == 0


# The program gnssntripclient of release 1.3.1 ends with a TypeError before it dials: what it would
# have started is started here.
GNSSNTRIPCLIENT = """
import sys, time
from pygnssutils.gnssntripclient import GNSSNTRIPClient
port, version, path = sys.argv[1:]
with open(path, "wb") as output, GNSSNTRIPClient(None) as client:
    client.run(server="127.0.0.1", port=int(port), mountpoint="BASE", version=version,
               ntripuser="rover", ntrippassword="secret", output=output)
    time.sleep(30.0)
"""


@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_gnssntripclient_of_pygnssutils_reads_a_mount(tmp_path, version):
    if importlib.util.find_spec("pygnssutils") is None:
        missing("pygnssutils")
    out = tmp_path / "gnssntripclient.rtcm3"
    with running("--mount", STATION, "--rules", "strict") as (process, port):
        client = subprocess.Popen(
            [sys.executable, "-c", GNSSNTRIPCLIENT, str(port), version, str(out)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_for_bytes(out, 2000)
        finally:
            client.kill()
            client.wait()
        events = finish(process)
    assert {1005, 1042, 1074, 1124} <= numbers(out)
    request = next(event for event in events if event["event"] == "request" and event["mount"])
    assert request["version"] == int(version[0])
    assert events[-1]["offences"] == 0
