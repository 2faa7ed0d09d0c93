"""What a frame is, read from its first bits: enough to choose, to judge age and to count.

Every correction frame passes here before it is forwarded, so this is cheap, total and needs no
NumPy. The contents are for ``bdgw.rtcm.message``.

Source: RTCM 10403.3, tables 3.5-1 (1001-1004), 3.5-8 (1009-1012), 3.5-78 (MSM header), 3.5-21
and following (ephemerides).
"""

from __future__ import annotations

import enum
from typing import NamedTuple

import msgspec

from bdgw.errors import EncodeError
from bdgw.rtcm.frame import message_number
from bdgw.rtcm.signal import id_of_satellite, ids_of_mask, satellite_name, signal_of

__all__ = [
    "DECODED_NUMBERS",
    "MSM_SYSTEMS",
    "Head",
    "MessageKind",
    "RawEpoch",
    "TimeScale",
    "kind_of",
    "legacy_gps_id",
    "legacy_gps_name",
    "msm_epoch",
    "read_head",
]


class MessageKind(enum.StrEnum):
    """What a message is about."""

    OBSERVATION = "observation"
    STATION = "station"
    ANTENNA = "antenna"
    EPHEMERIS = "ephemeris"
    BIAS = "bias"
    TEXT = "text"
    SYSTEM_PARAMETERS = "system_parameters"
    SSR = "ssr"
    OTHER = "other"


class TimeScale(enum.StrEnum):
    """The time scale in which a message states its epoch."""

    GPST = "gpst"
    """Milliseconds of the GPS week; Galileo, QZSS, SBAS and NavIC count the same weeks."""
    BDT = "bdt"
    """Milliseconds of the BeiDou week, 14 s behind."""
    GLONASS = "glonass"
    """Milliseconds of the day of UTC + 3 h, with leap seconds."""


class RawEpoch(msgspec.Struct, frozen=True):
    """The epoch as it stands in the message; it names no week and may be out of range.

    ``time_ms`` counts from the beginning of the week, or of the day with GLONASS; ``day_of_week``
    is that of GLONASS MSM (0 = Sunday, 7 = not known), else None.
    """

    scale: TimeScale
    time_ms: int
    day_of_week: int | None = None


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """What the first bits of a message say.

    ``system`` is a RINEX letter. ``has_more`` says that more observations of the same epoch
    follow (DF393, DF005). The masks have their place 1 at the most significant of 64 and 32 bits;
    legacy messages and ephemerides are brought into the same form. What the message does not
    have, or is too short for, is None or 0.
    """

    number: int
    kind: MessageKind
    station: int | None = None
    system: str | None = None
    epoch: RawEpoch | None = None
    has_more: bool = False
    satellite_mask: int = 0
    signal_mask: int = 0

    @property
    def n_satellites(self) -> int:
        """How many satellites the message is about."""
        return self.satellite_mask.bit_count()

    @property
    def satellites(self) -> tuple[str, ...]:
        """The satellites by their RINEX names."""
        if self.system is None:
            return ()
        ids = ids_of_mask(self.satellite_mask, 64)
        if self.number in _LEGACY and self.system == "G":
            return tuple(legacy_gps_name(number) for number in ids)
        return tuple(satellite_name(self.system, number) for number in ids)

    @property
    def signal_codes(self) -> tuple[str | None, ...]:
        """The RINEX codes of the signals, None for each that is not known."""
        if self.system is None:
            return ()
        return tuple(signal_of(self.system, i).code for i in ids_of_mask(self.signal_mask, 32))


class _Legacy(NamedTuple):
    """Where the satellites of 1001-1004 and 1009-1012 stand, in bits."""

    system: str
    head_bits: int
    row_bits: int
    l2_at: int | None  # of the L2 code indicator within a row


