"""What the sentences of one instant say together, as one ``Fix``.

Where sentences disagree the weaker claim is published: a position that one of them calls invalid
is no position.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from typing import TypeVar

from bdgw.model import Fix, FixKind
from bdgw.nmea.sentence import Gga, Gll, Gns, Gsa, Gst, Rmc, Sentence, Vtg

__all__ = ["date_of", "merge"]

_TalkingT = TypeVar("_TalkingT", Rmc, Gns, Gll, Gst, Vtg)

KNOT_M_S = 1852.0 / 3600.0

_KIND_BY_QUALITY = {
    0: FixKind.NONE,
    1: FixKind.SINGLE,
    2: FixKind.DGNSS,
    3: FixKind.SINGLE,  # PPS: a precise code solution, still of one receiver alone
    4: FixKind.RTK_FIXED,
    5: FixKind.RTK_FLOAT,
    6: FixKind.DEAD_RECKONING,
    7: FixKind.MANUAL,
    8: FixKind.SIMULATED,
    9: FixKind.DGNSS,
}
# NMEA 0183 4.11, mode indicator; in a GNS with several systems the first that occurs counts.
_KIND_BY_MODE = {
    "R": FixKind.RTK_FIXED,
    "F": FixKind.RTK_FLOAT,
    "D": FixKind.DGNSS,
    "P": FixKind.SINGLE,
    "A": FixKind.SINGLE,
    "E": FixKind.DEAD_RECKONING,
    "M": FixKind.MANUAL,
    "S": FixKind.SIMULATED,
    "N": FixKind.NONE,
}
_GGA_CAP = 12
"""Many receivers stop counting in GGA here, because NMEA 2.x did."""


class _Heard:
    """The sentences of an epoch by type; the better of two positions is chosen once."""

    __slots__ = ("gga", "ggas", "gll", "gns", "gsas", "gst", "rmc", "vtg")

    def __init__(self, sentences: Sequence[Sentence]) -> None:
        self.ggas: list[Gga] = []
        self.gsas: list[Gsa] = []
        self.gns: Gns | None = None
        self.rmc: Rmc | None = None
        self.gll: Gll | None = None
        self.gst: Gst | None = None
        self.vtg: Vtg | None = None
        for sentence in sentences:
            if type(sentence) is Gga:
                self.ggas.append(sentence)
            elif type(sentence) is Rmc:
                self.rmc = _better(self.rmc, sentence)
            elif type(sentence) is Gsa:
                self.gsas.append(sentence)
            elif type(sentence) is Gns:
                self.gns = _better(self.gns, sentence)
            elif type(sentence) is Gll:
                self.gll = _better(self.gll, sentence)
            elif type(sentence) is Gst:
                self.gst = _better(self.gst, sentence)
            elif type(sentence) is Vtg:
                self.vtg = _better(self.vtg, sentence)
        self.gga = max(self.ggas, key=_gga_rank) if self.ggas else None


def _gga_rank(gga: Gga) -> tuple[bool, bool]:
    return gga.lat_deg is not None, gga.talker == "GN"


def _better(first: _TalkingT | None, second: _TalkingT) -> _TalkingT:
    """Prefer the combined (GN) sentence over one of a single system; else the first one."""
    if first is None or (second.talker == "GN" and first.talker != "GN"):
        return second
    return first


def _status_kind(status: str | None, mode: str | None) -> FixKind:
    if mode is not None and mode in _KIND_BY_MODE:
        kind = _KIND_BY_MODE[mode]
        if status == "V" and kind is not FixKind.DEAD_RECKONING:
            return FixKind.NONE
        return kind
    return FixKind.SINGLE if status == "A" else FixKind.NONE


def _mode_kind(mode: str | None) -> FixKind:
    if mode:
        for letter, kind in _KIND_BY_MODE.items():
            if letter in mode:
                return kind
    return FixKind.NONE


def _kind(heard: _Heard) -> FixKind:
    by_status = [
        _status_kind(sentence.status, sentence.mode)
        for sentence in (heard.rmc, heard.gll)
        if sentence is not None and (sentence.status or sentence.mode)
    ]
    if FixKind.NONE in by_status:
        return FixKind.NONE
    if heard.gga is not None:
        quality = heard.gga.quality
        return FixKind.NONE if quality is None else _KIND_BY_QUALITY[quality]
    if heard.gns is not None:
        return _mode_kind(heard.gns.mode)
    return by_status[0] if by_status else FixKind.NONE


def _sats_used(heard: _Heard) -> int | None:
    if heard.gns is not None and heard.gns.sats_used is not None:
        return heard.gns.sats_used
    counts = [gga.sats_used for gga in heard.ggas if gga.sats_used is not None]
    if not counts:
        return None
    # One GGA a system counts its own satellites; a combined one counts all of them.
    used = sum(counts) if len({gga.talker for gga in heard.ggas}) > 1 else counts[0]
    if used == _GGA_CAP:
        used = max(used, len({satellite for gsa in heard.gsas for satellite in gsa.used}))
    return used


def _motion(heard: _Heard) -> tuple[float | None, float | None]:
    """Speed in m/s and course in degrees."""
    speed: float | None = None
    course: float | None = None
    if heard.rmc is not None:
        if heard.rmc.speed_kn is not None:
            speed = heard.rmc.speed_kn * KNOT_M_S
        course = heard.rmc.course_deg
    vtg = heard.vtg
    if vtg is not None and vtg.mode != "N":
        if speed is None and vtg.speed_kn is not None:
            speed = vtg.speed_kn * KNOT_M_S
        if speed is None and vtg.speed_km_h is not None:
            speed = vtg.speed_km_h / 3.6
        if course is None:
            course = vtg.course_deg
    return (None if speed is None else round(speed, 4)), course


def date_of(sentences: Sequence[Sentence]) -> dt.date | None:
    """Give the date that a valid RMC of the epoch carries."""
    for sentence in sentences:
        if type(sentence) is Rmc and sentence.date is not None and sentence.status == "A":
            return sentence.date
    return None


def merge(sentences: Sequence[Sentence]) -> Fix:
    """Join sentences that speak of one instant; time and day are not set here."""
    heard = _Heard(sentences)
    kind = _kind(heard)
    place = heard.gga or heard.gns or heard.rmc or heard.gll
    if kind is FixKind.NONE or place is None or place.lat_deg is None or place.lon_deg is None:
        return Fix(kind=FixKind.NONE, sats_used=_sats_used(heard))
    speed_m_s, course_deg = _motion(heard)
    acc_h_m = acc_v_m = None
    gst = heard.gst
    if gst is not None and gst.lat_std_m is not None and gst.lon_std_m is not None:
        acc_h_m = round(math.hypot(gst.lat_std_m, gst.lon_std_m), 4)
        acc_v_m = gst.alt_std_m
    full = heard.gga if heard.gga is not None else heard.gns
    alt_msl_m = full.alt_msl_m if full else None
    separation_m = full.geoid_separation_m if full else None
    age_s = full.corr_age_s if full else None
    station = full.corr_station if full else None
    return Fix(
        kind=kind,
        lat_deg=place.lat_deg,
        lon_deg=place.lon_deg,
        alt_msl_m=alt_msl_m,
        alt_hae_m=(
            None
            if alt_msl_m is None or separation_m is None
            else round(alt_msl_m + separation_m, 4)
        ),
        acc_h_m=acc_h_m,
        acc_v_m=acc_v_m,
        # DRMS of two standard deviations: between 63 and 68 % by the shape of the ellipse.
        acc_conf=None if acc_h_m is None else 0.68,
        speed_m_s=speed_m_s,
        course_deg=course_deg,
        sats_used=_sats_used(heard),
        hdop=full.hdop if full else None,
        corr_age_s=age_s,
        # 0000 without an age is how receivers fill an empty field.
        corr_station=station if station or age_s is not None else None,
    )
