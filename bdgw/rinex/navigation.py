"""RINEX navigation files, 2.11 to 4.0, to broadcast sets.

Of RINEX 4 the records LNAV, D1, D2, D1D2, INAV, FNAV and FDMA are read, and the ionosphere's
(ION); CNAV and B-CNAV records are passed over and counted.

Sources: RINEX 2.11, tables A3 and A10; RINEX 3.05, tables A5 to A13; RINEX 4.00, tables 19 to 34.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator

import msgspec

from bdgw.errors import DecodeError
from bdgw.positioning.atmosphere import Klobuchar
from bdgw.positioning.ephemeris import GlonassOrbit, KeplerOrbit, Orbit
from bdgw.positioning.satellite import satellite_id
from bdgw.timescale import DAY_NS, GPST_MINUS_BDT_S, gpst_from_utc

__all__ = ["NavigationFile", "read_navigation"]

_GPS_EPOCH = dt.date(1980, 1, 6)
_S_NS = 1_000_000_000
_WEEK_NS = 604_800 * _S_NS
_LINES = {"G": 7, "E": 7, "C": 7, "J": 7, "I": 7, "R": 3, "S": 3}
_READ_KINDS = {"LNAV", "D1", "D2", "D1D2", "INAV", "FNAV", "FDMA"}
_INAV_BITS = 0b101
"""Data sources of Galileo (RINEX 3.05, table A8): bits 0 and 2 I/NAV, bit 1 F/NAV."""
_FOUR_LINES = 3.05
"""Since then a GLONASS record has a fourth line."""
_HALF_WEEK_NS = _WEEK_NS // 2


class NavigationFile(msgspec.Struct, kw_only=True):
    """What a file holds; ``n_skipped`` counts the records that were not read."""

    orbits: list[Orbit] = []
    ion_gps: Klobuchar | None = None
    ion_bds: Klobuchar | None = None
    n_skipped: int = 0


def read_navigation(lines: Iterable[str]) -> NavigationFile:
    """Read a whole file.

    Raises:
        DecodeError: it does not begin as a RINEX navigation file.
    """
    source = iter(lines)
    first = next(source, "")
    if first[60:80].strip() != "RINEX VERSION / TYPE" or "N" not in first[20:60].upper():
        raise DecodeError("no RINEX navigation file", bit=0)
    version = float(first[:9])
    default = ""
    if version < 3.0:
        default = {"G": "R", "H": "S"}.get(first[20:21], "G")
    found = NavigationFile()
    _read_header(source, found)
    _read_body(source, found, version, default)
    return found


def _read_header(source: Iterator[str], found: NavigationFile) -> None:
    pieces: dict[str, tuple[float, float, float, float]] = {}
    for line in source:
        label = line[60:80].strip()
        if label == "END OF HEADER":
            break
        if label == "IONOSPHERIC CORR":
            pieces[line[:4].strip()] = _four([line[5 + 12 * i : 17 + 12 * i] for i in range(4)])
        elif label in {"ION ALPHA", "ION BETA"}:
            name = "GPSA" if label.endswith("ALPHA") else "GPSB"
            pieces[name] = _four([line[2 + 12 * i : 14 + 12 * i] for i in range(4)])
    if "GPSA" in pieces and "GPSB" in pieces:
        found.ion_gps = Klobuchar(pieces["GPSA"], pieces["GPSB"])
    if "BDSA" in pieces and "BDSB" in pieces:
        found.ion_bds = Klobuchar(pieces["BDSA"], pieces["BDSB"])


def _four(texts: list[str]) -> tuple[float, float, float, float]:
    a, b, c, d = (_float(text) for text in texts)
    return a, b, c, d


def _float(text: str) -> float:
    text = text.strip()
    return float(text.replace("D", "E").replace("d", "e")) if text else 0.0


def _read_body(source: Iterator[str], found: NavigationFile, version: float, default: str) -> None:
    kind = ""
    for line in source:
        if line[:1] == ">":
            kind = _read_title(line.split(), source, found)
        elif kind != "-" and line.strip():
            name = _name(line, default)
            if name is not None:
                _read_record(name, kind, line, source, found, version)


def _read_title(words: list[str], source: Iterator[str], found: NavigationFile) -> str:
    """Read the line before a record of RINEX 4; give the kind of message, or - to pass it over."""
    kind = words[3] if len(words) > 3 else ""
    if len(words) > 1 and words[1] == "EPH" and kind in _READ_KINDS:
        return kind
    found.n_skipped += 1
    if len(words) > 2 and words[1] == "ION" and kind in {"LNAV", "D1D2"}:
        _read_ion(words[2][:1], source, found)
    return "-"


def _read_record(
    name: str,
    kind: str,
    line: str,
    source: Iterator[str],
    found: NavigationFile,
    version: float,
) -> None:
    at = 3 if version < 3.0 else 4
    head = [line[at + 19 * i : at + 19 * (i + 1)] for i in range(1, 4)]
    n_lines = 4 if kind == "FDMA" else _LINES.get(name[0], 7)
    if name[0] == "R" and not kind and version >= _FOUR_LINES:
        n_lines = 4
    rows = [next(source, "") for _ in range(n_lines)]
    fields = [row[at + 19 * i : at + 19 * (i + 1)] for row in rows for i in range(4)]
    try:
        values = [_float(text) for text in (*head, *fields)]
        orbit = _orbit(name, line[at : at + 19].split(), values, is_fnav=kind == "FNAV")
    except (ValueError, IndexError):
        orbit = None
    if orbit is None:
        found.n_skipped += 1
    else:
        found.orbits.append(orbit)


def _read_ion(system: str, source: Iterator[str], found: NavigationFile) -> None:
    """Read the two or three lines of an ION record of RINEX 4."""
    rows = [next(source, "") for _ in range(3)]
    numbers = [rows[0][23 + 19 * i : 42 + 19 * i] for i in range(3)]
    numbers += [row[4 + 19 * i : 23 + 19 * i] for row in rows[1:] for i in range(4)]
    try:
        a0, a1, a2, a3, b0, b1, b2, b3 = (_float(text) for text in numbers[:8])
    except ValueError:
        return
    model = Klobuchar((a0, a1, a2, a3), (b0, b1, b2, b3))
    if system == "C":
        found.ion_bds = model
    elif system == "G":
        found.ion_gps = model


def _name(line: str, default: str) -> str | None:
    if default:
        number = line[:2].strip()
        return f"{default}{int(number):02d}" if number.isdigit() else None
    name = line[:3].replace(" ", "0")
    return name if name[:1] in _LINES and name[1:].isdigit() else None


def _days(words: list[str]) -> tuple[dt.date, int]:
    year, month, day, hour, minute = (int(w) for w in words[:5])
    if year < 100:
        year += 1900 if year >= 80 else 2000
    second_ns = round(float(words[5]) * 1e9)
    return dt.date(year, month, day), (hour * 3600 + minute * 60) * _S_NS + second_ns


def _orbit(name: str, words: list[str], v: list[float], *, is_fnav: bool) -> Orbit | None:
    date, tod_ns = _days(words)
    satellite = satellite_id(name)
    if name[0] in "SI":
        return None
    if name[0] == "R":
        health = v[6]
        return GlonassOrbit(
            satellite=satellite,
            toe_gpst_ns=gpst_from_utc(date, tod_ns),
            channel=round(v[10]),
            is_healthy=health == 0.0,
            issue=(tod_ns // _S_NS + 10_800) % 86_400 // 900,
            position_m=(v[3] * 1e3, v[7] * 1e3, v[11] * 1e3),
            velocity_m_s=(v[4] * 1e3, v[8] * 1e3, v[12] * 1e3),
            acceleration_m_s2=(v[5] * 1e3, v[9] * 1e3, v[13] * 1e3),
            minus_tau_s=v[0],
            gamma=v[1],
        )
    shift_ns = GPST_MINUS_BDT_S * _S_NS if name[0] == "C" else 0
    toc_ns = (date - _GPS_EPOCH).days * DAY_NS + tod_ns + shift_ns
    # The week beside toe is written in different ways; toe is within half a week of toc.
    within_ns = round(v[11] * 1e9) + shift_ns
    toe_ns = toc_ns + (within_ns - toc_ns + _HALF_WEEK_NS) % _WEEK_NS - _HALF_WEEK_NS
    tgd_s: tuple[float, ...] = (v[25], v[26])
    if name[0] in "GJ":
        tgd_s = (v[25],)
    elif name[0] == "E":
        is_fnav = is_fnav or not int(v[20]) & _INAV_BITS
    return KeplerOrbit(
        satellite=satellite,
        toe_gpst_ns=toe_ns,
        toc_gpst_ns=toc_ns,
        toe_s=v[11],
        issue=round(v[3]),
        is_healthy=_is_healthy(name, v[24]),
        accuracy_m=v[23],
        is_fnav=is_fnav,
        a0_s=v[0],
        a1_s_s=v[1],
        a2_s_s2=v[2],
        crs_m=v[4],
        delta_n_rad_s=v[5],
        m0_rad=v[6],
        cuc_rad=v[7],
        e=v[8],
        cus_rad=v[9],
        sqrt_a=v[10],
        cic_rad=v[12],
        omega0_rad=v[13],
        cis_rad=v[14],
        i0_rad=v[15],
        crc_m=v[16],
        omega_rad=v[17],
        omega_dot_rad_s=v[18],
        idot_rad_s=v[19],
        tgd_s=tgd_s,
    )


def _is_healthy(name: str, health: float) -> bool:
    """Judge the health word; of QZSS bit 0 only says that L1C/B is sent in place of L1C/A."""
    word = round(health)
    return word & 0b111110 == 0 if name[0] == "J" else word == 0
