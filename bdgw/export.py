"""Fixes in the formats of other programs: NDJSON, CSV, GeoJSON (RFC 7946), GPX 1.1.

Each writer gives text in pieces, so that a long capture needs no memory. Fixes without a position
have no place in GeoJSON and GPX and are left out there.
"""

from __future__ import annotations

import csv as csv_module
import io
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any
from xml.sax.saxutils import escape

import msgspec

from bdgw.publish.payload import FixPayload, encode

__all__ = ["csv", "geojson", "gpx", "ndjson"]

_CSV_COLUMNS = (
    "t_fix",
    "time_quality",
    "fix",
    "lat_deg",
    "lon_deg",
    "alt_hae_m",
    "alt_msl_m",
    "frame",
    "epoch",
    "acc_h_m",
    "acc_v_m",
    "acc_conf",
    "speed_m_s",
    "course_deg",
    "sats_used",
    "hdop",
)


def ndjson(fixes: Iterable[FixPayload]) -> Iterator[str]:
    """Write one JSON object a line, as published."""
    for fix in fixes:
        yield encode(fix).decode() + "\n"


def csv(fixes: Iterable[FixPayload]) -> Iterator[str]:
    """Write a table with a header; an empty cell is unknown."""
    buffer = io.StringIO()
    writer = csv_module.writer(buffer, lineterminator="\n")
    writer.writerow(_CSV_COLUMNS)
    for fix in fixes:
        row = [getattr(fix, name) for name in _CSV_COLUMNS]
        writer.writerow(["" if cell is None else cell for cell in row])
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue()


def geojson(fixes: Iterable[FixPayload]) -> Iterator[str]:
    """Write a FeatureCollection of points: longitude, latitude, ellipsoidal height.

    RFC 7946 knows WGS84 alone; the frame of the fix stands in its properties.
    """
    yield '{"type":"FeatureCollection","features":['
    separator = "\n"
    for fix in fixes:
        if fix.lat_deg is None or fix.lon_deg is None:
            continue
        point = [fix.lon_deg, fix.lat_deg]
        if fix.alt_hae_m is not None:
            point.append(fix.alt_hae_m)
        properties: dict[str, Any] = msgspec.to_builtins(fix)
        for key in ("lat_deg", "lon_deg", "alt_hae_m"):
            properties.pop(key, None)
        feature = {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": point},
            "properties": properties,
        }
        yield separator + encode(feature).decode()
        separator = ",\n"
    yield "\n]}\n"


# GPX 1.1 knows these kinds of fix; RTK is a differential solution to it.
_GPX_FIX = {"single": "3d", "dgnss": "dgps", "rtk_float": "dgps", "rtk_fixed": "dgps"}


def _decimal(value: float | str) -> str:
    """Write a value; a number never with an exponent, which ``xsd:decimal`` does not know."""
    return format(Decimal(repr(value)), "f") if isinstance(value, float) else str(value)


def gpx(fixes: Iterable[FixPayload]) -> Iterator[str]:
    """Write one track; ``ele`` is above mean sea level, as GPX 1.1 says."""
    yield (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<gpx version="1.1" creator="bdgw" xmlns="http://www.topografix.com/GPX/1/1">\n'
        "<trk><trkseg>\n"
    )
    for fix in fixes:
        if fix.lat_deg is None or fix.lon_deg is None:
            continue
        # The order of the elements is the order of the GPX schema.
        elements = (
            ("ele", fix.alt_msl_m),
            ("time", fix.t_fix),
            ("fix", _GPX_FIX.get(fix.fix.value)),
            ("sat", fix.sats_used),
            ("hdop", fix.hdop),
        )
        inside = "".join(
            f"<{name}>{escape(_decimal(value))}</{name}>"
            for name, value in elements
            if value is not None
        )
        # The schema has 180 degrees west, and not east.
        lon_deg = -180.0 if fix.lon_deg == 180.0 else fix.lon_deg
        place = f'lat="{_decimal(fix.lat_deg)}" lon="{_decimal(lon_deg)}"'
        yield f"<trkpt {place}>{inside}</trkpt>\n"
    yield "</trkseg></trk>\n</gpx>\n"
