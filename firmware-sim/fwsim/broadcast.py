"""The navigation data of a simulated constellation, at any time, the same for all stations.

Satellites follow smooth orbits and clocks that are functions of time alone. Every system issues
ephemerides on its own grid of reference times; their fields carry the rounding of the message that
transports them, and what is observed is computed from the rounded ones. So a reader of the stream
finds the satellites exactly where the observations put them. At a change of ephemeris a satellite
moves by that rounding: centimetres, with GLONASS decimetres.

The ephemeris of an instant is the one with the nearest reference time: even hours for GPS, hours
for BeiDou and QZSS, 15 and 45 minutes for GLONASS. Galileo's is the latest full ten minutes, never
in the future, which engines refuse.
"""

import math
import random
from collections.abc import Iterable

from fwsim.constellation import Orbit, System, orbits_of
from fwsim.element import GRIDS, draw_elements, on_grid, plane_at, wrap_rad
from fwsim.glonass import closed_orbit
from fwsim.gnss_time import (
    GST_FIRST_WEEK,
    NS_PER_S,
    WEEK_S,
    bdt_ns,
    glonass_ns,
    gpst_of_bdt_ns,
    gpst_of_glonass_ns,
)
from fwsim.orbit import (
    EARTH_RATE_RAD_S,
    Ephemeris,
    GlonassEphemeris,
    KeplerEphemeris,
    Vector,
)

# All motion counts from here: a GPS week's start, GPST.
ORIGIN_NS = 2400 * WEEK_S * NS_PER_S
ISSUE_S = {
    System.GPS: 7200,
    System.QZSS: 3600,
    System.GALILEO: 600,
    System.BEIDOU: 3600,
    System.GLONASS: 1800,
}
# Clocks are set back to their offset twice a year, or the field of the offset would overflow.
CLOCK_TERM_S = 26 * WEEK_S
GLONASS_CHANNELS = (
    *(1, -4, 5, 6, 1, -4, 5, 6),
    *(-2, -7, 0, -1, -2, -7, 0, -1),
    *(4, -3, 3, 2, 4, -3, 3, 2),
)
GLONASS_POSITION_M = 1000.0 * 2.0**-11
GLONASS_VELOCITY_M_S = 1000.0 * 2.0**-20
GLONASS_TAU_S = 2.0**-30
GLONASS_GAMMA = 2.0**-40


