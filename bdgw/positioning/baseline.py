"""A baseline as length, heading and pitch, with their standard deviations."""

from __future__ import annotations

import math

import msgspec
import numpy as np

from bdgw.positioning.solution import Covariance

__all__ = ["Attitude", "attitude_of"]

_SIGMAS = 3.0
"""A direction is told where the baseline is so many standard deviations long, seen from above."""


class Attitude(msgspec.Struct, frozen=True, kw_only=True):
    """What a baseline says of the vehicle that it is fixed to.

    ``heading_deg`` is clockwise from true north, 0 to 360; ``pitch_deg`` above the horizon, -90 to
    90. ``acc_…`` are standard deviations of the model. Heading and its deviation are None where
    the baseline stands upright, as far as that is known.
    """

    length_m: float
    acc_length_m: float
    pitch_deg: float
    acc_pitch_deg: float
    heading_deg: float | None = None
    acc_heading_deg: float | None = None


def attitude_of(
    enu_m: tuple[float, float, float], covariance_m2: Covariance, *, offset_deg: float = 0.0
) -> Attitude | None:
    """Give length, heading and pitch of a baseline in the local frame of its beginning.

    ``offset_deg`` is added to the heading: how far the vehicle's bow is clockwise of the baseline.
    The deviations are those of the covariance carried through the derivatives of

        length = |b|,  heading = atan2(e, n),  pitch = atan2(u, hypot(e, n)).

    None where the baseline has no length.
    """
    east, north, up = enu_m
    across_m = math.hypot(east, north)
    length_m = math.hypot(across_m, up)
    if not math.isfinite(length_m) or length_m == 0.0:
        return None
    ee, en, eu, nn, nu, uu = covariance_m2
    covariance = np.array([[ee, en, eu], [en, nn, nu], [eu, nu, uu]])

    def deviation(*gradient: float) -> float:
        row = np.array(gradient)
        return math.sqrt(max(0.0, float(row @ covariance @ row)))

    acc_length_m = deviation(east / length_m, north / length_m, up / length_m)
    square_m2 = length_m**2
    if across_m > 0.0:
        tilt = -up / (across_m * square_m2)
        acc_pitch = deviation(tilt * east, tilt * north, across_m / square_m2)
        sideways_m = deviation(north / across_m, -east / across_m, 0.0)
        is_told = across_m >= _SIGMAS * math.sqrt(max(ee + nn, 0.0))
    else:
        acc_pitch, sideways_m, is_told = math.sqrt(max(ee, nn, 0.0)) / length_m, math.inf, False
    return Attitude(
        length_m=length_m,
        acc_length_m=acc_length_m,
        pitch_deg=math.degrees(math.atan2(up, across_m)),
        acc_pitch_deg=math.degrees(acc_pitch),
        heading_deg=(
            (math.degrees(math.atan2(east, north)) + offset_deg) % 360.0 if is_told else None
        ),
        acc_heading_deg=math.degrees(sideways_m / across_m) if is_told else None,
    )
