"""What a subscriber sees: topics, QoS, retain, will, birth, and payloads as promised."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import re
import signal
import socket
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.packettypes import PacketTypes

from tests.app.rig import Running, device, head, running, schema
from tests.publish.brokers import Certificates, Subscriber, free_port, until
from tests.receivers.rig import Terminal
from tests.support.gateway_process import gateway_process, wait_until
from tests.support.spoken import epoch, sentence

ROOT = "bdgw/v1/yp-01"
FIX, CONN, HEALTH = f"{ROOT}/dev/rover-1/fix", f"{ROOT}/state/conn", f"{ROOT}/state/health"
SKY = f"{ROOT}/dev/rover-1/event/sky"
SCHEMA_BY_TOPIC = {FIX: "fix", CONN: "connection", HEALTH: "health", SKY: "sky"}
EPOCH = (
    # The example of the documentation, as a receiver would say it.
    sentence("GNGGA,080000.20,3117.964126,N,12130.198762,E,4,31,0.6,8.1,M,10.312,M,0.8,1042")
    + sentence("GNRMC,080000.20,A,3117.964126,N,12130.198762,E,2.7602,271.3,010226,,,R")
    + sentence("GNGST,080000.20,0.01,0.01,0.01,0.0,0.0072,0.0096,0.021")
    + sentence("GBGSV,1,1,02,07,41,120,44,46,10,301,,1")
    + sentence("GNGSA,A,3,07,,,,,,,,,,,,1.1,0.6,0.9,4")
)


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    with contextlib.closing(Terminal()) as made:
        yield made


@pytest.fixture
def listening() -> Iterator[Any]:
    made: list[Subscriber] = []

    def subscribe(port: int, topics: str = f"{ROOT}/#", **settings: Any) -> Subscriber:
        made.append(Subscriber(port, topics, **settings))
        assert made[-1].is_subscribed.wait(10)
        return made[-1]

    yield subscribe
    for each in made:
        each.close()


def is_open(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def config(folder: Path, broker: Any, version: str, port: Terminal) -> str:
    lines = f'url = "{broker.url}"\n    version = "{version}"'
    return head(folder, lines) + device(
        "rover-1", port.url, 'frame = "CGCS2000"', "epoch = 2000.0", "sky = true"
    )


def has_fixes(count: int, shown: dict[str, Any]) -> bool:
    return bool(shown["fixes"] >= count)


def values(subscriber: Subscriber, topic: str) -> list[dict[str, Any]]:
    return [json.loads(data) for data in subscriber.payloads(topic)]


async def streaming(run: Running) -> None:
    await run.status_is(lambda s: s["mqtt"]["is_connected"])
    await run.device_is("rover-1", lambda d: d["status"] == "waiting")


async def test_a_fix_is_published_with_every_key_right(
    any_broker, tmp_path, terminal, listening, brisk
):
    broker, version = any_broker
    subscriber = listening(broker.port, version=version)
    before = dt.datetime.now(dt.UTC) - dt.timedelta(milliseconds=1)
    async with running(config(tmp_path, broker, version, terminal)) as run:
        await streaming(run)
        terminal.say(EPOCH)
        await until(lambda: subscriber.payloads(FIX), "a fix has come")
        status = await run.status()
    after = dt.datetime.now(dt.UTC) + dt.timedelta(milliseconds=1)
    (fix,) = values(subscriber, FIX)
    t_rx, t_pub = (dt.datetime.fromisoformat(fix.pop(key)) for key in ("t_rx", "t_pub"))
    assert before <= t_rx <= t_pub <= after
    assert re.fullmatch(r"N51H[0-9A-F]+", fix.pop("grid"))
    assert fix == {
        "v": 1,
        "gw": "yp-01",
        "dev": "rover-1",
        "boot": status["boot"],
        "seq": 0,
        "t_fix": "2026-02-01T08:00:00.200Z",
        # BDT is 4 s ahead of UTC since 2017: GPST - UTC = 18 s, GPST - BDT = 14 s.
        "bdt_week": 1048,
        "bdt_sow_s": 28804.2,
        "time_quality": "gnss",
        "fix": "rtk_fixed",
        "lat_deg": 31.2994021,
        "lon_deg": 121.5033127,
        "alt_hae_m": 18.412,
        "alt_msl_m": 8.1,
        "frame": "CGCS2000",
        "epoch": 2000.0,
        "acc_h_m": 0.012,
        "acc_v_m": 0.021,
        "acc_conf": 0.68,
        "speed_m_s": 1.42,
        "course_deg": 271.3,
        "sats_used": 31,
        "hdop": 0.6,
        "corr": {"station": 1042, "age_s": 0.8},
        "solver": "receiver",
        "via": "serial",
    }


async def test_topics_qos_retain_and_schemas(any_broker, tmp_path, terminal, listening, brisk):
    broker, version = any_broker
    subscriber = listening(broker.port, version=version)
    text = config(tmp_path, broker, version, terminal)
    async with running(text) as run:
        await streaming(run)
        for second in range(4):
            terminal.say(epoch(second) + EPOCH[EPOCH.index(b"$GBGSV") :])
            await run.device_is("rover-1", partial(has_fixes, second + 1))
        await until(lambda: len(subscriber.payloads(FIX)) == 4, "a fix a second")
        await until(lambda: values(subscriber, HEALTH)[-1:], "health")
        boot = (await run.status())["boot"]
        late = listening(broker.port, version=version)
        await until(lambda: len(late.messages()) >= 3, "retained messages")
        await until(lambda: late.payloads(CONN) and late.payloads(HEALTH), "retained states")
        retained = {m.topic: json.loads(m.payload) for m in late.messages() if m.retain}
    # What somebody gets who comes later: the latest fix, health, and the connection; no sky.
    assert retained.keys() == {FIX, CONN, HEALTH}
    assert retained[FIX] == values(subscriber, FIX)[-1]
    assert retained[CONN]["state"] == "online"
    assert retained[CONN]["boot"] == boot
    # In the end the gateway says goodbye, with a time.
    await until(lambda: values(subscriber, CONN)[-1]["state"] == "offline", "goodbye")
    assert [value["state"] for value in values(subscriber, CONN)] == ["online", "offline"]
    assert all("t" in value for value in values(subscriber, CONN))
    assert {m.topic for m in subscriber.messages()} == {FIX, CONN, HEALTH, SKY}
    for message in subscriber.messages():
        assert message.qos == (0 if message.topic == SKY else 1), message.topic
        assert not message.retain, "who was there already gets it as live"
        schema(SCHEMA_BY_TOPIC[message.topic]).validate(json.loads(message.payload))
        assert b"null" not in message.payload
    sky = values(subscriber, SKY)[0]
    assert (sky["gw"], sky["dev"]) == ("yp-01", "rover-1")
    names = ("system", "prn", "elevation_deg", "azimuth_deg", "cn0_dbhz", "signal", "used")
    first, second = sky["satellites"]
    assert first == dict(zip(names, ("C", 7, 41, 120, 44, 1, True), strict=True))
    assert second == {
        name: value
        for name, value in zip(names, ("C", 46, 10, 301, None, 1, False), strict=True)
        if value is not None
    }


async def test_a_goodbye_stays_for_who_comes_later(any_broker, tmp_path, terminal, listening):
    broker, version = any_broker
    async with running(config(tmp_path, broker, version, terminal)) as run:
        await run.status_is(lambda s: s["mqtt"]["is_connected"])
    late = listening(broker.port, CONN, version=version)
    await until(late.messages, "the retained state")
    (message,) = late.messages()
    assert message.retain
    assert json.loads(message.payload)["state"] == "offline"


async def test_what_mqtt_5_adds(mosquitto, tmp_path, terminal, listening, brisk):
    broker = await mosquitto()
    subscriber = listening(broker.port, version="5")
    async with running(config(tmp_path, broker, "5", terminal)) as run:
        await streaming(run)
        terminal.say(epoch(0) + EPOCH[EPOCH.index(b"$GBGSV") :])
        await until(lambda: subscriber.payloads(FIX) and subscriber.payloads(HEALTH))
    for message in subscriber.messages():
        assert message.properties is not None
        assert message.properties.packetType == PacketTypes.PUBLISH
        assert message.properties.ContentType == "application/json", message.topic
        if message.topic != CONN:
            name = SCHEMA_BY_TOPIC[message.topic]
            assert message.properties.UserProperty == [("schema", f"bdgw/{name}/1")]
    (fix,) = (m for m in subscriber.messages() if m.topic == FIX)
    assert fix.properties is not None
    assert 0 < fix.properties.MessageExpiryInterval <= 3600


@pytest.mark.parametrize("version", ["5", "3.1.1"])
async def test_over_tls_with_a_password(
    version, mosquitto, certificates: Certificates, tmp_path, terminal, listening, monkeypatch
):
    cert, key = certificates.server("good")
    plain = free_port()
    broker = await mosquitto(*(f"certfile {cert}", f"keyfile {key}", f"listener {plain} 127.0.0.1"))
    await until(lambda: is_open(plain), "the second listener answers")
    subscriber = listening(plain, version=version)
    monkeypatch.setenv("BDGW_TEST_PASSWORD", "not-so-secret")
    text = head(
        tmp_path,
        f'url = "mqtts://localhost:{broker.port}"\nversion = "{version}"\n'
        f'ca_file = "{certificates.ca}"\nusername = "gw"\n'
        'password = { env = "BDGW_TEST_PASSWORD" }',
    )
    async with running(text + device("rover-1", terminal.url)) as run:
        await streaming(run)
        terminal.say(EPOCH)
        await until(lambda: subscriber.payloads(FIX), "a fix has come")
    assert [value["state"] for value in values(subscriber, CONN)] == ["online", "offline"]


@pytest.mark.parametrize("version", ["5", "3.1.1"])
async def test_the_will_says_offline_and_the_next_birth_online(
    version, mosquitto, tmp_path, listening
):
    broker = await mosquitto()
    subscriber = listening(broker.port, CONN, version=version)
    file = tmp_path / "gateway.toml"
    file.write_text(head(tmp_path, f'url = "{broker.url}"\nversion = "{version}"'))

    def states() -> list[tuple[str, str, bool]]:
        said = values(subscriber, CONN)
        return [(value["state"], value["boot"], "t" in value) for value in said]

    with gateway_process(file) as process:
        wait_until(lambda: len(states()) == 1, "the birth")
        process.stop(signal.SIGKILL)
        wait_until(lambda: len(states()) == 2, "the will")
    first_boot = states()[0][1]
    # A will is written beforehand, so it has no time; it names the same start of the gateway.
    assert states() == [("online", first_boot, True), ("offline", first_boot, False)]
    late = listening(broker.port, CONN, version=version)
    await until(late.messages, "the retained will")
    assert json.loads(late.messages()[0].payload)["state"] == "offline"
    with gateway_process(file) as process:
        wait_until(lambda: len(states()) == 3, "the next birth")
        assert process.stop() == 0
    wait_until(lambda: len(states()) == 4, "the goodbye")
    assert [state for state, _, _ in states()[2:]] == ["online", "offline"]
    assert states()[2][1] == states()[3][1] != first_boot


async def test_an_alarm_has_its_own_topic(any_broker, tmp_path, terminal, listening, brisk):
    broker, version = any_broker
    subscriber = listening(broker.port, f"{ROOT}/alarm/event/#", version=version)
    async with running(config(tmp_path, broker, version, terminal)) as run:
        await streaming(run)
        terminal.say(epoch(0, day=dt.date(1999, 8, 22)))
        await until(subscriber.messages, "an alarm")
        assert (await run.device("rover-1"))["quarantined"] == 1
        late = listening(broker.port, version=version)
        await until(lambda: late.payloads(CONN), "retained messages")
        assert FIX not in {m.topic for m in late.messages()}, "kept back, not published"
    (message,) = subscriber.messages()
    assert (message.topic, message.qos) == (f"{ROOT}/alarm/event/time_implausible", 1)
    alarm = json.loads(message.payload)
    schema("alarm").validate(alarm)
    assert (alarm["gw"], alarm["dev"], alarm["kind"]) == ("yp-01", "rover-1", "time_implausible")
    assert alarm["t_claimed"] == "1999-08-22T08:00:00.000Z"


async def test_a_device_without_position_sends_no_position(
    any_broker, tmp_path, terminal, listening, brisk
):
    broker, version = any_broker
    subscriber = listening(broker.port, FIX, version=version)
    async with running(config(tmp_path, broker, version, terminal)) as run:
        await streaming(run)
        terminal.say(sentence("GNGGA,080000.00,,,,,0,00,99.9,,M,,M,,"))
        terminal.say(sentence("GNRMC,080000.00,V,,,,,,,010226,,,N"))
        await until(subscriber.messages, "a fix has come")
    (fix,) = values(subscriber, FIX)
    schema("fix").validate(fix)
    assert fix["fix"] == "none"
    assert fix.keys().isdisjoint({"lat_deg", "lon_deg", "frame", "epoch", "grid", "speed_m_s"})


async def test_without_a_frame_in_the_configuration_no_fix_has_one(
    mosquitto, tmp_path, terminal, listening, brisk
):
    broker = await mosquitto()
    subscriber = listening(broker.port, FIX)
    text = head(tmp_path, f'url = "{broker.url}"') + device("rover-1", terminal.url)
    async with running(text) as run:
        await streaming(run)
        terminal.say(EPOCH)
        await until(subscriber.messages, "a fix has come")
    (fix,) = values(subscriber, FIX)
    assert fix["lat_deg"] == 31.2994021
    assert fix.keys().isdisjoint({"frame", "epoch", "grid"})
