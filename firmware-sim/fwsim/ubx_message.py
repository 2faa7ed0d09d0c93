"""UBX: the frame, raw measurements (RXM-RAWX) and words of navigation messages (RXM-SFRBX).

Source: u-blox ZED-F9P interface description UBX-22008968, chapters 1.5 and 3.
"""

import struct
from collections.abc import Sequence

from fwsim.constellation import System
from fwsim.gnss_time import NS_PER_S, WEEK_S, leap_seconds
from fwsim.observation import SatelliteObservation

RXM = 0x02
RAWX, SFRBX = 0x15, 0x13
GNSS_IDS = {
    System.GPS: 0,
    System.GALILEO: 2,
    System.BEIDOU: 3,
    System.QZSS: 5,
    System.GLONASS: 6,
}
# Signal ids by RINEX code; where geodetic receivers track P(Y) on L2, u-blox tracks L2 CL.
SIGNAL_IDS = {
    System.GPS: {"1C": 0, "2W": 3, "5Q": 7},
    System.GALILEO: {"1C": 0, "7Q": 6, "5Q": 4},
    System.BEIDOU: {"2I": 0, "7I": 2, "6I": 4, "1P": 5, "5P": 7},
    System.QZSS: {"1C": 0, "2L": 5, "5Q": 9},
    System.GLONASS: {"1C": 0, "2C": 2},
}
CHANNEL_OFFSET = 7
MAX_LOCK_MS = 64_500
ALL_VALID = 0b111
"""Pseudorange and phase are valid, the half cycle is resolved."""


def frame(message_class: int, message_id: int, payload: bytes) -> bytes:
    """Return a whole message."""
    body = struct.pack("<BBH", message_class, message_id, len(payload)) + payload
    first = second = 0
    for byte in body:
        first = (first + byte) % 256
        second = (second + first) % 256
    return b"\xb5\x62" + body + bytes((first, second))


def rawx(gpst_ns: int, seen: Sequence[SatelliteObservation]) -> bytes:
    """Return the measurements of an epoch."""
    rows = [row for satellite in seen for row in _rows(satellite)]
    week, tow_ns = divmod(gpst_ns, WEEK_S * NS_PER_S)
    head = struct.pack("<dHbBBB2x", tow_ns / NS_PER_S, week, leap_seconds(gpst_ns), len(rows), 1, 1)
    return frame(RXM, RAWX, head + b"".join(rows))


def sfrbx(
    system: System,
    prn: int,
    words: Sequence[int],
    *,
    signal_id: int = 0,
    channel: int | None = None,
) -> bytes:
    """Return the words of one subframe, string or page."""
    freq_id = 0 if channel is None else channel + CHANNEL_OFFSET
    head = struct.pack("<8B", GNSS_IDS[system], prn, signal_id, freq_id, len(words), 0, 2, 0)
    return frame(RXM, SFRBX, head + struct.pack(f"<{len(words)}I", *words))


def _rows(satellite: SatelliteObservation) -> list[bytes]:
    known = SIGNAL_IDS[satellite.system]
    freq_id = 0 if satellite.channel is None else satellite.channel + CHANNEL_OFFSET
    return [
        struct.pack(
            "<ddfBBBBHBBBBBB",
            one.pseudorange_m,
            one.phase_cycles,
            -one.range_rate_m_s / one.carrier.wavelength_m(satellite.channel),
            GNSS_IDS[satellite.system],
            satellite.prn,
            known[one.carrier.code],
            freq_id,
            min(MAX_LOCK_MS, round(one.lock_s * 1000.0)),
            max(0, min(255, round(one.cn0_dbhz))),
            5,
            2,
            8,
            ALL_VALID,
            0,
        )
        for one in satellite.measurements
    ]
