"""What comes out of raw data of receivers, whatever language it is in."""

from __future__ import annotations

from typing import NamedTuple

from bdgw.geodesy import Ecef
from bdgw.positioning.atmosphere import Klobuchar
from bdgw.positioning.ephemeris import Orbit
from bdgw.positioning.observation import ObservationEpoch

__all__ = [
    "AntennaSeen",
    "BasePlace",
    "CodePhaseSeen",
    "EpochSeen",
    "IonosphereSeen",
    "OrbitSeen",
    "RawEvent",
]


class EpochSeen(NamedTuple):
    """A whole epoch; ``source`` is rtcm3, ubx or unicore."""

    source: str
    epoch: ObservationEpoch


class OrbitSeen(NamedTuple):
    """A broadcast set."""

    orbit: Orbit


class BasePlace(NamedTuple):
    """A station's antenna reference point (1005, 1006), which ranges are reduced to."""

    ecef_m: Ecef


class AntennaSeen(NamedTuple):
    """A station's antenna (1007, 1008, 1033): the IGS name of it and its radome."""

    name: str
    serial: str | None


class IonosphereSeen(NamedTuple):
    """A broadcast ionosphere of G or C."""

    system: str
    model: Klobuchar


class CodePhaseSeen(NamedTuple):
    """GLONASS code-phase biases of the station in metres, by signal (1230)."""

    bias_m: dict[int, float]


RawEvent = EpochSeen | OrbitSeen | BasePlace | AntennaSeen | IonosphereSeen | CodePhaseSeen
