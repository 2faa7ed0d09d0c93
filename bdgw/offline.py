"""Captures on disk: every event as a line, the counts of all, and the fixes.

Pure: chunks of bytes in, JSON values out. Reading files and printing is the command line's. The
contents of RTCM 3, and NumPy with them, are loaded only where frames are decoded: the gateway's
status uses the names of the counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from bdgw.model import Via
from bdgw.nmea.sentence import Unsupported
from bdgw.publish.payload import FixPayload, fix_payload
from bdgw.receiver import EpochSeen, ReceiverSession
from bdgw.stream import PROTOCOLS, BinaryFrame, Decoded, RtcmFrame, StreamDecoder, StreamStats
from bdgw.ubx import frame as ubx_frame
from bdgw.unicore import frame as unicore_frame
from bdgw.wire.splitter import Frame, Skipped

__all__ = ["decode_lines", "fixes", "stats_object"]

_SHOWN_BYTES = 64
_WEEK_NS = 604_800_000_000_000


def decode_lines(
    chunks: Iterable[bytes], *, protocols: tuple[str, ...] = PROTOCOLS
) -> Iterator[dict[str, Any]]:
    """Give one JSON value an event, in stream order, then hand back nothing: see ``stats``."""
    decoder = StreamDecoder(protocols=protocols)
    for item in _run(decoder, chunks):
        yield _line(item)


def stats_object(
    name: str, chunks: Iterable[bytes], *, protocols: tuple[str, ...] = PROTOCOLS
) -> dict[str, Any]:
    """Count a capture; ``decoded_bytes + skipped_bytes == bytes`` always."""
    from bdgw.rtcm.line import is_understood

    decoder = StreamDecoder(protocols=protocols, is_rtcm_understood=is_understood)
    for _ in _run(decoder, chunks):
        pass
    return {"file": name, **stats_fields(decoder.stats)}


def stats_fields(stats: StreamStats) -> dict[str, Any]:
    """Write counts with their documented names."""
    return {
        "bytes": stats.bytes_in,
        "decoded_bytes": stats.decoded_bytes,
        "skipped_bytes": stats.skipped_bytes,
        "events": dict(sorted(stats.events.items())),
        "unsupported": dict(sorted(stats.unsupported.items())),
        "bad_checksum": stats.skipped["bad_checksum"],
        "skipped": dict(sorted(stats.skipped.items())),
    }


def fixes(chunks: Iterable[bytes], *, frame: str | None = None) -> Iterator[FixPayload]:
    """Give the fixes of a capture as they would be published."""
    session = ReceiverSession()
    for chunk in _ended(chunks):
        session.receive(chunk, now=0.0)
        for event in session.events():
            if isinstance(event, EpochSeen):
                yield fix_payload(event.fix, via=Via.FILE, frame=frame)


def _ended(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Give the chunks that are not empty, then the empty one that ends a stream."""
    yield from filter(None, chunks)
    yield b""


def _run(decoder: StreamDecoder, chunks: Iterable[bytes]) -> Iterator[Decoded | Skipped]:
    for chunk in _ended(chunks):
        decoder.receive(chunk, now=0.0)
        yield from decoder.events()


def _line(item: Decoded | Skipped) -> dict[str, Any]:
    if isinstance(item, Skipped):
        line = {"offset": item.offset, "length": len(item.data), "type": "skipped"}
        shown = item.data[:_SHOWN_BYTES]
        return {**line, "reason": item.reason, "data_hex": shown.hex()}
    frame, message = item.frame, item.message
    line = {"offset": frame.offset, "length": len(frame.data), "protocol": frame.protocol}
    if isinstance(message, RtcmFrame):
        from bdgw.rtcm.line import rtcm_fields

        number = "empty" if message.number is None else str(message.number)
        line |= {"type": number, "payload_bytes": len(frame.data) - 6}
        return line | rtcm_fields(frame.data)
    if isinstance(message, BinaryFrame):
        return line | {"type": message.name} | _binary_fields(frame, is_raw=message.is_raw)
    if isinstance(message, Unsupported):
        line["type"] = message.name
        line["unsupported"] = True
        if message.talker:
            line["talker"] = message.talker
        return line
    line["type"] = type(message).__name__.upper()
    for name, value in msgspec.to_builtins(message).items():
        if value is not None:
            line[name] = value
    return line


def _binary_fields(frame: Frame, *, is_raw: bool) -> dict[str, Any]:
    if frame.protocol == ubx_frame.PROTOCOL:
        from bdgw.ubx.line import ubx_fields

        line: dict[str, Any] = {"payload_bytes": len(ubx_frame.payload_of_frame(frame.data))}
        if is_raw:
            return line | ubx_fields(frame.data)
    else:
        line = {"payload_bytes": len(unicore_frame.payload_of_frame(frame.data))}
        t_gpst_ns = unicore_frame.head_of_frame(frame.data).t_gpst_ns
        if t_gpst_ns is not None:
            line["week"], tow_ns = divmod(t_gpst_ns, _WEEK_NS)
            line["tow_s"] = tow_ns / 1e9
        if is_raw:
            return line
    return line | {"unsupported": True}
