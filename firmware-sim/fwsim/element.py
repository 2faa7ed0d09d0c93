"""Elements of a Keplerian satellite: drawn once, and turned into those of an ephemeris.

What changes from one ephemeris to the next (mean anomaly, node, inclination) follows smoothly from
a few constants, which lie on the grid of the message, so that only the rounding of the angles is
left at a change. The plane of a geostationary BeiDou satellite is expressed in the tilted frame.
"""

import math
import random
from dataclasses import dataclass

from fwsim.constellation import Orbit, System
from fwsim.orbit import EARTH_RATE_RAD_S, GEO_TILT_RAD, MU_M3_S2

# The inclination sways a little, so that its rate is a number and never runs away.
SWAY_RAD = 2e-6
SWAY_RAD_S = math.tau / (14 * 86_400)
EARTH_RADIUS_M = 6_378_137.0
EARTH_J2 = 1.08263e-3
GEOSYNCHRONOUS_M = 42_000_000.0
MAX_GEO_INCLINATION_RAD = math.radians(2.0)
# Orders of magnitude of real harmonic terms: radians and metres.
HARMONIC_RAD = 6e-6
HARMONIC_TILT_RAD = 1e-7
HARMONIC_M = 150.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """The steps of the fields of an ephemeris message (angles in radians)."""

    idot: float
    harmonic: float
    radius_m: float
    a0_s: float
    a1: float
    angle: float = 2.0**-31 * math.pi
    rate: float = 2.0**-43 * math.pi
    eccentricity: float = 2.0**-33
    sqrt_a: float = 2.0**-19


_RATE = 2.0**-43 * math.pi
_LNAV = Grid(idot=_RATE, harmonic=2.0**-29, radius_m=2.0**-5, a0_s=2.0**-31, a1=2.0**-43)
GRIDS = {
    System.GPS: _LNAV,
    System.QZSS: _LNAV,
    System.GALILEO: Grid(
        idot=_RATE, harmonic=2.0**-29, radius_m=2.0**-5, a0_s=2.0**-34, a1=2.0**-46
    ),
    System.BEIDOU: Grid(
        idot=_RATE, harmonic=2.0**-31, radius_m=2.0**-6, a0_s=2.0**-33, a1=2.0**-50
    ),
}
TGD_S = 2.0**-31
BGD_S = 2.0**-32
BDS_TGD_S = 1e-10


def on_grid(value: float, step: float) -> float:
    """Round a value to a whole number of steps."""
    return round(value / step) * step


def wrap_rad(angle: float) -> float:
    """Bring an angle into [-pi, pi)."""
    return (angle + math.pi) % math.tau - math.pi


@dataclass(frozen=True, slots=True, kw_only=True)
class Elements:
    """What stays the same for a Keplerian satellite for ever; angles at the origin of time."""

    sqrt_a: float
    eccentricity: float
    inclination: float
    node: float
    omega: float
    mean: float
    delta_n: float
    node_rate: float
    sway_phase: float
    harmonics: tuple[float, float, float, float, float, float]
    a0_s: float
    a1: float
    delays_s: tuple[float, ...]
    is_geostationary: bool

    def motion_rad_s(self, system: System) -> float:
        """Return the mean motion."""
        return math.sqrt(MU_M3_S2[system]) / self.sqrt_a**3 + self.delta_n


def draw_elements(orbit: Orbit, rng: random.Random) -> Elements:
    """Draw a real-looking set of elements around the circular orbit of the table."""
    system, grid = orbit.system, GRIDS[orbit.system]
    mu, earth = MU_M3_S2[system], EARTH_RATE_RAD_S[system]
    is_slow = orbit.radius_m > GEOSYNCHRONOUS_M
    is_geo = orbit.inclination_rad < MAX_GEO_INCLINATION_RAD
    semi_major_m = (mu / earth**2) ** (1 / 3) if is_slow else orbit.radius_m
    sqrt_a = on_grid(math.sqrt(semi_major_m), grid.sqrt_a)
    motion = math.sqrt(mu) / sqrt_a**3
    flattening = 1.5 * EARTH_J2 * (EARTH_RADIUS_M / sqrt_a**2) ** 2
    node_rate = on_grid(-flattening * motion * math.cos(orbit.inclination_rad), grid.rate)
    if is_geo:
        # In the plane of the equator that would only turn the perigee, for which there is no field.
        node_rate = 0.0
    delta_n = rng.uniform(3.5e-9, 5e-9)
    if is_slow:
        # The track on the ground stays where it is: a turn takes as long as the Earth's.
        delta_n = earth - node_rate - motion
    eccentricity = {System.GPS: rng.uniform(1e-3, 1.5e-2)}.get(system, rng.uniform(2e-4, 2e-3))
    omega = on_grid(rng.uniform(-math.pi, math.pi), grid.angle)
    size = HARMONIC_RAD, HARMONIC_RAD, HARMONIC_M, HARMONIC_M, HARMONIC_TILT_RAD, HARMONIC_TILT_RAD
    cuc, cus, crc, crs, cic, cis = (rng.uniform(-s, s) for s in size)
    # BeiDou broadcasts tilted planes for geostationary satellites only; QZSS does not tilt.
    is_tilted = is_geo and system is System.BEIDOU
    if is_tilted:
        cic = cis = 0.0
    return Elements(
        sqrt_a=sqrt_a,
        eccentricity=on_grid(eccentricity, grid.eccentricity),
        inclination=orbit.inclination_rad + (0.0 if is_geo else rng.uniform(-0.01, 0.01)),
        node=orbit.node_rad,
        omega=omega,
        mean=orbit.phase_rad - omega,
        delta_n=on_grid(delta_n, grid.rate),
        node_rate=node_rate,
        sway_phase=rng.uniform(0.0, math.tau),
        harmonics=(cuc, cus, crc, crs, cic, cis),
        a0_s=rng.uniform(-3e-4, 3e-4),
        a1=on_grid(rng.uniform(-4e-12, 4e-12), grid.a1),
        delays_s=_delays(system, rng),
        is_geostationary=is_tilted,
    )


