"""The mark that an antenna stands over."""

from __future__ import annotations

import msgspec

from bdgw.positioning.geometry import place_of
from bdgw.positioning.solution import Solution

__all__ = ["at_mark"]


def at_mark(solution: Solution, antenna_hen_m: tuple[float, float, float]) -> Solution:
    """Give the position of the mark that an antenna stands over: up, east and north in metres."""
    if solution.ecef_m is None or not any(antenna_hen_m):
        return solution
    up, east, north = antenna_hen_m
    place = place_of(solution.ecef_m)
    x, y, z = (place.ecef_m - place.to_enu.T @ (east, north, up)).tolist()
    return msgspec.structs.replace(solution, ecef_m=(x, y, z))
