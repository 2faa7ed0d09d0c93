"""MQTT packets, 3.1.1 and 5, as far as a publisher with a few subscriptions needs them. Pure.

Encoders give whole packets. ``PacketReader`` cuts what comes into packets; the decoders look into
them and raise ``DecodeError`` where the bytes make no sense. QoS 2 is not spoken.

Source: MQTT 3.1.1 and 5.0, chapters 2 and 3.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

import msgspec

from bdgw.errors import DecodeError

__all__ = [
    "DISCONNECT",
    "PINGREQ",
    "IncomingMessage",
    "Kind",
    "PacketReader",
    "Will",
    "decode_connack",
    "decode_disconnect",
    "decode_message",
    "decode_suback",
    "encode_connect",
    "encode_puback",
    "encode_publish",
    "encode_publish_properties",
    "encode_subscribe",
]

PINGREQ = b"\xc0\x00"
DISCONNECT = b"\xe0\x00"
PACKET_BYTES_MAX = 8 * 1024 * 1024
"""Commands are small; a length beyond this is no packet for us."""
_TEXT_BYTES_MAX = 65_535

_CONTENT_TYPE, _MESSAGE_EXPIRY, _USER = 0x03, 0x02, 0x26
_RESPONSE_TOPIC, _CORRELATION, _SUBSCRIPTION = 0x08, 0x09, 0x0B
_SESSION_EXPIRY, _RECEIVE_MAXIMUM, _PACKET_MAXIMUM = 0x11, 0x21, 0x27
# MQTT 5, 2.2.2.2: how many bytes the value of each property has; None: text or bytes with a length.
_FIXED_SIZES = {
    **dict.fromkeys((0x01, 0x17, 0x19, 0x24, 0x25, 0x28, 0x29, 0x2A), 1),
    **dict.fromkeys((0x13, 0x21, 0x22, 0x23), 2),
    **dict.fromkeys((0x02, 0x11, 0x18, 0x27), 4),
}
_SIZED = frozenset((0x03, 0x08, 0x09, 0x12, 0x15, 0x16, 0x1A, 0x1C, 0x1F))

Properties = dict[int, int | bytes]


class Kind:
    """The upper half of a packet's first byte."""

    CONNACK = 2
    PUBLISH = 3
    PUBACK = 4
    SUBACK = 9
    PINGRESP = 13
    DISCONNECT = 14


class Will(msgspec.Struct, frozen=True, kw_only=True):
    """What the broker publishes when the client is gone; always QoS 1 and retained."""

    topic: str
    payload: bytes
    content_type: str


class IncomingMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message for one of the subscriptions."""

    topic: str
    payload: bytes
    message_id: int | None
    """Owed a PUBACK; None at QoS 0."""
    is_retained: bool
    response_topic: str | None = None
    correlation_data: bytes | None = None


# --- what is sent ---------------------------------------------------------------------------------


def encode_connect(
    *,
    client_id: str,
    is_v5: bool,
    is_clean: bool,
    keepalive_s: int,
    will: Will,
    username: str | None,
    password: str | None,
    session_expiry_s: int | None,
) -> bytes:
    """CONNECT, section 3.1."""
    flags = 0x02 * is_clean | 0x2C  # will, QoS 1, retained
    flags |= 0x80 * (username is not None) | 0x40 * (password is not None)
    body = _text("MQTT") + bytes([5 if is_v5 else 4, flags]) + keepalive_s.to_bytes(2, "big")
    if is_v5:
        expiry = b""
        if session_expiry_s is not None:
            expiry = bytes([_SESSION_EXPIRY]) + session_expiry_s.to_bytes(4, "big")
        body += _sized(expiry)
    body += _text(client_id)
    if is_v5:
        body += _sized(bytes([_CONTENT_TYPE]) + _text(will.content_type))
    body += _text(will.topic) + len(will.payload).to_bytes(2, "big") + will.payload
    if username is not None:
        body += _text(username)
    if password is not None:
        body += _text(password)
    return b"\x10" + _sized(body)


def encode_publish_properties(
    content_type: str | None,
    schema: str | None,
    expiry_s: int | None,
    *,
    correlation: bytes | None = None,
) -> bytes:
    """The properties of a PUBLISH of MQTT 5, with their length, section 3.3.2.3."""
    data = b""
    if correlation is not None:
        data += bytes([_CORRELATION]) + len(correlation).to_bytes(2, "big") + correlation
    if expiry_s is not None:
        data += bytes([_MESSAGE_EXPIRY]) + expiry_s.to_bytes(4, "big")
    if content_type is not None:
        data += bytes([_CONTENT_TYPE]) + _text(content_type)
    if schema is not None:
        data += bytes([_USER]) + _text("schema") + _text(schema)
    return _sized(data)


def encode_publish(
    topic: str, payload: bytes, *, qos: int, retain: bool, message_id: int, properties: bytes
) -> bytes:
    """PUBLISH, section 3.3; ``properties`` is empty with MQTT 3.1.1.

    Raises:
        ValueError: this is no topic that can be published to.
    """
    head = _topic(topic)
    if qos:
        head += message_id.to_bytes(2, "big")
    head += properties
    first = 0x30 | qos << 1 | retain
    return b"%c%b%b%b" % (first, _length(len(head) + len(payload)), head, payload)


def encode_puback(message_id: int) -> bytes:
    """PUBACK that says received, section 3.4."""
    return b"\x40\x02" + message_id.to_bytes(2, "big")


def encode_subscribe(message_id: int, filters: Sequence[tuple[str, int]], *, is_v5: bool) -> bytes:
    """SUBSCRIBE, section 3.8."""
    body = message_id.to_bytes(2, "big") + (b"\x00" if is_v5 else b"")
    for topic_filter, qos in filters:
        body += _text(topic_filter) + bytes([qos])
    return b"\x82" + _sized(body)


def _text(text: str) -> bytes:
    data = text.encode()
    if len(data) > _TEXT_BYTES_MAX:
        raise ValueError(f"a text of {len(data)} bytes does not fit into a packet")
    return len(data).to_bytes(2, "big") + data


@lru_cache(maxsize=8192)
def _topic(topic: str) -> bytes:
    if not topic or any(character in topic for character in "+#\0"):
        raise ValueError(f"{topic!r} is no topic")
    return _text(topic)


def _length(n: int) -> bytes:
    if n < 128:
        return bytes((n,))
    if n < 16_384:
        return bytes((n & 127 | 128, n >> 7))
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


def _sized(data: bytes) -> bytes:
    return _length(len(data)) + data


# --- what comes -----------------------------------------------------------------------------------


class PacketReader:
    """Cuts a stream into packets."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[int, int, bytes]]:
        """Take bytes; the packets that are whole now, as (kind, flags, body).

        Raises:
            DecodeError: a length that no packet has.
        """
        buffer = self._buffer
        buffer += data
        at, end = 0, len(buffer)
        while end - at >= 2:
            length, start = buffer[at + 1], at + 2
            if length & 128:
                known = _long_length(buffer, at + 1)
                if known is None:
                    break
                length, start = known
            if length > PACKET_BYTES_MAX:
                raise DecodeError(f"a packet of {length} bytes")
            if end - start < length:
                break
            body = bytes(buffer[start : start + length])
            first = buffer[at]
            at = start + length
            yield first >> 4, first & 15, body
        del buffer[:at]


def _long_length(buffer: bytearray, at: int) -> tuple[int, int] | None:
    length = shift = 0
    for index in range(at, min(at + 4, len(buffer))):
        length |= (buffer[index] & 127) << shift
        shift += 7
        if not buffer[index] & 128:
            return length, index + 1
    if len(buffer) - at >= 4:
        raise DecodeError("a length of more than four bytes")
    return None


