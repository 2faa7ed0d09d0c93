"""The payloads of RXM-SFRBX in a stream, by the gateway's own framing."""

from __future__ import annotations

from bdgw.stream import Decoded, StreamDecoder
from bdgw.ubx import frame as ubx


def sfrbx_payloads(data: bytes) -> list[bytes]:
    decoder = StreamDecoder(protocols=("ubx",))
    decoder.receive(data, now=0.0)
    decoder.receive(b"", now=0.0)
    found = [item.frame.data for item in decoder.events() if isinstance(item, Decoded)]
    return [ubx.payload_of_frame(f) for f in found if ubx.kind_of_frame(f) == ubx.SFRBX]
