"""One door to the contents of RTCM 3: a frame becomes a value and a value becomes a frame.

``decode`` is total: any bytes give a value, ``Unsupported`` or ``DecodeError``. To add a message,
write its rows and value, and a line in ``_CODECS``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from bdgw.errors import DecodeError, EncodeError
from bdgw.rtcm.antenna import StationEquipment, decode_equipment, encode_equipment
from bdgw.rtcm.bits import BitReader, BitWriter
from bdgw.rtcm.ephemeris import (
    BdsEphemeris,
    GalileoEphemeris,
    GlonassEphemeris,
    GpsEphemeris,
)
from bdgw.rtcm.frame import message_number, payload_of, seal_rtcm3
from bdgw.rtcm.head import DECODED_NUMBERS, MessageKind, kind_of
from bdgw.rtcm.legacy import decode_legacy, encode_legacy
from bdgw.rtcm.msm import decode_msm
from bdgw.rtcm.msm_encoder import encode_msm
from bdgw.rtcm.navigation import decode_ephemeris, encode_ephemeris
from bdgw.rtcm.notice import (
    GlonassBias,
    StationText,
    SystemParameters,
    decode_bias,
    decode_parameters,
    decode_text,
    encode_bias,
    encode_parameters,
    encode_text,
)
from bdgw.rtcm.observation import Observations
from bdgw.rtcm.station import (
    PhysicalStation,
    StationPosition,
    decode_physical,
    decode_position,
    encode_physical,
    encode_position,
)

__all__ = ["Message", "Unsupported", "decode", "encode"]

_NUMBER_BITS = 12
_FIRST_MSM = 1071
_LAST_MSM = 1137


class Unsupported(msgspec.Struct, frozen=True):
    """A message whose contents are not decoded; ``number`` is None for a filler."""

    number: int | None
    payload: bytes


Message = (
    Observations
    | StationPosition
    | PhysicalStation
    | StationEquipment
    | SystemParameters
    | StationText
    | GlonassBias
    | GpsEphemeris
    | GlonassEphemeris
    | BdsEphemeris
    | GalileoEphemeris
    | Unsupported
)


class _Codec(NamedTuple):
    kinds: tuple[type, ...]
    decode: Callable[[int, BitReader], Any]
    encode: Callable[[Any, BitWriter], None]


_EPHEMERIS = _Codec(
    (GpsEphemeris, GlonassEphemeris, BdsEphemeris, GalileoEphemeris),
    decode_ephemeris,
    encode_ephemeris,
)
_EQUIPMENT = _Codec((StationEquipment,), decode_equipment, encode_equipment)
_POSITION = _Codec((StationPosition,), decode_position, encode_position)
_LEGACY = _Codec((Observations,), decode_legacy, encode_legacy)
_CODECS: dict[int, _Codec] = {
    **dict.fromkeys((1001, 1002, 1003, 1004, 1009, 1010, 1011, 1012), _LEGACY),
    1005: _POSITION,
    1006: _POSITION,
    1007: _EQUIPMENT,
    1008: _EQUIPMENT,
    1033: _EQUIPMENT,
    1013: _Codec((SystemParameters,), decode_parameters, encode_parameters),
    **dict.fromkeys((1019, 1020, 1042, 1044, 1045, 1046), _EPHEMERIS),
    1029: _Codec((StationText,), decode_text, encode_text),
    1032: _Codec((PhysicalStation,), decode_physical, encode_physical),
    1230: _Codec((GlonassBias,), decode_bias, encode_bias),
}


def decode(frame: bytes) -> Message:
    """Decode a whole frame whose checksum is proven.

    Bits behind the last field are padding, or fields of a later standard, and are passed over.

    Raises:
        DecodeError: the payload is too short for what it announces, or contradicts itself.
    """
    number = message_number(frame)
    payload = payload_of(frame)
    if number not in DECODED_NUMBERS or number is None:
        return Unsupported(number, payload)
    try:
        codec = _CODECS.get(number)
        if codec is None:
            return decode_msm(number, payload)
        reader = BitReader(payload)
        reader.position = _NUMBER_BITS
        message: Message = codec.decode(number, reader)
    except DecodeError as error:
        raise DecodeError(f"{number}: {error.what}", bit=error.bit) from None
    return message


def encode(message: Message) -> bytes:
    """Write a message as a whole frame.

    Raises:
        EncodeError: a value does not fit its field, or the number is not of this kind of message.
    """
    if isinstance(message, Unsupported):
        return seal_rtcm3(message.payload)
    if isinstance(message, Observations):
        message.require_finite()
    writer = BitWriter()
    writer.put(_NUMBER_BITS, message.number, "number")
    codec = _CODECS.get(message.number)
    if codec is not None and isinstance(message, codec.kinds):
        codec.encode(message, writer)
    elif isinstance(message, Observations) and _is_msm(message.number):
        encode_msm(message, writer)
    else:
        raise EncodeError(f"{message.number} is no {type(message).__name__}")
    return seal_rtcm3(writer.payload())


def _is_msm(number: int) -> bool:
    return (
        _FIRST_MSM <= number <= _LAST_MSM
        and number in DECODED_NUMBERS
        and kind_of(number) is MessageKind.OBSERVATION
    )
