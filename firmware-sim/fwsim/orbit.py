"""Where a satellite is and what its clock shows, from the parameters it broadcasts.

Evaluates ephemerides; where their numbers come from is not known here. All positions are
Earth-fixed at the instant asked for, metres; all times are seconds since the reference time of the
ephemeris, in the satellite's own scale, so that no precision is lost to a large number.

Source: IS-GPS-200 table 20-IV, Galileo OS SIS ICD 5.1.1, BDS-SIS-ICD-B1I 5.2.4.12 (geostationary
satellites: elements in a plane tilted by 5 degrees), GLONASS ICD 5.1 appendix 3.
"""

import math
from dataclasses import dataclass, field

from fwsim.constellation import System

SPEED_OF_LIGHT_M_S = 299_792_458.0
MU_M3_S2 = {
    System.GPS: 3.986005e14,
    System.QZSS: 3.986005e14,
    System.GALILEO: 3.986004418e14,
    System.BEIDOU: 3.986004418e14,
    System.GLONASS: 3.986004400e14,
}
EARTH_RATE_RAD_S = {
    System.GPS: 7.2921151467e-5,
    System.QZSS: 7.2921151467e-5,
    System.GALILEO: 7.2921151467e-5,
    System.BEIDOU: 7.292115e-5,
    System.GLONASS: 7.292115e-5,
}
GLONASS_J2 = 1.0826257e-3
GLONASS_RADIUS_M = 6_378_136.0
GLONASS_STEP_S = 60.0
GEO_TILT_RAD = math.radians(-5.0)
KEPLER_ROUNDS = 30