_LEGACY = {
    1001: _Legacy("G", 64, 58, None),
    1002: _Legacy("G", 64, 74, None),
    1003: _Legacy("G", 64, 101, 58),
    1004: _Legacy("G", 64, 125, 74),
    1009: _Legacy("R", 61, 64, None),
    1010: _Legacy("R", 61, 79, None),
    1011: _Legacy("R", 61, 107, 64),
    1012: _Legacy("R", 61, 130, 79),
}
# MSM signal id of each value of the L1 and L2 code indicators (DF010, DF016, DF039, DF046).
_LEGACY_SIGNALS = {"G": ((2, 3), (17, 9, 10, 10)), "R": ((2, 3), (8, 9, 9, 9))}
_LEGACY_SBAS = range(40, 59)

MSM_SYSTEMS = {107: "G", 108: "R", 109: "E", 110: "S", 111: "J", 112: "C", 113: "I"}
"""RINEX letter by the first three digits of an MSM number."""
_MSM = {tens * 10 + level: system for tens, system in MSM_SYSTEMS.items() for level in range(1, 8)}
_MSM_HEAD_BITS = 169

# System, and how many bits after the number name the satellite.
_EPHEMERIDES = {
    1019: ("G", 6),
    1020: ("R", 6),
    1041: ("I", 6),
    1042: ("C", 6),
    1044: ("J", 4),
    1045: ("E", 6),
    1046: ("E", 6),
}
_OF_STATION = {
    1005: MessageKind.STATION,
    1006: MessageKind.STATION,
    1032: MessageKind.STATION,
    1007: MessageKind.ANTENNA,
    1008: MessageKind.ANTENNA,
    1033: MessageKind.ANTENNA,
    1013: MessageKind.SYSTEM_PARAMETERS,
    1029: MessageKind.TEXT,
    1230: MessageKind.BIAS,
}
_SSR = frozenset([*range(1057, 1069), *range(1240, 1271), 4076])
_KINDS: dict[int, MessageKind] = {
    **dict.fromkeys(_LEGACY, MessageKind.OBSERVATION),
    **dict.fromkeys(_MSM, MessageKind.OBSERVATION),
    **dict.fromkeys(_EPHEMERIDES, MessageKind.EPHEMERIS),
    **dict.fromkeys(_SSR, MessageKind.SSR),
    **_OF_STATION,
}

DECODED_NUMBERS = frozenset([*_LEGACY, *_MSM, *_OF_STATION, *_EPHEMERIDES]) - {1041}
"""Messages whose contents ``bdgw.rtcm.message`` decodes; all others travel on as they are."""


def kind_of(number: int) -> MessageKind:
    """Tell what a message of this number is about."""
    return _KINDS.get(number, MessageKind.OTHER)


def legacy_gps_name(satellite_id: int) -> str:
    """Name a satellite of 1001-1004: 40 to 58 are the SBAS satellites PRN 120 to 138 (DF009)."""
    if satellite_id in _LEGACY_SBAS:
        return satellite_name("S", satellite_id - _LEGACY_SBAS.start + 1)
    return satellite_name("G", satellite_id)


def legacy_gps_id(name: str) -> int:
    """Give the number by which 1001-1004 know a satellite of this RINEX name.

    Raises:
        EncodeError: it has none.
    """
    if name.startswith("S"):
        satellite_id = id_of_satellite("S", name) + _LEGACY_SBAS.start - 1
        if satellite_id in _LEGACY_SBAS:
            return satellite_id
    else:
        satellite_id = id_of_satellite("G", name)
        if satellite_id not in _LEGACY_SBAS:
            return satellite_id
    raise EncodeError(f"1001 to 1004 have no number for {name}")


def read_head(frame: bytes) -> Head | None:
    """Read the head of a whole frame; None where the payload has no message number.

    The checksum is taken as proven. Never raises: a payload that is too short for its kind gives
    a head without what is missing.
    """
    number = message_number(frame)
    if number is None:
        return None
    payload = memoryview(frame)[3:-3]
    kind = _KINDS.get(number, MessageKind.OTHER)
    if kind is MessageKind.OBSERVATION:
        if number in _MSM:
            return _msm_head(number, payload)
        return _legacy_head(number, payload)
    if number in _OF_STATION:
        return Head(number=number, kind=kind, station=_station(payload))
    if kind is MessageKind.EPHEMERIS:
        system, width = _EPHEMERIDES[number]
        return Head(number=number, kind=kind, system=system, satellite_mask=_of_one(payload, width))
    return Head(number=number, kind=kind)


