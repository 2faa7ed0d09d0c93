"""F/NAV against I/NAV of the same capture, as far as it goes, and against the simulator's writer.

The capture holds pages 1 and 2 of two satellites, but not all four of any.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bdgw.positioning.ephemeris import KeplerOrbit, sisa_m
from bdgw.positioning.satellite import satellite_id
from bdgw.rawlog.ubx_words import WordReader
from fwsim.constellation import System
from fwsim.gnss_time import NS_PER_S
from fwsim.orbit import KeplerEphemeris
from fwsim.ubx_cnav_words import E5A_I, fnav
from tests.conftest import shared_data
from tests.rawlog.modern_ephemeris import (
    FNAV,
    NAMES,
    SENT_GPST_NS,
    assert_orbit_is,
    ephemerides_of,
    orbits_of,
    payloads_of,
    read,
    some_ephemeris,
)
from tests.rawlog.ubx_payloads import sfrbx_payloads

X20P = ("gnss", "gpsd", "ublox-x20p.log")
X20P_GPST_NS = (2408 * 604_800 + 588_790) * NS_PER_S
BGD_S = 2.0**-32


def is_fnav(payload: bytes) -> bool:
    return payload[0] == 2 and payload[2] == E5A_I


@pytest.mark.capture
@pytest.mark.parametrize("number", [7, 8])
def test_pages_on_air_say_what_i_nav_does(number: int) -> None:
    """Pages 3 and 4, which are not in the capture, are written from the set of I/NAV."""
    payloads = sfrbx_payloads(shared_data(*X20P).read_bytes())
    by_inav = [p for p in payloads if p[:3] == bytes((2, number, 1))]
    on_air = [p for p in payloads if is_fnav(p) and p[1] == number]
    inav = read(WordReader(), by_inav, X20P_GPST_NS)[-1]
    _, _, three, four = payloads_of(fnav(ephemeris_of(inav), X20P_GPST_NS))
    reader = WordReader()
    *_, orbit = read(reader, [*on_air, three, four], X20P_GPST_NS)
    assert reader.n_bad_checksum == 0
    assert orbit.is_fnav
    assert (orbit.issue, orbit.is_healthy) == (inav.issue, True)
    assert (orbit.toe_gpst_ns, orbit.toc_gpst_ns) == (inav.toe_gpst_ns, inav.toc_gpst_ns)
    for name in NAMES:
        if name not in ("a0_s", "a1_s_s"):
            assert getattr(orbit, name) == getattr(inav, name), name
    # The two clocks are of two pairs of signals; what sets them apart are the delays.
    assert orbit.a0_s == pytest.approx(inav.a0_s, abs=2e-9)
    assert orbit.a1_s_s == pytest.approx(inav.a1_s_s, abs=1e-12)
    assert orbit.tgd_s == inav.tgd_s[:1]
    assert orbit.accuracy_m == inav.accuracy_m


def ephemeris_of(orbit: KeplerOrbit) -> KeplerEphemeris:
    fields = {theirs: getattr(orbit, ours) for ours, theirs in NAMES.items()}
    common = some_ephemeris(orbit.satellite % 100, System.GALILEO)
    return replace(
        common,
        toe_s=round(orbit.toe_s),
        issue=orbit.issue,
        delays_s=orbit.tgd_s,
        **fields,
    )


galileo = ephemerides_of(System.GALILEO, FNAV, 1, 36)


@given(galileo, st.integers(-512, 511), st.integers(0, 3), st.permutations(range(4)))
def test_f_nav_of_the_simulator_comes_back(
    ephemeris: KeplerEphemeris, bgd: int, health: int, order: list[int]
) -> None:
    ephemeris = replace(ephemeris, delays_s=(bgd * BGD_S, 0.0))
    pages = payloads_of(fnav(ephemeris, SENT_GPST_NS, health=health))
    (orbit,) = read(WordReader(), [pages[k] for k in order], SENT_GPST_NS)
    assert orbit.is_fnav
    assert orbit.message == ""
    assert_orbit_is(orbit, ephemeris)
    assert orbit.satellite == satellite_id(f"E{ephemeris.prn:02d}")
    assert orbit.issue == ephemeris.issue
    assert orbit.is_healthy == (health == 0)
    assert orbit.tgd_s == (bgd * BGD_S,)
    assert orbit.accuracy_m == sisa_m(107)


@given(galileo, st.permutations(range(8)))
def test_pages_of_two_issues_are_not_put_together(
    ephemeris: KeplerEphemeris, order: list[int]
) -> None:
    ephemeris = replace(ephemeris, delays_s=(0.0, 0.0))
    later = replace(ephemeris, issue=(ephemeris.issue + 1) % 1024, m0=0.0, i0=0.0, cic=0.0, a2=0.0)
    pages = payloads_of(fnav(ephemeris, SENT_GPST_NS)) + payloads_of(fnav(later, SENT_GPST_NS))
    for orbit in read(WordReader(), [pages[k] for k in order], SENT_GPST_NS):
        assert_orbit_is(orbit, ephemeris if orbit.issue == ephemeris.issue else later)


@given(galileo, st.integers(0, 237), st.integers(0, 3))
def test_a_page_with_a_wrong_bit_is_passed_over_and_counted(
    ephemeris: KeplerEphemeris, bit: int, place: int
) -> None:
    ephemeris = replace(ephemeris, delays_s=(0.0, 0.0))
    payload = bytearray(payloads_of(fnav(ephemeris, SENT_GPST_NS))[place])
    payload[8 + bit // 32 * 4 + 3 - bit % 32 // 8] ^= 0x80 >> bit % 8
    reader = WordReader()
    assert reader.read(bytes(payload), SENT_GPST_NS) is None
    assert reader.n_bad_checksum == 1


@given(st.binary(max_size=80))
def test_no_payload_raises(payload: bytes) -> None:
    head = bytes((2, 3, E5A_I, 0, len(payload) // 4, 0, 2, 0))
    assert not orbits_of(WordReader().read(head + payload, SENT_GPST_NS))
