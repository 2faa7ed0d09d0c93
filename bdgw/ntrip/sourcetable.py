"""What a caster offers: its table of casters, networks and streams, read and written.

Field order: RTCM 10410.1, clause 6 (STR, CAS, NET). Reading is in ``table_reader``.
"""

from __future__ import annotations

from collections.abc import Iterable

from bdgw.ntrip import table_field as field
from bdgw.ntrip.table_reader import TABLE_MAX_BYTES, is_table_start, parse_sourcetable
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


def format_sourcetable(table: Sourcetable) -> bytes:
    """Write the body of a table, ENDSOURCETABLE included, in UTF-8 with CRLF."""
    lines = [*map(_write_caster, table.casters), *map(_write_network, table.networks)]
    lines += map(_write_stream, table.streams)
    return "".join(f"{line}\r\n" for line in [*lines, "ENDSOURCETABLE"]).encode()


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
