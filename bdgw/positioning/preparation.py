"""An epoch made ready: pairs, weights, the position by codes alone, and the normal equations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bdgw.positioning.antenna import AntennaPair
from bdgw.positioning.constellation import Constellation
from bdgw.positioning.double_difference import Groups, RangeSolution, groups_of, solve_ranges
from bdgw.positioning.fdma import has_own_carriers
from bdgw.positioning.geometry import Place, place_of
from bdgw.positioning.ionosphere import Ionosphere
from bdgw.positioning.noise import Noise
from bdgw.positioning.observation import ObservationEpoch
from bdgw.positioning.pairing import Pairs, Weights, joined, pair, weights_of
from bdgw.positioning.velocity import solve_velocity
from bdgw.rtcm.lock import FloatArray
from bdgw.rtcm.observation import BoolArray

__all__ = ["Prepared", "Surroundings", "normal_equations", "prepare"]

_CODE_LIMIT = 4.5
_CODE_EXCLUDED = 12
_FAR_M = 10.0
_FEWEST_PAIRS = 5
_LEARN_LEFT = 3
_TURNS = 3


class Surroundings(NamedTuple):
    """What an epoch is solved in: orbits, ionosphere, the base's place, the lowest elevation.

    ``antennas`` are those of both ends, None where nothing is corrected.
    """

    constellation: Constellation
    ionosphere: Ionosphere
    base: Place
    mask_rad: float
    antennas: AntennaPair | None = None


class Prepared(NamedTuple):
    """An epoch with ``place`` where the differences are taken, and what the codes say of it.

    ``is_own`` (n,) tells which pairs belong to a group whose carriers differ.
    """

    place: Place
    pairs: Pairs
    weights: Weights
    groups: Groups
    satellites: Groups
    is_own: BoolArray
    ranges: RangeSolution
    velocity_m_s: FloatArray | None
    age_s: float
    baseline_m: float


def prepare(
    rover: ObservationEpoch,
    bases: Sequence[ObservationEpoch],
    around: Surroundings,
    place: Place,
    code_noise: Noise,
    phase_noise: Noise,
) -> Prepared | None:
    """Pair, weigh and solve the codes; what contradicts is taken out of the pairs.

    ``place`` is where the rover is thought to be; where that is more than ten metres off, the
    differences are taken anew from a better place.
    """
    for _ in range(_TURNS):
        pairs = joined(
            [
                pair(
                    rover,
                    one,
                    around.constellation,
                    place,
                    around.base,
                    around.mask_rad,
                    around.ionosphere,
                    around.antennas,
                )
                for one in bases
            ]
        )
        if len(pairs.key) < _FEWEST_PAIRS:
            return None
        age_s = np.abs(rover.t_gpst_ns - pairs.base_ns) * 1e-9
        baseline_m = math.dist(place.ecef_m.tolist(), around.base.ecef_m.tolist())
        weights = weights_of(pairs, age_s=age_s, baseline_m=baseline_m)
        groups, satellites = groups_of(pairs.group), groups_of(pairs.satellite)
        ranges = solve_ranges(
            pairs.design,
            pairs.code_m,
            weights.code,
            groups,
            limit=_CODE_LIMIT,
            max_excluded=_CODE_EXCLUDED,
            satellites=satellites,
        )
        if ranges is None:
            return None
        if math.hypot(*ranges.step_m.tolist()) < _FAR_M:
            break
        place = place_of(place.ecef_m + ranges.step_m)
    else:
        return None
    if ranges.n_left >= _LEARN_LEFT:
        code_noise.learn(ranges.chi2)
    # A satellite most of whose codes are not believed is not believed in its phases.
    n_of = np.bincount(satellites.row)
    n_used = np.bincount(satellites.row, weights=ranges.used)
    is_believed = (2 * n_used >= n_of)[satellites.row]
    phase = np.where(is_believed, weights.phase / phase_noise.factor, 0.0)
    code = np.where(ranges.used, weights.code / code_noise.factor, 0.0)
    return Prepared(
        place,
        pairs,
        Weights(code, phase),
        groups,
        satellites,
        has_own_carriers(pairs),
        ranges._replace(covariance=ranges.covariance * code_noise.factor),
        solve_velocity(pairs.design, pairs.rate_m_s, pairs.elevation_rad),
        float(age_s.max()),
        baseline_m,
    )


def normal_equations(
    pairs: Pairs, weights: Weights, groups: Groups
) -> tuple[FloatArray, FloatArray]:
    """Give the normal equations of an epoch over position and ambiguities."""
    n = len(pairs.key)
    phase_m = np.where(weights.phase > 0.0, pairs.phase_m, 0.0)
    code_design = groups.centred(weights.code, pairs.design) * weights.code[:, None]
    of_phase = groups.information(weights.phase)
    across = of_phase @ pairs.design
    matrix = np.empty((3 + n, 3 + n))
    matrix[:3, :3] = code_design.T @ pairs.design + across.T @ pairs.design
    matrix[:3, 3:] = across.T
    matrix[3:, :3] = across
    matrix[3:, 3:] = of_phase
    vector = np.concatenate((code_design.T @ pairs.code_m + across.T @ phase_m, of_phase @ phase_m))
    return matrix, vector
