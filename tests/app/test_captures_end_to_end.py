"""Recorded captures through the whole gateway: pseudo-terminal in, MQTT subscriber out.

``python -m fwsim replay`` plays each capture into a pseudo-terminal, ``bdgw run`` reads it as a
serial port, and an MQTT client that knows nothing of bdgw receives. What it receives must equal
the reading of ``tests.support.nmea_reading`` (pynmeagps): as many fixes, in the same order, with
the same latitude, longitude, quality and time. Differences stand in ``DIFFERENCES`` with a reason.

A rule of live input, not a difference: before the receiver has said a date, the day is that of the
host (``time_quality: host_date``). A file has no host day, so the independent reading has no day
there, and the expectation is made here from the time of day and the host's clock.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import functools
import itertools
import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import read_capture, shared_data
from tests.publish.brokers import Mosquitto, Subscriber
from tests.publish.conftest import require_mosquitto
from tests.support.gateway_process import (
    GatewayProcess,
    finished,
    gateway_process,
    simulator,
    wait_until,
)
from tests.support.nmea_reading import Read, nearest, published, read_fixes

REPLAY_S = 60.0
LARGE_BYTES = 20_000
# What each capture is here for. The recordings have no NMEA at 10 Hz; one is made by the simulator
# in test_ten_epochs_a_second_from_the_second_writer.
CAPTURES = {
    "gpsd/beidou-gb.log": "talker GB, GNS beside GGA",
    "gpsd/quectel-l76k-nmea.log": "talker BD, system ids, 5 Hz",
    "gpsd/quectel-eg25-g.log": "talker PQ, GNS at the end of the epoch",
    "gpsd/telit-pls83-w.log": "two GGA and two RMC an epoch, one a system",
    "gpsd/skytraq-dgps.log": "old BD receiver, DGPS",
    "gpsd/gpsdf.log": "BD GSA, proprietary sentences with bad checksums",
    "gpsd/ublox-f9p-hpnmea.log": "high precision: 7 decimals of a minute",
    "gpsd/cat-ms352.log": "2 Hz",
    "gpsd/sirfstarv-nmea.log": "GPGGA and GLGGA of one instant",
    "gpsd/tcp-torture.log": "torture: broken fields, half a sentence at the head",
    "gpsd/gp-320fw-2019-04-07-coldboot.log": "cold start, bytes lost, 30 bad checksums",
    "gpsd/eXplorist110.log": "a sentence cut at the end; GLL at times of its own",
    "gpsd/ericsson-gru04.log": "cut short, binary noise, date by ZDA alone",
    "gpsd/april6_2019.log": "first seconds of a receiver that believes it is 1999",
    "nmea/TrimbleR1_20160310-165531.txt": "GPGNS GLGNS BDGNS GNGNS of one instant",
    "nmea/putty_nmea_netr9.log": "reference receiver, ZDA stamped with the moment of sending",
    "nmea/gps.log.gz": "20 minutes of a moving receiver",
    "rtcm3/pygpsdata-rtcm3.log.gz": "RTCM 3 between the sentences",
    "corrupt/pygpsdata-nmeabadck.log": "two of three sentences have a bad checksum",
    "corrupt/pynmeagps-BADHDR.log": "damaged headers",
    "corrupt/pygpsdata-nmeastartup.log": "a receiver that is starting",
}
BY_MOSQUITTO = (
    "gpsd/quectel-l76k-nmea.log",
    "gpsd/ublox-f9p-hpnmea.log",
    "gpsd/telit-pls83-w.log",
)


@dataclass(frozen=True)
class Difference:
    """One epoch that the gateway reads otherwise, and why it is right to do so."""

    reason: str
    index: int
    instead: tuple[Read, ...]
    """What stands in the place of the epoch of the independent reading; empty: no fix at all."""


DIFFERENCES = {
    "gpsd/april6_2019.log": Difference(
        "the RMC of 00:02:31.099 has the date 2208-1: pynmeagps drops the field and keeps the "
        "sentence, the gateway refuses a sentence whose date is none",
        1,
        (),
    ),
}


@functools.cache
def reading_of(path: Path) -> tuple[Read, ...]:
    return tuple(read_fixes(read_capture(path)))


def expected_of(name: str) -> list[Read]:
    """The independent reading with the differences applied; fixes kept back are not in it."""
    fixes = list(reading_of(shared_data("gnss", name)))
    difference = DIFFERENCES.get(name)
    if difference is not None:
        fixes[difference.index : difference.index + 1] = difference.instead
    return [fix for fix in fixes if not is_kept_back_live(fix)]


def is_kept_back_live(fix: Read) -> bool:
    """The cold boot of 2019-04-07 has one: to a live receiver that date happens to nobody else."""
    return fix.is_kept_back or fix.is_of_week_0


def kept_back_in(name: str) -> int:
    return sum(is_kept_back_live(fix) for fix in reading_of(shared_data("gnss", name)))


def device_of(name: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in name)


@dataclass
class Outcome:
    """What came out of one run of the gateway."""

    began: dt.datetime
    ended: dt.datetime
    status: dict[str, Any]
    fixes: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def device(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = next(
            d for d in self.status["devices"] if d["dev"] == device_of(name)
        )
        return found


def config_text(folder: Path, broker: str, devices: dict[str, Path]) -> str:
    head = f"""
    [gateway]
    id = "captures"
    state_dir = "{folder}/state"
    [broker]
    {broker}
    [api]
    listen = "127.0.0.1:0"
    anonymous = "read"
    """
    return head + "".join(
        f'[[device]]\nid = "{device}"\nurl = "serial://{port}"\n'
        for device, port in devices.items()
    )


def play(
    folder: Path, files: dict[str, Path], broker: str, *, port: int = 0, version: str
) -> Outcome:
    """Replay ``files`` (by device), each on its own terminal, and collect what a client gets."""
    folder.mkdir()
    ports = {device: folder / f"tty{i}" for i, device in enumerate(files)}
    sizes = {device: len(read_capture(file)) for device, file in files.items()}
    config = folder / "gateway.toml"
    config.write_text(config_text(folder, broker, ports))
    with contextlib.ExitStack() as stack:
        replays = [
            stack.enter_context(
                simulator(
                    *("replay", str(file), "--port", f"pty:{ports[device]}", "--speed", "max"),
                    *("--wait-readers", str(REPLAY_S), "--wait-for-file", f"{ports[device]}.go"),
                    *("--hold", "1.0"),
                )
            )
            for device, file in files.items()
        ]
        wait_until(lambda: all(path.exists() for path in ports.values()), "terminals exist")
        gateway = stack.enter_context(gateway_process(config))
        port = port or gateway.broker_port
        subscriber = Subscriber(port, "bdgw/v1/captures/dev/#", version=version)
        stack.callback(subscriber.close)
        assert subscriber.is_subscribed.wait(10)
        began = dt.datetime.now(dt.UTC)
        # Small ones at once, large ones in turn: pauses are how live epochs are told apart, and a
        # gateway that is flooded with hours of recordings at one time would make pauses itself.
        for device in sorted(files, key=lambda name: sizes[name]):
            Path(f"{ports[device]}.go").touch()
            if sizes[device] > LARGE_BYTES:
                wait_until(partial(has_read, gateway, device, sizes[device]), "all is read")
        for replay in replays:
            finished(replay, REPLAY_S)
        status = wait_until(lambda: whole(gateway, subscriber, sizes), "everything has come out")
        outcome = Outcome(began, dt.datetime.now(dt.UTC), status)
        fixes = defaultdict(list)
        for message in subscriber.messages():
            fix = json.loads(message.payload)
            # What a busy moment has held up, and a newer fix has overtaken, is history.
            lane = "history/fix" if fix.get("historical") else "fix"
            assert message.topic == f"bdgw/v1/captures/dev/{fix['dev']}/{lane}"
            fixes[fix["dev"]].append(fix)
        outcome.fixes = {dev: sorted(some, key=itemgetter("seq")) for dev, some in fixes.items()}
        return outcome


def has_read(gateway: GatewayProcess, device: str, size: int) -> bool:
    return bool(gateway.device(device)["bytes_in"] == size)


def whole(
    gateway: GatewayProcess, subscriber: Subscriber, sizes: dict[str, int]
) -> dict[str, Any] | None:
    """The status, once every byte has been read and every fix delivered to the subscriber."""
    status = gateway.status()
    devices = {device["dev"]: device for device in status["devices"]}
    has_read_all = all(devices[name]["bytes_in"] == size for name, size in sizes.items())
    n_fixes = sum(device["fixes"] for device in devices.values())
    is_delivered = status["outbox"]["depth"] == 0 and len(subscriber.messages()) == n_fixes
    return status if has_read_all and is_delivered else None


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    files = {device_of(name): shared_data("gnss", name) for name in CAPTURES}
    folder = tmp_path_factory.mktemp("captures") / "run"
    return play(folder, files, 'url = "embedded"\n    listen = "127.0.0.1:0"', version="3.1.1")


@pytest.fixture(scope="module", params=["5", "3.1.1"])
def by_mosquitto(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Outcome]:
    require_mosquitto()
    version = request.param
    folder = tmp_path_factory.mktemp("mosquitto")
    broker = Mosquitto(folder)
    asyncio.run(broker.start())
    try:
        files = {device_of(name): shared_data("gnss", name) for name in BY_MOSQUITTO}
        url = f'url = "{broker.url}"\n    version = "{version}"'
        yield play(folder / "run", files, url, port=broker.port, version=version)
    finally:
        broker.kill()


@pytest.mark.parametrize("name", CAPTURES)
def test_what_the_subscriber_gets_is_what_an_independent_reader_reads(name: str, embedded: Outcome):
    assert_same(embedded, name)


@pytest.mark.parametrize("name", BY_MOSQUITTO)
def test_the_same_through_mosquitto(name: str, by_mosquitto: Outcome):
    assert_same(by_mosquitto, name)


def assert_same(outcome: Outcome, name: str) -> None:
    fixes = outcome.fixes.get(device_of(name), [])
    expected = expected_of(name)
    assert len(fixes) == len(expected)
    for fix, read in zip(fixes, expected, strict=True):
        assert (fix["fix"], fix.get("lat_deg"), fix.get("lon_deg")) == (
            read.fix,
            read.lat_deg,
            read.lon_deg,
        ), (fix, read)
        assert (fix["time_quality"], fix.get("t_fix")) in allowed_times(outcome, read), (fix, read)
    assert [fix["seq"] for fix in fixes] == list(range(len(fixes)))
    assert len({fix["boot"] for fix in fixes}) == 1
    received = [dt.datetime.fromisoformat(fix["t_rx"]) for fix in fixes]
    sent = [dt.datetime.fromisoformat(fix["t_pub"]) for fix in fixes]
    # The host's two clocks are read one after the other, so a busy host adds a little to either.
    jitter = dt.timedelta(milliseconds=100)
    assert all(b - a > -jitter for a, b in itertools.pairwise(received))
    assert all(rx <= pub for rx, pub in zip(received, sent, strict=True))
    slack = dt.timedelta(milliseconds=1)
    assert all(outcome.began - slack <= moment <= outcome.ended + slack for moment in received)


def allowed_times(outcome: Outcome, read: Read) -> set[tuple[str, str | None]]:
    """Time quality and time: one pair, or two where the host's midnight passed meanwhile."""
    if read.time is None:
        return {("none", None)}
    if read.date is not None:
        return {("unverified" if read.fix == "none" else "gnss", read.t_fix)}
    if not outcome.status["clock"]["is_set"]:
        return {("none", None)}
    moments = (outcome.began, outcome.ended)
    quality = "unverified" if read.fix == "none" else "host_date"
    return {
        (quality, published(nearest(read.time, moment.replace(tzinfo=None)))) for moment in moments
    }


