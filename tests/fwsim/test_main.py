"""The command line as its users see it: JSON lines, exit codes, bytes at the other end."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections import defaultdict
from datetime import datetime, time
from pathlib import Path
from typing import Any

import pytest
from pynmeagps import NMEAReader

import fwsim
from fwsim.__main__ import main
from fwsim.capture import read_capture
from fwsim.truth import KNOT_M_S
from tests.conftest import shared_data

START = "2026-11-22T23:59:55Z"
PATIENCE_S = 15.0


def events(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def simulate(tmp_path, name, *arguments, device="", seed="1"):
    """Run one device into a file as fast as possible; return bytes and truth."""
    out, truth = tmp_path / f"{name}.nmea", tmp_path / f"{name}.ndjson"
    line = f"name=rover-1,port=file:{out},track=circle,sentences=all{device}"
    common = ["--fast", "--start", START, "--truth", str(truth), "--seed", seed]
    assert main(["run", "--device", line, *common, *arguments]) == 0
    return out.read_bytes(), [json.loads(row) for row in truth.read_text().splitlines()]


def test_same_seed_same_bytes_and_same_truth(tmp_path):
    device = ",rate_hz=5,fault=drop:p=0.001+cut:p=0.01,quality=single:0+rtk_fixed:3"
    first = simulate(tmp_path, "a", "--seconds", "10", device=device)
    assert first == simulate(tmp_path, "b", "--seconds", "10", device=device)
    assert first[0] != simulate(tmp_path, "c", "--seconds", "10", device=device, seed="2")[0]
    assert len(first[0]) > 10_000


@pytest.mark.parametrize("dialect", ["4.11", "4.10", "old-bd", "2.3"])
def test_an_independent_reader_finds_the_truth_over_midnight(tmp_path, dialect):
    device = f",rate_hz=10,dialect={dialect},quality=single:0+dgnss:2+rtk_float:4+rtk_fixed:6"
    data, truth = simulate(tmp_path, "a", "--seconds", "10", device=device)
    found: dict[time, dict[str, Any]] = defaultdict(dict)
    with (tmp_path / "a.nmea").open("rb") as stream:
        for raw, parsed in NMEAReader(stream):
            assert raw in data
            if parsed.msgID in {"GGA", "RMC"}:
                found[parsed.time][parsed.msgID] = parsed
    assert len(truth) == len(found) == 100
    words = {1: "single", 2: "dgnss", 4: "rtk_fixed", 5: "rtk_float"}
    for record, (hour, sentences) in zip(truth, found.items(), strict=True):
        gga, rmc = sentences["GGA"], sentences["RMC"]
        stamp = f"{rmc.date.isoformat()}T{hour.isoformat('milliseconds')}Z"
        assert record["t_utc"] == stamp
        assert gga.lat == pytest.approx(record["lat_deg"], abs=1e-9)
        assert gga.lon == pytest.approx(record["lon_deg"], abs=1e-9)
        assert gga.alt == record["alt_msl_m"]
        assert gga.alt + gga.sep == pytest.approx(record["alt_hae_m"])
        assert words[gga.quality] == record["fix"]
        assert gga.numSV == record["sats_used"]
        assert record["hdop"] == gga.HDOP
        assert rmc.spd * KNOT_M_S == pytest.approx(record["speed_m_s"])
        assert rmc.cog == record["course_deg"]
    assert truth[0]["t_utc"] == "2026-11-22T23:59:55.000Z"
    assert truth[-1]["t_utc"] == "2026-11-23T00:00:04.900Z"
    assert {record["fix"] for record in truth} == set(words.values())


def test_truth_leaves_out_what_was_damaged(tmp_path, capsys):
    device = ",fault=silence:from=2:to=4+duplicate:p=0.2"
    damaged = tmp_path / "damaged.ndjson"
    _, truth = simulate(
        tmp_path, "a", "--epochs", "8", "--truth-damaged", str(damaged), device=device
    )
    assert [record["n"] for record in truth] == [0, 1, 4, 5, 6, 7]
    assert [json.loads(row)["n"] for row in damaged.read_text().splitlines()] == [2, 3]
    *_, summary = events(capsys)
    assert summary["epochs_written"] == 6
    assert summary["epochs_damaged"] == 2
    assert summary["faults"]["silence"] == 2
    assert summary["faults"]["duplicate"] > 0
    assert summary["bytes_written"] == (tmp_path / "a.nmea").stat().st_size


def test_ready_comes_first_and_names_free_ports(tmp_path, capsys):
    scenario = tmp_path / "s.toml"
    scenario.write_text(
        'seed = 3\nstart = "2026-11-22T12:00:00Z"\n'
        '[[device]]\nname = "a"\nport = "tcp-listen:127.0.0.1:0"\n'
        f'[[device]]\nname = "b"\nport = "file:{tmp_path / "b"}"\n'
    )
    assert main(["run", "--scenario", str(scenario), "--epochs", "1"]) == 0
    ready, started, summary = events(capsys)
    assert ready["event"] == "ready"
    assert [device["name"] for device in ready["devices"]] == ["a", "b"]
    assert int(ready["devices"][0]["port"].rpartition(":")[2]) > 0
    assert started == {"event": "started", "start_utc_ns": 1795348800_000000000, "readers": 1}
    assert summary["seed"] == "3"
    assert [device["epochs_written"] for device in summary["devices"]] == [0, 1]
    assert summary["bytes_unheard"] > 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["run"],
        ["run", "--device", "name=a"],
        ["run", "--device", "name=a,port=file:/tmp/x", "--start", "soon"],
        ["run", "--device", "name=a,port=usb:1"],
        ["run", "--device", "name=a,port=file:/tmp/x,dialect=2.3,systems=C"],
        ["run", "--device", "name=a,port=file:/tmp/x,track=line,waypoints=1:2+1:2"],
        ["run", "--device", "name=a,port=pty:/x", "--device", "name=a,port=pty:/y"],
        ["many", "--count", "1", "--port", "tcp:127.0.0.1:1", "--sentences", "9"],
        ["many", "--count", "1", "--port", "tcp:127.0.0.1:1", "--rate-hz", "x"],
    ],
)
def test_wrong_use_is_64_with_one_line_on_stderr(arguments, capsys):
    assert main(arguments) == 64
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("fwsim: ")
    assert captured.err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "--scenario", "/nonexistent.toml"],
        ["run", "--device", "name=a,port=file:/nonexistent/dir/x", "--epochs", "1"],
        ["replay", "/nonexistent.log", "--port", "file:/tmp/x"],
    ],
)
def test_what_is_not_there_is_69(arguments, capsys):
    assert main(arguments) == 69
    assert "/nonexistent" in capsys.readouterr().err


def test_a_replay_that_nobody_reads_gives_up(tmp_path, capsys):
    capture = tmp_path / "c.log"
    capture.write_bytes(b"data")
    port = f"pty:{tmp_path / 'tty'}"
    assert main(["replay", str(capture), "--port", port, "--stall", "0.05"]) == 69
    assert "nobody read" in capsys.readouterr().err
    assert not (tmp_path / "tty").exists()


class Fwsim:
    """The simulator as a process of its own."""

    def __init__(self, *arguments):
        environment = {**os.environ, "PYTHONPATH": str(Path(fwsim.__file__).parents[1])}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "fwsim", *arguments],
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()

    def event(self):
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())


def read_to_the_end(path):
    """Read a terminal until its master goes away."""
    fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    got = b""
    try:
        while select.select([fd], [], [], PATIENCE_S)[0]:
            try:
                part = os.read(fd, 65_536)
            except BlockingIOError:
                continue
            except OSError:
                break
            if not part:
                break
            got += part
    finally:
        os.close(fd)
    return got


@pytest.mark.parametrize(
    "name",
    [
        "gpsd/quectel-l76k-nmea.log",
        "gpsd/tcp-torture.log",
        "gpsd/ublox-zed-f9p-rtk.log",
        "unicore/unicore_nmea.log",
    ],
)
def test_a_replayed_capture_arrives_byte_for_byte(name, tmp_path):
    path = shared_data("gnss", *name.split("/"))
    link = tmp_path / "tty"
    with Fwsim("replay", str(path), "--port", f"pty:{link}", "--speed", "max") as sim:
        assert sim.event()["event"] == "ready"
        assert read_to_the_end(link) == read_capture(path)
        assert sim.event()["event"] == "started"
        assert sim.event()["bytes_written"] == len(read_capture(path))
        assert sim.process.wait(PATIENCE_S) == 0


def test_a_paced_run_reaches_a_reader_that_opens_late_and_ends_whole(tmp_path):
    link, truth = tmp_path / "dev" / "rover", tmp_path / "truth.ndjson"
    line = f"name=rover-1,port=pty:{link},rate_hz=20,sentences=GGA+RMC"
    stamps = tmp_path / "stamps.ndjson"
    options = ["--epochs", "10", "--truth", str(truth), "--wait-readers", "10"]
    options += ["--stamps", str(stamps)]
    with Fwsim("run", "--device", line, "--start", START, *options) as sim:
        assert sim.event()["devices"] == [{"name": "rover-1", "port": str(link)}]
        data = read_to_the_end(link)
        assert sim.event()["readers"] == 1
        summary = sim.event()
    assert data.count(b"\r\n") == 20
    assert summary["epochs_written"] == 10
    assert summary["bytes_written"] == len(data)
    told = [json.loads(row) for row in truth.read_text().splitlines()]
    stamped = [json.loads(row) for row in stamps.read_text().splitlines()]
    assert [row["t_utc"] for row in told] == [row["t_utc"] for row in stamped]
    assert len(told) == 10
    # Nine periods of 50 ms lie between the first and the last, give or take the scheduler.
    assert stamped[-1]["mono_ns"] - stamped[0]["mono_ns"] > 350_000_000


def test_sigterm_ends_a_dialled_run_with_its_summary():
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(PATIENCE_S)
        number = server.getsockname()[1]
        line = f"name=t,port=tcp:127.0.0.1:{number},registration=TRUCK-1,rate_hz=20"
        options = ["--start", START, "--wait-readers", "10"]
        with Fwsim("run", "--device", line, *options) as sim:
            peer, _ = server.accept()
            with peer, peer.makefile("rb") as stream:
                peer.settimeout(PATIENCE_S)
                assert stream.readline() == b"TRUCK-1\r\n"
                assert stream.readline().startswith(b"$GNRMC,235955.00,A,")
                peer.sendall(b"\xd3\x00\x13correction")
                sim.process.send_signal(signal.SIGTERM)
                rest = stream.read()
            last = [sim.event() for _ in range(3)][-1]
            assert sim.process.wait(PATIENCE_S) == 0
    assert last["event"] == "summary"
    assert last["epochs_written"] >= 1
    assert rest.endswith(b"\r\n")
    assert last["bytes_from_gateway"] == 13


def test_first_byte_waits_for_a_file(tmp_path):
    go, out = tmp_path / "go", tmp_path / "out"
    arguments = ["--epochs", "1", "--start", START, "--wait-for-file", str(go)]
    with Fwsim("run", "--device", f"name=a,port=file:{out}", *arguments) as sim:
        assert sim.event()["event"] == "ready"
        assert out.stat().st_size == 0
        go.touch()
        assert sim.event()["event"] == "started"
        assert sim.event()["epochs_written"] == 1


def sink(server, connections, into):
    """Accept so many connections and read each to its end."""
    server.settimeout(PATIENCE_S)
    for _ in range(connections):
        peer, _ = server.accept()
        peer.settimeout(PATIENCE_S)
        into.append(peer)


def test_many_devices_register_and_send_checked_sentences(tmp_path, capsys):
    stamps = tmp_path / "stamps.ndjson"
    peers: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = f"tcp:127.0.0.1:{server.getsockname()[1]}"
        acceptor = threading.Thread(target=sink, args=(server, 30, peers))
        acceptor.start()
        load = ["--rate-hz", "10", "--epochs", "3", "--sentences", "7", "--stamps", str(stamps)]
        assert main(["many", "--count", "30", "--port", port, *load]) == 0
        acceptor.join(PATIENCE_S)
    seen = {}
    for peer in peers:
        with peer, peer.makefile("rb") as stream:
            name = stream.readline().decode().strip()
            seen[name] = [NMEAReader.parse(line) for line in stream]  # checks every checksum
    assert sorted(seen) == [f"ID-{i:04d}" for i in range(1, 31)]
    assert all(len(parsed) == 21 for parsed in seen.values())
    places = {(parsed[0].lat, parsed[0].lon) for parsed in seen.values()}
    assert len(places) == 30
    records = [json.loads(line) for line in stamps.read_text().splitlines()]
    assert len(records) == 90
    assert {record["device"] for record in records} == seen.keys()
    assert [record["mono_ns"] for record in records] == sorted(r["mono_ns"] for r in records)
    for name, parsed in seen.items():
        times = [p.time.isoformat("milliseconds") for p in parsed if p.msgID == "RMC"]
        dates = {p.date for p in parsed if p.msgID == "RMC"}
        stamped = [r["t_utc"] for r in records if r["device"] == name]
        assert [t[11:-1] for t in stamped] == times
        instants = [datetime.fromisoformat(t) for t in stamped]
        assert [(t - instants[0]).total_seconds() for t in instants] == [0.0, 0.1, 0.2]
        assert {t[:10] for t in stamped} >= {day.isoformat() for day in dates}
    ready, started, summary = events(capsys)
    assert (ready["count"], started["readers"], summary["epochs_written"]) == (30, 30, 90)
    # The last device sends 29/30 of a period after the first.
    period_ns = 100_000_000
    first = min(r["mono_ns"] for r in records if r["device"] == "ID-0001")
    last = min(r["mono_ns"] for r in records if r["device"] == "ID-0030")
    assert last - first > period_ns / 2


def test_many_terminals_exist_while_it_runs_and_count_what_nobody_hears(tmp_path, capsys):
    port = f"pty-dir:{tmp_path / 'dev'}"
    load = ["--count", "3", "--rate-hz", "20", "--epochs", "1", "--wait-readers", "0"]
    assert main(["many", "--port", port, "--registration", "gnss-%d", *load]) == 0
    *_, summary = events(capsys)
    assert summary["epochs_lost"] == 3
    assert summary["epochs_written"] == summary["bytes_written"] == 0
    assert summary["bytes_unheard"] > 600
    assert list((tmp_path / "dev").iterdir()) == []
