"""What a gpsd says: its JSON objects and the NMEA sentences made of a fix.

Source: gpsd_json(5) of gpsd 3.22, protocol 3.14. Absent means unknown there, too.
"""

from __future__ import annotations

from typing import Any

import msgspec

from bdgw.model import DeviceFix, Fix, FixKind, Sky, TimeQuality
from bdgw.ntrip.gga import GgaPolicy, format_gga
from bdgw.timescale import format_utc, utc_from_gpst
from bdgw.wire.checksum import xor8

__all__ = ["device", "devices", "error", "line", "nmea_lines", "poll", "sky", "tpv", "version"]

_PROTOCOL = (3, 14)
_SEEN_GPS = 1
_STATUS = {
    FixKind.SINGLE: 1,
    FixKind.DGNSS: 2,
    FixKind.PPP: 2,  # corrected and not RTK: there is no word of its own
    FixKind.RTK_FIXED: 3,
    FixKind.RTK_FLOAT: 4,
    FixKind.DEAD_RECKONING: 5,
    FixKind.MANUAL: 7,
    FixKind.SIMULATED: 8,
}
_BELIEVED = (TimeQuality.GNSS, TimeQuality.GNSS_WEEK_RESOLVED, TimeQuality.HOST_DATE)
# System letter -> gpsd's gnssid, and what is added to the number for its PRN.
_GNSS = {
    "G": (0, 0),
    "S": (1, 0),
    "E": (2, 300),
    "C": (3, 400),
    "J": (5, 192),
    "R": (6, 64),
    "I": (7, 500),
}
_KNOTS_PER_M_S = 3600.0 / 1852.0
_RMC_GGA = GgaPolicy(talker="GN", decimals=7)
_encoder = msgspec.json.Encoder()


def line(value: dict[str, Any]) -> bytes:
    """Write an object as gpsd sends it, without what is unknown."""
    known = {name: part for name, part in value.items() if part is not None}
    return _encoder.encode(known) + b"\r\n"


def version(release: str) -> dict[str, Any]:
    """Greet a client."""
    major, minor = _PROTOCOL
    return {
        "class": "VERSION",
        "release": release,
        "rev": release,
        "proto_major": major,
        "proto_minor": minor,
    }


def device(path: str, *, activated: str | None) -> dict[str, Any]:
    """Describe a device; ``activated`` is when its first fix came."""
    value: dict[str, Any] = {"class": "DEVICE", "path": path, "driver": "bdgw"}
    if activated is not None:
        value |= {"activated": activated, "flags": _SEEN_GPS}
    return value


def devices(listed: list[dict[str, Any]]) -> dict[str, Any]:
    """List the devices."""
    return {"class": "DEVICES", "devices": listed}


def error(message: str) -> dict[str, Any]:
    """Refuse a request."""
    return {"class": "ERROR", "message": message}


def poll(
    time: str, tpvs: list[dict[str, Any]], skies: list[dict[str, Any]], *, n_active: int
) -> dict[str, Any]:
    """Answer a poll with the last of every device."""
    return {"class": "POLL", "time": time, "active": n_active, "tpv": tpvs, "sky": skies}


def tpv(item: DeviceFix) -> dict[str, Any]:
    """Report time, position and velocity; ``datum`` names the frame where it is known.

    Error estimates are the receiver's own, as they came: gpsd leaves their confidence open.
    """
    fix = item.fix
    value: dict[str, Any] = {
        "class": "TPV",
        "device": item.device,
        "mode": _mode(fix),
        "status": _STATUS.get(fix.kind),
        "time": _time(fix),
    }
    if _mode(fix) > 1:
        value |= {
            "lat": fix.lat_deg,
            "lon": fix.lon_deg,
            "altHAE": fix.alt_hae_m,
            "altMSL": fix.alt_msl_m,
            "geoidSep": _difference_m(fix.alt_hae_m, fix.alt_msl_m),
            "datum": item.frame,
            "eph": fix.acc_h_m,
            "epv": fix.acc_v_m,
            "speed": fix.speed_m_s,
            "track": fix.course_deg,
            "dgpsAge": fix.corr_age_s,
            "dgpsSta": fix.corr_station,
        }
    return {name: part for name, part in value.items() if part is not None}


def sky(name: str, seen: Sky, last: DeviceFix | None) -> dict[str, Any]:
    """Report the satellites in view; ``last`` is the fix that they belong to."""
    used = set(seen.used)
    shown: dict[tuple[str, int], dict[str, Any]] = {}
    for satellite in seen.satellites:
        key = (satellite.system, satellite.prn)
        # gpsd knows a satellite once, whatever signals it is heard on: the strongest one stands.
        known = shown.get(key)
        if known is not None and (known.get("ss") or 0) >= (satellite.cn0_dbhz or 0):
            continue
        gnss = _GNSS.get(satellite.system)
        if gnss is None:
            continue
        row = {
            "PRN": satellite.prn + gnss[1],
            "el": satellite.elevation_deg,
            "az": satellite.azimuth_deg,
            "ss": satellite.cn0_dbhz,
            "used": key in used,
            "gnssid": gnss[0],
            "svid": satellite.prn,
        }
        shown[key] = {field: part for field, part in row.items() if part is not None}
    value = {
        "class": "SKY",
        "device": name,
        "time": None if last is None else _time(last.fix),
        "hdop": None if last is None else last.fix.hdop,
        "nSat": len(shown),
        "uSat": sum(row["used"] for row in shown.values()),
        "satellites": list(shown.values()),
    }
    return {field: part for field, part in value.items() if part is not None}


def nmea_lines(fix: Fix) -> bytes:
    """Write GGA and RMC of a fix; nothing while there is no position."""
    gga = format_gga(fix, _RMC_GGA)
    if gga is None:
        return b""
    # The angles of GGA stand in its fields 2 to 5, and RMC writes them in the same way.
    parts = gga.decode("ascii").split(",")
    fields = (
        "GNRMC",
        parts[1],
        "A",
        *parts[2:6],
        "" if fix.speed_m_s is None else f"{fix.speed_m_s * _KNOTS_PER_M_S:.3f}",
        "" if fix.course_deg is None else f"{fix.course_deg % 360.0:.2f}",
        _date(fix),
        "",
        "",
        "A" if fix.kind is FixKind.SINGLE else "D",
    )
    body = ",".join(fields).encode("ascii")
    return gga + b"\r\n$%b*%02X\r\n" % (body, xor8(body))


def _mode(fix: Fix) -> int:
    if fix.kind is FixKind.NONE or fix.lat_deg is None or fix.lon_deg is None:
        return 1
    return 2 if fix.alt_hae_m is None and fix.alt_msl_m is None else 3


def _time(fix: Fix) -> str | None:
    if fix.t_gpst_ns is None or fix.time_quality not in _BELIEVED:
        return None
    return format_utc(fix.t_gpst_ns)


def _date(fix: Fix) -> str:
    if fix.t_gpst_ns is None:
        return ""
    return utc_from_gpst(fix.t_gpst_ns)[0].strftime("%d%m%y")


def _difference_m(hae_m: float | None, msl_m: float | None) -> float | None:
    return None if hae_m is None or msl_m is None else round(hae_m - msl_m, 4)