Vector = tuple[float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeplerEphemeris:
    """A Keplerian broadcast ephemeris; toc is toe.

    ``week`` and ``toe_s`` count in the scale of the system (BDT for BeiDou), ``toe_gpst_ns`` is the
    same instant in GPST. Angles in radians, lengths in metres, ``sqrt_a`` in square roots of
    metres. ``delays_s`` are the group delay fields in the order of their message: TGD; TGD1 and
    TGD2; BGD E1/E5a and BGD E1/E5b. ``a0_fnav_s`` is the other clock offset of Galileo.
    """

    system: System
    prn: int
    week: int
    toe_s: int
    toe_gpst_ns: int
    issue: int
    sqrt_a: float
    eccentricity: float
    i0: float
    omega0: float
    omega: float
    m0: float
    delta_n: float
    omega_dot: float
    idot: float
    cuc: float
    cus: float
    crc: float
    crs: float
    cic: float
    cis: float
    a0_s: float
    a1: float
    a2: float = 0.0
    delays_s: tuple[float, ...] = ()
    a0_fnav_s: float = 0.0
    is_geostationary: bool = False

    def position_m(self, tk_s: float) -> Vector:
        """Return the position ``tk_s`` seconds after toe."""
        return kepler_position_m(self, tk_s)

    def clock_s(self, tk_s: float) -> float:
        """Return how much the satellite clock is ahead, relativity of the ellipse included."""
        mu = MU_M3_S2[self.system]
        swing = -2.0 * math.sqrt(mu) * self.sqrt_a * self.eccentricity / SPEED_OF_LIGHT_M_S**2
        polynomial_s = self.a0_s + (self.a1 + self.a2 * tk_s) * tk_s
        return polynomial_s + swing * math.sin(eccentric_anomaly(self, tk_s))


@dataclass(frozen=True, slots=True, kw_only=True)
class GlonassEphemeris:
    """A GLONASS ephemeris: state at ``tb`` in PZ-90, metres and seconds.

    ``tb_glonass_ns`` counts GLONASS time since 1970, ``toe_gpst_ns`` is the same instant in GPST.
    """

    prn: int
    channel: int
    tb_glonass_ns: int
    toe_gpst_ns: int
    position0_m: Vector
    velocity0_m_s: Vector
    acceleration_m_s2: Vector
    tau_n_s: float
    gamma_n: float
    # States at whole steps, kept because they are asked for again and again.
    _states: dict[int, "State"] = field(default_factory=dict, compare=False, repr=False)

    @property
    def system(self) -> System:
        """The system."""
        return System.GLONASS

    def position_m(self, tk_s: float) -> Vector:
        """Return the position ``tk_s`` seconds after tb."""
        n_steps = int(tk_s / GLONASS_STEP_S)
        rest_s = tk_s - n_steps * GLONASS_STEP_S
        x, y, z, *_ = integrate_glonass(self._state(n_steps), self.acceleration_m_s2, rest_s)
        return x, y, z

    def clock_s(self, tk_s: float) -> float:
        """Return how much the satellite clock is ahead."""
        return -self.tau_n_s + self.gamma_n * tk_s

    def _state(self, n_steps: int) -> "State":
        if n_steps == 0:
            return (*self.position0_m, *self.velocity0_m_s)
        if n_steps not in self._states:
            step = 1 if n_steps > 0 else -1
            self._states[n_steps] = integrate_glonass(
                self._state(n_steps - step), self.acceleration_m_s2, step * GLONASS_STEP_S
            )
        return self._states[n_steps]


Ephemeris = KeplerEphemeris | GlonassEphemeris


def eccentric_anomaly(eph: KeplerEphemeris, tk_s: float) -> float:
    """Solve Kepler's equation (radians) by Newton's method."""
    semi_major_m = eph.sqrt_a**2
    motion = math.sqrt(MU_M3_S2[eph.system] / semi_major_m**3) + eph.delta_n
    mean = eph.m0 + motion * tk_s
    anomaly = mean
    for _ in range(KEPLER_ROUNDS):
        miss = anomaly - eph.eccentricity * math.sin(anomaly) - mean
        step = miss / (1.0 - eph.eccentricity * math.cos(anomaly))
        anomaly -= step
        if abs(step) < 1e-14:
            break
    return anomaly


def kepler_position_m(eph: KeplerEphemeris, tk_s: float) -> Vector:
    """Return the Earth-fixed position of a Keplerian ephemeris."""
    anomaly = eccentric_anomaly(eph, tk_s)
    root = math.sqrt(1.0 - eph.eccentricity**2)
    true = math.atan2(root * math.sin(anomaly), math.cos(anomaly) - eph.eccentricity)
    along = true + eph.omega
    sin2, cos2 = math.sin(2.0 * along), math.cos(2.0 * along)
    latitude = along + eph.cus * sin2 + eph.cuc * cos2
    radius_m = eph.sqrt_a**2 * (1.0 - eph.eccentricity * math.cos(anomaly))
    radius_m += eph.crs * sin2 + eph.crc * cos2
    inclination = eph.i0 + eph.idot * tk_s + eph.cis * sin2 + eph.cic * cos2
    rate = EARTH_RATE_RAD_S[eph.system]
    turn = eph.omega_dot if eph.is_geostationary else eph.omega_dot - rate
    node = eph.omega0 + turn * tk_s - rate * eph.toe_s
    in_x, in_y = radius_m * math.cos(latitude), radius_m * math.sin(latitude)
    flat_y = in_y * math.cos(inclination)
    x_m = in_x * math.cos(node) - flat_y * math.sin(node)
    y_m = in_x * math.sin(node) + flat_y * math.cos(node)
    z_m = in_y * math.sin(inclination)
    if eph.is_geostationary:
        return _from_tilted((x_m, y_m, z_m), rate * tk_s)
    return x_m, y_m, z_m


def _from_tilted(point_m: Vector, turn_rad: float) -> Vector:
    """Lay the tilted plane of a geostationary satellite back and turn it with the Earth."""
    sin5, cos5 = math.sin(GEO_TILT_RAD), math.cos(GEO_TILT_RAD)
    x_m, y_m, z_m = point_m
    y_m, z_m = y_m * cos5 + z_m * sin5, -y_m * sin5 + z_m * cos5
    sin_t, cos_t = math.sin(turn_rad), math.cos(turn_rad)
    return x_m * cos_t + y_m * sin_t, -x_m * sin_t + y_m * cos_t, z_m


State = tuple[float, ...]


def integrate_glonass(state: State, acceleration_m_s2: Vector, span_s: float) -> State:
    """Integrate a GLONASS state over a span by steps of 60 s, fourth order Runge-Kutta."""
    left_s = span_s
    while abs(left_s) > 1e-9:
        step_s = math.copysign(min(GLONASS_STEP_S, abs(left_s)), left_s)
        state = _runge_kutta(state, acceleration_m_s2, step_s)
        left_s -= step_s
    return state


def _runge_kutta(state: State, acceleration_m_s2: Vector, step_s: float) -> State:
    def moved(slope: State, part_s: float) -> State:
        return tuple(s + k * part_s for s, k in zip(state, slope, strict=True))

    k1 = _glonass_slope(state, acceleration_m_s2)
    k2 = _glonass_slope(moved(k1, step_s / 2), acceleration_m_s2)
    k3 = _glonass_slope(moved(k2, step_s / 2), acceleration_m_s2)
    k4 = _glonass_slope(moved(k3, step_s), acceleration_m_s2)
    return tuple(
        s + step_s * (a + 2.0 * b + 2.0 * c + d) / 6.0
        for s, a, b, c, d in zip(state, k1, k2, k3, k4, strict=True)
    )


def _glonass_slope(state: State, acceleration_m_s2: Vector) -> State:
    """Return velocity and acceleration in the turning frame."""
    x, y, z, vx, vy, vz = state
    rate = EARTH_RATE_RAD_S[System.GLONASS]
    ax, ay, az = flattened_gravity_m_s2((x, y, z))
    return (
        vx,
        vy,
        vz,
        ax + rate**2 * x + 2.0 * rate * vy + acceleration_m_s2[0],
        ay + rate**2 * y - 2.0 * rate * vx + acceleration_m_s2[1],
        az + acceleration_m_s2[2],
    )


def flattened_gravity_m_s2(point_m: Vector) -> Vector:
    """Return the pull of the flattened Earth at a point, PZ-90 constants."""
    x, y, z = point_m
    mu = MU_M3_S2[System.GLONASS]
    r2 = x * x + y * y + z * z
    r3 = r2 * math.sqrt(r2)
    flat = 1.5 * GLONASS_J2 * mu * GLONASS_RADIUS_M**2 / (r2 * r3)
    z2 = 5.0 * z * z / r2
    side = -mu / r3 - flat * (1.0 - z2)
    return side * x, side * y, (-mu / r3 - flat * (3.0 - z2)) * z
