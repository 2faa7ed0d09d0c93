"""The streams of a caster: one feed a mount, one a session where the base follows the client."""

import hashlib
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from fwsim.caster_door import Mount
from fwsim.caster_fault import Batch, StreamFaults
from fwsim.caster_feed import Deliver, Feed
from fwsim.caster_frame import number_of
from fwsim.caster_request import Position
from fwsim.caster_spec import MountSpec
from fwsim.caster_station import build_source, build_virtual_source
from fwsim.caster_stream import FrameSource

Tell = Callable[[dict[str, object]], None]
EARTH_RADIUS_M = 6_371_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Time:
    """How a caster knows and spends time: seconds of its clock, GPST nanoseconds since 1980."""

    clock: Callable[[], float]
    gpst_ns: Callable[[float], int]
    sleep: Callable[[float], Awaitable[None]]


def distance_m(a_lat_deg: float, a_lon_deg: float, b_lat_deg: float, b_lon_deg: float) -> float:
    """Return the distance of two places in degrees on a sphere, good to half a percent."""
    a_lat, b_lat = math.radians(a_lat_deg), math.radians(b_lat_deg)
    half_lat = math.sin((b_lat - a_lat) / 2) ** 2
    half_lon = math.sin(math.radians(b_lon_deg - a_lon_deg) / 2) ** 2
    return (
        2
        * EARTH_RADIUS_M
        * math.asin(math.sqrt(half_lat + math.cos(a_lat) * math.cos(b_lat) * half_lon))
    )


class VirtualBase:
    """The base of one client: where it stands, and when it moves after him."""

    def __init__(self, spec: MountSpec, *, seed: str) -> None:
        """Stand nowhere yet."""
        self.feed: Feed | None = None
        self._spec = spec
        self._seed = seed
        self._n_places = 0
        self._at: tuple[float, float] | None = None

    def place(self, position: Position) -> FrameSource | None:
        """Return a new base for a client who is near none, or nothing if the old one will do."""
        spec = self._spec
        if self._at is not None:
            away_m = distance_m(*self._at, position.lat_deg, position.lon_deg)
            if away_m <= spec.virtual_move_m:
                return None
        self._at = (position.lat_deg, position.lon_deg)
        self._n_places += 1
        # 12 bits, and another number for every place.
        station = (spec.station + self._n_places - 1) & 0xFFF
        return build_virtual_source(spec, position, station, seed=self._seed)

    def is_outside(self, position: Position) -> bool:
        """Tell whether the network does not reach there."""
        spec = self._spec
        if spec.fence_m is None:
            return False
        away_m = distance_m(spec.lat_deg, spec.lon_deg, position.lat_deg, position.lon_deg)
        return away_m > spec.fence_m

    def leave(self) -> None:
        """Stand nowhere again."""
        self._at = None


class Outlet:
    """All feeds of a caster, and the truth about what left them."""

    def __init__(
        self,
        mounts: Mapping[str, Mount],
        passing: Time,
        *,
        seed: str,
        truth: Tell | None = None,
        stamp: Tell | None = None,
    ) -> None:
        """Make the feeds of the mounts; nothing runs before somebody listens.

        Raises:
            SpecError: a stream cannot be made as described.
            OSError: a recording cannot be read.
        """
        self._passing = passing
        self._seed = seed
        self._truth = truth
        self._stamp = stamp
        self._bases: dict[object, VirtualBase] = {}
        self._feeds = {
            mount.name: self._feed(mount, build_source(mount.spec, seed=seed))
            for mount in mounts.values()
            if not mount.spec.is_virtual
        }

    def join(self, who: object, mount: Mount, deliver: Deliver) -> None:
        """Let a session have the stream that all have, if this mount has one."""
        feed = self._feeds.get(mount.name)
        if feed is not None:
            feed.join(who, deliver)

    def place(self, who: object, mount: Mount, position: Position, deliver: Deliver) -> None:
        """Let the virtual base of a session stand where it is."""
        if not mount.spec.is_virtual:
            return
        base = self._bases.setdefault(who, VirtualBase(mount.spec, seed=self._seed))
        if base.is_outside(position):
            base.leave()
            self._stop_base(base)
            return
        source = base.place(position)
        if source is not None:
            self._stop_base(base)
            base.feed = self._feed(mount, source)
            base.feed.join(who, deliver)

    def leave(self, who: object, mount: Mount) -> None:
        """Let a session have nothing more."""
        feed = self._feeds.get(mount.name)
        if feed is not None:
            feed.leave(who)
        base = self._bases.pop(who, None)
        if base is not None:
            self._stop_base(base)

    def changed(self, mount: Mount) -> None:
        """Let go of what earlier faults of a mount held back."""
        feed = self._feeds.get(mount.name)
        if feed is not None:
            feed.changed()
        for base in self._bases.values():
            if base.feed is not None:
                base.feed.changed()

    def stop(self) -> None:
        """End all feeds."""
        for feed in self._feeds.values():
            feed.stop()
        for base in self._bases.values():
            self._stop_base(base)

    @staticmethod
    def _stop_base(base: VirtualBase) -> None:
        if base.feed is not None:
            base.feed.stop()
            base.feed = None

    def _feed(self, mount: Mount, source: FrameSource) -> Feed:
        faults: StreamFaults = mount.faults
        return Feed(
            source,
            faults,
            clock=self._passing.clock,
            gpst_ns=self._passing.gpst_ns,
            sleep=self._passing.sleep,
            latency_s=mount.spec.latency_s,
            on_batch=lambda batch: self._tell(mount.name, batch),
        )

    def _tell(self, mount: str, batch: Batch) -> None:
        mono_ns = time.monotonic_ns()
        if self._stamp is not None:
            size = len(batch.data)
            self._stamp({"mount": mount, "batch": batch.n, "mono_ns": mono_ns, "bytes": size})
        if self._truth is None:
            return
        for piece in batch.pieces:
            self._truth(
                {
                    "mount": mount,
                    "batch": batch.n,
                    "mono_ns": mono_ns,
                    "number": number_of(piece.data) if piece.is_intact else None,
                    "bytes": len(piece.data),
                    "sha256": hashlib.sha256(piece.data).hexdigest(),
                    "is_intact": piece.is_intact,
                }
            )
