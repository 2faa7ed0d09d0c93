"""B-CNAV1 and B-CNAV2 against the simulator's writer, whose layouts are its own."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bdgw.positioning.engine import EngineOptions
from bdgw.positioning.ephemeris import KeplerOrbit
from bdgw.positioning.orbit import KeplerTable
from bdgw.positioning.satellite import is_bds_geo, satellite_id, signal_id
from bdgw.rawlog.event import OrbitSeen
from bdgw.rawlog.intake import RawIntake
from bdgw.rawlog.ubx_words import WordReader
from bdgw.recorded import read_recording, solutions
from bdgw.solving.gathering import OrbitFrame
from bdgw.solving.gathering_raw import RawGatherer
from fwsim.broadcast import constellation
from fwsim.constellation import System
from fwsim.gnss_time import NS_PER_S
from fwsim.orbit import KeplerEphemeris, kepler_position_m
from fwsim.ubx_message import frame
from fwsim.ubx_modern_words import ModernTerms, b_cnav1, b_cnav2
from tests.rawlog.modern_ephemeris import (
    FINE,
    SENT_GPST_NS,
    assert_is,
    ephemerides,
    orbits_of,
    payloads_of,
    read,
    some_ephemeris,
    state,
)
from tests.solving.streams import T0_GPST_NS, raw_rover, truth_m

RAWX = b"\xb5\x62\x02\x15"


@given(ephemerides)
def test_b_cnav2_of_the_simulator_comes_back(given: tuple[KeplerEphemeris, ModernTerms]) -> None:
    ephemeris, terms = given
    (orbit,) = read(
        WordReader(), payloads_of(b_cnav2(ephemeris, terms, SENT_GPST_NS)), SENT_GPST_NS
    )
    assert orbit.message == "CNV2"
    assert_is(orbit, ephemeris, terms)
    assert dict(orbit.signal_delays_s) == {
        signal_id("C", "1P"): terms.tgd_b1cp_s,
        signal_id("C", "5P"): terms.tgd_b2ap_s,
        signal_id("C", "5D"): terms.tgd_b2ap_s + terms.isc_b2ad_s,
    }


@given(ephemerides)
def test_b_cnav1_of_the_simulator_comes_back(given: tuple[KeplerEphemeris, ModernTerms]) -> None:
    ephemeris, terms = given
    payloads = payloads_of(b_cnav1(ephemeris, terms, SENT_GPST_NS))
    for order in (payloads, payloads[::-1]):
        (orbit,) = read(WordReader(), order, SENT_GPST_NS)
        assert orbit.message == "CNV1"
        assert_is(orbit, ephemeris, terms)
        assert dict(orbit.signal_delays_s) == {
            signal_id("C", "1P"): terms.tgd_b1cp_s,
            signal_id("C", "1D"): terms.tgd_b1cp_s + terms.isc_b1cd_s,
            signal_id("C", "5P"): terms.tgd_b2ap_s,
        }


@given(ephemerides, st.integers(-7200, 7200))
def test_rates_bend_the_orbit_as_the_elements_of_that_instant_do(
    given: tuple[KeplerEphemeris, ModernTerms], tk_s: int
) -> None:
    """The simulator's orbit knows no rates: it is given the elements that they lead to."""
    ephemeris, terms = given
    ephemeris = replace(ephemeris, eccentricity=ephemeris.eccentricity / 20.0)
    terms = replace(terms, flags=0, health=0)
    (orbit,) = read(
        WordReader(), payloads_of(b_cnav2(ephemeris, terms, SENT_GPST_NS)), SENT_GPST_NS
    )
    mu = 3.986004418e14
    a0_m = ephemeris.sqrt_a**2
    a_m = a0_m + terms.a_dot_m_s * tk_s
    motion = math.sqrt(mu / a0_m**3) + ephemeris.delta_n + terms.delta_n_dot * tk_s / 2.0
    then = replace(
        ephemeris,
        sqrt_a=math.sqrt(a_m),
        delta_n=motion - math.sqrt(mu / a_m**3),
        eccentricity=orbit.e,
    )
    place, _ = state(orbit, orbit.toe_gpst_ns + tk_s * NS_PER_S)
    assert place == pytest.approx(kepler_position_m(then, tk_s), abs=1e-3)
    table, t_ns = KeplerTable([orbit]), np.array([orbit.toe_gpst_ns + tk_s * NS_PER_S])
    before, _, _, _ = table.state(np.array([0]), t_ns, np.array([0.05]))
    after, _, _, _ = table.state(np.array([0]), t_ns, np.array([-0.05]))
    _, velocity, _, _ = table.state(np.array([0]), t_ns, np.zeros(1))
    assert velocity[0] == pytest.approx((after[0] - before[0]) / 0.1, abs=1e-2)


