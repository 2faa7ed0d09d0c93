"""Broadcast orbits with full times, of whatever language, and the choice of one for an instant.

Health, age and kind are respected here: what ``EphemerisStore.choose`` gives may be used.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import isnan

import msgspec
from msgspec.structs import replace

from bdgw.positioning.satellite import BDS, GALILEO, GLONASS, GPS, N_SYSTEM_SATELLITES, QZSS
from bdgw.positioning.satellite import satellite_id as _id
from bdgw.rtcm import ephemeris as wire

__all__ = ["EphemerisStore", "GlonassOrbit", "KeplerOrbit", "Orbit", "from_rtcm"]

_S_NS = 1_000_000_000
_KEPT = 8
"""Sets kept of one satellite: two hours of Galileo, a whole day of the others."""
MAX_AGE_S = {GPS: 7200.0, GLONASS: 1800.0, GALILEO: 14_400.0, BDS: 21_600.0, QZSS: 7200.0}
"""Farthest from its reference time that a set is used: the fit interval of GPS and QZSS is 4 h
(IS-GPS-200, clause 20.3.4.4), GLONASS is integrated at most 30 min (GLONASS ICD 5.1, A.3.1.2),
Galileo 4 h (OS SIS ICD 2.0, clause 5.1.1); BeiDou sets come each hour and are used to 6 h."""

_MAX_AHEAD_S = {GPS: 7200.0, GLONASS: 1800.0, GALILEO: 1800.0, BDS: 1800.0, QZSS: 7200.0}
"""How long before its reference time a set is used. Sets of GPS, QZSS and GLONASS are fitted around
it; those of Galileo and BeiDou are sent after it and go astray soon when used backwards, which only
a file of navigation for the whole day makes possible."""


class KeplerOrbit(msgspec.Struct, frozen=True, kw_only=True):
    """A set of GPS, QZSS, Galileo or BeiDou: SI units and radians.

    ``toe_gpst_ns`` and ``toc_gpst_ns`` are full instants in GPST; ``toe_s`` is the second of the
    week in the system's own scale, which the node is counted from. ``tgd_s`` are the group delays
    as broadcast: (TGD,) of GPS and QZSS, (BGD E5a/E1, BGD E5b/E1), (TGD1 of B1I, TGD2 of B2I);
    words of F/NAV have the first of Galileo's only.
    ``issue`` is IODE, IODnav or AODE. ``accuracy_m`` is NaN where unknown.

    ``message`` is CNAV, CNV1, CNV2 or CNV3, as RINEX 4.00 names the modern messages, and empty for
    the legacy ones. A modern set gives no ``tgd_s`` but, by signal, what its range is less: so the
    delays of one message are never used with the clock of another.
    """

    satellite: int
    toe_gpst_ns: int
    toc_gpst_ns: int
    toe_s: float
    issue: int
    is_healthy: bool
    accuracy_m: float
    is_fnav: bool = False
    a0_s: float
    a1_s_s: float
    a2_s_s2: float
    sqrt_a: float
    e: float
    m0_rad: float
    delta_n_rad_s: float
    omega0_rad: float
    omega_dot_rad_s: float
    i0_rad: float
    idot_rad_s: float
    omega_rad: float
    crs_m: float
    crc_m: float
    cuc_rad: float
    cus_rad: float
    cic_rad: float
    cis_rad: float
    tgd_s: tuple[float, ...] = ()
    message: str = ""
    a_dot_m_s: float = 0.0
    delta_n_dot_rad_s2: float = 0.0
    signal_delays_s: tuple[tuple[int, float], ...] = ()


class GlonassOrbit(msgspec.Struct, frozen=True, kw_only=True):
    """A set of GLONASS: PZ-90 position, velocity and lunisolar acceleration at ``toe_gpst_ns``.

    ``minus_tau_s`` is the clock offset with the sign that adds to satellite time.
    """

    satellite: int
    toe_gpst_ns: int
    channel: int | None
    is_healthy: bool
    issue: int
    position_m: tuple[float, float, float]
    velocity_m_s: tuple[float, float, float]
    acceleration_m_s2: tuple[float, float, float]
    minus_tau_s: float
    gamma: float


Orbit = KeplerOrbit | GlonassOrbit


class EphemerisStore:
    """The sets of all satellites that have come, bounded, and which one serves an instant."""

    def __init__(self) -> None:
        self._by_satellite: dict[int, list[Orbit]] = {}
        self.version = 0
        """Grows with every set that is new."""

    def add(self, orbit: Orbit) -> None:
        """Keep a set; the same set again changes nothing."""
        kept = self._by_satellite.setdefault(orbit.satellite, [])
        if any(_is_same(orbit, one) for one in kept):
            return
        kept.append(orbit)
        # Each message has room of its own, so that none drives out the sets of another.
        alike = [one for one in kept if _message_of(one) == _message_of(orbit)]
        if len(alike) > _KEPT * (2 if orbit.satellite // N_SYSTEM_SATELLITES == GALILEO else 1):
            kept.remove(min(alike, key=lambda one: one.toe_gpst_ns))
        self.version += 1

    def extend(self, orbits: Iterable[Orbit]) -> None:
        """Keep several sets."""
        for orbit in orbits:
            self.add(orbit)

    def satellites(self) -> list[int]:
        """List the satellites that sets are kept of."""
        return list(self._by_satellite)

    def choose(self, satellite: int, t_gpst_ns: int) -> Orbit | None:
        """Give the set for an instant: healthy, young enough, nearest; None where none is.

        The satellite is not used where its newest set by that time says that it is unhealthy. Of
        two sets with one reference time the later received counts; I/NAV goes before F/NAV, and a
        legacy message before a modern one (CNAV, B-CNAV), however old it is within its limit.
        B-CNAV3 comes last, which has no delays of B1C and B2a.
        """
        system = satellite // N_SYSTEM_SATELLITES
        limit_s, ahead_s = MAX_AGE_S.get(system, 0.0), _MAX_AHEAD_S.get(system, 0.0)
        best: Orbit | None = None
        best_rank = (_LAST + 1, float("inf"))
        for orbit in self._by_satellite.get(satellite, ()):
            since_s = (t_gpst_ns - orbit.toe_gpst_ns) / _S_NS
            age_s = abs(since_s)
            rank = (_rank_of(orbit), age_s)
            if -ahead_s <= since_s <= limit_s and rank <= best_rank:
                best, best_rank = orbit, rank
        return best if best is not None and best.is_healthy else None

    def channels(self) -> dict[int, int]:
        """Give the GLONASS frequency channels that the sets say, by satellite."""
        return {
            satellite: orbit.channel
            for satellite, orbits in self._by_satellite.items()
            for orbit in orbits
            if isinstance(orbit, GlonassOrbit) and orbit.channel is not None
        }

    def newest_gpst_ns(self) -> int | None:
        """Give the latest reference time of all sets."""
        times = [o.toe_gpst_ns for orbits in self._by_satellite.values() for o in orbits]
        return max(times, default=None)


_LAST = 2


def _rank_of(orbit: Orbit) -> int:
    """Give 0 for the message that goes before all others."""
    if isinstance(orbit, GlonassOrbit):
        return 0
    return _LAST if orbit.message == "CNV3" else int(orbit.is_fnav or orbit.message != "")


def _message_of(orbit: Orbit) -> tuple[str, bool]:
    return (orbit.message, orbit.is_fnav) if isinstance(orbit, KeplerOrbit) else ("", False)


def _is_same(one: Orbit, other: Orbit) -> bool:
    """Whether two sets say the same, also where both do not know their accuracy (NaN)."""
    if one == other:
        return True
    if not (isinstance(one, KeplerOrbit) and isinstance(other, KeplerOrbit)):
        return False
    is_unknown = isnan(one.accuracy_m) and isnan(other.accuracy_m)
    return is_unknown and replace(one, accuracy_m=0.0) == replace(other, accuracy_m=0.0)


_URA_M = (2.4, 3.4, 4.85, 6.85, 9.65, 13.65, 24.0, 48.0, 96.0, 192.0, 384.0, 768.0, 1536.0)
"""IS-GPS-200, clause 20.3.3.3.1.3: upper bounds by index; BDS-SIS-ICD-B1I-3.0 has the same."""


def ura_m(index: int) -> float:
    """Give the accuracy that a URA index of GPS, QZSS or BeiDou stands for, NaN where none."""
    return _URA_M[index] if 0 <= index < len(_URA_M) else float("nan")


def sisa_m(index: int | None) -> float:
    """Give the accuracy that a SISA index stands for (Galileo OS SIS ICD 2.0, table 76)."""
    if index is None or not 0 <= index <= 125:
        return float("nan")
    for first, base_m, step_m in ((100, 2.0, 0.16), (75, 1.0, 0.04), (50, 0.5, 0.02)):
        if index >= first:
            return base_m + (index - first) * step_m
    return index * 0.01


def from_rtcm(message: wire.Ephemeris, near_gpst_ns: int) -> Orbit | None:
    """Turn an ephemeris message into a set, with the week nearest to a reference.

    None where its time is out of range.
    """
    satellite = _id(message.satellite)
    toe_gpst_ns = wire.toe_gpst_ns(message, near_gpst_ns)
    if toe_gpst_ns is None:
        return None
    if isinstance(message, wire.GlonassEphemeris):
        return GlonassOrbit(
            satellite=satellite,
            toe_gpst_ns=toe_gpst_ns,
            channel=message.frequency_channel,
            is_healthy=not message.is_unhealthy,
            issue=message.tb_s // 900,
            position_m=message.position_m,
            velocity_m_s=message.velocity_m_s,
            acceleration_m_s2=message.acceleration_m_s2,
            minus_tau_s=-message.tau_n_s,
            gamma=message.gamma,
        )
    of_system: tuple[int, bool, float, tuple[float, ...], bool]
    if isinstance(message, wire.GpsEphemeris):
        is_good = message.raw_health == 0
        of_system = (message.iode, is_good, ura_m(message.ura_index), (message.tgd_s,), False)
    elif isinstance(message, wire.BdsEphemeris):
        delays = (message.tgd1_s, message.tgd2_s)
        of_system = (
            message.aode,
            not message.is_unhealthy,
            ura_m(message.ura_index),
            delays,
            False,
        )
    else:
        of_system = _of_galileo(message)
    issue, is_healthy, accuracy, tgd_s, is_fnav = of_system
    return KeplerOrbit(
        satellite=satellite,
        toe_gpst_ns=toe_gpst_ns,
        toc_gpst_ns=wire.toc_gpst_ns(message, near_gpst_ns),
        toe_s=float(message.toe_s),
        issue=issue,
        is_healthy=is_healthy,
        accuracy_m=accuracy,
        is_fnav=is_fnav,
        a0_s=message.af0_s,
        a1_s_s=message.af1_s_s,
        a2_s_s2=message.af2_s_s2,
        sqrt_a=message.sqrt_a_sqrt_m,
        e=message.eccentricity,
        m0_rad=message.m0_rad,
        delta_n_rad_s=message.delta_n_rad_s,
        omega0_rad=message.omega0_rad,
        omega_dot_rad_s=message.omega_dot_rad_s,
        i0_rad=message.i0_rad,
        idot_rad_s=message.idot_rad_s,
        omega_rad=message.omega_rad,
        crs_m=message.crs_m,
        crc_m=message.crc_m,
        cuc_rad=message.cuc_rad,
        cus_rad=message.cus_rad,
        cic_rad=message.cic_rad,
        cis_rad=message.cis_rad,
        tgd_s=tgd_s,
    )


def _of_galileo(
    message: wire.GalileoEphemeris,
) -> tuple[int, bool, float, tuple[float, ...], bool]:
    is_fnav = message.bgd_e5b_e1_s is None
    words = (
        message.raw_health_e5a,
        message.raw_health_e5b,
        message.raw_health_e1b,
        message.is_e5a_data_invalid,
        message.is_e5b_data_invalid,
        message.is_e1b_data_invalid,
    )
    delays = (message.bgd_e5a_e1_s, message.bgd_e5b_e1_s or message.bgd_e5a_e1_s)
    return message.iod_nav, not any(words), sisa_m(message.sisa_index), delays, is_fnav
