"""MQTT packets against paho, which shares no code with ours, and against every cut of the bytes."""

from __future__ import annotations

from typing import Any

import paho.mqtt.client as paho
import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from bdgw.errors import DecodeError
from bdgw.publish import mqtt_packet as packet
from bdgw.publish.mqtt_packet import Kind, PacketReader

topics = st.text(st.characters(exclude_characters="+#\0", exclude_categories=["Cs"]), min_size=1)
numbers = st.integers(1, 65_535)


class NoSocket:
    def close(self) -> None:
        pass


class Recorder(paho.Client):
    """paho with the socket replaced by a list."""

    def __init__(self, *, is_v5: bool) -> None:
        version = MQTTProtocolVersion.MQTTv5 if is_v5 else MQTTProtocolVersion.MQTTv311
        super().__init__(CallbackAPIVersion.VERSION2, "gw", protocol=version)
        self.packets: list[bytes] = []
        self._sock = NoSocket()  # type: ignore[assignment]  # paho writes to none but wants one

    def _packet_queue(self, command: Any, packet: Any, mid: Any, qos: Any, *_more: Any) -> Any:
        self.packets.append(bytes(packet))
        return paho.MQTT_ERR_SUCCESS


def properties(kind: int, **values: Any) -> Properties:
    made = Properties(kind)
    for name, value in values.items():
        setattr(made, name, value)
    return made


@pytest.mark.parametrize("is_v5", [False, True])
@given(
    topic=topics,
    payload=st.binary(max_size=300),
    qos=st.integers(0, 1),
    retain=st.booleans(),
    number=numbers,
)
def test_a_publish_is_written_as_paho_writes_it(is_v5, topic, payload, qos, retain, number):
    peer = Recorder(is_v5=is_v5)
    theirs = None
    ours = b""
    if is_v5:
        theirs = properties(
            PacketTypes.PUBLISH,
            MessageExpiryInterval=3600,
            ContentType="application/json",
            UserProperty=("schema", "bdgw/fix/1"),
        )
        ours = packet.encode_publish_properties("application/json", "bdgw/fix/1", 3600)
    peer._send_publish(number, topic.encode(), payload, qos, retain, False, None, theirs)
    made = packet.encode_publish(
        topic, payload, qos=qos, retain=retain, message_id=number, properties=ours
    )
    (expected,) = peer.packets
    assert _sorted_properties(made, is_v5=is_v5) == _sorted_properties(expected, is_v5=is_v5)


def _sorted_properties(data: bytes, *, is_v5: bool) -> object:
    """The order of properties is free (MQTT 5, 2.2.2.2): compare what they say."""
    ((kind, flags, body),) = PacketReader().feed(data)
    message = packet.decode_message(flags, body, is_v5=is_v5)
    return kind, flags, len(body), message


@pytest.mark.parametrize("is_v5", [False, True])
@pytest.mark.parametrize("login", [(None, None), ("user", "pass"), ("user", None)])
@pytest.mark.parametrize("is_clean", [False, True])
def test_a_connect_is_written_as_paho_writes_it(is_v5, login, is_clean):
    peer = Recorder(is_v5=is_v5)
    if login[0] is not None:
        peer.username_pw_set(*login)
    will = properties(PacketTypes.WILLMESSAGE, ContentType="application/json") if is_v5 else None
    peer.will_set("state", b"lost", qos=1, retain=True, properties=will)
    peer._clean_start = is_clean
    peer._clean_session = is_clean
    if is_v5:
        peer._connect_properties = properties(PacketTypes.CONNECT, SessionExpiryInterval=3600)
    peer._send_connect(30)
    made = packet.encode_connect(
        client_id="gw",
        is_v5=is_v5,
        is_clean=is_clean,
        keepalive_s=30,
        will=packet.Will(topic="state", payload=b"lost", content_type="application/json"),
        username=login[0],
        password=login[1],
        session_expiry_s=3600,
    )
    assert peer.packets == [made]


@pytest.mark.parametrize("is_v5", [False, True])
def test_a_subscribe_is_written_as_paho_writes_it(is_v5):
    peer = Recorder(is_v5=is_v5)
    if is_v5:
        options = [(name.encode(), SubscribeOptions(qos=qos)) for name, qos in FILTERS]
        _, number = peer._send_subscribe(False, options)
    else:
        _, number = peer._send_subscribe(False, [(name.encode(), qos) for name, qos in FILTERS])
    assert peer.packets == [packet.encode_subscribe(number, FILTERS, is_v5=is_v5)]


FILTERS = [("a/+/command/#", 1), ("b", 0)]


@given(st.lists(st.tuples(topics, st.binary(max_size=400)), max_size=6), st.data())
def test_any_cut_gives_the_same_packets(messages, data):
    stream = b"".join(
        packet.encode_publish(topic, payload, qos=1, retain=False, message_id=7, properties=b"")
        for topic, payload in messages
    )
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    reader, found = PacketReader(), []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += list(reader.feed(stream[start:end]))
    assert [
        (each.topic, each.payload, each.message_id)
        for kind, flags, body in found
        if (each := packet.decode_message(flags, body, is_v5=False)) and kind == Kind.PUBLISH
    ] == [(topic, payload, 7) for topic, payload in messages]


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_packets_or_an_error(data, is_v5):
    try:
        for kind, flags, body in PacketReader().feed(data):
            if kind == Kind.PUBLISH:
                packet.decode_message(flags, body, is_v5=is_v5)
            elif kind == Kind.CONNACK:
                packet.decode_connack(body, is_v5=is_v5)
            elif kind == Kind.SUBACK:
                packet.decode_suback(body, is_v5=is_v5)
    except DecodeError:
        pass


def test_a_commands_properties_are_read():
    """MQTT 5, 3.3.2.3: written by paho."""
    peer = Recorder(is_v5=True)
    theirs = properties(
        PacketTypes.PUBLISH,
        ResponseTopic="reply/here",
        CorrelationData=b"\x01\x02",
        UserProperty=("a", "b"),
        ContentType="application/json",
        PayloadFormatIndicator=1,
    )
    peer._send_publish(9, b"cmd", b"{}", 1, False, False, None, theirs)
    ((_, flags, body),) = PacketReader().feed(peer.packets[0])
    message = packet.decode_message(flags, body, is_v5=True)
    assert (message.topic, message.payload, message.message_id) == ("cmd", b"{}", 9)
    assert (message.response_topic, message.correlation_data) == ("reply/here", b"\x01\x02")


def test_what_a_broker_grants():
    """Mosquitto 2.0.11, MQTT 5: topic alias maximum 10, receive maximum 20."""
    granted = packet.decode_connack(bytes.fromhex("000006 22000a 210014"), is_v5=True)
    assert granted == (False, 0, 20, None)


@pytest.mark.parametrize("topic", ["", "a/+/b", "a/#", "a\0b", "x" * 70_000])
def test_what_is_no_topic_is_refused(topic):
    with pytest.raises(ValueError):
        packet.encode_publish(topic, b"", qos=0, retain=False, message_id=0, properties=b"")


def test_a_length_is_never_trusted():
    with pytest.raises(DecodeError, match="a packet of"):
        list(PacketReader().feed(b"\x30\xff\xff\xff\x7f"))
    with pytest.raises(DecodeError, match="more than four"):
        list(PacketReader().feed(b"\x30\xff\xff\xff\xff\x7f"))
