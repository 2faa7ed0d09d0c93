"""What antenna and receiver the station has: 1007, 1008 and 1033.

Source: RTCM 10403.3, tables 3.5-7, 3.5-8 and 3.5-39: texts of a length byte and ISO 8859-1.
"""

from __future__ import annotations

import msgspec

from bdgw.errors import EncodeError
from bdgw.rtcm.bits import BitReader, BitWriter

__all__ = ["StationEquipment"]

_SERIAL_FROM = 1008
_RECEIVER_FROM = 1033
_TEXTS = {
    1007: (),
    1008: ("antenna_serial",),
    1033: ("antenna_serial", "receiver", "firmware", "receiver_serial"),
}
"""The texts behind the setup id, in the order of the wire."""
_ALL_TEXTS = _TEXTS[_RECEIVER_FROM]


class StationEquipment(msgspec.Struct, frozen=True, kw_only=True):
    """1007, 1008 or 1033; a text that is empty or not in the message is None.

    ``antenna`` is the IGS name of antenna and radome; ``setup_id`` 0 stands for the standard IGS
    model (DF031).
    """

    number: int
    station: int
    antenna: str | None = None
    setup_id: int = 0
    antenna_serial: str | None = None
    receiver: str | None = None
    firmware: str | None = None
    receiver_serial: str | None = None


def decode_equipment(number: int, reader: BitReader) -> StationEquipment:
    """Read 1007, 1008 or 1033 behind the message number."""
    station = reader.take(12, "station")
    antenna = _take_text(reader, "antenna")
    setup_id = reader.take(8, "setup_id")
    texts = {name: _take_text(reader, name) for name in _TEXTS[number]}
    return StationEquipment(
        number=number, station=station, antenna=antenna, setup_id=setup_id, **texts
    )


def encode_equipment(message: StationEquipment, writer: BitWriter) -> None:
    """Write 1007, 1008 or 1033 behind the message number."""
    writer.put(12, message.station, "station")
    _put_text(writer, message.antenna, "antenna")
    writer.put(8, message.setup_id, "setup_id")
    for name in _ALL_TEXTS:
        text = getattr(message, name)
        if name in _TEXTS[message.number]:
            _put_text(writer, text, name)
        elif text is not None:
            raise EncodeError(f"{message.number} has no place for {name}")


def _take_text(reader: BitReader, name: str) -> str | None:
    length = reader.take(8, f"length of {name}")
    reader.require(length * 8, name)
    return reader.take(length * 8, name).to_bytes(length, "big").decode("latin-1") or None


def _put_text(writer: BitWriter, text: str | None, name: str) -> None:
    try:
        data = (text or "").encode("latin-1")
    except UnicodeEncodeError:
        raise EncodeError(f"{name} has characters outside ISO 8859-1") from None
    writer.put(8, len(data), f"length of {name}")
    writer.put(len(data) * 8, int.from_bytes(data, "big"), name)
