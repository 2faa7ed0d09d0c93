"""Fixes in the formats of other programs: NDJSON, CSV, GeoJSON (RFC 7946), GPX 1.1.

Each writer gives text in pieces, so that a long track needs no memory. Fixes without a position
have no place in GeoJSON and GPX and are left out there.
"""

from __future__ import annotations

import csv as csv_module
import io
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any, Protocol
from xml.sax.saxutils import escape

import msgspec

from bdgw.publish.payload import FixPayload, encode

__all__ = ["CsvText", "FixText", "GeoJsonText", "GpxText", "csv", "geojson", "gpx", "ndjson"]

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
    # Behind what was there before: a table may be read by the place of its columns.
    "heading_deg",
    "acc_heading_deg",
    "pitch_deg",
    "acc_pitch_deg",
    "baseline_m",
)
_CSV_PLACE = ("boot", "seq", "t_rx")
"""Where a fix stands in the stream of its device."""


class FixText(Protocol):
    """A format: what stands before the fixes, each of them, and what stands behind them."""

    media_type: str

    def begin(self) -> str:
        """Write what stands before the first fix."""
        ...

    def write(self, fix: FixPayload) -> str:
        """Write a fix; nothing where it has no place in the format."""
        ...

    def end(self) -> str:
        """Write what stands behind the last fix."""
        ...


def _whole(text: FixText, fixes: Iterable[FixPayload]) -> Iterator[str]:
    yield text.begin()
    yield from filter(None, map(text.write, fixes))
    yield text.end()


def ndjson(fixes: Iterable[FixPayload]) -> Iterator[str]:
    """Write one JSON object a line, as published."""
    for fix in fixes:
        yield encode(fix).decode() + "\n"


def csv(fixes: Iterable[FixPayload]) -> Iterator[str]:
    """Write a table with a header; an empty cell is unknown."""
    return _whole(CsvText(), fixes)


class CsvText:
    """A table with a header; with ``has_place`` it begins with the place of each fix."""

    media_type = "text/csv; charset=utf-8"

    def __init__(self, *, has_place: bool = False) -> None:
        self._columns = (*_CSV_PLACE, *_CSV_COLUMNS) if has_place else _CSV_COLUMNS
        self._buffer = io.StringIO()
        self._writer = csv_module.writer(self._buffer, lineterminator="\n")

    def begin(self) -> str:
        """Write the header."""
        return self._row(self._columns)

    def write(self, fix: FixPayload) -> str:
        """Write a line."""
        cells = [getattr(fix, name) for name in self._columns]
        return self._row(["" if cell is None else cell for cell in cells])

    def end(self) -> str:
        """Nothing: a table just ends."""
        return ""

    def _row(self, cells: Iterable[Any]) -> str:
        self._writer.writerow(cells)
        text = self._buffer.getvalue()
        self._buffer.seek(0)
        self._buffer.truncate()
        return text


def geojson(fixes: Iterable[FixPayload]) -> Iterator[str]:
    """Write a FeatureCollection of points: longitude, latitude, ellipsoidal height."""
    return _whole(GeoJsonText(), fixes)


class GeoJsonText:
    """A FeatureCollection of points.

    RFC 7946 knows WGS84 alone; the frame of the fix stands in its properties.
    """

    media_type = "application/geo+json"

    def __init__(self) -> None:
        self._separator = "\n"

    def begin(self) -> str:
        """Open the collection."""
        return '{"type":"FeatureCollection","features":['

    def write(self, fix: FixPayload) -> str:
        """Write a feature."""
        if fix.lat_deg is None or fix.lon_deg is None:
            return ""
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
        separator, self._separator = self._separator, ",\n"
        return separator + encode(feature).decode()

    def end(self) -> str:
        """Close the collection."""
        return "\n]}\n"


# GPX 1.1 knows these kinds of fix; RTK is a differential solution to it.
_GPX_FIX = {"single": "3d", "dgnss": "dgps", "rtk_float": "dgps", "rtk_fixed": "dgps"}


def _decimal(value: float | str) -> str:
    """Write a value; a number never with an exponent, which ``xsd:decimal`` does not know."""
    return format(Decimal(repr(value)), "f") if isinstance(value, float) else str(value)


def gpx(fixes: Iterable[FixPayload]) -> Iterator[str]:
    """Write one track; ``ele`` is above mean sea level, as GPX 1.1 says."""
    return _whole(GpxText(), fixes)


class GpxText:
    """One track of one segment."""

    media_type = "application/gpx+xml"

    def begin(self) -> str:
        """Open the track."""
        return (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            '<gpx version="1.1" creator="bdgw" xmlns="http://www.topografix.com/GPX/1/1">\n'
            "<trk><trkseg>\n"
        )

    def write(self, fix: FixPayload) -> str:
        """Write a point."""
        if fix.lat_deg is None or fix.lon_deg is None:
            return ""
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
        return f"<trkpt {place}>{inside}</trkpt>\n"

    def end(self) -> str:
        """Close the track."""
        return "</trkseg></trk>\n</gpx>\n"
