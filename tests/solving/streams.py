"""Streams of the simulator's reference stations: RTCM 3 by an independent writer."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache

from fwsim.constellation import System
from fwsim.gnss_time import NS_PER_S, gpst_of_utc_ns
from fwsim.observation import Antenna
from fwsim.reference_station import ReferenceStation, StationSpec
from fwsim.scene import Place, offset

T0_GPST_NS = gpst_of_utc_ns(1_795_348_800 * NS_PER_S)
BASE = Place(lat_deg=31.2994, lon_deg=121.5033, alt_hae_m=20.0)
_EAST_M, _NORTH_M = 300.0, 400.0


def rover_place() -> Place:
    lat_deg, lon_deg = offset(BASE, east_m=_EAST_M, north_m=_NORTH_M)
    return Place(lat_deg=lat_deg, lon_deg=lon_deg, alt_hae_m=35.0)


def truth_m() -> tuple[float, float, float]:
    x, y, z = Antenna(rover_place()).ecef_m
    return x, y, z


@lru_cache
def station(name: str, seconds: int, systems: str = "GEC") -> tuple[tuple[bytes, ...], ...]:
    """The frames of each second of a rover or base; the first has every ephemeris."""
    place = BASE if name == "base" else rover_place()
    spec = StationSpec(
        place=place,
        station=7 if name == "base" else 9,
        rate_hz=Fraction(1),
        systems=tuple(System(letter) for letter in systems),
        msm=7,
        ephemeris_every_s=1,
        position_every_s=1 if name == "base" else 0,
    )
    unit = ReferenceStation(spec, seed="1", name=name)
    return tuple(tuple(unit.frames(T0_GPST_NS + i * NS_PER_S)) for i in range(seconds))


@lru_cache
def raw_rover(seconds: int, systems: str = "GREC", language: str = "ubx") -> tuple[bytes, ...]:
    """What the same rover says in its own language, second by second."""
    spec = StationSpec(
        place=rover_place(),
        language=language,
        rate_hz=Fraction(1),
        systems=tuple(System(letter) for letter in systems),
        ephemeris_every_s=1,
    )
    unit = ReferenceStation(spec, seed="1", name="rover")
    return tuple(b"".join(unit.frames(T0_GPST_NS + i * NS_PER_S)) for i in range(seconds))
