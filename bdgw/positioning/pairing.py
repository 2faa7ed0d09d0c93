"""Rover and base brought together: single differences of what both measured, less what is known.

A pair is a satellite on one carrier that both ends measured in code. What is left in a single
difference is where the rover really is, a clock for each group, and the ambiguity of the phase. A
group is a system on a carrier, BDS-2 and BDS-3 apart (Nadarajah et al. 2013, Sensors 13: biases
between satellite types of BDS-2), and so are precise and open codes (L2 P(Y) and L2C) at either
end: only within it all receivers delay alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from bdgw.positioning.antenna import AntennaPair
from bdgw.positioning.atmosphere import saastamoinen_m
from bdgw.positioning.constellation import Constellation
from bdgw.positioning.geometry import Place, View, view_from
from bdgw.positioning.ionosphere import L1_HZ, Ionosphere, delay_on_l1_m
from bdgw.positioning.match import common
from bdgw.positioning.observation import ObservationEpoch
from bdgw.positioning.satellite import (
    BDS,
    GLONASS,
    GPS,
    N_SYSTEM_SATELLITES,
    SYSTEMS,
    is_bds_geo,
    is_bds_two,
)
from bdgw.positioning.single_point import cells_once
from bdgw.positioning.strength import strength_noise_m2
from bdgw.positioning.velocity import satellite_rate_m_s
from bdgw.rtcm.lock import FloatArray
from bdgw.rtcm.observation import SPEED_OF_LIGHT_M_S, BoolArray, IntArray

__all__ = ["Pairs", "Weights", "joined", "pair", "weights_of"]

_PHASE_M = 0.003
"""Noise of one phase at one end: a constant part and one that grows as 1/sin(elevation)."""
_CODE_TO_PHASE = 100.0
_L1_M = SPEED_OF_LIGHT_M_S / L1_HZ
"""Noise and multipath of a phase are parts of a cycle: the longer the wave, the more metres."""
_CLOCK_M_S = 1.5e-3
"""How much the clocks of satellites wander while the base's epoch grows old (5e-12 s/s)."""
_SPACE_M_M = 5e-7
"""Ionosphere and troposphere that differ between the ends, by the length of the baseline."""
_MOST_CYCLES = 1e11
"""No phase is counted from so far away: RINEX has room for a tenth of it."""
_GLONASS_FACTOR = 1.5
_GEO_FACTOR = 2.0
_ALL = N_SYSTEM_SATELLITES * len(SYSTEMS)
_IS_GEO = np.array([is_bds_geo(s) for s in range(_ALL)])
_IS_BDS_TWO = np.array([is_bds_two(s) for s in range(_ALL)])
_BANDS = 16
_HAS_PRECISE = np.array([s // N_SYSTEM_SATELLITES in (GPS, GLONASS) for s in range(_ALL + 1)])
_PRECISE = np.array([chr(ord("A") + k) in "PWYMND" for k in range(26)])


class Pairs(NamedTuple):
    """Columns of shape (n,), sorted by ``key`` = 16 * satellite + band.

    ``code_m`` and ``phase_m`` are single differences, rover less base, less geometry (with the
    rover at its place), satellite clocks and troposphere; a phase may be NaN. ``signals`` names
    both signals, so that a change of one is seen. ``design`` (n, 3) is their derivative by the
    rover's position.
    ``base_phase_m`` is the base's phase alone, less geometry, clock and atmosphere; ``rate_m_s``
    the rover's Doppler less what the satellite does: both hold the receiver's motion and clock.
    ``base_ns`` is the time of the base's epoch, GPST; ``noise_m2`` the variance of a phase that the
    signal strengths of both ends tell, 0 where they are not known.
    """

    key: IntArray
    satellite: IntArray
    group: IntArray
    wavelength_m: FloatArray
    code_m: FloatArray
    phase_m: FloatArray
    design: FloatArray
    elevation_rad: FloatArray
    signals: IntArray
    lock_s: FloatArray
    base_lock_s: FloatArray
    has_slipped: BoolArray
    base_slipped: BoolArray
    is_half_cycle: BoolArray
    is_glonass: BoolArray
    base_phase_m: FloatArray
    rate_m_s: FloatArray
    base_ns: IntArray
    noise_m2: FloatArray

    def taken(self, index: IntArray | BoolArray) -> Pairs:
        """Give some of the pairs."""
        columns: list[Any] = [column[index] for column in self]
        return Pairs(*columns)

    def moved(self, step_m: FloatArray) -> Pairs:
        """Give the differences with the rover moved; for steps of metres, to a micrometre."""
        off_m = self.design @ step_m
        return self._replace(code_m=self.code_m - off_m, phase_m=self.phase_m - off_m)


class Weights(NamedTuple):
    """Inverse variances of single differences; 0 where the phase is absent."""

    code: FloatArray
    phase: FloatArray


def pair(
    rover: ObservationEpoch,
    base: ObservationEpoch,
    constellation: Constellation,
    rover_place: Place,
    base_place: Place,
    mask_rad: float,
    ionosphere: Ionosphere,
    antennas: AntennaPair | None = None,
) -> Pairs:
    """Bring two epochs together; satellites below the mask or without orbit are left out.

    With ``antennas`` both ends' ranges are those to their reference points; carriers whose phase
    centre is not known are left out.
    """
    at_rover, at_base = _common(rover, base)
    satellite = rover.satellite[at_rover]
    # The pairs are sorted by satellite.
    begins = np.ones(len(satellite), dtype=np.bool_)
    begins[1:] = satellite[1:] != satellite[:-1]
    first, index = begins.nonzero()[0], begins.cumsum() - 1
    names = satellite[first]
    n = len(names)
    t_ns = np.array([rover.t_gpst_ns, base.t_gpst_ns]).repeat(n)
    travelled_m = np.concatenate(
        (rover.pseudorange_m[at_rover[first]], base.pseudorange_m[at_base[first]])
    )
    states = constellation.states(t_ns, np.concatenate((names, names)), travelled_m)
    here = view_from(rover_place, states.position_m[:n])
    there = view_from(base_place, states.position_m[n:])
    # An unknown satellite has no elevation, and no comparison holds.
    is_up = (here.elevation_rad >= mask_rad) & (there.elevation_rad >= mask_rad / 2.0)
    here_m = here.range_m - SPEED_OF_LIGHT_M_S * states.clock_s[:n]
    here_m += saastamoinen_m(rover_place.lat_rad, rover_place.height_m, here.elevation_rad)
    there_m = there.range_m - SPEED_OF_LIGHT_M_S * states.clock_s[n:]
    there_m += saastamoinen_m(base_place.lat_rad, base_place.height_m, there.elevation_rad)
    rate_m_s = satellite_rate_m_s(rover_place, states.head(n), here)
    bent_m, base_bent_m = _bent(
        ionosphere, (rover_place, base_place), (here, there), t_ns, names // N_SYSTEM_SATELLITES
    )
    if not is_up.all():
        keep = is_up[index]
        at_rover, at_base, index = at_rover[keep], at_base[keep], index[keep]
        satellite = satellite[keep]
    signal, base_signal = rover.signal[at_rover], base.signal[at_base]
    band = signal // 26
    wavelength_m = SPEED_OF_LIGHT_M_S / rover.frequency_hz[at_rover]
    system = satellite // N_SYSTEM_SATELLITES
    codes = 2 * _is_precise(satellite, signal) + _is_precise(satellite, base_signal)
    gamma = (wavelength_m * (L1_HZ / SPEED_OF_LIGHT_M_S)) ** 2
    off_m = (here_m - there_m)[index]
    bent_m = (bent_m - base_bent_m)[index] * gamma
    base_cycles = base.phase_cycles[at_base]
    cycles = rover.phase_cycles[at_rover] - base_cycles
    cycles = np.where(np.abs(cycles) < _MOST_CYCLES, cycles, np.nan)
    base_phase_m = base_cycles * wavelength_m - there_m[index] + base_bent_m[index] * gamma
    noise_m2 = strength_noise_m2(rover.cn0_dbhz[at_rover])
    noise_m2 += strength_noise_m2(base.cn0_dbhz[at_base])
    pairs = Pairs(
        key=satellite * _BANDS + band,
        satellite=satellite,
        group=((system * 2 + _IS_BDS_TWO[satellite]) * _BANDS + band) * 4 + codes,
        wavelength_m=wavelength_m,
        code_m=rover.pseudorange_m[at_rover] - base.pseudorange_m[at_base] - off_m - bent_m,
        phase_m=cycles * wavelength_m - off_m + bent_m,
        design=-here.direction[index],
        elevation_rad=here.elevation_rad[index],
        signals=signal * 512 + base_signal,
        lock_s=rover.lock_s[at_rover],
        base_lock_s=base.lock_s[at_base],
        has_slipped=rover.has_slipped[at_rover],
        base_slipped=base.has_slipped[at_base],
        is_half_cycle=rover.is_half_cycle[at_rover] | base.is_half_cycle[at_base],
        is_glonass=system == GLONASS,
        base_phase_m=base_phase_m,
        noise_m2=noise_m2,
        base_ns=np.full(len(at_base), base.t_gpst_ns),
        rate_m_s=-rover.doppler_hz[at_rover] * wavelength_m - rate_m_s[index],
    )
    if antennas is None:
        return pairs
    return _to_reference_points(pairs, antennas, here.taken(index), there.taken(index))


def _to_reference_points(pairs: Pairs, antennas: AntennaPair, here: View, there: View) -> Pairs:
    """Take off what the antennas of both ends add; the variation is one of phases alone."""
    system, band = pairs.satellite // N_SYSTEM_SATELLITES, pairs.key % _BANDS
    code_m, phase_m, base_phase_m = np.zeros((3, len(band)))
    for table, view, sign in ((antennas.rover, here, 1.0), (antennas.base, there, -1.0)):
        if table is None:
            continue
        offset_m, variation_m = table.parts_m(system, band, view.azimuth_rad, view.elevation_rad)
        code_m += sign * offset_m
        phase_m += sign * (offset_m + variation_m)
        if sign < 0.0:
            base_phase_m = offset_m + variation_m
    corrected = pairs._replace(
        code_m=pairs.code_m - code_m,
        phase_m=pairs.phase_m - phase_m,
        base_phase_m=pairs.base_phase_m - base_phase_m,
    )
    is_known = np.isfinite(code_m)
    return corrected if is_known.all() else corrected.taken(is_known)


def _bent(
    ionosphere: Ionosphere,
    places: tuple[Place, Place],
    views: tuple[View, View],
    t_gpst_ns: IntArray,
    system: IntArray,
) -> tuple[FloatArray, FloatArray]:
    """Give the ionosphere's delay on L1 of each satellite at both ends, in one go."""
    n = len(system)
    if ionosphere == (None, None):
        return np.zeros(n), np.zeros(n)
    here, there = views
    delay_m, _ = delay_on_l1_m(
        ionosphere,
        np.array([place.lat_rad for place in places]).repeat(n),
        np.array([place.lon_rad for place in places]).repeat(n),
        np.concatenate((here.azimuth_rad, there.azimuth_rad)),
        np.maximum(np.concatenate((here.elevation_rad, there.elevation_rad)), 0.05),
        t_gpst_ns,
        np.concatenate((system, system)) == BDS,
    )
    return delay_m[:n], delay_m[n:]


def _common(rover: ObservationEpoch, base: ObservationEpoch) -> tuple[IntArray, IntArray]:
    """Find the carriers that both ends have; one signal each, of one kind of code if possible."""
    usable = _usable(rover), _usable(base)
    kinds = [
        np.where(mask, one.satellite, _ALL) * (2 * _BANDS)
        + one.signal // 26 * 2
        + _is_precise(one.satellite, one.signal)
        for one, mask in zip((rover, base), usable, strict=True)
    ]
    has = np.zeros((2, (_ALL + 1) * 2 * _BANDS), dtype=np.bool_)
    has[0, kinds[0]], has[1, kinds[1]] = True, True
    ours = cells_once(rover, usable[0], has[1, kinds[0]])
    theirs = cells_once(base, usable[1], has[0, kinds[1]])
    i, j = common(
        rover.satellite[ours] * _BANDS + rover.signal[ours] // 26,
        base.satellite[theirs] * _BANDS + base.signal[theirs] // 26,
    )
    i, j = ours[i], theirs[j]
    # GLONASS: both must mean the same channel.
    same = rover.frequency_hz[i] == base.frequency_hz[j]
    return (i, j) if same.all() else (i[same], j[same])


def _is_precise(satellite: IntArray, signal: IntArray) -> BoolArray:
    """Tell which signals are of the precise codes of GPS and GLONASS, and not of the open ones.

    Their phases are a quarter of a cycle apart, where a receiver does not align them.
    """
    is_precise: BoolArray = _HAS_PRECISE[satellite] & _PRECISE[signal % 26]
    return is_precise


def _usable(epoch: ObservationEpoch) -> BoolArray:
    return (
        (epoch.pseudorange_m > 1e6)
        & (epoch.pseudorange_m < 1e8)
        & (epoch.frequency_hz > 1e9)
        & (epoch.satellite < _ALL)
    )


def joined(parts: Sequence[Pairs]) -> Pairs:
    """Put pairs with different epochs of the base together, in the order of keys."""
    if len(parts) == 1:
        return parts[0]
    columns: list[Any] = [np.concatenate(column) for column in zip(*parts, strict=True)]
    pairs = Pairs(*columns)
    _, index = np.unique(pairs.key, return_index=True)
    return pairs.taken(index)


def weights_of(pairs: Pairs, *, age_s: FloatArray, baseline_m: float) -> Weights:
    """Weigh the differences: by elevation or strength, whichever is worse, age and distance."""
    sine = np.maximum(np.sin(pairs.elevation_rad), 0.05)
    one_end = _PHASE_M**2 * (1.0 + 1.0 / sine**2)
    factor = np.where(pairs.is_glonass, _GLONASS_FACTOR, 1.0)
    factor[_IS_GEO[pairs.satellite]] = _GEO_FACTOR
    noise = np.maximum(2.0 * one_end, pairs.noise_m2) * factor**2
    common = (_CLOCK_M_S * age_s) ** 2 + (_SPACE_M_M * min(baseline_m, 1e6)) ** 2 / sine**2
    phase = 1.0 / (noise * (pairs.wavelength_m / _L1_M) ** 2 + common)
    phase[~np.isfinite(pairs.phase_m)] = 0.0
    return Weights(1.0 / (noise * _CODE_TO_PHASE**2 + common), phase)
