"""ANTEX 1.3 and 1.4: phase centres of receiver antennas.

Source: ANTEX 1.4 (files.igs.org/pub/station/general/antex14.txt), clauses 3 and 4. Antennas of
satellites are passed over. Values are absolute: those against a reference antenna (``R``) are
refused, as nothing here knows that antenna.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from bdgw.errors import DecodeError
from bdgw.positioning.antenna import AntennaModel, Pattern

__all__ = ["NULL_ANTENNA", "Antex", "AntexEntry", "FoundAntenna", "antenna_name", "read_antex"]

NULL_ANTENNA = "ADVNULLANTENNA"
"""A base that says this name has reduced its observations itself: to an antenna without offset."""
_LABEL = slice(60, 80)
_MM = 1000.0
_NO_RADOME = "NONE"
_SATELLITE = re.compile(r"[A-Z]\d\d\Z")
_STEPS_MAX = 721
_FREQUENCIES_MAX = 40
_BIGGEST_MM = 10_000.0
_GPS_EPOCH = dt.datetime(1980, 1, 6, tzinfo=dt.UTC)
_S_NS = 1_000_000_000


class AntexEntry(NamedTuple):
    """An antenna and when its values hold, GPST nanoseconds; None is without bound."""

    model: AntennaModel
    from_gpst_ns: int | None
    until_gpst_ns: int | None


class FoundAntenna(NamedTuple):
    """A model, and a remark where it is not quite what was asked for."""

    model: AntennaModel
    remark: str | None


class Antex(msgspec.Struct, kw_only=True):
    """What a file holds; ``n_damaged`` counts antennas that could not be read."""

    entries: list[AntexEntry] = []
    n_damaged: int = 0

    def find(
        self, name: str, t_gpst_ns: int | None = None, *, serial: str | None = None
    ) -> FoundAntenna | None:
        """Find an antenna by its IGS name (antenna and radome); None where it is not in the file.

        Values of the very antenna (``serial``) count before those of its type, values of its
        radome before those without one, which is remarked; later ones before earlier ones.
        """
        antenna, radome = antenna_name(name)
        valid = [
            entry
            for entry in self.entries
            if entry.model.name == antenna
            and entry.model.serial in {None, serial}
            and (
                t_gpst_ns is None
                or (
                    (entry.from_gpst_ns or t_gpst_ns) <= t_gpst_ns
                    and t_gpst_ns <= (entry.until_gpst_ns or t_gpst_ns)
                )
            )
        ]
        for wanted in (radome, _NO_RADOME):
            fit = [entry for entry in valid if entry.model.radome == wanted]
            if fit:
                best = max(
                    fit, key=lambda one: (one.model.serial is not None, one.from_gpst_ns or 0)
                )
                is_bare = wanted != radome
                remark = f"radome {radome} is not in the file, {_NO_RADOME} is" if is_bare else None
                return FoundAntenna(best.model, remark)
        return None


def antenna_name(text: str) -> tuple[str, str]:
    """Give antenna and radome of an IGS name; blanks for a radome mean that there is none.

    In files the antenna has 16 columns and the radome 4; streams of RTCM may have one blank.
    """
    words = text.upper().split()
    if not words:
        return "", _NO_RADOME
    if len(words) == 1:
        return words[0], _NO_RADOME
    return " ".join(words[:-1]), words[-1]


def read_antex(lines: Iterable[str], *, only: str | None = None) -> Antex:
    """Read a file; an antenna that cannot be read is left out and counted.

    With ``only`` just the antennas of that name are read, with every radome: whole files of the
    IGS have hundreds.

    Raises:
        DecodeError: it is no ANTEX file, or its values are relative.
    """
    source = iter(lines)
    wanted = None if only is None else antenna_name(only)[0]
    _read_header(source)
    found = Antex()
    for line in source:
        if line[_LABEL].strip() != "START OF ANTENNA":
            continue
        try:
            entry = _read_antenna(source, wanted)
        except (ValueError, OverflowError):
            found.n_damaged += 1
            continue
        if entry is not None:
            found.entries.append(entry)
    return found


def _read_header(source: Iterator[str]) -> None:
    first = next(source, "")
    if first[_LABEL].strip() != "ANTEX VERSION / SYST":
        raise DecodeError("no ANTEX file", bit=0)
    for line in source:
        label = line[_LABEL].strip()
        if label == "PCV TYPE / REFANT" and line[:1].upper() == "R":
            raise DecodeError("relative phase centres; an absolute file is needed", bit=0)
        if label == "END OF HEADER":
            return


class _Reading:
    """One antenna while its lines come."""

    def __init__(self) -> None:
        self.kind = self.serial = self.svn = ""
        self.azimuth_step_deg = 0.0
        self.zenith_deg = (0.0, 0.0, 0.0)
        self.valid: list[int | None] = [None, None]
        self.patterns: dict[str, Pattern] = {}

    def fact(self, label: str, line: str) -> None:
        if label == "TYPE / SERIAL NO":
            self.kind, self.serial, self.svn = line[:20], line[20:40].strip(), line[40:50].strip()
        elif label == "DAZI":
            self.azimuth_step_deg = float(line[2:8])
        elif label == "ZEN1 / ZEN2 / DZEN":
            self.zenith_deg = (float(line[2:8]), float(line[8:14]), float(line[14:20]))
        elif label == "VALID FROM":
            self.valid[0] = _instant(line)
        elif label == "VALID UNTIL":
            self.valid[1] = _instant(line)

    def sizes(self) -> tuple[int, int]:
        """Give how many zenith angles a row has, and how many rows of azimuths follow NOAZI."""
        first, last, step = self.zenith_deg
        if not (0.0 <= first < last <= 90.0 and 0.0 < step <= 90.0):
            raise ValueError("no grid of zenith angles")
        n_zenith = _whole((last - first) / step) + 1
        n_azimuths = 0
        if self.azimuth_step_deg:
            n_azimuths = _whole(360.0 / self.azimuth_step_deg) + 1
        if n_zenith > _STEPS_MAX or not 0 <= n_azimuths <= _STEPS_MAX:
            raise ValueError("too fine a grid")
        return n_zenith, n_azimuths

    def entry(self) -> AntexEntry | None:
        """Give the antenna; None of a satellite's."""
        if self.svn or _SATELLITE.match(self.serial):
            return None
        name, radome = self.kind[:16].strip().upper(), self.kind[16:20].strip().upper()
        if not name or not self.patterns:
            raise ValueError("no name, or no frequency")
        if len({len(one.variation_m[0]) for one in self.patterns.values()}) > 1:
            raise ValueError("grids that differ")
        model = AntennaModel(
            name=name,
            radome=radome or _NO_RADOME,
            serial=self.serial or None,
            zenith_deg=self.zenith_deg[:2],
            patterns=self.patterns,
        )
        return AntexEntry(model, *self.valid)


