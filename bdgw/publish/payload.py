"""What is published, as JSON: keys carry units, unknown is absent, zero is zero.

The JSON Schemas beside this file (``schema/``) are the contract; a test holds both together.
"""

from __future__ import annotations

import datetime as dt
from functools import lru_cache

import msgspec

from bdgw import timescale
from bdgw.gridcode import encode_2d, level_for_accuracy
from bdgw.model import Alarm, DeviceFix, Fix, FixKind, Provenance, Sky, Solver, TimeQuality, Via

__all__ = [
    "OFFLINE",
    "ONLINE",
    "VERSION",
    "FixPayload",
    "alarm_payload",
    "connection_payload",
    "device_fix_payload",
    "device_fix_value",
    "encode",
    "fix_payload",
    "sky_fields",
    "sky_payload",
    "stamp_historical",
    "stamp_published",
]

VERSION = 1
_POSIX_EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - written with a Z, never compared
_HISTORICAL = b',"historical":true}'
_GRID_FRAME = "CGCS2000"
_GRID_LIMIT_DEG = 88.0


class CorrectionPayload(msgspec.Struct, omit_defaults=True):
    """Where the correction of a fix came from."""

    name: str | None = None
    mount: str | None = None
    station: int | None = None
    age_s: float | None = None
    frame: str | None = None
    epoch: float | None = None


class CheckPayload(msgspec.Struct, omit_defaults=True):
    """What the other solver says of the epoch of a fix."""

    solver: Solver
    fix: FixKind
    diff_h_m: float | None = None
    diff_v_m: float | None = None
    agrees: bool | None = None


class FixPayload(msgspec.Struct, omit_defaults=True, kw_only=True):
    """A fix as published; the order of the keys is the order of the documentation."""

    v: int
    gw: str | None = None
    dev: str | None = None
    boot: str | None = None
    seq: int | None = None
    t_fix: str | None = None
    t_rx: str | None = None
    bdt_week: int | None = None
    bdt_sow_s: float | None = None
    tod_utc_s: float | None = None
    time_quality: TimeQuality
    fix: FixKind
    lat_deg: float | None = None
    lon_deg: float | None = None
    alt_hae_m: float | None = None
    alt_msl_m: float | None = None
    frame: str | None = None
    epoch: float | None = None
    acc_h_m: float | None = None
    acc_v_m: float | None = None
    acc_conf: float | None = None
    speed_m_s: float | None = None
    course_deg: float | None = None
    heading_deg: float | None = None
    acc_heading_deg: float | None = None
    pitch_deg: float | None = None
    acc_pitch_deg: float | None = None
    baseline_m: float | None = None
    sats_used: int | None = None
    hdop: float | None = None
    corr: CorrectionPayload | None = None
    solver: Solver
    check: CheckPayload | None = None
    via: Via
    grid: str | None = None


_encoder = msgspec.json.Encoder()


def encode(value: object) -> bytes:
    """Write a payload as JSON in UTF-8, without spaces."""
    return _encoder.encode(value)


def fix_payload(
    fix: Fix,
    *,
    via: Via,
    solver: Solver = Solver.RECEIVER,
    frame: str | None = None,
    epoch: float | None = None,
    corr: Provenance | None = None,
) -> FixPayload:
    """Turn a fix into what is published of it; ``frame`` and ``epoch`` name its coordinates.

    Without ``corr`` only what the receiver itself says of its correction is told.
    """
    payload = FixPayload(
        v=VERSION,
        fix=fix.kind,
        solver=solver,
        via=via,
        time_quality=fix.time_quality,
        lat_deg=fix.lat_deg,
        lon_deg=fix.lon_deg,
        alt_hae_m=fix.alt_hae_m,
        alt_msl_m=fix.alt_msl_m,
        acc_h_m=fix.acc_h_m,
        acc_v_m=fix.acc_v_m,
        acc_conf=fix.acc_conf,
        speed_m_s=fix.speed_m_s,
        course_deg=fix.course_deg,
        sats_used=fix.sats_used,
        hdop=fix.hdop,
    )
    if fix.t_gpst_ns is not None:
        payload.t_fix = timescale.format_utc(fix.t_gpst_ns)
        week, sow_ns = timescale.bdt_from_gpst(fix.t_gpst_ns)
        if week >= 0:  # BDT began on 2006-01-01; older captures have no time in it
            payload.bdt_week = week
            payload.bdt_sow_s = round(sow_ns / 1e9, 6)
    elif fix.tod_utc_ns is not None:
        payload.tod_utc_s = fix.tod_utc_ns / 1e9
    if fix.heading is not None:
        payload.heading_deg = fix.heading.heading_deg
        payload.acc_heading_deg = fix.heading.acc_heading_deg
        payload.pitch_deg = fix.heading.pitch_deg
        payload.acc_pitch_deg = fix.heading.acc_pitch_deg
        payload.baseline_m = fix.heading.baseline_m
    if corr is not None:
        payload.corr = CorrectionPayload(
            name=corr.name,
            mount=corr.mount,
            station=corr.station,
            age_s=corr.age_s,
            frame=corr.frame,
            epoch=corr.frame_epoch_year,
        )
    elif fix.corr_age_s is not None or fix.corr_station is not None:
        payload.corr = CorrectionPayload(station=fix.corr_station, age_s=fix.corr_age_s)
    if fix.lat_deg is not None and fix.lon_deg is not None:
        payload.frame = frame
        payload.epoch = epoch
        if frame == _GRID_FRAME and abs(fix.lat_deg) < _GRID_LIMIT_DEG:
            payload.grid = encode_2d(fix.lat_deg, fix.lon_deg, level_for_accuracy(fix.acc_h_m))
    return payload


