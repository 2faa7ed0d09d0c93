"""Frames of RTCM 3 to what belongs together: whole epochs, ephemerides, base positions. Pure.

Only the heads of the messages are read; what they say is decoded in a worker.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from bdgw.rtcm.epoch import raw_epoch_gpst_ns
from bdgw.rtcm.frame import PROTOCOL
from bdgw.rtcm.head import Head, MessageKind, read_head
from bdgw.rtcm.station import POSITION_NUMBERS

__all__ = [
    "LANGUAGE_S",
    "BiasFrame",
    "EpochFrames",
    "EquipmentFrame",
    "Gathered",
    "Gatherer",
    "OrbitFrame",
    "PositionFrame",
    "cut_frames",
]

LANGUAGE_S = 10.0
"""So long a language must be silent before epochs in another one are taken: receivers may send
both, and their phases do not continue each other."""
_CLOSE_S = 0.2
"""A message of the epoch that says that more follow may be followed by none."""
_FRAMES_MAX = 64
"""Of one epoch: all systems in several parts are 20."""
_SOME_GPST_NS = 1_450_000_000_000_000_000
"""Stands in where no date is known (December 2025): differences of epochs are right even so."""
_HEAD_BYTES, _OVERHEAD_BYTES = 3, 6


class EpochFrames(msgspec.Struct, frozen=True, kw_only=True):
    """All observation messages of one instant, in the order in which they came.

    ``rx_s`` is when the last of them did. The week of ``t_gpst_ns`` is that of the reference that
    the gatherer was told, but for languages that name it (``is_dated``). ``n_orbits`` counts the
    broadcast sets that had come before.
    """

    t_gpst_ns: int
    frames: bytes
    station: int | None
    rx_s: float
    language: str = PROTOCOL
    n_orbits: int = 0

    @property
    def is_dated(self) -> bool:
        """Whether the receiver says the week."""
        return self.language != PROTOCOL


class OrbitFrame(msgspec.Struct, frozen=True, kw_only=True):
    """A broadcast set; ``key`` tells message and satellite, ``frame`` may be several frames."""

    key: tuple[int, int]
    frame: bytes


class PositionFrame(msgspec.Struct, frozen=True, kw_only=True):
    """The position of a base."""

    station: int | None
    frame: bytes


class BiasFrame(msgspec.Struct, frozen=True, kw_only=True):
    """The GLONASS code-phase biases of a station (1230)."""

    station: int | None
    frame: bytes


class EquipmentFrame(msgspec.Struct, frozen=True, kw_only=True):
    """What antenna a base has: 1007, 1008 or 1033."""

    station: int | None
    number: int
    frame: bytes


Gathered = EpochFrames | OrbitFrame | PositionFrame | BiasFrame | EquipmentFrame


def cut_frames(data: bytes) -> Iterator[bytes]:
    """Cut whole frames that stand one after the other; a rest that is none is left."""
    at = 0
    while at + _OVERHEAD_BYTES <= len(data):
        end = at + _OVERHEAD_BYTES + ((data[at + 1] & 3) << 8 | data[at + 2])
        if end > len(data):
            return
        yield data[at:end]
        at = end


class Gatherer:
    """One stream of whole, proven frames."""

    def __init__(self) -> None:
        self._t_gpst_ns = 0
        self._station: int | None = None
        self._frames: list[bytes] = []
        self._last_s = 0.0

    def receive(self, frame: bytes, *, near_gpst_ns: int | None, now: float) -> list[Gathered]:
        """Take a frame; gives what is complete with it."""
        head = read_head(frame)
        if head is None:
            return []
        if head.kind is MessageKind.EPHEMERIS:
            return [OrbitFrame(key=(head.number, head.satellite_mask), frame=frame)]
        if head.number in POSITION_NUMBERS:
            return [PositionFrame(station=head.station, frame=frame)]
        if head.kind is MessageKind.BIAS:
            return [BiasFrame(station=head.station, frame=frame)]
        if head.kind is MessageKind.ANTENNA:
            return [EquipmentFrame(station=head.station, number=head.number, frame=frame)]
        if head.kind is not MessageKind.OBSERVATION or head.epoch is None:
            return []
        near_ns = _SOME_GPST_NS if near_gpst_ns is None else near_gpst_ns
        t_gpst_ns = raw_epoch_gpst_ns(head.epoch, near_ns)
        return [] if t_gpst_ns is None else self._join(head, t_gpst_ns, frame, now)

    def tick(self, *, now: float) -> list[Gathered]:
        """Close an epoch that nothing has been added to for a while."""
        deadline_s = self.deadline()
        return self._close() if deadline_s is not None and now >= deadline_s else []

    def deadline(self) -> float | None:
        """When ``tick`` is due."""
        return self._last_s + _CLOSE_S if self._frames else None

    def _join(self, head: Head, t_gpst_ns: int, frame: bytes, now: float) -> list[Gathered]:
        done: list[Gathered] = []
        if self._frames and (t_gpst_ns != self._t_gpst_ns or len(self._frames) >= _FRAMES_MAX):
            done += self._close()
        self._t_gpst_ns, self._station, self._last_s = t_gpst_ns, head.station, now
        self._frames.append(frame)
        return done if head.has_more else done + self._close()

    def _close(self) -> list[Gathered]:
        if not self._frames:
            return []
        epoch = EpochFrames(
            t_gpst_ns=self._t_gpst_ns,
            frames=b"".join(self._frames),
            station=self._station,
            rx_s=self._last_s,
        )
        self._frames = []
        return [epoch]
