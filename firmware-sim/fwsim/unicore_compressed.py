"""OBSVMCMP of Unicore's N4 receivers: a measurement in 24 bytes, lowest bits first.

Source: Unicore N4 Products Commands and Logs Reference Book, OBSVMCMP. The phase begins anew after
2^23 cycles and stays below zero, as in the book's example.
"""

import struct
from collections.abc import Sequence

from fwsim.observation import SatelliteObservation
from fwsim.unicore_message import Signal, frame, signals

OBSVMCMP = 138
WIDTHS = (32, 28, 36, 32, 4, 4, 8, 21, 5, 6, 16)
"""Status, Doppler, range, phase, both deviations, satellite, lock, strength, channel, nothing."""
TURN_CYCLES = 2**23
CN0_FIRST_DBHZ, CN0_STEPS = 20, 31


def observations(gpst_ns: int, seen: Sequence[SatelliteObservation]) -> bytes:
    """Return OBSVMCMP."""
    rows = [row(signal) for satellite in seen for signal in signals(satellite)]
    return frame(OBSVMCMP, gpst_ns, struct.pack("<I", len(rows)) + b"".join(rows))


def row(signal: Signal) -> bytes:
    """Return one measurement, rounded to its steps."""
    values = (
        signal.status,
        round(signal.doppler_hz * 256),
        round(signal.pseudorange_m * 128),
        -(round(-signal.adr_cycles * 256) % (TURN_CYCLES * 256)),
        3,
        2,
        signal.number,
        min(int(signal.lock_s * 32), 2**21 - 1),
        min(max(round(signal.cn0_dbhz) - CN0_FIRST_DBHZ, 0), CN0_STEPS),
        signal.channel,
        0,
    )
    packed, at = 0, 0
    for value, width in zip(values, WIDTHS, strict=True):
        packed |= value % 2**width << at
        at += width
    return packed.to_bytes(24, "little")
