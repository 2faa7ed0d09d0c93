"""Unicore's messages of broadcast data to sets of orbits and ionospheres: one frame, one set.

Angles are radians there, lengths metres. The accuracy of a set is not taken over: RTKLIB EX takes
its field for a deviation, the book calls it a variance.

Source: Unicore N4 Products Commands and Logs Reference Book R1.6, GPSEPH, QZSSEPH, GLOEPH, GALEPH,
BDSEPH, which RTKLIB EX 2.5 and pyunigps 1.0 agree with; GPSION and BDSION, which pyunigps does. The
times of BDSEPH are of BDT, whatever the book calls them: those of its example are whole hours.
"""

from __future__ import annotations

import math
import struct

from bdgw.positioning.atmosphere import Klobuchar
from bdgw.positioning.ephemeris import GlonassOrbit, KeplerOrbit
from bdgw.rawlog.event import IonosphereSeen, OrbitSeen
from bdgw.rawlog.unicore_bd3eph import decode_bd3eph
from bdgw.rawlog.unicore_kepler import BDT_NS, KEPLER, kepler_of, root_of
from bdgw.rawlog.unicore_tracking import satellite_of
from bdgw.unicore import frame as unicore

__all__ = ["broadcast_of"]

_S_NS, _MS_NS = 1_000_000_000, 1_000_000
_WEEK_NS = 604_800 * _S_NS
_CHANNEL_OFFSET = 7
_HEALTH_BITS = 0x3F
_FIRST_BAD = 4
"""GLONASS health of 0 to 3 is good."""
_GPS = struct.Struct("<IdIIIIIdd14dIddddd")
_BDS = struct.Struct("<IdIIIIIdd14dIdddddd")
_GALILEO = struct.Struct("<III8BIId14dI3dI3d2d")
_GLONASS = struct.Struct("<HHBBHIIHHII3d3d3d3dIIII")
_ION = struct.Struct("<8d")


def broadcast_of(frame: bytes) -> OrbitSeen | IonosphereSeen | None:
    """Read a whole frame; None where it holds no such thing, or nonsense.

    Raises:
        struct.error: it is too short.
    """
    kind, t_gpst_ns = unicore.head_of_frame(frame)
    payload = unicore.payload_of_frame(frame)
    if kind in (unicore.GPSION, unicore.BDSION):
        values = _ION.unpack_from(payload)
        if not all(map(math.isfinite, values)):
            return None
        a, b = values[:4], values[4:]
        model = Klobuchar((a[0], a[1], a[2], a[3]), (b[0], b[1], b[2], b[3]))
        return IonosphereSeen("G" if kind == unicore.GPSION else "C", model)
    if t_gpst_ns is None:
        return None
    orbit: KeplerOrbit | GlonassOrbit | None = None
    if kind in (unicore.GPSEPH, unicore.QZSSEPH):
        orbit = _gps(payload, t_gpst_ns, "G" if kind == unicore.GPSEPH else "J")
    elif kind == unicore.BDSEPH:
        orbit = _beidou(payload, t_gpst_ns)
    elif kind == unicore.BD3EPH:
        orbit = decode_bd3eph(payload, t_gpst_ns)
    elif kind == unicore.GALEPH:
        orbit = _galileo(payload, t_gpst_ns)
    elif kind == unicore.GLOEPH:
        orbit = _glonass(payload)
    return None if orbit is None else OrbitSeen(orbit)


def _gps(payload: bytes, t_gpst_ns: int, letter: str) -> KeplerOrbit | None:
    number, _, health, issue, _, _, _, toe_s, a_m, *rest = _GPS.unpack_from(payload)
    _, toc_s, tgd_s, a0, a1, a2 = rest[14:20]
    fields = {
        "satellite": satellite_of(letter, number),
        "toe_s": toe_s,
        "issue": issue,
        "is_healthy": not health & _HEALTH_BITS,
        "sqrt_a": root_of(a_m),
        "a0_s": a0,
        "a1_s_s": a1,
        "a2_s_s2": a2,
        "tgd_s": (tgd_s,),
        **dict(zip(KEPLER, rest[:14], strict=True)),
    }
    return kepler_of(fields, t_gpst_ns, toc_s)


def _beidou(payload: bytes, t_gpst_ns: int) -> KeplerOrbit | None:
    number, _, health, issue, _, _, _, toe_s, a_m, *rest = _BDS.unpack_from(payload)
    _, toc_s, tgd1_s, tgd2_s, a0, a1, a2 = rest[14:21]
    fields = {
        "satellite": satellite_of("C", number),
        "toe_s": toe_s,
        "behind_ns": BDT_NS,
        "issue": issue,
        "is_healthy": not health,
        "sqrt_a": root_of(a_m),
        "a0_s": a0,
        "a1_s_s": a1,
        "a2_s_s2": a2,
        "tgd_s": (tgd1_s, tgd2_s),
        **dict(zip(KEPLER, rest[:14], strict=True)),
    }
    return kepler_of(fields, t_gpst_ns, toc_s)


def _galileo(payload: bytes, t_gpst_ns: int) -> KeplerOrbit | None:
    """Read I/NAV where it was received, else F/NAV; the orbit is the same."""
    values = _GALILEO.unpack_from(payload)
    number, has_fnav, has_inav = values[0], values[1] & 1, values[2] & 1
    e1b, e5a, e5b, e1b_invalid, e5a_invalid, e5b_invalid = values[3:9]
    issue, toe_s, sqrt_a = values[11:14]
    if not (has_fnav or has_inav):
        return None
    clock = values[32:36] if has_inav else values[28:32]
    inav = (e1b & 3, e5b & 3, e1b_invalid & 1, e5b_invalid & 1)
    fields = {
        "satellite": satellite_of("E", number),
        "toe_s": float(toe_s),
        "issue": issue,
        "is_healthy": not any(inav if has_inav else (e5a & 3, e5a_invalid & 1)),
        "is_fnav": not has_inav,
        "sqrt_a": sqrt_a,
        "a0_s": clock[1],
        "a1_s_s": clock[2],
        "a2_s_s2": clock[3],
        "tgd_s": (values[36], values[37]),
        **dict(zip(KEPLER, values[14:28], strict=True)),
    }
    return kepler_of(fields, t_gpst_ns, float(clock[0]))


def _glonass(payload: bytes) -> GlonassOrbit | None:
    values = _GLONASS.unpack_from(payload)
    slot, channel, week, tow_ms, issue, health = (values[i] for i in (0, 1, 4, 5, 9, 10))
    satellite, numbers = satellite_of("R", slot), values[11:23]
    if satellite is None or not all(map(math.isfinite, numbers)):
        return None
    x, y, z, vx, vy, vz, ax, ay, az, tau_s, _, gamma = numbers
    return GlonassOrbit(
        satellite=satellite,
        toe_gpst_ns=week * _WEEK_NS + tow_ms * _MS_NS,
        channel=channel - _CHANNEL_OFFSET,
        is_healthy=health < _FIRST_BAD,
        issue=issue & 0x7F,
        position_m=(x, y, z),
        velocity_m_s=(vx, vy, vz),
        acceleration_m_s2=(ax, ay, az),
        minus_tau_s=-tau_s,
        gamma=gamma,
    )
