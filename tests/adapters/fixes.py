"""Fixes to tell to adapters, with numbers that are easy to find again."""

from __future__ import annotations

import datetime as dt
from typing import Any

from bdgw.model import (
    DeviceFix,
    Fix,
    FixKind,
    Heading,
    Provenance,
    Satellite,
    Sky,
    TimeQuality,
    Via,
)
from bdgw.timescale import gpst_from_utc

DAY = dt.date(2026, 11, 22)
HOUR_NS = 3_600_000_000_000
T_GPST_NS = gpst_from_utc(DAY, 8 * HOUR_NS)
T_POSIX_S = 1_795_334_400
"""2026-11-22T08:00:00Z, as ``date -d`` says."""

HEADING = Heading(
    heading_deg=193.065,
    acc_heading_deg=0.035,
    pitch_deg=-1.25,
    acc_pitch_deg=0.07,
    baseline_m=0.9907,
)


def a_fix(
    *, device: str = "rover-1", seq: int = 0, after_s: float = 0.0, **changes: Any
) -> DeviceFix:
    """A fix of RTK; ``changes`` go to the fix, or to what is around it."""
    around = {
        name: changes.pop(name)
        for name in ("frame", "frame_epoch_year", "corr", "via", "boot", "solver")
        if name in changes
    }
    values: dict[str, Any] = {
        "kind": FixKind.RTK_FIXED,
        "t_gpst_ns": T_GPST_NS + int(after_s * 1e9),
        "time_quality": TimeQuality.GNSS,
        "lat_deg": 31.2994021,
        "lon_deg": 121.5033127,
        "alt_hae_m": 18.412,
        "alt_msl_m": 8.1,
        "acc_h_m": 0.012,
        "acc_v_m": 0.021,
        "acc_conf": 0.68,
        "speed_m_s": 1.42,
        "course_deg": 271.3,
        "sats_used": 31,
        "hdop": 0.6,
        "corr_age_s": 0.8,
        "corr_station": 1042,
    }
    place: dict[str, Any] = {
        "boot": "7f3a0001",
        "via": Via.IP,
        "frame": "WGS84",
        "frame_epoch_year": None,
    }
    return DeviceFix(
        device=device,
        seq=seq,
        fix=Fix(**(values | changes)),
        t_rx_utc_ns=T_POSIX_S * 1_000_000_000 + 250_000_000 + int(after_s * 1e9),
        **(place | around),
    )


def no_fix(device: str = "rover-1") -> DeviceFix:
    """A receiver that sees too little to say where it is."""
    return DeviceFix(
        device=device,
        boot="7f3a0001",
        seq=0,
        fix=Fix(kind=FixKind.NONE, sats_used=0),
        via=Via.IP,
        t_rx_utc_ns=T_POSIX_S * 1_000_000_000,
    )


def corrected(**changes: Any) -> DeviceFix:
    """A fix in the frame of its base."""
    corr = Provenance(
        name="net",
        mount="RTCM33_GRCE",
        station=1042,
        age_s=0.8,
        frame="CGCS2000",
        frame_epoch_year=2000.0,
    )
    return a_fix(frame="CGCS2000", frame_epoch_year=2000.0, corr=corr, **changes)


SKY = Sky(
    satellites=(
        Satellite(system="C", prn=21, elevation_deg=63, azimuth_deg=120, cn0_dbhz=47, signal=1),
        Satellite(system="C", prn=21, elevation_deg=63, azimuth_deg=120, cn0_dbhz=44, signal=5),
        Satellite(system="G", prn=7, elevation_deg=12, azimuth_deg=300, cn0_dbhz=None, signal=1),
        Satellite(system="R", prn=8, elevation_deg=40, azimuth_deg=10, cn0_dbhz=39, signal=1),
        Satellite(system="E", prn=3, elevation_deg=5, azimuth_deg=77, cn0_dbhz=30, signal=7),
    ),
    used=(("C", 21), ("R", 8)),
)
