"""The sentences that the gateway understands, as data: one row a field, and what reads the rows.

Everything here is NMEA 0183 4.11, clause 6.3; fields that a version or a maker leaves out at the
end are absent. Sentences of other kinds come back as ``Unsupported`` with their name.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, NamedTuple

import msgspec

from bdgw.model import Satellite
from bdgw.nmea.field import (
    AZIMUTH_DEG,
    CN0_DBHZ,
    COUNT,
    ELEVATION_DEG,
    FieldError,
    Reader,
    angle_deg,
    character,
    date_ddmmyy,
    day_month_year,
    integer,
    latitude_deg,
    longitude_deg,
    non_negative,
    number,
    quality,
    station,
    time_of_day_ns,
    word,
)
from bdgw.nmea.satellite import SATELLITE_BY_TEXT, SYSTEM_BY_ID, SYSTEM_BY_TALKER

__all__ = [
    "Gga",
    "Gll",
    "Gns",
    "Gsa",
    "Gst",
    "Gsv",
    "Malformed",
    "Rmc",
    "Sentence",
    "Unsupported",
    "Vtg",
    "Zda",
    "decode",
]


class Gga(msgspec.Struct, frozen=True, gc=False):
    """Position, quality, satellites. ``alt_msl_m`` is above mean sea level."""

    talker: str
    lat_deg: float | None
    lon_deg: float | None
    tod_ns: int | None
    quality: int | None
    sats_used: int | None
    hdop: float | None
    alt_msl_m: float | None
    geoid_separation_m: float | None
    corr_age_s: float | None
    corr_station: int | None


class Rmc(msgspec.Struct, frozen=True, gc=False):
    """Recommended minimum: position, velocity, date. Speed is in knots as sent."""

    talker: str
    lat_deg: float | None
    lon_deg: float | None
    tod_ns: int | None
    status: str | None
    speed_kn: float | None
    course_deg: float | None
    date: dt.date | None
    mode: str | None
    nav_status: str | None


class Gns(msgspec.Struct, frozen=True, gc=False):
    """Position of several systems; ``mode`` has one letter a system, in the order G R E C J I."""

    talker: str
    lat_deg: float | None
    lon_deg: float | None
    tod_ns: int | None
    mode: str | None
    sats_used: int | None
    hdop: float | None
    alt_msl_m: float | None
    geoid_separation_m: float | None
    corr_age_s: float | None
    corr_station: int | None
    nav_status: str | None


class Gll(msgspec.Struct, frozen=True, gc=False):
    """Position and time."""

    talker: str
    lat_deg: float | None
    lon_deg: float | None
    tod_ns: int | None
    status: str | None
    mode: str | None


class Gst(msgspec.Struct, frozen=True, gc=False):
    """Standard deviations of the position (68 %), metres."""

    talker: str
    tod_ns: int | None
    rms_m: float | None
    major_m: float | None
    minor_m: float | None
    orientation_deg: float | None
    lat_std_m: float | None
    lon_std_m: float | None
    alt_std_m: float | None


class Vtg(msgspec.Struct, frozen=True, gc=False):
    """Course over ground (true, degrees) and speed as sent in knots and in km/h."""

    talker: str
    course_deg: float | None
    speed_kn: float | None
    speed_km_h: float | None
    mode: str | None


class Zda(msgspec.Struct, frozen=True, gc=False):
    """Full date and time of day. Some receivers stamp the moment of sending, not the epoch."""

    talker: str
    tod_ns: int | None
    date: dt.date | None


class Gsa(msgspec.Struct, frozen=True, gc=False):
    """Dilution of precision and the satellites used, as (RINEX system letter, PRN)."""

    talker: str
    selection: str | None
    dimension: int | None
    used: tuple[tuple[str, int], ...]
    pdop: float | None
    hdop: float | None
    vdop: float | None
    system_id: str | None
    n_unknown: int


class Gsv(msgspec.Struct, frozen=True, gc=False):
    """Part ``index`` of ``total`` of the satellites in view of one system (and signal)."""

    talker: str
    total: int
    index: int
    in_view: int | None
    satellites: tuple[Satellite, ...]
    signal: int | None
    n_unknown: int


Sentence = Gga | Rmc | Gns | Gll | Gst | Vtg | Zda | Gsa | Gsv


class Unsupported(msgspec.Struct, frozen=True, gc=False):
    """A whole sentence of a kind that is passed over; ``name`` is its address or formatter."""

    talker: str
    name: str


class Malformed(msgspec.Struct, frozen=True, gc=False):
    """A sentence with a good checksum whose content breaks the standard."""

    talker: str
    name: str
    reason: str


class _Row(NamedTuple):
    """How the fields of one sentence are read. Index 0 is the address.

    ``position`` is the index of the latitude (latitude, N/S, longitude, E/W follow each other in
    all sentences). ``void`` is the field and the letter that say that the position means nothing.
    """

    build: Callable[..., Any]
    n_fields: int
    fields: tuple[tuple[Reader, int], ...]
    position: int | None = None
    void: tuple[int, str] = (0, "")


# NMEA 0183 4.11, clause 6.3, each sentence under its own formatter; fields in the order of the
# message's attributes.
_ROWS = {
    "GGA": _Row(
        Gga,
        15,
        (
            (time_of_day_ns, 1),
            (quality, 6),
            (integer, 7),
            (non_negative, 8),
            (number, 9),
            (number, 11),
            (non_negative, 13),
            (station, 14),
        ),
        position=2,
        void=(6, "0"),
    ),
    "RMC": _Row(
        Rmc,
        14,
        (
            (time_of_day_ns, 1),
            (character, 2),
            (non_negative, 7),
            (angle_deg, 8),
            (date_ddmmyy, 9),
            (character, 12),
            (character, 13),
        ),
        position=3,
        void=(2, "V"),
    ),
    "GNS": _Row(
        Gns,
        14,
        (
            (time_of_day_ns, 1),
            (word, 6),
            (integer, 7),
            (non_negative, 8),
            (number, 9),
            (number, 10),
            (non_negative, 11),
            (station, 12),
            (character, 13),
        ),
        position=2,
    ),
    "GLL": _Row(
        Gll,
        8,
        ((time_of_day_ns, 5), (character, 6), (character, 7)),
        position=1,
        void=(6, "V"),
    ),
    "GST": _Row(
        Gst,
        9,
        (
            (time_of_day_ns, 1),
            (non_negative, 2),
            (non_negative, 3),
            (non_negative, 4),
            (number, 5),
            (non_negative, 6),
            (non_negative, 7),
            (non_negative, 8),
        ),
    ),
    "VTG": _Row(Vtg, 10, ((angle_deg, 1), (non_negative, 5), (non_negative, 7), (character, 9))),
}
_PADDING = [""] * 16
_SIGNAL_BY_TEXT = {"": None} | {
    text: value for value in range(16) for text in (f"{value:X}", f"{value:x}", f"{value:02X}")
}
"""Signal ids (4.10 and later): one hexadecimal digit."""


def decode(data: bytes) -> Sentence | Unsupported | Malformed:
    """Decode a sentence that the framer has found whole; never raises."""
    fields = str(data[1 : data.rindex(b"*")], "ascii").split(",")
    talker, name, decoder = _route(fields[0])
    if decoder is None:
        return Unsupported(talker, name)
    try:
        return decoder(talker, fields)
    except (ValueError, LookupError) as error:
        return Malformed(talker, name, str(error))


_Decoder = Callable[[str, list[str]], Sentence]


@lru_cache(256)
def _route(address: str) -> tuple[str, str, _Decoder | None]:
    """Split an address into talker and formatter, and find who decodes it."""
    if len(address) != 5 or (address[0] == "P" and address[1] != "Q"):
        return "", address, None  # proprietary, or not of the standard
    talker, name = address[:2], address[2:]
    row = _ROWS.get(name)
    if row is not None:
        return talker, name, partial(_decode_row, row)
    return talker, name, _OTHER_DECODERS.get(name)


def _decode_row(row: _Row, talker: str, fields: list[str]) -> Sentence:
    build, n_fields, readers, position, (void_index, void_text) = row
    if len(fields) < n_fields:
        fields += _PADDING[: n_fields - len(fields)]
    values = [read(fields[index]) for read, index in readers]
    if position is None:
        return build(talker, *values)  # type: ignore[no-any-return]
    if fields[void_index] == void_text:
        # Receivers without a fix fill the position with anything (8960.0000, 36000.0000).
        return build(talker, None, None, *values)  # type: ignore[no-any-return]
    latitude, north, longitude, east = fields[position : position + 4]
    return build(  # type: ignore[no-any-return]
        talker, latitude_deg(latitude, north), longitude_deg(longitude, east), *values
    )


def _decode_zda(talker: str, fields: list[str]) -> Zda:
    return Zda(talker, time_of_day_ns(fields[1]), day_month_year(fields[2], fields[3], fields[4]))


def _decode_gsa(talker: str, fields: list[str]) -> Gsa:
    n_fields = len(fields)
    if n_fields < 18:
        raise FieldError(f"{n_fields - 1} fields where 17 are needed")
    system_id = fields[18] or None if n_fields > 18 else None
    if system_id is not None:
        system = SYSTEM_BY_ID.get(system_id, "")
    else:
        system = SYSTEM_BY_TALKER.get(talker, "")
    by_text = SATELLITE_BY_TEXT[system]
    numbers = [text for text in fields[3:15] if text]
    satellites = [by_text[text] for text in numbers]
    used = tuple([satellite for satellite in satellites if satellite is not None])
    return Gsa(
        talker,
        character(fields[1]),
        integer(fields[2]),
        used,
        non_negative(fields[15]),
        non_negative(fields[16]),
        non_negative(fields[17]),
        system_id,
        len(numbers) - len(used),
    )


def _decode_gsv(talker: str, fields: list[str]) -> Gsv:
    if talker == "PQ" and len(fields) % 4 == 2:
        del fields[-1]  # Quectel's own sentence ends with a system id after the signal id
    # 4 fields a satellite; a single field left over is the signal id (4.10 and later).
    stop = len(fields) & ~3
    leftover = len(fields) - stop
    # A receiver that sees nothing may leave all fields empty, the counts too.
    total, index = COUNT[fields[1]] or 1, COUNT[fields[2]] or 1
    if leftover > 1 or index > total:
        raise FieldError(f"part {index} of {total} with {len(fields) - 4} satellite fields")
    signal = _SIGNAL_BY_TEXT[fields[-1]] if leftover else None
    by_text = SATELLITE_BY_TEXT[SYSTEM_BY_TALKER.get(talker, "")]
    numbers = fields[4:stop:4]
    satellites = [
        Satellite(
            satellite[0],
            satellite[1],
            ELEVATION_DEG[elevation],
            AZIMUTH_DEG[azimuth],
            CN0_DBHZ[cn0],
            signal,
        )
        for text, elevation, azimuth, cn0 in zip(
            numbers, fields[5:stop:4], fields[6:stop:4], fields[7:stop:4], strict=True
        )
        if text and (satellite := by_text[text]) is not None
    ]
    n_unknown = len(numbers) - numbers.count("") - len(satellites)
    in_view = COUNT[fields[3]]
    return Gsv(talker, total, index, in_view, tuple(satellites), signal, n_unknown)


_OTHER_DECODERS: dict[str, _Decoder] = {
    "GSA": _decode_gsa,
    "GSV": _decode_gsv,
    "ZDA": _decode_zda,
}
