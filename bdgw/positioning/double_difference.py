"""Double differences without a reference satellite.

The clock of each group is eliminated by subtracting the weighted mean of the group. That gives the
same normal equations as double differences against any reference with their full covariance
(elimination of nuisance parameters), needs no inverse, and knows no change of reference.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bdgw.rtcm.lock import FloatArray
from bdgw.rtcm.observation import BoolArray, IntArray

__all__ = ["Groups", "RangeSolution", "groups_of", "solve_ranges"]

_FEWEST = 4


class Groups(NamedTuple):
    """Membership (n_groups, n) of 0 and 1."""

    member: FloatArray

    def centred(self, weight: FloatArray, column: FloatArray) -> FloatArray:
        """Take the weighted mean of each group off a column (n,) or columns (n, k)."""
        total = np.maximum(self.member @ weight, 1e-12)
        if column.ndim == 1:
            level: FloatArray = column - ((self.member @ (weight * column)) / total) @ self.member
            return level
        mean = (self.member @ (weight[:, None] * column)) / total[:, None]
        centred: FloatArray = column - self.member.T @ mean
        return centred

    def information(self, weight: FloatArray) -> FloatArray:
        """Give the weight matrix (n, n) of the single differences with the clocks eliminated."""
        scaled = self.member * weight
        total = np.maximum(scaled.sum(axis=1), 1e-12)
        matrix: FloatArray = np.diag(weight) - scaled.T @ (scaled / total[:, None])
        return matrix

    def taken(self, index: IntArray) -> Groups:
        """Give the membership of some of the pairs."""
        return Groups(self.member[:, index])

    def n_clocks(self, weight: FloatArray) -> int:
        """Count the groups that have any weight."""
        return int(np.count_nonzero(self.member @ weight))


def groups_of(group: IntArray) -> Groups:
    """Sort pairs into their groups."""
    return Groups((np.unique(group)[:, None] == group).astype(np.float64))


class RangeSolution(NamedTuple):
    """A position from ranges, and what it rests on.

    ``step_m`` (3,) is from where the rover was thought to be, ``covariance`` (3, 3); ``used`` tells
    which ranges were not excluded, ``chi2`` is the mean square of their residuals in variances.
    """

    step_m: FloatArray
    covariance: FloatArray
    used: BoolArray
    chi2: float
    n_left: int


def solve_ranges(
    design: FloatArray,
    value_m: FloatArray,
    weight: FloatArray,
    groups: Groups,
    *,
    limit: float,
    max_excluded: int,
    satellite: IntArray | None = None,
) -> RangeSolution | None:
    """Solve position and clocks by weighted least squares; what contradicts is excluded.

    The worst value is taken out as long as it is more than ``limit`` standard deviations off
    what the others say. With ``satellite`` its values together are judged as well: each may be
    little off, and all of them in the same direction much. None where too few are left, or they
    still disagree.
    """
    n_values = len(value_m)
    together = None if satellite is None else groups_of(satellite).member
    weight = np.where(np.isfinite(value_m), weight, 0.0)
    columns = np.empty((n_values, 4))
    columns[:, :3] = design
    columns[:, 3] = np.where(weight > 0.0, value_m, 0.0)
    for _ in range(max_excluded + 1):
        used = weight > 0.0
        total = groups.member @ weight
        n_left = int(np.count_nonzero(used) - np.count_nonzero(total)) - 3
        if n_left < 0:
            return None
        total = np.maximum(total, 1e-12)
        mean = (groups.member @ (weight[:, None] * columns)) / total[:, None]
        centred = columns - groups.member.T @ mean
        weighted = centred[:, :3] * weight[:, None]
        normal = weighted.T @ centred
        try:
            inverse: FloatArray = np.linalg.inv(normal[:, :3]).astype(np.float64)
        except np.linalg.LinAlgError:
            return None
        step_m = inverse @ normal[:, 3]
        root = np.sqrt(weight)
        off = (centred[:, 3] - centred[:, :3] @ step_m) * root
        if not np.isfinite(off).all():
            return None
        if n_left == 0:
            return RangeSolution(step_m, inverse, used, 0.0, 0)
        # The residual of a value is smaller than its error by its own part in the solution.
        of_group = weight / (total @ groups.member)
        share = of_group + ((weighted @ inverse) * centred[:, :3]).sum(axis=1)
        size = np.abs(off) / np.sqrt(np.clip(1.0 - share, 0.02, 1.0))
        worst = int(np.argmax(size))
        most, bad = float(size[worst]), None
        if together is not None:
            most, bad = _of_satellites(
                together, weight, of_group, weighted, inverse, off * root, most
            )
        if most <= limit:
            return RangeSolution(step_m, inverse, used, float(off @ off) / n_left, n_left)
        weight = weight.copy()
        weight[worst if bad is None else bad] = 0.0
    return None


def _of_satellites(
    together: FloatArray,
    weight: FloatArray,
    of_group: FloatArray,
    weighted: FloatArray,
    inverse: FloatArray,
    scaled: FloatArray,
    most: float,
) -> tuple[float, BoolArray | None]:
    """Test for one bias common to all values of a satellite (Baarda's w-test).

    Gives the largest statistic, and the values of that satellite if it is greater than ``most``.
    """
    mine = together @ weighted
    own = together @ np.column_stack((weight, weight * of_group, scaled))
    spread = own[:, 0] - own[:, 1] - ((mine @ inverse) * mine).sum(axis=1)
    sums = np.abs(own[:, 2]) / np.sqrt(np.maximum(spread, 0.02 * own[:, 0] + 1e-12))
    worst = int(np.argmax(sums))
    if sums[worst] <= most:
        return most, None
    return float(sums[worst]), together[worst] > 0.0
