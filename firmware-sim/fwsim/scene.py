"""The truth: where an antenna is, how it moves, and the instants at which it is asked.

Knows geometry and the grid of epochs; knows nothing of satellites, sentences or clocks. A scene is
a pure function of the epoch, so any epoch can be computed without the ones before it.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Protocol

NS_PER_S = 1_000_000_000
SEMI_MAJOR_M = 6_378_137.0
FLATTENING = 1 / 298.257223563
ECCENTRICITY_SQ = FLATTENING * (2 - FLATTENING)


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Position and velocity of the antenna at one instant."""

    lat_deg: float
    lon_deg: float
    alt_hae_m: float
    speed_m_s: float
    course_deg: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A start position: geodetic degrees, ellipsoidal height."""

    lat_deg: float
    lon_deg: float
    alt_hae_m: float = 20.0


class Track(Protocol):
    """A trajectory as a function of the seconds since the start of the scene."""

    def at(self, elapsed_s: float) -> State:
        """Return the state after ``elapsed_s`` seconds."""
        ...


def curvature_radii_m(lat_deg: float) -> tuple[float, float]:
    """Return the radii of curvature along the meridian and across it."""
    sin_sq = math.sin(math.radians(lat_deg)) ** 2
    root = math.sqrt(1 - ECCENTRICITY_SQ * sin_sq)
    across_m = SEMI_MAJOR_M / root
    return across_m * (1 - ECCENTRICITY_SQ) / root**2, across_m


def offset(place: Place, *, east_m: float, north_m: float) -> tuple[float, float]:
    """Return latitude and longitude (degrees) of a point a little east and north of a place."""
    meridian_m, across_m = curvature_radii_m(place.lat_deg)
    lat_deg = place.lat_deg + math.degrees(north_m / (meridian_m + place.alt_hae_m))
    shrink = math.cos(math.radians(place.lat_deg))
    lon_deg = place.lon_deg + math.degrees(east_m / ((across_m + place.alt_hae_m) * shrink))
    return lat_deg, wrap_lon_deg(lon_deg)


def wrap_lon_deg(lon_deg: float) -> float:
    """Bring a longitude into [-180, 180); values inside pass unchanged, to the last bit."""
    if -180.0 <= lon_deg < 180.0:
        return lon_deg
    return (lon_deg + 180.0) % 360.0 - 180.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Static:
    """An antenna on a pillar."""

    place: Place

    def at(self, elapsed_s: float) -> State:
        """Return the same state for every instant."""
        del elapsed_s
        return State(
            lat_deg=self.place.lat_deg,
            lon_deg=self.place.lon_deg,
            alt_hae_m=self.place.alt_hae_m,
            speed_m_s=0.0,
            course_deg=0.0,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Circle:
    """A vessel turning in a harbour basin: constant speed on a circle, rising with the swell."""

    place: Place
    radius_m: float = 120.0
    speed_m_s: float = 2.5
    start_angle_rad: float = 0.0
    swell_m: float = 0.15
    swell_period_s: float = 6.0

    def at(self, elapsed_s: float) -> State:
        """Return the state on the circle; the course is the tangent, clockwise."""
        angle_rad = self.start_angle_rad + self.speed_m_s * elapsed_s / self.radius_m
        lat_deg, lon_deg = offset(
            self.place,
            east_m=self.radius_m * math.sin(angle_rad),
            north_m=self.radius_m * math.cos(angle_rad),
        )
        swell = math.sin(math.tau * elapsed_s / self.swell_period_s)
        return State(
            lat_deg=lat_deg,
            lon_deg=lon_deg,
            alt_hae_m=self.place.alt_hae_m + self.swell_m * swell,
            speed_m_s=self.speed_m_s,
            course_deg=math.degrees(angle_rad + math.pi / 2) % 360.0,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """A straight piece of a line track."""

    start: Place
    end: Place
    length_m: float
    course_deg: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A truck or ship going along waypoints and back, for ever, at constant speed."""

    legs: tuple[Leg, ...]
    speed_m_s: float = 12.0

    @property
    def length_m(self) -> float:
        """Length of the way out."""
        return sum(leg.length_m for leg in self.legs)

    def at(self, elapsed_s: float) -> State:
        """Return the state on the way out or on the way back."""
        way_m = self.speed_m_s * elapsed_s % (2 * self.length_m)
        is_back = way_m > self.length_m
        rest_m = 2 * self.length_m - way_m if is_back else way_m
        for leg in self.legs[:-1]:
            if rest_m <= leg.length_m:
                break
            rest_m -= leg.length_m
        else:
            leg = self.legs[-1]
        part = min(rest_m / leg.length_m, 1.0)
        turn_deg = 180.0 if is_back else 0.0
        return State(
            lat_deg=leg.start.lat_deg + part * (leg.end.lat_deg - leg.start.lat_deg),
            lon_deg=leg.start.lon_deg + part * (leg.end.lon_deg - leg.start.lon_deg),
            alt_hae_m=leg.start.alt_hae_m + part * (leg.end.alt_hae_m - leg.start.alt_hae_m),
            speed_m_s=self.speed_m_s,
            course_deg=(leg.course_deg + turn_deg) % 360.0,
        )


