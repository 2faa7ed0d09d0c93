"""Descriptions: both forms mean the same, and nonsense is named."""

import math
from dataclasses import fields
from fractions import Fraction
from pathlib import Path

import pytest

import fwsim
from fwsim.build import build_port
from fwsim.constellation import System
from fwsim.dialect import KINDS
from fwsim.faults import Fault
from fwsim.receiver import Span
from fwsim.scene import Place
from fwsim.spec import (
    PARSERS,
    DeviceSpec,
    SpecError,
    load_scenario,
    parse_line,
    parse_start,
    parse_table,
)
from fwsim.truth import Fix

LINE = (
    "name=a,port=pty:/tmp/a,rate=2.5,track=line,waypoints=31:121:5+32:122,systems=GC,"
    "sentences=gga+RMC,quality=single+rtk_fixed:20,loss=30-35+40-41.5,baud=9600,"
    "fault=drop:p=0.01:from=5:to=10+delay:latency_s=0.5,registration=ID-1,loop=yes,speed=max"
)
TABLE = {
    "name": "a",
    "port": "pty:/tmp/a",
    "rate_hz": 2.5,
    "track": "line",
    "waypoints": [[31, 121, 5], [32, 122]],
    "systems": "GC",
    "sentences": ["GGA", "RMC"],
    "quality": [[0, "single"], [20, "rtk_fixed"]],
    "loss": [[30, 35], [40, 41.5]],
    "baud": 9600,
    "fault": [
        {"kind": "drop", "p": 0.01, "from_s": 5, "to_s": 10},
        {"kind": "delay", "latency_s": 0.5},
    ],
    "registration": "ID-1",
    "loop": True,
    "speed": "max",
}


def test_line_and_table_mean_the_same():
    spec = parse_line(LINE)
    assert spec == parse_table(TABLE)
    assert spec == DeviceSpec(
        name="a",
        port="pty:/tmp/a",
        rate_hz=Fraction(5, 2),
        track="line",
        waypoints=(
            Place(lat_deg=31, lon_deg=121, alt_hae_m=5),
            Place(lat_deg=32, lon_deg=122),
        ),
        systems=(System.GPS, System.BEIDOU),
        sentences=("GGA", "RMC"),
        quality=((0.0, Fix.SINGLE), (20.0, Fix.RTK_FIXED)),
        loss=(Span(from_s=30, to_s=35), Span(from_s=40, to_s=41.5)),
        baud=9600,
        fault=(
            Fault(kind="drop", p=0.01, from_s=5, to_s=10),
            Fault(kind="delay", latency_s=0.5),
        ),
        registration=b"ID-1\r\n",
        loop=True,
        speed=math.inf,
    )


def test_every_field_can_be_described():
    described = {field.name for field in fields(DeviceSpec)}
    assert described <= PARSERS.keys()


def test_bytes_may_be_given_in_hex_and_all_sentences_by_one_word():
    spec = parse_line("name=a,port=pty:/x,registration_hex=0001ff,heartbeat_hex=fe,sentences=all")
    assert spec.registration == b"\x00\x01\xff"
    assert spec.heartbeat == b"\xfe"
    assert spec.sentences == KINDS


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("name=a", "without 'port'"),
        ("port=pty:/x", "without 'name'"),
        ("name=a,port=pty:/x,rate_hz=21", "at most 20"),
        ("name=a,port=pty:/x,rate_hz=0", "above 0"),
        ("name=a,port=pty:/x,track=spiral", "static, circle, line"),
        ("name=a,port=pty:/x,dialect=5", "4.11, 4.10, old-bd, 2.3"),
        ("name=a,port=pty:/x,qualty=single", "did you mean 'quality'"),
        ("name=a,port=pty:/x,quality=superb", "rtk_fixed"),
        ("name=a,port=pty:/x,fault=melt:p=1", "melt"),
        ("name=a,port=pty:/x,fault=drop:q=1", "device key fault"),
        ("name=a,port=pty:/x,systems=Z", "device key systems"),
        ("name=a,port=pty:/x,sentences=GGA+ABC", "must be one of GGA"),
        ("name=a,port=pty:/x,minute_decimals=12", "0 to 9"),
        ("name=a,port=pty:/x,loop=perhaps", "device key loop"),
        ("name=a,port=pty:/x,speed=-1", "above 0"),
        ("name=a,nonsense", "key=value"),
    ],
)
def test_nonsense_is_named(line, complaint):
    with pytest.raises(SpecError) as caught:
        parse_line(line)
    assert complaint in str(caught.value)


def test_start_is_now_or_an_instant():
    assert parse_start("now") is None
    assert parse_start("2026-11-22T12:00:00Z") == 1_795_348_800_000_000_000
    assert parse_start("2026-11-22T12:00:00.25") == 1_795_348_800_250_000_000
    assert parse_start("2026-11-22T20:00:00+08:00") == 1_795_348_800_000_000_000
    with pytest.raises(SpecError, match="ISO 8601"):
        parse_start("tomorrow")


def test_the_scenario_that_comes_along_loads():
    scenario = load_scenario(Path(fwsim.__file__).parents[1] / "scenarios" / "harbour.toml")
    assert [spec.name for spec in scenario.devices] == ["boat-1", "truck-1", "old-1", "base-1"]
    assert scenario.seed == "7"
    assert [fault.kind for fault in scenario.devices[2].fault] == ["flip", "unplug"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [("sed = 1", "unknown key 'sed'"), ("seed = = 1", "x.toml"), ("start = 'soon'", "ISO 8601")],
)
def test_bad_scenarios_are_named(tmp_path, text, complaint):
    path = tmp_path / "x.toml"
    path.write_text(text)
    with pytest.raises(SpecError) as caught:
        load_scenario(path)
    assert complaint in str(caught.value)


def test_a_toml_datetime_is_a_start(tmp_path):
    path = tmp_path / "x.toml"
    path.write_text("start = 2026-11-22T12:00:00Z\n")
    assert load_scenario(path).start_utc_ns == 1_795_348_800_000_000_000


@pytest.mark.parametrize(
    "text", ["pty:", "tcp:host", "tcp:host:x", "tcp:host:70000", "usb:1", "", "serial:/dev/x"]
)
def test_ports_that_do_not_exist_are_named(text):
    with pytest.raises(SpecError, match="is not pty:PATH"):
        build_port(text)


def test_ports_know_their_address():
    assert build_port("tcp:[::1]:99").address == "::1:99"
    assert build_port("tcp-listen::0").address == "127.0.0.1:0"
    assert build_port("udp:10.0.0.1:99").address == "10.0.0.1:99"
    assert build_port("pty:/a:b").address == "/a:b"
