"""What a station says about itself: 1013 (system parameters), 1029 (text), 1230 (biases).

Source: RTCM 10403.3, tables 3.5-14, 3.5-34 and 3.5-90.
"""

from __future__ import annotations

import datetime as dt

import msgspec

from bdgw.errors import DecodeError, EncodeError
from bdgw.rtcm.bits import BitReader, BitWriter
from bdgw.rtcm.field import RESERVED, Layout, flag, signed, unsigned

__all__ = ["Announcement", "GlonassBias", "StationText", "SystemParameters", "day_of_mjd"]

_MJD_ORDINAL = dt.date(1858, 11, 17).toordinal()
_STATION = ("station", unsigned("DF003", 12))
_MJD = ("mjd", unsigned("DF051", 16, unit="d"))
_SOD = ("sod_s", unsigned("DF052", 17, unit="s"))
_PARAMETERS = Layout(
    _STATION,
    _MJD,
    _SOD,
    ("n_announcements", unsigned("DF053", 5)),
    ("leap_seconds_s", unsigned("DF054", 8, unit="s", absent=255)),
)
_ANNOUNCEMENT = Layout(
    ("message_number", unsigned("DF055", 12)),
    ("is_synchronous", flag("DF056")),
    ("period_s", unsigned("DF057", 16, per=10, unit="s")),
)
_TEXT = Layout(
    _STATION, _MJD, _SOD, ("n_characters", unsigned("DF138", 7)), ("n_bytes", unsigned("DF139", 8))
)
_BIAS_HEAD = Layout(_STATION, ("is_aligned", flag("DF421")), (RESERVED, unsigned("DF001_3", 3)))
_BIASES = tuple(
    (code, mask, signed(field, 16, per=50, unit="m", absent=-32768))
    for code, mask, field in (
        ("1C", "DF422_1", "DF423"),
        ("1P", "DF422_2", "DF424"),
        ("2C", "DF422_3", "DF425"),
        ("2P", "DF422_4", "DF426"),
    )
)


class Announcement(msgspec.Struct, frozen=True, kw_only=True):
    """A message that the station says it sends every ``period_s`` seconds."""

    message_number: int
    is_synchronous: bool
    period_s: float


class SystemParameters(msgspec.Struct, frozen=True, kw_only=True):
    """1013: the day (modified Julian), the second of that UTC day, and what is announced.

    ``leap_seconds_s`` is GPST - UTC; None where the station does not say it.
    """

    number: int
    station: int
    mjd: int
    sod_s: int
    leap_seconds_s: int | None = None
    announcements: tuple[Announcement, ...] = ()


class StationText(msgspec.Struct, frozen=True, kw_only=True):
    """1029: a text for people, with the UTC day (modified Julian) and second of that day."""

    number: int
    station: int
    mjd: int
    sod_s: int
    text: str


class GlonassBias(msgspec.Struct, frozen=True, kw_only=True):
    """1230: code minus phase of the station's GLONASS FDMA signals.

    ``bias_m`` maps RINEX codes (1C, 1P, 2C, 2P) to metres, None where the station does not know
    it; a signal that the message does not carry is not in it. ``is_aligned`` says that the
    phases already are corrected by them (DF421).
    """

    number: int
    station: int
    is_aligned: bool
    bias_m: dict[str, float | None]


def day_of_mjd(mjd: int) -> dt.date:
    """Turn a modified Julian day into a date."""
    return dt.date.fromordinal(_MJD_ORDINAL + mjd)


def decode_parameters(number: int, reader: BitReader) -> SystemParameters:
    """Read 1013 behind the message number."""
    row = _PARAMETERS.read(reader)
    count = row.pop("n_announcements")
    reader.require(count * _ANNOUNCEMENT.n_bits, "announcements")
    announcements = [_ANNOUNCEMENT.read(reader) for _ in range(count)]
    return msgspec.convert(
        {"number": number, "announcements": announcements, **row}, SystemParameters
    )


def encode_parameters(message: SystemParameters, writer: BitWriter) -> None:
    """Write 1013 behind the message number."""
    row = msgspec.structs.asdict(message) | {"n_announcements": len(message.announcements)}
    _PARAMETERS.write(writer, row)
    for announcement in message.announcements:
        _ANNOUNCEMENT.write(writer, msgspec.structs.asdict(announcement))


def decode_text(number: int, reader: BitReader) -> StationText:
    """Read 1029 behind the message number; the text must be UTF-8.

    The count of characters (DF138) is not believed: makers count bytes, code units or letters.
    """
    row = _TEXT.read(reader)
    n_bytes = row.pop("n_bytes")
    row.pop("n_characters")
    reader.require(n_bytes * 8, "text")
    at = reader.position
    data = reader.take(n_bytes * 8, "text").to_bytes(n_bytes, "big")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DecodeError("the text is not UTF-8", bit=at + 8 * error.start) from None
    return msgspec.convert({"number": number, "text": text, **row}, StationText)


def encode_text(message: StationText, writer: BitWriter) -> None:
    """Write 1029 behind the message number."""
    data = message.text.encode("utf-8")
    row = msgspec.structs.asdict(message)
    row |= {"n_characters": len(message.text), "n_bytes": len(data)}
    _TEXT.write(writer, row)
    writer.put(len(data) * 8, int.from_bytes(data, "big"), "text")


def decode_bias(number: int, reader: BitReader) -> GlonassBias:
    """Read 1230 behind the message number."""
    row = _BIAS_HEAD.read(reader)
    is_present = [reader.take(1, mask) for _, mask, _ in _BIASES]
    bias_m = {
        code: field.value(reader.take(field.bits, f"bias of {code}"))
        for (code, _, field), present in zip(_BIASES, is_present, strict=True)
        if present
    }
    return msgspec.convert({"number": number, "bias_m": bias_m, **row}, GlonassBias)


def encode_bias(message: GlonassBias, writer: BitWriter) -> None:
    """Write 1230 behind the message number."""
    unknown = set(message.bias_m) - {code for code, _, _ in _BIASES}
    if unknown:
        raise EncodeError(f"1230 has no place for {', '.join(sorted(unknown))}")
    _BIAS_HEAD.write(writer, msgspec.structs.asdict(message))
    for code, mask, _ in _BIASES:
        writer.put(1, code in message.bias_m, mask)
    for code, _, field in _BIASES:
        if code in message.bias_m:
            writer.put(field.bits, field.wire(message.bias_m[code], code), code)
