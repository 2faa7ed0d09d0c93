"""Frames of short-message terminals as JSON values, for the command line. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from bdgw.errors import DecodeError
from bdgw.shortmsg.content import recognise
from bdgw.shortmsg.family import IDLE_S, PORT_FRAMER, Codec, codec_of
from bdgw.shortmsg.family.port import is_binary
from bdgw.shortmsg.vocabulary import Family, Received, TerminalEvent
from bdgw.wire.splitter import Skipped, Splitter

__all__ = ["decode_rdss"]

_SENTENCE_FAMILIES = (Family.BD2, Family.BD3)


def decode_rdss(data: bytes, *, family: Family | None) -> Iterator[dict[str, Any]]:
    """Give one value a frame or skipped stretch, in order.

    Without ``family`` a binary frame is of 4.0; a sentence is of the first of 2.1 and 3 that
    understands it.
    """
    splitter = Splitter({"rdss": PORT_FRAMER}, idle_s=IDLE_S)
    splitter.receive(data, now=0.0)
    splitter.receive(b"", now=0.0)
    for item in splitter.events():
        value: dict[str, Any] = {"offset": item.offset, "length": len(item.data)}
        if isinstance(item, Skipped):
            yield value | {"type": "skipped", "reason": item.reason, "data_hex": item.data.hex()}
        else:
            yield value | _frame(item.data, family)


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
        return value | {"is_understood": False, "error": str(error), "data_hex": raw.hex()}
    events = codec.events(frame)
    is_understood = not any(type(event).__name__ == "VendorFrame" for event in events)
    return value | {
        "type": type(frame).__name__,
        "is_understood": is_understood,
        "events": [_event(event) for event in events],
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
