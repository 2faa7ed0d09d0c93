"""Where GLONASS satellites are: their equations of motion, integrated from the broadcast state.

Between the steps of a minute a polynomial is taken, which costs an epoch no integration.

Source: GLONASS ICD 5.1, appendix A.3.1.2 (Runge-Kutta of fourth order, J2, lunisolar acceleration
constant over the interval, all in PZ-90 that turns with the Earth).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bdgw.positioning.ephemeris import GlonassOrbit
from bdgw.rtcm.lock import FloatArray
from bdgw.rtcm.observation import IntArray

__all__ = ["GlonassTable"]

_MU = 3.9860044e14
_J2 = 1.0826257e-3
_A_M = 6_378_136.0
_OMEGA = 7.292115e-5
_STEP_S = 60.0
_PIECES_MAX = 16


class GlonassTable:
    """Sets as columns, with the states at whole steps kept that have been integrated to."""

    def __init__(self, orbits: Sequence[GlonassOrbit]) -> None:
        n = len(orbits)
        self._toe_ns = np.array([o.toe_gpst_ns for o in orbits], dtype=np.int64)
        self._start = np.array([(*o.position_m, *o.velocity_m_s) for o in orbits]).reshape(n, 6)
        self._pull = np.array([o.acceleration_m_s2 for o in orbits]).reshape(n, 3)
        self._minus_tau = np.array([o.minus_tau_s for o in orbits])
        self._gamma = np.array([o.gamma for o in orbits])
        self._kept: dict[int, FloatArray] = {0: self._start}
        self._pieces: dict[int, FloatArray] = {}

    def __len__(self) -> int:
        """Count the sets."""
        return len(self._toe_ns)

    def clock_s(self, row: IntArray, t_gpst_ns: IntArray) -> FloatArray:
        """Give the offset of the clocks."""
        t = (t_gpst_ns - self._toe_ns[row]) * 1e-9
        clock: FloatArray = self._minus_tau[row] + self._gamma[row] * t
        return clock

    def state(
        self, row: IntArray, t_gpst_ns: IntArray, minus_s: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Give position, velocity, clock offset and its rate; as ``KeplerTable.state`` does."""
        t = (t_gpst_ns - self._toe_ns[row]) * 1e-9 - minus_s
        steps = np.floor(t / _STEP_S)
        pieces = np.empty((len(row), 6, 3))
        for step in sorted(set(steps.tolist())):
            at = (steps == step).nonzero()[0]
            pieces[at] = self._piece(round(step))[row[at]]
        u = (t / _STEP_S - steps)[:, None]
        c0, c1, c2, c3, c4, c5 = pieces.transpose(1, 0, 2)
        position = c0 + u * (c1 + u * (c2 + u * (c3 + u * (c4 + u * c5))))
        velocity = c1 + u * (2.0 * c2 + u * (3.0 * c3 + u * (4.0 * c4 + u * (5.0 * c5))))
        clock = self._minus_tau[row] + self._gamma[row] * t
        return position, velocity / _STEP_S, clock, self._gamma[row].copy()

    def _piece(self, step: int) -> FloatArray:
        """Give the polynomials (n, 6, 3) of a step, which meet both ends to the acceleration."""
        known = self._pieces.get(step)
        if known is None:
            begin, end = self._at_step(step), self._at_step(step + 1)
            p0, v0, a0 = _scaled(begin, _rate(begin, self._pull))
            p1, v1, a1 = _scaled(end, _rate(end, self._pull))
            dp, dv, da = p1 - p0 - v0 - a0 / 2.0, v1 - v0 - a0, a1 - a0
            c3, c4 = 10.0 * dp - 4.0 * dv + da / 2.0, -15.0 * dp + 7.0 * dv - da
            known = np.stack((p0, v0, a0 / 2.0, c3, c4, 6.0 * dp - 3.0 * dv + da / 2.0), axis=1)
            while len(self._pieces) >= _PIECES_MAX:
                del self._pieces[next(iter(self._pieces))]
            self._pieces[step] = known
        return known

    def _at_step(self, step: int) -> FloatArray:
        """Give the states (n, 6) a whole number of steps away, each from its own time."""
        state, one = self._start, 1 if step > 0 else -1
        for k in range(one, step + one, one) if step else ():
            later = self._kept.get(k)
            if later is None:
                later = self._kept[k] = _advance(state, self._pull, one * _STEP_S)
            state = later
        return state


def _scaled(state: FloatArray, rate: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Give position, velocity and acceleration in metres and steps."""
    return state[:, :3], state[:, 3:] * _STEP_S, rate[:, 3:] * _STEP_S**2


def _advance(state: FloatArray, pull: FloatArray, step_s: float) -> FloatArray:
    """Take one step of Runge-Kutta; ``state`` is (n, 6)."""
    k1 = _rate(state, pull)
    k2 = _rate(state + k1 * (step_s / 2.0), pull)
    k3 = _rate(state + k2 * (step_s / 2.0), pull)
    k4 = _rate(state + k3 * step_s, pull)
    return state + (k1 + 2.0 * (k2 + k3) + k4) * (step_s / 6.0)


def _rate(state: FloatArray, pull: FloatArray) -> FloatArray:
    x, y, z, vx, vy, _ = state.T
    r2 = x * x + y * y + z * z
    mu_r3 = _MU / (r2 * np.sqrt(r2))
    flat = 1.5 * _J2 * mu_r3 * _A_M * _A_M / r2
    z2 = 5.0 * z * z / r2
    across = -mu_r3 - flat * (1.0 - z2)
    turn2 = _OMEGA * _OMEGA
    found = np.empty_like(state)
    found[:, :3] = state[:, 3:]
    found[:, 3] = (across + turn2) * x + 2.0 * _OMEGA * vy + pull[:, 0]
    found[:, 4] = (across + turn2) * y - 2.0 * _OMEGA * vx + pull[:, 1]
    found[:, 5] = (-mu_r3 - flat * (3.0 - z2)) * z + pull[:, 2]
    return found
