"""A frame as JSON values, for people and scripts: every field with its unit in its name.

What is not known is left out, numbers are rounded well below the resolution of the wire, and what
cannot be decoded says why instead of stopping anything.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec

from bdgw.errors import DecodeError
from bdgw.rtcm.frame import message_number
from bdgw.rtcm.head import TimeScale, kind_of
from bdgw.rtcm.message import Unsupported, decode
from bdgw.rtcm.observation import Observations

__all__ = ["is_understood", "rtcm_fields"]

_DECIMALS = 5
"""A hundredth of a millimetre; the finest range on the wire is counted in 0.14 mm."""
_UNKNOWN_DAY = 7
_HEAD_FIELDS = (
    "iods",
    "clock_steering",
    "external_clock",
    "is_divergence_free",
    "smoothing_interval",
    "range_modulus_m",
)


def rtcm_fields(frame: bytes) -> dict[str, Any]:
    """Give all that a whole frame says, as JSON values.

    Where it is not understood the value has ``unsupported`` true, and ``error`` if it is of a
    kind that should be. Never raises.
    """
    number = message_number(frame)
    if number is None:
        return {}
    try:
        message = decode(frame)
    except DecodeError as error:
        return {"kind": kind_of(number).value, "unsupported": True, "error": str(error)}
    fields: dict[str, Any] = {"kind": kind_of(number).value}
    if isinstance(message, Unsupported):
        return fields | {"unsupported": True}
    if isinstance(message, Observations):
        return fields | _observation_fields(message)
    values = msgspec.to_builtins(message)
    del values["number"]
    return fields | _known(values)


def is_understood(frame: bytes) -> bool:
    """Tell whether ``decode`` makes a value of a frame; a filler needs none."""
    if message_number(frame) is None:
        return True
    try:
        return not isinstance(decode(frame), Unsupported)
    except DecodeError:
        return False


def _known(values: dict[str, Any]) -> dict[str, Any]:
    """Leave out what is not known, at any depth, and the zeros with which C ends its texts."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            found[name] = _known(value)
        elif isinstance(value, str):
            if text := value.rstrip("\0"):
                found[name] = text
        elif value is not None:
            found[name] = value
    return found


def _observation_fields(message: Observations) -> dict[str, Any]:
    fields: dict[str, Any] = {"station": message.station, "system": message.system}
    epoch = message.epoch
    fields["time_scale"] = epoch.scale.value
    seconds = "tod_s" if epoch.scale is TimeScale.GLONASS else "tow_s"
    fields[seconds] = epoch.time_ms / 1000
    if epoch.day_of_week is not None and epoch.day_of_week < _UNKNOWN_DAY:
        fields["day_of_week"] = epoch.day_of_week
    fields["has_more"] = message.has_more
    for name in _HEAD_FIELDS:
        value = getattr(message, name)
        if value is not None:
            fields[name] = value
    for name in ("n_unknown_signals", "n_unknown_frequencies"):
        if count := getattr(message, name):
            fields[name] = count
    if channels := message.frequency_channels:
        fields["frequency_channels"] = channels
    fields["observations"] = _cells(message)
    return fields


def _cells(message: Observations) -> list[dict[str, Any]]:
    columns = {
        "pseudorange_m": message.pseudorange_m,
        "phase_cycles": message.phase_cycles,
        "doppler_hz": message.doppler_hz,
        "lock_s": message.lock_s,
        "cn0_dbhz": message.cn0_dbhz,
    }
    # Where the carrier is not known, the same in metres.
    in_metres = {"phase_range_m": message.phase_range_m, "phase_rate_m_s": message.phase_rate_m_s}
    halves = None if message.is_half_cycle is None else message.is_half_cycle.tolist()
    cells: list[dict[str, Any]] = []
    for i in range(message.n_cells):
        signal = message.signals[message.signal_index[i]]
        cell: dict[str, Any] = {"satellite": message.satellites[message.satellite_index[i]]}
        if signal.code is not None:
            cell["code"] = signal.code
        else:
            cell["signal_id"] = signal.id
        has_carrier = not math.isnan(message.frequency_hz[i])
        for name, column in (columns if has_carrier else columns | in_metres).items():
            if not math.isnan(column[i]):
                cell[name] = round(float(column[i]), _DECIMALS)
        if halves is not None:
            cell["is_half_cycle"] = halves[i]
        cells.append(cell)
    return cells
