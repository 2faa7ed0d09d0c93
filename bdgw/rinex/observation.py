"""RINEX observation files, 2.11 to 4.0, to epochs of observations.

Sources: RINEX 2.11, tables A1 and A2; RINEX 3.05 and 4.00, tables A2 and A3. Phases are taken as
they stand: since 3.01 the format itself demands that they be aligned.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from bdgw.errors import DecodeError
from bdgw.positioning.observation import Cell, ObservationEpoch, epoch_of
from bdgw.positioning.satellite import (
    SYSTEMS,
    carrier_hz,
    satellite_id,
    signal_code_of,
    signal_id,
)
from bdgw.rinex.compact import is_compact, plain_lines
from bdgw.timescale import DAY_NS, GPST_MINUS_BDT_S, gpst_from_utc

__all__ = ["ObservationHeader", "read_observations"]

_GPS_EPOCH = dt.date(1980, 1, 6)
_S_NS = 1_000_000_000
_LABEL = slice(60, 80)
_OLD_CODES = {
    "C1": "C1C", "P1": "C1W", "L1": "L1C", "D1": "D1C", "S1": "S1C",
    "C2": "C2X", "P2": "C2W", "L2": "L2W", "D2": "D2W", "S2": "S2W",
    "C5": "C5X", "L5": "L5X", "D5": "D5X", "S5": "S5X",
    "C6": "C6X", "L6": "L6X", "D6": "D6X", "S6": "S6X",
    "C7": "C7X", "L7": "L7X", "D7": "D7X", "S7": "S7X",
    "C8": "C8X", "L8": "L8X", "D8": "D8X", "S8": "S8X",
}  # fmt: skip
"""RINEX 2.11 has one phase a band; it goes with the code that receivers of its day tracked."""
_OLD_BY_SYSTEM = {
    "R": {"P1": "C1P", "P2": "C2P", "C2": "C2C", "L2": "L2P", "D2": "D2P", "S2": "S2P"},
    "C": {
        f"{kind}{old}": f"{kind}{new}"
        for kind in "CLDS"
        for old, new in (("1", "2I"), ("2", "2I"), ("6", "6I"), ("7", "7I"))
    },
    "S": {"C5": "C5I", "L5": "L5I"},
}

_FDMA_CODES = ("C1C", "C1P", "C2C", "C2P")


class ObservationHeader(msgspec.Struct, kw_only=True):
    """What a header says that is used here; ``approx_m`` and the rest None where it does not.

    ``antenna_hen_m`` is the antenna over the marker: up, east, north. ``antenna`` is its IGS name.
    ``aligned_signals`` are those of GLONASS whose phases were aligned to the codes: their
    correction is given and not zero, for programs write zeros also where nothing was done.
    """

    version: float = 0.0
    marker: str = ""
    approx_m: tuple[float, float, float] | None = None
    antenna_hen_m: tuple[float, float, float] = (0.0, 0.0, 0.0)
    antenna: str | None = None
    antenna_serial: str | None = None
    aligned_signals: list[int] = []
    time_system: str = "GPS"
    channels: dict[str, int] = {}
    types: dict[str, list[str]] = {}


class _Column(NamedTuple):
    """The places of one signal's observations in a record of a satellite; -1 where not given."""

    signal: int
    code: str
    range_at: int
    phase_at: int
    doppler_at: int
    strength_at: int


def read_observations(
    lines: Iterable[str], header: ObservationHeader | None = None
) -> Iterator[ObservationEpoch]:
    """Give the epochs of a file, in its order; ``header`` is filled in before the first.

    Records that cannot be read are left out.

    Raises:
        DecodeError: it does not begin as a RINEX observation file.
    """
    source = iter(lines)
    first = next(source, "")
    if is_compact(first):
        source = iter(plain_lines(_with(first, source)))
        first = next(source, "")
    if first[60:80].strip() != "RINEX VERSION / TYPE" or "O" not in first[20:40].upper():
        raise DecodeError("no RINEX observation file", bit=0)
    head = header if header is not None else ObservationHeader()
    head.version = float(first[:9])
    _read_header(source, head)
    reader = _read_three if head.version >= 3.0 else _read_two
    return reader(source, head)


