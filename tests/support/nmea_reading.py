"""A second reader of NMEA captures, made of pynmeagps and the rules of the documentation.

It shares no code with ``bdgw``. pynmeagps judges checksums and reads the fields; what is written
here is only how sentences become epochs (a run of sentences with one time of day), which of them
speaks for the position, and where the day comes from:

* A sentence whose time is empty never joins one that has a time.
* GGA speaks before GNS, RMC and GLL; of several GGA the one that has a position, GN before others.
* RMC or GLL with status V takes the position away: the weaker claim is the one that holds.
* The day is that of a valid RMC of the epoch, else the day that puts the epoch nearest to the last
  date that the receiver gave while it had a fix (RMC or ZDA), else unknown.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pynmeagps import VALCKSUM, NMEAMessage, NMEAReader
from pynmeagps.exceptions import NMEAMessageError, NMEAParseError, NMEATypeError

POSITIONS = ("GGA", "RMC", "GNS", "GLL")
# NMEA 0183 4.11: GGA quality indicator. 3 is PPS, a code solution of one receiver; 9 is NovAtel's.
KIND_BY_QUALITY = {
    0: "none",
    1: "single",
    2: "dgnss",
    3: "single",
    4: "rtk_fixed",
    5: "rtk_float",
    6: "dead_reckoning",
    7: "manual",
    8: "simulated",
    9: "dgnss",
}
# NMEA 0183 4.11: mode indicator; of several systems the best counts.
KIND_BY_MODE = {
    "R": "rtk_fixed",
    "F": "rtk_float",
    "D": "dgnss",
    "P": "single",
    "A": "single",
    "E": "dead_reckoning",
    "M": "manual",
    "S": "simulated",
}
_SENTENCE = re.compile(rb"\$[^\x00-\x1f!$*\x7f-\xff]{1,1024}\*[0-9A-Fa-f]{2}")
_WEEK_0 = (dt.date(2019, 4, 7), dt.date(2019, 4, 13))
_OLDEST = dt.date(2000, 1, 1)
"""A receiver that says an earlier day has no time yet (1980, 1999): such fixes are kept back."""


@dataclass(frozen=True)
class Read:
    """What one epoch says."""

    time: dt.time | None
    date: dt.date | None
    fix: str
    lat_deg: float | None
    lon_deg: float | None

    @property
    def is_kept_back(self) -> bool:
        return self.date is not None and self.date < _OLDEST

    @property
    def is_of_week_0(self) -> bool:
        """GPS week 2048, whose number is sent as 0: a receiver that knows no week says so."""
        is_in_it = self.date is not None and _WEEK_0[0] <= self.date <= _WEEK_0[1]
        return is_in_it and self.fix != "none"

    @property
    def t_fix(self) -> str | None:
        """The instant as it is published, in milliseconds, half up."""
        if self.time is None or self.date is None:
            return None
        moment = dt.datetime.combine(self.date, self.time)
        return published(moment)


def published(moment: dt.datetime) -> str:
    rounded = moment + dt.timedelta(microseconds=500)
    return rounded.strftime("%Y-%m-%dT%H:%M:%S.") + f"{rounded.microsecond // 1000:03d}Z"


@dataclass
class _Run:
    time: dt.time | None
    sentences: list[NMEAMessage] = field(default_factory=list)

    def _has(self, message: NMEAMessage) -> bool:
        return any(s.identity == message.identity for s in self.sentences)

    def leaves_out(self, message: NMEAMessage, time: dt.time | None) -> bool:
        """It says nothing: a copy, or one whose empty time could be of any instant."""
        if not self.sentences:
            return False
        if time is None:
            return self.time is not None and not self._has(message)
        is_copy = any(s.serialize() == message.serialize() for s in self.sentences)
        return time == self.time and is_copy

    def goes_on_with(self, message: NMEAMessage, time: dt.time | None) -> bool:
        """It is of the same instant. What had no time before one that has is left out as well."""
        if not self._has(message) and self.time is None and time is not None:
            self.sentences.clear()
            self.time = time
        return time == self.time and not self._has(message)


def read_sentences(data: bytes) -> Iterator[NMEAMessage]:
    """Give the sentences of a capture that pynmeagps accepts, whatever stands between them."""
    for match in _SENTENCE.finditer(data):
        try:
            message = NMEAReader.parse(match[0] + b"\r\n", validate=VALCKSUM)
        except (NMEAParseError, NMEAMessageError, NMEATypeError):
            continue
        if message is not None:
            yield message


def read_fixes(data: bytes) -> list[Read]:
    """Read the epochs of a capture, in order."""
    fixes: list[Read] = []
    day = _Day()
    run = _Run(None)
    for message in read_sentences(data):
        time = _time(message)
        if message.msgID == "ZDA":
            day.hear(_zda_date(message), time)
        elif message.msgID in (*POSITIONS, "GST") and not run.leaves_out(message, time):
            if not run.goes_on_with(message, time):
                fixes += _finish(run, day)
                run = _Run(time)
            run.sentences.append(message)
    return fixes + _finish(run, day)


class _Day:
    """The last instant that the receiver has vouched for."""

    def __init__(self) -> None:
        self._known: dt.datetime | None = None
        self._has_fix: bool | None = None
        self._first: tuple[dt.date | None, dt.time | None] = (None, None)

    def hear(self, date: dt.date | None, time: dt.time | None) -> None:
        """A ZDA; before the first epoch nobody knows yet what it is worth."""
        if self._has_fix is None:
            self._first = (date, time)
        elif self._has_fix:
            self._learn(date, time)

    def of(
        self, time: dt.time | None, rmc_date: dt.date | None, *, is_fixed: bool
    ) -> dt.date | None:
        """The day of an epoch; without a fix it is not remembered."""
        if self._has_fix is None and is_fixed:
            self._learn(*self._first)
        self._has_fix = is_fixed
        if time is None:
            return rmc_date
        date = rmc_date
        if date is None and self._known is not None:
            date = nearest(time, self._known).date()
        if is_fixed:
            self._learn(date, time)
        return date

    def _learn(self, date: dt.date | None, time: dt.time | None) -> None:
        if date is not None and time is not None and date >= _OLDEST:
            self._known = dt.datetime.combine(date, time)


def nearest(time: dt.time, moment: dt.datetime) -> dt.datetime:
    """The instant with this time of day that is nearest to ``moment``."""
    days = (moment.date() + dt.timedelta(days=step) for step in (-1, 0, 1))
    return min((dt.datetime.combine(d, time) for d in days), key=lambda found: abs(found - moment))


def _finish(run: _Run, day: _Day) -> list[Read]:
    if not any(s.msgID in POSITIONS for s in run.sentences):
        return []
    fix = _kind(run.sentences)
    speaker = _speaker(run.sentences)
    lat = lon = None
    if speaker is not None and fix != "none":
        lat, lon = _degrees(speaker, "lat"), _degrees(speaker, "lon")
    if lat is None or lon is None:
        fix, lat, lon = "none", None, None
    date = day.of(run.time, _rmc_date(run.sentences), is_fixed=fix != "none")
    return [Read(time=run.time, date=date, fix=fix, lat_deg=lat, lon_deg=lon)]


def _speaker(sentences: list[NMEAMessage]) -> NMEAMessage | None:
    ggas = [s for s in sentences if s.msgID == "GGA"]
    if ggas:
        with_position = [s for s in ggas if s.quality != 0 and _degrees(s, "lat") is not None]
        candidates = with_position or ggas
        return next((s for s in candidates if s.talker == "GN"), candidates[0])
    for kind in ("GNS", "RMC", "GLL"):
        of_kind = [s for s in sentences if s.msgID == kind]
        if of_kind:
            return next((s for s in of_kind if s.talker == "GN"), of_kind[0])
    return None


def _kind(sentences: list[NMEAMessage]) -> str:
    speaker = _speaker(sentences)
    by_status = []
    for kind in ("RMC", "GLL"):
        of_kind = [s for s in sentences if s.msgID == kind]
        if of_kind:
            chosen = next((s for s in of_kind if s.talker == "GN"), of_kind[0])
            if chosen.status or getattr(chosen, "posMode", ""):
                by_status.append(_status_kind(chosen))
    if "none" in by_status or speaker is None:
        return "none"
    if speaker.msgID == "GGA":
        return "none" if speaker.quality == "" else KIND_BY_QUALITY[speaker.quality]
    if speaker.msgID == "GNS":
        return next(
            (name for letter, name in KIND_BY_MODE.items() if letter in speaker.posMode), "none"
        )
    return by_status[0] if by_status else "none"


def _status_kind(message: NMEAMessage) -> str:
    mode = getattr(message, "posMode", "")
    if message.status == "V" and mode != "E":
        return "none"
    if mode:
        return KIND_BY_MODE.get(mode, "none")
    return "single" if message.status == "A" else "none"


def _degrees(message: NMEAMessage, name: str) -> float | None:
    value: Any = getattr(message, name, "")
    return None if value == "" else float(value)


def _time(message: NMEAMessage) -> dt.time | None:
    value = getattr(message, "time", "")
    return value if isinstance(value, dt.time) else None


def _rmc_date(sentences: list[NMEAMessage]) -> dt.date | None:
    for message in sentences:
        if message.msgID == "RMC" and message.status == "A" and isinstance(message.date, dt.date):
            return message.date
    return None


def _zda_date(message: NMEAMessage) -> dt.date | None:
    try:
        return dt.date(int(message.year), int(message.month), int(message.day))
    except ValueError:
        return None
