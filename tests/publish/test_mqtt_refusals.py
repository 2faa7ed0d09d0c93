"""What brokers may say that is not "fine": mostly a scripted broker, because real ones rarely
say it; the refused topic also with Mosquitto."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from bdgw.errors import ConfigError
from bdgw.publish.answer_queue import WAITING_MAX
from bdgw.publish.mqtt import MqttSettings
from bdgw.publish.outbox import Lane
from tests.publish.brokers import ScriptedBroker, until

TAKEN_OVER = b"\xe0\x02\x8e\x00"
SERVER_BUSY = b"\xe0\x02\x89\x00"


async def test_a_refused_topic_is_put_aside_alarmed_and_holds_up_nothing(
    mosquitto, tmp_path, gateway, subscriber
):
    acl = tmp_path / "acl"
    acl.write_text("topic readwrite t/#\n")
    broker = await mosquitto(f"acl_file {acl}")
    listener = subscriber(broker.port, "t/dev/#")
    subject = gateway(broker.url, version="5")
    for number in range(20):
        subject.put("forbidden/fix", b"no")
        subject.put("t/dev/a", b"%d" % number)
    await subject.drained()
    snapshot = subject.publisher.snapshot()
    assert (snapshot.acked, snapshot.rejected) == (20, {"not_authorized": 20})
    assert subject.outbox.snapshot(now_s=0).rejected == {"not_authorized": 20}
    assert subject.alarms() == ["mqtt_rejected"]
    await until(lambda: len(listener.messages()) == 20)


@pytest.mark.parametrize("code", [0x80, 0x83, 0x97])
async def test_a_refusal_of_the_moment_is_sent_again(scripted: ScriptedBroker, gateway, code):
    seen: dict[bytes, int] = {}

    def answer(received):
        seen[received.payload] = seen.get(received.payload, 0) + 1
        return code if received.payload == b"later" and seen[b"later"] < 4 else 0

    scripted.answer = answer
    subject = gateway(scripted.url, version="5")
    subject.put("t/a", b"later")
    subject.put("t/b", b"now")
    await subject.drained()
    assert [each.payload for each in scripted.fixes()] == [b"later", b"now"] + [b"later"] * 3
    snapshot = subject.publisher.snapshot()
    assert (snapshot.acked, snapshot.retried, snapshot.rejected) == (2, 3, {})


async def test_a_fix_refused_for_now_is_not_sent_after_its_successor(scripted, gateway):
    scripted.answer = lambda received: 0x97 if received.payload == b"old" else 0
    subject = gateway(scripted.url, version="5")
    subject.put("t/a", b"old", supersede_key="a")
    subject.put("t/a", b"new", supersede_key="a")
    await subject.drained()
    assert [each.payload for each in scripted.fixes()] == [b"old", b"new"]
    assert subject.outbox.snapshot(now_s=0).dropped == {"overtaken": 1}


async def test_what_a_power_cut_may_still_take_from_the_broker_stays(scripted, gateway):
    subject = gateway(scripted.url, sync_lag_s=3600.0)
    subject.put("t/a", b"fix")
    subject.put("t/alarm", b"alarm", Lane.ALARM)
    await until(lambda: subject.publisher.snapshot().acked == 2)
    assert subject.outbox.snapshot(now_s=0.0).depth == 1
    await subject.kill()
    assert subject.outbox.snapshot(now_s=0.0).depth == 1


@pytest.mark.parametrize("sync_lag_s", [0.02, 3600.0])
async def test_what_the_broker_has_synced_leaves_the_outbox(scripted, gateway, sync_lag_s):
    subject = gateway(scripted.url, sync_lag_s=sync_lag_s)
    subject.put("t/alarm", b"alarm", Lane.ALARM)
    await until(lambda: subject.publisher.snapshot().acked == 1)
    if sync_lag_s > 1.0:
        await subject.stop()
    await subject.drained()


async def test_no_more_than_the_receive_maximum_is_in_flight(scripted, gateway):
    scripted.connack_properties = b"\x21" + (5).to_bytes(2, "big")
    scripted.answer = lambda received: 0 if received.payload == b"online" else None
    subject = gateway(scripted.url, version="5")
    for _ in range(50):
        subject.put("t/a", b"fix")
    await until(lambda: len(scripted.fixes()) == 5)
    scripted.send_all(b"\x40\x02" + scripted.fixes()[0].message_id.to_bytes(2, "big"))
    await until(lambda: len(scripted.fixes()) == 6)
    assert subject.publisher.snapshot().in_flight == 5
    scripted.answer = lambda _: 0
    for each in scripted.fixes():
        scripted.send_all(b"\x40\x02" + each.message_id.to_bytes(2, "big"))
    await subject.drained()
    assert subject.publisher.snapshot().acked == 50


def _has_fixes(scripted: ScriptedBroker, n: int) -> bool:
    return len(scripted.fixes()) == n


async def test_answers_keep_to_the_receive_maximum_and_go_first(scripted, gateway):
    scripted.connack_properties = b"\x21" + (3).to_bytes(2, "big")
    scripted.answer = lambda received: 0 if received.payload == b"online" else None
    subject = gateway(scripted.url, version="5")
    await subject.connected()
    for number in range(8):
        assert subject.publisher.reply("t/reply", b"answer %d" % number)
        subject.put("t/a", b"fix")
    await until(lambda: len(scripted.fixes()) == 3)
    for n_acknowledged in range(8):
        assert len(scripted.fixes()) == n_acknowledged + 3, "one more for each PUBACK"
        message_id = scripted.fixes()[n_acknowledged].message_id
        scripted.send_all(b"\x40\x02" + message_id.to_bytes(2, "big"))
        await until(partial(_has_fixes, scripted, n_acknowledged + 4))
    assert [one.payload for one in scripted.fixes()[:8]] == [b"answer %d" % n for n in range(8)]
    scripted.answer = lambda _: 0
    for each in scripted.fixes()[8:]:
        scripted.send_all(b"\x40\x02" + each.message_id.to_bytes(2, "big"))
    await subject.drained()


async def test_answers_that_wait_are_bounded_and_end_with_their_connection(scripted, gateway):
    scripted.connack_properties = b"\x21" + (1).to_bytes(2, "big")
    scripted.answer = lambda received: 0 if received.payload == b"online" else None
    subject = gateway(scripted.url, version="5")
    assert not subject.publisher.reply("t/reply", b"no connection yet")
    await subject.connected()
    taken = [subject.publisher.reply("t/reply", b"x") for _ in range(WAITING_MAX + 5)]
    assert taken == [True] * (WAITING_MAX + 1) + [False] * 4
    await until(lambda: len(scripted.fixes()) == 1)
    scripted.send_all(SERVER_BUSY)
    await until(lambda: scripted.connects == 2)
    scripted.answer = lambda _: 0
    await subject.connected()
    subject.put("t/a", b"fix")
    await subject.drained()
    assert [one.payload for one in scripted.fixes()] == [b"x", b"fix"]


async def test_an_answer_to_a_topic_that_is_none_holds_up_nothing(scripted, gateway):
    subject = gateway(scripted.url, version="5")
    await subject.connected()
    subject.publisher.reply("t/#", b"nowhere")
    subject.publisher.reply("t/reply", b"here")
    await until(lambda: [one.payload for one in scripted.fixes()] == [b"here"])


async def test_what_is_larger_than_the_broker_takes_is_not_sent(scripted, gateway):
    scripted.connack_properties = b"\x27" + (1000).to_bytes(4, "big")
    subject = gateway(scripted.url, version="5")
    subject.put("t/a", b"x" * 2000)
    subject.put("t/a", b"small")
    await subject.drained()
    assert [each.payload for each in scripted.fixes()] == [b"small"]
    assert subject.publisher.snapshot().rejected == {"packet_too_large": 1}


async def test_a_topic_with_a_wildcard_is_put_aside(scripted, gateway):
    subject = gateway(scripted.url, version="5")
    subject.put("t/#", b"x")
    subject.put("t/a", b"y")
    await subject.drained()
    assert subject.publisher.snapshot().rejected == {"topic_name_invalid": 1}


async def test_refused_alarms_are_counted_but_raise_no_alarm(scripted, gateway):
    scripted.answer = lambda received: 0x87 if received.topic == "t/alarm" else 0
    subject = gateway(scripted.url, version="5")
    subject.put("t/alarm", b"x", Lane.ALARM)
    await subject.drained()
    assert subject.publisher.snapshot().rejected == {"not_authorized": 1}
    assert subject.alarms() == []


async def test_connected_is_not_working(scripted, gateway):
    scripted.answer = lambda received: 0 if received.payload == b"online" else None
    subject = gateway(scripted.url, version="5", stall_timeout_s=0.2)
    subject.put("t/a", b"fix")
    await until(lambda: subject.publisher.snapshot().losses.get("stalled", 0) >= 1)
    assert subject.outbox.snapshot(now_s=0).depth == 1
    scripted.answer = lambda _: 0
    await subject.drained()


async def test_an_idle_connection_is_not_taken_for_stalled(scripted, gateway):
    subject = gateway(scripted.url, version="5", stall_timeout_s=0.05)
    await subject.connected()
    for _ in range(5):
        subject.put("t/a", b"fix")
        await subject.drained()
        await asyncio.sleep(0.06)
    assert subject.publisher.snapshot().connects == 1


async def test_a_taken_over_session_is_noticed_and_ends_the_fight(scripted, gateway):
    subject = gateway(scripted.url, version="5", loop_pause_s=300.0)
    await subject.connected()
    scripted.send_all(TAKEN_OVER)
    await until(lambda: subject.alarms() == ["mqtt_taken_over"])
    snapshot = subject.publisher.snapshot()
    assert (snapshot.is_connected, snapshot.losses) == (False, {"taken_over": 1})
    assert "Session taken over" in snapshot.reason
    await asyncio.sleep(0.3)
    assert scripted.connects == 1


async def test_a_twin_with_the_same_client_id_is_noticed_without_reason_codes(nats, gateway):
    first = gateway(nats.url, loop_pause_s=300.0)
    await first.connected()
    second = gateway(nats.url, loop_pause_s=300.0)
    await until(lambda: first.alarms() + second.alarms(), "one of them gives way")
    assert set(first.alarms() + second.alarms()) == {"mqtt_connection_unstable"}
    await until(
        lambda: first.publisher.snapshot().is_connected or second.publisher.snapshot().is_connected
    )


async def test_a_broker_that_sends_us_away_is_asked_again(scripted, gateway):
    subject = gateway(scripted.url, version="5")
    await subject.connected()
    scripted.send_all(SERVER_BUSY)
    await until(lambda: subject.publisher.snapshot().connects == 2)
    assert subject.publisher.snapshot().losses == {"disconnected": 1}


async def test_one_connect_is_in_flight_at_a_time(scripted, gateway):
    scripted.connack_code = 0x88
    subject = gateway(scripted.url, version="5", backoff_floor_s=0.001, backoff_cap_s=0.002)
    await until(lambda: scripted.connects >= 20)
    assert scripted.open_most == 1
    assert subject.publisher.snapshot().losses["refused"] >= 19
    scripted.connack_code = 0
    await subject.connected()


async def test_bad_bytes_from_the_broker_end_the_connection_only(scripted, gateway):
    subject = gateway(scripted.url, version="5")
    await subject.connected()
    scripted.send_all(b"\x40\x01\x00")
    await until(lambda: subject.publisher.snapshot().connects == 2)


async def test_a_broker_that_never_answers_is_given_up(gateway):
    async def swallow(reader, writer):
        await reader.read()
        writer.close()

    server = await asyncio.start_server(swallow, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    subject = gateway(f"mqtt://127.0.0.1:{port}", connect_timeout_s=0.1)
    await until(lambda: subject.publisher.snapshot().losses.get("timeout", 0) >= 2)
    await subject.stop()
    server.close()
    await server.wait_closed()


async def test_an_unknown_name_is_said_so_and_asked_again(gateway):
    subject = gateway("mqtt://broker.invalid")
    await until(lambda: subject.publisher.snapshot().losses.get("dns", 0) >= 2)
    assert "name not found" in subject.publisher.snapshot().reason


@pytest.mark.parametrize(
    "url",
    [
        "http://h",
        "mqtt://",
        "mqtt://u:p@h",
        "mqtts://h?insecure",
        "mqtt://h:99999",
        "mqtt://h/topic",
    ],
)
def test_urls_that_cannot_be_used_are_refused(url):
    with pytest.raises(ConfigError):
        MqttSettings(url=url, client_id="x")
