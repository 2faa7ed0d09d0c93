"""Two positions of one epoch: bounds, status, hysteresis."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bdgw.geodesy import ecef_from_geodetic, geodetic_from_ecef
from bdgw.model import Fix, FixKind
from bdgw.solving.comparison import K_SIGMA, AgreementWatch, compare, lowered

KINDS = st.sampled_from(FixKind)
ACC = st.none() | st.floats(0.0, 50.0)


def fix(kind: FixKind, east_m: float = 0.0, up_m: float = 0.0, **keys) -> Fix:
    x, y, z = ecef_from_geodetic(0.0, 0.0, 100.0)
    place = geodetic_from_ecef((x + up_m, y + east_m, z))
    values = {"alt_hae_m": place.height_m, **keys}
    return Fix(kind=kind, lat_deg=place.lat_deg, lon_deg=place.lon_deg, **values)


def test_the_bound_is_k_times_the_root_of_both_variances():
    found = compare(
        fix(FixKind.RTK_FIXED, acc_h_m=0.03, acc_v_m=0.06),
        fix(FixKind.RTK_FIXED, east_m=0.1, up_m=-0.2, acc_h_m=0.04, acc_v_m=0.08),
    )
    assert found is not None
    assert K_SIGMA == 3.0
    assert found.bound_h_m == pytest.approx(0.15)
    assert found.bound_v_m == pytest.approx(0.30)
    assert found.diff_h_m == pytest.approx(0.1, abs=1e-6)
    assert found.diff_v_m == pytest.approx(0.2, abs=1e-6)
    assert found.is_agreeing


@pytest.mark.parametrize(
    ("kinds", "east_m", "agrees"),
    [
        ((FixKind.RTK_FIXED, FixKind.RTK_FIXED), 0.08, True),
        ((FixKind.RTK_FIXED, FixKind.RTK_FIXED), 0.5, False),
        ((FixKind.RTK_FIXED, FixKind.RTK_FLOAT), 0.8, True),
        ((FixKind.RTK_FIXED, FixKind.SINGLE), 5.0, True),
        ((FixKind.RTK_FIXED, FixKind.SINGLE), 40.0, False),
    ],
)
def test_a_claim_of_nothing_is_not_believed(kinds, east_m, agrees):
    """Both say that they are exact; the floor of their kind holds."""
    found = compare(
        fix(kinds[0], acc_h_m=0.0, acc_v_m=0.0), fix(kinds[1], east_m, acc_h_m=0.0, acc_v_m=0.0)
    )
    assert found is not None
    assert found.is_agreeing is agrees


def test_without_a_height_only_the_place_is_compared():
    found = compare(fix(FixKind.SINGLE, alt_hae_m=None), fix(FixKind.SINGLE, up_m=500.0))
    assert found is not None
    assert found.diff_v_m is None
    assert found.diff_h_m < 0.01
    assert found.is_agreeing


@given(KINDS, KINDS, st.floats(-100, 100), st.floats(-100, 100), ACC, ACC)
def test_it_is_the_same_from_both_sides(first, second, east_m, up_m, acc_1, acc_2):
    one, other = fix(first, acc_h_m=acc_1), fix(second, east_m, up_m, acc_h_m=acc_2)
    found, mirrored = compare(one, other), compare(other, one)
    assert (found is None) == (mirrored is None) == (FixKind.NONE in (first, second))
    if found is not None and mirrored is not None:
        assert math.isclose(found.diff_h_m, mirrored.diff_h_m, rel_tol=1e-3, abs_tol=1e-3)
        assert found.bound_h_m == mirrored.bound_h_m


@given(KINDS)
def test_doubt_never_betters_a_status(kind):
    assert lowered(kind) is not FixKind.RTK_FIXED
    assert lowered(lowered(lowered(kind))) is lowered(lowered(kind))


@given(st.lists(st.booleans(), max_size=80))
def test_the_alarm_needs_three_in_a_row_and_its_end_ten(agreeings: list[bool]):
    watch, state, row = AgreementWatch(), False, 0
    for is_agreeing in agreeings:
        row = row + 1 if is_agreeing is state else 0
        changed = row == (10 if state else 3)
        if changed:
            state, row = not state, 0
        assert watch.see(is_agreeing=is_agreeing) is changed
        assert watch.is_disagreeing is state
