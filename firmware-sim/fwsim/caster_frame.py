"""RTCM 3 frames as a caster handles them: found, named, dated, changed and sealed again.

Pure. Observations stay opaque; only heads and the reference position are understood, so that a
stream of any origin can be paced, aged, moved or mislabelled without its writer.
"""

import math
from collections.abc import Iterator

from fwsim.rtcm_frame import PREAMBLE, crc24q
from fwsim.rtcm_frame import frame as seal

HEAD_BYTES = 3
CRC_BYTES = 3
# A head that promises the longest possible payload and does not keep it.
FALSE_PREAMBLE = b"\xd3\x03\xff"

DAY_MS = 86_400_000
WEEK_MS = 7 * DAY_MS
BDT_BEHIND_GPST_MS = 14_000
GPST_AHEAD_OF_UTC_MS = 18_000
MOSCOW_AHEAD_OF_UTC_MS = 3 * 3_600_000

BASE_NUMBERS = frozenset({1005, 1006})
EPHEMERIS_NUMBERS = frozenset({1019, 1020, 1041, 1042, 1044, 1045, 1046})
LEGACY_GPS = range(1001, 1005)
LEGACY_GLONASS = range(1009, 1013)
MSM = range(1071, 1138)
GLONASS_MSM = range(1081, 1088)
BDS_MSM = range(1121, 1128)

# Bit offsets in the payload: epoch of an observation, year and axes of 1005 and 1006.
EPOCH_BIT = 24
LEGACY_GLONASS_EPOCH_BITS = 27
EPOCH_BITS = 30
ITRF_YEAR_BIT, ITRF_YEAR_BITS = 24, 6
AXIS_PLACES, AXIS_BITS = (34, 74, 114), 38
AXIS_UNIT_M = 0.0001


def cut_frames(data: bytes) -> Iterator[bytes]:
    """Yield the valid frames of a recording in order; other bytes are passed over."""
    at = data.find(PREAMBLE)
    while 0 <= at <= len(data) - HEAD_BYTES - CRC_BYTES:
        size = HEAD_BYTES + (data[at + 1] << 8 | data[at + 2]) + CRC_BYTES
        frame = data[at : at + size]
        # The six bits after the preamble are reserved and zero.
        if not data[at + 1] & 0xFC and len(frame) == size and crc24q(frame) == 0:
            yield frame
            at = data.find(PREAMBLE, at + size)
        else:
            at = data.find(PREAMBLE, at + 1)


def number_of(frame: bytes) -> int | None:
    """Return the message number, or nothing for a filler frame."""
    return frame[3] << 4 | frame[4] >> 4 if len(frame) >= 8 else None


def epoch_ms(frame: bytes) -> int | None:
    """Return the epoch of an observation as GPST milliseconds of the week, nothing for others.

    Legacy GLONASS messages tell the time of day only: theirs is one of the first day.
    """
    number = number_of(frame) or 0
    width = _epoch_bits(number)
    if not width or len(frame) < HEAD_BYTES + CRC_BYTES + (EPOCH_BIT + width + 7) // 8:
        return None
    raw = _read(frame, EPOCH_BIT, width)
    if number in BDS_MSM:
        raw += BDT_BEHIND_GPST_MS
    elif is_glonass(number):
        day, in_day_ms = divmod(raw, 1 << LEGACY_GLONASS_EPOCH_BITS)
        raw = day * DAY_MS + in_day_ms + GPST_AHEAD_OF_UTC_MS - MOSCOW_AHEAD_OF_UTC_MS
    return raw % WEEK_MS


def is_glonass(number: int) -> bool:
    """Tell whether the epoch of a message is in Moscow time, with leap seconds."""
    return number in GLONASS_MSM or number in LEGACY_GLONASS


def _epoch_bits(number: int) -> int:
    if number in MSM and 1 <= number % 10 <= 7:
        return EPOCH_BITS
    if number in LEGACY_GPS:
        return EPOCH_BITS
    return LEGACY_GLONASS_EPOCH_BITS if number in LEGACY_GLONASS else 0


def dated(frame: bytes, gpst_ms: int) -> bytes:
    """Return an observation with another epoch: GPST milliseconds since 1980; others as they are.

    Only the head is changed: the observations are then those of another hour.
    """
    number = number_of(frame) or 0
    width = _epoch_bits(number)
    if epoch_ms(frame) is None:
        return frame
    if number in BDS_MSM:
        raw = (gpst_ms - BDT_BEHIND_GPST_MS) % WEEK_MS
    elif is_glonass(number):
        moscow_ms = (gpst_ms - GPST_AHEAD_OF_UTC_MS + MOSCOW_AHEAD_OF_UTC_MS) % WEEK_MS
        day = moscow_ms // DAY_MS << LEGACY_GLONASS_EPOCH_BITS if number in GLONASS_MSM else 0
        raw = day | moscow_ms % DAY_MS
    else:
        raw = gpst_ms % WEEK_MS
    return _with_bits(frame, EPOCH_BIT, width, raw)


def moved(frame: bytes, shift_m: tuple[float, float, float]) -> bytes:
    """Return a 1005 or 1006 that tells a place so many metres east, north and up of its own.

    Directions are those of a sphere, 0.2 degrees from the ellipsoid's at most. Others as they are.
    """
    if number_of(frame) not in BASE_NUMBERS:
        return frame
    ecef_m = [AXIS_UNIT_M * _read_signed(frame, bit, AXIS_BITS) for bit in AXIS_PLACES]
    lat, lon = math.atan2(ecef_m[2], math.hypot(*ecef_m[:2])), math.atan2(ecef_m[1], ecef_m[0])
    east_m, north_m, up_m = shift_m
    out_m = up_m * math.cos(lat) - north_m * math.sin(lat)
    steps_m = (
        out_m * math.cos(lon) - east_m * math.sin(lon),
        out_m * math.sin(lon) + east_m * math.cos(lon),
        up_m * math.sin(lat) + north_m * math.cos(lat),
    )
    for bit, at_m, step_m in zip(AXIS_PLACES, ecef_m, steps_m, strict=True):
        frame = _with_bits(frame, bit, AXIS_BITS, round((at_m + step_m) / AXIS_UNIT_M))
    return frame


def with_itrf_year(frame: bytes, year: int) -> bytes:
    """Return a 1005 or 1006 that tells another ITRF realization (DF021); others as they are."""
    if number_of(frame) not in BASE_NUMBERS:
        return frame
    return _with_bits(frame, ITRF_YEAR_BIT, ITRF_YEAR_BITS, year)


def _read(frame: bytes, bit: int, width: int) -> int:
    payload = frame[HEAD_BYTES:-CRC_BYTES]
    whole = int.from_bytes(payload, "big")
    return whole >> (8 * len(payload) - bit - width) & (1 << width) - 1


def _read_signed(frame: bytes, bit: int, width: int) -> int:
    raw = _read(frame, bit, width)
    return raw - (1 << width) if raw >> width - 1 else raw


def _with_bits(frame: bytes, bit: int, width: int, value: int) -> bytes:
    payload = frame[HEAD_BYTES:-CRC_BYTES]
    shift = 8 * len(payload) - bit - width
    mask = (1 << width) - 1
    whole = int.from_bytes(payload, "big") & ~(mask << shift) | (value & mask) << shift
    return seal(whole.to_bytes(len(payload), "big"))
