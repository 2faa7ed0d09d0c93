"""The polynomials of a stretch of time against the formulas that they stand for."""

import math

import numpy as np

from bdgw.positioning.constellation import Constellation, SatelliteStates
from bdgw.positioning.ephemeris import EphemerisStore, GlonassOrbit, KeplerOrbit
from bdgw.positioning.satellite import satellite_id

T0_NS = 2213 * 604_800_000_000_000
RANGE_M = 2.3e7


def kepler(name: str, sqrt_a: float, e: float, i0_rad: float) -> KeplerOrbit:
    return KeplerOrbit(
        satellite=satellite_id(name),
        toe_gpst_ns=T0_NS,
        toc_gpst_ns=T0_NS,
        toe_s=0.0,
        issue=0,
        is_healthy=True,
        accuracy_m=2.0,
        a0_s=4e-4,
        a1_s_s=3e-11,
        a2_s_s2=1e-18,
        sqrt_a=sqrt_a,
        e=e,
        m0_rad=0.7,
        delta_n_rad_s=4e-9,
        omega0_rad=1.1,
        omega_dot_rad_s=-8e-9,
        i0_rad=i0_rad,
        idot_rad_s=2e-10,
        omega_rad=-0.9,
        crs_m=90.0,
        crc_m=-210.0,
        cuc_rad=4e-6,
        cus_rad=-9e-6,
        cic_rad=1e-7,
        cis_rad=-2e-7,
    )


def store() -> EphemerisStore:
    found = EphemerisStore()
    found.add(kepler("G05", 5153.7, 0.02, 0.96))
    found.add(kepler("J01", 6493.2, 0.075, 0.72))
    found.add(kepler("C03", 6493.4, 0.0004, 0.08))
    found.add(kepler("C27", 5282.6, 0.0007, 0.95))
    found.add(
        GlonassOrbit(
            satellite=satellite_id("R07"),
            toe_gpst_ns=T0_NS,
            channel=5,
            is_healthy=True,
            issue=1,
            position_m=(7_003_008.789, -12_206_626.953, 21_280_765.625),
            velocity_m_s=(783.5417, 2804.2530, 1352.5150),
            acceleration_m_s2=(0.0, 1.7e-6, -5.41e-6),
            minus_tau_s=1.2e-5,
            gamma=9e-13,
        )
    )
    return found


def states(sky: Constellation, t_ns: int) -> SatelliteStates:
    names = np.array([satellite_id(name) for name in ("G05", "J01", "C03", "C27", "R07", "E11")])
    return sky.states(np.full(len(names), t_ns), names, np.full(len(names), RANGE_M))


def test_positions_and_clocks_are_those_of_the_formulas() -> None:
    piecewise, exact = Constellation(store()), Constellation(store())
    exact.choose(T0_NS)
    # Without a piece near the time the sets themselves are asked.
    far_ns = 3_600_000_000_000
    for off_s in (0.0, 0.1, 31.7, 59.9, 120.0, 163.9, 170.0, 305.5):
        t_ns = T0_NS + 900_000_000_000 + round(off_s * 1e9)
        piecewise.choose(t_ns)
        exact._piece = None
        found, wanted = states(piecewise, t_ns), states(exact, t_ns)
        off_m = np.abs(found.position_m[:5] - wanted.position_m[:5]).max(axis=1)
        assert off_m[:4].max() < 1e-7
        # The steps of the integration of GLONASS do not join more smoothly than that.
        assert off_m[4] < 1e-5
        assert np.abs(found.velocity_m_s[:5] - wanted.velocity_m_s[:5]).max() < 1e-5
        assert np.abs(found.clock_s[:5] - wanted.clock_s[:5]).max() < 1e-18
        assert np.abs(found.clock_rate_s_s[:5] - wanted.clock_rate_s_s[:5]).max() < 1e-18
        old = states(piecewise, t_ns - far_ns)
        assert np.isfinite(old.position_m[:4]).all()


def test_what_is_not_known_is_not_a_number() -> None:
    sky = Constellation(store())
    sky.choose(T0_NS)
    found = states(sky, T0_NS)
    assert np.isnan(found.position_m[5]).all()
    assert np.isnan(found.clock_s[5])
    names = np.full(3, satellite_id("G05"))
    broken = np.array([math.nan, -1.0, 1e9])
    assert np.isnan(sky.states(np.full(3, T0_NS), names, broken).position_m).all()
