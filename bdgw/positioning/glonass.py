"""Where GLONASS satellites are: their equations of motion, integrated from the broadcast state.

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


class GlonassTable:
    """Sets as columns, with the states at whole steps kept that have been integrated to."""

    def __init__(self, orbits: Sequence[GlonassOrbit]) -> None:
        n = len(orbits)
        self._toe_ns = np.array([o.toe_gpst_ns for o in orbits], dtype=np.int64)
        self._start = np.array([(*o.position_m, *o.velocity_m_s) for o in orbits]).reshape(n, 6)
        self._pull = np.array([o.acceleration_m_s2 for o in orbits]).reshape(n, 3)
        self._minus_tau = np.array([o.minus_tau_s for o in orbits])
        self._gamma = np.array([o.gamma for o in orbits])
        self._kept: dict[tuple[int, int], FloatArray] = {}

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
        steps = np.trunc(t / _STEP_S).astype(np.int64)
        begin = np.array(
            [self._at_step(int(r), int(k)) for r, k in zip(row, steps, strict=True)]
        ).reshape(len(row), 6)
        found = _advance(begin, self._pull[row], (t - steps * _STEP_S)[:, None])
        clock = self._minus_tau[row] + self._gamma[row] * t
        return found[:, :3], found[:, 3:], clock, self._gamma[row].copy()

    def _at_step(self, row: int, step: int) -> FloatArray:
        """Give the state a whole number of steps away, from the nearest that is known."""
        if step == 0:
            start: FloatArray = self._start[row]
            return start
        known = self._kept.get((row, step))
        if known is None:
            one = 1 if step > 0 else -1
            state = self._start[row]
            for k in range(one, step + one, one):
                earlier, state_k = state, self._kept.get((row, k))
                if state_k is None:
                    state_k = _advance(
                        earlier[None, :], self._pull[row][None, :], np.array([[one * _STEP_S]])
                    )[0]
                    self._kept[row, k] = state_k
                state = state_k
            known = state
        return known


def _advance(state: FloatArray, pull: FloatArray, step_s: FloatArray) -> FloatArray:
    """Take one step of Runge-Kutta; ``state`` is (n, 6), ``step_s`` (n, 1)."""
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
