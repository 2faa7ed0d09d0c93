"""Integer least squares: decorrelation and search.

Sources: Teunissen (1995), J. Geodesy 70 (LAMBDA); de Jonge and Tiberius (1996), LGR-Series 12
(the algorithms); Chang, Yang and Zhou (2005), J. Geodesy 79 (order of the search). The numbers of
the names are theirs: Q = L^T D L, z = Z^T a.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from bdgw.rtcm.lock import FloatArray
from bdgw.rtcm.observation import IntArray

__all__ = ["Decorrelated", "IntegerResult", "decorrelate", "search", "success_rate"]

_GAIN = 1.0 - 1e-6
_HALF = 0.6
"""An exact half would be enough; a little more saves the work and costs no rightness."""
_ROUGH = 0.5


class Decorrelated(NamedTuple):
    """``z`` (n,) with Q_z = L^T D L, and the whole-numbered transformation: z = Z^T a."""

    z: FloatArray
    lower: FloatArray
    d: FloatArray
    transform: FloatArray


class IntegerResult(NamedTuple):
    """The best two sets of integers (2, n), and their squared distances (2,)."""

    sets: FloatArray
    distance: FloatArray
    is_complete: bool


def _factor(q: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Q = L^T D L with a unit lower L, by Cholesky from the other end.

    Raises:
        np.linalg.LinAlgError: Q is not positive definite.
    """
    upper = np.linalg.cholesky(q[::-1, ::-1])[::-1, ::-1]
    diagonal = np.diagonal(upper)
    return (upper / diagonal).T.copy(), diagonal**2


def decorrelate(a: FloatArray, q: FloatArray, guess: FloatArray | None = None) -> Decorrelated:
    """Make the ambiguities as little dependent as whole numbers can, most precise one last.

    ``guess`` is a transformation of an earlier epoch; a good one leaves little to do.

    Raises:
        np.linalg.LinAlgError: Q is not positive definite.
    """
    n = len(a)
    z_matrix = _by_precision(q) if guess is None else guess
    q = z_matrix.T @ q @ z_matrix
    lower, d = _factor((q + q.T) / 2.0)
    if _is_reduced(lower, d):
        return Decorrelated(z_matrix.T @ a, lower, d, z_matrix)
    # Lists, not arrays: with two dozen elements a column is done before NumPy has begun.
    rows: list[list[float]] = lower.T.tolist()  # rows[j] is column j of L
    columns: list[list[float]] = z_matrix.T.tolist()
    values: list[float] = d.tolist()
    # Which columns have anything to round: most have not, and need no look at their elements.
    rough = [max(map(abs, row[j + 1 :]), default=0.0) > _ROUGH for j, row in enumerate(rows)]
    j = k = n - 2
    while j >= 0:
        if j <= k and rough[j]:
            _round(rows, columns, j)
            rough[j] = False
        below = rows[j][j + 1]
        joint = values[j] + below * below * values[j + 1]
        if joint < _GAIN * values[j + 1]:
            _swap(rows, columns, values, rough, j)
            k, j = j, min(j + 1, n - 2)
        else:
            j -= 1
    transform = np.array(columns).T.copy()
    return Decorrelated(transform.T @ a, np.array(rows).T.copy(), np.array(values), transform)


def _by_precision(q: FloatArray) -> FloatArray:
    """Put the most precise one last, then the one that is with it known, and so on.

    That leaves about half of the exchanges to do (Chang, Yang and Zhou 2005, 3.1).
    """
    n = len(q)
    q, order = q.copy(), np.zeros(n, dtype=np.int64)
    variance = q.diagonal().copy()
    for k in range(n - 1, -1, -1):
        order[k] = best = int(variance.argmin())
        q -= np.outer(q[best], q[best] / q[best, best])
        variance = np.where(np.isfinite(variance), q.diagonal(), np.inf)
        variance[order[k:]] = np.inf
    return np.eye(n)[:, order]


def _round(rows: list[list[float]], columns: list[list[float]], j: int) -> None:
    """Take whole multiples of the later columns off one, until all its elements round to 0."""
    row, column = rows[j], columns[j]
    for i in range(j + 1, len(row)):
        whole = round(row[i])
        if whole:
            row[i:] = [x - whole * y for x, y in zip(row[i:], rows[i][i:], strict=True)]
            column = [x - whole * y for x, y in zip(column, columns[i], strict=True)]
    columns[j] = column


