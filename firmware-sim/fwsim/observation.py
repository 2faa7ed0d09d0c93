"""What an antenna measures: code, phase, range rate, lock time and strength of every signal.

Range from the broadcast position at the time of transmission, turned with the Earth while the
signal travels (Sagnac); satellite and receiver clock; group delay; Klobuchar and Saastamoinen;
a whole number of cycles per signal and arc; noise that grows towards the horizon.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from fwsim.atmosphere import ionosphere_l1_m, troposphere_m
from fwsim.broadcast import Satellite
from fwsim.carrier import L1_HZ, Carrier, carriers_of, code_delay_s
from fwsim.constellation import System
from fwsim.gnss_time import NS_PER_S, WEEK_S
from fwsim.orbit import SPEED_OF_LIGHT_M_S, Ephemeris, Vector
from fwsim.scene import Place, State
from fwsim.sky import Horizon, noise

EARTH_RATE_RAD_S = 7.2921151467e-5
CODE_NOISE_M = 0.15
PHASE_NOISE_M = 0.001
CN0_HORIZON_DBHZ = 32.0
CN0_RISE_DBHZ = 17.0
MAX_AMBIGUITY_CYCLES = 100
# The receiver's clock wanders slowly by less than a microsecond, as a steered one does.
CLOCK_OFFSET_S = 4e-7
CLOCK_SWING_S = 1e-7
CLOCK_PERIOD_S = 900.0
RATE_STEP_S = 0.1
# Each round of the travel time is a hundred thousand times better than the one before.
TRAVEL_TOLERANCE_S = 1e-11


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One signal of one satellite; phase in cycles, range rate positive when it recedes."""

    carrier: Carrier
    pseudorange_m: float
    phase_cycles: float
    range_rate_m_s: float
    lock_s: float
    cn0_dbhz: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SatelliteObservation:
    """All signals of one satellite at one epoch."""

    system: System
    prn: int
    channel: int | None
    elevation_deg: float
    azimuth_deg: float
    measurements: tuple[Measurement, ...]


@dataclass(frozen=True, slots=True)
class Sight:
    """Geometry of one satellite: range without atmosphere, place in the sky, satellite clock."""

    range_m: float
    travel_s: float
    satellite_clock_s: float
    elevation_deg: float
    azimuth_deg: float


@dataclass(slots=True)
class Arc:
    """A stretch of unbroken tracking: since when, and the whole cycles of each signal."""

    since_ns: int
    cycles: dict[str, int] = field(default_factory=dict)


class Antenna:
    """A place on the ground, prepared for many satellites."""

    def __init__(self, place: Place) -> None:
        """Compute what depends on the place alone."""
        state = State(
            lat_deg=place.lat_deg,
            lon_deg=place.lon_deg,
            alt_hae_m=place.alt_hae_m,
            speed_m_s=0.0,
            course_deg=0.0,
        )
        self.place = place
        self.horizon = Horizon.at(state)

    @property
    def ecef_m(self) -> Vector:
        """Earth-fixed position."""
        return self.horizon.x_m, self.horizon.y_m, self.horizon.z_m

    def sight(self, eph: Ephemeris, since_toe_s: float, travel_s: float = 0.1) -> Sight:
        """Look at a satellite; the time is that of reception, ``travel_s`` a first guess."""
        here = self.ecef_m
        guess_s = math.inf
        while abs(guess_s - travel_s) > TRAVEL_TOLERANCE_S:
            guess_s = travel_s
            seen = turned(eph.position_m(since_toe_s - guess_s), EARTH_RATE_RAD_S * guess_s)
            range_m = math.dist(seen, here)
            travel_s = range_m / SPEED_OF_LIGHT_M_S
        elevation_deg, azimuth_deg = self.horizon.look(seen)
        clock_s = eph.clock_s(since_toe_s - travel_s)
        return Sight(range_m, travel_s, clock_s, elevation_deg, azimuth_deg)


def turned(point_m: Vector, angle_rad: float) -> Vector:
    """Express a point in the axes of the Earth after it has turned by an angle."""
    x, y, z = point_m
    cos_a, sin_a = math.cos(angle_rad), math.sin(angle_rad)
    return x * cos_a + y * sin_a, -x * sin_a + y * cos_a, z


