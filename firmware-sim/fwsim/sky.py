"""The sky above a place: which satellites are up, where they stand and how well they are heard.

A pure function of seed, place and time. Low satellites are sometimes tracked without a signal
strength and fresh ones without elevation and azimuth, as real receivers report them.
"""

import math
import random
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from fwsim.constellation import EARTH_RATE_RAD_S, Orbit, System, orbits_of
from fwsim.scene import ECCENTRICITY_SQ, State, curvature_radii_m

HORIZON_DEG = 5.0
USE_MASK_DEG = 10.0
UNHEARD_BELOW_DEG = 9.0
CN0_ZENITH_DBHZ = 49.0
CN0_HORIZON_DBHZ = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """A satellite as a receiver reports it; ``None`` where it says nothing."""

    system: System
    prn: int
    elevation_deg: int | None
    azimuth_deg: int | None
    cn0_dbhz: dict[str, int | None]
    is_used: bool


def noise(*key: object) -> float:
    """Return a number in [0, 1) that depends on the key alone, on every machine alike."""
    text = ":".join(str(part) for part in key).encode()
    # The bits of a CRC of similar keys are correlated; one multiplicative step mixes them.
    return (zlib.crc32(text) * 2_654_435_761 % 2**32 ^ zlib.crc32(text[::-1])) % 2**32 / 2**32


def satellite_ecef_m(orbit: Orbit, elapsed_s: float) -> tuple[float, float, float]:
    """Return the Earth-fixed position of a satellite."""
    along_rad = orbit.phase_rad + orbit.rate_rad_s * elapsed_s
    node_rad = orbit.node_rad - EARTH_RATE_RAD_S * elapsed_s
    in_x = orbit.radius_m * math.cos(along_rad)
    in_y = orbit.radius_m * math.sin(along_rad)
    flat_y = in_y * math.cos(orbit.inclination_rad)
    return (
        in_x * math.cos(node_rad) - flat_y * math.sin(node_rad),
        in_x * math.sin(node_rad) + flat_y * math.cos(node_rad),
        in_y * math.sin(orbit.inclination_rad),
    )


@dataclass(frozen=True, slots=True)
class Horizon:
    """An antenna's local frame, prepared once for all satellites of an instant."""

    x_m: float
    y_m: float
    z_m: float
    lat_rad: float
    lon_rad: float

    @classmethod
    def at(cls, state: State) -> "Horizon":
        """Prepare the frame at a state."""
        lat_rad, lon_rad = math.radians(state.lat_deg), math.radians(state.lon_deg)
        _, across_m = curvature_radii_m(state.lat_deg)
        flat_m = (across_m + state.alt_hae_m) * math.cos(lat_rad)
        return cls(
            flat_m * math.cos(lon_rad),
            flat_m * math.sin(lon_rad),
            (across_m * (1 - ECCENTRICITY_SQ) + state.alt_hae_m) * math.sin(lat_rad),
            lat_rad,
            lon_rad,
        )

    def look(self, xyz_m: tuple[float, float, float]) -> tuple[float, float]:
        """Return elevation and azimuth of a point, degrees."""
        dx, dy, dz = xyz_m[0] - self.x_m, xyz_m[1] - self.y_m, xyz_m[2] - self.z_m
        sin_lat, cos_lat = math.sin(self.lat_rad), math.cos(self.lat_rad)
        sin_lon, cos_lon = math.sin(self.lon_rad), math.cos(self.lon_rad)
        outward = cos_lon * dx + sin_lon * dy
        east = -sin_lon * dx + cos_lon * dy
        north = -sin_lat * outward + cos_lat * dz
        up = cos_lat * outward + sin_lat * dz
        elevation_deg = math.degrees(math.atan2(up, math.hypot(east, north)))
        return elevation_deg, math.degrees(math.atan2(east, north)) % 360.0


class Sky:
    """A seeded sky of some systems."""

    def __init__(self, systems: Sequence[System], *, seed: str) -> None:
        """Turn the planes of every system by an angle drawn from the seed."""
        rng = random.Random(f"sky:{seed}")  # noqa: S311 - reproducible, not secret
        self._seed = zlib.crc32(seed.encode())
        self._orbits = tuple(
            orbit
            for system in systems
            for orbit in orbits_of(system, phase_rad=rng.uniform(0.0, math.tau))
        )

    def sightings(self, state: State, elapsed_s: float) -> tuple[Sighting, ...]:
        """Return what is in view, in order of system and number."""
        horizon = Horizon.at(state)
        found = []
        for orbit in self._orbits:
            elevation_deg, azimuth_deg = horizon.look(satellite_ecef_m(orbit, elapsed_s))
            if elevation_deg >= HORIZON_DEG:
                found.append(self._sighting(orbit, elevation_deg, azimuth_deg, int(elapsed_s)))
        found.sort(key=lambda sighting: (sighting.system.value, sighting.prn))
        return tuple(found)

    def _sighting(
        self, orbit: Orbit, elevation_deg: float, azimuth_deg: float, second: int
    ) -> Sighting:
        key = (self._seed, orbit.system.value, orbit.prn)
        cn0 = {
            signal.name: self._cn0_dbhz(key, elevation_deg, signal.name, signal.loss_db, second)
            for signal in orbit.signals
        }
        is_heard = any(value is not None for value in cn0.values())
        # A satellite acquired without an almanac has a signal but no place in the sky yet.
        is_fresh = is_heard and elevation_deg < USE_MASK_DEG and noise(*key, "fresh") < 0.2
        return Sighting(
            system=orbit.system,
            prn=orbit.prn,
            elevation_deg=None if is_fresh else round(elevation_deg),
            azimuth_deg=None if is_fresh else round(azimuth_deg) % 360,
            cn0_dbhz=cn0,
            is_used=is_heard and elevation_deg >= USE_MASK_DEG and noise(*key, "bad") > 0.04,
        )

    def _cn0_dbhz(
        self,
        key: tuple[int, str, int],
        elevation_deg: float,
        signal: str,
        loss_db: float,
        second: int,
    ) -> int | None:
        block = second // 20  # a low satellite comes and goes in stretches, not every second
        if elevation_deg < UNHEARD_BELOW_DEG and noise(*key, signal, block, "gone") < 0.5:
            return None
        if elevation_deg < 40.0 and noise(*key, signal, block, "shade") < 0.03:
            return None
        rise = math.sqrt(math.sin(math.radians(elevation_deg)))
        level = CN0_HORIZON_DBHZ + (CN0_ZENITH_DBHZ - CN0_HORIZON_DBHZ) * rise - loss_db
        own = 3.0 * (noise(*key, signal) - 0.5)
        flicker = 2.0 * (noise(*key, signal, second) - 0.5)
        return max(8, round(level + own + flicker))
