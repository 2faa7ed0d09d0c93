"""What a solution leaves over of each range: the residuals of an epoch, by satellite and signal."""

from __future__ import annotations

import math
from typing import NamedTuple

import msgspec
import numpy as np

from bdgw.positioning.fix_gate import Evidence
from bdgw.positioning.geometry import Place
from bdgw.positioning.preparation import Prepared
from bdgw.positioning.satellite import N_SIGNALS, satellite_name_of, signal_code_of
from bdgw.positioning.single_point import SinglePoint
from bdgw.rtcm.lock import FloatArray

__all__ = ["Details", "Residual", "differential_residuals", "single_residuals"]

_BASE_SIGNALS = N_SIGNALS
"""``Pairs.signals`` is the rover's signal times this, and the base's."""


class Residual(msgspec.Struct, frozen=True, kw_only=True):
    """One signal of one satellite, measured less computed, in metres.

    ``signal`` is the RINEX code of the rover's. Of a differential solution these are single
    differences, rover less base, less the weighted mean of their group (system and carrier). A
    phase has a residual only in a fixed solution; what was not used may have one as well.
    """

    satellite: str
    signal: str
    elevation_deg: float
    azimuth_deg: float
    code_m: float | None = None
    phase_m: float | None = None
    is_code_used: bool = False
    is_phase_used: bool = False


class Details(NamedTuple):
    """An epoch as it was solved; ``evidence`` is there where it was fixed."""

    prepared: Prepared
    evidence: Evidence | None


def differential_residuals(
    details: Details, ecef_m: tuple[float, float, float]
) -> tuple[Residual, ...]:
    """Give the residuals of a differential, float or fixed solution at a position."""
    prepared, evidence = details
    pairs, weights, groups = prepared.pairs, prepared.weights, prepared.groups
    step_m = np.array(ecef_m) - prepared.place.ecef_m
    along_m = pairs.design @ step_m
    code_m = groups.centred(weights.code, pairs.code_m - along_m)
    phase_m = np.full(len(pairs.key), math.nan)
    phase_used = np.zeros(len(pairs.key), dtype=np.bool_)
    if evidence is not None:
        phase_used = evidence.used
        weight = np.where(phase_used, weights.phase, 0.0)
        known = (weights.phase > 0.0) & ~pairs.is_glonass
        whole_m = np.where(known, pairs.phase_m, 0.0) - evidence.cycles * pairs.wavelength_m
        phase_m = groups.centred(weight, whole_m - along_m)
        # A group without any phase in the solution has no level to count from.
        has_level = (groups.member @ phase_used > 0.0) @ groups.member > 0.0
        phase_m[~(known & has_level)] = math.nan
    azimuth_deg = _azimuths_deg(prepared.place, -pairs.design)
    elevation_deg = np.degrees(pairs.elevation_rad)
    return tuple(
        Residual(
            satellite=satellite_name_of(int(pairs.satellite[k])),
            signal=signal_code_of(int(pairs.signals[k]) // _BASE_SIGNALS),
            elevation_deg=float(elevation_deg[k]),
            azimuth_deg=float(azimuth_deg[k]),
            code_m=_known(code_m[k]),
            phase_m=_known(phase_m[k]),
            is_code_used=bool(weights.code[k] > 0.0),
            is_phase_used=bool(phase_used[k]),
        )
        for k in range(len(pairs.key))
    )


def single_residuals(single: SinglePoint) -> tuple[Residual, ...]:
    """Give the residuals of a single point; satellites that were excluded are not there."""
    cells, view = single.cells, single.view
    azimuth_deg = np.degrees(view.azimuth_rad) % 360.0
    elevation_deg = np.degrees(view.elevation_rad)
    return tuple(
        Residual(
            satellite=satellite_name_of(int(cells.satellite[at])),
            signal=signal_code_of(int(cells.signal[at])),
            elevation_deg=float(elevation_deg[at]),
            azimuth_deg=float(azimuth_deg[at]),
            code_m=_known(off_m),
            is_code_used=True,
        )
        for at, off_m in zip(single.at.tolist(), single.off_m.tolist(), strict=True)
    )


def _azimuths_deg(place: Place, direction: FloatArray) -> FloatArray:
    enu = direction @ place.to_enu.T
    azimuth_deg: FloatArray = np.degrees(np.arctan2(enu[:, 0], enu[:, 1])) % 360.0
    return azimuth_deg


def _known(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
