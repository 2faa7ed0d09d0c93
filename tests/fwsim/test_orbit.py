"""Orbits against RTKLIB's numbers; the closed GLONASS orbit against its own field of gravity."""

import json
import math

import pytest

from fwsim.constellation import System
from fwsim.glonass import closed_orbit
from fwsim.orbit import GlonassEphemeris, KeplerEphemeris, flattened_gravity_m_s2
from tests.conftest import shared_data

SYSTEMS = {"GPS": System.GPS, "BDS": System.BEIDOU, "GAL": System.GALILEO}


def vectors():
    return json.loads(shared_data("vectors", "orbits_atmos_lambda.json").read_text())


def kepler(row):
    eph = row["eph_SI_rad"]
    return KeplerEphemeris(
        system=SYSTEMS[row["system"]],
        prn=int(row["sat"][1:]) if row["sat"][1:].isdigit() else 1,
        week=0,
        toe_s=int(eph["toes"]),
        toe_gpst_ns=0,
        issue=0,
        sqrt_a=math.sqrt(eph["A"]),
        eccentricity=eph["e"],
        i0=eph["i0"],
        omega0=eph["OMG0"],
        omega=eph["omg"],
        m0=eph["M0"],
        delta_n=eph["deln"],
        omega_dot=eph["OMGd"],
        idot=eph["idot"],
        cuc=eph["cuc"],
        cus=eph["cus"],
        crc=eph["crc"],
        crs=eph["crs"],
        cic=eph["cic"],
        cis=eph["cis"],
        a0_s=eph["f0"],
        a1=eph["f1"],
        a2=eph["f2"],
        is_geostationary=row["geo"],
    )


def test_kepler_satellites_are_where_rtklib_puts_them():
    rows = vectors()["orbits"]
    assert {row["sat"] for row in rows} == {"G02", "C12", "GEOsynth", "E05"}
    for row in rows:
        eph = kepler(row)
        for at in row["positions"]:
            position = eph.position_m(at["tk_s"])
            assert math.dist(position, at["ecef_m"]) < 2e-6, row["sat"]
            assert eph.clock_s(at["tk_s"]) == pytest.approx(
                at["clock_s_incl_relativity"], abs=1e-15
            )


def test_glonass_is_integrated_like_rtklib():
    row = vectors()["glonass"]
    eph = row["eph"]
    satellite = GlonassEphemeris(
        prn=1,
        channel=1,
        tb_glonass_ns=0,
        toe_gpst_ns=0,
        position0_m=tuple(eph["pos_m"]),
        velocity0_m_s=tuple(eph["vel_mps"]),
        acceleration_m_s2=tuple(eph["acc_mps2"]),
        tau_n_s=eph["taun"],
        gamma_n=eph["gamn"],
    )
    for at in row["positions"]:
        # The velocities of the vectors are rounded: a millimetre after a quarter of an hour.
        assert math.dist(satellite.position_m(at["tk_s"]), at["ecef_m"]) < 2e-3
    assert satellite.clock_s(600.0) == -eph["taun"] + eph["gamn"] * 600.0


def inertial(orbit, phase_rad, after_s):
    """Return the state of the closed orbit in axes that do not turn."""
    position, velocity = orbit.state(phase_rad + math.tau * after_s / orbit.period_s)
    rate = orbit.node_rate_rad_s
    x, y, z = position
    vx, vy, vz = velocity[0] - rate * y, velocity[1] + rate * x, velocity[2]
    cos_t, sin_t = math.cos(rate * after_s), math.sin(rate * after_s)
    return (
        x * cos_t - y * sin_t,
        x * sin_t + y * cos_t,
        z,
        vx * cos_t - vy * sin_t,
        vx * sin_t + vy * cos_t,
        vz,
    )


@pytest.mark.parametrize("phase_rad", [0.3, 2.0, 4.4])
def test_the_closed_orbit_falls_freely(phase_rad):
    orbit = closed_orbit(25_508_000.0, math.radians(64.8))
    for after_s in (-7000.0, 0.0, 12_345.0, 90_000.0):
        step_s = 2.0
        before, here, beyond = (
            inertial(orbit, phase_rad, after_s + shift) for shift in (-step_s, 0.0, step_s)
        )
        pull = flattened_gravity_m_s2(here[:3])
        slope = [(b - a) / (2 * step_s) for a, b in zip(before[3:], beyond[3:], strict=True)]
        assert math.dist(slope, pull) < 1e-8
        drift = [(b - a) / (2 * step_s) for a, b in zip(before[:3], beyond[:3], strict=True)]
        assert math.dist(drift, here[3:]) < 1e-4
    # GLONASS goes round in 11 h 15.7 min, its planes go back by 0.03 degrees a day.
    assert orbit.period_s == pytest.approx(40_544.0, abs=5.0)
    assert math.degrees(orbit.node_rate_rad_s) * 86_400 == pytest.approx(-0.033, abs=0.002)
