"""The decoders that are compared: each turns the whole file into typed values and counts them.

pynmeagps types every field when it parses. pynmea2 keeps text and types on access, so what it
costs to read the same values from it is in ``pynmea2_values``, written the quickest way found.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pynmea2
from pynmeagps import NMEAReader

from bdgw.nmea import field, sentence
from bdgw.nmea.frame import frame_nmea
from bdgw.nmea.sentence import Malformed, Unsupported
from bdgw.nmea.sentence import decode as decode_sentence
from bdgw.stream import Decoded, StreamDecoder
from bench import typed

CHUNK_BYTES = 4096
_GSV_HEAD = 3
_GSV_GROUP = 4
_GSA_LAST = 17

Pass = Callable[[list[bytes]], int]
_CACHES = [
    value
    for module in (field, sentence)
    for value in vars(module).values()
    if hasattr(value, "cache_clear")
]


def forget() -> None:
    """Empty what bdgw remembers of earlier fields, so that a second pass gains nothing by it."""
    for cache in _CACHES:
        cache.cache_clear()


def bdgw_stream(lines: list[bytes]) -> int:
    data = b"".join(lines)
    decoder = StreamDecoder()
    count = 0
    for begin in range(0, len(data), CHUNK_BYTES):
        decoder.receive(data[begin : begin + CHUNK_BYTES], now=0.0)
        count += len(decoder.events())
    return count


def bdgw_lines(lines: list[bytes]) -> int:
    count = 0
    for line in lines:
        if frame_nmea(line, 0, True) == len(line):
            decode_sentence(line)
            count += 1
    return count


def pynmeagps_stream(lines: list[bytes]) -> int:
    return sum(1 for _ in NMEAReader(io.BytesIO(b"".join(lines))))


def pynmeagps_lines(lines: list[bytes]) -> int:
    count = 0
    for line in lines:
        NMEAReader.parse(line)
        count += 1
    return count


def pynmea2_stream(lines: list[bytes]) -> int:
    data = b"".join(lines)
    reader = pynmea2.NMEAStreamReader()
    count = 0
    for begin in range(0, len(data), CHUNK_BYTES):
        for message in reader.next(data[begin : begin + CHUNK_BYTES].decode("ascii")):
            pynmea2_values(message)
            count += 1
    return count


def pynmea2_lines(lines: list[bytes]) -> int:
    count = 0
    for line in lines:
        pynmea2_values(pynmea2.parse(line.decode("ascii"), check=True))
        count += 1
    return count


def pynmea2_untyped(lines: list[bytes]) -> int:
    count = 0
    for line in lines:
        pynmea2.parse(line.decode("ascii"), check=True)
        count += 1
    return count


PASSES: dict[str, Pass] = {
    "bdgw stream": bdgw_stream,
    "bdgw lines": bdgw_lines,
    "pynmeagps stream": pynmeagps_stream,
    "pynmeagps lines": pynmeagps_lines,
    "pynmea2 stream": pynmea2_stream,
    "pynmea2 lines": pynmea2_lines,
    "pynmea2 lines, text only": pynmea2_untyped,
}


def pynmea2_values(message: Any) -> tuple[Any, ...]:
    """Read from pynmea2 what the others give typed."""
    return _PYNMEA2[message.sentence_type](message)


def _float(text: str) -> float | None:
    return float(text) if text else None


def _int(text: str) -> int | None:
    return int(text) if text else None


def _gga(m: Any) -> tuple[Any, ...]:
    is_placed = m.lat != ""
    return (
        *("GGA", m.talker, m.timestamp),
        *((m.latitude, m.longitude) if is_placed else (None, None)),
        *(m.gps_qual, _int(m.num_sats), _float(m.horizontal_dil), m.altitude, _float(m.geo_sep)),
        *(_float(m.age_gps_data), _int(m.ref_station_id)),
    )


def _rmc(m: Any) -> tuple[Any, ...]:
    is_placed = m.lat != ""
    return (
        *("RMC", m.talker, m.timestamp, m.status),
        *((m.latitude, m.longitude) if is_placed else (None, None)),
        *(m.spd_over_grnd, m.true_course, m.datestamp),
        *(m.mode_indicator or None, m.nav_status or None),
    )


def _gst(m: Any) -> tuple[Any, ...]:
    return (
        *("GST", m.talker, m.timestamp, m.rms, m.std_dev_major, m.std_dev_minor, m.orientation),
        *(m.std_dev_latitude, m.std_dev_longitude, m.std_dev_altitude),
    )


def _gsa(m: Any) -> tuple[Any, ...]:
    data = m.data
    numbers = [int(text) for text in data[2:14] if text]
    system_id = data[_GSA_LAST] or None if len(data) > _GSA_LAST else None
    return (
        *("GSA", m.talker, m.mode or None, _int(m.mode_fix_type), numbers),
        *(_float(m.pdop), _float(m.hdop), _float(m.vdop), system_id),
    )


def _gsv(m: Any) -> tuple[Any, ...]:
    data = m.data
    stop = _GSV_HEAD + (len(data) - _GSV_HEAD) // _GSV_GROUP * _GSV_GROUP
    satellites = [
        (_int(data[at]), _int(data[at + 1]), _int(data[at + 2]), _int(data[at + 3]))
        for at in range(_GSV_HEAD, stop, _GSV_GROUP)
    ]
    signal = int(data[stop], 16) if stop < len(data) and data[stop] else None
    counts = (_int(m.num_messages), _int(m.msg_num), _int(m.num_sv_in_view))
    return ("GSV", m.talker, *counts, satellites, signal)


_PYNMEA2 = {"GGA": _gga, "RMC": _rmc, "GST": _gst, "GSA": _gsa, "GSV": _gsv}


def judge(line: bytes) -> str | None:
    """Decode a line with all three; None where they agree, else who refuses or disagrees."""
    (event,) = _events(line)
    if not isinstance(event, Decoded) or isinstance(event.message, Unsupported | Malformed):
        return "bdgw refuses"
    ours = typed.of_bdgw(event.message)
    try:
        ((_, streamed),) = NMEAReader(io.BytesIO(line))
        first = typed.of_pynmeagps(streamed)
    except Exception:  # noqa: BLE001 - each library has its own errors, and some are bugs
        return "pynmeagps refuses"
    try:
        message = pynmea2.parse(line.decode("ascii"), check=True)
        second = typed.of_pynmea2(pynmea2_values(message))
    except Exception:  # noqa: BLE001 - the same
        return "pynmea2 refuses"
    if not typed.agree(ours, first):
        return "pynmeagps differs" if typed.agree(ours, second) else "bdgw differs from both"
    return None if typed.agree(ours, second) else "pynmea2 differs"


def _events(line: bytes) -> list[Any]:
    decoder = StreamDecoder()
    decoder.receive(line, now=0.0)
    decoder.receive(b"", now=0.0)
    return list(decoder.events())
