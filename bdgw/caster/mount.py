"""One mount while the caster runs: what its stream contains and who gets it."""

from __future__ import annotations

from collections.abc import Iterable

from bdgw.caster.connection import Batch, Connection
from bdgw.caster.content import Content
from bdgw.caster.near import Candidate, choose
from bdgw.caster.snapshot import ClientSnapshot, MountSnapshot, PusherSnapshot
from bdgw.caster.spec import MountKind, MountSpec
from bdgw.geodesy import Ecef, chord_m, ecef_from_geodetic

__all__ = ["Mount", "client_snapshot", "nearest"]


class Mount:
    """``clients`` asked for this mount; ``readers`` get its frames, which NEAR clients may too."""

    def __init__(self, spec: MountSpec, *, silent_s: float) -> None:
        self.spec = spec
        self.content = Content()
        self.clients: set[Connection] = set()
        self.readers: set[Connection] = set()
        self.pusher: Connection | None = None
        self.was_flowing = False
        self._silent_s = silent_s
        self._place_m: Ecef | None = None
        if spec.lat_deg is not None and spec.lon_deg is not None:
            self._place_m = ecef_from_geodetic(spec.lat_deg, spec.lon_deg, 0.0)

    def receive(self, data: bytes, now: float) -> list[bytes]:
        """Take bytes of the stream and send what became whole to every reader."""
        return self._distribute(self.content.receive(data, now=now), now)

    def tick(self, now: float) -> list[bytes]:
        """Let go what a false preamble has held back."""
        return self._distribute(self.content.tick(now=now), now)

    def restart(self, pusher: Connection | None) -> None:
        """Begin anew with another base, or none: nothing measured of the old one is kept."""
        self.pusher = pusher
        if pusher is not None:
            self.content = Content()

    def is_flowing(self, now: float) -> bool:
        """Say whether frames came lately."""
        last_s = self.content.last_frame_s
        return last_s is not None and now - last_s <= self._silent_s

    def candidate(self, now: float) -> Candidate | None:
        """This mount as a choice for NEAR; None where nobody knows where its base is."""
        station = self.content.station
        place_m = self._place_m if station is None else station.ecef_m
        if place_m is None:
            return None
        return Candidate(self.spec.name, place_m, self.is_flowing(now))

    def snapshot(self, now: float) -> MountSnapshot:
        """The mount at ``now``."""
        spec, content, station = self.spec, self.content, self.content.station
        last_s = content.last_frame_s
        return MountSnapshot(
            name=spec.name,
            kind=spec.kind,
            identifier=spec.identifier,
            country=spec.country,
            generator=spec.generator,
            is_open=spec.is_open,
            is_flowing=self.is_flowing(now),
            reason=self._reason(now),
            messages=content.rates(now),
            systems=content.systems(now),
            carrier=content.carrier(now),
            bits_per_s=content.bits_per_s(now),
            lat_deg=spec.lat_deg if station is None else station.lat_deg,
            lon_deg=spec.lon_deg if station is None else station.lon_deg,
            is_position_measured=station is not None,
            station=None if station is None else station.number,
            is_virtual=station is not None and station.is_virtual,
            frame=spec.frame,
            frame_epoch_year=spec.frame_epoch_year,
            last_frame_age_s=None if last_s is None else max(0.0, now - last_s),
            n_clients=len(self.clients),
            n_frames=content.n_frames,
            n_bytes=content.n_bytes,
            skipped_bytes=content.skipped_bytes,
            inspection_failures=content.inspection_failures,
            pusher=None if self.pusher is None else _pusher_snapshot(self.pusher, now),
        )

    def _distribute(self, frames: list[bytes], now: float) -> list[bytes]:
        if frames and self.readers:
            batch = Batch(frames)
            for reader in _still(self.readers):
                reader.send(batch, now)
        return frames

    def _reason(self, now: float) -> str:
        last_s = self.content.last_frame_s
        if self.spec.kind is MountKind.NEAR:
            return "serves each client from the nearest base with data"
        if last_s is not None and now - last_s <= self._silent_s:
            return "data flows"
        if self.spec.kind is MountKind.PUSH and self.pusher is None:
            return "no base has dialled in"
        if last_s is None:
            return "no data has come yet"
        return f"no data for {now - last_s:.0f} s"


def nearest(
    near: MountSpec,
    members: Iterable[Mount],
    client: Connection,
    *,
    hysteresis_m: float,
    now: float,
) -> str | None:
    """The member that serves a client of ``near`` best, None until the client says where it is."""
    position = client.position
    if position is None:
        return None
    candidates = [each for member in members if (each := member.candidate(now)) is not None]
    choice = choose(
        ecef_from_geodetic(position.lat_deg, position.lon_deg, 0.0),
        candidates,
        current=client.source,
        hysteresis_m=hysteresis_m,
        max_distance_m=near.max_distance_m,
    )
    return None if choice is None else choice.mount


def client_snapshot(client: Connection, source: Mount | None, now: float) -> ClientSnapshot:
    """A client at ``now``; ``source`` is where its frames come from."""
    request, position = client.request, client.position
    base = None if source is None else source.candidate(now)
    distance_m = None
    if position is not None and base is not None:
        here_m = ecef_from_geodetic(position.lat_deg, position.lon_deg, 0.0)
        distance_m = chord_m(here_m, base.ecef_m)
    since_s = client.stalled_since_s
    return ClientSnapshot(
        peer=client.peer,
        user=client.user,
        agent="" if request is None else request.agent,
        dialect="" if request is None else str(request.dialect),
        mount=client.mount or "",
        source=client.source,
        distance_m=distance_m,
        age_s=max(0.0, now - client.since_s),
        bytes_out=client.bytes_out,
        n_frames=client.n_frames_out,
        n_dropped=client.queue.n_dropped,
        pending_bytes=client.queue.pending_bytes,
        stalled_s=None if since_s is None else max(0.0, now - since_s),
    )


def _still(readers: set[Connection]) -> Iterable[Connection]:
    # A write that fails ends its connection, which then leaves the set.
    return tuple(readers)


def _pusher_snapshot(pusher: Connection, now: float) -> PusherSnapshot:
    request = pusher.request
    return PusherSnapshot(
        peer=pusher.peer,
        agent="" if request is None else request.agent,
        dialect="" if request is None else str(request.dialect),
        age_s=max(0.0, now - pusher.since_s),
        bytes_in=pusher.bytes_in,
    )
