"""How entries are written into the file: a chunk is one commit's entries, compressed. Pure.

Fixes of one gateway say nearly the same again and again: together they take a fifth of what they
take alone, and the disk wears by that much less.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence

import msgspec

from bdgw.errors import DecodeError
from bdgw.publish.outbox import Entry, Lane

__all__ = ["decode_chunk", "encode_chunk", "late"]

_LEVEL = 1
"""A higher one takes three times as long and saves a tenth."""
_ENTRIES_BYTES_MAX = 64 * 1024 * 1024
"""No chunk that was ever written unpacks to more; one that claims so is damaged."""


class _Stored(msgspec.Struct, array_like=True, omit_defaults=True, gc=False):
    id: int
    lane: Lane
    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = False
    supersede_key: str | None = None
    expiry_s: int | None = None
    schema: str | None = None
    content_type: str | None = None


_decoder = msgspec.msgpack.Decoder(list[_Stored])
_encoder = msgspec.msgpack.Encoder()


def late(entry: Entry) -> Entry:
    """Give a live entry as it goes on in the history lane; one that has no place there as it is."""
    if entry.lane is not Lane.LIVE or entry.late_topic is None:
        return entry
    return Entry(
        id=entry.id,
        topic=entry.late_topic,
        payload=entry.payload,
        lane=Lane.HISTORY,
        qos=entry.qos,
        schema=entry.schema,
        content_type=entry.content_type,
        accepted_s=entry.accepted_s,
    )


def encode_chunk(entries: Iterable[Entry]) -> bytes:
    """Write entries; live ones as what they become in the history."""
    stored = [
        _Stored(
            each.id,
            each.lane,
            each.topic,
            each.payload,
            each.qos,
            each.retain,
            each.supersede_key,
            each.expiry_s,
            each.schema,
            each.content_type,
        )
        for each in map(late, entries)
    ]
    return zlib.compress(_encoder.encode(stored), _LEVEL)


def decode_chunk(data: bytes, *, accepted_s: float) -> Sequence[Entry]:
    """Read entries.

    Raises:
        DecodeError: these bytes are no chunk.
    """
    try:
        unpacker = zlib.decompressobj()
        stored = _decoder.decode(unpacker.decompress(data, _ENTRIES_BYTES_MAX))
    except (zlib.error, msgspec.DecodeError) as error:
        raise DecodeError(f"chunk of the outbox: {error}") from None
    return [
        Entry(
            id=each.id,
            topic=each.topic,
            payload=each.payload,
            lane=each.lane,
            qos=each.qos,
            retain=each.retain,
            supersede_key=each.supersede_key,
            expiry_s=each.expiry_s,
            schema=each.schema,
            content_type=each.content_type or "",
            accepted_s=accepted_s,
        )
        for each in stored
    ]
