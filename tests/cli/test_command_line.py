"""The command line as scripts use it: standard output, standard error and exit status."""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import json
import os
import signal
import socket
import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bdgw import cli
from tests.conftest import read_capture, shared_data
from tests.rinex.antex_text import header, trimble
from tests.support.gateway_process import (
    PATIENCE_S,
    environment,
    fetch,
    gateway_process,
    wait_until,
)
from tests.support.nmea_reading import read_fixes
from tests.support.spoken import epoch, sentence

GPX = "{http://www.topografix.com/GPX/1/1}"
# GPX 1.1 schema, type wptType: a sequence, so the order is fixed.
GPX_ORDER = (
    *("ele", "time", "magvar", "geoidheight", "name", "cmt", "desc", "src", "link", "sym"),
    *("type", "fix", "sat", "hdop", "vdop", "pdop", "ageofdgpsdata", "dgpsid", "extensions"),
)
MINIMAL = """
[gateway]
id = "yp-01"
state_dir = "{folder}/state"
[broker]
url = "{broker}"
"""


@dataclass
class Done:
    returncode: int
    stdout: str
    stderr: str


def bdgw(*arguments: object) -> Done:
    """Run a command: those that serve as a process, the others (half a second sooner) here."""
    words = [str(argument) for argument in arguments]
    if words[0] not in ("run", "replay"):
        return in_this_process(words)
    done = subprocess.run(
        [sys.executable, "-m", "bdgw", *words],
        capture_output=True,
        text=True,
        env=environment(),
        timeout=PATIENCE_S,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def in_this_process(words: list[str]) -> Done:
    out, errors = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["bdgw", *words])
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
            code = status_of_main()
    return Done(code, out.getvalue(), errors.getvalue())


def status_of_main() -> int:
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    """Three epochs, noise between them, and a sentence of a kind that is passed over."""
    path = tmp_path / "three.nmea"
    parts = [epoch(0), b"\xb5\x62noise", epoch(1, quality=4), sentence("PTEST,1"), epoch(2)]
    path.write_bytes(b"".join(parts))
    return path


# Exit statuses


@pytest.mark.parametrize(
    "arguments",
    [
        ["decode"],
        ["frobnicate"],
        ["decode", "--as", "klingon", "x"],
        ["fixes", "--format", "xls", "x"],
        ["run"],
        ["run", "-c"],
        ["check", "--strict"],
        ["demo", "--seconds", "0"],
        ["demo", "--port", "70000"],
        ["replay", "x"],
    ],
)
def test_wrong_usage_is_64_and_says_what_is_wrong(arguments: list[str]):
    done = bdgw(*arguments)
    assert done.returncode == 64
    assert done.stdout == ""
    assert "Error" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["decode", "fixes"])
def test_a_capture_that_is_not_there_is_69_and_named(command: str, tmp_path: Path):
    done = bdgw(command, tmp_path / "none.nmea")
    assert (done.returncode, done.stdout) == (69, "")
    assert done.stderr == f"{tmp_path}/none.nmea: No such file or directory\n"


@pytest.mark.parametrize("content", [b"not gzip at all", gzip.compress(b"x" * 4000, mtime=0)[:-9]])
def test_a_damaged_archive_is_69_and_named(content: bytes, tmp_path: Path):
    path = tmp_path / "x.nmea.gz"
    path.write_bytes(content)
    done = bdgw("decode", "--stats", path)
    assert done.returncode == 69
    assert done.stderr.startswith(f"{path}: ")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["check", "run"])
def test_a_configuration_that_is_not_there_is_78(command: str, tmp_path: Path):
    done = bdgw(command, "-c", tmp_path / "none.toml")
    assert (done.returncode, done.stdout) == (78, "")
    assert str(tmp_path / "none.toml") in done.stderr


