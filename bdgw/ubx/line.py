"""What a line of ``bdgw decode`` shows of a UBX message that carries raw data.

Source: u-blox ZED-F9P interface description UBX-22008968, clauses 3.17.8 and 3.17.9.
"""

from __future__ import annotations

import struct
from typing import Any

from bdgw.ubx.frame import RAWX, kind_of_frame, payload_of_frame

__all__ = ["ubx_fields"]

_RAWX = struct.Struct("<dHbBBB")
_SFRBX = struct.Struct("<BBBBBBBB")
_GNSS = {0: "G", 1: "S", 2: "E", 3: "C", 5: "J", 6: "R", 7: "I"}


def ubx_fields(frame: bytes) -> dict[str, Any]:
    """Write the head of RXM-RAWX or RXM-SFRBX; numbers of systems and signals are u-blox's."""
    payload = payload_of_frame(frame)
    if kind_of_frame(frame) == RAWX:
        if len(payload) < _RAWX.size:
            return {"is_short": True}
        tow_s, week, leap_s, n_signals, state, _ = _RAWX.unpack_from(payload)
        line: dict[str, Any] = {"week": week, "n_signals": n_signals}
        if 0.0 <= tow_s < 604_801.0:
            line["tow_s"] = tow_s
        if state & 1:
            line["leap_s"] = leap_s
        return line
    if len(payload) < _SFRBX.size:
        return {"is_short": True}
    gnss, number, signal, channel, n_words, *_ = _SFRBX.unpack_from(payload)
    line = {"system": _GNSS.get(gnss, str(gnss)), "number": number, "signal_id": signal}
    if _GNSS.get(gnss) == "R":
        line["frequency_channel"] = channel - 7
    return line | {"words_hex": payload[8 : 8 + 4 * n_words].hex()}
