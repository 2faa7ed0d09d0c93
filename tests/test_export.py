"""Formats of other programs, read back by readers that are not ours."""

from __future__ import annotations

import csv
import io
import json
import re
import xml.etree.ElementTree as ET
from typing import Any

import pytest

from bdgw import export
from bdgw.model import FixKind, Solver, TimeQuality, Via
from bdgw.publish.payload import FixPayload

GPX = "{http://www.topografix.com/GPX/1/1}"
XSD_DECIMAL = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)")


def fix(**values: Any) -> FixPayload:
    return FixPayload(
        **{
            "v": 1,
            "fix": FixKind.SINGLE,
            "time_quality": TimeQuality.GNSS,
            "solver": Solver.RECEIVER,
            "via": Via.FILE,
            "t_fix": "2026-02-01T08:00:00.000Z",
            **values,
        }
    )


def points(*fixes: FixPayload) -> list[ET.Element]:
    return ET.fromstring("".join(export.gpx(fixes))).findall(f".//{GPX}trkpt")


@pytest.mark.parametrize("degrees", [0.00001, -0.0000001, 0.0, 1e-10, 89.9999999999])
def test_numbers_in_gpx_have_no_exponent(degrees: float):
    """GPX 1.1: latitudes, longitudes, ele and hdop are xsd:decimal."""
    made = fix(lat_deg=degrees, lon_deg=degrees, alt_msl_m=degrees, hdop=abs(degrees))
    (point,) = points(made)
    texts = [*point.attrib.values(), point.findtext(f"{GPX}ele"), point.findtext(f"{GPX}hdop")]
    assert [float(text or "nan") for text in texts] == [degrees, degrees, degrees, abs(degrees)]
    for text in texts:
        assert XSD_DECIMAL.fullmatch(text or ""), text


def test_the_date_line_is_west_in_gpx():
    """GPX 1.1, longitudeType: -180 is in, 180 is not."""
    assert [p.attrib["lon"] for p in points(fix(lat_deg=0.0, lon_deg=180.0))] == ["-180.0"]


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        (FixKind.SINGLE, "3d"),
        (FixKind.DGNSS, "dgps"),
        (FixKind.RTK_FIXED, "dgps"),
        (FixKind.MANUAL, None),
        (FixKind.SIMULATED, None),
    ],
)
def test_a_kind_that_gpx_does_not_know_is_left_out(kind: FixKind, word: str | None):
    (point,) = points(fix(fix=kind, lat_deg=31.0, lon_deg=121.0))
    assert point.findtext(f"{GPX}fix") == word


def test_a_fix_without_a_position_has_no_place_on_a_map():
    empty = fix(fix=FixKind.NONE)
    assert points(empty, fix(lat_deg=1.0, lon_deg=2.0)) != []
    assert len(points(empty)) == 0
    assert json.loads("".join(export.geojson([empty])))["features"] == []
    assert len(list(csv.DictReader(io.StringIO("".join(export.csv([empty])))))) == 1


def test_a_height_above_the_sea_is_no_ellipsoidal_height():
    """GeoJSON heights are ellipsoidal (RFC 7946, 3.1.1), those of GPX above mean sea level."""
    made = fix(lat_deg=31.0, lon_deg=121.0, alt_msl_m=8.1)
    (feature,) = json.loads("".join(export.geojson([made])))["features"]
    assert feature["geometry"]["coordinates"] == [121.0, 31.0]
    (point,) = points(fix(lat_deg=31.0, lon_deg=121.0, alt_hae_m=18.4))
    assert point.find(f"{GPX}ele") is None


def test_no_fixes_at_all_are_still_a_file():
    assert json.loads("".join(export.geojson([]))) == {"type": "FeatureCollection", "features": []}
    assert points() == []
    assert "".join(export.csv([])).startswith("t_fix,time_quality,fix,lat_deg,lon_deg,")
    assert "".join(export.ndjson([])) == ""
