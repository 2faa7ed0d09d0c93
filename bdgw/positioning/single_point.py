"""The position of one receiver alone, by weighted least squares of its pseudoranges.

Unknown are the position, a clock for each system, a bias of each further band of a system, and
the ionosphere of each satellite, for which Klobuchar is a measurement that may be half wrong. So
one band gives the usual solution, two give one between that and the ionosphere-free one, weighted
by what each is worth. A satellite that contradicts the others is excluded (RAIM).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import msgspec
import numpy as np

from bdgw.positioning.atmosphere import saastamoinen_m
from bdgw.positioning.constellation import Constellation, SatelliteStates
from bdgw.positioning.delay import group_delay_m
from bdgw.positioning.geometry import Place, View, place_of, view_from
from bdgw.positioning.ionosphere import Ionosphere, delay_on_l1_m
from bdgw.positioning.observation import ObservationEpoch
from bdgw.positioning.satellite import (
    BDS,
    GLONASS,
    N_SIGNALS,
    N_SYSTEM_SATELLITES,
    band_of,
    is_bds_geo,
)
from bdgw.positioning.strength import strength_noise_m2
from bdgw.positioning.velocity import satellite_rate_m_s, solve_velocity
from bdgw.rtcm.lock import FloatArray
from bdgw.rtcm.observation import SPEED_OF_LIGHT_M_S, BoolArray, IntArray

__all__ = ["SinglePoint", "SpOptions", "cells_once", "solve_single"]

_F_L1 = 1575.42e6
_UNKNOWN_ION_M = 5.0
_CODE_TO_PHASE = 100.0
_MAX_PARAMETERS_LEFT = 0
_MAX_TURNS = 12
_NEAR_M = 1e-3
_FAR_HEIGHT_M = (-1e4, 2e6)
_LIMIT = 4.0
"""A range farther off than so many standard deviations is suspected."""
_MAX_EXCLUDED = 6
_GEO = np.array([is_bds_geo(s) for s in range(700)])


class SpOptions(msgspec.Struct, frozen=True, kw_only=True):
    """``mask_rad`` is the lowest elevation; ``code_m`` the noise of a code at the zenith."""

    mask_rad: float = math.radians(10.0)
    code_m: float = 0.3
    is_single_band: bool = False


class SinglePoint(NamedTuple):
    """A solution: where, how fast, and what it rests on.

    ``covariance`` is (3, 3); ``clock_s`` the receiver's clock against the first system. ``at``
    tells which of ``cells`` were solved, ``off_m`` their residuals.
    """

    place: Place
    covariance: FloatArray
    clock_s: float
    velocity_m_s: FloatArray | None
    used: IntArray
    excluded: IntArray
    residual_m: float
    view: View
    states: SatelliteStates
    cells: ObservationEpoch
    at: IntArray
    off_m: FloatArray


_PRIORITY = "CPWYMNIQDXLSABZEV"
_RANK = np.full(26, 20)
_RANK[[ord(c) - ord("A") for c in _PRIORITY]] = np.arange(len(_PRIORITY))
_BANDS, _RANKS, _WORSE = 32, 64, 32
_BAND = band_of(np.arange(N_SIGNALS))
_RANK_OF_SIGNAL = _RANK[np.arange(N_SIGNALS) % 26]


def cells_once(
    epoch: ObservationEpoch, mask: BoolArray, is_better: BoolArray | None = None
) -> IntArray:
    """Choose one signal a satellite and band among the cells of a mask: indices in order.

    Of several signals on one carrier one that ``is_better`` goes before the others, else the one
    that most receivers track.
    """
    at = mask.nonzero()[0]
    carrier = epoch.satellite[at] * _BANDS + _BAND[epoch.signal[at]]
    # Carrier and rank in one number: one sort, whose order nothing else decides.
    rank = _RANK_OF_SIGNAL[epoch.signal[at]]
    if is_better is not None:
        rank = rank + _WORSE * ~is_better[at]
    ranked = carrier * _RANKS + rank
    order = ranked.argsort(kind="stable")
    carrier = carrier[order]
    is_first = np.ones(len(order), dtype=np.bool_)
    is_first[1:] = carrier[1:] != carrier[:-1]
    chosen: IntArray = at[order[is_first]]
    return chosen


def solve_single(
    epoch: ObservationEpoch,
    constellation: Constellation,
    ionosphere: Ionosphere,
    options: SpOptions,
    near_m: FloatArray | None = None,
) -> SinglePoint | None:
    """Solve an epoch; None where it cannot be.

    ``near_m`` is a place to begin from; without one, or from the far side of the Earth, the
    solution is found as well.
    """
    constellation.choose(epoch.t_gpst_ns)
    delay_m = group_delay_m(constellation, epoch.satellite, epoch.signal)
    is_good = (
        (epoch.pseudorange_m > 1e6)
        & (epoch.pseudorange_m < 1e8)
        & np.isfinite(delay_m)
        & (epoch.frequency_hz > 1e9)
    )
    chosen = cells_once(epoch, is_good)
    if options.is_single_band and len(chosen):
        keep = np.ones(len(chosen), dtype=np.bool_)
        satellite = epoch.satellite[chosen]
        keep[1:] = satellite[1:] != satellite[:-1]
        chosen = chosen[keep]
    cells = epoch.taken(chosen)
    t_ns = np.full(len(chosen), epoch.t_gpst_ns)
    states = constellation.states(t_ns, cells.satellite, cells.pseudorange_m)
    is_known = np.isfinite(states.position_m[:, 0])
    if not is_known.all():
        cells, chosen = cells.taken(is_known), chosen[is_known]
        states = states.taken(is_known)
    range_m = cells.pseudorange_m - delay_m[chosen] + SPEED_OF_LIGHT_M_S * states.clock_s
    return _solve(cells, states, range_m, constellation, ionosphere, options, near_m)


def _solve(
    cells: ObservationEpoch,
    states: SatelliteStates,
    range_m: FloatArray,
    constellation: Constellation,
    ionosphere: Ionosphere,
    options: SpOptions,
    near_m: FloatArray | None,
) -> SinglePoint | None:
    position = np.zeros(3) if near_m is None else np.array(near_m, dtype=np.float64)
    excluded = np.zeros(0, dtype=np.int64)
    ura_m = np.nan_to_num(constellation.accuracy_m[cells.satellite], nan=3.0)
    for _ in range(_MAX_EXCLUDED + 1):
        found = _iterate(cells, states, range_m, ura_m, ionosphere, options, position, excluded)
        if found is None:
            return None
        solved, worst, is_consistent = found
        if is_consistent:
            return solved
        if worst is None:
            return None
        excluded = np.append(excluded, worst)
        position = solved.place.ecef_m
    return None


def _iterate(
    cells: ObservationEpoch,
    states: SatelliteStates,
    range_m: FloatArray,
    ura_m: FloatArray,
    ionosphere: Ionosphere,
    options: SpOptions,
    position: FloatArray,
    excluded: IntArray,
) -> tuple[SinglePoint, int | None, bool] | None:
    allowed = ~np.isin(cells.satellite, excluded)
    system = cells.satellite // N_SYSTEM_SATELLITES
    for _ in range(_MAX_TURNS):
        place = place_of(position)
        view = view_from(place, states.position_m)
        is_near_ground = _FAR_HEIGHT_M[0] < place.height_m < _FAR_HEIGHT_M[1]
        use = allowed & (view.elevation_rad >= options.mask_rad) if is_near_ground else allowed
        at = np.flatnonzero(use)
        if len(at) < 4:
            return None
        ion_m, ion_sigma_m, code_m = _models(cells, place, view, ionosphere, options, at, system)
        if not is_near_ground:
            ion_m = ion_m * 0.0
        tropo_m = saastamoinen_m(place.lat_rad, place.height_m, view.elevation_rad[at])
        gamma = (_F_L1 / cells.frequency_hz[at]) ** 2
        variance = code_m**2 + ura_m[at] ** 2 * 0.25 + (0.1 * tropo_m) ** 2 * 0.25
        design, n_clocks = _design(view.direction[at], system[at], band_of(cells.signal[at]))
        rest = range_m[at] - view.range_m[at] - tropo_m - gamma * ion_m
        normal, right, index = _normal(
            design, rest, variance, gamma, ion_sigma_m, cells.satellite[at]
        )
        n_left = len(index) - 3 - n_clocks
        if n_left < _MAX_PARAMETERS_LEFT:
            return None
        try:
            inverse: FloatArray = np.linalg.inv(normal).astype(np.float64)
        except np.linalg.LinAlgError:
            return None
        step = inverse @ right
        if not np.isfinite(step).all():
            return None
        position = position + step[:3]
        if is_near_ground and np.abs(step[:3]).max() < _NEAR_M:
            break
    else:
        return None
    sigma = np.sqrt(variance + (gamma * ion_sigma_m) ** 2)
    off = (rest - design @ step) / sigma
    covariance = inverse[:3, :3]
    worst, is_consistent = _judge(off, cells.satellite[at], n_left)
    rate_m_s = -cells.doppler_hz * SPEED_OF_LIGHT_M_S / cells.frequency_hz
    rate_m_s -= satellite_rate_m_s(place, states, view)
    velocity = solve_velocity(-view.direction[at], rate_m_s[at], view.elevation_rad[at])
    # An honest bound: where the ranges fit worse than their model, the model was too good.
    scale = max(1.0, float(off @ off) / max(len(off) - len(step), 1)) if n_left > 0 else 1.0
    solved = SinglePoint(
        place_of(position),
        covariance * scale,
        float(step[3]) / SPEED_OF_LIGHT_M_S,
        velocity,
        np.unique(cells.satellite[at]),
        excluded,
        float(np.sqrt(np.mean((off * sigma) ** 2))),
        view,
        states,
        cells,
        at,
        off * sigma,
    )
    return solved, worst, is_consistent


def _models(
    cells: ObservationEpoch,
    place: Place,
    view: View,
    ionosphere: Ionosphere,
    options: SpOptions,
    at: IntArray,
    system: IntArray,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Give the ionosphere on L1 with its deviation, and the noise of the codes."""
    elevation = np.maximum(view.elevation_rad[at], 0.05)
    azimuth = view.azimuth_rad[at]
    is_bds = system[at] == BDS
    ion_m, is_known = delay_on_l1_m(
        ionosphere, place.lat_rad, place.lon_rad, azimuth, elevation, cells.t_gpst_ns, is_bds
    )
    sigma_m = 0.5 * ion_m if is_known else np.full(len(at), _UNKNOWN_ION_M)
    code_m = options.code_m * np.sqrt(1.0 + 1.0 / np.sin(elevation) ** 2)
    # By strength or elevation, whichever is worse, as with the phases of a pair.
    strength_m2 = strength_noise_m2(cells.cn0_dbhz[at]) * _CODE_TO_PHASE**2
    code_m = np.maximum(code_m, np.sqrt(strength_m2))
    code_m = np.where(system[at] == GLONASS, 1.5 * code_m, code_m)
    code_m = np.where(_GEO[cells.satellite[at]], 2.0 * code_m, code_m)
    return ion_m, sigma_m, code_m