@pytest.mark.parametrize("name", CAPTURES)
def test_every_byte_is_accounted_for(name: str, embedded: Outcome):
    device = embedded.device(name)
    stream = device["stream"]
    assert stream["bytes"] == len(read_capture(shared_data("gnss", name)))
    assert stream["decoded_bytes"] + stream["skipped_bytes"] == stream["bytes"]
    assert device["quarantined"] == kept_back_in(name)


@pytest.mark.parametrize("name", DIFFERENCES)
def test_a_stated_difference_is_one(name: str):
    """A difference that no longer exists must leave the table."""
    difference = DIFFERENCES[name]
    read = reading_of(shared_data("gnss", name))
    assert read[difference.index] not in difference.instead
    assert difference.reason


def test_some_epochs_had_the_host_day(embedded: Outcome):
    """The rule about the host's day is used by these captures, so the test above does judge it."""
    qualities = {fix["time_quality"] for fixes in embedded.fixes.values() for fix in fixes}
    assert qualities == {"gnss", "host_date", "unverified", "none"}


def test_ten_epochs_a_second_from_the_second_writer(tmp_path: Path):
    """20 s at 10 Hz with 8 decimals of a minute, written by the simulator as a capture."""
    capture = tmp_path / "ten-hertz.nmea"
    device = f"name=r,port=file:{capture},rate_hz=10,track=circle,minute_decimals=8,sentences=all"
    with simulator(
        *("run", "--fast", "--seconds", "20", "--seed", "7"),
        *("--start", "2026-03-01T23:59:50Z", "--device", f"{device},quality=single:0+rtk_fixed:5"),
    ) as process:
        finished(process)
    outcome = play(
        tmp_path / "run",
        {"r": capture},
        'url = "embedded"\n    listen = "127.0.0.1:0"',
        version="3.1.1",
    )
    expected = read_fixes(capture.read_bytes())
    fixes = outcome.fixes["r"]
    assert len(fixes) == len(expected) == 200
    got = [(f["t_fix"], f["fix"], f["lat_deg"], f["lon_deg"]) for f in fixes]
    assert got == [(r.t_fix, r.fix, r.lat_deg, r.lon_deg) for r in expected]
    assert {fix["time_quality"] for fix in fixes} == {"gnss"}
