"""A base that says a wrong position from the beginning, on a made-up sky: told, and only then."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bdgw.geodesy import Ecef
from bdgw.model import FixKind
from bdgw.positioning.base_place import BaseCheck, BasePlace
from bdgw.positioning.constellation import Constellation
from bdgw.positioning.engine import EngineOptions, RtkEngine
from bdgw.positioning.ephemeris import EphemerisStore
from bdgw.positioning.geometry import place_of
from bdgw.positioning.ionosphere import Ionosphere
from bdgw.positioning.observation import ObservationEpoch
from bdgw.positioning.satellite import band_of
from tests.positioning.scene import BASE_M, ROVER_M, T0_NS, Receiver, orbits, replaced

S_NS = 1_000_000_000


def beside(*enu_m: float) -> Ecef:
    place = place_of(BASE_M)
    x, y, z = (place.ecef_m + place.to_enu.T @ np.array(enu_m)).tolist()
    return x, y, z


@lru_cache(maxsize=4)
def epochs(systems: str = "GC", n: int = 30, place_m: Ecef = BASE_M) -> list[ObservationEpoch]:
    base = Receiver(2, systems=systems)
    return [base.measure(T0_NS + 5 * k * S_NS, place_m) for k in range(n)]


def sky(systems: str = "GC") -> Constellation:
    store = EphemerisStore()
    store.extend(orbits(systems))
    return Constellation(store)


class Watched:
    """A base and when it was first told."""

    def __init__(self, announced_m: Ecef) -> None:
        self.place = BasePlace()
        self.place.announce(place_of(announced_m))
        self.told_s: float | None = None
        self.sky = sky()

    def see(self, found: list[ObservationEpoch]) -> Watched:
        with np.errstate(all="ignore"):
            for epoch in found:
                if self.place.is_due(epoch.t_gpst_ns):
                    self.place.see(epoch, self.sky, Ionosphere())
                if self.place.doubt is not None and self.told_s is None:
                    self.told_s = (epoch.t_gpst_ns - T0_NS) / S_NS
        return self

    @property
    def check(self) -> BaseCheck:
        assert self.place.check is not None
        return self.place.check


@pytest.mark.parametrize(
    ("systems", "off", "within_s"),
    [
        ("GC", (5.0, 0.0, 0.0), 120.0),
        ("GC", (0.0, -5.0, 0.0), 120.0),
        ("GC", (30.0, 0.0, 0.0), 60.0),
        ("GC", (0.0, 0.0, -30.0), 60.0),
        ("GC", (1e6, 0.0, 0.0), 60.0),
        # Eight satellites, four to spare.
        ("G", (30.0, 0.0, 0.0), 60.0),
        ("G", (0.0, 30.0, 0.0), 60.0),
    ],
)
def test_a_wrong_place_is_told_and_by_how_much(systems, off, within_s):
    watched = Watched(beside(*off)).see(epochs(systems))
    assert watched.told_s is not None
    assert watched.told_s <= within_s
    assert watched.check.is_misplaced
    if math.hypot(*off) < 100.0:
        assert watched.check.off_enu_m == pytest.approx(off, abs=1.5)


@pytest.mark.parametrize("systems", ["GC", "G"])
@pytest.mark.parametrize("off", [(0.0, 0.0, 0.0), (0.6, -0.6, 0.3)])
def test_a_right_place_is_not_told_nor_one_of_another_datum(systems, off):
    watched = Watched(beside(*off)).see(epochs(systems))
    assert watched.told_s is None
    assert not watched.check.is_misplaced


def test_one_carrier_without_a_model_of_the_ionosphere_tells_more_than_it_could_be():
    first = [one.taken(np.isin(band_of(one.signal), (1, 2))) for one in epochs("G")]
    alone = [one.taken(band_of(one.signal) == 1) for one in first]
    assert Watched(beside(5.0, 0.0, 0.0)).see(alone).told_s is None
    assert Watched(beside(30.0, 0.0, 0.0)).see(alone).told_s is not None


def test_a_corrected_place_is_believed_at_once():
    watched = Watched(beside(30.0, 0.0, 0.0)).see(epochs()[:10])
    assert watched.place.doubt is not None
    watched.place.announce(place_of(BASE_M))
    assert watched.place.doubt is None


def test_another_wrong_place_stays_in_doubt_until_codes_agree():
    watched = Watched(beside(30.0, 0.0, 0.0)).see(epochs()[:10])
    watched.place.announce(place_of(beside(-30.0, 0.0, 0.0)))
    assert watched.place.doubt is not None
    watched.see(epochs()[10:20])
    assert watched.check.off_enu_m[0] == pytest.approx(-30.0, abs=1.5)
    watched.place.announce(place_of(beside(60.0, 0.0, 0.0)))
    watched.see(epochs()[20:25])
    assert watched.place.doubt is not None


def test_a_base_that_moved_and_says_so_is_not_in_doubt():
    there = beside(20.0, 0.0, 0.0)
    watched = Watched(BASE_M).see(epochs()[:10])
    watched.place.announce(place_of(there))
    assert watched.place.doubt is None
    watched.see(epochs("GC", 30, there)[10:])
    assert watched.told_s is None
    assert not watched.check.is_misplaced


def test_a_doubt_outlasts_satellites_that_set():
    watched = Watched(beside(5.0, 0.0, 0.0)).see(epochs())
    few = [one.taken(one.satellite % 3 != 0) for one in epochs("GC", 60)[30:]]
    assert watched.see(few).place.doubt is not None


def test_an_old_time_begins_anew():
    watched = Watched(BASE_M).see(epochs()[10:])
    watched.see(epochs()[:1])
    assert watched.place.check is None


def solved(engine: RtkEngine, announced_m: Ecef, n: int) -> list[FixKind]:
    for orbit in orbits():
        engine.add_orbit(orbit)
    engine.set_base(announced_m)
    rover, base = Receiver(1), Receiver(2)
    kinds = []
    for k in range(n):
        t = T0_NS + k * S_NS
        solution = engine.solve(rover.measure(t, ROVER_M), base.measure(t, BASE_M))
        is_misplaced = solution.base_check is not None and solution.base_check.is_misplaced
        assert not (is_misplaced and solution.kind is FixKind.RTK_FIXED)
        if is_misplaced:
            assert solution.why == "the base does not stand where it says"
        kinds.append(solution.kind)
    return kinds


def test_nothing_is_fixed_against_a_misplaced_base():
    engine = RtkEngine(EngineOptions(systems="GC"))
    kinds = solved(engine, beside(30.0, 0.0, 0.0), 20)
    assert kinds[:4] == [FixKind.RTK_FIXED] * 4, "it cannot be known yet"
    assert set(kinds[5:]) == {FixKind.RTK_FLOAT}


def test_it_is_fixed_again_once_the_position_is_put_right():
    engine = RtkEngine(EngineOptions(systems="GC"))
    assert solved(engine, beside(30.0, 0.0, 0.0), 20)[-1] is FixKind.RTK_FLOAT
    engine.set_base(BASE_M)
    rover, base = Receiver(3), Receiver(4)
    for k in range(20, 40):
        t = T0_NS + k * S_NS
        solution = engine.solve(rover.measure(t, ROVER_M), base.measure(t, BASE_M))
    assert solution.kind is FixKind.RTK_FIXED
    assert solution.ecef_m == pytest.approx(ROVER_M, abs=0.05)


def test_a_moving_base_is_not_judged():
    engine = RtkEngine(EngineOptions(systems="GC", has_moving_base=True))
    assert set(solved(engine, beside(30.0, 0.0, 0.0), 20)) == {FixKind.RTK_FIXED}


VALUES = st.sampled_from([math.nan, math.inf, -math.inf, 0.0, -1.0, 1e3, 2.2e7, 9.9e7, 1e300])


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 20),
            st.dictionaries(st.integers(0, 80), VALUES, max_size=40),
            st.integers(0, 80),
            st.booleans(),
        ),
        max_size=8,
    ),
    st.lists(VALUES, min_size=3, max_size=3),
)
def test_any_observations_are_taken(parts, place):
    engine = RtkEngine(EngineOptions(systems="GC"))
    for orbit in orbits():
        engine.add_orbit(orbit)
    engine.set_base(BASE_M)
    engine.set_base((place[0], place[1], place[2]))
    rover = Receiver(1)
    for k, (at, damage, n_cells, is_code) in enumerate(parts):
        base = epochs()[at]
        column = (base.pseudorange_m if is_code else base.frequency_hz).copy()
        for index, value in damage.items():
            column[index % len(column)] = value
        name = "pseudorange_m" if is_code else "frequency_hz"
        cut = replaced(base, **{name: column}).taken(np.arange(min(n_cells, len(column))))
        engine.solve(rover.measure(T0_NS + k * S_NS, ROVER_M), cut)


def test_two_satellites_to_spare_that_stand_badly_say_nothing():
    assert Watched(beside(30.0, 0.0, 0.0)).see(epochs("C")).place.check is None


def test_one_satellite_and_none_say_nothing():
    one = [each.taken(each.satellite == each.satellite[0]) for each in epochs()]
    none = [each.taken(each.satellite < 0) for each in epochs()]
    for few in (one, none):
        watched = Watched(BASE_M).see(few)
        assert watched.place.check is None
        assert watched.place.doubt is None
