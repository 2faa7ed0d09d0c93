"""What the engine says of one epoch."""

from __future__ import annotations

import math

import msgspec

from bdgw.model import FixKind
from bdgw.positioning.base_place import BaseCheck
from bdgw.positioning.geometry import Place
from bdgw.positioning.preparation import Prepared
from bdgw.positioning.residual import Residual
from bdgw.rtcm.lock import FloatArray

__all__ = [
    "Covariance",
    "Solution",
    "accuracy_of",
    "enu_covariance",
    "solution_at",
    "velocity_of",
]

Covariance = tuple[float, float, float, float, float, float]
"""The upper triangle of a covariance over east, north, up, m²: ee, en, eu, nn, nu, uu."""


class Solution(msgspec.Struct, frozen=True, kw_only=True):
    """The position of the rover's antenna at ``t_gpst_ns``.

    It is in the frame of the base's position; a single point in that of the broadcast orbits.
    ``acc_h_m`` (root of the sum of both horizontal variances) and ``acc_v_m`` are standard
    deviations of the model, ``covariance_enu_m2`` what they are taken from, in the local frame of
    the position; ``age_s`` is how much older the base's epoch is. ``ratio`` is that of
    the second best to the best set of integers. ``residual_m`` is the root mean square of the
    phases of a fixed solution, else of the ranges; ``residuals`` are each by itself, where the
    engine was asked for them. ``base_check`` is what the base's own codes say of its position,
    where it was used and they have told. ``why`` says in a word why it is no better.
    """

    t_gpst_ns: int
    kind: FixKind = FixKind.NONE
    ecef_m: tuple[float, float, float] | None = None
    velocity_m_s: tuple[float, float, float] | None = None
    acc_h_m: float | None = None
    acc_v_m: float | None = None
    covariance_enu_m2: Covariance | None = None
    sats_used: int = 0
    ratio: float | None = None
    age_s: float | None = None
    residual_m: float | None = None
    n_fixed: int = 0
    residuals: tuple[Residual, ...] | None = None
    base_check: BaseCheck | None = None
    why: str | None = None


def accuracy_of(covariance: Covariance) -> tuple[float, float]:
    """Give horizontal and vertical standard deviation of a local covariance."""
    ee, _, _, nn, _, uu = covariance
    return math.sqrt(max(ee + nn, 0.0)), math.sqrt(max(uu, 0.0))


def enu_covariance(place: Place, covariance: FloatArray) -> Covariance:
    """Give an Earth-fixed covariance (3, 3) in the local frame of a place."""
    enu = place.to_enu @ covariance @ place.to_enu.T
    (ee, en, eu), (_, nn, nu), (_, _, uu) = enu.tolist()
    return ee, en, eu, nn, nu, uu


def velocity_of(velocity_m_s: FloatArray | None) -> tuple[float, float, float] | None:
    """Give a velocity as plain numbers."""
    if velocity_m_s is None:
        return None
    x, y, z = velocity_m_s.tolist()
    return x, y, z


def solution_at(
    t_gpst_ns: int,
    kind: FixKind,
    prepared: Prepared,
    step_m: FloatArray,
    covariance: FloatArray,
    n_satellites: int,
) -> Solution:
    """Give a differential solution, a step (3,) from where the differences of an epoch are taken.

    ``covariance`` (3, 3) is Earth-fixed.
    """
    x, y, z = (prepared.place.ecef_m + step_m).tolist()
    covariance_enu_m2 = enu_covariance(prepared.place, covariance)
    acc_h_m, acc_v_m = accuracy_of(covariance_enu_m2)
    return Solution(
        t_gpst_ns=t_gpst_ns,
        kind=kind,
        ecef_m=(x, y, z),
        velocity_m_s=velocity_of(prepared.velocity_m_s),
        acc_h_m=acc_h_m,
        acc_v_m=acc_v_m,
        covariance_enu_m2=covariance_enu_m2,
        sats_used=n_satellites,
        age_s=prepared.age_s,
    )