@given(ephemerides, st.integers(0, 19 * 32 - 1), st.integers(0, 4))
def test_a_message_with_a_wrong_bit_is_passed_over_and_counted(
    given: tuple[KeplerEphemeris, ModernTerms], bit: int, place: int
) -> None:
    sent = [writer(*given, SENT_GPST_NS) for writer in (b_cnav1, b_cnav2)]
    payload = [p for messages in sent for p in payloads_of(messages)][place]
    n_bits = (600, 264, 288, 288, 288)[place]
    at = 8 * 8 + (bit % n_bits) // 32 * 32 + 31 - bit % n_bits % 32
    broken = bytearray(payload)
    broken[at // 8] ^= 1 << at % 8
    reader = WordReader()
    assert reader.read(bytes(broken), SENT_GPST_NS) is None
    assert reader.n_bad_checksum == 1
    assert reader.read(payload, SENT_GPST_NS) is not None


@given(ephemerides, st.permutations(range(6)))
def test_pieces_of_b_cnav2_of_two_issues_are_not_put_together(
    given: tuple[KeplerEphemeris, ModernTerms], order: list[int]
) -> None:
    ephemeris, terms = given
    later = replace(ephemeris, issue=(ephemeris.issue + 1) % 1024, m0=ephemeris.m0 / 2.0)
    pieces = payloads_of(b_cnav2(ephemeris, terms, SENT_GPST_NS))
    pieces += payloads_of(b_cnav2(later, terms, SENT_GPST_NS + 24 * NS_PER_S))
    for orbit in read(WordReader(), [pieces[k] for k in order], SENT_GPST_NS):
        wanted = ephemeris if orbit.issue == ephemeris.issue % 256 else later
        assert_is(orbit, replace(wanted, m0=orbit.m0_rad), terms)
        assert orbit.m0_rad == pytest.approx(wanted.m0, abs=FINE)


def test_a_geostationary_satellite_has_no_modern_set() -> None:
    assert is_bds_geo(satellite_id("C59"))
    ephemeris, terms = some_ephemeris(59), ModernTerms()
    for writer in (b_cnav1, b_cnav2):
        payloads = payloads_of(writer(ephemeris, terms, SENT_GPST_NS))
        assert read(WordReader(), payloads, SENT_GPST_NS) == []


def test_beidou_with_nothing_but_modern_sets_gives_the_single_point() -> None:
    """The simulated codes of B3I, B1C and B2a have no delays, which is what these sets say.

    No model of the ionosphere comes with them, and a code is simulated with decimetres of noise.
    """
    told = [
        message
        for satellite in constellation((System.BEIDOU,), seed="1")
        if satellite.prn > 16 and not is_bds_geo(satellite_id(str(satellite)))
        for writer in (b_cnav1, b_cnav2)
        if isinstance(eph := satellite.ephemeris(T0_GPST_NS), KeplerEphemeris)
        for message in writer(eph, ModernTerms(), T0_GPST_NS)
    ]
    epochs = [data[data.rindex(RAWX) :] for data in raw_rover(20, "C")]
    recording = read_recording(b"".join((*told, *epochs)))
    assert {o.message for o in recording.orbits if isinstance(o, KeplerOrbit)} == {"CNV1", "CNV2"}
    found = [
        s.ecef_m
        for s in solutions(recording, None, [], EngineOptions(systems="C"))
        if s.ecef_m is not None and s.sats_used > 8
    ]
    assert len(found) == 20
    mean_m = [sum(axis) / len(found) for axis in zip(*found, strict=True)]
    assert math.dist(mean_m, truth_m()) < 3.0


@given(st.binary(max_size=120))
def test_no_payload_of_a_modern_message_raises(payload: bytes) -> None:
    reader = WordReader()
    for gnss, signal in ((3, 6), (3, 8)):
        for n_words in (9, 19, len(payload) // 4):
            head = bytes((gnss, 3, signal, 8, n_words, 0, 2, 0))
            assert not orbits_of(reader.read(head + payload, SENT_GPST_NS))


def test_what_a_stream_gathers_is_a_whole_set_to_one_who_begins_anew() -> None:
    """Of a live stream only the newest message of each type is kept, in the order of the types."""
    ephemeris, terms, gatherer = some_ephemeris(30), ModernTerms(), RawGatherer()
    intake = RawIntake(SENT_GPST_NS)
    messages = b_cnav2(ephemeris, terms, SENT_GPST_NS) + b_cnav1(ephemeris, terms, SENT_GPST_NS)
    handed = [item for one in messages for item in gatherer.receive(one, now=0.0)]
    assert len(handed) == 2
    for item in handed:
        assert isinstance(item, OrbitFrame)
        intake.receive(item.frame, now=0.0)
    sets = [event.orbit for event in intake.events() if isinstance(event, OrbitSeen)]
    assert [o.message for o in sets if isinstance(o, KeplerOrbit)] == ["CNV2", "CNV1"]
    assert intake.n_bad_checksum == 0
    broken = bytearray(messages[0][6:-2])
    broken[20] ^= 1
    intake.receive(frame(2, 0x13, bytes(broken)), now=0.0)
    assert intake.n_bad_checksum == 1
