"""Double differences without a reference satellite.

The clock of each group is eliminated by subtracting the weighted mean of the group. That gives the
same normal equations as double differences against any reference with their full covariance
(elimination of nuisance parameters), needs no inverse, and knows no change of reference.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from bdgw.positioning.three import inverse_of
from bdgw.rtcm.lock import FloatArray
from bdgw.rtcm.observation import BoolArray, IntArray

__all__ = ["Groups", "RangeSolution", "Slopes", "groups_of", "solve_ranges"]

_FEWEST = 4


class Groups(NamedTuple):
    """Membership (n_groups, n) of 0 and 1, and the group of each value as its row (n,)."""

    member: FloatArray
    row: IntArray

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
        total = np.maximum(np.add.reduce(scaled, axis=1), 1e-12)
        rooted = scaled / np.sqrt(total)[:, None]
        matrix: FloatArray = -(rooted.T @ rooted)
        matrix.reshape(-1)[:: len(weight) + 1] += weight
        return matrix

    def taken(self, index: IntArray) -> Groups:
        """Give the membership of some of the pairs."""
        return Groups(self.member[:, index], self.row[index])

    def n_clocks(self, weight: FloatArray) -> int:
        """Count the groups that have any weight."""
        return int(np.count_nonzero(self.member @ weight))


def groups_of(group: IntArray) -> Groups:
    """Sort pairs into their groups."""
    names = np.array(sorted(set(group.tolist())), dtype=group.dtype)
    return Groups((names[:, None] == group).astype(np.float64), names.searchsorted(group))


class Slopes(NamedTuple):
    """Unknowns (k, n) beside the clocks, each of the values of one group.

    ``information`` (k,) is the inverse variance of each, about zero, before the values are known.
    """

    columns: FloatArray
    information: FloatArray


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
    satellites: Groups | None = None,
    slopes: Slopes | None = None,
) -> RangeSolution | None:
    """Solve position and clocks by weighted least squares; what contradicts is excluded.

    The worst value is taken out as long as it is more than ``limit`` standard deviations off
    what the others say. With ``satellites`` the values of each together are judged as well: each
    may be little off, and all of them in the same direction much. ``slopes`` are unknowns beside
    the clocks. None where too few are left, or they still disagree.
    """
    member = groups.member
    n_unknown = 3 if slopes is None else 3 + len(slopes.information)
    together = None if satellites is None else satellites.member
    weight = np.where(np.isfinite(value_m), weight, 0.0)
    # Rows here, so that what runs over the values lies side by side; the last one sums weights.
    columns = np.empty((5, len(value_m)))
    columns[:3] = design.T
    columns[3] = np.where(weight > 0.0, value_m, 0.0)
    columns[4] = 1.0
    for _ in range(max_excluded + 1):
        sums = (columns * weight) @ member.T
        total = sums[4]
        n_left = int(np.count_nonzero(weight)) - int(np.count_nonzero(total)) - n_unknown
        if n_left < 0:
            return None
        share_of = 1.0 / np.maximum(total, 1e-12)
        centred = columns[:4] - (sums[:4] * share_of) @ member
        if slopes is not None:
            centred, of_slope = _without(slopes, centred, weight, groups)
        away = centred[:3]
        weighted = away * weight
        normal = weighted @ centred.T
        inverse = inverse_of(normal[:, :3])
        if inverse is None:
            return None
        step_m = inverse @ normal[:, 3]
        off_m = centred[3] - step_m @ away
        scaled = off_m * weight
        squares = float(scaled @ off_m)
        if not math.isfinite(squares):
            return None
        if n_left == 0:
            return RangeSolution(step_m, inverse, weight > 0.0, 0.0, 0)
        # The residual of a value is smaller than its error by its own part in the solution.
        of_group = weight * share_of[groups.row]
        if slopes is not None:
            of_group += of_slope
        own = of_group + np.add.reduce((inverse @ weighted) * away, axis=0)
        square = scaled * off_m / np.maximum(1.0 - own, 0.02)
        worst = int(square.argmax())
        most, bad = square.item(worst), None
        if together is not None:
            most, bad = _of_satellites(together, weight, of_group, weighted, inverse, scaled, most)
        if most <= limit * limit:
            return RangeSolution(step_m, inverse, weight > 0.0, squares / n_left, n_left)
        weight = weight.copy()
        weight[worst if bad is None else bad] = 0.0
    return None


def _without(
    slopes: Slopes, rows: FloatArray, weight: FloatArray, groups: Groups
) -> tuple[FloatArray, FloatArray]:
    """Eliminate the slopes from rows (k, n) without clocks; each is of one group alone.

    Gives rows whose weighted products are those with the slopes eliminated, and the part of each
    value in its slope. Projection takes all of a slope off; where p is known of it and t is the
    weight of its values, it is the part f with 1 - (1 - f)^2 = t / (t + p).
    """
    left, share = rows, np.zeros(len(weight))
    for slope, information in zip(slopes.columns, slopes.information, strict=True):
        centred = groups.centred(weight, slope)
        scaled = weight * centred
        total = float(scaled @ centred)
        if total <= 0.0:
            continue
        part = (1.0 - math.sqrt(information / (total + information))) / total
        left = left - np.outer(rows @ scaled * part, centred)
        share += scaled * centred / (total + information)
    return left, share


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

    Gives the largest statistic, squared, and the values of that satellite if it is greater than
    ``most``.
    """
    rows = np.empty((6, len(weight)))
    rows[:3], rows[3], rows[5] = weighted, weight, scaled
    np.multiply(weight, of_group, out=rows[4])
    sums = rows @ together.T
    mine, total, off = sums[:3], sums[3], sums[5]
    spread = total - sums[4] - np.add.reduce((inverse @ mine) * mine, axis=0)
    square = off * off / np.maximum(spread, 0.02 * total + 1e-12)
    worst = int(square.argmax())
    if square[worst] <= most:
        return most, None
    return square.item(worst), together[worst] > 0.0