class Satellite:
    """One satellite: its signals are those of its ``orbit``, its motion is drawn from the seed."""

    def __init__(self, orbit: Orbit, *, seed: str) -> None:
        """Draw what the table of orbits leaves open."""
        self.orbit = orbit
        self.system = orbit.system
        self.prn = orbit.prn
        self._issued: tuple[int, Ephemeris] | None = None
        rng = random.Random(f"satellite:{seed}:{self}")  # noqa: S311 - reproducible, not secret
        self._clock = (on_grid(rng.uniform(-3e-4, 3e-4), 1e-12), rng.uniform(-4e-12, 4e-12))
        self._elements = None if self.system is System.GLONASS else draw_elements(orbit, rng)

    def __str__(self) -> str:
        return f"{self.system.value}{self.prn:02d}"

    @property
    def channel(self) -> int | None:
        """Frequency number of a GLONASS satellite."""
        return GLONASS_CHANNELS[self.prn - 1] if self.system is System.GLONASS else None

    def ephemeris(self, gpst_ns: int) -> Ephemeris:
        """Return the ephemeris in force at an instant."""
        issue = _issue(self.system, gpst_ns)
        if self._issued is None or self._issued[0] != issue:
            found = self._kepler(issue) if self._elements is not None else self._glonass(issue)
            self._issued = (issue, found)
        return self._issued[1]

    def _glonass(self, issue: int) -> GlonassEphemeris:
        tb_ns = (issue * ISSUE_S[System.GLONASS] + 900) * NS_PER_S
        toe_ns = gpst_of_glonass_ns(tb_ns)
        since_s = (toe_ns - ORIGIN_NS) / NS_PER_S
        shape = closed_orbit(self.orbit.radius_m, self.orbit.inclination_rad)
        # The shape begins at its northernmost point, a quarter turn after the node.
        phase = self.orbit.phase_rad - math.pi / 2 + math.tau * since_s / shape.period_s
        rate = shape.node_rate_rad_s - EARTH_RATE_RAD_S[System.GLONASS]
        turn = self.orbit.node_rad + math.pi / 2 + rate * since_s
        (x, y, z), (vx, vy, vz) = shape.state(phase % math.tau)
        vx, vy = vx - rate * y, vy + rate * x
        cos_t, sin_t = math.cos(turn), math.sin(turn)
        position = (x * cos_t - y * sin_t, x * sin_t + y * cos_t, z)
        velocity = (vx * cos_t - vy * sin_t, vx * sin_t + vy * cos_t, vz)
        a0_s, a1 = self._clock
        gamma = on_grid(a1, GLONASS_GAMMA)
        return GlonassEphemeris(
            prn=self.prn,
            channel=GLONASS_CHANNELS[self.prn - 1],
            tb_glonass_ns=tb_ns,
            toe_gpst_ns=toe_ns,
            position0_m=_vector_on_grid(position, GLONASS_POSITION_M),
            velocity0_m_s=_vector_on_grid(velocity, GLONASS_VELOCITY_M_S),
            acceleration_m_s2=(0.0, 0.0, 0.0),
            tau_n_s=-on_grid(a0_s + gamma * _clock_term_s(toe_ns), GLONASS_TAU_S),
            gamma_n=gamma,
        )

    def _kepler(self, issue: int) -> KeplerEphemeris:
        if self._elements is None:
            msg = f"{self} has no Keplerian elements"
            raise ValueError(msg)
        elements, system, grid = self._elements, self.system, GRIDS[self.system]
        toe_ns = issue * ISSUE_S[system] * NS_PER_S
        if system is System.BEIDOU:
            toe_ns = gpst_of_bdt_ns(toe_ns)
        toe_s, week = _week_of(system, toe_ns)
        since_s = (toe_ns - ORIGIN_NS) / NS_PER_S
        plane = plane_at(elements, system, since_s)
        a0_s = elements.a0_s + elements.a1 * _clock_term_s(toe_ns)
        a0_s = on_grid(a0_s, grid.a0_s)
        fnav_s = 0.0
        if system is System.GALILEO:
            fnav_s = a0_s + elements.delays_s[0] - elements.delays_s[1]
        mean = elements.mean + elements.motion_rad_s(system) * since_s
        cuc, cus, crc, crs, cic, cis = plane.harmonics
        return KeplerEphemeris(
            system=system,
            prn=self.prn,
            week=week,
            toe_s=toe_s,
            toe_gpst_ns=toe_ns,
            issue=issue,
            sqrt_a=elements.sqrt_a,
            eccentricity=elements.eccentricity,
            i0=on_grid(plane.inclination, grid.angle),
            omega0=on_grid(wrap_rad(plane.node + EARTH_RATE_RAD_S[system] * toe_s), grid.angle),
            omega=on_grid(wrap_rad(plane.omega), grid.angle),
            m0=on_grid(wrap_rad(mean), grid.angle),
            delta_n=on_grid(elements.delta_n + plane.omega_rate, grid.rate),
            omega_dot=on_grid(plane.node_rate, grid.rate),
            idot=on_grid(plane.inclination_rate, grid.idot),
            cuc=on_grid(cuc, grid.harmonic),
            cus=on_grid(cus, grid.harmonic),
            crc=on_grid(crc, grid.radius_m),
            crs=on_grid(crs, grid.radius_m),
            cic=on_grid(cic, grid.harmonic),
            cis=on_grid(cis, grid.harmonic),
            a0_s=a0_s,
            a1=elements.a1,
            delays_s=elements.delays_s,
            a0_fnav_s=fnav_s,
            is_geostationary=elements.is_geostationary,
        )


def constellation(systems: Iterable[System], *, seed: str) -> tuple[Satellite, ...]:
    """Make the satellites of some systems; the same seed gives the same sky to every station."""
    found = []
    for system in systems:
        rng = random.Random(f"planes:{seed}:{system.value}")  # noqa: S311 - reproducible
        orbits = orbits_of(system, phase_rad=rng.uniform(0.0, math.tau))
        found += [Satellite(orbit, seed=seed) for orbit in orbits]
    return tuple(found)


def _issue(system: System, gpst_ns: int) -> int:
    """Return the number of the ephemeris in force, counted in the scale of the system."""
    step_ns = ISSUE_S[system] * NS_PER_S
    if system is System.GLONASS:
        return glonass_ns(gpst_ns) // step_ns
    if system is System.GALILEO:
        return gpst_ns // step_ns
    own_ns = bdt_ns(gpst_ns) if system is System.BEIDOU else gpst_ns
    return (own_ns + step_ns // 2) // step_ns


def _week_of(system: System, gpst_ns: int) -> tuple[int, int]:
    """Return second of week and week number (not cut to its field) in the system's scale."""
    own_ns = bdt_ns(gpst_ns) if system is System.BEIDOU else gpst_ns
    week, toe_s = divmod(own_ns // NS_PER_S, WEEK_S)
    first = {System.GALILEO: GST_FIRST_WEEK}.get(system, 0)
    return toe_s, week - first


def _clock_term_s(gpst_ns: int) -> float:
    return gpst_ns / NS_PER_S % CLOCK_TERM_S


def _vector_on_grid(vector: Vector, step: float) -> Vector:
    return on_grid(vector[0], step), on_grid(vector[1], step), on_grid(vector[2], step)
