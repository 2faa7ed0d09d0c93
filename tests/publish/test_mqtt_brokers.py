"""The publisher against real brokers, in both protocol versions."""

from __future__ import annotations

import os
import signal
import time

from bdgw.model import ConnectionState
from bdgw.publish.embedded import EmbeddedBroker
from bdgw.publish.outbox import Lane
from tests.publish.brokers import STATE_TOPIC, free_port, until


async def test_every_entry_arrives_once_in_order_and_leaves_at_its_puback(
    any_broker, gateway, subscriber
):
    broker, version = any_broker
    listener = subscriber(broker.port, "t/dev/#")
    subject = gateway(broker.url, version=version)
    for number in range(500):
        subject.put("t/dev/a/fix", b"%d" % number, retain=True, supersede_key="a")
    await subject.drained()
    await until(lambda: len(listener.messages()) >= 500, "all arrived")
    assert listener.payloads() == [b"%d" % number for number in range(500)]
    assert subject.publisher.snapshot().acked == 500
    assert subject.said == [
        ConnectionState(is_connected=True, reason=f"connected to 127.0.0.1:{broker.port}")
    ]


async def test_birth_will_and_goodbye_share_one_retained_topic(any_broker, gateway, subscriber):
    broker, version = any_broker
    watcher = subscriber(broker.port, STATE_TOPIC)
    first = gateway(broker.url, version=version)
    await first.connected()
    await first.kill()
    await until(lambda: watcher.payloads() == [b"online", b"lost"], "the will")
    assert _retained(subscriber, broker) == b"lost"
    second = gateway(broker.url, version=version)
    await second.connected()
    assert _retained(subscriber, broker) == b"online"
    await second.stop()
    await until(lambda: watcher.payloads()[-1] == b"offline", "the goodbye")
    assert watcher.payloads() == [b"online", b"lost", b"online", b"offline"]
    assert _retained(subscriber, broker) == b"offline"


def _retained(subscriber, broker) -> bytes:
    late = subscriber(broker.port, STATE_TOPIC)
    end_s = time.monotonic() + 5
    while not late.messages() and time.monotonic() < end_s:
        pass
    (message,) = late.messages()
    assert message.retain
    return bytes(message.payload)


async def test_it_starts_while_the_broker_is_away(tmp_path, gateway, subscriber):
    port = free_port()
    subject = gateway(f"mqtt://127.0.0.1:{port}")
    subject.put("t/dev/a/fix", b"early", retain=True)
    await until(lambda: subject.publisher.snapshot().losses.get("network", 0) >= 2)
    assert not subject.publisher.snapshot().is_connected
    async with EmbeddedBroker(tmp_path, port=port) as broker:
        await subject.drained()
        listener = subscriber(broker.port, "t/dev/#")
        await until(lambda: listener.payloads() == [b"early"])
        await subject.stop()
    states = [each.is_connected for each in subject.said if isinstance(each, ConnectionState)]
    assert states == [False, True, False]


async def test_the_queue_is_sent_before_the_goodbye(nats, gateway, subscriber):
    listener = subscriber(nats.port, "t/#")
    subject = gateway(nats.url)
    await subject.connected()
    for number in range(300):
        subject.put("t/dev/a/fix", b"%d" % number)
    await subject.stop()
    await until(lambda: len(listener.messages()) == 302)
    assert [message.topic for message in listener.messages()][-1] == STATE_TOPIC
    assert subject.outbox.snapshot(now_s=0).depth == 0


async def test_nats_killed_under_load_loses_nothing_acknowledged(nats, gateway, subscriber):
    # A subscriber that is away: the broker must keep for it what it has acknowledged.
    subscriber(nats.port, "t/dev/#", session="keeper").close()
    subject = gateway(nats.url)
    total = 6000
    for number in range(total):
        subject.put(f"t/dev/{number % 7}/fix", b"%d" % number)
    await until(lambda: subject.publisher.snapshot().acked > 1000, "under load")
    os.kill(nats.snapshot().pid, signal.SIGKILL)
    await subject.drained()
    snapshot = subject.publisher.snapshot()
    assert (snapshot.connects, snapshot.acked) == (2, total)
    keeper = subscriber(nats.port, "t/dev/#", session="keeper")
    await until(lambda: len(set(keeper.payloads())) == total, "all arrived")
    assert len(keeper.payloads()) - total <= 100


