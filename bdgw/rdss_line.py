"""Frames of short-message terminals as JSON values, for the command line. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from bdgw.errors import DecodeError
from bdgw.shortmsg.content import recognise
from bdgw.shortmsg.family import IDLE_S, PORT_FRAMER, Codec, codec_of
from bdgw.shortmsg.family.bd1_frame import OtherFrame
from bdgw.shortmsg.family.port import is_binary
from bdgw.shortmsg.family.row import OtherSentence
from bdgw.shortmsg.vocabulary import Family, Received, TerminalEvent, VendorFrame
from bdgw.wire.splitter import Skipped, Splitter

__all__ = ["decode_rdss", "rdss_stats"]

_SHOWN_BYTES = 64
_SENTENCE_FAMILIES = (Family.BD2, Family.BD3)


def decode_rdss(chunks: Iterable[bytes], *, family: Family | None) -> Iterator[dict[str, Any]]:
    """Give one value a frame or skipped stretch, in order.

    Without ``family`` a binary frame is of 4.0; a sentence is of the first of 2.1 and 3 that
    understands it.
    """
    splitter = Splitter({"rdss": PORT_FRAMER}, idle_s=IDLE_S)
    for chunk in (*filter(None, chunks), b""):
        splitter.receive(chunk, now=0.0)
        for item in splitter.events():
            value: dict[str, Any] = {"offset": item.offset, "length": len(item.data)}
            if isinstance(item, Skipped):
                shown = item.data[:_SHOWN_BYTES].hex()
                yield value | {"type": "skipped", "reason": item.reason, "data_hex": shown}
            else:
                yield value | _frame(item.data, family)


def rdss_stats(name: str, chunks: Iterable[bytes], *, family: Family) -> dict[str, Any]:
    """Count a capture of a terminal; ``decoded_bytes + skipped_bytes == bytes`` always."""
    events: Counter[str] = Counter()
    unsupported: Counter[str] = Counter()
    skipped: Counter[str] = Counter()
    n_bytes = n_skipped = 0
    for line in decode_rdss(chunks, family=family):
        n_bytes += line["length"]
        if line["type"] == "skipped":
            n_skipped += line["length"]
            skipped[line["reason"]] += 1
        else:
            (events if line["is_understood"] else unsupported)[line["type"]] += 1
    return {
        "file": name,
        "bytes": n_bytes,
        "decoded_bytes": n_bytes - n_skipped,
        "skipped_bytes": n_skipped,
        "events": dict(sorted(events.items())),
        "unsupported": dict(sorted(unsupported.items())),
        "bad_checksum": skipped["bad_checksum"],
        "skipped": dict(sorted(skipped.items())),
    }


def _frame(raw: bytes, family: Family | None) -> dict[str, Any]:
    if family is not None:
        codecs = [codec_of(family)]
    elif is_binary(raw):
        codecs = [codec_of(Family.BD1)]
    else:
        codecs = [codec_of(each) for each in _SENTENCE_FAMILIES]
    tried = [_try(codec, raw) for codec in codecs]
    return next((each for each in tried if each["is_understood"]), tried[0])


def _try(codec: Codec, raw: bytes) -> dict[str, Any]:
    value: dict[str, Any] = {"protocol": codec.family.value}
    try:
        frame = codec.decode(raw)
    except DecodeError as error:
        said = {"is_understood": False, "error": str(error), "data_hex": raw.hex()}
        return value | {"type": "undecoded"} | said
    return value | {
        "type": type(frame).__name__,
        "is_understood": not isinstance(frame, OtherFrame | OtherSentence),
        # A query of a host means nothing to who listens to a terminal: it has no event then.
        "events": [
            _event(event) for event in codec.events(frame) if not isinstance(event, VendorFrame)
        ],
    }


def _event(event: TerminalEvent) -> dict[str, Any]:
    value = {"event": type(event).__name__, **_plain(event)}
    if isinstance(event, Received):
        value["recognised"] = _plain(recognise(event))
    return value


def _plain(value: msgspec.Struct) -> dict[str, Any]:
    """A value without what it does not say; bytes in hexadecimal."""
    told: dict[str, Any] = {}
    for key, item in msgspec.structs.asdict(value).items():
        if isinstance(item, bytes):
            told[f"{key}_hex"] = item.hex()
        elif isinstance(item, msgspec.Struct):
            told[key] = _plain(item)
        elif item is not None:
            told[key] = msgspec.to_builtins(item, enc_hook=_hex)
    return told


def _hex(value: object) -> object:
    return value.hex() if isinstance(value, bytes) else str(value)
