"""A reference station, or a raw rover: RTCM 3 or UBX of any epoch, for a chosen site.

The sky depends on the seed alone, so that stations of one run see the same satellites and their
differences make sense; ambiguities, clock and noise are the station's own. The same sequence of
epochs gives the same bytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from fwsim import (
    rtcm_ephemeris,
    rtcm_station,
    ubx_message,
    ubx_words,
    unicore_compressed,
    unicore_message,
)
from fwsim.broadcast import constellation
from fwsim.constellation import System
from fwsim.gnss_time import NS_PER_S
from fwsim.observation import Antenna, Observer, SatelliteObservation
from fwsim.orbit import Ephemeris, GlonassEphemeris, Vector
from fwsim.rtcm_legacy import LAYOUTS, legacy
from fwsim.rtcm_msm import groups, msm
from fwsim.scene import Place, offset

DEFAULT_SYSTEMS = (System.GPS, System.GLONASS, System.GALILEO, System.BEIDOU)
EPHEMERIS_NUMBERS = (1019, 1020, 1042, 1044, 1045, 1046)
# Galileo as I/NAV: engines that know an ephemeris by its issue keep one of two with the same.
DEFAULT_EPHEMERIDES = (1019, 1020, 1042, 1044, 1046)
LANGUAGES = ("rtcm", "ubx", "unicore", "unicore-cmp")
NO_ANTENNA = "ADVNULLANTENNA  NONE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """The station stands elsewhere from an instant on, relative to its first site.

    The antenna and the position in 1005 and 1006 move together, unless ``is_told_only``.
    """

    at_gpst_ns: int
    east_m: float = 0.0
    north_m: float = 0.0
    up_m: float = 0.0
    is_told_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StationSpec:
    """What a station sends; an interval of 0 seconds means never.

    ``position_number`` is 1005 or 1006. With ``is_legacy`` GPS and GLONASS go out as 1004 and 1012
    in place of MSM. Every satellite in view has its ephemeris sent once in ``ephemeris_every_s``.
    In ``ubx``, ``unicore`` and ``unicore-cmp``, whose measurements are compressed, there are raw
    measurements and broadcast data alone.
    """

    place: Place
    language: str = "rtcm"
    station: int = 1042
    systems: tuple[System, ...] = DEFAULT_SYSTEMS
    msm: int = 4
    is_legacy: bool = False
    rate_hz: Fraction = Fraction(1)
    position_number: int = 1005
    position_every_s: int = 10
    descriptor_every_s: int = 30
    bias_every_s: int = 30
    ephemeris_every_s: int = 30
    ephemerides: tuple[int, ...] = DEFAULT_EPHEMERIDES
    mask_deg: float = 10.0
    is_non_physical: bool = False
    moves: tuple[Move, ...] = ()


class ReferenceStation:
    """One station; ``frames`` is all it does."""

    def __init__(self, spec: StationSpec, *, seed: str = "0", name: str = "base") -> None:
        """Put up a station.

        Args:
            spec: Where it stands and what it sends.
            seed: Gives the sky; the same for all stations of a run.
            name: With the seed and the station number, gives clock, ambiguities and noise.

        Raises:
            ValueError: a setting that no message can carry.
        """
        _check(spec)
        self.spec = spec
        self._satellites = constellation(spec.systems, seed=seed)
        self._observer = Observer(
            self._satellites, seed=f"{seed}:{name}:{spec.station}", mask_deg=spec.mask_deg
        )
        self._antennas: dict[tuple[float, float, float], Antenna] = {}

    def antenna(self, gpst_ns: int) -> Antenna:
        """Return where the antenna stands."""
        moves = [m for m in self.spec.moves if m.at_gpst_ns <= gpst_ns and not m.is_told_only]
        return self._antenna_at(moves[-1] if moves else None)

    def told_position_m(self, gpst_ns: int) -> Vector:
        """Return the Earth-fixed position that 1005 and 1006 tell."""
        moves = [m for m in self.spec.moves if m.at_gpst_ns <= gpst_ns]
        return self._antenna_at(moves[-1] if moves else None).ecef_m

    def observe(self, gpst_ns: int) -> tuple[SatelliteObservation, ...]:
        """Return what the station measures at an epoch."""
        return self._observer.observe(self.antenna(gpst_ns), gpst_ns)

    def is_epoch(self, gpst_ns: int) -> bool:
        """Tell whether the station measures at an instant: a multiple of its period."""
        # Periods such as a third of a second have no whole number of nanoseconds.
        beyond = gpst_ns * self.spec.rate_hz % NS_PER_S
        return min(beyond, NS_PER_S - beyond) <= self.spec.rate_hz

    def frames(self, t_gpst_ns: int) -> list[bytes]:
        """Return the frames due at an epoch, observations last; none between epochs."""
        spec = self.spec
        out: list[bytes] = []
        seen: tuple[SatelliteObservation, ...] = ()
        if self.is_epoch(t_gpst_ns):
            seen = self.observe(t_gpst_ns)
        if spec.language != "rtcm":
            return self._raw(seen, t_gpst_ns)
        if t_gpst_ns % NS_PER_S == 0:
            second = t_gpst_ns // NS_PER_S
            if _is_due(second, spec.position_every_s):
                out.append(self._position(t_gpst_ns))
            if _is_due(second, spec.descriptor_every_s):
                out += self._descriptors()
            if _is_due(second, spec.bias_every_s) and System.GLONASS in spec.systems:
                out.append(rtcm_station.glonass_biases(spec.station, (0.0, 0.0, 0.0, 0.0)))
            if spec.ephemeris_every_s:
                out += self._ephemerides(t_gpst_ns, second % spec.ephemeris_every_s)
        return out + self._observations(seen, t_gpst_ns)

    def _raw(self, seen: Sequence[SatelliteObservation], t_gpst_ns: int) -> list[bytes]:
        """Return what a receiver says in its own language; broadcast data before the epoch."""
        out: list[bytes] = []
        if t_gpst_ns % NS_PER_S == 0 and self.spec.ephemeris_every_s:
            turn = t_gpst_ns // NS_PER_S % self.spec.ephemeris_every_s
            out = self._ephemerides(t_gpst_ns, turn)
            if self.spec.language != "ubx" and turn == 0:
                out.append(unicore_message.ionosphere(t_gpst_ns))
        if not seen:
            return out
        if self.spec.language == "ubx":
            return [*out, ubx_message.rawx(t_gpst_ns, seen)]
        is_whole = self.spec.language == "unicore"
        observations = (unicore_message if is_whole else unicore_compressed).observations
        return [*out, observations(t_gpst_ns, seen)]

    def _antenna_at(self, move: Move | None) -> Antenna:
        shift = (0.0, 0.0, 0.0) if move is None else (move.east_m, move.north_m, move.up_m)
        if shift not in self._antennas:
            site = self.spec.place
            lat_deg, lon_deg = offset(site, east_m=shift[0], north_m=shift[1])
            place = Place(lat_deg=lat_deg, lon_deg=lon_deg, alt_hae_m=site.alt_hae_m + shift[2])
            self._antennas[shift] = Antenna(site if move is None else place)
        return self._antennas[shift]

    def _position(self, gpst_ns: int) -> bytes:
        spec = self.spec
        return rtcm_station.position(
            spec.station,
            self.told_position_m(gpst_ns),
            rtcm_station.PositionFlags(
                has_gps=System.GPS in spec.systems,
                has_glonass=System.GLONASS in spec.systems,
                has_galileo=System.GALILEO in spec.systems,
                is_non_physical=spec.is_non_physical,
            ),
            antenna_height_m=0.0 if spec.position_number == 1006 else None,
        )

    def _descriptors(self) -> list[bytes]:
        station = self.spec.station
        return [
            rtcm_station.antenna(station, NO_ANTENNA),
            rtcm_station.antenna_and_receiver(
                station,
                antenna=NO_ANTENNA,
                antenna_serial="",
                receiver="FWSIM",
                firmware="1",
                receiver_serial=str(station),
            ),
        ]

    def _ephemerides(self, gpst_ns: int, turn: int) -> list[bytes]:
        """Return the ephemerides whose turn it is among all satellites in view."""
        antenna = self.antenna(gpst_ns)
        out: list[bytes] = []
        for index, satellite in enumerate(self._satellites):
            if index % self.spec.ephemeris_every_s != turn:
                continue
            eph = satellite.ephemeris(gpst_ns)
            sight = antenna.sight(eph, (gpst_ns - eph.toe_gpst_ns) / NS_PER_S)
            if sight.elevation_deg >= self.spec.mask_deg:
                out += self._told(eph, gpst_ns)
        return out

    def _told(self, eph: Ephemeris, gpst_ns: int) -> list[bytes]:
        if self.spec.language == "rtcm":
            return self._ephemeris_frames(eph)
        if self.spec.language == "ubx":
            return ubx_words.navigation(eph, gpst_ns)
        return [unicore_message.ephemeris(eph, gpst_ns)]

    def _ephemeris_frames(self, eph: Ephemeris) -> list[bytes]:
        wanted = self.spec.ephemerides
        if isinstance(eph, GlonassEphemeris):
            return [rtcm_ephemeris.glonass(eph)] if 1020 in wanted else []
        if eph.system is System.GALILEO:
            pairs = ((1045, False), (1046, True))
            return [
                rtcm_ephemeris.galileo(eph, is_inav=is_inav)
                for number, is_inav in pairs
                if number in wanted
            ]
        number, write = {
            System.GPS: (1019, rtcm_ephemeris.gps),
            System.QZSS: (1044, rtcm_ephemeris.qzss),
            System.BEIDOU: (1042, rtcm_ephemeris.beidou),
        }[eph.system]
        return [write(eph)] if number in wanted else []

    def _observations(self, seen: Sequence[SatelliteObservation], gpst_ns: int) -> list[bytes]:
        """Return the observation messages, all but the last one saying that more follow."""
        spec = self.spec
        parts: list[tuple[bool, list[SatelliteObservation]]] = []
        for system in spec.systems:
            own = [item for item in seen if item.system is system]
            if own and spec.is_legacy and system in LAYOUTS:
                parts.append((True, own))
            elif own:
                parts += [(False, part) for part in groups(own)]
        out = []
        for i, (is_legacy, part) in enumerate(parts, start=1):
            has_more = i < len(parts)
            if is_legacy:
                out.append(legacy(spec.station, gpst_ns, part, has_more=has_more))
            else:
                out.append(msm(spec.msm, spec.station, gpst_ns, part, has_more=has_more))
        return out


def _is_due(second: int, every_s: int) -> bool:
    return every_s > 0 and second % every_s == 0


def _check(spec: StationSpec) -> None:
    problems = {
        "msm must be 4 or 7": spec.msm not in {4, 7},
        "language must be rtcm, ubx, unicore or unicore-cmp": spec.language not in LANGUAGES,
        "station must be 0 to 4095": not 0 <= spec.station <= 4095,
        "position_number must be 1005 or 1006": spec.position_number not in {1005, 1006},
        "a system twice": len(set(spec.systems)) < len(spec.systems),
        "no system": not spec.systems,
        "no such ephemeris message": not set(spec.ephemerides) <= set(EPHEMERIS_NUMBERS),
    }
    for problem, is_there in problems.items():
        if is_there:
            raise ValueError(problem)
