"""Orbits, clocks and atmosphere against the published numbers of two other programs."""

import json
import math
from typing import Any

import numpy as np
import pytest

from bdgw.positioning.atmosphere import (
    Klobuchar,
    klobuchar_bds_m,
    klobuchar_gps_m,
    saastamoinen_m,
)
from bdgw.positioning.ephemeris import GlonassOrbit, KeplerOrbit
from bdgw.positioning.glonass import GlonassTable
from bdgw.positioning.orbit import KeplerTable
from bdgw.positioning.satellite import satellite_id
from tests.conftest import shared_data

pytestmark = pytest.mark.capture
WEEK_NS = 604_800_000_000_000
T0_NS = 2213 * WEEK_NS


def vectors() -> dict[str, Any]:
    path = shared_data("vectors", "orbits_atmos_lambda.json")
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def kepler(given: dict[str, Any], satellite: int) -> KeplerOrbit:
    return KeplerOrbit(
        satellite=satellite,
        toe_gpst_ns=T0_NS,
        toc_gpst_ns=T0_NS - int(given["tocoff"] * 1e9),
        toe_s=given["toes"],
        issue=0,
        is_healthy=True,
        accuracy_m=2.0,
        a0_s=given["f0"],
        a1_s_s=given["f1"],
        a2_s_s2=given["f2"],
        sqrt_a=math.sqrt(given["A"]),
        e=given["e"],
        m0_rad=given["M0"],
        delta_n_rad_s=given["deln"],
        omega0_rad=given["OMG0"],
        omega_dot_rad_s=given["OMGd"],
        i0_rad=given["i0"],
        idot_rad_s=given["idot"],
        omega_rad=given["omg"],
        crs_m=given["crs"],
        crc_m=given["crc"],
        cuc_rad=given["cuc"],
        cus_rad=given["cus"],
        cic_rad=given["cic"],
        cis_rad=given["cis"],
    )


def test_kepler_orbits_and_clocks() -> None:
    for one in vectors()["orbits"]:
        name = {"GEOsynth": "C01"}.get(one["sat"], one["sat"])
        table = KeplerTable([kepler(one["eph_SI_rad"], satellite_id(name))])
        for place in one["positions"]:
            t_ns = np.array([T0_NS + round(place["tk_s"] * 1e9)])
            position, velocity, clock, rate = table.state(np.array([0]), t_ns, np.array([0.0]))
            assert position[0] == pytest.approx(place["ecef_m"], abs=2e-6), one["sat"]
            assert clock[0] == pytest.approx(place["clock_s_incl_relativity"], abs=1e-16)
            later, _, clock_later, _ = table.state(np.array([0]), t_ns, np.array([-0.5]))
            sooner, _, clock_sooner, _ = table.state(np.array([0]), t_ns, np.array([0.5]))
            assert velocity[0] == pytest.approx(later[0] - sooner[0], abs=1e-4)
            assert rate[0] == pytest.approx(clock_later[0] - clock_sooner[0], abs=1e-16)


def test_glonass_is_integrated() -> None:
    given = vectors()["glonass"]
    eph = given["eph"]
    orbit = GlonassOrbit(
        satellite=satellite_id("R01"),
        toe_gpst_ns=T0_NS,
        channel=1,
        is_healthy=True,
        issue=1,
        position_m=tuple(eph["pos_m"]),
        velocity_m_s=tuple(eph["vel_mps"]),
        acceleration_m_s2=tuple(eph["acc_mps2"]),
        minus_tau_s=-eph["taun"],
        gamma=eph["gamn"],
    )
    table = GlonassTable([orbit])
    for place in given["positions"]:
        t_ns = np.array([T0_NS + place["tk_s"] * 1_000_000_000])
        position, _, clock, _ = table.state(np.array([0]), t_ns, np.array([0.0]))
        assert position[0] == pytest.approx(place["ecef_m"], abs=1e-3)
        assert clock[0] == pytest.approx(-eph["taun"] + eph["gamn"] * place["tk_s"])


def test_klobuchar_of_gps() -> None:
    given = vectors()["klobuchar_gps"]
    model = Klobuchar(tuple(given["alpha"]), tuple(given["beta"]))
    for case in given["cases"]:
        found = klobuchar_gps_m(
            model,
            math.radians(case["lat"]),
            math.radians(case["lon"]),
            np.radians([case["az"]]),
            np.radians([case["el"]]),
            case["tow"],
        )
        assert found[0] == pytest.approx(case["delay_m_L1"], abs=1e-8)


def test_klobuchar_of_beidou() -> None:
    given = vectors()["klobuchar_bds_icd"]
    model = Klobuchar(tuple(given["alpha"]), tuple(given["beta"]))
    for case in given["cases"]:
        found = klobuchar_bds_m(
            model,
            math.radians(case["lat"]),
            math.radians(case["lon"]),
            np.radians([case["az"]]),
            np.radians([case["el"]]),
            case["sow"],
        )
        assert found[0] == pytest.approx(case["delay_m_B1I"], abs=1e-8)


def test_saastamoinen() -> None:
    given = vectors()["saastamoinen_rtklib"]
    for case in given["cases"]:
        found = saastamoinen_m(
            math.radians(given["lat"]), given["h"], np.radians([case["el"]]), case["humi"]
        )
        assert found[0] == pytest.approx(case["delay_m"], abs=1e-8)
