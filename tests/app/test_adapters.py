"""The adapters of a whole gateway: a receiver speaks, and readers of each format understand."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator, Iterator
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from fwsim.fix_record import decode_fix_record
from fwsim.jt808_platform import Platform
from tests.adapters.test_formats import FEATURE, HA_CONFIG, HA_PLACE, OWNTRACKS
from tests.app.rig import device, head, running
from tests.app.test_mqtt_out import EPOCH
from tests.publish.brokers import Mosquitto, Subscriber, find_mosquitto, free_port, until
from tests.receivers.rig import Terminal
from tests.support.spoken import epoch

ROOT = "bdgw/v1/yp-01"
ADAPTERS = """
[[adapter]]
kind = "gpsd"
listen = "127.0.0.1:{port}"
[[adapter]]
kind = "owntracks"
[[adapter]]
kind = "homeassistant"
[[adapter]]
kind = "geojson"
frames = ["CGCS2000"]
[[adapter]]
kind = "binary"
[[adapter]]
kind = "jt808"
url = "tcp://127.0.0.1:{platform}"
version = "2019"
terminals = [
    {{ device = "rover-1", phone = "13800138000", terminal_id = "1", maker_id = "70111", \
model = "R1", acc_on = false, imei = "860000000000018" }},
]
"""


@pytest.fixture(params=["mosquitto 3.1.1", "mosquitto 5", "embedded"])
async def broker(request, tmp_path) -> AsyncIterator[tuple[str, int, str]]:
    """The lines of a broker in the configuration, its port and its version."""
    name, _, version = request.param.partition(" ")
    if name == "embedded":
        port = free_port()
        yield f'url = "embedded"\n    listen = "127.0.0.1:{port}"', port, "3.1.1"
        return
    if find_mosquitto() is None:
        if os.environ.get("BDGW_REQUIRE") == "1":
            pytest.fail("mosquitto is not installed")
        pytest.skip("mosquitto is not installed")
    made = Mosquitto(tmp_path)
    await made.start()
    try:
        yield f'url = "{made.url}"\n    version = "{version}"', made.port, version
    finally:
        made.kill()


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    with contextlib.closing(Terminal()) as made:
        yield made


async def test_one_epoch_in_every_format(broker, tmp_path, terminal, brisk):
    lines, broker_port, version = broker
    port = free_port()
    rover = device("rover-1", terminal.url, 'frame = "CGCS2000"', "epoch = 2000.0", "sky = true")
    topics = {
        "json": f"{ROOT}/dev/rover-1/fix",
        "owntracks": "owntracks/yp-01/rover-1",
        "place": f"{ROOT}/dev/rover-1/homeassistant",
        "feature": f"{ROOT}/dev/rover-1/geojson",
        "binary": f"{ROOT}/dev/rover-1/fix/bin",
    }
    ha = "homeassistant/device_tracker/bdgw_yp-01_rover-1/config"
    async with contextlib.AsyncExitStack() as stack:
        platform = await stack.enter_async_context(Platform())
        adapters = ADAPTERS.format(port=port, platform=platform.port)
        run = await stack.enter_async_context(running(head(tmp_path, lines) + rover + adapters))
        await run.status_is(lambda s: s["mqtt"]["is_connected"])
        subscriber = Subscriber(broker_port, "#", version=version)
        stack.callback(subscriber.close)
        assert subscriber.is_subscribed.wait(10)
        await run.device_is("rover-1", lambda d: d["status"] == "waiting")
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        stack.callback(writer.close)
        writer.write(b'?WATCH={"enable":true,"json":true};\n')
        while json.loads(await reader.readline())["class"] != "WATCH":
            pass
        terminal.say(EPOCH)
        await until(
            lambda: all(subscriber.payloads(topic) for topic in topics.values()), "all formats"
        )
        told: dict[str, dict[str, Any]] = {}
        while not told.keys() >= {"TPV", "SKY"}:
            value = json.loads(await asyncio.wait_for(reader.readline(), 20))
            told[value["class"]] = value
        await until(lambda: platform.reports, "the platform has a report")
        status = await run.status()
        # Home Assistant starts anew, and is told again.
        before = len(subscriber.payloads(ha))
        say(broker_port, "homeassistant/status", b"online")
        await until(lambda: len(subscriber.payloads(ha)) == before + 1, "announced again")
    found = {name: subscriber.payloads(topic)[0] for name, topic in topics.items()}
    fix = json.loads(found["json"])
    location = json.loads(found["owntracks"])
    OWNTRACKS.validate(location)
    assert (location["lat"], location["lon"], location["acc"]) == (
        fix["lat_deg"],
        fix["lon_deg"],
        1,
    )
    HA_CONFIG.validate(json.loads(subscriber.payloads(ha)[0]))
    assert json.loads(subscriber.payloads(ha)[0])["availability"][0]["topic"] == (
        f"{ROOT}/state/conn"
    )
    HA_PLACE.validate(json.loads(found["place"]))
    feature = json.loads(found["feature"])
    FEATURE.validate(feature)
    assert feature["geometry"]["coordinates"] == [fix["lon_deg"], fix["lat_deg"], fix["alt_hae_m"]]
    without = {"t_pub"}
    assert feature["properties"] == {k: v for k, v in fix.items() if k not in without}
    # The binary record says all that the JSON says, but for what its topic says or follows.
    left_out = without | {"v", "gw", "dev", "grid"}
    assert decode_fix_record(found["binary"]) == {k: v for k, v in fix.items() if k not in left_out}
    assert (told["TPV"]["lat"], told["TPV"]["datum"]) == (fix["lat_deg"], "CGCS2000")
    assert [each["svid"] for each in told["SKY"]["satellites"]] == [7, 46]
    assert (platform.reports[0]["lat"], platform.reports[0]["beijing"]) == (
        round(fix["lat_deg"], 6),
        "260201160000",
    )
    shown = {each["name"]: each for each in status["adapters"]}
    assert list(shown) == [*("gpsd", "owntracks", "homeassistant", "geojson", "binary", "jt808")]
    assert all(each["fixes"] == 1 for each in shown.values())
    if version == "5":
        (message,) = [each for each in subscriber.messages() if each.topic == topics["binary"]]
        assert message.properties is not None
        assert message.properties.json()["ContentType"] == "application/vnd.bdgw.fix"


def say(port: int, topic: str, payload: bytes) -> None:
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", port)
    client.loop_start()
    client.publish(topic, payload, qos=1).wait_for_publish(10)
    client.disconnect()
    client.loop_stop()


async def test_a_platform_gets_what_it_missed_over_a_restart_of_the_gateway(
    tmp_path, terminal, brisk, monkeypatch
):
    monkeypatch.setattr("bdgw.adapters.jt808_client._FLOOR_S", 0.05)
    monkeypatch.setattr("bdgw.adapters.jt808_client._CAP_S", 0.2)
    port = free_port()
    jt808 = ADAPTERS[ADAPTERS.index('[[adapter]]\nkind = "jt808"') :].format(platform=port)
    text = (
        head(tmp_path, f'url = "mqtt://127.0.0.1:{free_port()}"')
        + device("rover-1", terminal.url, 'frame = "CGCS2000"')
        + jt808.replace('version = "2019"', 'version = "2019"\nperiod_s = 1.0')
    )
    for first in (0, 20):
        async with running(text) as run:
            await run.device_is("rover-1", lambda d: d["status"] == "waiting")
            terminal.say(b"".join(epoch(second) for second in range(first, first + 20)))
            await run.device_is("rover-1", lambda d: d["fixes"] == 20)
    async with Platform(port=port) as platform, running(text) as run:
        await until(lambda: len(platform.reports) >= 40, "what was missed")
        (shown,) = (await run.status_is(is_answered))["adapters"][0]["terminals"]
        assert (shown["acked"], shown["dropped"], shown["missing"]) == (40, 0, 0)
        times = [report["beijing"] for report in platform.reports]
        assert times == [f"2602011600{second:02d}" for second in range(40)]
        assert platform.batch_kinds == {1}


def is_answered(status: dict[str, Any]) -> bool:
    (line,) = status["adapters"][0]["terminals"]
    return bool(line["acked"]) and line["waiting"] + line["stored"] == 0
