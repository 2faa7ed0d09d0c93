"""Real correction frames for the tests of this room, and careful changes to them.

Frames are cut from captures with a loop of its own; a changed frame gets a new checksum.
"""

from __future__ import annotations

from functools import cache

from bdgw.corrections.timekeeper import Opinions
from bdgw.wire.checksum import crc24q
from tests.conftest import read_capture, shared_data

SECOND_NS = 1_000_000_000
WEEK_NS = 604_800 * SECOND_NS
GPST_NS = 2400 * WEEK_NS
"""The week in which the tests let captures happen; the captures themselves name none."""
NO_CLOCK = Opinions(None, None, False)


def number_of(frame: bytes) -> int:
    return frame[3] << 4 | frame[4] >> 4


def station_of(frame: bytes) -> int:
    return (frame[4] & 15) << 8 | frame[5]


def field_of(frame: bytes, bit: int, width: int) -> int:
    payload = frame[3:-3]
    return int.from_bytes(payload, "big") >> (len(payload) * 8 - bit - width) & ((1 << width) - 1)


def with_field(frame: bytes, bit: int, width: int, value: int) -> bytes:
    payload = frame[3:-3]
    low = len(payload) * 8 - bit - width
    bits = int.from_bytes(payload, "big")
    bits = bits & ~(((1 << width) - 1) << low) | value << low
    body = frame[:3] + bits.to_bytes(len(payload), "big")
    return body + crc24q(body).to_bytes(3, "big")


def tow_ms(frame: bytes) -> int:
    """The epoch field of an MSM or 1004 frame."""
    return field_of(frame, 24, 30)


def at_tow_ms(frame: bytes, value: int) -> bytes:
    return with_field(frame, 24, 30, value % 604_800_000)


def as_station(frame: bytes, station: int) -> bytes:
    return with_field(frame, 12, 12, station)


def at_ecef(frame: bytes, ecef_m: tuple[float, float, float]) -> bytes:
    """Move the base of a 1005 or 1006 frame."""
    for bit, metres in zip((34, 74, 114), ecef_m, strict=True):
        frame = with_field(frame, bit, 38, round(metres * 10_000) & ((1 << 38) - 1))
    return frame


def cut(data: bytes) -> list[bytes]:
    """Cut frames out of a stream by checksum, with the plainest loop there is."""
    frames, i = [], 0
    while i + 6 <= len(data):
        if data[i] == 0xD3 and data[i + 1] < 4:
            end = i + 6 + (data[i + 1] << 8 | data[i + 2])
            if end <= len(data) and not crc24q(data[i:end]):
                frames.append(data[i:end])
                i = end
                continue
        i += 1
    return frames


@cache
def capture(*parts: str) -> bytes:
    return read_capture(shared_data("gnss", *parts))


@cache
def str17() -> tuple[tuple[int, tuple[bytes, ...]], ...]:
    """The epochs of a live Septentrio base at 1 Hz: (GPST of the epoch, its frames).

    An epoch begins with 1077; what stands between its observations goes with it.
    """
    epochs: list[tuple[int, list[bytes]]] = []
    for frame in cut(capture("rtcm3", "missing-beidou-STR17.rtcm3.gz")):
        if number_of(frame) == 1077:
            epochs.append((GPST_NS + tow_ms(frame) * 1_000_000, []))
        if epochs:
            epochs[-1][1].append(frame)
    return tuple((epoch, tuple(frames)) for epoch, frames in epochs[:-1])


def opinions_at(gpst_ns: int, now: float) -> Opinions:
    """A host clock that says that it is ``gpst_ns`` at ``now``."""
    return Opinions(None, gpst_ns - round(now * SECOND_NS), False)
