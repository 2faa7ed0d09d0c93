"""Differences without a reference, against the textbook form with one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bdgw.positioning.ambiguity import AmbiguityFilter
from bdgw.positioning.double_difference import Slopes, groups_of, solve_ranges


def textbook(design, value, variance, group):
    """Double differences against the first of each group, with their full covariance."""
    rows = []
    for one in np.unique(group):
        first, *others = np.flatnonzero(group == one)
        for other in others:
            row = np.zeros(len(value))
            row[other], row[first] = 1.0, -1.0
            rows.append(row)
    differ = np.array(rows)
    weight = np.linalg.inv(differ @ np.diag(variance) @ differ.T)
    a, y = differ @ design, differ @ value
    covariance = np.linalg.inv(a.T @ weight @ a)
    return covariance @ a.T @ weight @ y, covariance


@given(st.integers(0, 10**6))
def test_position_and_covariance_are_those_of_double_differences(seed: int) -> None:
    rng = np.random.default_rng(seed)
    group = np.array([1, 1, 1, 1, 1, 2, 2, 2, 2])
    design = rng.normal(size=(9, 3))
    design /= np.linalg.norm(design, axis=1)[:, None]
    variance = rng.uniform(0.1, 3.0, size=9)
    value = rng.normal(size=9) + np.where(group == 1, 40.0, -7.0)
    found = solve_ranges(design, value, 1.0 / variance, groups_of(group), limit=1e9, max_excluded=0)
    assert found is not None
    step, covariance = textbook(design, value, variance, group)
    assert found.step_m == pytest.approx(step, rel=1e-6, abs=1e-6)
    assert found.covariance == pytest.approx(covariance, rel=1e-6, abs=1e-9)
    assert found.n_left == 9 - 2 - 3


@given(st.integers(0, 10**6), st.sampled_from([0.0, 0.3, 50.0]))
def test_a_slope_is_an_unknown_beside_the_clocks(seed: int, information: float) -> None:
    rng = np.random.default_rng(seed)
    group = np.array([1, 1, 1, 1, 1, 1, 2, 2, 2, 2])
    design = rng.normal(size=(10, 3))
    design /= np.linalg.norm(design, axis=1)[:, None]
    weight = rng.uniform(0.3, 9.0, size=10)
    slope = np.where(group == 1, rng.normal(size=10), 0.0)
    value = rng.normal(size=10) + np.where(group == 1, 40.0, -7.0) + 3.0 * slope
    found = solve_ranges(
        design,
        value,
        weight,
        groups_of(group),
        limit=1e9,
        max_excluded=0,
        slopes=Slopes(slope[None, :], np.array([information])),
    )
    assert found is not None
    # Position, both clocks and the slope written out, and what is known of it as a measurement.
    columns = np.column_stack((design, group == 1, group == 2, slope))
    normal = (columns.T * weight) @ columns
    normal[5, 5] += information
    covariance = np.linalg.inv(normal)
    state = covariance @ (columns.T * weight) @ value
    assert found.step_m == pytest.approx(state[:3], rel=1e-6, abs=1e-6)
    assert found.covariance == pytest.approx(covariance[:3, :3], rel=1e-6, abs=1e-9)
    off = value - columns @ state
    squares = float(weight @ off**2) + information * state[5] ** 2
    assert found.chi2 * found.n_left == pytest.approx(squares, rel=1e-6, abs=1e-9)
    assert found.n_left == 10 - 2 - 3 - 1


@given(st.integers(0, 10**6), st.integers(0, 19))
def test_a_satellite_that_is_off_in_all_its_values_is_excluded(seed: int, victim: int) -> None:
    rng = np.random.default_rng(seed)
    satellite = np.repeat(np.arange(20), 2)
    group = np.tile([1, 2], 20)
    design = np.repeat(rng.normal(size=(20, 3)), 2, axis=0)
    design /= np.linalg.norm(design, axis=1)[:, None]
    value = rng.normal(size=40) * 0.2 + 12.0 * (satellite == victim)
    found = solve_ranges(
        design,
        value,
        np.ones(40),
        groups_of(group),
        limit=4.5,
        max_excluded=10,
        satellites=groups_of(satellite),
    )
    assert found is not None
    assert not found.used[satellite == victim].any()
    assert found.used.sum() >= 36


def test_the_filter_gives_what_all_epochs_at_once_give() -> None:
    rng = np.random.default_rng(8)
    n, epochs = 6, 4
    key, group = np.arange(n), np.ones(n, dtype=np.int64)
    truth = rng.normal(size=n) * 5.0
    filter_ = AmbiguityFilter(memory_s=1e12)
    rows, values = [], []
    for k in range(epochs):
        design = rng.normal(size=(n, 3))
        place = rng.normal(size=3)
        code = design @ place + rng.normal(size=n) * 0.3
        phase = design @ place + truth + rng.normal(size=n) * 0.01
        groups = groups_of(group)
        matrix = np.zeros((3 + n, 3 + n))
        vector = np.zeros(3 + n)
        for value, weight, has in ((code, 1.0 / 0.09, 0.0), (phase, 1e4, 1.0)):
            a = np.hstack((design, has * np.eye(n)))
            w = groups.information(np.full(n, weight))
            matrix += a.T @ w @ a
            vector += a.T @ w @ value
            row = np.zeros((n, 3 * epochs + 2 * epochs + n))
            row[:, 3 * k : 3 * k + 3] = design
            row[:, 3 * epochs + 2 * k + int(has)] = 1.0
            row[:, 5 * epochs :] = has * np.eye(n)
            rows.append(row * np.sqrt(weight))
            values.append(value * np.sqrt(weight))
        filter_.begin(1.0, key, np.zeros(n, dtype=np.bool_))
        filter_.add(matrix, vector)
        last = filter_.solve(np.array([0]), np.arange(1, n))
        filter_.keep(matrix, vector, 1.0, moves=True)
    # The first ambiguity is held at zero, as a tight observation.
    held = np.zeros((1, 5 * epochs + n))
    held[0, 5 * epochs] = 1e6
    every = np.vstack((*rows, held))
    solution, *_ = np.linalg.lstsq(every, np.concatenate((*values, [0.0])), rcond=None)
    assert last is not None
    assert last.ambiguity_m == pytest.approx(solution[5 * epochs + 1 :], abs=1e-4)
    assert last.step_m == pytest.approx(solution[3 * (epochs - 1) : 3 * epochs], abs=1e-4)