def _read_antenna(source: Iterator[str], wanted: str | None) -> AntexEntry | None:
    reading = _Reading()
    for line in source:
        label = line[_LABEL].strip()
        if label == "TYPE / SERIAL NO" and wanted not in {None, line[:16].strip().upper()}:
            _pass_over(source, "END OF ANTENNA")
            return None
        if label == "END OF ANTENNA":
            return reading.entry()
        if label == "START OF FREQUENCY":
            name = line[3:6].replace(" ", "0")
            if not _SATELLITE.match(name) or len(reading.patterns) >= _FREQUENCIES_MAX:
                raise ValueError("no such frequency")
            reading.patterns[name] = _read_pattern(source, *reading.sizes())
        elif label == "START OF FREQ RMS":
            _pass_over(source, "END OF FREQ RMS")
        else:
            reading.fact(label, line)
    raise ValueError("the file ends within an antenna")


def _read_pattern(source: Iterator[str], n_zenith: int, n_azimuths: int) -> Pattern:
    offset_m: tuple[float, float, float] | None = None
    bare: tuple[float, ...] | None = None
    rows: list[tuple[float, ...]] = []
    for line in source:
        if line[:8].strip() == "NOAZI":
            bare = _row(line, n_zenith)
        elif bare is not None and len(rows) < n_azimuths:
            rows.append(_row(line, n_zenith))
        elif line[_LABEL].strip() == "NORTH / EAST / UP":
            north, east, up = (_metres(line[i : i + 10]) for i in (0, 10, 20))
            offset_m = (east, north, up)
        elif line[_LABEL].strip() == "END OF FREQUENCY":
            break
    if offset_m is None or bare is None:
        raise ValueError("a frequency without offset or variation")
    # The last azimuth, 360 degrees, is the first again.
    return Pattern(offset_enu_m=offset_m, variation_m=tuple(rows[:-1]) or (bare,))


def _row(line: str, n_zenith: int) -> tuple[float, ...]:
    return tuple(_metres(line[8 * k : 8 * k + 8]) for k in range(1, n_zenith + 1))


def _metres(text: str) -> float:
    value = float(text)
    if not abs(value) <= _BIGGEST_MM:
        raise ValueError("no offset of an antenna")
    return value / _MM


def _whole(value: float) -> int:
    if not math.isfinite(value) or abs(value - round(value)) > 1e-3:
        raise ValueError("steps that do not fit")
    return round(value)


def _instant(line: str) -> int:
    year, month, day, hour, minute = (int(line[i : i + 6]) for i in range(0, 30, 6))
    second = float(line[30:43])
    if not 0.0 <= second < 61.0:
        raise ValueError("no time")
    at = dt.datetime(year, month, day, hour, minute, tzinfo=dt.UTC) - _GPS_EPOCH
    return round((at.days * 86_400 + at.seconds + second) * _S_NS)


def _pass_over(source: Iterator[str], label: str) -> None:
    for line in source:
        if line[_LABEL].strip() == label:
            return
