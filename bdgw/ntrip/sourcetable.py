"""What a caster offers: its table of casters, networks and streams, read and written.

Field order: RTCM 10410.1, clause 6 (STR, CAS, NET). Tables are typed by people and cut by proxies:
a line that is no record is counted, and unquoted semicolons are found by what must stand where.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from bdgw.ntrip import table_field as field
from bdgw.ntrip.table_record import CasterRecord, NetworkRecord, Sourcetable, StreamRecord

__all__ = [
    "TABLE_MAX_BYTES",
    "CasterRecord",
    "NetworkRecord",
    "Sourcetable",
    "StreamRecord",
    "format_sourcetable",
    "is_table_start",
    "parse_sourcetable",
]

TABLE_MAX_BYTES = 4 * 1024 * 1024
_RECORDS_MAX = 20_000
_LINE_MAX_BYTES = 4096
_END = b"ENDSOURCETABLE"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_KINDS = (b"STR;", b"CAS;", b"NET;")
_LINE_END = re.compile(rb"[\r\n]+")
_FORMAT = re.compile(
    r"(RTCM|CMR|RAW|RINEX|NMEA|BINEX|RTCA|SAPOS|NOVATEL|TRIMBLE|UBX|BREV|LB2)", re.I
)


def is_table_start(data: bytes) -> bool | None:
    """Whether a body that begins with ``data`` is a table; None while that cannot be told."""
    text = data.lstrip(b"\r\n\t ")
    if not text:
        return None
    for start in (*_KINDS, b"SOURCETABLE ", _END):
        length = min(len(start), len(text))
        if text[:length] == start[:length]:
            return True if length == len(start) else None
    return False


def parse_sourcetable(data: bytes) -> Sourcetable:
    """Read a table, with or without the reply's head before it; never fails."""
    streams: list[StreamRecord] = []
    casters: list[CasterRecord] = []
    networks: list[NetworkRecord] = []
    n_repaired = n_damaged = n_dropped = 0
    is_complete = False
    has_begun = False
    for line in _LINE_END.split(data[:TABLE_MAX_BYTES]):
        text = line.removeprefix(_BYTE_ORDER_MARK).strip(b" \t\x00")
        if text.startswith(_END):
            is_complete = True
            break
        if not text.startswith(_KINDS):
            # Before the first record stands the reply's head; blank and comment lines are no harm.
            n_damaged += has_begun and bool(text) and not text.startswith(b"#")
            continue
        has_begun = True
        if len(streams) + len(casters) + len(networks) >= _RECORDS_MAX:
            n_dropped += 1
            continue
        fields = field.split_fields(field.decode_line(text[:_LINE_MAX_BYTES]))
        if len(fields) < 2 or not fields[1]:
            n_damaged += 1
        elif fields[0] == "STR":
            aligned = _align_stream(fields)
            n_repaired += aligned is not fields
            streams.append(_read_stream(aligned))
        elif fields[0] == "CAS":
            casters.append(_read_caster(fields))
        else:
            networks.append(_read_network(fields))
    return Sourcetable(
        streams=tuple(streams),
        casters=tuple(casters),
        networks=tuple(networks),
        is_complete=is_complete,
        n_repaired=n_repaired,
        n_damaged=n_damaged,
        n_dropped=n_dropped,
    )


def format_sourcetable(table: Sourcetable) -> bytes:
    """Write the body of a table, ENDSOURCETABLE included, in UTF-8 with CRLF."""
    lines = [*map(_write_caster, table.casters), *map(_write_network, table.networks)]
    lines += map(_write_stream, table.streams)
    return "".join(f"{line}\r\n" for line in [*lines, "ENDSOURCETABLE"]).encode()


class _Anchor(NamedTuple):
    """Where fields of a known look must stand in STR, and which field takes surplus text."""

    place: int
    fits: Callable[[Sequence[str]], bool]
    is_wrong: Callable[[Sequence[str]], bool]
    """Whether what stands in that place cannot belong there; empty may."""


def _is_place(fields: Sequence[str]) -> bool:
    """Latitude, longitude, NMEA flag, solution."""
    return (
        len(fields) >= 4
        and field.decimal(fields[0]) is not None
        and field.decimal(fields[1]) is not None
        and fields[2] in ("0", "1", "")
        and fields[3] in ("0", "1", "")
    )


def _is_access(fields: Sequence[str]) -> bool:
    """Authentication, fee."""
    return len(fields) >= 2 and fields[0] in ("N", "B", "D") and fields[1] in ("N", "Y")


def _is_no_place(fields: Sequence[str]) -> bool:
    return any(each and field.decimal(each) is None for each in fields[:2])


def _is_no_access(fields: Sequence[str]) -> bool:
    return bool(fields) and fields[0] not in ("N", "B", "D", "")


_PLACE = _Anchor(9, _is_place, _is_no_place)
_ACCESS = _Anchor(15, _is_access, _is_no_access)
_SHIFT_MAX = 24


