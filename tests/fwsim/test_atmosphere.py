"""Delays of the atmosphere against RTKLIB's numbers."""

import json
import math

import pytest

from fwsim.atmosphere import ALPHA, BETA, ionosphere_l1_m, troposphere_m
from tests.conftest import shared_data


def vectors():
    return json.loads(shared_data("vectors", "orbits_atmos_lambda.json").read_text())


def test_klobuchar():
    row = vectors()["klobuchar_gps"]
    assert list(ALPHA) == row["alpha"]
    assert list(BETA) == row["beta"]
    for case in row["cases"]:
        lat, lon, azimuth, elevation = (math.radians(case[k]) for k in ("lat", "lon", "az", "el"))
        assert ionosphere_l1_m(lat, lon, azimuth, elevation, case["tow"]) == pytest.approx(
            case["delay_m_L1"], abs=1e-6
        )


def test_saastamoinen():
    row = vectors()["saastamoinen_rtklib"]
    cases = [case for case in row["cases"] if case["humi"] == 0.7]
    assert len(cases) == 3
    for case in cases:
        found_m = troposphere_m(math.radians(row["lat"]), row["h"], math.radians(case["el"]))
        assert found_m == pytest.approx(case["delay_m"], abs=1e-6)


def test_below_the_sea_is_the_sea():
    assert troposphere_m(0.5, -40.0, 1.0) == troposphere_m(0.5, 0.0, 1.0)
