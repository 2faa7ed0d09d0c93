"""Where the codes of one epoch say that a receiver stands, against where it is said to stand.

Two carriers of a satellite are joined to one range without ionosphere, the same two of all
satellites of a system; a receiver's delay between them is then part of its clock for that system.
Only where too few satellites have two, one carrier is taken, with the broadcast ionosphere as far
as it is known. The rest is least squares with exclusion, as between two receivers
(``double_difference``). Unlike in a single point (``single_point``), the ionosphere is nowhere
taken from a model where it can be measured: errors of models are those that do not average out.
"""

from __future__ import annotations

import math
from itertools import combinations
from typing import NamedTuple

import numpy as np

from bdgw.positioning.atmosphere import saastamoinen_m
from bdgw.positioning.constellation import Constellation, SatelliteStates
from bdgw.positioning.delay import group_delay_m
from bdgw.positioning.double_difference import RangeSolution, groups_of, solve_ranges
from bdgw.positioning.geometry import Place, place_of, view_from
from bdgw.positioning.ionosphere import L1_HZ, Ionosphere, delay_on_l1_m
from bdgw.positioning.match import common, distinct
from bdgw.positioning.observation import ObservationEpoch
from bdgw.positioning.satellite import (
    BDS,
    GLONASS,
    N_SYSTEM_SATELLITES,
    band_of,
    is_bds_geo,
)
from bdgw.positioning.single_point import cells_once
from bdgw.positioning.student import student_factor
from bdgw.rtcm.lock import FloatArray
from bdgw.rtcm.observation import SPEED_OF_LIGHT_M_S, IntArray

__all__ = ["UNKNOWN_ZENITH_M", "CodePlace", "place_by_codes"]

UNKNOWN_ZENITH_M = 10.0
"""Vertical ionosphere on L1 that is reckoned with where no model is known: 60 TECU."""
_CODE_M = 0.3
_ORBIT_M = 1.0
_ION_PART = 0.25
"""By how much of itself the ionosphere differs from its model from satellite to satellite."""
_LIMIT = 4.0
_FEW_M = 1000.0
"""Nearer than this the ranges are straight lines to a centimetre."""
_TURNS = 6


class CodePlace(NamedTuple):
    """A position by codes: Earth-fixed (3,), its covariance over east, north, up (3, 3).

    ``zenith_m`` is the vertical ionosphere on L1 that a model stands for, 0 where it is measured.
    """

    ecef_m: FloatArray
    covariance_enu_m2: FloatArray
    zenith_m: float


class _Ranges(NamedTuple):
    """One range a satellite: ``value_m`` without clock and group delay of the satellite.

    ``noise`` is how many times the noise of a code it has, ``gamma`` the part of the ionosphere on
    L1 that it has, 0 where that is eliminated.
    """

    satellite: IntArray
    states: SatelliteStates
    value_m: FloatArray
    noise: FloatArray
    gamma: FloatArray


def place_by_codes(
    epoch: ObservationEpoch,
    constellation: Constellation,
    ionosphere: Ionosphere,
    near: Place,
    mask_rad: float,
) -> CodePlace | None:
    """Solve an epoch from ``near``; None without a satellite to spare, or where they disagree."""
    constellation.choose(epoch.t_gpst_ns)
    delay_m = group_delay_m(constellation, epoch.satellite, epoch.signal)
    is_good = (
        (epoch.pseudorange_m > 1e6)
        & (epoch.pseudorange_m < 1e8)
        & (epoch.frequency_hz > 1e9)
        & np.isfinite(delay_m)
    )
    chosen = cells_once(epoch, is_good)
    cells = epoch.taken(chosen)
    times = np.full(len(chosen), epoch.t_gpst_ns)
    states = constellation.states(times, cells.satellite, cells.pseudorange_m)
    is_known = np.isfinite(states.position_m[:, 0])
    cells, states, chosen = cells.taken(is_known), states.taken(is_known), chosen[is_known]
    value_m = cells.pseudorange_m - delay_m[chosen] + SPEED_OF_LIGHT_M_S * states.clock_s
    for ranges_of in (_two_carriers, _one_carrier):
        ranges = ranges_of(cells, states, value_m)
        found = _solve(ranges, epoch.t_gpst_ns, ionosphere, near, mask_rad)
        if found is not None:
            return found
    return None


def _two_carriers(cells: ObservationEpoch, states: SatelliteStates, value_m: FloatArray) -> _Ranges:
    """Join both carriers: (f1^2 P1 - f2^2 P2) / (f1^2 - f2^2), IS-GPS-200, 20.3.3.3.3.3."""
    system = cells.satellite // N_SYSTEM_SATELLITES
    firsts, seconds = [], []
    for one in distinct(system):
        first, second = _best_pair(cells, (system == one).nonzero()[0])
        firsts.append(first)
        seconds.append(second)
    first = np.concatenate([*firsts, np.zeros(0, dtype=np.int64)])
    second = np.concatenate([*seconds, np.zeros(0, dtype=np.int64)])
    part = _part(cells.frequency_hz[first], cells.frequency_hz[second])
    return _Ranges(
        cells.satellite[first],
        states.taken(first),
        part * value_m[first] + (1.0 - part) * value_m[second],
        np.hypot(part, 1.0 - part),
        np.zeros(len(first)),
    )


