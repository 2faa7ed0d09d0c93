"""Three equations: a symmetric matrix of a position, solved by its formula.

Solvers for any size take several times as long to look at a matrix of three rows as to solve it.
"""

from __future__ import annotations

import math

import numpy as np

from bdgw.rtcm.lock import FloatArray

__all__ = ["inverse_of", "root_of", "squared_in"]


def inverse_of(matrix: FloatArray) -> FloatArray | None:
    """Invert a symmetric positive definite matrix (3, 3); None where it is not one."""
    (a, b, c), (_, d, e), (_, _, f) = matrix.tolist()
    aa, bb, cc = d * f - e * e, c * e - b * f, b * e - c * d
    determinant = a * aa + b * bb + c * cc
    if not 0.0 < determinant < math.inf:
        return None
    bc = b * c - a * e
    inverse: FloatArray = np.array([[aa, bb, cc], [bb, a * f - c * c, bc], [cc, bc, a * d - b * b]])
    inverse /= determinant
    return inverse


def root_of(matrix: FloatArray) -> FloatArray | None:
    """Give R (3, 3) with R' R = the inverse of a symmetric matrix; None where there is none."""
    (a, b, c), (_, d, e), (_, _, f) = matrix.tolist()
    if not 0.0 < a < math.inf:
        return None
    p = math.sqrt(a)
    q, s = b / p, c / p
    rest = d - q * q
    if not 0.0 < rest < math.inf:
        return None
    t = math.sqrt(rest)
    u = (e - s * q) / t
    rest = f - s * s - u * u
    if not 0.0 < rest < math.inf:
        return None
    v = math.sqrt(rest)
    return np.array(
        [
            [1.0 / p, 0.0, 0.0],
            [-q / (p * t), 1.0 / t, 0.0],
            [(q * u / t - s) / (p * v), -u / (t * v), 1.0 / v],
        ]
    )


def squared_in(matrix: FloatArray, vector: FloatArray) -> float:
    """Give v' M^-1 v, the square of a vector (3,) in standard deviations; infinite without M^-1."""
    root = root_of(matrix)
    if root is None:
        return math.inf
    scaled = root @ vector
    return float(scaled @ scaled)
