"""A second reading of NMEA captures, made of pynmeagps and of nothing of bdgw.

It is the plainest that serves: neighbouring sentences with one time of day are an epoch. GGA
speaks for the position before GNS, RMC and GLL. An epoch with a void RMC or GLL has no position.
"""

import datetime as dt
import json
import re
from dataclasses import dataclass
from typing import Any

from pynmeagps import NMEAMessage, NMEAReader
from pynmeagps.exceptions import NMEAMessageError, NMEAParseError, NMEATypeError

SPEAKERS = ("GGA", "GNS", "RMC", "GLL")
_LINE = re.compile(rb"\$[^$!*\x00-\x1f\x7f-\xff]+\*[0-9A-Fa-f]{2}")
_BY_QUALITY = ["none", "single", "dgnss", "single", "rtk_fixed", "rtk_float", "dead_reckoning"]
_BY_QUALITY += ["manual", "simulated", "dgnss"]
# From the best to the least; a GNS names one letter for each system.
_BY_MODE = {
    "R": "rtk_fixed",
    "F": "rtk_float",
    "D": "dgnss",
    "P": "single",
    "A": "single",
    "E": "dead_reckoning",
    "M": "manual",
    "S": "simulated",
}


@dataclass(frozen=True)
class Position:
    """What one epoch says; ``time`` is the UTC time of day."""

    time: dt.time
    fix: str
    lat_deg: float | None
    lon_deg: float | None
    date: dt.date | None


def lines_of(data: bytes) -> list[bytes]:
    """Find whatever looks like a sentence and has a good checksum, by a loop of our own."""
    found = []
    for match in _LINE.finditer(data):
        text, checksum = match[0][1:-3], match[0][-2:]
        total = 0
        for byte in text:
            total ^= byte
        if total == int(checksum, 16):
            found.append(match[0])
    return found


def positions_of(data: bytes) -> list[Position]:
    """Read the epochs that have a time, in order."""
    epochs: list[list[NMEAMessage]] = []
    for line in lines_of(data):
        if line[3:6].decode() not in SPEAKERS or line[6:7] != b",":
            continue
        try:
            message = NMEAReader.parse(line + b"\r\n")
        except (NMEAMessageError, NMEAParseError, NMEATypeError):
            continue
        if message is None or not isinstance(message.time, dt.time):
            continue
        if epochs and epochs[-1][0].time == message.time and _joins(epochs[-1], message):
            epochs[-1].append(message)
        else:
            epochs.append([message])
    return [_position(epoch) for epoch in epochs]


def _joins(epoch: list[NMEAMessage], message: NMEAMessage) -> bool:
    """The same sentence again, saying something else, is of another epoch of that time."""
    same = [m for m in epoch if m.identity == message.identity]
    return not same or any(m.serialize() == message.serialize() for m in same)


def _position(epoch: list[NMEAMessage]) -> Position:
    date = next((m.date for m in epoch if m.msgID == "RMC" and m.status == "A" and m.date), None)
    speaker = next(_ranked(epoch))
    fix = _kind(speaker)
    for message in epoch:
        if message.msgID in {"RMC", "GLL"} and _is_void(message):
            fix = "none"
    if fix == "none" or speaker.lat == "" or speaker.lon == "":
        return Position(speaker.time, "none", None, None, date)
    return Position(speaker.time, fix, float(speaker.lat), float(speaker.lon), date)


def _ranked(epoch: list[NMEAMessage]):
    for name in SPEAKERS:
        of_name = [m for m in epoch if m.msgID == name]
        # The one with a position, and of those the combined one.
        yield from sorted(
            of_name, key=lambda m: (m.lat == "" or _kind(m) == "none", m.talker != "GN")
        )


def _kind(message: NMEAMessage) -> str:
    if message.msgID == "GGA":
        return "none" if message.quality == "" else _BY_QUALITY[int(message.quality)]
    mode = getattr(message, "posMode", "")
    if message.msgID == "GNS" or mode:
        return next((fix for letter, fix in _BY_MODE.items() if letter in mode), "none")
    return "single" if message.status == "A" else "none"


def _is_void(message: NMEAMessage) -> bool:
    mode = getattr(message, "posMode", "")
    return mode == "N" or (message.status == "V" and mode != "E")


def tpv_of(text: str) -> list[dict[str, Any]]:
    """Read what gpsd reported of the same log."""
    found = []
    for line in text.splitlines():
        if line.startswith("{"):
            try:
                value = json.loads(line)
            except ValueError:
                continue
            if value.get("class") == "TPV":
                found.append(value)
    return found
