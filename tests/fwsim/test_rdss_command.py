"""``fwsim rdss`` as its users see it: real ports, real time, and a host that shares no code."""

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import termios
import time
import tty
from pathlib import Path

import pytest

import fwsim
from fwsim.__main__ import main
from fwsim.rdss_card import Card, Family
from fwsim.rdss_control import take_line
from fwsim.rdss_scenario import load_rdss, parse_line
from fwsim.spec import SpecError

PATIENCE_S = 20.0
FAST = "feedback_s=0.2+0.5,refusal_s=0.05,transmit_s=0.1,power_every_s=0,interval_s=2"
SCENARIOS = Path(fwsim.__file__).parents[1] / "scenarios"


@contextlib.contextmanager
def running(*arguments):
    """Run the command in a process; yields it and where each terminal is."""
    environment = os.environ | {"PYTHONPATH": str(Path(fwsim.__file__).parents[1])}
    process = subprocess.Popen(
        [sys.executable, "-m", "fwsim", "rdss", *arguments],
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
        yield process, {row["name"]: row for row in ready["terminals"]}
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def finish(process):
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0
    assert err == ""
    return [json.loads(line) for line in out.splitlines()]


class Host:
    """A script at a serial port or a socket: writes bytes, waits for others."""

    def __init__(self, port):
        self.got = b""
        if port.startswith("/"):
            self.file = os.open(port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
            tty.setraw(self.file, termios.TCSANOW)
        else:
            host, _, number = port.rpartition(":")
            self.socket = socket.create_connection((host, int(number)))
            self.file = self.socket.fileno()

    def write(self, data):
        os.write(self.file, data)

    def expect(self, *wanted, seconds=PATIENCE_S):
        """Read until one of the texts is there; return what was read up to and with it."""
        until_s = time.monotonic() + seconds
        while True:
            ends = [self.got.index(text) + len(text) for text in wanted if text in self.got]
            if ends:
                head, self.got = self.got[: min(ends)], self.got[min(ends) :]
                return head
            left_s = until_s - time.monotonic()
            assert left_s > 0, f"{wanted} did not come, but {self.got!r}"
            if select.select([self.file], [], [], left_s)[0]:
                self.got += os.read(self.file, 4096)

    def close(self):
        if hasattr(self, "socket"):
            self.socket.close()
        else:
            os.close(self.file)


def nmea(body):
    """Frame a sentence, by hand."""
    value = 0
    for byte in body:
        value ^= byte
    return b"$%s*%02X\r\n" % (body, value)


def test_a_text_goes_from_a_terminal_on_a_pty_to_one_on_tcp(tmp_path):
    truth = tmp_path / "truth.ndjson"
    ship = f"name=ship,family=bd2-2.1,port=pty:{tmp_path / 'ship'},address=200002,{FAST}"
    shore = f"name=shore,family=bd1-4.0,port=tcp-listen:127.0.0.1:0,address=142020,{FAST}"
    arguments = ("--terminal", ship, "--terminal", shore, "--seed", "1", "--truth", str(truth))
    with running(*arguments) as (process, terminals):
        sender, receiver = (Host(terminals[name]["port"]) for name in ("ship", "shore"))
        sender.write(b"$CCICA,0,00*7B\r\n")
        card = sender.expect(b"\r\n$BDICI,0200002,", b"$BDICI,0200002,")
        assert card.endswith(b"$BDICI,0200002,")
        sender.expect(b"\r\n")
        receiver.write(bytes.fromhex("2449434a43000c000000002b"))
        # Address, broadcast 0, class 6, 2 s, level 3, plain, no subordinates.
        receiver.expect(bytes.fromhex("24494358580016022ac40000000006000203000000"))
        content = "A4" + "你好中国人".encode("gbk").hex().upper()
        began_s = time.monotonic()
        sender.write(nmea(f"CCTXA,0142020,1,2,{content}".encode()))
        sender.write(nmea(f"CCTXA,0142020,1,2,{content}".encode()))
        sender.expect(b"$BDFKI,TXA,N,Y,0,0002*")
        sender.expect(b"$BDFKI,TXA,Y,Y,0,00")
        assert 0.15 < time.monotonic() - began_s < 2.0
        # The information byte of mixed content, the sender, no time, 88 bits, the text, CRC right.
        message = bytes.fromhex("60030d42000000" + "58" + content + "00")
        head = receiver.expect(message)
        assert head.endswith(b"TXXX\x00\x1f\x02\x2a\xc4" + message)
        process.stdin.write('{"terminal": "ship", "fault": "suppressed"}\n')
        process.stdin.write('{"terminal": "none", "fault": "deaf"}\n')
        process.stdin.flush()
        sender.close()
        receiver.close()
        events = finish(process)
    summary = events[-1]
    assert summary["network"]["on_air"] == 1
    assert summary["terminals"][0]["too_early"] == 1
    (record,) = [json.loads(line) for line in truth.read_text().splitlines()]
    assert record["from"] == 200_002
    assert record["to"] == 142_020
    assert record["form"] == "mixed"
    assert record["bits"] == 88
    assert record["content"] == content.lower()
    assert record["fate"] == "delivered"
    assert record["arrivals"][0]["t"] > record["t"]


def test_control_and_timeline_change_a_run(tmp_path):
    scenario = tmp_path / "s.toml"
    scenario.write_text(
        "speed = 30\n[network]\nloss = 0\n"
        f'[[terminal]]\nname = "a"\nfamily = "bd3"\nport = "pty:{tmp_path / "a"}"\n'
        "address = 4200001\ninterval_s = 60\nlevel = 2\n"
        "[[timeline]]\nat_s = 0.4\nnetwork = { loss = 1.0 }\n"
        '[[timeline]]\nat_s = 0.5\nfault = "suppressed"\n'
    )
    with running("--scenario", str(scenario), "--control", "-") as (process, terminals):
        assert terminals["a"]["interval_s"] == 2
        host = Host(terminals["a"]["port"])
        host.expect(b"$BDPWI,")
        send = nmea(b"CCTCQ,4200001,2,1,2,1234,0")
        host.write(send)
        host.expect(b",TCQ,N,2,0*")
        process.stdin.write('{"terminal": "a", "fault": "none"}\n')
        process.stdin.write('{"outage": {"for_s": 2}}\n{"fault": "deff"}\nno json\n')
        card = {"address": 4_200_009, "interval_s": 90}
        process.stdin.write(json.dumps({"fault": "swap", "card": card}) + "\n")
        process.stdin.flush()
        changes = [json.loads(process.stdout.readline()) for _ in range(7)]
        host.expect(b"$BDPWI,000000.00,00,00*")
        host.write(nmea(b"CCICR,0,00"))
        host.expect(b"$BDICP,4200009,0,0,3,0,N,2,N,1,0,0,3,1,3,3,")
        time.sleep(2.1)
        host.write(send)
        host.expect(b",TCQ,Y,0,0*")
        host.close()
        events = finish(process)
    kinds = [event["event"] for event in changes]
    assert kinds == ["change"] * 4 + ["error"] * 2 + ["change"]
    assert "did you mean 'deaf'" in changes[4]["reason"]
    assert events[-1]["network"]["on_air"] == 1
    assert events[-1]["network"]["fate_no_such_card"] == 1


def test_the_host_is_reset_in_the_middle_of_a_frame(tmp_path):
    line = f"name=a,family=bd1-4.0,port=pty:{tmp_path / 'a'},address=5,banner=READY,{FAST}"
    control = tmp_path / "control"
    with running("--terminal", line, "--control", str(control)) as (process, terminals):
        host = Host(terminals["a"]["port"])
        host.write(bytes.fromhex("24474c4a43000c000000002a"))
        whole = host.expect(b"GLZK\x00\x11\x00\x00\x05\x02\x04\x03\x00\x01\x00")
        control.write_text('{"terminal": "a", "fault": "reboot", "boot_s": 1}\n')
        torn = host.expect(b"READY\r\n")
        assert whole.endswith(b"\x01\x00")
        assert torn.count(b"$") == 1
        assert b"GLZK\x00\x11\x00\x00\x05\x02\x04\x03\x00\x01\x00" not in torn
        host.close()
        finish(process)


def test_nobody_at_the_port_costs_bytes_and_no_time(tmp_path, capsys):
    line = f"name=a,family=bd3,port=pty:{tmp_path / 'a'},address=5,power_every_s=0.2"
    assert main(["rdss", "--terminal", line, "--seconds", "1.1"]) == 0
    *_, summary = map(json.loads, capsys.readouterr().out.splitlines())
    assert summary["terminals"][0]["bytes_unheard_by_host"] > 200
    assert summary["terminals"][0]["bytes_out"] > 200


@pytest.mark.parametrize(
    "line",
    [
        "name=a",
        "name=a,family=bd4,port=pty:/tmp/x,address=1",
        "name=a,family=bd3,port=pty:/tmp/x,adress=1",
        "name=a,family=bd3,port=pty:/tmp/x,level=3",
        "name=a,family=bd3,port=pty:/tmp/x,address=0",
        "name=a,family=bd3,port=usb:1,address=1",
        "name=a,family=bd3,port=pty:/tmp/x,address=1,manner=rude",
        "name=a,family=bd3,port=pty:/tmp/x,address=1,wait_reading=later",
        "name=a,family=bd3,port=pty:/tmp/x,address=1,feedback_s=5+2",
        "name=a,family=bd3,port=pty:/tmp/x,address=1,level",
        "name=a,family=bd3,port=pty:/tmp/x,address=1,battery_percent=300",
        "name=a,family=bd3,port=pty:/tmp/x,address=1,beams=22:50",
        "name=a,family=bd3,port=pty:/tmp/x,address=1,lat_deg=91",
    ],
)
def test_wrong_terminals_are_64(line, capsys):
    assert main(["rdss", "--terminal", line, "--seconds", "0"]) == 64
    assert capsys.readouterr().err.startswith("fwsim: ")


@pytest.mark.parametrize(
    "text",
    [
        "speeed = 1",
        "speed = 0",
        "[network]\nloss = 2",
        "[network]\ncopies = 'some'",
        "[[outage]]\nfrom = 1",
        "[[timeline]]\nat_s = 1",
        "[[timeline]]\nat_s = 1\nfault = 'deff'",
        "[[timeline]]\nat_s = 1\nnetwork = { loss = 2.0 }",
        "[[timeline]]\nat_s = 1\nterminal = 'b'\nfault = 'deaf'",
        "network = 1",
        "= 1",
    ],
)
def test_wrong_scenarios_are_64(text, tmp_path, capsys):
    scenario = tmp_path / "s.toml"
    scenario.write_text(text)
    line = f"name=a,family=bd3,port=pty:{tmp_path / 'a'},address=1"
    arguments = ["--scenario", str(scenario), "--terminal", line, "--seconds", "0"]
    assert main(["rdss", *arguments]) == 64
    assert capsys.readouterr().err.startswith("fwsim: ")


def test_no_terminal_is_64_and_no_port_69(tmp_path, capsys):
    assert main(["rdss"]) == 64
    assert main(["rdss", "--scenario", str(tmp_path / "none")]) == 69
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = f"tcp-listen:127.0.0.1:{taken.getsockname()[1]}"
        line = f"name=a,family=bd3,port={port},address=1"
        assert main(["rdss", "--terminal", line]) == 69
    assert capsys.readouterr().err.count("fwsim: ") == 3


def test_the_scenario_of_the_demonstration_is_read():
    scenario = load_rdss(SCENARIOS / "rdss.toml")
    assert [spec.family for spec in scenario.terminals] == [
        *(Family.BD3, Family.BD2, Family.BD1, Family.BD2)
    ]
    fast = scenario.scaled()
    assert {spec.card.interval_s for spec in fast.terminals if spec.card} == {2}
    assert fast.network.delay_s == pytest.approx((1 / 30, 0.1))
    assert fast.terminals[0].feedback_s == pytest.approx((2 / 30, 0.5))
    assert scenario.terminals[3].card == Card(
        address=300_004,
        broadcast=777,
        user_class=0,
        level=4,
        subordinates=(200_002, 100_003),
    )


def test_a_line_may_say_everything_a_table_may():
    spec = parse_line(
        "name=a,family=bd1-4.0,address=7,subordinates=8+9,beams=1:4+2:3,manner=bare,banner=A+B,"
        "adds_crlf=yes,feedback_s=3"
    )
    assert spec.card is not None
    assert spec.card.subordinates == (8, 9)
    assert spec.beams == {1: 4, 2: 3}
    assert (spec.manner.banner, spec.manner.adds_crlf) == (("A", "B"), True)
    assert (spec.manner.wait_reading, spec.feedback_s) == ("first_byte", (3.0, 3.0))
    assert parse_line("name=a,family=bd3").card is None
    with pytest.raises(SpecError, match="did you mean 'address'"):
        parse_line("name=a,family=bd3,addres=1")


def test_a_line_of_control_that_is_no_object_is_complained_of():
    said: list[str] = []
    obeyed: list[object] = []
    for line in (b"", b"  ", b"[1]", b"{", b'{"fault": "deaf"}'):
        take_line(line, obeyed.append, said.append)
    assert obeyed == [{"fault": "deaf"}]
    assert len(said) == 2


def test_what_is_under_way_at_the_end_is_in_the_truth_too(tmp_path):
    truth, link = tmp_path / "truth", tmp_path / "a"
    scenario = tmp_path / "s.toml"
    scenario.write_text("[network]\ndelay_s = [50, 50]\n")
    line = f"name=a,family=bd2-2.1,port=pty:{link},address=5,{FAST}"
    arguments = ("--scenario", str(scenario), "--terminal", line, "--truth", str(truth))
    with running(*arguments) as (process, terminals):
        host = Host(terminals["a"]["port"])
        host.write(nmea(b"CCTXA,0000005,1,1,12"))
        host.expect(b"$BDFKI,TXA,Y,Y,0,")
        host.close()
        finish(process)
    (record,) = map(json.loads, truth.read_text().splitlines())
    assert (record["fate"], record["content"]) == ("under_way", "12")
