"""A stretch of a few minutes of all orbits and clocks, as polynomials in time.

A satellite turns by 0.015 rad in the 100 s that a polynomial reaches to either side. What a
polynomial of sixth degree leaves of such an arc is (0.015)^7 of its radius over 7! 2^6, less than a
billionth of a metre: below what a float of 64 bits holds of a position. It is read in a tenth of
the time that the formulas of the orbits take.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from bdgw.rtcm.lock import FloatArray
from bdgw.rtcm.observation import SPEED_OF_LIGHT_M_S, IntArray

__all__ = ["FAR_M", "OrbitTable", "SkyPiece"]

FAR_M = 2e8
"""No pseudorange of a satellite is that long; what is, or is not positive, is a broken record."""
_REACH_S = 100.0
_REACH_NS = 99_000_000_000
"""Signals were sent up to 0.2 s before they came."""
_AHEAD_NS = 65_000_000_000
"""A piece is made for the times to come; an epoch of the base may be half a minute older."""
_TERMS = 7
_NODES = np.cos(np.pi * (np.arange(_TERMS) + 0.5) / _TERMS)
_NODES[_TERMS // 2] = 0.0
_FROM_NODES = np.linalg.inv(np.vander(_NODES, _TERMS, increasing=True))
_ENDS_NS = np.array([[0], [-100_000_000_000], [100_000_000_000]])


class OrbitTable(Protocol):
    """Sets of one kind as columns."""

    def __len__(self) -> int:
        """Count the sets."""
        ...

    def clock_s(self, row: IntArray, t_gpst_ns: IntArray) -> FloatArray:
        """Give the clocks that the time of sending is told by: a polynomial of second degree."""
        ...

    def state(
        self, row: IntArray, t_gpst_ns: IntArray, minus_s: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Give positions, velocities, clocks and their rates."""
        ...


class SkyPiece:
    """The polynomials for the time from ``t_gpst_ns`` on; their rows are those of the tables."""

    def __init__(self, tables: Sequence[OrbitTable], t_gpst_ns: int) -> None:
        self._mid_ns = t_gpst_ns + _AHEAD_NS
        n = sum(len(table) for table in tables)
        # The last row is for satellites that nothing is known of.
        self._terms = np.full((n + 1, _TERMS, 8), np.nan)
        self._clock = np.full((n + 1, 3), np.nan)
        begin = 0
        for table in tables:
            rows = slice(begin, begin + len(table))
            if len(table):
                self._terms[rows], self._clock[rows] = _fitted(table, self._mid_ns)
            begin += len(table)

    def is_near(self, t_gpst_ns: int) -> bool:
        """Whether it is still the piece for an epoch of the rover."""
        return -_AHEAD_NS <= t_gpst_ns - self._mid_ns <= _REACH_NS

    def serves(self, t_gpst_ns: IntArray) -> bool:
        """Whether all these times of reception lie within it."""
        return len(t_gpst_ns) > 0 and int(np.abs(t_gpst_ns - self._mid_ns).max()) <= _REACH_NS

    def states(
        self, row: IntArray, t_gpst_ns: IntArray, pseudorange_m: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Give positions, velocities, clocks and their rates when what was received was sent."""
        is_known = (pseudorange_m > 0.0) & (pseudorange_m < FAR_M)
        travel_s = np.where(is_known, pseudorange_m, np.nan) / SPEED_OF_LIGHT_M_S
        sent_s = (t_gpst_ns - self._mid_ns) * 1e-9 - travel_s
        c0, c1, c2 = self._clock[row].T
        u = sent_s / _REACH_S
        u = (sent_s - (c0 + u * (c1 + u * c2))) / _REACH_S
        powers = np.empty((len(row), 1, _TERMS))
        powers[:, :, 0] = 1.0
        powers[:, :, 1:] = u[:, None, None]
        np.multiply.accumulate(powers, axis=2, out=powers)
        found: FloatArray = (powers @ self._terms[row])[:, 0, :]
        return found[:, 0:3], found[:, 4:7], found[:, 3], found[:, 7]


def _fitted(table: OrbitTable, mid_ns: int) -> tuple[FloatArray, FloatArray]:
    """Give the terms of position and clock and of their rates (n, 7, 8), and the clock's (n, 3)."""
    n = len(table)
    rows = np.arange(n)
    times_ns = np.full(n * _TERMS, mid_ns)
    minus_s = np.tile(-_NODES * _REACH_S, n)
    position, _, clock, _ = table.state(rows.repeat(_TERMS), times_ns, minus_s)
    values = np.concatenate((position, clock[:, None]), axis=1).reshape(n, _TERMS, 4)
    middle = values[:, _TERMS // 2]
    terms = np.zeros((n, _TERMS, 8))
    # From the middle on: so the rounding is that of kilometres, not of the orbit's radius.
    terms[:, :, :4] = _FROM_NODES @ (values - middle[:, None])
    terms[:, 0, :4] = middle
    factor = np.arange(1, _TERMS)[:, None] / _REACH_S
    terms[:, :-1, 4:] = factor * terms[:, 1:, :4]
    now, sooner, later = table.clock_s(rows, mid_ns + _ENDS_NS)
    plain = np.stack((now, (later - sooner) / 2.0, (later + sooner) / 2.0 - now), axis=1)
    return terms, plain
