"""The same typed values from every decoder, for comparing them before they are timed.

A canonical sentence is a tuple: kind, talker, then plain values in the order of ``_BDGW``. Numbers
of satellites are normalised by bdgw's own table on all sides, because only bdgw does that.
"""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

from bdgw.nmea.satellite import SYSTEM_BY_ID, SYSTEM_BY_TALKER, normalise
from bdgw.nmea.sentence import Gga, Gsa, Gst, Gsv, Rmc

Canonical = tuple[Any, ...]

_SATELLITES = 4
_CHANNELS = 12
_TOLERANCE = 1e-9


def of_bdgw(message: Any) -> Canonical:
    match message:
        case Gga() | Rmc() | Gst():
            values = tuple(getattr(message, name) for name in message.__struct_fields__)
            return (type(message).__name__.upper(), *values)
        case Gsa():
            numbers = len(message.used) + message.n_unknown
            return (
                *("GSA", message.talker, message.selection, message.dimension, message.used),
                *(message.pdop, message.hdop, message.vdop, message.system_id, numbers),
            )
        case Gsv():
            seen = tuple(
                (each.system, each.prn, each.elevation_deg, each.azimuth_deg, each.cn0_dbhz)
                for each in message.satellites
            )
            return (
                *("GSV", message.talker, message.total, message.index, message.in_view, seen),
                message.signal,
            )
    return ("?", repr(message))


def of_pynmeagps(message: Any) -> Canonical:
    kind, talker = message.msgID, message.talker

    def get(name: str) -> Any:
        value = getattr(message, name, None)
        return None if value == "" else value

    if kind == "GGA":
        place = _place(get("lat"), get("lon"), is_void=get("quality") == 0)
        values = [get(name) for name in ("quality", "numSV", "HDOP", "alt", "sep", "diffAge")]
        return (kind, talker, *place, _ns(get("time")), *values, get("diffStation"))
    if kind == "RMC":
        place = _place(get("lat"), get("lon"), is_void=get("status") == "V")
        values = [get(name) for name in ("status", "spd", "cog", "date", "posMode", "navStatus")]
        return (kind, talker, *place, _ns(get("time")), *values)
    if kind == "GST":
        names = ("rangeRms", "stdMajor", "stdMinor", "orient", "stdLat", "stdLong", "stdAlt")
        return (kind, talker, _ns(get("time")), *(get(name) for name in names))
    if kind == "GSA":
        numbers = [get(f"svid_{index:02d}") for index in range(1, _CHANNELS + 1)]
        system_id = get("systemId")
        dops = [get(name) for name in ("PDOP", "HDOP", "VDOP")]
        return _gsa(talker, get("opMode"), get("navMode"), numbers, dops, system_id)
    seen = [
        (get(f"svid_{n:02d}"), get(f"elv_{n:02d}"), get(f"az_{n:02d}"), get(f"cno_{n:02d}"))
        for n in range(1, _SATELLITES + 1)
    ]
    signal = get("signalID")
    counts = (get("numMsg"), get("msgNum"), get("numSV"))
    return _gsv(talker, counts, seen, None if signal is None else int(signal, 16))


def of_pynmea2(values: Canonical) -> Canonical:
    """Canonical form of what ``pynmea2_values`` has read."""
    kind, talker = values[:2]
    if kind == "GGA":
        _, _, time, lat, lon, quality, *rest = values
        return (kind, talker, *_place(lat, lon, is_void=quality == 0), _ns(time), quality, *rest)
    if kind == "RMC":
        _, _, time, status, lat, lon, *rest = values
        return (kind, talker, *_place(lat, lon, is_void=status == "V"), _ns(time), status, *rest)
    if kind == "GST":
        return (kind, talker, _ns(values[2]), *values[3:])
    if kind == "GSA":
        _, _, mode, dimension, numbers, *dops, system_id = values
        return _gsa(talker, mode, dimension, numbers, dops, system_id)
    _, _, total, index, in_view, seen, signal = values
    return _gsv(talker, (total, index, in_view), seen, signal)


def agree(first: Canonical, second: Canonical) -> bool:
    """Equal, with room for binary rounding where both are numbers."""
    if len(first) != len(second):
        return False
    for one, other in zip(first, second, strict=True):
        if isinstance(one, tuple) and isinstance(other, tuple):
            if not agree(one, other):
                return False
        elif isinstance(one, float) and isinstance(other, int | float):
            if not math.isclose(one, other, rel_tol=0.0, abs_tol=_TOLERANCE):
                return False
        elif one != other:
            return False
    return True


def _place(lat: Any, lon: Any, *, is_void: bool) -> tuple[Any, Any]:
    """A receiver without a fix may write anything: bdgw gives nothing then."""
    return (None, None) if is_void else (lat, lon)


def _ns(time: dt.time | None) -> int | None:
    if time is None:
        return None
    seconds = time.hour * 3600 + time.minute * 60 + time.second
    return seconds * 1_000_000_000 + time.microsecond * 1000


def _gsa(
    talker: str, mode: Any, dimension: Any, numbers: list[Any], dops: list[Any], system_id: Any
) -> Canonical:
    system = SYSTEM_BY_TALKER.get(talker, "")
    if system_id is not None:
        system = SYSTEM_BY_ID.get(system_id, "")
    given = [int(number) for number in numbers if number is not None]
    used = tuple(found for n in given if (found := normalise(system, n)) is not None)
    return ("GSA", talker, mode, dimension, used, *dops, system_id, len(given))


def _gsv(talker: str, counts: tuple[Any, ...], seen: list[Any], signal: int | None) -> Canonical:
    system = SYSTEM_BY_TALKER.get(talker, "")
    known = tuple(
        (*found, *rest)
        for number, *rest in seen
        if number is not None and (found := normalise(system, int(number))) is not None
    )
    return ("GSV", talker, *counts, known, signal)