def _station(payload: memoryview) -> int | None:
    """DF003, the 12 bits behind the number."""
    return (payload[1] & 15) << 8 | payload[2] if len(payload) > 2 else None


def _of_one(payload: memoryview, width: int) -> int:
    if len(payload) < 3:
        return 0
    satellite = ((payload[1] & 15) << 8 | payload[2]) >> (12 - width)
    return 1 << (64 - satellite) if satellite else 0


def _msm_head(number: int, payload: memoryview) -> Head:
    system = _MSM[number]
    n_bytes = (_MSM_HEAD_BITS + 7) // 8
    if len(payload) < n_bytes:
        return Head(
            number=number,
            kind=MessageKind.OBSERVATION,
            system=system,
            station=_station(payload),
        )
    bits = int.from_bytes(payload[:n_bytes], "big") >> (n_bytes * 8 - _MSM_HEAD_BITS)
    time = bits >> 115 & 0x3FFFFFFF
    return Head(
        number=number,
        kind=MessageKind.OBSERVATION,
        system=system,
        station=bits >> 145 & 0xFFF,
        epoch=msm_epoch(system, time),
        has_more=bool(bits >> 114 & 1),
        satellite_mask=bits >> 32 & 0xFFFFFFFFFFFFFFFF,
        signal_mask=bits & 0xFFFFFFFF,
    )


def msm_epoch(system: str, field: int) -> RawEpoch:
    """Read the 30 bits of an MSM epoch (DF004, DF248, DF427, DF428, DF546; DF416 and DF034)."""
    if system == "R":
        return RawEpoch(TimeScale.GLONASS, field & 0x7FFFFFF, field >> 27)
    return RawEpoch(TimeScale.BDT if system == "C" else TimeScale.GPST, field)


def _legacy_head(number: int, payload: memoryview) -> Head:
    layout = _LEGACY[number]
    n_bits = len(payload) * 8
    if n_bits < layout.head_bits:
        return Head(
            number=number,
            kind=MessageKind.OBSERVATION,
            system=layout.system,
            station=_station(payload),
        )
    bits = int.from_bytes(payload, "big")
    head = bits >> (n_bits - layout.head_bits)
    n_rows = head >> 4 & 31
    if layout.system == "G":
        epoch, has_more = RawEpoch(TimeScale.GPST, head >> 10 & 0x3FFFFFFF), head >> 9 & 1
    else:
        epoch, has_more = RawEpoch(TimeScale.GLONASS, head >> 10 & 0x7FFFFFF), head >> 9 & 1
    satellite_mask, signal_mask = _legacy_masks(layout, bits, n_bits, n_rows)
    return Head(
        number=number,
        kind=MessageKind.OBSERVATION,
        system=layout.system,
        station=_station(payload),
        epoch=epoch,
        has_more=bool(has_more),
        satellite_mask=satellite_mask,
        signal_mask=signal_mask,
    )


def _legacy_masks(layout: _Legacy, bits: int, n_bits: int, n_rows: int) -> tuple[int, int]:
    """Collect satellites and signals of as many rows as the payload holds."""
    l1_signals, l2_signals = _LEGACY_SIGNALS[layout.system]
    n_rows = min(n_rows, (n_bits - layout.head_bits) // layout.row_bits)
    satellites = signals = 0
    end = n_bits - layout.head_bits
    for _ in range(n_rows):
        satellite = bits >> (end - 6) & 63
        if satellite:
            satellites |= 1 << (64 - satellite)
        signals |= 1 << (32 - l1_signals[bits >> (end - 7) & 1])
        if layout.l2_at is not None:
            signals |= 1 << (32 - l2_signals[bits >> (end - layout.l2_at - 2) & 3])
        end -= layout.row_bits
    return satellites, signals