def _is_reduced(lower: FloatArray, d: FloatArray) -> bool:
    """Whether nothing is left to do."""
    below = np.diagonal(lower, -1)
    joint = d[:-1] + below * below * d[1:]
    return bool(
        (joint >= _GAIN * d[1:]).all() and np.abs(lower - np.eye(len(d))).max(initial=0.0) <= _HALF
    )


def _swap(
    rows: list[list[float]],
    columns: list[list[float]],
    d: list[float],
    rough: list[bool],
    j: int,
) -> None:
    """Exchange two neighbours and restore the factors (de Jonge and Tiberius, 3.3)."""
    below = rows[j][j + 1]
    joint = d[j] + below * below * d[j + 1]
    eta = d[j] / joint
    lam = d[j + 1] * below / joint
    d[j], d[j + 1] = eta * d[j + 1], joint
    for i in range(j):
        row = rows[i]
        first, second = row[j], row[j + 1]
        row[j], row[j + 1] = second - below * first, eta * first + lam * second
        if abs(row[j]) > _ROUGH or abs(row[j + 1]) > _ROUGH:
            rough[i] = True
    one, other = rows[j], rows[j + 1]
    one[j + 1] = lam
    one[j + 2 :], other[j + 2 :] = other[j + 2 :], one[j + 2 :]
    columns[j], columns[j + 1] = columns[j + 1], columns[j]
    rough[j] = rough[j + 1] = True


def success_rate(d: FloatArray) -> FloatArray:
    """Give the chance that rounding one after the other, from the last on, is right.

    Element k is for the ambiguities k to the last (Teunissen 1998): prod (2 Phi(1/(2 s)) - 1).
    """
    each = np.array([math.erf(1.0 / math.sqrt(8.0 * max(value, 1e-300))) for value in d.tolist()])
    return np.cumprod(each[::-1])[::-1]


def search(reduced: Decorrelated, first: int, *, max_nodes: int = 4000) -> IntegerResult:
    """Find the two nearest sets of integers to z[first:].

    The distance is (z - n)^T Q^-1 (z - n). Where more than ``max_nodes`` candidates had to be
    looked at the result is not complete, and must not be trusted.
    """
    z = reduced.z[first:]
    lower = reduced.lower[first:, first:]
    d = reduced.d[first:].tolist()
    n = len(z)
    zs = z.tolist()
    # Row k of ``later`` is what the choices after k shift the centre of k by, contiguous.
    later = [row[k + 1 :] for k, row in enumerate(lower.T.copy())]
    residual = np.zeros(n)
    after = [residual[k + 1 :] for k in range(n)]
    centre, chosen, step = [0.0] * n, [0.0] * n, [0.0] * n
    part = [0.0] * (n + 1)
    best: list[tuple[float, list[float]]] = []
    limit = math.inf
    k = n - 1
    centre[k] = zs[k]
    chosen[k] = float(round(centre[k]))
    off = centre[k] - chosen[k]
    step[k] = math.copysign(1.0, off)
    nodes = 0
    while nodes < max_nodes:
        nodes += 1
        total = part[k + 1] + off * off / d[k]
        if total < limit:
            if k > 0:
                part[k] = total
                residual[k] = -off
                k -= 1
                centre[k] = at = zs[k] + float(later[k].dot(after[k]))
                chosen[k] = nearest = float(round(at))
                off = at - nearest
                step[k] = math.copysign(1.0, off)
                continue
            best.append((total, chosen.copy()))
            best.sort(key=lambda one: one[0])
            del best[2:]
            if len(best) == 2:
                limit = best[1][0]
        else:
            k += 1
            if k == n:
                break
        chosen[k] += step[k]
        off = centre[k] - chosen[k]
        step[k] = -step[k] - math.copysign(1.0, step[k])
    is_complete = k == n and len(best) == 2
    while len(best) < 2:
        best.append((math.inf, zs))
    return IntegerResult(
        np.array([one for _, one in best]), np.array([one for one, _ in best]), is_complete
    )


def back(reduced: Decorrelated, z: FloatArray) -> IntArray:
    """Turn a whole set of integers z back into ambiguities."""
    found: IntArray = np.rint(np.linalg.solve(reduced.transform.T, z)).astype(np.int64)
    return found
