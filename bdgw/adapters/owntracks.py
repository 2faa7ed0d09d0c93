"""Fixes as the OwnTracks apps tell them. Pure.

Source: OwnTracks booklet, "JSON", ``_type=location``. Its numbers are whole: seconds, metres,
km/h, degrees; what is unknown is absent. Elements that it does not know are passed on by it, so
the frame is named beside the coordinates.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec

from bdgw.adapters.frame import Refusal, is_near_wgs84
from bdgw.model import DeviceFix, FixKind
from bdgw.timescale import posix_from_gpst

__all__ = ["encode_location", "topic_of"]

_SECOND_NS = 1_000_000_000
_KM_H_PER_M_S = 3.6
_encoder = msgspec.json.Encoder()


def topic_of(user: str, device: str) -> str:
    """Where the location of a device stands."""
    return f"owntracks/{user}/{device}"


def encode_location(item: DeviceFix) -> bytes | Refusal:
    """Write a location, or say why there is none.

    Frames within two metres of WGS 84 are taken as they are: accuracies are whole metres here,
    rounded up and never below one.
    """
    fix = item.fix
    if fix.kind is FixKind.NONE or fix.lat_deg is None or fix.lon_deg is None:
        return Refusal.NO_POSITION
    if fix.t_gpst_ns is None:
        return Refusal.NO_TIME
    if item.frame is None:
        return Refusal.FRAME_UNKNOWN
    if not is_near_wgs84(item.frame):
        return Refusal.FRAME_NOT_WGS84
    value: dict[str, Any] = {
        "_type": "location",
        "lat": fix.lat_deg,
        "lon": fix.lon_deg,
        "tst": posix_from_gpst(fix.t_gpst_ns) // _SECOND_NS,
        "created_at": item.t_rx_utc_ns // _SECOND_NS,
        "tid": item.device.replace("-", "").replace("_", "")[-2:],
        "acc": _rounded_up(fix.acc_h_m),
        "alt": _rounded(fix.alt_msl_m),
        "vac": _rounded_up(fix.acc_v_m),
        "vel": _rounded(None if fix.speed_m_s is None else fix.speed_m_s * _KM_H_PER_M_S),
        "cog": None if fix.course_deg is None else round(fix.course_deg) % 360,
        "frame": item.frame,
        "fix": fix.kind.value,
    }
    return _encoder.encode({name: part for name, part in value.items() if part is not None})


def _rounded(number: float | None) -> int | None:
    return None if number is None else round(number)


def _rounded_up(number_m: float | None) -> int | None:
    return None if number_m is None else max(1, math.ceil(number_m))