def device_fix_payload(gateway: str, item: DeviceFix) -> bytes:
    """Write a live fix as published, but for ``t_pub``, which ``stamp_published`` adds."""
    return _encoder.encode(device_fix_value(gateway, item))


def device_fix_value(gateway: str, item: DeviceFix) -> FixPayload:
    """Give what is published of a fix with its place in the stream of its device."""
    payload = fix_payload(
        item.fix,
        via=item.via,
        solver=item.solver,
        frame=item.frame,
        epoch=item.frame_epoch_year,
        corr=item.corr,
    )
    check = item.check
    if check is not None:
        payload.check = CheckPayload(
            solver=check.solver,
            fix=check.kind,
            diff_h_m=check.diff_h_m,
            diff_v_m=check.diff_v_m,
            agrees=check.is_agreeing,
        )
    payload.gw = gateway
    payload.dev = item.device
    payload.boot = item.boot
    payload.seq = item.seq
    payload.t_rx = format_posix(item.t_rx_utc_ns)
    return payload


def stamp_historical(payload: bytes) -> bytes:
    """Mark a fix that is not news: it comes late, or again. One that is marked stays as it is."""
    return payload if payload.endswith(_HISTORICAL) else payload[:-1] + _HISTORICAL


def stamp_published(payload: bytes, posix_ns: int) -> bytes:
    """Add ``t_pub`` at the moment of sending: a fix may have waited long for the broker."""
    return payload[:-1] + b',"t_pub":"' + format_posix(posix_ns).encode() + b'"}'


def format_posix(posix_ns: int) -> str:
    """Write a host time as UTC in ISO 8601 with milliseconds."""
    second, ms = divmod((posix_ns + 500_000) // 1_000_000, 1000)
    return f"{_format_second(second)}.{ms:03d}Z"


@lru_cache(maxsize=64)
def _format_second(posix_s: int) -> str:
    # Not by way of GPST: a host whose clock was never set says 1970, before GPST began.
    return (_POSIX_EPOCH + dt.timedelta(seconds=posix_s)).isoformat(timespec="seconds")


def connection_payload(gateway: str, state: str, *, boot: str, posix_ns: int | None) -> bytes:
    """Write the online or offline state; a will is written beforehand and has no time."""
    value: dict[str, object] = {"v": VERSION, "gw": gateway, "state": state, "boot": boot}
    if posix_ns is not None:
        value["t"] = format_posix(posix_ns)
    return _encoder.encode(value)


ONLINE = "online"
OFFLINE = "offline"


def alarm_payload(gateway: str, alarm: Alarm) -> bytes:
    """Write an alarm."""
    value: dict[str, object] = {
        "v": VERSION,
        "gw": gateway,
        "kind": alarm.kind,
        "text": alarm.text,
        "t": format_posix(alarm.t_utc_ns),
    }
    if alarm.device is not None:
        value["dev"] = alarm.device
    value.update(alarm.fields)
    return _encoder.encode(value)


def sky_payload(gateway: str, device: str, sky: Sky) -> bytes:
    """Write the satellites in view and used."""
    return _encoder.encode({"v": VERSION, "gw": gateway, "dev": device, **sky_fields(sky)})


def sky_fields(sky: Sky) -> dict[str, object]:
    """Give the satellites in view, and which of them are used."""
    used = set(sky.used)
    satellites = []
    for satellite in sky.satellites:
        row = {
            name: value
            for name, value in msgspec.structs.asdict(satellite).items()
            if value is not None
        }
        row["used"] = (satellite.system, satellite.prn) in used
        satellites.append(row)
    return {"satellites": satellites}
