"""Ephemerides to write modern messages from, and what a reader makes of the words."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

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
from fwsim.gnss_time import NS_PER_S
from fwsim.orbit import KeplerEphemeris
from fwsim.ubx_modern_words import ModernTerms
from tests.rawlog.ubx_payloads import sfrbx_payloads

WEEK, TOE_S = 2446, 356_400
"""GPST; in BDT the week is 1090, and what begins with it begins 14 s later."""
SENT_GPST_NS = (WEEK * 604_800 + TOE_S + 600) * NS_PER_S
FINE, FINE_RATE = 2.0**-32 * math.pi, 2.0**-44 * math.pi
TGD_S = 2.0**-34
A_DOT, DELTA_N_DOT = (25, 2.0**-21), (23, 2.0**-57 * math.pi)


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


class Form(NamedTuple):
    """Bits and step of each field of a message, the unsigned ones with a negative number."""

    fields: dict[str, tuple[int, float]]
    reference_m: tuple[float, ...]


_FINE_FIELDS = {
    "eccentricity": (-33, 2.0**-34),
    **dict.fromkeys(("i0", "omega0", "omega", "m0"), (33, FINE)),
    "delta_n": (17, FINE_RATE),
    "idot": (15, FINE_RATE),
    **dict.fromkeys(("cuc", "cus"), (21, 2.0**-30)),
    **dict.fromkeys(("cic", "cis"), (16, 2.0**-30)),
    **dict.fromkeys(("crc", "crs"), (24, 2.0**-8)),
}
B_CNAV = Form(
    _FINE_FIELDS
    | {
        "omega_dot": (19, FINE_RATE),
        "a0_s": (25, 2.0**-34),
        "a1": (22, 2.0**-50),
        "a2": (11, 2.0**-66),
    },
    (27_906_100.0, 42_162_200.0),
)
CNAV = Form(
    _FINE_FIELDS
    | {
        "omega_dot": (17, FINE_RATE),
        "a0_s": (26, 2.0**-35),
        "a1": (20, 2.0**-48),
        "a2": (10, 2.0**-60),
    },
    (26_559_710.0,),
)
FNAV = Form(
    {
        "eccentricity": (-32, 2.0**-33),
        "sqrt_a": (-32, 2.0**-19),
        **dict.fromkeys(("i0", "omega0", "omega", "m0"), (32, 2.0 * FINE)),
        "delta_n": (16, 2.0 * FINE_RATE),
        "omega_dot": (24, 2.0 * FINE_RATE),
        "idot": (14, 2.0 * FINE_RATE),
        **dict.fromkeys(("cuc", "cus", "cic", "cis"), (16, 2.0**-29)),
        **dict.fromkeys(("crc", "crs"), (16, 2.0**-5)),
        "a0_fnav_s": (31, 2.0**-34),
        "a1": (21, 2.0**-46),
        "a2": (6, 2.0**-59),
    },
    (),
)


def drawn(draw: st.DrawFn, bits: int, step: float) -> float:
    """Draw a field: a whole number of steps."""
    low, high = (0, (1 << -bits) - 1) if bits < 0 else (-(1 << bits - 1), (1 << bits - 1) - 1)
    return draw(st.integers(low, high)) * step


@st.composite
def ephemerides_of(
    draw: st.DrawFn, system: System, form: Form, first_prn: int, last_prn: int
) -> KeplerEphemeris:
    """Draw ephemerides whose numbers are what the fields can say."""
    fields = {name: drawn(draw, *field) for name, field in form.fields.items()}
    if form.reference_m:
        a_m = draw(st.sampled_from(form.reference_m)) + drawn(draw, 26, 2.0**-9)
        fields["sqrt_a"] = math.sqrt(a_m)
    issue = draw(st.integers(0, 1023))
    common = some_ephemeris(draw(st.integers(first_prn, last_prn)), system)
    return replace(common, issue=issue, **fields)  # type: ignore[arg-type]


@st.composite
def _beidou(draw: st.DrawFn) -> tuple[KeplerEphemeris, ModernTerms]:
    terms = ModernTerms(
        a_dot_m_s=drawn(draw, *A_DOT),
        delta_n_dot=drawn(draw, *DELTA_N_DOT),
        tgd_b1cp_s=drawn(draw, 12, TGD_S),
        tgd_b2ap_s=drawn(draw, 12, TGD_S),
        isc_b1cd_s=drawn(draw, 12, TGD_S),
        isc_b2ad_s=drawn(draw, 12, TGD_S),
        health=draw(st.integers(0, 3)),
        flags=draw(st.integers(0, 7)),
    )
    return draw(ephemerides_of(System.BEIDOU, B_CNAV, 19, 58)), terms


ephemerides = _beidou()
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


def assert_orbit_is(orbit: KeplerOrbit, ephemeris: KeplerEphemeris) -> None:
    """What is common to all: elements, clock, times and name."""
    for ours, theirs in NAMES.items():
        wanted = getattr(ephemeris, "a0_fnav_s" if orbit.is_fnav and ours == "a0_s" else theirs)
        assert getattr(orbit, ours) == pytest.approx(wanted, rel=1e-14, abs=1e-22), ours
    assert orbit.toe_gpst_ns == orbit.toc_gpst_ns == ephemeris.toe_gpst_ns
    assert orbit.toe_s == ephemeris.toe_s
    assert orbit.satellite == satellite_id(f"{ephemeris.system.value}{ephemeris.prn:02d}")


def assert_is(orbit: KeplerOrbit, ephemeris: KeplerEphemeris, terms: ModernTerms) -> None:
    """A set of B-CNAV."""
    assert_orbit_is(orbit, ephemeris)
    assert orbit.a_dot_m_s == terms.a_dot_m_s
    assert orbit.delta_n_dot_rad_s2 == pytest.approx(terms.delta_n_dot, rel=1e-14, abs=0.0)
    assert orbit.issue == ephemeris.issue % 256
    assert orbit.is_healthy == (terms.health == 0 and terms.flags < 2)
    assert orbit.tgd_s == ()


def some_ephemeris(prn: int, system: System = System.BEIDOU) -> KeplerEphemeris:
    toe_ns = (WEEK * 604_800 + TOE_S) * NS_PER_S
    return KeplerEphemeris(
        system=system,
        prn=prn,
        week=WEEK,
        toe_s=TOE_S,
        toe_gpst_ns=toe_ns + (14 * NS_PER_S if system is System.BEIDOU else 0),
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