def _with(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest


def _read_header(source: Iterator[str], head: ObservationHeader) -> None:
    system = ""
    for line in source:
        label = line[_LABEL].strip()
        if label == "END OF HEADER":
            return
        if label == "SYS / # / OBS TYPES":
            if line[:1].strip():
                system = line[0]
                head.types[system] = []
            head.types.setdefault(system, []).extend(line[7:60].split())
        elif label == "# / TYPES OF OBSERV":
            head.types.setdefault("", []).extend(line[6:60].split())
        else:
            _read_fact(label, line, head)


def _read_fact(label: str, line: str, head: ObservationHeader) -> None:
    if label == "APPROX POSITION XYZ":
        x, y, z = (float(line[i : i + 14]) for i in (0, 14, 28))
        head.approx_m = (x, y, z) if (x, y, z) != (0.0, 0.0, 0.0) else None
    elif label == "ANTENNA: DELTA H/E/N":
        h, e, n = (float(line[i : i + 14]) for i in (0, 14, 28))
        head.antenna_hen_m = (h, e, n)
    elif label == "ANT # / TYPE":
        head.antenna_serial, head.antenna = line[:20].strip() or None, line[20:40].strip() or None
    elif label == "MARKER NAME":
        head.marker = line[:60].strip()
    elif label == "TIME OF FIRST OBS":
        head.time_system = line[48:51].strip() or "GPS"
    elif label == "GLONASS COD/PHS/BIS":
        words = line[:60].split()
        for code, value in zip(words[::2], words[1::2], strict=False):
            if code in _FDMA_CODES and value.strip("+-0."):
                head.aligned_signals.append(signal_id("R", code[1:]))
    elif label == "GLONASS SLOT / FRQ #":
        words = line[3:60].split()
        pairs = zip(words[::2], words[1::2], strict=False)
        head.channels |= {name: int(k) for name, k in pairs if name[:1] == "R"}


def _columns(system: str, types: list[str]) -> list[_Column]:
    """Group the observation types of a system by signal."""
    places: dict[str, dict[str, int]] = {}
    for at, kind in enumerate(types):
        if kind[0] in "CLDS" and kind[1].isdigit():
            places.setdefault(kind[1:], {}).setdefault(kind[0], at)
    return [
        _Column(
            signal_id(system, code),
            code,
            at.get("C", -1),
            at.get("L", -1),
            at.get("D", -1),
            at.get("S", -1),
        )
        for code, at in places.items()
        if "C" in at or "L" in at
    ]


def _read_three(source: Iterator[str], head: ObservationHeader) -> Iterator[ObservationEpoch]:
    columns = {system: _columns(system, types) for system, types in head.types.items()}
    for line in source:
        if line[:1] != ">":
            continue
        flag, count = line[31:32].strip() or "0", line[32:35].strip()
        rows = [next(source, "") for _ in range(int(count) if count.isdigit() else 0)]
        if flag not in {"0", "1"}:
            continue
        t_ns = _instant(line[2:29].split(), head.time_system)
        if t_ns is None:
            continue
        cells: list[Cell] = []
        for row in rows:
            name = row[:3].replace(" ", "0")
            of_system = columns.get(name[:1])
            if of_system and name[1:].isdigit() and name[0] in SYSTEMS:
                fields = [row[i : i + 16] for i in range(3, len(row), 16)]
                cells += _cells(name, fields, of_system, head.channels, was_off=flag == "1")
        yield epoch_of(t_ns, cells)


def _read_two(source: Iterator[str], head: ObservationHeader) -> Iterator[ObservationEpoch]:
    types = head.types.get("", [])
    columns = {}
    for system in SYSTEMS:
        renamed = {**_OLD_CODES, **_OLD_BY_SYSTEM.get(system, {})}
        columns[system] = _columns(system, [renamed.get(kind, "X00") for kind in types])
    n_lines = (len(types) + 4) // 5
    for line in source:
        flag, count = line[28:29].strip() or "0", line[29:32].strip()
        if not count.isdigit():
            continue
        if flag not in {"0", "1"}:
            for _ in range(int(count)):
                next(source, None)
            continue
        names = _names_two(line, int(count), source)
        records = ["".join(next(source, "").ljust(80)[:80] for _ in range(n_lines)) for _ in names]
        t_ns = _instant(line[:26].split(), head.time_system)
        if t_ns is None:
            continue
        cells: list[Cell] = []
        for name, record in zip(names, records, strict=True):
            if name[0] in columns and name[1:].isdigit():
                fields = [record[i : i + 16] for i in range(0, 16 * len(types), 16)]
                own = _cells(name, fields, columns[name[0]], head.channels, was_off=flag == "1")
                cells += _phases_with_codes(list(own))
        yield epoch_of(t_ns, cells)


def _phases_with_codes(cells: list[Cell]) -> list[Cell]:
    """Give a phase whose usual code is absent to another code of its band."""
    found = {cell.signal: cell for cell in cells}
    for lone in (cell for cell in cells if math.isnan(cell.pseudorange_m)):
        band = signal_code_of(lone.signal)[0]
        for other in cells:
            if math.isnan(other.phase_cycles) and signal_code_of(other.signal)[0] == band:
                del found[lone.signal]
                found[other.signal] = lone._replace(
                    signal=other.signal, pseudorange_m=other.pseudorange_m
                )
                break
    return list(found.values())


def _names_two(line: str, count: int, source: Iterator[str]) -> list[str]:
    names: list[str] = []
    while True:
        part = line[32:68]
        names += [part[i : i + 3] for i in range(0, 36, 3)][: count - len(names)]
        if len(names) >= count:
            break
        line = next(source, "")
    return [("G" if n[:1] == " " else n[:1]) + n[1:].replace(" ", "0").zfill(2) for n in names]


def _cells(
    name: str,
    fields: list[str],
    columns: list[_Column],
    channels: dict[str, int],
    *,
    was_off: bool,
) -> Iterator[Cell]:
    satellite, system = satellite_id(name), name[0]
    for column in columns:
        range_m, _ = _number(fields, column.range_at)
        phase, lli = _number(fields, column.phase_at)
        if math.isnan(range_m) and math.isnan(phase):
            continue
        doppler, _ = _number(fields, column.doppler_at)
        strength, _ = _number(fields, column.strength_at)
        yield Cell(
            satellite,
            column.signal,
            carrier_hz(system, column.code, channels.get(name)),
            range_m,
            phase,
            doppler,
            strength,
            math.nan,
            was_off or bool(lli & 1),
            bool(lli & 2),
        )


def _number(fields: list[str], at: int) -> tuple[float, int]:
    """Give a value and its loss-of-lock indicator; 0.0 and blanks are absent."""
    if at < 0 or at >= len(fields):
        return math.nan, 0
    field = fields[at]
    text = field[:14].strip()
    if not text:
        return math.nan, 0
    try:
        value = float(text)
    except ValueError:
        return math.nan, 0
    lli = field[14:15]
    return value or math.nan, int(lli) if lli.isdigit() else 0


def _instant(words: list[str], time_system: str) -> int | None:
    """Give GPST nanoseconds of a calendar date in the file's time system."""
    try:
        year, month, day, hour, minute = (int(word) for word in words[:5])
        whole, _, part = words[5].partition(".")
        second_ns = int(whole or 0) * _S_NS + int(part.ljust(9, "0")[:9])
        if year < 100:
            year += 1900 if year >= 80 else 2000
        date = dt.date(year, month, day)
    except (ValueError, IndexError):
        return None
    tod_ns = (hour * 3600 + minute * 60) * _S_NS + second_ns
    if time_system == "GLO":
        return gpst_from_utc(date, tod_ns)
    shift_ns = GPST_MINUS_BDT_S * _S_NS if time_system == "BDT" else 0
    return (date - _GPS_EPOCH).days * DAY_NS + tod_ns + shift_ns
