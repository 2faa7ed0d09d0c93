"""Makes the source of a mount: the recording it names, or the station it describes."""

from dataclasses import replace
from fractions import Fraction

from fwsim.capture import read_capture
from fwsim.caster_fault import Shift
from fwsim.caster_request import Position
from fwsim.caster_spec import MountSpec
from fwsim.caster_stream import FrameSource, RecordedSource, StationSource
from fwsim.constellation import System
from fwsim.reference_station import Move, ReferenceStation, StationSpec
from fwsim.scene import Place
from fwsim.spec import SpecError


def build_source(spec: MountSpec, *, seed: str) -> FrameSource:
    """Make the stream that all clients of a mount have.

    Raises:
        SpecError: the recording has no frames, or the station cannot be made.
        OSError: the recording cannot be read.
    """
    if spec.capture is not None:
        return _recording(spec)
    place = Place(lat_deg=spec.lat_deg, lon_deg=spec.lon_deg, alt_hae_m=spec.alt_hae_m)
    return _station(spec, place, spec.station, seed)


def build_virtual_source(
    spec: MountSpec, position: Position, station: int, *, seed: str
) -> FrameSource:
    """Make the stream of a virtual base at a client's place, or the recording if there is one.

    Raises:
        SpecError: the recording has no frames, or the station cannot be made.
        OSError: the recording cannot be read.
    """
    if spec.capture is not None:
        return _recording(spec)
    # The height above the ellipsoid is the mount's: a GGA may not tell its geoid separation.
    place = Place(lat_deg=position.lat_deg, lon_deg=position.lon_deg, alt_hae_m=spec.alt_hae_m)
    return _station(spec, place, station, seed)


def _recording(spec: MountSpec) -> FrameSource:
    if spec.capture is None:
        raise SpecError("no recording")
    try:
        return RecordedSource(read_capture(spec.capture), is_loop=spec.loop, is_live=spec.is_live)
    except (ValueError, EOFError) as error:
        msg = f"mount {spec.name}: {spec.capture}: {error}"
        raise SpecError(msg) from error


class _MovableStation:
    """A reference station that can be carried away while it runs, without losing lock."""

    def __init__(self, station: ReferenceStation) -> None:
        self._station = station

    def frames(self, t_gpst_ns: int) -> list[bytes]:
        """Return the frames that are due at an epoch."""
        return self._station.frames(t_gpst_ns)

    def move(self, shift_m: Shift | None, *, is_told_only: bool) -> None:
        """Stand so far east, north and up of the first site from now on, or say so only."""
        moves: tuple[Move, ...] = ()
        if shift_m is not None:
            east_m, north_m, up_m = shift_m
            jump = Move(at_gpst_ns=0, east_m=east_m, north_m=north_m, up_m=up_m)
            moves = (replace(jump, is_told_only=is_told_only),)
        if moves != self._station.spec.moves:
            self._station.spec = replace(self._station.spec, moves=moves)


def _station(spec: MountSpec, place: Place, station: int, seed: str) -> FrameSource:
    try:
        described = StationSpec(
            place=place,
            station=station,
            systems=tuple(System(letter) for letter in spec.systems),
            msm=spec.msm,
            is_legacy=spec.is_legacy,
            rate_hz=Fraction(spec.rate_hz).limit_denominator(1000),
            position_number=spec.position_number,
            position_every_s=spec.position_every_s,
            ephemeris_every_s=spec.ephemeris_every_s,
            is_non_physical=spec.is_virtual,
        )
        built = ReferenceStation(described, seed=seed, name=spec.name)
    except ValueError as error:
        msg = f"mount {spec.name}: {error}"
        raise SpecError(msg) from error
    return StationSource(_MovableStation(built), rate_hz=spec.rate_hz)