async def test_mosquitto_killed_under_load_gets_again_what_it_did_not_acknowledge(
    mosquitto, gateway, subscriber
):
    # By its default it would drop what is above 1,000 for the subscriber at the end.
    broker = await mosquitto("max_queued_messages 0")
    subject = gateway(broker.url, version="5", backoff_floor_s=0.02)
    total = 20_000
    for number in range(total):
        subject.put(f"t/dev/{number}", b"x", retain=True)
    await until(lambda: subject.publisher.snapshot().acked > 1000, "under load")
    broker.kill()
    # What it acknowledged before it died may still be on its way to us.
    await until(lambda: not subject.publisher.snapshot().is_connected)
    unacked = {entry.topic for entry in subject.outbox._memory.held.values()}
    assert unacked
    assert subject.outbox.snapshot(now_s=0).in_flight == 0
    await broker.start()
    await subject.drained()
    late = subscriber(broker.port, "t/dev/#")
    await until(lambda: unacked <= {message.topic for message in late.messages()}, "all arrived")


async def test_qos_0_is_sent_and_forgotten(any_broker, gateway, subscriber):
    broker, version = any_broker
    listener = subscriber(broker.port, "t/dev/#")
    subject = gateway(broker.url, version=version)
    subject.put("t/dev/a/event/sky", b"sky", qos=0)
    await subject.drained()
    await until(lambda: listener.payloads() == [b"sky"])


async def test_mqtt_5_says_what_a_payload_is_and_how_long_it_matters(
    mosquitto, gateway, subscriber
):
    broker = await mosquitto()
    listener = subscriber(broker.port, "t/dev/#", version="5")
    subject = gateway(broker.url, version="5")
    subject.put("t/dev/a/fix", b"{}", schema="fix/1", expiry_s=60)
    subject.put("t/dev/a/bin", b"\x01", content_type="application/octet-stream")
    await until(lambda: len(listener.messages()) == 2)
    first, second = (message.properties for message in listener.messages())
    assert first.ContentType == "application/json"
    assert first.UserProperty == [("schema", "fix/1")]
    assert first.MessageExpiryInterval == 60
    assert second.ContentType == "application/octet-stream"


async def test_an_answer_names_its_schema_and_brings_back_the_correlation(
    mosquitto, gateway, subscriber
):
    broker = await mosquitto()
    listener = subscriber(broker.port, "t/reply/#", version="5")
    subject = gateway(broker.url, version="5")
    await subject.connected()
    assert subject.publisher.reply(
        "t/reply/7", b"{}", correlation=b"c7", schema="bdgw/shortmsg_reply/1"
    )
    await until(lambda: len(listener.messages()) == 1)
    properties = listener.messages()[0].properties
    assert properties.UserProperty == [("schema", "bdgw/shortmsg_reply/1")]
    assert (properties.CorrelationData, properties.ContentType) == (b"c7", "application/json")


async def test_the_receive_maximum_of_mosquitto_is_kept(mosquitto, gateway):
    broker = await mosquitto("max_inflight_messages 7")
    subject = gateway(broker.url, version="5")
    await subject.connected()
    assert subject.publisher.snapshot().window == 7


async def test_a_version_that_the_broker_does_not_speak_is_named(nats, gateway):
    subject = gateway(nats.url, version="5")
    await until(lambda: subject.said)
    assert "MQTT 5 was asked for" in subject.said[0].reason


async def test_a_wrong_password_is_named(tmp_path, gateway):
    async with EmbeddedBroker(tmp_path, user="gw", password="right") as broker:
        subject = gateway(broker.url, username="gw", password="wrong")
        await until(lambda: subject.said)
        assert "wrong" not in repr(subject.publisher._settings)
        assert "refuses" in subject.said[0].reason
        await subject.stop()
        subject = gateway(broker.url, username="gw", password="right")
        await subject.connected()
        await subject.stop()


async def test_alarms_pass_the_waiting_fixes(nats, gateway, subscriber):
    listener = subscriber(nats.port, "t/#")
    subject = gateway("mqtt://127.0.0.1:1")
    await subject.kill()
    for _ in range(50):
        subject.put("t/dev/a/fix", b"fix")
    subject.put("t/alarm/event/test", b"alarm", Lane.ALARM)
    subject = gateway(nats.url, subject.outbox)
    await subject.drained()
    await until(lambda: len(listener.messages()) == 52)
    assert [message.topic for message in listener.messages()][1] == "t/alarm/event/test"