class Observer:
    """A receiver that measures; it remembers since when it holds each satellite."""

    def __init__(
        self,
        satellites: Sequence[Satellite],
        *,
        seed: str,
        mask_deg: float = 10.0,
        is_noisy: bool = True,
    ) -> None:
        """Watch some satellites above an elevation mask."""
        self._satellites = satellites
        self._carriers = {str(s): carriers_of(s.orbit) for s in satellites}
        self._seed = seed
        self._mask_deg = mask_deg
        self._is_noisy = is_noisy
        self._arcs: dict[str, Arc] = {}
        self._clock_phase = math.tau * noise(seed, "clock")
        self._latest_ns = -1

    def receiver_clock_s(self, gpst_ns: int) -> float:
        """Return how much the receiver's clock is ahead."""
        turn = math.tau * (gpst_ns / NS_PER_S % CLOCK_PERIOD_S) / CLOCK_PERIOD_S
        return CLOCK_OFFSET_S + CLOCK_SWING_S * math.sin(turn + self._clock_phase)

    def observe(self, antenna: Antenna, gpst_ns: int) -> tuple[SatelliteObservation, ...]:
        """Measure at an epoch, which is the time that the receiver's clock shows.

        Going back in time is a restart: everything is acquired anew.
        """
        if gpst_ns < self._latest_ns:
            self._arcs.clear()
        self._latest_ns = gpst_ns
        found = []
        for satellite in self._satellites:
            seen = self._satellite(antenna, satellite, gpst_ns)
            if seen is not None:
                found.append(seen)
        return tuple(found)

    def _satellite(
        self, antenna: Antenna, satellite: Satellite, gpst_ns: int
    ) -> SatelliteObservation | None:
        name = str(satellite)
        eph = satellite.ephemeris(gpst_ns)
        clock_s = self.receiver_clock_s(gpst_ns)
        since_toe_s = (gpst_ns - eph.toe_gpst_ns) / NS_PER_S - clock_s
        sight = antenna.sight(eph, since_toe_s)
        if sight.elevation_deg < self._mask_deg:
            self._arcs.pop(name, None)
            return None
        arc = self._arcs.setdefault(name, Arc(gpst_ns))
        rate_m_s = self._rate_m_s(antenna, eph, gpst_ns, since_toe_s, sight.travel_s)
        elevation, azimuth = math.radians(sight.elevation_deg), math.radians(sight.azimuth_deg)
        horizon = antenna.horizon
        tow_s = gpst_ns / NS_PER_S % WEEK_S
        iono_m = ionosphere_l1_m(horizon.lat_rad, horizon.lon_rad, azimuth, elevation, tow_s)
        tropo_m = troposphere_m(horizon.lat_rad, antenna.place.alt_hae_m, elevation)
        apparent_m = _apparent_m(sight) + SPEED_OF_LIGHT_M_S * clock_s + tropo_m
        weight = 1.0 / math.sin(elevation)
        rng = random.Random(f"noise:{self._seed}:{name}:{gpst_ns}")  # noqa: S311 - reproducible
        measurements = []
        for carrier in self._carriers[name]:
            wavelength_m = carrier.wavelength_m(satellite.channel)
            delay_m = iono_m * (L1_HZ / carrier.frequency_hz(satellite.channel)) ** 2
            code_m = apparent_m + delay_m + SPEED_OF_LIGHT_M_S * code_delay_s(carrier, eph)
            phase_m = apparent_m - delay_m
            if self._is_noisy:
                code_m += rng.gauss(0.0, CODE_NOISE_M * (1.0 + weight))
                phase_m += rng.gauss(0.0, PHASE_NOISE_M * (1.0 + weight) / 2.0)
            cycles = arc.cycles.get(carrier.code)
            if cycles is None:
                # Aligned with the code to some cycles, as receivers do when they lock.
                chance = 2.0 * noise(self._seed, name, carrier.code, gpst_ns) - 1.0
                cycles = round((code_m - phase_m) / wavelength_m + chance * MAX_AMBIGUITY_CYCLES)
                arc.cycles[carrier.code] = cycles
            measurements.append(
                Measurement(
                    carrier=carrier,
                    pseudorange_m=code_m,
                    phase_cycles=phase_m / wavelength_m + cycles,
                    range_rate_m_s=rate_m_s,
                    lock_s=(gpst_ns - arc.since_ns) / NS_PER_S,
                    cn0_dbhz=self._cn0_dbhz(name, carrier, elevation),
                )
            )
        return SatelliteObservation(
            system=satellite.system,
            prn=satellite.prn,
            channel=satellite.channel,
            elevation_deg=sight.elevation_deg,
            azimuth_deg=sight.azimuth_deg,
            measurements=tuple(measurements),
        )

    def _rate_m_s(
        self, antenna: Antenna, eph: Ephemeris, gpst_ns: int, since_toe_s: float, travel_s: float
    ) -> float:
        """Return how fast the pseudorange grows."""
        ahead = antenna.sight(eph, since_toe_s + RATE_STEP_S, travel_s)
        behind = antenna.sight(eph, since_toe_s - RATE_STEP_S, travel_s)
        apparent_m_s = (_apparent_m(ahead) - _apparent_m(behind)) / (2.0 * RATE_STEP_S)
        half_ns = NS_PER_S // 2
        slope = self.receiver_clock_s(gpst_ns + half_ns) - self.receiver_clock_s(gpst_ns - half_ns)
        return apparent_m_s + SPEED_OF_LIGHT_M_S * slope

    def _cn0_dbhz(self, name: str, carrier: Carrier, elevation_rad: float) -> float:
        rise = CN0_RISE_DBHZ * math.sqrt(math.sin(elevation_rad))
        own = 3.0 * (noise(self._seed, name, carrier.code) - 0.5)
        return CN0_HORIZON_DBHZ + rise - carrier.loss_db + own


def _apparent_m(sight: Sight) -> float:
    """Return the range as it seems with the satellite's clock."""
    return sight.range_m - SPEED_OF_LIGHT_M_S * sight.satellite_clock_s
