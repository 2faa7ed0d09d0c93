"""Whether a set of whole numbers may be believed, by the evidence of this epoch alone.

At the position that the set gives, the phases of *all* satellites, also of those that were not
searched, must be near whole numbers, the codes must fit, and the position must lie where the float
solution and the codes allow. From all phases that are near whole numbers the position is then
solved anew, from this epoch alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bdgw.positioning.ambiguity import FloatSolution
from bdgw.positioning.double_difference import Groups, RangeSolution, Slopes, solve_ranges
from bdgw.positioning.fdma import Level, LevelFound, level_found, slopes_of
from bdgw.positioning.integers import Resolved
from bdgw.positioning.match import n_distinct
from bdgw.positioning.preparation import Prepared
from bdgw.positioning.satellite import N_SYSTEM_SATELLITES
from bdgw.positioning.student import student_factor
from bdgw.positioning.three import squared_in
from bdgw.rtcm.lock import FloatArray
from bdgw.rtcm.observation import BoolArray, IntArray

__all__ = ["Evidence", "examine", "n_to_spare", "of_known"]

_NEAR_CYCLES = 0.2
_SIGMAS = 4.0
_POSITION_CHI2 = 16.3
"""Three unknowns, one in a thousand."""
_CODE_CHI2 = 2.5
_PHASE_CHI2 = 3.0
_PHASE_LIMIT = 3.5
_LEVEL_CYCLES = 0.1
"""How well the levels of carriers that differ must be known for their phases to be tried."""


class Evidence(NamedTuple):
    """What an epoch says of a set.

    ``step_m`` and ``covariance`` are of the phases that are near whole numbers; ``cycles`` their
    whole numbers (n,), of which only the differences within a group mean something (of carriers
    that differ they are those of the phases, but for some tens that all have in common); ``used``
    tells which, and ``part`` how many of all. ``redundancy`` counts the phases beyond what the
    position needs, ``n_spare`` the satellites; of ``n_vouching`` those that contradict are taken
    off. The mean squares of the residuals are in variances of the model: ``phase_chi2`` of the
    phases, ``satellite_chi2`` of the satellites. ``off_m`` (n,) is what the phases leave over less
    the clocks, 0 where not used. ``few_m2`` (3, 3) is the part of the covariance that there is
    because few satellites vouch for it. ``levels`` are those of the groups that took part.
    """

    step_m: FloatArray
    covariance: FloatArray
    cycles: IntArray
    used: BoolArray
    redundancy: int
    part: float
    phase_chi2: float
    satellite_chi2: float
    n_spare: int
    n_vouching: float
    residual_m: float
    refusal: str | None
    off_m: FloatArray
    few_m2: FloatArray
    levels: Sequence[LevelFound] = ()


def of_known(
    floating: FloatSolution, prepared: Prepared, is_known: BoolArray, cycles: IntArray
) -> Resolved | None:
    """Give the position that whole numbers known from epochs before give the phases of this one.

    The ratio is how many times worse the phases fit when the count of one of them, whichever
    makes least of it, is another by one.
    """
    pairs, groups = prepared.pairs, prepared.groups
    weight = np.where(is_known, prepared.weights.phase, 0.0)
    value_m = np.where(weight > 0.0, pairs.phase_m - cycles * pairs.wavelength_m, 0.0)
    solved = solve_ranges(
        pairs.design,
        value_m,
        weight,
        groups,
        limit=_PHASE_LIMIT,
        max_excluded=int(np.count_nonzero(weight)) // 6,
        satellites=prepared.satellites,
    )
    if solved is None or solved.n_left < 1:
        return None
    used = np.flatnonzero(solved.used)
    of_used = groups.taken(used).information(weight[used])
    design = of_used @ pairs.design[used]
    checks = of_used - design @ solved.covariance @ design.T
    tension = checks @ value_m[used]
    least = float(value_m[used] @ tension)
    wave_m = pairs.wavelength_m[used]
    other = least - 2.0 * wave_m * np.abs(tension) + wave_m**2 * np.diagonal(checks)
    return Resolved(
        solved.step_m,
        solved.covariance * max(1.0, solved.chi2),
        floating.level_m,
        np.diagonal(floating.covariance)[3 : 3 + len(floating.level_m)],
        min(float(other.min()) / max(least, 1e-12), 999.9),
        1.0,
        len(used),
    )


def examine(
    resolved: Resolved, floating: FloatSolution, prepared: Prepared, allowed: BoolArray
) -> Evidence | None:
    """Examine a set; None where the phases leave no position."""
    pairs, groups = prepared.pairs, prepared.groups
    of_group, satellites = groups.row, prepared.satellites
    weight = np.where(allowed, prepared.weights.phase, 0.0)
    phase_m = np.where(weight > 0.0, pairs.phase_m, 0.0)
    # Of each group the phase of most weight is the one that the others are counted from.
    head = np.argmax(groups.member * (weight + 1e-12), axis=1)
    levels: list[tuple[Level, float]] = []
    slope_m2, counted = np.zeros((2, len(weight)))
    for level, more_m, more_m2 in zip(
        floating.levels, resolved.level_m.tolist(), resolved.level_m2.tolist(), strict=True
    ):
        # With the level taken away the phases of the group are like those of one carrier.
        at, wave_m = level.pair, pairs.wavelength_m.item(level.zero)
        phase_m[at] -= level.ratio * (level.value_m + more_m)
        slope_m2[at] = more_m2 * (level.ratio - 1.0) ** 2
        if slope_m2[at].max() > (_LEVEL_CYCLES * wave_m) ** 2:
            weight[at] = 0.0
            continue
        head[of_group[level.zero]] = level.zero
        counted[at] = round((level.value_m + more_m) / wave_m)
        levels.append((level, more_m2))
    first = head[of_group]
    rest_m = phase_m - pairs.design @ resolved.step_m
    against = (rest_m - rest_m[first]) / pairs.wavelength_m
    cycles = np.rint(against)
    # Spread of the difference: both phases, and the position that the set gives.
    apart = pairs.design - pairs.design[first]
    own_m2 = 1.0 / np.maximum(weight, 1e-12)
    variance = own_m2 + own_m2[first] + slope_m2
    variance += np.add.reduce((apart @ resolved.covariance) * apart, axis=1)
    spread = np.sqrt(np.maximum(variance, 0.0)) / pairs.wavelength_m
    has_weight = weight > 0.0
    near = has_weight & (np.abs(against - cycles) < np.minimum(_NEAR_CYCLES, _SIGMAS * spread))
    near &= (np.bincount(of_group, near) >= 2.0)[of_group]
    tried = has_weight & (np.bincount(of_group, has_weight) >= 2.0)[of_group]
    value_m = phase_m - cycles * pairs.wavelength_m
    slopes = slopes_of([level for level, _ in levels], len(weight))
    solved = solve_ranges(
        pairs.design,
        value_m,
        np.where(near, weight, 0.0),
        groups,
        limit=_PHASE_LIMIT,
        max_excluded=int(np.count_nonzero(near)) // 6,
        satellites=satellites,
        slopes=slopes,
    )
    if solved is None or solved.n_left < 1:
        return None
    doubt_m2 = _doubt_m2(solved, prepared, value_m, np.where(tried, weight, 0.0), slopes)
    near, step_m, chi2 = solved.used, solved.step_m, solved.chi2
    n_near, n_tried = int(np.count_nonzero(near)), int(np.count_nonzero(tried))
    weight = np.where(near, weight, 0.0)
    off_m = np.where(near, groups.centred(weight, value_m - pairs.design @ step_m), 0.0)
    apart_m = value_m - pairs.code_m
    found = [level_found(level, more_m2, apart_m, near) for level, more_m2 in levels]
    n_levels = int(any(one is not None and not one.level.bias.is_known for one in found))
    of_satellites, n_spare = _of_satellites(prepared, weight, off_m, n_levels)
    most = max(1.0, of_satellites, _with_excluded(chi2, solved, tried))
    of_many = solved.covariance * most
    few_m2 = of_many * (student_factor(max(n_spare, 1)) ** 2 - 1.0)
    return Evidence(
        step_m,
        of_many + few_m2 + doubt_m2,
        (cycles + counted).astype(np.int64),
        near,
        solved.n_left,
        n_near / max(n_tried, 1),
        chi2,
        of_satellites,
        n_spare,
        n_spare - 2.0 * _n_against(satellites, near, tried),
        math.sqrt(float(off_m @ off_m) / max(n_near, 1)),
        _refusal(solved, floating, prepared, n_near, n_tried),
        off_m,
        few_m2,
        [one for one in found if one is not None],
    )


def _with_excluded(chi2: float, solved: RangeSolution, tried: BoolArray) -> float:
    """Give the mean square of the residuals with those that were excluded, at the limit.

    Where some phases are bent so much that they are not used, the others are bent as well.
    """
    n_excluded = int(np.count_nonzero(tried & ~solved.used))
    return (chi2 * solved.n_left + _PHASE_LIMIT**2 * n_excluded) / (solved.n_left + n_excluded)


def _n_against(satellites: Groups, used: BoolArray, tried: BoolArray) -> float:
    """Count the satellites that were tried and contradict, each by the part of its phases.

    Of those of which no phase is used none is among the ones to spare: half of it counts.
    """
    if np.count_nonzero(used) == np.count_nonzero(tried):
        return 0.0
    n_tried = np.bincount(satellites.row, tried)
    n_used = np.bincount(satellites.row, used & tried)
    against = (n_tried - n_used) / np.maximum(n_tried, 1.0)
    return float(against.sum() - 0.5 * np.count_nonzero((n_used == 0.0) & (n_tried > 0.0)))


def _doubt_m2(
    solved: RangeSolution,
    prepared: Prepared,
    value_m: FloatArray,
    weight: FloatArray,
    slopes: Slopes | None,
) -> FloatArray:
    """Give the covariance (3, 3) of not knowing whether the excluded phases were the wrong ones.

    Where most phases share an error, those without it are excluded. Of two positions of which one
    has the chance q the variance is q (1 - q) of the distance squared; the chance of the one with
    all phases, ``weight``, is taken as the part that was excluded.
    """
    n_tried = max(float(np.count_nonzero(weight)), 1.0)
    part = 1.0 - float(np.count_nonzero(solved.used)) / n_tried
    if part <= 0.0:
        return np.zeros((3, 3))
    whole = solve_ranges(
        prepared.pairs.design,
        value_m,
        weight,
        prepared.groups,
        limit=np.inf,
        max_excluded=0,
        slopes=slopes,
    )
    if whole is None:
        return np.zeros((3, 3))
    apart_m = solved.step_m - whole.step_m
    return np.outer(apart_m, apart_m) * part * (1.0 - part)


def n_to_spare(satellite: IntArray) -> int:
    """Count the satellites beyond those that position and a clock for each system need."""
    return n_distinct(satellite) - n_distinct(satellite // N_SYSTEM_SATELLITES) - 3


def _of_satellites(
    prepared: Prepared, weight: FloatArray, off_m: FloatArray, n_levels: int
) -> tuple[float, int]:
    """Judge the phases of each satellite together.

    What bends the way of a signal, and what lies on it, bends those of all its carriers: then
    phases that seem to be many are not more than their satellites. Gives the mean square of what
    the satellites are off, in variances of the model, and how many of them are to spare.
    """
    row = prepared.satellites.row
    total = np.bincount(row, weight)
    off = np.bincount(row, weight * off_m)
    n_spare = n_to_spare(prepared.pairs.satellite[weight > 0.0]) - n_levels
    return float(np.sum(off**2 / np.maximum(total, 1e-12))) / max(n_spare, 1), n_spare


def _refusal(
    solved: RangeSolution,
    floating: FloatSolution,
    prepared: Prepared,
    n_near: int,
    n_tried: int,
) -> str | None:
    """Give the reason why a set is not believed."""
    if n_near < 0.75 * n_tried:
        return "phases are not near whole numbers"
    if solved.chi2 > _PHASE_CHI2:
        return "phases do not fit"
    step_m = solved.step_m
    if squared_in(floating.covariance[:3, :3], step_m - floating.step_m) > _POSITION_CHI2:
        return "not where the float solution is"
    pairs, weight, groups = prepared.pairs, prepared.weights.code, prepared.groups
    off_m = groups.centred(weight, pairs.code_m - pairs.design @ step_m)
    n_left = np.count_nonzero(weight) - groups.n_clocks(weight)
    if n_left > 0 and float(weight @ off_m**2) / n_left > _CODE_CHI2:
        return "codes do not fit"
    return None
