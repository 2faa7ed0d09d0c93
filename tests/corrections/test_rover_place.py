import math

import pytest

from bdgw.corrections.rover_place import RoverPlaces
from bdgw.geodesy import ecef_from_geodetic
from bdgw.model import Fix, FixKind


def fix(lat_deg, lon_deg=121.0, *, kind=FixKind.SINGLE):
    return Fix(kind=kind, lat_deg=lat_deg, lon_deg=lon_deg, alt_hae_m=10.0)


def test_a_position_is_given_in_earth_fixed_metres():
    assert RoverPlaces().fix_seen("a", fix(31.0), 0.0) == ecef_from_geodetic(31.0, 121.0, 10.0)


@pytest.mark.parametrize(
    "no_place",
    [
        fix(None),
        fix(31.0, None),
        fix(31.0, kind=FixKind.NONE),
        fix(91.0),
        fix(math.nan),
        fix(31.0, math.inf),
    ],
)
def test_what_is_no_position_changes_nothing(no_place):
    places = RoverPlaces()
    places.fix_seen("a", fix(30.0), 0.0)
    assert places.fix_seen("a", no_place, 1.0) is None
    assert places.of("a") == fix(30.0)


def test_the_first_live_device_speaks_and_else_the_first_that_ever_had_a_position():
    places = RoverPlaces()
    assert places.speaker(["a", "b"], 0.0) is None
    places.fix_seen("b", fix(32.0), 0.0)
    assert places.speaker(["a", "b"], 500.0) == fix(32.0)
    places.fix_seen("a", fix(31.0), 500.0)
    assert places.speaker(["a", "b"], 560.0) == fix(31.0)
    places.fix_seen("b", fix(32.0), 600.0)
    assert places.speaker(["a", "b"], 600.0) == fix(32.0)
    assert places.speaker(["c"], 600.0) is None
