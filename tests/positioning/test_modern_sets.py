"""Legacy and modern sets of one satellite: which one serves, and whose delays count."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from bdgw.positioning.constellation import Constellation
from bdgw.positioning.delay import group_delay_m
from bdgw.positioning.ephemeris import EphemerisStore, KeplerOrbit
from bdgw.positioning.orbit import KeplerTable
from bdgw.positioning.satellite import satellite_id, signal_id
from tests.positioning.scene import T0_NS, orbits

HOUR_NS = 3_600_000_000_000
C_M_S = 299_792_458.0
DELAYS = ((signal_id("C", "1P"), 4e-9), (signal_id("C", "5P"), -7e-9))


def legacy(toe_ns: int = T0_NS) -> KeplerOrbit:
    return replace(orbits("C")[0], toe_gpst_ns=toe_ns, tgd_s=(1e-8, 2e-8))


def modern(toe_ns: int = T0_NS, message: str = "CNV1") -> KeplerOrbit:
    return replace(
        legacy(toe_ns),
        message=message,
        tgd_s=(),
        accuracy_m=math.nan,
        signal_delays_s=DELAYS,
        a_dot_m_s=0.01,
    )


def store(*sets: KeplerOrbit) -> EphemerisStore:
    found = EphemerisStore()
    found.extend(sets)
    return found


def delays_m(*sets: KeplerOrbit) -> dict[str, float]:
    codes = ("2I", "6I", "1P", "1D", "5P", "7I")
    sky = Constellation(store(*sets))
    sky.choose(T0_NS)
    satellite = np.full(len(codes), sets[0].satellite)
    signal = np.array([signal_id("C", code) for code in codes])
    return dict(zip(codes, group_delay_m(sky, satellite, signal).tolist(), strict=True))


@given(st.permutations([legacy(), modern(T0_NS + HOUR_NS), modern(message="CNV2")]))
def test_a_legacy_set_goes_before_a_modern_one(sets: list[KeplerOrbit]) -> None:
    found = store(*sets)
    for after_ns in (0, HOUR_NS, 5 * HOUR_NS):
        chosen = found.choose(sets[0].satellite, T0_NS + after_ns)
        assert isinstance(chosen, KeplerOrbit)
        assert chosen.message == ""


def test_a_modern_set_serves_where_the_legacy_one_is_too_old() -> None:
    found = store(legacy(), modern(T0_NS + 5 * HOUR_NS))
    chosen = found.choose(legacy().satellite, T0_NS + 7 * HOUR_NS)
    assert isinstance(chosen, KeplerOrbit)
    assert chosen.message == "CNV1"


@given(st.permutations([modern(), modern(message="CNV3"), modern(T0_NS + HOUR_NS, "CNV3")]))
def test_b_cnav3_serves_where_there_is_nothing_else(sets: list[KeplerOrbit]) -> None:
    chosen = store(*sets).choose(sets[0].satellite, T0_NS + HOUR_NS)
    assert isinstance(chosen, KeplerOrbit)
    assert chosen.message == "CNV1"
    alone = store(modern(message="CNV3")).choose(sets[0].satellite, T0_NS)
    assert isinstance(alone, KeplerOrbit)
    assert alone.message == "CNV3"


def test_an_unhealthy_legacy_set_is_not_passed_by_with_a_modern_one() -> None:
    found = store(replace(legacy(), is_healthy=False), modern())
    assert found.choose(legacy().satellite, T0_NS) is None


def test_modern_sets_do_not_drive_out_legacy_ones() -> None:
    found = store(legacy())
    for hour in range(1, 40):
        found.add(modern(T0_NS + hour * HOUR_NS))
        found.add(modern(T0_NS + hour * HOUR_NS, "CNV2"))
    chosen = found.choose(legacy().satellite, T0_NS)
    assert chosen == legacy()


def test_the_same_modern_set_again_is_not_new() -> None:
    found = store(modern())
    found.add(replace(modern(), accuracy_m=float("nan")))
    assert found.version == 1


def test_each_set_has_the_delays_of_its_own_message_only() -> None:
    by_legacy, by_modern = delays_m(legacy(), modern()), delays_m(modern())
    assert by_legacy["2I"] == pytest.approx(1e-8 * C_M_S)
    assert by_legacy["6I"] == by_modern["6I"] == 0.0
    assert by_modern["1P"] == pytest.approx(4e-9 * C_M_S)
    assert by_modern["5P"] == pytest.approx(-7e-9 * C_M_S)
    for code in ("1P", "1D", "5P"):
        assert math.isnan(by_legacy[code])
    for code in ("2I", "1D", "7I"):
        assert math.isnan(by_modern[code])


def test_a_set_without_rates_is_the_same_beside_one_that_has_them() -> None:
    t_ns = np.array([T0_NS + HOUR_NS])
    alone = KeplerTable([legacy()]).state(np.array([0]), t_ns, np.zeros(1))
    beside = KeplerTable([modern(), legacy()]).state(np.array([1]), t_ns, np.zeros(1))
    for one, other in zip(alone, beside, strict=True):
        assert (one == other).all()


def test_a_set_of_f_nav_says_nothing_of_e5b() -> None:
    f_nav = replace(legacy(), satellite=satellite_id("E05"), is_fnav=True, tgd_s=(4e-9,))
    sky = Constellation(store(f_nav))
    sky.choose(T0_NS)
    signal = np.array([signal_id("E", code) for code in ("1C", "5Q", "7Q")])
    e1, e5a, e5b = group_delay_m(sky, np.full(3, f_nav.satellite), signal)
    assert e1 == pytest.approx(4e-9 * C_M_S)
    assert e5a == pytest.approx(4e-9 * C_M_S * (1575.42 / 1176.45) ** 2)
    assert math.isnan(e5b)
