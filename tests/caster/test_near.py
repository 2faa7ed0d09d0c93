import pytest
from hypothesis import given
from hypothesis import strategies as st

from bdgw.caster.near import Candidate, choose
from bdgw.geodesy import ecef_from_geodetic


def at(name: str, lat_deg: float, *, is_flowing: bool = True) -> Candidate:
    return Candidate(name, ecef_from_geodetic(lat_deg, 116.0, 0.0), is_flowing)


BASES = [at("SOUTH", 39.0), at("NORTH", 40.0)]  # 111 km apart


def chosen(
    lat_deg: float,
    current: str | None = None,
    bases: list[Candidate] | None = None,
    max_distance_m: float | None = None,
) -> str | None:
    choice = choose(
        ecef_from_geodetic(lat_deg, 116.0, 0.0),
        BASES if bases is None else bases,
        current=current,
        hysteresis_m=1000.0,
        max_distance_m=max_distance_m,
    )
    return None if choice is None else choice.mount


def test_the_nearest_is_chosen():
    assert (chosen(39.4), chosen(39.6)) == ("SOUTH", "NORTH")


def test_a_client_between_two_bases_stays_where_it_is():
    # 0.001 degree of latitude is 111 m: 0.004 is within, 0.006 beyond half of 1 km.
    assert chosen(39.504, "SOUTH") == "SOUTH"
    assert chosen(39.496, "NORTH") == "NORTH"
    assert chosen(39.506, "SOUTH") == "NORTH"


def test_a_base_with_data_goes_before_a_nearer_one_without():
    bases = [at("SOUTH", 39.0, is_flowing=False), at("NORTH", 40.0)]
    assert chosen(39.1, "SOUTH", bases) == "NORTH"
    assert chosen(39.1, "NORTH", [at("SOUTH", 39.0), at("NORTH", 40.0)]) == "SOUTH"


def test_without_any_data_the_nearest_is_waited_for():
    assert chosen(39.1, None, [at("A", 39.0, is_flowing=False)]) == "A"


def test_who_is_too_far_from_all_gets_none_and_the_edge_does_not_flap():
    assert chosen(39.5, None, max_distance_m=20_000.0) is None
    edge_deg = 39.0 + 20_500.0 / 111_000.0
    assert chosen(edge_deg, None, max_distance_m=20_000.0) is None
    assert chosen(edge_deg, "SOUTH", max_distance_m=20_000.0) == "SOUTH"
    assert chosen(39.5, None, []) is None


def test_the_distance_is_said():
    choice = choose(
        ecef_from_geodetic(39.0, 116.0, 0.0),
        BASES,
        current=None,
        hysteresis_m=0.0,
        max_distance_m=None,
    )
    assert choice is not None
    assert choice.distance_m == pytest.approx(0.0, abs=1e-6)


@given(st.lists(st.floats(39.0, 40.0), min_size=2, max_size=30))
def test_a_change_always_brings_the_client_nearer_by_the_hysteresis(path):
    current = chosen(path[0])
    for lat_deg in path[1:]:
        following = chosen(lat_deg, current)
        if following != current:
            there = ecef_from_geodetic(lat_deg, 116.0, 0.0)
            distances = {
                base.mount: choose(
                    there, [base], current=None, hysteresis_m=0.0, max_distance_m=None
                )
                for base in BASES
            }
            old, new = distances[str(current)], distances[str(following)]
            assert old is not None
            assert new is not None
            assert old.distance_m - new.distance_m >= 1000.0 - 1e-6
        current = following
