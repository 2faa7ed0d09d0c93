"""BD3EPH: examples of receivers, pyunigps, and the simulator, whose layout is its own."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyunigps import UNIReader

from bdgw.positioning.engine import EngineOptions
from bdgw.positioning.ephemeris import KeplerOrbit
from bdgw.positioning.satellite import is_bds_geo, satellite_id, satellite_name_of, signal_code_of
from bdgw.rawlog.event import OrbitSeen
from bdgw.rawlog.intake import RawIntake
from bdgw.rawlog.unicore_broadcast import broadcast_of
from bdgw.recorded import read_recording, solutions
from bdgw.solving.gathering import OrbitFrame
from bdgw.solving.gathering_raw import RawGatherer
from fwsim.broadcast import constellation
from fwsim.constellation import System
from fwsim.orbit import KeplerEphemeris
from fwsim.ubx_modern_words import ModernTerms
from fwsim.unicore_bd3eph import B1C, B2A, B2B, ephemeris
from fwsim.unicore_message import frame
from tests.rawlog.modern_ephemeris import (
    SENT_GPST_NS,
    TGD_S,
    assert_orbit_is,
    ephemerides,
    some_ephemeris,
)
from tests.rawlog.unicore_examples import B2A_SET, B2B_SET, bd3eph_frame, gpst_ns_of
from tests.solving.streams import T0_GPST_NS, raw_rover, truth_m

WEEK_NS = 604_800 * 10**9
STEPS = {
    "a_dot_m_s": 2.0**-21,
    "delta_n_rad_s": 2.0**-44 * math.pi,
    "delta_n_dot_rad_s2": 2.0**-57 * math.pi,
    "cuc_rad": 2.0**-30,
    "cus_rad": 2.0**-30,
    "crc_m": 2.0**-8,
    "crs_m": 2.0**-8,
    "cic_rad": 2.0**-30,
    "cis_rad": 2.0**-30,
    "idot_rad_s": 2.0**-44 * math.pi,
    "omega_dot_rad_s": 2.0**-44 * math.pi,
    "a0_s": 2.0**-34,
    "a1_s_s": 2.0**-50,
}


def orbit_of(data: bytes) -> KeplerOrbit | None:
    found = broadcast_of(data)
    if found is None:
        return None
    assert isinstance(found, OrbitSeen)
    assert isinstance(found.orbit, KeplerOrbit)
    return found.orbit


def delays_of(orbit: KeplerOrbit) -> dict[str, float]:
    return {signal_code_of(signal): delay_s for signal, delay_s in orbit.signal_delays_s}


@pytest.mark.parametrize(
    ("line", "name", "message", "issue", "delays"),
    [
        # The delay of B1C is to a step what C44 sent in 2026 (a capture of a u-blox X20P).
        (B2A_SET, "C44", "CNV2", 21, {"1P": -37, "1D": -42, "5P": -206}),
        (B2B_SET, "C27", "CNV3", 0, {"7D": -147}),
    ],
)
def test_the_examples_are_sets_of_b_cnav_in_whole_steps(
    line: bytes, name: str, message: str, issue: int, delays: dict[str, int]
) -> None:
    data = bd3eph_frame(line)
    orbit, other = orbit_of(data), UNIReader.parse(data, validate=1)
    assert orbit is not None
    assert (satellite_name_of(orbit.satellite), orbit.message, orbit.issue) == (
        name,
        message,
        issue,
    )
    assert orbit.is_healthy
    for field, step in STEPS.items():
        steps = getattr(orbit, field) / step
        assert steps == pytest.approx(round(steps), abs=0.01), field
    told = {code: delay_s / TGD_S for code, delay_s in delays_of(orbit).items()}
    assert told == pytest.approx(delays, abs=0.001)
    # Once in 12 h 53 min round the Earth, by an axis that is told against a reference.
    turn_s = math.tau / math.sqrt(3.986004418e14 / orbit.sqrt_a**6)
    assert turn_s == pytest.approx(46_391, abs=5)
    # A whole hour in BDT, which is 14 s later in GPST, and not long before.
    assert orbit.toe_s % 3600 == 0
    assert orbit.toe_gpst_ns == orbit.toc_gpst_ns
    assert orbit.toe_gpst_ns % WEEK_NS == (orbit.toe_s + 14) * 10**9
    assert 0 < gpst_ns_of(line) - orbit.toe_gpst_ns < 2 * 3600 * 10**9
    assert other.identity == "BD3EPH"
    pairs = {
        "m0": orbit.m0_rad, "ddeltaa": orbit.a_dot_m_s, "ddeltan": orbit.delta_n_dot_rad_s2,
        "ecc": orbit.e, "omega0": orbit.omega0_rad, "i0": orbit.i0_rad, "af1": orbit.a1_s_s,
        "cic": orbit.cic_rad, "toc": orbit.toe_s, "deltaa": orbit.sqrt_a**2 - 27_906_100.0,
    }  # fmt: skip
    for field, value in pairs.items():
        assert getattr(other, field) == pytest.approx(value, abs=1e-6, rel=1e-12), field


@given(ephemerides, st.sampled_from([B1C, B2A, B2B]), st.integers(1, 2047))
def test_a_set_of_the_simulator_comes_back(
    given_: tuple[KeplerEphemeris, ModernTerms], source: int, b2b_steps: int
) -> None:
    eph, terms = given_
    data = ephemeris(eph, terms, SENT_GPST_NS, source=source, tgd_b2bi_s=b2b_steps * TGD_S)
    orbit = orbit_of(data)
    assert orbit is not None
    assert_orbit_is(orbit, eph)
    assert orbit.message == {B1C: "CNV1", B2A: "CNV2", B2B: "CNV3"}[source]
    assert (orbit.a_dot_m_s, orbit.delta_n_dot_rad_s2) == (terms.a_dot_m_s, terms.delta_n_dot)
    assert orbit.is_healthy == (terms.health == 0)
    assert orbit.issue == (0 if source == B2B else eph.issue % 256)
    assert orbit.tgd_s == ()
    assert math.isnan(orbit.accuracy_m)
    wanted = {"7D": b2b_steps * TGD_S}
    if source != B2B:
        wanted = {"1P": terms.tgd_b1cp_s, "5P": terms.tgd_b2ap_s}
        if source == B1C and terms.isc_b1cd_s:
            wanted["1D"] = terms.tgd_b1cp_s + terms.isc_b1cd_s
        if source == B2A and terms.isc_b2ad_s:
            wanted["5D"] = terms.tgd_b2ap_s + terms.isc_b2ad_s
    assert delays_of(orbit) == {code: delay_s for code, delay_s in wanted.items() if delay_s}


def test_a_geostationary_satellite_and_an_unknown_message_give_no_set() -> None:
    assert orbit_of(ephemeris(some_ephemeris(59), ModernTerms(), SENT_GPST_NS)) is None
    assert orbit_of(ephemeris(some_ephemeris(30), ModernTerms(), SENT_GPST_NS, source=3)) is None


def test_sets_of_three_messages_are_kept_apart_and_a_set_again_is_none() -> None:
    gatherer, intake = RawGatherer(), RawIntake()
    sets = [
        ephemeris(some_ephemeris(30), ModernTerms(), SENT_GPST_NS, source=source)
        for source in (B1C, B2A, B2B)
    ]
    handed = [item for one in sets * 2 for item in gatherer.receive(one, now=0.0)]
    assert len({item.key for item in handed if isinstance(item, OrbitFrame)}) == len(handed) == 3
    for item in handed:
        assert isinstance(item, OrbitFrame)
        intake.receive(item.frame, now=0.0)
    orbits = [e.orbit for e in intake.events() if isinstance(e, OrbitSeen)]
    messages = [orbit.message for orbit in orbits if isinstance(orbit, KeplerOrbit)]
    assert messages == ["CNV1", "CNV2", "CNV3"]


@pytest.mark.parametrize("sources", [(B1C, B2A, B2B), (B2B,)])
def test_beidou_with_nothing_but_these_sets_gives_the_single_point(sources: tuple[int]) -> None:
    """The simulated codes have no delays; a step is 2 cm. There is no ionosphere with them."""
    terms = ModernTerms(tgd_b1cp_s=TGD_S, tgd_b2ap_s=TGD_S)
    told = [
        ephemeris(eph, terms, T0_GPST_NS, source=source, tgd_b2bi_s=TGD_S)
        for satellite in constellation((System.BEIDOU,), seed="1")
        if satellite.prn > 16 and not is_bds_geo(satellite_id(str(satellite)))
        for source in sources
        if isinstance(eph := satellite.ephemeris(T0_GPST_NS), KeplerEphemeris)
    ]
    epochs = [data[data.rindex(b"\xaaD\xb5") :] for data in raw_rover(20, "C", "unicore-cmp")]
    recording = read_recording(b"".join((*told, *epochs)))
    found = [
        s.ecef_m
        for s in solutions(recording, None, [], EngineOptions(systems="C"))
        if s.ecef_m is not None and s.sats_used > 8
    ]
    assert len(found) == 20
    mean_m = [sum(axis) / len(found) for axis in zip(*found, strict=True)]
    # B3I alone has the whole ionosphere in it.
    assert math.dist(mean_m, truth_m()) < (3.0 if len(sources) > 1 else 40.0)


@given(st.binary(max_size=300))
def test_no_payload_raises(payload: bytes) -> None:
    intake = RawIntake()
    intake.receive(frame(2999, T0_GPST_NS, payload), now=0.0)
    whole = bytearray(ephemeris(some_ephemeris(30), ModernTerms(), SENT_GPST_NS)[24:-4])
    whole[: min(len(payload), 264)] = payload[:264]
    intake.receive(frame(2999, T0_GPST_NS, bytes(whole)), now=0.0)
    assert all(isinstance(event, OrbitSeen) for event in intake.events())
