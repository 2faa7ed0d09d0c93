"""What a frame's observations must be, computed from pyrtcm's raw fields and the standard.

Plain loops and numbers typed from RINEX 4.00 (tables 9 to 15) and RTCM 10403.3 (clause 3.5.16 and
the lock tables); nothing of bdgw is used.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from tests.rtcm.oracle import column

C_M_S = 299_792_458.0
MS_M = C_M_S / 1000.0

FREQUENCIES_MHZ = {
    "G": {"1": 1575.42, "2": 1227.60, "5": 1176.45},
    "E": {"1": 1575.42, "5": 1176.45, "6": 1278.75, "7": 1207.14, "8": 1191.795},
    "S": {"1": 1575.42, "5": 1176.45},
    "J": {"1": 1575.42, "2": 1227.60, "5": 1176.45, "6": 1278.75},
    "C": {"1": 1575.42, "2": 1561.098, "5": 1176.45, "6": 1268.52, "7": 1207.14},
    "I": {"5": 1176.45},
}
GLONASS_MHZ = {"1": (1602.0, 9 / 16), "2": (1246.0, 7 / 16)}
SYSTEMS = {"107": "G", "108": "R", "109": "E", "110": "S", "111": "J", "112": "C", "113": "I"}
NAME_OFFSETS = {"S": 100, "J": 192}

MORE_SIGNALS = {("C", 26): "7P", ("C", 27): "7X"}
"""Pilot and both of B2b: RINEX 4.00 has them, pyrtcm 1.2.1 does not."""


@dataclass(frozen=True)
class Cell:
    """None where there is no value."""

    satellite: str
    code: str | None
    pseudorange_m: float | None = None
    phase_cycles: float | None = None
    doppler_hz: float | None = None
    lock_s: float | None = None
    cn0_dbhz: float | None = None
    is_half_cycle: bool | None = None


UNNAMED = ("N/A", "/")
"""What pyrtcm calls a signal that it does not know; the second is a letter of the first."""


def lock_4_s(indicator: int) -> float:
    return 0.0 if indicator == 0 else 0.032 * 2 ** (indicator - 1)


def _lock_10_table() -> list[float | None]:
    """Each 32 indicators the step doubles, from the 64th on."""
    table: list[float | None] = [i / 1000 for i in range(65)]
    step_ms, value_ms = 1, 64
    while len(table) <= 704:
        if (len(table) - 65) % 32 == 0:
            step_ms *= 2
        value_ms += step_ms
        table.append(value_ms / 1000)
    return table + [None] * (1024 - len(table))


LOCK_10_S = _lock_10_table()


def _lock_7_table() -> list[float]:
    """Each 24 indicators the step doubles."""
    table = [0.0]
    for i in range(1, 127):
        table.append(table[-1] + 2.0 ** ((i - 1) // 24))
    return [*table, 937.0]


LOCK_7_S = _lock_7_table()


def frequency_hz(system: str, code: str | None, channel: int | None) -> float | None:
    if code is None:
        return None
    if system == "R":
        if channel is None or code[0] not in GLONASS_MHZ:
            return None
        centre, step = GLONASS_MHZ[code[0]]
        return (centre + step * channel) * 1e6
    return FREQUENCIES_MHZ[system][code[0]] * 1e6


def _sum(first: float | None, second: float | None) -> float | None:
    return None if first is None or second is None else first + second


def _unless(value: float, absent: float) -> float | None:
    return None if value == absent else value


def _places(parsed: Any, n_satellites: int) -> list[tuple[int, int]]:
    """Index of the satellite and signal id of each cell, from the masks."""
    signals = [i for i in range(1, 33) if parsed.DF395 >> (32 - i) & 1]
    last = n_satellites * len(signals) - 1
    return [
        (satellite, signal)
        for satellite in range(n_satellites)
        for j, signal in enumerate(signals)
        if parsed.DF396 >> (last - satellite * len(signals) - j) & 1
    ]


def _name(system: str, satellite_id: int, prn: str) -> str:
    """The RINEX name from pyrtcm's PRN; it has none for numbers that no satellite has yet."""
    if prn.isdigit():
        return f"{system}{int(prn) - NAME_OFFSETS.get(system, 0):02d}"
    return f"{system}{satellite_id + (19 if system == 'S' else 0):02d}"