def _surplus(fields: list[str], anchor: _Anchor) -> int:
    """How many fields too many stand before the anchor; 0 where that cannot be told."""
    if not anchor.is_wrong(fields[anchor.place :]):
        return 0
    shifts = range(1, min(_SHIFT_MAX, len(fields) - anchor.place))
    fitting = (shift for shift in shifts if anchor.fits(fields[anchor.place + shift :]))
    return next(fitting, 0)


def _align_stream(fields: list[str]) -> list[str]:
    """Put unquoted semicolons back into the names they belong to; the same list if all is well."""
    surplus = _surplus(fields, _PLACE)
    if surplus:
        # The format's name says where the identifier ends; the rest can only be the network's.
        shifts = range(surplus, -1, -1)
        first = next((shift for shift in shifts if _FORMAT.match(fields[3 + shift])), surplus)
        fields = _merged(_merged(fields, 2, first), 7, surplus - first)
    surplus = _surplus(fields, _ACCESS)
    return _merged(fields, 13, surplus) if surplus else fields


def _merged(fields: list[str], index: int, n_more: int) -> list[str]:
    joined = ";".join(fields[index : index + n_more + 1])
    return [*fields[:index], joined, *fields[index + n_more + 1 :]]


def _padded(fields: list[str], length: int) -> list[str]:
    """Fields with empty ones for what is missing; what is too much is the last one's."""
    padded = fields + [""] * (length - len(fields))
    return [*padded[: length - 1], ";".join(padded[length - 1 :])]


def _read_stream(fields: list[str]) -> StreamRecord:
    f = _padded(fields, 19)
    lat_deg, lon_deg = field.position_deg(f[9], f[10])
    return StreamRecord(
        mount=f[1],
        identifier=f[2],
        format=f[3],
        format_details=f[4],
        details=field.details(f[4]),
        carrier=field.whole(f[5], 9),
        systems=tuple(part for part in re.split(r"[+\s,]+", f[6]) if part),
        network=f[7],
        country=f[8],
        lat_deg=lat_deg,
        lon_deg=lon_deg,
        needs_gga=field.flag(f[11]),
        is_network=field.flag(f[12]),
        generator=f[13],
        compression=f[14],
        authentication=f[15].upper(),
        has_fee=field.yes(f[16]),
        bitrate=field.whole(f[17], 10**9),
        misc=f[18],
    )


def _read_caster(fields: list[str]) -> CasterRecord:
    f = _padded(fields, 12)
    lat_deg, lon_deg = field.position_deg(f[7], f[8])
    return CasterRecord(
        host=f[1],
        port=field.whole(f[2], 65_535) or None,
        identifier=f[3],
        operator=f[4],
        takes_gga=field.flag(f[5]),
        country=f[6],
        lat_deg=lat_deg,
        lon_deg=lon_deg,
        fallback_host="" if f[9] == "0.0.0.0" else f[9],  # noqa: S104 - how "none" is written
        fallback_port=field.whole(f[10], 65_535) or None,
        misc=f[11],
    )


def _read_network(fields: list[str]) -> NetworkRecord:
    f = _padded(fields, 9)
    return NetworkRecord(
        identifier=f[1],
        operator=f[2],
        authentication=f[3].upper(),
        has_fee=field.yes(f[4]),
        web_net=f[5],
        web_str=f[6],
        web_reg=f[7],
        misc=f[8],
    )


def _join(fields: Iterable[str]) -> str:
    return ";".join(map(field.quoted, fields))


def _write_stream(record: StreamRecord) -> str:
    details = record.format_details or ",".join(
        str(number) if period_s is None else f"{number}({period_s:g})"
        for number, period_s in record.details
    )
    return _join(
        (
            *("STR", record.mount, record.identifier, record.format, details),
            *(
                field.format_whole(record.carrier),
                "+".join(record.systems),
                record.network,
                record.country,
            ),
            *(field.format_degrees(record.lat_deg), field.format_degrees(record.lon_deg)),
            *(
                field.format_flag(record.needs_gga, "1", "0"),
                field.format_flag(record.is_network, "1", "0"),
            ),
            *(record.generator, record.compression, record.authentication),
            *(
                field.format_flag(record.has_fee, "Y", "N"),
                field.format_whole(record.bitrate),
                record.misc,
            ),
        )
    )


def _write_caster(record: CasterRecord) -> str:
    return _join(
        (
            *(
                "CAS",
                record.host,
                field.format_whole(record.port),
                record.identifier,
                record.operator,
            ),
            *(field.format_flag(record.takes_gga, "1", "0"), record.country),
            *(field.format_degrees(record.lat_deg), field.format_degrees(record.lon_deg)),
            record.fallback_host or "0.0.0.0",  # noqa: S104 - how "none" is written
            *(field.format_whole(record.fallback_port or 0), record.misc),
        )
    )


def _write_network(record: NetworkRecord) -> str:
    return _join(
        (
            *("NET", record.identifier, record.operator, record.authentication),
            *(
                field.format_flag(record.has_fee, "Y", "N"),
                record.web_net,
                record.web_str,
                record.web_reg,
            ),
            record.misc,
        )
    )