def test_it_is_a_program_and_a_module(capture: Path):
    """What the other tests do in their own process, once as a user does it."""
    for program in ([sys.executable, "-m", "bdgw"], [str(Path(sys.executable).parent / "bdgw")]):
        done = subprocess.run(
            [*program, "decode", "--stats", capture],
            capture_output=True,
            text=True,
            env=environment(),
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert lines(done.stdout)[0]["events"] == {"GGA": 3, "RMC": 3}
        misused = subprocess.run(
            [*program, "decode"], capture_output=True, env=environment(), check=False
        )
        assert misused.returncode == 64


def test_version_and_help():
    assert bdgw("--version").stdout.startswith("bdgw ")
    done = bdgw("--help")
    assert done.returncode == 0
    for command in ("run", "demo", "check", "decode", "fixes", "replay", "sim"):
        assert command in done.stdout


@pytest.mark.parametrize("command", ["check", "run"])
def test_what_does_not_fit_together_names_file_device_and_value(command: str, tmp_path: Path):
    """Found when everything is built, not when the file is read: the file is named all the same."""
    path = tmp_path / "bad.toml"
    text = MINIMAL.format(folder=tmp_path, broker="embedded")
    path.write_text(text + '[[device]]\nid = "a"\nurl = "serial:///dev/x?baud=fast"\n')
    done = bdgw(command, "-c", path)
    assert (done.returncode, done.stdout) == (78, "")
    for part in (str(path), "'a'", "baud", "'fast'"):
        assert part in done.stderr


def test_a_taken_api_port_is_69(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        path = tmp_path / "gateway.toml"
        text = MINIMAL.format(folder=tmp_path, broker="mqtt://127.0.0.1:1")
        path.write_text(text + f'[api]\nlisten = "127.0.0.1:{port}"\n')
        done = bdgw("run", "-c", path)
    assert done.returncode == 69
    assert f"127.0.0.1:{port} cannot be bound" in done.stderr
    assert "Traceback" not in done.stderr


def test_check_says_how_many_devices(tmp_path: Path):
    path = tmp_path / "good.toml"
    text = MINIMAL.format(folder=tmp_path, broker="embedded")
    path.write_text(text + '[[device]]\nid = "a"\nurl = "serial:///dev/x"\n')
    done = bdgw("check", "-c", path)
    assert (done.returncode, done.stderr) == (0, "")
    assert lines(done.stdout) == [{"file": str(path), "ok": True, "devices": 1}]


def test_check_looks_into_the_file_of_antennas(tmp_path: Path):
    atx, path = tmp_path / "some.atx", tmp_path / "c.toml"
    text = MINIMAL.format(folder=tmp_path, broker="embedded")
    text = text.replace("[broker]", f'antex = "{atx}"\n[broker]')
    device = '[[device]]\nid = "a"\nurl = "serial:///dev/x"\nantenna = {{ type = "{}" }}\n'

    def checked(*types: str) -> Done:
        path.write_text(text + "".join(device.format(each) for each in types))
        return bdgw("check", "-c", path)

    named = f"{path}: gateway.antex = {atx}"
    assert (checked().returncode, checked().stderr) == (
        78,
        f"{named}: No such file or directory\n",
    )
    atx.write_text("something else\n")
    assert checked().returncode == 78
    assert checked().stderr.startswith(f"{named}: no ANTEX file")
    atx.write_text("\n".join(header() + trimble()) + "\n")
    assert (checked().returncode, checked().stderr) == (0, "")
    # The null antenna needs no calibration.
    assert checked("ADVNULLANTENNA").returncode == 0
    assert checked("TRM59800.00 NONE").stderr == ""
    bare = checked("TRM59800.00 SCIT")
    assert bare.returncode == 0
    assert bare.stderr == (
        f"{path}: device 'a': antenna.type = 'TRM59800.00 SCIT': "
        "radome SCIT is not in the file, NONE is\n"
    )
    absent = checked("TRM5980.00 NONE")
    assert (absent.returncode, absent.stdout) == (78, "")
    assert absent.stderr == (
        f"{path}: device 'a': antenna.type = 'TRM5980.00 NONE': "
        f"not in {atx}, nor with radome NONE\n"
    )


# decode


def test_decode_gives_every_byte_in_order(capture: Path):
    done = bdgw("decode", capture)
    assert (done.returncode, done.stderr) == (0, "")
    events = lines(done.stdout)
    position = 0
    for event in events:
        assert event["offset"] == position
        position += event["length"]
    assert position == capture.stat().st_size
    kinds = [event["type"] for event in events]
    assert kinds == ["GGA", "RMC", "skipped", "GGA", "RMC", "PTEST", "GGA", "RMC"]
    assert events[2]["data_hex"] == b"\xb5\x62noise".hex()
    assert "null" not in done.stdout


def test_decode_stats_is_one_object_a_file_and_nothing_else(capture: Path, tmp_path: Path):
    packed = tmp_path / "three.nmea.gz"
    packed.write_bytes(gzip.compress(capture.read_bytes()))
    done = bdgw("decode", "--stats", capture, packed)
    plain, unpacked = lines(done.stdout)
    assert plain == {
        "file": str(capture),
        "bytes": capture.stat().st_size,
        "decoded_bytes": capture.stat().st_size - 7,
        "skipped_bytes": 7,
        "events": {"GGA": 3, "RMC": 3},
        "unsupported": {"PTEST": 1},
        "bad_checksum": 0,
        "skipped": {"noise": 1},
    }
    assert unpacked == {**plain, "file": str(packed)}


def test_lines_of_several_files_say_which(capture: Path, tmp_path: Path):
    other = tmp_path / "other.nmea"
    other.write_bytes(epoch(9, day=None))
    events = lines(bdgw("decode", capture, other).stdout)
    assert [event["file"] for event in events].count(str(other)) == 1
    assert events[-1]["offset"] == 0


def test_one_protocol_alone_can_be_looked_for():
    path = shared_data("gnss", "rtcm3", "pygpsdata-rtcm3.log.gz")
    found = {
        name: lines(bdgw("decode", "--stats", "--as", name, path).stdout)[0]
        for name in ("auto", "nmea", "rtcm3")
    }
    assert found["nmea"]["events"].keys().isdisjoint(found["rtcm3"]["events"])
    assert {**found["nmea"]["events"], **found["rtcm3"]["events"]} == found["auto"]["events"]


def test_events_of_a_pipe_come_out_while_it_is_open():
    process = subprocess.Popen(
        [sys.executable, "-m", "bdgw", "decode", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment(),
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        for second in range(3):
            process.stdin.write(epoch(second, day=None))
            process.stdin.flush()
            event = json.loads(process.stdout.readline())
            assert (event["type"], event["tod_ns"]) == ("GGA", (8 * 3600 + second) * 10**9)
        process.stdin.close()
        assert process.wait(PATIENCE_S) == 0


def test_fixes_of_a_pipe_come_out_while_it_is_open():
    process = subprocess.Popen(
        [sys.executable, "-m", "bdgw", "fixes", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment(),
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(epoch(0) + epoch(1))
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["t_fix"] == "2026-02-01T08:00:00.000Z"
        process.stdin.close()
        assert json.loads(process.stdout.readline())["t_fix"] == "2026-02-01T08:00:01.000Z"
        assert process.wait(PATIENCE_S) == 0


@pytest.mark.parametrize("command", ["decode", "fixes"])
def test_a_reader_that_leaves_early_gets_its_line_and_no_noise(command: str, tmp_path: Path):
    path = tmp_path / "long.nmea"
    path.write_bytes(b"".join(epoch(n) for n in range(3000)))
    process = subprocess.Popen(
        [sys.executable, "-m", "bdgw", command, path],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    )
    with process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert json.loads(process.stdout.readline())["lat_deg"] == 31.2994021
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(PATIENCE_S) not in (64, 69, 70, 78)


# fixes


def test_fixes_are_what_would_be_published(capture: Path):
    fixes = lines(bdgw("fixes", capture, "--frame", "CGCS2000").stdout)
    assert [fix["t_fix"] for fix in fixes] == [
        f"2026-02-01T08:00:0{second}.000Z" for second in range(3)
    ]
    assert [fix["fix"] for fix in fixes] == ["single", "rtk_fixed", "single"]
    for fix in fixes:
        assert fix.keys().isdisjoint({"gw", "dev", "boot", "seq", "t_rx", "t_pub"})
        assert (fix["frame"], fix["via"]) == ("CGCS2000", "file")
        assert fix["alt_hae_m"] == 18.412


def test_csv_has_the_same_values(capture: Path):
    fixes = lines(bdgw("fixes", capture).stdout)
    table = list(csv.DictReader(io.StringIO(bdgw("fixes", capture, "--format", "csv").stdout)))
    assert len(table) == len(fixes) == 3
    for row, fix in zip(table, fixes, strict=True):
        for name, cell in row.items():
            value = fix.get(name)
            assert cell == ("" if value is None else str(value)), name


def test_geojson_is_longitude_first_and_says_the_frame(capture: Path):
    done = bdgw("fixes", capture, "--format", "geojson", "--frame", "CGCS2000")
    value = json.loads(done.stdout)
    assert value["type"] == "FeatureCollection"
    assert len(value["features"]) == 3
    for feature in value["features"]:
        assert feature["geometry"] == {
            "type": "Point",
            "coordinates": [121.5033127, 31.2994021, 18.412],
        }
        assert feature["properties"]["frame"] == "CGCS2000"


def test_geojson_without_a_position_is_still_geojson(tmp_path: Path):
    path = tmp_path / "none.nmea"
    path.write_bytes(sentence("GNGGA,080000.00,,,,,0,00,99.9,,M,,M,,"))
    assert json.loads(bdgw("fixes", path, "--format", "geojson").stdout)["features"] == []


def test_gpx_is_well_formed_and_in_the_order_of_its_schema():
    path = shared_data("gnss", "gpsd", "quectel-l76k-nmea.log")
    done = bdgw("fixes", path, "--format", "gpx")
    root = ET.fromstring(done.stdout)
    assert (root.tag, root.get("version")) == (f"{GPX}gpx", "1.1")
    points = root.findall(f"{GPX}trk/{GPX}trkseg/{GPX}trkpt")
    expected = [fix for fix in read_fixes(read_capture(path)) if fix.lat_deg is not None]
    assert [(float(p.attrib["lat"]), float(p.attrib["lon"])) for p in points] == [
        (fix.lat_deg, fix.lon_deg) for fix in expected
    ]
    for point in points:
        places = [GPX_ORDER.index(child.tag.removeprefix(GPX)) for child in point]
        assert places == sorted(places)
        assert len(set(places)) == len(places)
        kind = point.findtext(f"{GPX}fix")
        assert kind in (None, "none", "2d", "3d", "dgps", "pps")


def test_several_captures_become_one_track(capture: Path, tmp_path: Path):
    other = tmp_path / "other.nmea"
    other.write_bytes(epoch(9))
    root = ET.fromstring(bdgw("fixes", capture, other, "--format", "gpx").stdout)
    assert len(root.findall(f".//{GPX}trkpt")) == 4


# run


def test_run_ends_cleanly_on_a_signal_and_the_next_one_knows(tmp_path: Path):
    """SIGTERM and SIGINT: exit 0, sources before sinks, nothing that looks like a failure."""
    path = tmp_path / "gateway.toml"
    path.write_text(MINIMAL.format(folder=tmp_path, broker="embedded") + '[api]\nlisten = ":0"\n')
    for number in (signal.SIGTERM, signal.SIGINT):
        with gateway_process(path) as gateway:
            gateway.started()
            wait_until(partial(gateway.events, "mqtt_connected"), "connected")
            assert fetch(f"{gateway.api_url.replace('0.0.0.0', '127.0.0.1')}/healthz")[0] == 200
            assert gateway.stop(number) == 0
            assert gateway.events("gateway_stopped")
            noisy = [line for line in gateway.log if line["level"] in ("warning", "error")]
            assert noisy == []
            assert len(gateway.log) == len(gateway.raw.splitlines()), "every line is JSON"


def test_run_ends_when_its_terminal_sends_an_interrupt_to_all(tmp_path: Path):
    """Ctrl-C reaches the whole group: the broker must outlive the goodbye."""
    path = tmp_path / "gateway.toml"
    path.write_text(MINIMAL.format(folder=tmp_path, broker="embedded"))
    process = subprocess.Popen(
        [sys.executable, "-m", "bdgw", "run", "-c", str(path)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment(),
        text=True,
        start_new_session=True,
    )
    with process:
        assert process.stderr is not None
        for line in process.stderr:
            if '"mqtt_connected"' in line:
                break
        os.killpg(process.pid, signal.SIGINT)
        rest = process.stderr.read()
        assert process.wait(PATIENCE_S) == 0
    assert "broker_error" not in rest


# replay


@pytest.fixture
def replay_config(tmp_path: Path) -> Path:
    path = tmp_path / "gateway.toml"
    text = MINIMAL.format(folder=tmp_path, broker="embedded")
    path.write_text(text + '[[device]]\nid = "a"\nurl = "serial:///dev/x"\n')
    return path


def test_replay_prints_what_went_through(replay_config: Path, capture: Path):
    done = bdgw("replay", capture, "-c", replay_config, "--speed", "max")
    assert done.returncode == 0
    (summary,) = lines(done.stdout)
    assert summary["device"] == "a"
    assert (summary["fixes"], summary["quarantined"]) == (3, 0)
    assert summary["delivered"] >= 3
    assert summary["bytes"] == capture.stat().st_size
    assert summary["decoded_bytes"] + summary["skipped_bytes"] == summary["bytes"]
    assert summary["ended"] == f"end of file after {summary['bytes']} bytes"


def test_replay_keeps_the_pace_that_it_is_told(replay_config: Path, tmp_path: Path):
    """4 s of recording at ten times the speed take 0.4 s at least; the host's clock tells."""
    path = tmp_path / "four.nmea"
    path.write_bytes(b"".join(epoch(n) for n in range(5)))
    done = bdgw("replay", path, "-c", replay_config, "--speed", "10")
    (summary,) = lines(done.stdout)
    assert summary["fixes"] == 5
    times = [json.loads(line)["timestamp"] for line in done.stderr.splitlines()]
    events = [json.loads(line).get("status") for line in done.stderr.splitlines()]
    began = datetime.fromisoformat(times[events.index("streaming")])
    ended = datetime.fromisoformat(times[events.index("ended")])
    assert 0.3 <= (ended - began).total_seconds() < 4.0


def test_replay_of_a_file_that_is_not_there_ends(replay_config: Path, tmp_path: Path):
    done = bdgw("replay", tmp_path / "none.nmea", "-c", replay_config)
    assert (done.returncode, done.stdout) == (69, "")
    assert "none.nmea: No such file or directory" in done.stderr


@pytest.mark.parametrize("speed", ["0", "-1", "fast", "nan", "1e9"])
def test_replay_at_a_speed_that_is_none(replay_config: Path, capture: Path, speed: str):
    done = bdgw("replay", capture, "-c", replay_config, "--speed", speed)
    assert done.returncode == 64
    assert "allowed: max, or" in done.stderr or "is not a number" in done.stderr


def test_replay_needs_to_know_which_device(replay_config: Path, capture: Path):
    with replay_config.open("a") as file:
        file.write('[[device]]\nid = "b"\nurl = "serial:///dev/y"\n')
    done = bdgw("replay", capture, "-c", replay_config)
    assert done.returncode == 64
    assert "--device is needed, one of: a, b" in done.stderr
    done = bdgw("replay", capture, "-c", replay_config, "--device", "c")
    assert done.returncode == 64
    done = bdgw("replay", capture, "-c", replay_config, "--device", "b", "--speed", "max")
    assert done.returncode == 0
    assert lines(done.stdout)[0]["device"] == "b"