def _delays(system: System, rng: random.Random) -> tuple[float, ...]:
    if system is System.BEIDOU:
        return tuple(on_grid(rng.uniform(-1e-8, 1e-8), BDS_TGD_S) for _ in range(2))
    if system is System.GALILEO:
        first = rng.uniform(-5e-9, 5e-9)
        return on_grid(first, BGD_S), on_grid(1.1 * first, BGD_S)
    return (on_grid(rng.uniform(-1.2e-8, 1.2e-8), TGD_S),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plane:
    """The plane of an orbit at toe: angles in the frame frozen there, and how they change."""

    inclination: float
    node: float
    omega: float
    inclination_rate: float
    node_rate: float
    omega_rate: float
    harmonics: tuple[float, float, float, float, float, float]


def plane_at(elements: Elements, system: System, since_s: float) -> Plane:
    """Return the plane at a time; a geostationary one in the tilted frame of BeiDou."""
    sway = SWAY_RAD_S * since_s + elements.sway_phase
    inclination = elements.inclination + SWAY_RAD * math.sin(sway)
    inclination_rate = SWAY_RAD * SWAY_RAD_S * math.cos(sway)
    earth = EARTH_RATE_RAD_S[system]
    # Turns without a whole number of them: a large angle would cost digits.
    node = elements.node + math.fmod((elements.node_rate - earth) * since_s, math.tau)
    if not elements.is_geostationary:
        return Plane(
            inclination=inclination,
            node=node,
            omega=elements.omega,
            inclination_rate=inclination_rate,
            node_rate=elements.node_rate,
            omega_rate=0.0,
            harmonics=elements.harmonics,
        )
    step_s = 3600.0
    i_1, node_1, omega_1 = _tilted(inclination, node, elements.omega)
    i_2, node_2, omega_2 = _tilted(
        inclination + inclination_rate * step_s,
        node + elements.node_rate * step_s,
        elements.omega,
    )
    cuc, cus, crc, crs, cic, cis = elements.harmonics
    # The terms of twice the latitude keep their place when it is counted from another node.
    shift = 2.0 * (omega_1 - elements.omega)
    cos_s, sin_s = math.cos(shift), math.sin(shift)
    return Plane(
        inclination=i_1,
        node=node_1,
        omega=omega_1,
        inclination_rate=(i_2 - i_1) / step_s,
        node_rate=wrap_rad(node_2 - node_1) / step_s,
        omega_rate=wrap_rad(omega_2 - omega_1) / step_s,
        harmonics=(
            cuc * cos_s - cus * sin_s,
            cus * cos_s + cuc * sin_s,
            crc * cos_s - crs * sin_s,
            crs * cos_s + crc * sin_s,
            cic,
            cis,
        ),
    )


def _tilted(inclination: float, node: float, omega: float) -> tuple[float, float, float]:
    """Express a plane in the frame that BeiDou tilts by 5 degrees about the x axis."""
    sin_i, cos_i = math.sin(inclination), math.cos(inclination)
    sin_n, cos_n = math.sin(node), math.cos(node)
    sin_w, cos_w = math.sin(omega), math.cos(omega)
    s, c = math.sin(GEO_TILT_RAD), math.cos(GEO_TILT_RAD)
    normal = (sin_n * sin_i, -cos_n * sin_i, cos_i)
    perigee_y = sin_n * cos_w + cos_n * cos_i * sin_w
    perigee_z = sin_i * sin_w
    across_y = -sin_n * sin_w + cos_n * cos_i * cos_w
    across_z = sin_i * cos_w
    normal_y, normal_z = c * normal[1] - s * normal[2], s * normal[1] + c * normal[2]
    return (
        math.acos(normal_z),
        math.atan2(normal[0], -normal_y),
        math.atan2(s * perigee_y + c * perigee_z, s * across_y + c * across_z),
    )
