"""Modern messages against the legacy ones of the same capture.

It is of a u-blox X20P, and holds D1, B-CNAV1 and B-CNAV2 of the same satellites: messages with
layouts of their own have to put one satellite at one place.
"""

from __future__ import annotations

import math

import pytest

from bdgw.positioning.ephemeris import KeplerOrbit
from bdgw.positioning.satellite import satellite_name_of, signal_id
from bdgw.rawlog.ubx_words import WordReader
from fwsim.gnss_time import NS_PER_S
from tests.conftest import shared_data
from tests.rawlog.modern_ephemeris import read, state
from tests.rawlog.ubx_payloads import sfrbx_payloads

X20P = ("gnss", "gpsd", "ublox-x20p.log")
X20P_GPST_NS = (2408 * 604_800 + 588_790) * NS_PER_S
"""The capture has no time of its own but what its messages say: 2026-03-07."""


def of_capture() -> tuple[WordReader, dict[tuple[str, str], KeplerOrbit]]:
    """The last set of each satellite and message."""
    reader = WordReader()
    payloads = sfrbx_payloads(shared_data(*X20P).read_bytes())
    orbits = read(reader, payloads, X20P_GPST_NS)
    return reader, {(satellite_name_of(o.satellite), o.message): o for o in orbits}


@pytest.mark.capture
@pytest.mark.parametrize(
    ("message", "names"),
    [
        ("CNV2", {"C21", "C35", "C44", "C50"}),
        ("CNV1", {"C21", "C35", "C42", "C44", "C50"}),
    ],
)
def test_a_modern_set_puts_a_satellite_where_the_legacy_one_does(
    message: str, names: set[str]
) -> None:
    reader, found = of_capture()
    assert {name for name, kind in found if kind == message} == names
    assert reader.n_bad_checksum == 0
    for name in names:
        modern, legacy = found[name, message], found[name, ""]
        assert modern.toe_gpst_ns == legacy.toe_gpst_ns
        assert modern.is_healthy == legacy.is_healthy
        for after_s in (-3600, 0, 1800, 3600):
            t_gpst_ns = X20P_GPST_NS + after_s * NS_PER_S
            (place, clock_s), (other, other_s) = state(modern, t_gpst_ns), state(legacy, t_gpst_ns)
            assert math.dist(place, other) < 0.5, (name, after_s)
            assert abs(clock_s - other_s) < 0.5e-9, (name, after_s)


@pytest.mark.capture
def test_the_health_of_the_unhealthy_satellite_is_read_in_every_message() -> None:
    _, found = of_capture()
    assert [found["C50", m].is_healthy for m in ("", "CNV1", "CNV2")] == [False] * 3
    assert [found["C44", m].is_healthy for m in ("", "CNV1", "CNV2")] == [True] * 3


@pytest.mark.capture
def test_the_delays_of_b1c_and_b2a_are_one_in_both_messages() -> None:
    """B1C is close to B1I, whose TGD1 is of D1: their delays differ by nanoseconds."""
    _, found = of_capture()
    pilots = (signal_id("C", "1P"), signal_id("C", "5P"))
    for name in ("C21", "C35", "C44", "C50"):
        one, two = (dict(found[name, message].signal_delays_s) for message in ("CNV1", "CNV2"))
        assert all(one[pilot] == two[pilot] for pilot in pilots)
        assert abs(one[pilots[0]] - found[name, ""].tgd_s[0]) < 6e-9, name
