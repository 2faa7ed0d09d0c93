"""Where the reference station is (1005, 1006), and which real one a virtual one leans on (1032).

Source: RTCM 10403.3, tables 3.5-6, 3.5-7 and 3.5-38.
"""

from __future__ import annotations

import msgspec

from bdgw.errors import EncodeError
from bdgw.rtcm.bits import BitReader, BitWriter
from bdgw.rtcm.field import RESERVED, Layout, flag, signed, unsigned
from bdgw.rtcm.frame import message_number, payload_of

__all__ = ["POSITION_NUMBERS", "PhysicalStation", "StationPosition", "read_position"]

POSITION_NUMBERS = (1005, 1006)
_NUMBER_BITS = 12
_TENTH_MM = 10_000
_WITH_HEIGHT = 1006
_X = ("x_m", signed("DF025", 38, per=_TENTH_MM, unit="m"))
_Y = ("y_m", signed("DF026", 38, per=_TENTH_MM, unit="m"))
_Z = ("z_m", signed("DF027", 38, per=_TENTH_MM, unit="m"))
_STATION = ("station", unsigned("DF003", 12))
_ITRF_YEAR = ("itrf_year", unsigned("DF021", 6, absent=0))
_POSITION = Layout(
    _STATION,
    _ITRF_YEAR,
    ("serves_gps", flag("DF022")),
    ("serves_glonass", flag("DF023")),
    ("serves_galileo", flag("DF024")),
    ("is_non_physical", flag("DF141")),
    _X,
    ("has_single_oscillator", flag("DF142")),
    (RESERVED, flag("DF001_1")),
    _Y,
    ("quarter_cycle", unsigned("DF364", 2)),
    _Z,
)
_HEIGHT = Layout(("antenna_height_m", unsigned("DF028", 16, per=_TENTH_MM, unit="m")))
_PHYSICAL = Layout(
    _STATION,
    ("physical_station", unsigned("DF226", 12)),
    _ITRF_YEAR,
    _X,
    _Y,
    _Z,
)


class StationPosition(msgspec.Struct, frozen=True, kw_only=True):
    """1005 or 1006: the antenna reference point.

    ``ecef_m`` is Earth-centred, Earth-fixed, in metres; the message does not say in which frame
    (``itrf_year``, DF021, is reserved and None in practice). ``antenna_height_m`` is above the
    marker; 1005 has none. ``is_non_physical`` marks a virtual reference station.
    ``quarter_cycle`` is DF364: 0 unspecified, 1 corrected, 2 not corrected.
    """

    number: int
    station: int
    ecef_m: tuple[float, float, float]
    antenna_height_m: float | None = None
    itrf_year: int | None = None
    serves_gps: bool = True
    serves_glonass: bool = False
    serves_galileo: bool = False
    is_non_physical: bool = False
    has_single_oscillator: bool = False
    quarter_cycle: int = 0


class PhysicalStation(msgspec.Struct, frozen=True, kw_only=True):
    """1032: the real station behind a virtual one; ``ecef_m`` as in ``StationPosition``."""

    number: int
    station: int
    physical_station: int
    ecef_m: tuple[float, float, float]
    itrf_year: int | None = None


def decode_position(number: int, reader: BitReader) -> StationPosition:
    """Read 1005 or 1006 behind the message number."""
    row = _POSITION.read(reader)
    ecef_m = (row.pop("x_m"), row.pop("y_m"), row.pop("z_m"))
    if number == _WITH_HEIGHT:
        row |= _HEIGHT.read(reader)
    return msgspec.convert({"number": number, "ecef_m": ecef_m, **row}, StationPosition)


def read_position(frame: bytes) -> StationPosition | None:
    """Read a whole frame of 1005 or 1006 whose checksum is proven; None for any other message.

    The same as the general decoder, for those who need nothing else of it, and no NumPy.

    Raises:
        DecodeError: the payload is too short.
    """
    number = message_number(frame)
    if number is None or number not in POSITION_NUMBERS:
        return None
    reader = BitReader(payload_of(frame))
    reader.position = _NUMBER_BITS
    return decode_position(number, reader)


def encode_position(message: StationPosition, writer: BitWriter) -> None:
    """Write 1005 or 1006 behind the message number."""
    row = msgspec.structs.asdict(message)
    row["x_m"], row["y_m"], row["z_m"] = message.ecef_m
    _POSITION.write(writer, row)
    if message.number == _WITH_HEIGHT:
        _HEIGHT.write(writer, row)
    elif message.antenna_height_m is not None:
        raise EncodeError(f"{message.number} has no place for the antenna height; 1006 has")


def decode_physical(number: int, reader: BitReader) -> PhysicalStation:
    """Read 1032 behind the message number."""
    row = _PHYSICAL.read(reader)
    ecef_m = (row.pop("x_m"), row.pop("y_m"), row.pop("z_m"))
    return msgspec.convert({"number": number, "ecef_m": ecef_m, **row}, PhysicalStation)


def encode_physical(message: PhysicalStation, writer: BitWriter) -> None:
    """Write 1032 behind the message number."""
    row = msgspec.structs.asdict(message)
    row["x_m"], row["y_m"], row["z_m"] = message.ecef_m
    _PHYSICAL.write(writer, row)
