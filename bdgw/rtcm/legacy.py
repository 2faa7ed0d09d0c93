"""Observations of the old kind: 1001 to 1004 (GPS, SBAS) and 1009 to 1012 (GLONASS).

A satellite has one cell (L1) or two (L1, L2). Every other range is counted from the L1
pseudorange, even where that itself is marked as not valid.

Source: RTCM 10403.3, tables 3.5-1 to 3.5-5 and 3.5-9 to 3.5-13.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from bdgw.errors import EncodeError
from bdgw.rtcm.bits import BitReader, BitWriter
from bdgw.rtcm.field import Field, Layout, flag, signed, unsigned
from bdgw.rtcm.head import RawEpoch, TimeScale, legacy_gps_id, legacy_gps_name
from bdgw.rtcm.lock import LOCK_7_S, FloatArray, lock_indicator
from bdgw.rtcm.observation import LIGHT_MS_M, Observations
from bdgw.rtcm.signal import (
    SIGNALS,
    Signal,
    glonass_frequency_hz,
    id_of_satellite,
    satellite_name,
)

__all__ = ["decode_legacy", "encode_legacy"]

_NO_L1_RANGE = 0x80000
"""DF011, DF041: no valid L1 pseudorange; the number still is the base of what is counted."""
_NO_PHASE = -(1 << 19)
_NO_L2_RANGE = -(1 << 13)


class _Rows(NamedTuple):
    """The parts that the rows of a system are put together from."""

    l1: tuple[tuple[str, Field], ...]
    l1_extended: tuple[tuple[str, Field], ...]
    l2: tuple[tuple[str, Field], ...]
    l2_extended: tuple[tuple[str, Field], ...]


def _parts(l1: tuple[tuple[str, Field], ...], names: tuple[str, ...], ambiguity_bits: int) -> _Rows:
    phase1, lock1, ambiguity, cnr1, code2, range2, phase2, lock2, cnr2 = names
    return _Rows(
        (
            *l1,
            ("phase1_m", signed(phase1, 20, per=2000, unit="m", absent=_NO_PHASE)),
            ("lock1", unsigned(lock1, 7)),
        ),
        (
            ("ambiguity", unsigned(ambiguity, ambiguity_bits)),
            ("cnr1_dbhz", unsigned(cnr1, 8, per=4, unit="dB-Hz", absent=0)),
        ),
        (
            ("code2", unsigned(code2, 2)),
            ("range2_m", signed(range2, 14, per=50, unit="m", absent=_NO_L2_RANGE)),
            ("phase2_m", signed(phase2, 20, per=2000, unit="m", absent=_NO_PHASE)),
            ("lock2", unsigned(lock2, 7)),
        ),
        (("cnr2_dbhz", unsigned(cnr2, 8, per=4, unit="dB-Hz", absent=0)),),
    )


_GPS = _parts(
    (
        ("satellite", unsigned("DF009", 6)),
        ("code1", unsigned("DF010", 1)),
        ("range1", unsigned("DF011", 24)),
    ),
    ("DF012", "DF013", "DF014", "DF015", "DF016", "DF017", "DF018", "DF019", "DF020"),
    8,
)
_GLONASS = _parts(
    (
        ("satellite", unsigned("DF038", 6)),
        ("code1", unsigned("DF039", 1)),
        ("channel", unsigned("DF040", 5)),
        ("range1", unsigned("DF041", 25)),
    ),
    ("DF042", "DF043", "DF044", "DF045", "DF046", "DF047", "DF048", "DF049", "DF050"),
    7,
)
_RANGE_STEPS = 50
"""Steps of the L1 pseudorange in a metre (DF011, DF041)."""


class _Layout(NamedTuple):
    system: str
    head: Layout
    row: Layout
    is_extended: bool
    has_l2: bool
    unit_m: float


def _tail(count: str, smoothing: str, interval: str) -> tuple[tuple[str, Field], ...]:
    return (
        ("has_more", flag("DF005")),
        ("n_satellites", unsigned(count, 5)),
        ("is_divergence_free", flag(smoothing)),
        ("smoothing_interval", unsigned(interval, 3)),
    )


_STATION = ("station", unsigned("DF003", 12))
_GPS_HEAD = Layout(
    _STATION, ("time_ms", unsigned("DF004", 30, unit="ms")), *_tail("DF006", "DF007", "DF008")
)
_GLONASS_HEAD = Layout(
    _STATION, ("time_ms", unsigned("DF034", 27, unit="ms")), *_tail("DF035", "DF036", "DF037")
)


def _layouts() -> Iterator[tuple[int, _Layout]]:
    for first, system, head, parts, unit_m in (
        (1001, "G", _GPS_HEAD, _GPS, LIGHT_MS_M),
        (1009, "R", _GLONASS_HEAD, _GLONASS, 2 * LIGHT_MS_M),
    ):
        for step in range(4):
            is_extended, has_l2 = bool(step & 1), step >= 2
            row = Layout(
                *parts.l1,
                *(parts.l1_extended if is_extended else ()),
                *(parts.l2 if has_l2 else ()),
                *(parts.l2_extended if is_extended and has_l2 else ()),
            )
            yield first + step, _Layout(system, head, row, is_extended, has_l2, unit_m)


_LAYOUTS = dict(_layouts())


def _named(system: str, codes: str, frequency_hz: float | None) -> tuple[Signal, ...]:
    """Look up signals by code; one that MSM has no place for gets id 0."""
    by_code = {signal.code: signal for signal in SIGNALS[system].values()}
    return tuple(
        by_code.get(code) or Signal(0, None if code == "-" else code, frequency_hz)
        for code in codes.split()
    )


# By the value of the code indicator (DF010 and DF016, DF039 and DF046).
_L1 = {"G": _named("G", "1C 1P", 1575.42e6), "R": _named("R", "1C 1P", None)}
_L2 = {"G": _named("G", "2X 2P 2D 2W", 1227.60e6), "R": _named("R", "2C 2P - -", None)}


class _Cell(NamedTuple):
    satellite: int
    signal: Signal
    pseudorange_m: float
    phase_range_m: float
    lock_s: float
    cn0_dbhz: float
    frequency_hz: float


def decode_legacy(number: int, reader: BitReader) -> Observations:
    """Read 1001-1004 or 1009-1012 behind the message number.

    Raises:
        DecodeError: the payload is shorter than its count of satellites asks for.
    """
    layout = _LAYOUTS[number]
    head = layout.head.read(reader)
    count = head.pop("n_satellites")
    time_ms = head.pop("time_ms")
    reader.require(count * layout.row.n_bits, f"{count} satellites")
    rows = [layout.row.read(reader) for _ in range(count)]
    cells = [cell for i, row in enumerate(rows) for cell in _cells(layout, i, row)]
    signals = tuple(dict.fromkeys(cell.signal for cell in cells))
    of_signal = {signal: i for i, signal in enumerate(signals)}
    name = legacy_gps_name if layout.system == "G" else _glonass_name
    channels = [row["channel"] for row in rows] if layout.system == "R" else None
    return Observations(
        number=number,
        system=layout.system,
        epoch=RawEpoch(TimeScale.GPST if layout.system == "G" else TimeScale.GLONASS, time_ms),
        range_modulus_m=None if layout.is_extended else layout.unit_m,
        satellites=tuple(name(row["satellite"]) for row in rows),
        signals=signals,
        extended_info=None if channels is None else np.array(channels, dtype=np.int64),
        rough_range_m=np.array(
            [row.get("ambiguity", 0) * layout.unit_m for row in rows], dtype=np.float64
        ),
        satellite_index=np.array([cell.satellite for cell in cells], dtype=np.int64),
        signal_index=np.array([of_signal[cell.signal] for cell in cells], dtype=np.int64),
        pseudorange_m=_column([cell.pseudorange_m for cell in cells]),
        phase_range_m=_column([cell.phase_range_m for cell in cells]),
        phase_rate_m_s=np.full(len(cells), math.nan),
        lock_s=_column([cell.lock_s for cell in cells]),
        cn0_dbhz=_column([cell.cn0_dbhz for cell in cells]),
        frequency_hz=_column([cell.frequency_hz for cell in cells]),
        **head,
    )


def _column(values: list[float]) -> FloatArray:
    return np.array(values, dtype=np.float64)


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value


def _glonass_name(satellite_id: int) -> str:
    return satellite_name("R", satellite_id)


def _cells(layout: _Layout, satellite: int, row: dict[str, Any]) -> Iterator[_Cell]:
    """Give the cells of one satellite: L1, and L2 where the message has it."""
    base_m = row.get("ambiguity", 0) * layout.unit_m + row["range1"] / _RANGE_STEPS
    is_valid = row["range1"] != _NO_L1_RANGE
    channel = row["channel"] - 7 if "channel" in row else None
    signal = _L1[layout.system][row["code1"]]
    yield _Cell(
        satellite,
        signal,
        base_m if is_valid else math.nan,
        base_m + _or_nan(row["phase1_m"]),
        float(LOCK_7_S[row["lock1"]]),
        _or_nan(row.get("cnr1_dbhz")),
        _frequency_hz(signal, channel),
    )
    if layout.has_l2:
        signal = _L2[layout.system][row["code2"]]
        yield _Cell(
            satellite,
            signal,
            base_m + _or_nan(row["range2_m"]),
            base_m + _or_nan(row["phase2_m"]),
            float(LOCK_7_S[row["lock2"]]),
            _or_nan(row.get("cnr2_dbhz")),
            _frequency_hz(signal, channel),
        )


def _frequency_hz(signal: Signal, channel: int | None) -> float:
    if channel is None:
        return _or_nan(signal.frequency_hz)
    return _or_nan(glonass_frequency_hz(signal.code, channel))


def encode_legacy(message: Observations, writer: BitWriter) -> None:
    """Write 1001-1004 or 1009-1012 behind the message number.

    Raises:
        EncodeError: a satellite has not the cells that the message asks for, a signal has no
            code in it, or a value does not fit its field.
    """
    layout = _LAYOUTS[message.number]
    if layout.system != message.system:
        raise EncodeError(f"{message.number} does not carry system {message.system}")
    per_satellite = 2 if layout.has_l2 else 1
    expected = np.repeat(np.arange(len(message.satellites)), per_satellite)
    if not np.array_equal(message.satellite_index, expected):
        raise EncodeError(f"{message.number} takes {per_satellite} cells of each satellite")
    layout.head.write(
        writer,
        {
            "station": message.station,
            "time_ms": message.epoch.time_ms,
            "has_more": message.has_more,
            "n_satellites": len(message.satellites),
            "is_divergence_free": message.is_divergence_free,
            "smoothing_interval": message.smoothing_interval,
        },
    )
    locks = lock_indicator(LOCK_7_S, message.lock_s)
    for satellite in range(len(message.satellites)):
        layout.row.write(writer, _row(layout, message, satellite, locks, per_satellite))


def _row(
    layout: _Layout, message: Observations, satellite: int, locks: list[int], per_satellite: int
) -> dict[str, Any]:
    first = satellite * per_satellite
    l1_m = float(message.pseudorange_m[first])
    unit_m = layout.unit_m
    if message.rough_range_m is not None:
        rough_m = float(message.rough_range_m[satellite])
    else:
        rough_m = 0.0 if math.isnan(l1_m) else l1_m // unit_m * unit_m
    range1 = _NO_L1_RANGE if math.isnan(l1_m) else round((l1_m - rough_m) * _RANGE_STEPS)
    base_m = rough_m + range1 / _RANGE_STEPS
    name = message.satellites[satellite]
    row: dict[str, Any] = {
        "satellite": legacy_gps_id(name) if layout.system == "G" else id_of_satellite("R", name),
        "range1": range1,
        "ambiguity": round(rough_m / unit_m),
    }
    if layout.system == "R":
        info = message.extended_info
        row["channel"] = _UNKNOWN_CHANNEL if info is None else int(info[satellite])
    for band, cell in enumerate(range(first, first + per_satellite), 1):
        signals = (_L1 if band == 1 else _L2)[layout.system]
        row[f"code{band}"] = _indicator(signals, message.signals[message.signal_index[cell]])
        row[f"range{band}_m"] = _less(message.pseudorange_m[cell], base_m)
        row[f"phase{band}_m"] = _less(message.phase_range_m[cell], base_m)
        row[f"lock{band}"] = locks[cell]
        row[f"cnr{band}_dbhz"] = _less(message.cn0_dbhz[cell], 0.0)
    return row


_UNKNOWN_CHANNEL = 31


def _indicator(signals: tuple[Signal, ...], signal: Signal) -> int:
    for indicator, known in enumerate(signals):
        if known.code == signal.code:
            return indicator
    raise EncodeError(f"signal {signal.code} has no code indicator in this message")


def _less(value: float, base: float) -> float | None:
    return None if math.isnan(value) else float(value) - base
