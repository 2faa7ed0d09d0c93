"""Where the satellites of GPS, QZSS, Galileo and BeiDou are, and what their clocks show.

Vectorised over satellites: ``KeplerTable`` holds the sets as columns.

Sources: IS-GPS-200, clause 20.3.3.4.3 and table 20-IV (the steps below are in its order);
Galileo OS SIS ICD 2.0, clause 5.1.1; BDS-SIS-ICD-B1I-3.0, clause 5.2.4.12 and its table 5-11 (the
turn by -5 degrees of the geostationary satellites); relativity: IS-GPS-200, clause 20.3.3.3.3.1.
The rates of semi-major axis and mean motion that modern messages have: IS-GPS-200, clause
30.3.3.1.3; BDS-SIS-ICD-B1C-1.0 and BDS-SIS-ICD-B2a-1.0, clause 7.7.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from bdgw.positioning.ephemeris import KeplerOrbit
from bdgw.positioning.satellite import BDS, GPS, N_SYSTEM_SATELLITES, QZSS, is_bds_geo
from bdgw.rtcm.lock import FloatArray
from bdgw.rtcm.observation import SPEED_OF_LIGHT_M_S, IntArray

__all__ = ["BDS_OMEGA_RAD_S", "EARTH_OMEGA_RAD_S", "KeplerTable"]

EARTH_OMEGA_RAD_S = 7.2921151467e-5
"""Turn of the Earth, as GPS and Galileo define it."""
BDS_OMEGA_RAD_S = 7.292115e-5
"""The same of CGCS2000 (BDS-SIS-ICD-B1I-3.0, table 5-11)."""
_MU_GPS = 3.986005e14
_MU_CGCS2000 = 3.986004418e14
_SIN_5, _COS_5 = math.sin(math.radians(-5.0)), math.cos(math.radians(-5.0))
_ITERATIONS = 12
_NEAR_RAD = 1e-14
_COLUMNS = [
    "toe_s",
    "a0_s",
    "a1_s_s",
    "a2_s_s2",
    "sqrt_a",
    "e",
    "m0_rad",
    "delta_n_rad_s",
    "omega0_rad",
    "omega_dot_rad_s",
    "i0_rad",
    "idot_rad_s",
    "omega_rad",
    "crs_m",
    "crc_m",
    "cuc_rad",
    "cus_rad",
    "cic_rad",
    "cis_rad",
]


class KeplerTable:
    """Sets as columns; one row a set, in the order they were given."""

    def __init__(self, orbits: Sequence[KeplerOrbit]) -> None:
        rows = np.array(
            [[getattr(orbit, name) for name in _COLUMNS] for orbit in orbits], dtype=np.float64
        ).reshape(len(orbits), len(_COLUMNS))
        (
            toe_s, self._a0, self._a1, self._a2, sqrt_a, self._e, self._m0, delta_n, omega0,
            omega_dot, self._i0, self._idot, self._omega, self._crs, self._crc, self._cuc,
            self._cus, self._cic, self._cis,
        ) = rows.T  # fmt: skip
        systems = np.array([o.satellite // N_SYSTEM_SATELLITES for o in orbits], dtype=np.int64)
        is_gps = np.isin(systems, (GPS, QZSS))
        is_geo = np.array([is_bds_geo(o.satellite) for o in orbits], dtype=np.bool_)
        mu = np.where(is_gps, _MU_GPS, _MU_CGCS2000)
        turn = np.where(systems == BDS, BDS_OMEGA_RAD_S, EARTH_OMEGA_RAD_S)
        self._toe_ns = np.array([o.toe_gpst_ns for o in orbits], dtype=np.int64)
        self._toc_ns = np.array([o.toc_gpst_ns for o in orbits], dtype=np.int64)
        self._a = sqrt_a * sqrt_a
        self._n = np.sqrt(mu / self._a**3) + delta_n
        self._node = omega0 - turn * toe_s
        self._node_rate = np.where(is_geo, omega_dot, omega_dot - turn)
        self._relativity = -2.0 * np.sqrt(mu * self._a) * self._e / SPEED_OF_LIGHT_M_S**2
        self._semi = np.sqrt(1.0 - self._e**2)
        self._a_dot = np.array([o.a_dot_m_s for o in orbits], dtype=np.float64)
        self._half_n_dot = np.array([o.delta_n_dot_rad_s2 / 2.0 for o in orbits], dtype=np.float64)
        self._has_rates = bool(self._a_dot.any() or self._half_n_dot.any())
        self._is_geo = is_geo
        self._turn = turn

    def __len__(self) -> int:
        """Count the sets."""
        return len(self._toe_ns)

    def clock_s(self, row: IntArray, t_gpst_ns: IntArray) -> FloatArray:
        """Give the offset of the clocks without relativity, which is good to 1e-7 s of time."""
        t = (t_gpst_ns - self._toc_ns[row]) * 1e-9
        return self._a0[row] + t * (self._a1[row] + t * self._a2[row])

    def state(
        self, row: IntArray, t_gpst_ns: IntArray, minus_s: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Give position (n, 3), velocity (n, 3), clock offset and its rate (n,).

        Of the sets ``row`` at ``t_gpst_ns`` less ``minus_s``, Earth-fixed at that instant; times
        are GPST, the clock has relativity but no group delay.
        """
        tk = (t_gpst_ns - self._toe_ns[row]) * 1e-9 - minus_s
        e, semi, turn = self._e[row], self._semi[row], self._turn[row]
        a, motion = self._a[row], self._n[row]
        mean = self._m0[row] + motion * tk
        if self._has_rates:
            n_gained = self._half_n_dot[row] * tk
            mean, motion = mean + n_gained * tk, motion + 2.0 * n_gained
            a = a + self._a_dot[row] * tk
        anomaly = mean + e * np.sin(mean)
        for _ in range(_ITERATIONS):
            step = (anomaly - e * np.sin(anomaly) - mean) / (1.0 - e * np.cos(anomaly))
            anomaly = anomaly - step
            if np.abs(step).max(initial=0.0) < _NEAR_RAD:
                break
        sin_e, cos_e = np.sin(anomaly), np.cos(anomaly)
        one_less = 1.0 - e * cos_e
        anomaly_rate = motion / one_less
        argument = np.arctan2(semi * sin_e, cos_e - e) + self._omega[row]
        argument_rate = semi * anomaly_rate / one_less
        sin_2, cos_2 = np.sin(2.0 * argument), np.cos(2.0 * argument)
        cus, cuc, crs, crc = self._cus[row], self._cuc[row], self._crs[row], self._crc[row]
        cis, cic, idot = self._cis[row], self._cic[row], self._idot[row]
        u = argument + cus * sin_2 + cuc * cos_2
        r = a * one_less + crs * sin_2 + crc * cos_2
        i = self._i0[row] + cis * sin_2 + cic * cos_2 + idot * tk
        u_rate = argument_rate * (1.0 + 2.0 * (cus * cos_2 - cuc * sin_2))
        r_rate = a * e * sin_e * anomaly_rate + 2.0 * argument_rate * (crs * cos_2 - crc * sin_2)
        if self._has_rates:
            r_rate = r_rate + self._a_dot[row] * one_less
        i_rate = idot + 2.0 * argument_rate * (cis * cos_2 - cic * sin_2)
        node_rate = self._node_rate[row]
        node = self._node[row] + node_rate * tk
        cos_u, sin_u, cos_i, sin_i = np.cos(u), np.sin(u), np.cos(i), np.sin(i)
        cos_n, sin_n = np.cos(node), np.sin(node)
        x, y = r * cos_u, r * sin_u
        x_rate, y_rate = r_rate * cos_u - y * u_rate, r_rate * sin_u + x * u_rate
        y_flat = y * cos_i
        y_flat_rate = y_rate * cos_i - y * sin_i * i_rate
        position = np.stack((x * cos_n - y_flat * sin_n, x * sin_n + y_flat * cos_n, y * sin_i), 1)
        velocity = np.stack(
            (
                x_rate * cos_n - y_flat_rate * sin_n - position[:, 1] * node_rate,
                x_rate * sin_n + y_flat_rate * cos_n + position[:, 0] * node_rate,
                y_rate * sin_i + y * cos_i * i_rate,
            ),
            1,
        )
        if self._is_geo.any():
            at = self._is_geo[row].nonzero()[0]
            position[at], velocity[at] = _from_inertial(
                position[at], velocity[at], turn[at] * tk[at], turn[at]
            )
        t = (t_gpst_ns - self._toc_ns[row]) * 1e-9 - minus_s
        a1, a2 = self._a1[row], self._a2[row]
        relativity = self._relativity[row]
        clock = self._a0[row] + t * (a1 + t * a2) + relativity * sin_e
        clock_rate = a1 + 2.0 * t * a2 + relativity * cos_e * anomaly_rate
        return position, velocity, clock, clock_rate


def _from_inertial(
    position: FloatArray, velocity: FloatArray, angle: FloatArray, turn: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Turn a geostationary BeiDou satellite about X by -5 degrees, then with the Earth about Z."""
    tilted = np.stack(
        (
            position[:, 0],
            position[:, 1] * _COS_5 + position[:, 2] * _SIN_5,
            position[:, 2] * _COS_5 - position[:, 1] * _SIN_5,
        )
    )
    moving = np.stack(
        (
            velocity[:, 0],
            velocity[:, 1] * _COS_5 + velocity[:, 2] * _SIN_5,
            velocity[:, 2] * _COS_5 - velocity[:, 1] * _SIN_5,
        )
    )
    c, s = np.cos(angle), np.sin(angle)
    x, y = tilted[0] * c + tilted[1] * s, tilted[1] * c - tilted[0] * s
    x_rate = moving[0] * c + moving[1] * s + turn * y
    y_rate = moving[1] * c - moving[0] * s - turn * x
    return np.stack((x, y, tilted[2]), 1), np.stack((x_rate, y_rate, moving[2]), 1)