def _design(direction: FloatArray, system: IntArray, band: IntArray) -> tuple[FloatArray, int]:
    """Build the columns: position, a clock each system, a bias each further band of a system."""
    systems = np.unique(system)
    columns = [-direction]
    columns += [(system == one).astype(np.float64)[:, None] for one in systems]
    for one in systems:
        mine = system == one
        bands, counts = np.unique(band[mine], return_counts=True)
        main = bands[np.argmax(counts)]
        columns += [
            (mine & (band == other)).astype(np.float64)[:, None] for other in bands if other != main
        ]
    design = np.concatenate(columns, axis=1)
    return design, len(systems)


def _normal(
    design: FloatArray,
    rest: FloatArray,
    variance: FloatArray,
    gamma: FloatArray,
    ion_sigma_m: FloatArray,
    satellite: IntArray,
) -> tuple[FloatArray, FloatArray, IntArray]:
    """Give normal matrix and right side with the ionosphere of each satellite eliminated."""
    weight = 1.0 / variance
    weighted = design * weight[:, None]
    normal, right = design.T @ weighted, weighted.T @ rest
    # The cells are sorted by satellite.
    begins = np.ones(len(satellite), dtype=np.bool_)
    begins[1:] = satellite[1:] != satellite[:-1]
    names, index = satellite[begins], begins.cumsum() - 1
    which = np.zeros((len(names), len(satellite)))
    which[index, np.arange(len(satellite))] = gamma
    between = which @ weighted
    of_rest = which @ (weight * rest)
    prior = np.zeros(len(names))
    prior[index] = 1.0 / np.maximum(ion_sigma_m, 0.05) ** 2
    own = which**2 @ weight + prior
    normal -= between.T @ (between / own[:, None])
    right -= between.T @ (of_rest / own)
    return normal, right, names


def _judge(off: FloatArray, satellite: IntArray, n_left: int) -> tuple[int | None, bool]:
    """Find the satellite that contradicts most, and whether all agree (RAIM)."""
    if n_left <= 0:
        return None, True
    size = np.abs(off)
    k = int(np.argmax(size))
    if size[k] <= _LIMIT:
        return None, True
    # With one satellite more than unknowns a contradiction is seen, but not whose it is.
    return (int(satellite[k]), False) if n_left > 1 else (None, False)
