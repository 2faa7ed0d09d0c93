"""Integer least squares: against a published example and against trying all."""

import itertools
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bdgw.positioning.lambda_ import back, decorrelate, search, success_rate
from tests.conftest import shared_data


@pytest.mark.capture
def test_the_published_example() -> None:
    path = shared_data("vectors", "orbits_atmos_lambda.json")
    (one,) = json.loads(path.read_text(encoding="utf-8"))["lambda"]
    reduced = decorrelate(np.array(one["a"]), np.array(one["Q"]))
    found = search(reduced, 0)
    assert found.is_complete
    assert back(reduced, found.sets[0]).tolist() == one["best"]
    assert back(reduced, found.sets[1]).tolist() == one["second"]
    assert found.distance == pytest.approx(one["s"], rel=1e-9)
    assert found.distance[1] / found.distance[0] == pytest.approx(one["ratio"])


def nearest_by_trying(a: np.ndarray, q: np.ndarray, reach: int) -> list[float]:
    inverse = np.linalg.inv(q)
    middle = np.rint(a)
    every = []
    for offset in itertools.product(range(-reach, reach + 1), repeat=len(a)):
        off = a - (middle + offset)
        every.append(float(off @ inverse @ off))
    return sorted(every)[:2]


@given(
    st.lists(st.floats(-20, 20), min_size=2, max_size=3),
    st.lists(st.floats(-1, 1), min_size=9, max_size=9),
)
def test_the_two_nearest_are_those_of_trying_all(a: list[float], raw: list[float]) -> None:
    n = len(a)
    root = np.array(raw).reshape(3, 3)[:n, :n] + np.eye(n) * 0.5
    q = root @ root.T + 0.05 * np.eye(n)
    reduced = decorrelate(np.array(a), q)
    found = search(reduced, 0)
    assert found.is_complete
    assert abs(round(float(np.linalg.det(reduced.transform)))) == 1
    expected = nearest_by_trying(np.array(a), q, 6)
    assert found.distance == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_a_transformation_of_before_changes_nothing() -> None:
    rng = np.random.default_rng(4)
    root = rng.normal(size=(8, 8))
    q = root @ root.T * 0.01 + 0.5 * np.ones((8, 8))
    a = rng.normal(size=8) * 10.0
    fresh = decorrelate(a, q)
    again = decorrelate(a, q * 1.01, fresh.transform)
    first, second = search(fresh, 0), search(again, 0)
    assert back(fresh, first.sets[0]).tolist() == back(again, second.sets[0]).tolist()
    assert second.distance == pytest.approx(first.distance / 1.01, rel=1e-6)


def test_success_rate_of_a_single_one() -> None:
    # 2 Phi(1 / (2 s)) - 1 with s = 0.25: 2 Phi(2) - 1.
    assert success_rate(np.array([0.0625]))[0] == pytest.approx(0.9544997, abs=1e-7)