def _best_pair(cells: ObservationEpoch, at: IntArray) -> tuple[IntArray, IntArray]:
    """Choose two carriers of a system: of many satellites, and far apart; give their cells."""
    band = band_of(cells.signal[at])
    best, most = (at[:0], at[:0]), 0.0
    for one, other in combinations(distinct(band), 2):
        first, second = at[band == one], at[band == other]
        # The cells are sorted by satellite.
        in_first, in_second = common(cells.satellite[first], cells.satellite[second])
        first, second = first[in_first], second[in_second]
        part = _part(cells.frequency_hz[first], cells.frequency_hz[second])
        worth = float(np.sum(1.0 / np.hypot(part, 1.0 - part)))
        if worth > most:
            best, most = (first, second), worth
    return best


def _part(first_hz: FloatArray, second_hz: FloatArray) -> FloatArray:
    square_1, square_2 = first_hz**2, second_hz**2
    part: FloatArray = square_1 / (square_1 - square_2)
    return part


def _one_carrier(cells: ObservationEpoch, states: SatelliteStates, value_m: FloatArray) -> _Ranges:
    """Take of each system the carrier that most satellites have, of several the highest."""
    system, band = cells.satellite // N_SYSTEM_SATELLITES, band_of(cells.signal)
    is_main = np.zeros(len(system), dtype=np.bool_)
    for one in distinct(system):
        of_bands = [(system == one) & (band == b) for b in distinct(band[system == one])]
        is_main |= max(
            of_bands, key=lambda mine: (int(mine.sum()), float(cells.frequency_hz[mine].max()))
        )
    at = is_main.nonzero()[0]
    gamma = (L1_HZ / cells.frequency_hz[at]) ** 2
    return _Ranges(cells.satellite[at], states.taken(at), value_m[at], np.ones(len(at)), gamma)


def _solve(
    ranges: _Ranges, t_gpst_ns: int, ionosphere: Ionosphere, near: Place, mask_rad: float
) -> CodePlace | None:
    """Solve where it is said to be; if that fails, where a solution without exclusion says."""
    place = near
    for _ in range(_TURNS):
        found = _turn(ranges, t_gpst_ns, ionosphere, place, mask_rad)
        if found is not None and float(np.abs(found.step_m).max()) < _FEW_M:
            return _said(found, ranges, t_gpst_ns, ionosphere, place)
        coarse = _turn(ranges, t_gpst_ns, ionosphere, place, None)
        if coarse is None or float(np.abs(coarse.step_m).max()) < _FEW_M:
            return None
        place = place_of(place.ecef_m + coarse.step_m)
    return None


def _turn(
    ranges: _Ranges,
    t_gpst_ns: int,
    ionosphere: Ionosphere,
    place: Place,
    mask_rad: float | None,
) -> RangeSolution | None:
    """Solve from a place; without a mask everything is taken, as from afar it is not known."""
    view = view_from(place, ranges.states.position_m)
    elevation = view.elevation_rad
    is_coarse = mask_rad is None
    sine = np.sin(np.maximum(elevation, 0.05))
    rest_m = ranges.value_m - view.range_m
    variance = (_CODE_M * ranges.noise) ** 2 * (1.0 + 1.0 / sine**2) + _ORBIT_M**2
    system = ranges.satellite // N_SYSTEM_SATELLITES
    variance[system == GLONASS] *= 2.25
    variance[[is_bds_geo(one) for one in ranges.satellite.tolist()]] *= 4.0
    if not is_coarse:
        ion_m, is_modelled = delay_on_l1_m(
            ionosphere,
            place.lat_rad,
            place.lon_rad,
            view.azimuth_rad,
            np.maximum(elevation, 0.05),
            t_gpst_ns,
            system == BDS,
        )
        rest_m = rest_m - saastamoinen_m(place.lat_rad, place.height_m, elevation)
        rest_m = rest_m - ranges.gamma * ion_m
        apart_m = ion_m if is_modelled else UNKNOWN_ZENITH_M / np.sqrt(sine)
        variance = variance + (ranges.gamma * _ION_PART * apart_m) ** 2
    weight = 1.0 / variance
    if mask_rad is not None:
        weight = np.where(elevation >= mask_rad, weight, 0.0)
    n = int(np.count_nonzero(weight))
    if n < 5:
        return None
    found = solve_ranges(
        -view.direction,
        rest_m,
        weight,
        groups_of(system),
        limit=math.inf if is_coarse else _LIMIT,
        max_excluded=0 if is_coarse else n // 3,
    )
    if found is None or not np.isfinite(found.step_m).all():
        return None
    return found if is_coarse or found.n_left > 0 else None


def _said(
    found: RangeSolution, ranges: _Ranges, t_gpst_ns: int, ionosphere: Ionosphere, place: Place
) -> CodePlace:
    zenith_m = 0.0
    if ranges.gamma.any():
        over, is_modelled = delay_on_l1_m(
            ionosphere,
            place.lat_rad,
            place.lon_rad,
            np.zeros(1),
            np.full(1, 0.5 * math.pi),
            t_gpst_ns,
            np.zeros(1, dtype=np.bool_),
        )
        zenith_m = float(over[0]) if is_modelled else UNKNOWN_ZENITH_M
    scale = max(1.0, found.chi2) * student_factor(found.n_left) ** 2
    covariance = place.to_enu @ found.covariance @ place.to_enu.T * scale
    return CodePlace(place.ecef_m + found.step_m, covariance, max(zenith_m, 0.0))
