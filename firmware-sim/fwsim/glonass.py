"""One GLONASS orbit that closes upon itself in the field of the flattened Earth.

The pull of a flattened Earth is the same on every meridian, so one periodic orbit, turned about the
axis and shifted in time, serves all satellites. It is found by shooting once, and kept as a Fourier
series in the frame that turns with the node: position and velocity are then known at any time, and
the integration of an ephemeris stays on the orbit to the rounding of its fields.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from fwsim.constellation import System
from fwsim.orbit import MU_M3_S2, Vector, flattened_gravity_m_s2

STEP_S = 20.0
HARMONICS = 9
SAMPLES = 64

State = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class ClosedOrbit:
    """A periodic orbit: Fourier coefficients of x, y, z in the frame of the node.

    ``node_rate_rad_s`` is how fast that frame turns in inertial space, ``period_s`` the time from
    one northernmost point to the next.
    """

    period_s: float
    node_rate_rad_s: float
    cosines_m: tuple[Vector, ...]
    sines_m: tuple[Vector, ...]

    def state(self, phase_rad: float) -> tuple[Vector, Vector]:
        """Return position (m) and velocity (m/s) in the frame of the node.

        ``phase_rad`` grows by a full turn a period and is 0 at the northernmost point, which lies
        above the x axis. The velocity is that of the point within the frame.
        """
        position, velocity = [0.0] * 3, [0.0] * 3
        for k in range(HARMONICS):
            cos_k, sin_k = math.cos(k * phase_rad), math.sin(k * phase_rad)
            rate = k * math.tau / self.period_s
            for axis in range(3):
                a, b = self.cosines_m[k][axis], self.sines_m[k][axis]
                position[axis] += a * cos_k + b * sin_k
                velocity[axis] += rate * (b * cos_k - a * sin_k)
        return (position[0], position[1], position[2]), (velocity[0], velocity[1], velocity[2])


@cache
def closed_orbit(radius_m: float, inclination_rad: float) -> ClosedOrbit:
    """Find the periodic orbit whose northernmost point has this radius and latitude."""
    start = (radius_m * math.cos(inclination_rad), 0.0, radius_m * math.sin(inclination_rad))
    mu_m3_s2 = MU_M3_S2[System.GLONASS]
    slow, fast = (math.sqrt(mu_m3_s2 / radius_m) * factor for factor in (0.999, 1.001))
    miss_slow, miss_fast = _radial_at_south(start, slow), _radial_at_south(start, fast)
    for _ in range(20):
        speed = fast - miss_fast * (fast - slow) / (miss_fast - miss_slow)
        slow, miss_slow = fast, miss_fast
        fast, miss_fast = speed, _radial_at_south(start, speed)
        if abs(miss_fast) < 1e-9 or miss_fast == miss_slow:
            break
    south_s, state = _fly_to_south((*start, 0.0, fast, 0.0))
    period_s = 2.0 * south_s
    # Half the way round the pole, and what the node moved meanwhile.
    node_rate = (math.atan2(state[1], state[0]) % math.tau - math.pi) / south_s
    return _series((*start, 0.0, fast, 0.0), period_s, node_rate)


def _radial_at_south(start: Vector, speed_m_s: float) -> float:
    """Return the radial velocity where the satellite is southernmost; 0 closes the orbit."""
    _, (x, y, z, vx, vy, vz) = _fly_to_south((*start, 0.0, speed_m_s, 0.0))
    return (x * vx + y * vy + z * vz) / math.sqrt(x * x + y * y + z * z)


def _fly_to_south(state: State) -> tuple[float, State]:
    """Fly from the northernmost point to the southernmost; return time and state."""
    at_s = 0.0
    while True:
        ahead = _step(state, STEP_S)
        if at_s > 0.0 and state[5] < 0.0 <= ahead[5]:
            break
        state, at_s = ahead, at_s + STEP_S
    for _ in range(6):
        # Newton's method on vz = 0, whose slope is the pull along z.
        rest_s = -state[5] / flattened_gravity_m_s2((state[0], state[1], state[2]))[2]
        state, at_s = _step(state, rest_s), at_s + rest_s
    return at_s, state


def _step(state: State, step_s: float) -> State:
    def slope(at: State) -> State:
        return (*at[3:], *flattened_gravity_m_s2((at[0], at[1], at[2])))

    def moved(by: State, part_s: float) -> State:
        return tuple(s + k * part_s for s, k in zip(state, by, strict=True))

    k1 = slope(state)
    k2 = slope(moved(k1, step_s / 2))
    k3 = slope(moved(k2, step_s / 2))
    k4 = slope(moved(k3, step_s))
    return tuple(
        s + step_s * (a + 2.0 * b + 2.0 * c + d) / 6.0
        for s, a, b, c, d in zip(state, k1, k2, k3, k4, strict=True)
    )


def _series(start: State, period_s: float, node_rate: float) -> ClosedOrbit:
    """Sample one period in the frame of the node and take its Fourier series."""
    n_steps = SAMPLES * math.ceil(period_s / SAMPLES / STEP_S)
    state = start
    samples = []
    for i in range(n_steps):
        if i % (n_steps // SAMPLES) == 0:
            turn = -node_rate * period_s * i / n_steps
            sin_t, cos_t = math.sin(turn), math.cos(turn)
            x, y, z = state[:3]
            samples.append((x * cos_t - y * sin_t, x * sin_t + y * cos_t, z))
        state = _step(state, period_s / n_steps)

    def vectors(wave: Callable[[float], float]) -> tuple[Vector, ...]:
        found = []
        for k in range(HARMONICS):
            weights = [wave(k * math.tau * i / SAMPLES) for i in range(SAMPLES)]
            scale = (1.0 if k == 0 else 2.0) / SAMPLES
            x, y, z = (
                scale * sum(w * sample[axis] for w, sample in zip(weights, samples, strict=True))
                for axis in range(3)
            )
            found.append((x, y, z))
        return tuple(found)

    return ClosedOrbit(period_s, node_rate, vectors(math.cos), vectors(math.sin))
