"""Ephemerides to write modern messages from, and what a reader makes of the words."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import strategies as st

from bdgw.positioning.ephemeris import KeplerOrbit
from bdgw.positioning.orbit import KeplerTable
from bdgw.positioning.satellite import satellite_id
from bdgw.rawlog.event import OrbitSeen
from bdgw.rawlog.ubx_words import Broadcast, WordReader
from bdgw.rtcm.lock import FloatArray
from fwsim.constellation import System
from fwsim.gnss_time import NS_PER_S, gpst_of_bdt_ns
from fwsim.orbit import KeplerEphemeris
from fwsim.ubx_modern_words import ModernTerms
from tests.rawlog.ubx_payloads import sfrbx_payloads

WEEK_BDT, TOE_S = 1090, 356_400
SENT_GPST_NS = gpst_of_bdt_ns((WEEK_BDT * 604_800 + TOE_S + 600) * NS_PER_S)
FINE, FINE_RATE = 2.0**-32 * math.pi, 2.0**-44 * math.pi
TGD_S = 2.0**-34


def orbits_of(found: Broadcast | None) -> list[KeplerOrbit]:
    events = () if found is None else found.events
    return [
        event.orbit
        for event in events
        if isinstance(event, OrbitSeen) and isinstance(event.orbit, KeplerOrbit)
    ]


def read(reader: WordReader, payloads: list[bytes], near_gpst_ns: int) -> list[KeplerOrbit]:
    return [orbit for p in payloads for orbit in orbits_of(reader.read(p, near_gpst_ns))]


def payloads_of(messages: list[bytes]) -> list[bytes]:
    return [payload for message in messages for payload in sfrbx_payloads(message)]


def state(orbit: KeplerOrbit, t_gpst_ns: int) -> tuple[FloatArray, float]:
    table = KeplerTable([orbit])
    position, _, clock, _ = table.state(np.array([0]), np.array([t_gpst_ns]), np.zeros(1))
    return position[0], float(clock[0])


def _draw(draw: st.DrawFn) -> tuple[KeplerEphemeris, ModernTerms]:
    """Draw an ephemeris whose numbers are whole steps of the modern messages."""

    def steps(bits: int, step: float) -> float:
        return draw(st.integers(-(1 << bits - 1), (1 << bits - 1) - 1)) * step

    a_m = draw(st.sampled_from((27_906_100.0, 42_162_200.0)))
    ephemeris = KeplerEphemeris(
        system=System.BEIDOU,
        prn=draw(st.integers(19, 58)),
        week=WEEK_BDT,
        toe_s=TOE_S,
        toe_gpst_ns=gpst_of_bdt_ns((WEEK_BDT * 604_800 + TOE_S) * NS_PER_S),
        issue=draw(st.integers(0, 1023)),
        sqrt_a=math.sqrt(a_m + steps(26, 2.0**-9)),
        eccentricity=draw(st.integers(0, (1 << 33) - 1)) * 2.0**-34,
        i0=steps(33, FINE),
        omega0=steps(33, FINE),
        omega=steps(33, FINE),
        m0=steps(33, FINE),
        delta_n=steps(17, FINE_RATE),
        omega_dot=steps(19, FINE_RATE),
        idot=steps(15, FINE_RATE),
        cuc=steps(21, 2.0**-30),
        cus=steps(21, 2.0**-30),
        crc=steps(24, 2.0**-8),
        crs=steps(24, 2.0**-8),
        cic=steps(16, 2.0**-30),
        cis=steps(16, 2.0**-30),
        a0_s=steps(25, 2.0**-34),
        a1=steps(22, 2.0**-50),
        a2=steps(11, 2.0**-66),
    )
    terms = ModernTerms(
        a_dot_m_s=steps(25, 2.0**-21),
        delta_n_dot=steps(23, 2.0**-57 * math.pi),
        tgd_b1cp_s=steps(12, TGD_S),
        tgd_b2ap_s=steps(12, TGD_S),
        isc_b1cd_s=steps(12, TGD_S),
        isc_b2ad_s=steps(12, TGD_S),
        health=draw(st.integers(0, 3)),
        flags=draw(st.integers(0, 7)),
    )
    return ephemeris, terms


ephemerides = st.composite(_draw)()
NAMES = {
    "a0_s": "a0_s",
    "a1_s_s": "a1",
    "a2_s_s2": "a2",
    "sqrt_a": "sqrt_a",
    "e": "eccentricity",
    "m0_rad": "m0",
    "delta_n_rad_s": "delta_n",
    "omega0_rad": "omega0",
    "omega_dot_rad_s": "omega_dot",
    "i0_rad": "i0",
    "idot_rad_s": "idot",
    "omega_rad": "omega",
    "crs_m": "crs",
    "crc_m": "crc",
    "cuc_rad": "cuc",
    "cus_rad": "cus",
    "cic_rad": "cic",
    "cis_rad": "cis",
}


def assert_is(orbit: KeplerOrbit, ephemeris: KeplerEphemeris, terms: ModernTerms) -> None:
    for ours, theirs in NAMES.items():
        wanted = getattr(ephemeris, theirs)
        assert getattr(orbit, ours) == pytest.approx(wanted, rel=1e-14, abs=0.0), ours
    assert orbit.a_dot_m_s == terms.a_dot_m_s
    assert orbit.delta_n_dot_rad_s2 == pytest.approx(terms.delta_n_dot, rel=1e-14, abs=0.0)
    assert orbit.toe_gpst_ns == orbit.toc_gpst_ns == ephemeris.toe_gpst_ns
    assert orbit.toe_s == ephemeris.toe_s
    assert orbit.satellite == satellite_id(f"C{ephemeris.prn:02d}")
    assert orbit.issue == ephemeris.issue % 256
    assert orbit.is_healthy == (terms.health == 0 and terms.flags < 2)
    assert orbit.tgd_s == ()


def some_ephemeris(prn: int) -> KeplerEphemeris:
    return KeplerEphemeris(
        system=System.BEIDOU,
        prn=prn,
        week=WEEK_BDT,
        toe_s=TOE_S,
        toe_gpst_ns=gpst_of_bdt_ns((WEEK_BDT * 604_800 + TOE_S) * NS_PER_S),
        issue=1,
        sqrt_a=math.sqrt(27_906_100.0),
        eccentricity=0.001,
        i0=0.96,
        omega0=1.0,
        omega=0.5,
        m0=0.1,
        delta_n=4e-9,
        omega_dot=-7e-9,
        idot=0.0,
        cuc=0.0,
        cus=0.0,
        crc=0.0,
        crs=0.0,
        cic=0.0,
        cis=0.0,
        a0_s=1e-4,
        a1=0.0,
    )