def msm_cells(parsed: Any, number: int) -> list[Cell]:
    level = number % 10
    system = SYSTEMS[str(number)[:3]]
    satellites = [i for i in range(1, 65) if parsed.DF394 >> (64 - i) & 1]
    whole_ms = [_unless(ms, 255) for ms in column(parsed, "DF397")] or [0.0] * len(satellites)
    rough_ms = [
        _sum(whole, part) for whole, part in zip(whole_ms, column(parsed, "DF398"), strict=True)
    ]
    rough_rate = [_unless(rate, -8192) for rate in column(parsed, "DF399")]
    channels = [c - 7 if c <= 13 else None for c in column(parsed, "DF419")]
    fine = {
        "code": [(v, -(2.0**-10)) for v in column(parsed, "DF400")]
        or [(v, -(2.0**-10)) for v in column(parsed, "DF405")],
        "phase": [(v, -(2.0**-8)) for v in column(parsed, "DF401")]
        or [(v, -(2.0**-8)) for v in column(parsed, "DF406")],
    }
    locks: list[float | None] = [lock_4_s(i) for i in column(parsed, "DF402")]
    locks = locks or [LOCK_10_S[i] for i in column(parsed, "DF407")]
    cnrs = column(parsed, "DF403") or column(parsed, "DF408")
    halves = column(parsed, "DF420")
    fine_rates = column(parsed, "DF404")
    cells = []
    for i, (at, signal_id) in enumerate(_places(parsed, len(satellites))):
        rinex = _name(system, satellites[at], getattr(parsed, f"CELLPRN_{i + 1:02d}"))
        signal = getattr(parsed, f"CELLSIG_{i + 1:02d}")
        code = MORE_SIGNALS.get((system, signal_id)) if signal in UNNAMED else signal
        hz = frequency_hz(system, code, channels[at] if channels else None)
        ranges = {}
        for name, values in fine.items():
            value = _unless(*values[i]) if values else None
            total = _sum(rough_ms[at], value)
            ranges[name] = None if total is None else total * MS_M
        rate = None
        if level in (5, 7):
            rate = _sum(rough_rate[at], _unless(fine_rates[i], -1.6384))
        phase = ranges["phase"]
        cells.append(
            Cell(
                satellite=rinex,
                code=code,
                pseudorange_m=ranges["code"],
                phase_cycles=None if phase is None or hz is None else phase / (C_M_S / hz),
                doppler_hz=None if rate is None or hz is None else -rate / (C_M_S / hz),
                lock_s=locks[i] if locks else None,
                cn0_dbhz=_unless(cnrs[i], 0) if cnrs else None,
                is_half_cycle=bool(halves[i]) if halves else None,
            )
        )
    return cells


# Data fields of the legacy rows, in one order for both systems.
_LEGACY = {
    "G": ("DF009 DF010 DF011 DF012 DF013 DF014 DF015 DF016 DF017 DF018 DF019 DF020", 1.0),
    "R": ("DF038 DF039 DF041 DF042 DF043 DF044 DF045 DF046 DF047 DF048 DF049 DF050", 2.0),
}
_L2_CODES = {"G": ("2X", "2P", "2D", "2W"), "R": ("2C", "2P", None, None)}


def legacy_cells(parsed: Any, number: int) -> list[Cell]:
    system = "G" if number < 1009 else "R"
    names, unit_ms = _LEGACY[system]
    columns = [column(parsed, name) for name in names.split()]
    ids, codes1, ranges1, phases1, locks1, wholes, cnrs1 = columns[:7]
    codes2, ranges2, phases2, locks2, cnrs2 = columns[7:]
    channels = [c - 7 if c <= 20 else None for c in column(parsed, "DF040")]
    cells = []
    for i, number_of in enumerate(ids):
        base_m = ranges1[i] + (wholes[i] * unit_ms * MS_M if wholes else 0.0)
        name = f"{system}{number_of:02d}"
        if system == "G" and 40 <= number_of <= 58:
            name = f"S{number_of - 20:02d}"
        bands: list[tuple[str | None, float | None, float | None, int, float]] = [
            (
                "1P" if codes1[i] else "1C",
                # 80000h as an unsigned number of 0.02 m
                None if ranges1[i] == 524288 * 0.02 else 0.0,
                _unless(phases1[i], -262.144),
                locks1[i],
                cnrs1[i] if cnrs1 else 0,
            )
        ]
        if codes2:
            bands.append(
                (
                    _L2_CODES[system][codes2[i]],
                    _unless(ranges2[i], -163.84),
                    _unless(phases2[i], -262.144),
                    locks2[i],
                    cnrs2[i] if cnrs2 else 0,
                )
            )
        for code, more_m, phase_m, lock, cnr in bands:
            hz = frequency_hz(system, code, channels[i] if channels else None)
            phase = _sum(base_m, phase_m)
            cells.append(
                Cell(
                    satellite=name,
                    code=code,
                    pseudorange_m=_sum(base_m, more_m),
                    phase_cycles=None if phase is None or hz is None else phase / (C_M_S / hz),
                    lock_s=LOCK_7_S[lock],
                    cn0_dbhz=_unless(cnr, 0),
                )
            )
    return cells


def is_close(ours: float, theirs: float | None, tolerance: float) -> bool:
    """NaN of ours is None of theirs."""
    if theirs is None:
        return math.isnan(ours)
    return abs(ours - theirs) <= tolerance
