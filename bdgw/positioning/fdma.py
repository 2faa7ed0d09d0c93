"""GLONASS, whose satellites send on carriers of their own: what is whole in their phases.

A receiver measures code and phase at instants that differ by its code-phase bias, tens of metres
for some makes. Where all carriers are the same that is of no account. Here the phase of satellite
k, in metres, counted from that of satellite r, is

    geometry + clock + l_k (N_k - N_r) + (l_k / l_r) u,    u = l_r N_r

with the wavelengths l and whole numbers N. The *level* u is a number of each group. An error of it
makes phases err in proportion to the number of the channel, by u / 2848 for each (Sleewaegen et
al. 2012, Inside GNSS 7(6)). The codes tell it: the mean of phase less code, to a metre, plus the
code-phase bias of the rover less the base's. Where that is not known u is left nearly free, and of
the whole numbers of n satellites n - 2 combinations can be found, one less than of other systems.
The decorrelation finds them by itself (the same model in closed form: Teunissen 2019, GPS
Solutions 23:100; its resolution: Teunissen and Khodabandeh 2019, GPS Solutions 23:101).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np

from bdgw.positioning.double_difference import Slopes
from bdgw.positioning.match import distinct, is_one_of
from bdgw.positioning.pairing import Pairs, Weights
from bdgw.rtcm.lock import FloatArray
from bdgw.rtcm.observation import BoolArray, IntArray

__all__ = [
    "Bias",
    "Biases",
    "Level",
    "LevelFound",
    "has_own_carriers",
    "lacks_level",
    "level_found",
    "levels_of",
    "slopes_of",
]


class Bias(NamedTuple):
    """A code-phase bias of the rover less the base's, and its standard deviation.

    ``is_known`` says that it was declared or found, not only supposed.
    """

    bias_m: float
    sigma_m: float
    is_known: bool


class Biases(Protocol):
    """Gives the bias of a group whose pairs have these signals, weighed by their shares."""

    def bias(self, group: int, signals: IntArray, share: FloatArray) -> Bias:
        """Give the bias."""


class Level(NamedTuple):
    """The level of one group.

    ``pair`` (m,) are places among the pairs of the epoch, ``zero`` the one that the others are
    counted from, ``ratio`` (m,) their wavelengths in its. The level is thought to be ``value_m``;
    the mean of phase less code, weighed by ``share`` (m,) and with ``bias`` added, is ``mean_m``
    with ``variance_m2``.
    """

    group: int
    pair: IntArray
    zero: int
    ratio: FloatArray
    value_m: float
    share: FloatArray
    mean_m: float
    variance_m2: float
    bias: Bias


class LevelFound(NamedTuple):
    """The code-phase bias that whole numbers give to a group, and the variance of its level."""

    level: Level
    bias_m: float
    variance_m2: float


def has_own_carriers(pairs: Pairs) -> BoolArray:
    """Tell which pairs belong to a group whose carriers differ."""
    is_ours = pairs.is_glonass
    first_m: dict[int, float] = {}
    differing = {
        group
        for group, wave_m in zip(
            pairs.group[is_ours].tolist(), pairs.wavelength_m[is_ours].tolist(), strict=True
        )
        if first_m.setdefault(group, wave_m) != wave_m
    }
    return is_ours & is_one_of(pairs.group, sorted(differing))


def lacks_level(pairs: Pairs, weights: Weights, is_own: BoolArray) -> BoolArray:
    """Tell which pairs are of a group whose carriers differ and which no code tells a level."""
    if not is_own.any():
        return is_own
    told = pairs.group[(weights.phase > 0.0) & (weights.code > 0.0)]
    return is_own & ~is_one_of(pairs.group, distinct(told))


def levels_of(
    pairs: Pairs,
    weights: Weights,
    zero: IntArray,
    is_own: BoolArray,
    biases: Biases,
) -> tuple[Level, ...]:
    """Give the level of each group whose carriers differ and that has code and phase."""
    levels = []
    for first in zero[is_own[zero]].tolist():
        group = int(pairs.group[first])
        pair = np.flatnonzero(pairs.group == group)
        weight = np.where(weights.phase[pair] > 0.0, weights.code[pair], 0.0)
        total = float(weight.sum())
        if total <= 0.0:
            continue
        apart_m = np.where(weight > 0.0, pairs.phase_m[pair] - pairs.code_m[pair], 0.0)
        share = weight / total
        bias = biases.bias(group, pairs.signals[pair], share)
        at = int(np.flatnonzero(pair == first)[0])
        levels.append(
            Level(
                group=group,
                pair=pair,
                zero=first,
                ratio=pairs.wavelength_m[pair] / pairs.wavelength_m[first],
                value_m=float(apart_m[at]),
                share=share,
                mean_m=float(share @ apart_m) + bias.bias_m,
                variance_m2=1.0 / total + bias.sigma_m**2,
                bias=bias,
            )
        )
    return tuple(levels)


def level_found(
    level: Level, variance_m2: float, apart_m: FloatArray, used: BoolArray
) -> LevelFound | None:
    """Give what a set says of the bias; None where it rests on no pair of the group.

    ``apart_m`` (n,) are phases less codes, without the level and the whole numbers; ``used`` are
    the pairs that the set rests on.
    """
    share = np.where(used[level.pair], level.share, 0.0)
    total = float(share.sum())
    if total <= 0.0:
        return None
    bias_m = -float(share @ np.where(share > 0.0, apart_m[level.pair], 0.0)) / total
    return LevelFound(level, bias_m, variance_m2)


def slopes_of(levels: Sequence[Level], n: int) -> Slopes | None:
    """Give the levels as unknowns of the phases of an epoch; None where there are none."""
    if not levels:
        return None
    columns = np.zeros((len(levels), n))
    for row, level in zip(columns, levels, strict=True):
        row[level.pair] = level.ratio - 1.0
    return Slopes(columns, np.array([1.0 / level.variance_m2 for level in levels]))
