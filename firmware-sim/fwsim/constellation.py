"""What flies: systems, orbits, signals and satellite numbers, as tables.

The orbits are circular stand-ins with the real heights, inclinations and planes: good enough for a
believable sky, useless for positioning.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum

EARTH_RATE_RAD_S = 7.2921151467e-5
EARTH_MU_M3_S2 = 3.986004418e14


class System(Enum):
    """A satellite system, by its RINEX letter."""

    GPS = "G"
    GLONASS = "R"
    GALILEO = "E"
    BEIDOU = "C"
    QZSS = "J"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """A signal: RINEX-like name and how much weaker than the first one it is received."""

    name: str
    loss_db: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Orbit:
    """A circular orbit; angles at the start of the scene, Earth-fixed when geostationary."""

    system: System
    prn: int
    radius_m: float
    inclination_rad: float
    node_rad: float
    phase_rad: float
    signals: tuple[Signal, ...]

    @property
    def rate_rad_s(self) -> float:
        """Mean motion."""
        return math.sqrt(EARTH_MU_M3_S2 / self.radius_m**3)


GEO_RADIUS_M = 42_164_200.0
GPS_RADIUS_M = 26_560_000.0
GLONASS_RADIUS_M = 25_508_000.0
GALILEO_RADIUS_M = 29_600_000.0
BEIDOU_MEO_RADIUS_M = 27_906_000.0

GPS_SIGNALS = (Signal(name="L1CA"), Signal(name="L5Q", loss_db=-1.0))
GPS_OLD_SIGNALS = (Signal(name="L1CA"), Signal(name="L2P", loss_db=6.0))
GLONASS_SIGNALS = (Signal(name="G1CA"), Signal(name="G2CA", loss_db=2.0))
GALILEO_SIGNALS = (Signal(name="E1BC"), Signal(name="E5B", loss_db=-1.0))
BDS2_SIGNALS = (Signal(name="B1I"), Signal(name="B2I", loss_db=0.5), Signal(name="B3I"))
BDS3_SIGNALS = (
    Signal(name="B1I"),
    Signal(name="B1C", loss_db=0.5),
    Signal(name="B2A", loss_db=-1.5),
    Signal(name="B3I", loss_db=-0.5),
)
QZSS_SIGNALS = (Signal(name="L1CA"), Signal(name="L5Q", loss_db=-1.0))

GPS_WITHOUT_L5 = frozenset({5, 7, 12, 15, 17, 19, 29, 31})
GALILEO_NOT_IN_SERVICE = frozenset({6, 16, 17, 20, 22, 28, 32, 35})
# Number and longitude of the geostationary BeiDou satellites: second and third generation.
BDS2_GEO = ((1, 140.0), (2, 80.0), (3, 110.5), (4, 160.0), (5, 58.75))
BDS3_GEO = ((59, 140.0), (60, 80.0), (61, 110.5))
# Number and longitude of the ascending crossing of the inclined geosynchronous satellites.
BDS2_IGSO = ((6, 118.0), (7, 118.0), (8, 118.0), (9, 95.0), (10, 95.0), (13, 95.0), (16, 112.0))
BDS3_IGSO = ((38, 110.5), (39, 112.0), (40, 108.0))
BDS2_MEO = (11, 12, 14)
BDS3_MEO = (*range(19, 31), *range(32, 38), *range(41, 47))
QZSS_IGSO = ((2, 135.0), (3, 135.0), (4, 135.0))
QZSS_GEO = ((7, 127.0),)


def _walker(
    system: System,
    prns: tuple[int, ...],
    *,
    planes: int,
    radius_m: float,
    inclination_deg: float,
    signals: tuple[Signal, ...],
    phase_rad: float,
) -> list[Orbit]:
    """Spread satellites evenly over evenly turned planes."""
    slots = -(-len(prns) // planes)
    orbits = []
    for index, prn in enumerate(prns):
        plane, slot = index % planes, index // planes
        orbits.append(
            Orbit(
                system=system,
                prn=prn,
                radius_m=radius_m,
                inclination_rad=math.radians(inclination_deg),
                node_rad=math.tau * plane / planes + phase_rad / 7,
                phase_rad=phase_rad + math.tau * (slot / slots + plane / (planes * slots)),
                signals=signals,
            )
        )
    return orbits


def _stationary(
    system: System, places: tuple[tuple[int, float], ...], signals: tuple[Signal, ...]
) -> list[Orbit]:
    return [
        Orbit(
            system=system,
            prn=prn,
            radius_m=GEO_RADIUS_M,
            inclination_rad=math.radians(0.5),
            node_rad=0.0,
            phase_rad=math.radians(lon_deg),
            signals=signals,
        )
        for prn, lon_deg in places
    ]


def _inclined(
    system: System,
    places: tuple[tuple[int, float], ...],
    signals: tuple[Signal, ...],
    *,
    inclination_deg: float,
    phase_rad: float,
) -> list[Orbit]:
    """Figure-of-eight satellites: the node follows the phase, so the crossing stays put."""
    orbits = []
    for index, (prn, lon_deg) in enumerate(places):
        along_rad = phase_rad + math.tau * index / len(places)
        orbits.append(
            Orbit(
                system=system,
                prn=prn,
                radius_m=GEO_RADIUS_M,
                inclination_rad=math.radians(inclination_deg),
                node_rad=math.radians(lon_deg) - along_rad,
                phase_rad=along_rad,
                signals=signals,
            )
        )
    return orbits


def _gps(phase_rad: float) -> list[Orbit]:
    orbits = _walker(
        System.GPS,
        tuple(range(1, 33)),
        planes=6,
        radius_m=GPS_RADIUS_M,
        inclination_deg=55.0,
        signals=GPS_SIGNALS,
        phase_rad=phase_rad,
    )
    return [
        replace(orbit, signals=GPS_OLD_SIGNALS) if orbit.prn in GPS_WITHOUT_L5 else orbit
        for orbit in orbits
    ]


def _glonass(phase_rad: float) -> list[Orbit]:
    return _walker(
        System.GLONASS,
        tuple(range(1, 25)),
        planes=3,
        radius_m=GLONASS_RADIUS_M,
        inclination_deg=64.8,
        signals=GLONASS_SIGNALS,
        phase_rad=phase_rad,
    )


def _galileo(phase_rad: float) -> list[Orbit]:
    return _walker(
        System.GALILEO,
        tuple(prn for prn in range(1, 37) if prn not in GALILEO_NOT_IN_SERVICE),
        planes=3,
        radius_m=GALILEO_RADIUS_M,
        inclination_deg=56.0,
        signals=GALILEO_SIGNALS,
        phase_rad=phase_rad,
    )


def _beidou(phase_rad: float) -> list[Orbit]:
    system = System.BEIDOU
    orbits = _stationary(system, BDS2_GEO, BDS2_SIGNALS)
    orbits += _stationary(system, BDS3_GEO, BDS3_SIGNALS)
    for places, signals in ((BDS2_IGSO, BDS2_SIGNALS), (BDS3_IGSO, BDS3_SIGNALS)):
        orbits += _inclined(system, places, signals, inclination_deg=55.0, phase_rad=phase_rad)
    for prns, signals in ((BDS2_MEO, BDS2_SIGNALS), (BDS3_MEO, BDS3_SIGNALS)):
        orbits += _walker(
            system,
            prns,
            planes=3,
            radius_m=BEIDOU_MEO_RADIUS_M,
            inclination_deg=55.0,
            signals=signals,
            phase_rad=phase_rad,
        )
    return orbits


def _qzss(phase_rad: float) -> list[Orbit]:
    orbits = _inclined(
        System.QZSS, QZSS_IGSO, QZSS_SIGNALS, inclination_deg=41.0, phase_rad=phase_rad
    )
    return orbits + _stationary(System.QZSS, QZSS_GEO, QZSS_SIGNALS)


_BUILDERS: dict[System, Callable[[float], list[Orbit]]] = {
    System.GPS: _gps,
    System.GLONASS: _glonass,
    System.GALILEO: _galileo,
    System.BEIDOU: _beidou,
    System.QZSS: _qzss,
}


def orbits_of(system: System, *, phase_rad: float) -> tuple[Orbit, ...]:
    """Return the satellites of a system, its planes turned by ``phase_rad``."""
    return tuple(_BUILDERS[system](phase_rad))