def leg_between(start: Place, end: Place) -> Leg:
    """Measure the straight leg between two places, with the radii at its middle."""
    mid_deg = (start.lat_deg + end.lat_deg) / 2
    meridian_m, across_m = curvature_radii_m(mid_deg)
    north_m = math.radians(end.lat_deg - start.lat_deg) * meridian_m
    shrink = math.cos(math.radians(mid_deg))
    east_m = math.radians(end.lon_deg - start.lon_deg) * across_m * shrink
    return Leg(
        start=start,
        end=end,
        length_m=math.hypot(east_m, north_m),
        course_deg=math.degrees(math.atan2(east_m, north_m)) % 360.0,
    )


def line_through(waypoints: Sequence[Place], *, speed_m_s: float) -> Line:
    """Build a line track through at least two different waypoints.

    Raises:
        ValueError: fewer than two waypoints, or two equal neighbours.
    """
    legs = tuple(leg_between(start, end) for start, end in pairwise(waypoints))
    if not legs or any(leg.length_m == 0.0 for leg in legs):
        msg = "a line track needs two or more waypoints, neighbours different"
        raise ValueError(msg)
    return Line(legs=legs, speed_m_s=speed_m_s)


def random_waypoints(place: Place, rng: random.Random, *, n_legs: int = 4) -> tuple[Place, ...]:
    """Draw waypoints of a road-like way: legs of 400 to 1,500 m, turns below 60 degrees."""
    places = [place]
    course_rad = rng.uniform(0.0, math.tau)
    for _ in range(n_legs):
        length_m = rng.uniform(400.0, 1500.0)
        lat_deg, lon_deg = offset(
            places[-1],
            east_m=length_m * math.sin(course_rad),
            north_m=length_m * math.cos(course_rad),
        )
        alt_m = places[-1].alt_hae_m + rng.uniform(-3.0, 3.0)
        places.append(Place(lat_deg=lat_deg, lon_deg=lon_deg, alt_hae_m=alt_m))
        course_rad += rng.uniform(-math.pi / 3, math.pi / 3)
    return tuple(places)


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochGrid:
    """The instants of a receiver: exactly the multiples of 1/rate of UTC seconds."""

    rate_hz: Fraction
    start_utc_ns: int

    @property
    def first(self) -> int:
        """Number of the first multiple that is not before the start."""
        return -(-self.start_utc_ns * self.rate_hz // NS_PER_S)

    def utc_ns(self, n: int) -> int:
        """Return the instant of epoch ``n`` (0 is the first), nanoseconds since 1970."""
        return round((self.first + n) * NS_PER_S / self.rate_hz)

    def elapsed_s(self, n: int) -> float:
        """Return the seconds between the start and epoch ``n``."""
        return (self.utc_ns(n) - self.start_utc_ns) / NS_PER_S
