"""Fixes as GeoJSON features. Pure.

Source: RFC 7946: longitude first (3.1.1), height above the WGS 84 ellipsoid, WGS 84 only unless
all parties have agreed beforehand (4).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from bdgw.adapters.frame import Refusal, is_wgs84
from bdgw.model import DeviceFix, FixKind

__all__ = ["MEDIA_TYPE", "encode_feature"]

MEDIA_TYPE = "application/geo+json"
"""RFC 7946, clause 12."""
_encoder = msgspec.json.Encoder()


def encode_feature(
    item: DeviceFix, record: Callable[[DeviceFix], bytes], *, agreed: tuple[str, ...] = ()
) -> bytes | Refusal:
    """Write a feature whose properties are the fix as published, or say why there is none.

    ``record`` writes those properties. Frames other than WGS 84 must have been ``agreed``; they
    are named in the properties, and the coordinates stay as they are.
    """
    fix = item.fix
    if fix.kind is FixKind.NONE or fix.lat_deg is None or fix.lon_deg is None:
        return Refusal.NO_POSITION
    if item.frame is None:
        return Refusal.FRAME_UNKNOWN
    if not is_wgs84(item.frame) and item.frame not in agreed:
        return Refusal.FRAME_NOT_WGS84
    coordinates = [fix.lon_deg, fix.lat_deg]
    if fix.alt_hae_m is not None:
        coordinates.append(fix.alt_hae_m)
    value: dict[str, Any] = {
        "type": "Feature",
        "id": f"{item.device}/{item.boot}/{item.seq}",
        "geometry": {"type": "Point", "coordinates": coordinates},
        "properties": msgspec.Raw(record(item)),
    }
    return _encoder.encode(value)
