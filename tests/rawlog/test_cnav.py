"""CNAV of GPS against LNAV of the same captures, and against the simulator's writer."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bdgw.positioning.satellite import satellite_name_of, signal_id
from bdgw.rawlog.ubx_words import WordReader
from fwsim.constellation import System
from fwsim.gnss_time import NS_PER_S
from fwsim.orbit import KeplerEphemeris
from fwsim.ubx_cnav_words import L2_CM, L5_I, CnavTerms, cnav
from tests.conftest import shared_data
from tests.rawlog.modern_ephemeris import (
    A_DOT,
    CNAV,
    DELTA_N_DOT,
    SENT_GPST_NS,
    assert_orbit_is,
    drawn,
    ephemerides_of,
    orbits_of,
    payloads_of,
    read,
    some_ephemeris,
    state,
)
from tests.rawlog.ubx_payloads import sfrbx_payloads

WEEK_NS = 604_800 * NS_PER_S
X20P = ("gnss", "gpsd", "ublox-x20p.log")
ZED_F9P = ("gnss", "ubx", "pygpsdata_testobsnavdata.log")
GAMMA = (1575.42 / 1227.60) ** 2
DELAY_S = 2.0**-35
REFERENCE_RATE = -2.6e-9 * math.pi
GPS_7 = replace(some_ephemeris(7, System.GPS), sqrt_a=5153.7)


@pytest.mark.capture
@pytest.mark.parametrize(
    ("path", "week", "tow_s", "names"),
    [(X20P, 2408, 588_790, {"G04", "G09"}), (ZED_F9P, 2414, 138_500, {"G01"})],
)
def test_cnav_puts_a_satellite_where_lnav_does(
    path: tuple[str, ...], week: int, tow_s: int, names: set[str]
) -> None:
    """On L5 in one capture, on L2C in the other."""
    now_ns, reader = week * WEEK_NS + tow_s * NS_PER_S, WordReader()
    payloads = sfrbx_payloads(shared_data(*path).read_bytes())
    found = {(satellite_name_of(o.satellite), o.message): o for o in read(reader, payloads, now_ns)}
    assert reader.n_bad_checksum == 0
    assert {name for name, kind in found if kind == "CNAV"} == names
    for name in names:
        modern, legacy = found[name, "CNAV"], found[name, ""]
        assert modern.is_healthy
        assert legacy.is_healthy
        for after_s in (-1800, 0, 1800, 3600):
            t_gpst_ns = now_ns + after_s * NS_PER_S
            (place, clock_s), (other, other_s) = state(modern, t_gpst_ns), state(legacy, t_gpst_ns)
            assert math.dist(place, other) < 1.0, (name, after_s)
            assert abs(clock_s - other_s) < 1e-9, (name, after_s)
        delays_s, (tgd_s,) = dict(modern.signal_delays_s), legacy.tgd_s
        assert delays_s[signal_id("G", "1C")] == pytest.approx(tgd_s, abs=1e-9)
        assert delays_s[signal_id("G", "2L")] == pytest.approx(GAMMA * tgd_s, abs=1e-9)
        # Both captures are of a time when L5 was not declared healthy.
        assert signal_id("G", "5Q") not in delays_s


@st.composite
def drawn_terms(draw: st.DrawFn) -> CnavTerms:
    # The lowest number of a delay says that there is none.
    delay = st.integers(-4095, 4095).map(lambda steps: steps * DELAY_S)
    return CnavTerms(
        a_dot_m_s=drawn(draw, *A_DOT),
        delta_n_dot=drawn(draw, *DELTA_N_DOT),
        tgd_s=draw(delay),
        corrections_s=tuple(draw(st.none() | delay) for _ in range(4)),
        health=draw(st.integers(0, 7)),
        accuracy_index=draw(st.integers(-16, 15)),
        predicted_s=300 * draw(st.integers(0, 2015)),
    )


gps = ephemerides_of(System.GPS, CNAV, 1, 32)


@given(gps, drawn_terms(), st.sampled_from((L2_CM, L5_I)))
def test_cnav_of_the_simulator_comes_back(
    ephemeris: KeplerEphemeris, terms: CnavTerms, signal: int
) -> None:
    # The rate of the node counts from a reference that is no whole number of its steps.
    shifted = replace(ephemeris, omega_dot=ephemeris.omega_dot + REFERENCE_RATE)
    payloads = payloads_of(cnav(shifted, terms, SENT_GPST_NS, signal))
    (orbit,) = read(WordReader(), payloads, SENT_GPST_NS)
    assert orbit.message == "CNAV"
    assert_orbit_is(orbit, shifted)
    assert orbit.a_dot_m_s == terms.a_dot_m_s
    assert orbit.delta_n_dot_rad_s2 == pytest.approx(terms.delta_n_dot, rel=1e-14, abs=0.0)
    assert orbit.is_healthy == (terms.health < 2)
    wanted = zip((("1C",), ("2S", "2L", "2X"), ("5I",), ("5Q",)), terms.corrections_s, strict=True)
    assert dict(orbit.signal_delays_s) == {
        signal_id("G", code): terms.tgd_s - correction_s
        for codes, correction_s in wanted
        for code in codes
        if correction_s is not None and not (code[0] == "5" and terms.health & 1)
    }


@pytest.mark.parametrize(
    ("index", "bound_m"), [(-5, 0.43), (-4, 0.6), (-2, 1.2), (-1, 1.7), (0, 2.4), (3, 6.85)]
)
def test_accuracies_are_the_bounds_of_table_30_1(index: int, bound_m: float) -> None:
    terms = CnavTerms(accuracy_index=index)
    (orbit,) = read(WordReader(), written(terms=terms), SENT_GPST_NS)
    assert orbit.accuracy_m == pytest.approx(bound_m, abs=0.01)


@pytest.mark.parametrize("index", [-16, 15])
def test_an_accuracy_that_is_not_predicted_is_not_known(index: int) -> None:
    terms = CnavTerms(accuracy_index=index)
    (orbit,) = read(WordReader(), written(terms=terms), SENT_GPST_NS)
    assert math.isnan(orbit.accuracy_m)


def test_pieces_of_two_reference_times_or_uploads_are_not_put_together() -> None:
    old, new = written(), written(CnavTerms(predicted_s=300))
    for pieces in ((old[0], old[1], new[2]), (new[0], old[1], old[2])):
        assert read(WordReader(), list(pieces), SENT_GPST_NS) == []
    later = payloads_of(cnav(replace(GPS_7, toe_s=363_600), CnavTerms(), SENT_GPST_NS, L2_CM))
    for k in range(3):
        mixed = [later[i] if i == k else old[i] for i in range(3)]
        assert read(WordReader(), mixed, SENT_GPST_NS) == []


def test_a_message_across_the_end_of_the_week_is_dated_by_its_own_week() -> None:
    """The count names the beginning of the next message, which is of the next week."""
    sent_ns = 2447 * WEEK_NS - 6 * NS_PER_S
    ephemeris = replace(GPS_7, toe_s=0)
    payloads = payloads_of(cnav(ephemeris, CnavTerms(), sent_ns, L5_I))
    (orbit,) = read(WordReader(), payloads, sent_ns)
    assert orbit.toe_gpst_ns == 2447 * WEEK_NS


@given(gps, st.integers(0, 299), st.integers(0, 2))
def test_a_message_with_a_wrong_bit_is_passed_over_and_counted(
    ephemeris: KeplerEphemeris, bit: int, place: int
) -> None:
    shifted = replace(ephemeris, omega_dot=ephemeris.omega_dot + REFERENCE_RATE)
    payload = bytearray(payloads_of(cnav(shifted, CnavTerms(), SENT_GPST_NS, L5_I))[place])
    payload[8 + bit // 32 * 4 + 3 - bit % 32 // 8] ^= 0x80 >> bit % 8
    reader = WordReader()
    assert reader.read(bytes(payload), SENT_GPST_NS) is None
    assert reader.n_bad_checksum == 1


@given(st.binary(max_size=80))
def test_no_payload_raises(payload: bytes) -> None:
    reader = WordReader()
    for gnss, signal in ((0, 4), (0, 6), (5, 4), (5, 8)):
        head = bytes((gnss, 3, signal, 8, len(payload) // 4, 0, 2, 0))
        assert not orbits_of(reader.read(head + payload, SENT_GPST_NS))


def written(terms: CnavTerms | None = None) -> list[bytes]:
    return payloads_of(cnav(GPS_7, terms or CnavTerms(), SENT_GPST_NS, L2_CM))
