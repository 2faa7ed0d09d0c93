"""Transformations that are carried over to other ambiguities stay whole-numbered and invertible."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bdgw.positioning.carry_over import carried_over
from bdgw.positioning.integers import Resolver
from bdgw.positioning.lambda_ import decorrelate, search


def unimodular(rng: np.random.Generator, n: int) -> np.ndarray:
    """Whole multiples of columns added to others, and columns exchanged."""
    found = np.eye(n)
    for _ in range(3 * n):
        i, j = rng.integers(0, n, 2)
        if i != j:
            found[:, i] += rng.integers(-2, 3) * found[:, j]
            found[:, [i, j]] = found[:, [j, i]]
    return found


def covariance(rng: np.random.Generator, n: int) -> np.ndarray:
    """As of one epoch: few unknowns that are hardly known make all ambiguities depend."""
    design = rng.normal(size=(n, 3))
    return design @ np.diag([4.0, 2.0, 9.0]) @ design.T + np.diag(rng.uniform(1e-3, 1e-2, n))


@given(st.integers(0, 10**6), st.integers(2, 12), st.integers(0, 5), st.integers(0, 5))
def test_what_is_carried_over_is_whole_with_a_whole_inverse(seed, n, n_gone, n_new) -> None:
    rng = np.random.default_rng(seed)
    pool = np.sort(rng.choice(1000, n + n_new, replace=False))
    chosen = np.sort(rng.choice(len(pool), n, replace=False))
    key = pool[chosen]
    gone = rng.choice(key, min(n_gone, n), replace=False)
    wanted = np.setdiff1d(pool, gone)
    found = carried_over(key, unimodular(rng, n), wanted)
    if found is None:
        return
    assert found.shape == (len(wanted), len(wanted))
    assert (found == np.rint(found)).all()
    assert round(abs(np.linalg.det(found))) == 1


@given(st.integers(0, 10**6))
def test_nothing_gone_and_nothing_new_is_the_same(seed) -> None:
    rng = np.random.default_rng(seed)
    transform = unimodular(rng, 6)
    key = np.arange(6) * 16
    found = carried_over(key, transform, key)
    assert found is not None
    assert np.array_equal(found, transform)


def test_it_is_carried_over_where_satellites_come_and_go() -> None:
    rng = np.random.default_rng(3)
    q = covariance(rng, 14)
    key = np.arange(14) * 16
    first, then = np.arange(12), np.arange(2, 14)
    transform = decorrelate(np.zeros(12), q[np.ix_(first, first)]).transform
    assert carried_over(key[first], transform, key[then]) is not None


@given(st.integers(0, 10**6))
def test_the_set_found_does_not_depend_on_what_was_before(seed) -> None:
    rng = np.random.default_rng(seed)
    q = covariance(rng, 12)
    a = rng.multivariate_normal(rng.integers(-20, 20, 12).astype(float), q / 50.0)
    resolver = Resolver()
    for some in (np.arange(9), np.arange(2, 11), np.arange(12)):
        part, of_part = a[some], q[np.ix_(some, some)]
        carried = resolver._decorrelate(part, of_part, some * 16)
        anew = decorrelate(part, of_part)
        for reduced in (carried, anew):
            assert np.allclose(reduced.transform.T @ part, reduced.z)
        one, other = (search(reduced, 0, max_nodes=10**6) for reduced in (carried, anew))
        assert np.allclose(one.distance, other.distance, rtol=1e-6)