def decode_connack(body: bytes, *, is_v5: bool) -> tuple[bool, int, int | None, int | None]:
    """CONNACK, section 3.2: session present, code, receive maximum, largest packet."""
    if len(body) < 2:
        raise DecodeError("CONNACK is too short")
    properties = _properties(body, 2)[0] if is_v5 and len(body) > 2 else {}
    receive_maximum = properties.get(_RECEIVE_MAXIMUM)
    packet_maximum = properties.get(_PACKET_MAXIMUM)
    return (
        bool(body[0] & 1),
        body[1],
        receive_maximum if isinstance(receive_maximum, int) else None,
        packet_maximum if isinstance(packet_maximum, int) else None,
    )


def decode_message(flags: int, body: bytes, *, is_v5: bool) -> IncomingMessage:
    """PUBLISH, section 3.3."""
    topic, at = _bytes_at(body, 0)
    qos = flags >> 1 & 3
    if qos > 1:
        raise DecodeError(f"PUBLISH with QoS {qos}, which was not asked for")
    message_id = None
    if qos:
        if len(body) < at + 2:
            raise DecodeError("PUBLISH is too short")
        message_id = int.from_bytes(body[at : at + 2], "big")
        at += 2
    properties: Properties = {}
    if is_v5:
        properties, at = _properties(body, at)
    response_topic = properties.get(_RESPONSE_TOPIC)
    correlation = properties.get(_CORRELATION)
    return IncomingMessage(
        topic=_decoded(topic),
        payload=body[at:],
        message_id=message_id,
        is_retained=bool(flags & 1),
        response_topic=_decoded(response_topic) if isinstance(response_topic, bytes) else None,
        correlation_data=correlation if isinstance(correlation, bytes) else None,
    )


def decode_suback(body: bytes, *, is_v5: bool) -> list[int]:
    """SUBACK, section 3.9: a code a filter."""
    at = 2
    if is_v5:
        _, at = _properties(body, at)
    return list(body[at:])


def decode_disconnect(body: bytes) -> int:
    """DISCONNECT of MQTT 5, section 3.14: its reason code."""
    return body[0] if body else 0


def _decoded(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise DecodeError("a text that is not UTF-8") from None


def _bytes_at(body: bytes, at: int) -> tuple[bytes, int]:
    start = at + 2
    end = start + int.from_bytes(body[at:start], "big")
    if len(body) < start or len(body) < end:
        raise DecodeError("a text goes beyond its packet")
    return body[start:end], end


def _properties(body: bytes, at: int) -> tuple[Properties, int]:
    """Read properties; those that may come several times are passed over."""
    length, at = _number_at(body, at)
    end = at + length
    if end > len(body):
        raise DecodeError("properties go beyond their packet")
    data = body[:end]
    found: Properties = {}
    while at < end:
        number = data[at]
        at += 1
        if number in _FIXED_SIZES:
            size = _FIXED_SIZES[number]
            found[number] = int.from_bytes(data[at : at + size], "big")
            at += size
        elif number in _SIZED:
            found[number], at = _bytes_at(data, at)
        elif number == _USER:
            _, at = _bytes_at(data, at)
            _, at = _bytes_at(data, at)
        elif number == _SUBSCRIPTION:
            _, at = _number_at(data, at)
        else:
            raise DecodeError(f"property {number:#x} is unknown")
    if at != end:
        raise DecodeError("properties go beyond their length")
    return found, end


def _number_at(body: bytes, at: int) -> tuple[int, int]:
    """A variable byte integer, section 1.5.5 of MQTT 5."""
    value = 0
    for shift in (0, 7, 14, 21):
        if at >= len(body):
            break
        value |= (body[at] & 127) << shift
        at += 1
        if not body[at - 1] & 128:
            return value, at
    raise DecodeError("a number goes beyond its packet, or its four bytes")
