"""Reads what a caster offers: its table of casters, networks and streams.

Field order: RTCM 10410.1, clause 6 (STR, CAS, NET). Tables are typed by people and cut by proxies:
a line that is no record is counted, and unquoted semicolons are found by what must stand where.
A hostile table is a megabyte of rows, so it is read in steps of bounded work. Pure.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

from bdgw.ntrip import table_field as field
from bdgw.ntrip.table_record import CasterRecord, NetworkRecord, Sourcetable, StreamRecord

__all__ = [
    "STEP_BYTES",
    "STEP_LINES",
    "STEP_RECORDS",
    "TABLE_MAX_BYTES",
    "TableReader",
    "is_table_start",
    "parse_sourcetable",
]

TABLE_MAX_BYTES = 4 * 1024 * 1024
STEP_BYTES = 16 * 1024
STEP_LINES = 1000
STEP_RECORDS = 200
"""A step is so many bytes, lines and records at most: milliseconds, in which nothing else runs."""
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
    reader = TableReader()
    reader.feed(data)
    reader.close()
    while reader.has_more:
        reader.step()
    return reader.table()


class TableReader:
    """Reads a table piece by piece; ``step`` does a bounded part of the work.

    Bytes beyond ``TABLE_MAX_BYTES`` are left out, and so is whatever follows the end of the table.
    ``hide`` is given each stretch of whole lines before it is read, and gives what may be kept.
    """

    def __init__(self, *, hide: Callable[[bytes], bytes] = lambda data: data) -> None:
        self._hide = hide
        self._waiting = bytearray()
        self._lines: deque[bytes] = deque()
        self._is_overlong = False
        self._streams: list[StreamRecord] = []
        self._casters: list[CasterRecord] = []
        self._networks: list[NetworkRecord] = []
        self._has_begun = False
        self._n_repaired = self._n_damaged = self._n_dropped = self._n_seen = 0
        self.is_closed = False
        """Nothing more comes."""
        self.n_bytes = 0
        """That have come, those left out included."""
        self.is_complete = False
        """The line that ends a table was read."""

    @property
    def is_cut(self) -> bool:
        """More came than is read."""
        return self.n_bytes > TABLE_MAX_BYTES and not self.is_complete

    @property
    def n_records(self) -> int:
        """How many records were read."""
        return len(self._streams) + len(self._casters) + len(self._networks)

    @property
    def has_more(self) -> bool:
        """Whether ``step`` has something to do."""
        return bool(self._lines) or bool(self._stretch())

    def feed(self, data: bytes) -> None:
        """Take bytes, however they are cut."""
        room = max(0, TABLE_MAX_BYTES - self.n_bytes)
        self.n_bytes += len(data)
        if not self.is_complete and not self.is_closed:
            self._waiting += data[:room]

    def close(self) -> None:
        """Nothing more comes: the last line needs no end."""
        self.is_closed = True

    def step(self) -> int:
        """Read whole lines within the bounds of a step; gives how many."""
        if not self._lines:
            self._take_stretch()
        n_lines = 0
        most = self._n_seen + STEP_RECORDS
        while self._lines and not self.is_complete:
            if n_lines == STEP_LINES or self._n_seen == most:
                break
            self._read_line(self._lines.popleft())
            n_lines += 1
        if self.is_complete:
            self._lines.clear()
            self._waiting.clear()
        return n_lines

    def _take_stretch(self) -> None:
        n_bytes = self._stretch()
        if n_bytes == 0:
            return
        was_overlong = self._is_overlong
        stretch = self._hide(bytes(self._waiting[:n_bytes]))
        del self._waiting[:n_bytes]
        self._lines.extend(_LINE_END.split(stretch))
        self._is_overlong = n_bytes == STEP_BYTES and len(self._lines) == 1
        if was_overlong:
            self._lines.popleft()  # the rest of a line without end

    def table(self) -> Sourcetable:
        """Everything that was read."""
        return Sourcetable(
            streams=tuple(self._streams),
            casters=tuple(self._casters),
            networks=tuple(self._networks),
            is_complete=self.is_complete,
            n_repaired=self._n_repaired,
            n_damaged=self._n_damaged,
            n_dropped=self._n_dropped,
        )

    def _stretch(self) -> int:
        """How many bytes of whole lines can be read in one step."""
        waiting = self._waiting
        if self.is_complete or not waiting:
            return 0
        if len(waiting) <= STEP_BYTES and self.is_closed:
            return len(waiting)
        end = max(waiting.rfind(b"\n", 0, STEP_BYTES), waiting.rfind(b"\r", 0, STEP_BYTES)) + 1
        if end == 0 and len(waiting) >= STEP_BYTES:
            return STEP_BYTES  # a line without end: cut, and the rest is no record
        if end == 0 and waiting.startswith(_END):
            return len(_END)  # nothing has to follow the end
        return end

    def _read_line(self, line: bytes) -> None:
        text = line.removeprefix(_BYTE_ORDER_MARK).strip(b" \t\x00")
        if text.startswith(_END):
            self.is_complete = True
            return
        if not text.startswith(_KINDS):
            # Before the first record stands the reply's head; blank and comment lines are no harm.
            self._n_damaged += self._has_begun and bool(text) and not text.startswith(b"#")
            return
        self._has_begun = True
        self._n_seen += 1
        if self.n_records >= _RECORDS_MAX:
            self._n_dropped += 1
            return
        fields = field.split_fields(field.decode_line(text[:_LINE_MAX_BYTES]))
        if len(fields) < 2 or not fields[1]:
            self._n_damaged += 1
        elif fields[0] == "STR":
            aligned = _align_stream(fields)
            self._n_repaired += aligned is not fields
            self._streams.append(_read_stream(aligned))
        elif fields[0] == "CAS":
            self._casters.append(_read_caster(fields))
        else:
            self._networks.append(_read_network(fields))


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
