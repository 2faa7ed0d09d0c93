"""Raw data in binary languages of receivers to what belongs together. Pure.

One message is a whole epoch. Broadcast data comes in pieces: they are handed on together once they
make up a set, so that a worker that begins anew can be told all sets that are known.
"""

from __future__ import annotations

import struct

from bdgw.positioning.ephemeris import KeplerOrbit
from bdgw.rawlog.event import OrbitSeen
from bdgw.rawlog.ubx_measurement import epoch_gpst_ns_of_rawx
from bdgw.rawlog.ubx_words import WordReader
from bdgw.rawlog.unicore_broadcast import broadcast_of
from bdgw.rawlog.unicore_epochs import UnicoreEpochs
from bdgw.solving.gathering import EpochFrames, Gathered, OrbitFrame
from bdgw.ubx import frame as ubx_frame
from bdgw.unicore import frame as unicore_frame

__all__ = ["RawGatherer"]

_KEY = 100_000
"""Above the numbers of RTCM messages; the signal is added."""
_UNICORE_KEY, _UNICORE_STEP = 200_000, 10_000
_MODERN = ("", "CNV1", "CNV2", "CNV3")
_ALONE = 1_000
"""Added to the page of a message that is of use by itself."""


class RawGatherer:
    """One stream of whole, proven frames."""

    def __init__(self) -> None:
        self._words = WordReader()
        self._epochs = UnicoreEpochs()
        self._pages: dict[tuple[int, int], dict[int, bytes]] = {}
        self._told: dict[tuple[int, int], bytes] = {}
        self._near_gpst_ns = 0

    @property
    def n_bad_checksum(self) -> int:
        """Count the messages of broadcast data that were passed over for their checksum."""
        return self._words.n_bad_checksum

    def receive(self, frame: bytes, *, now: float) -> list[Gathered]:
        """Take a frame; gives what is whole with it."""
        if frame[0] in unicore_frame.LEADS:
            return self._unicore(frame, now)
        kind, payload = ubx_frame.kind_of_frame(frame), ubx_frame.payload_of_frame(frame)
        if kind == ubx_frame.RAWX:
            t_gpst_ns = epoch_gpst_ns_of_rawx(payload)
            return self._epoch(frame, t_gpst_ns, ubx_frame.PROTOCOL, now)
        return self._words_of(frame, payload) if kind == ubx_frame.SFRBX else []

    def _epoch(
        self, frame: bytes, t_gpst_ns: int | None, language: str, now: float
    ) -> list[Gathered]:
        if t_gpst_ns is None:
            return []
        self._near_gpst_ns = t_gpst_ns
        return [
            EpochFrames(
                t_gpst_ns=t_gpst_ns, frames=frame, station=None, rx_s=now, language=language
            )
        ]

    def _unicore(self, frame: bytes, now: float) -> list[Gathered]:
        kind, t_gpst_ns = unicore_frame.head_of_frame(frame)
        if unicore_frame.is_observation(kind):
            if not self._epochs.is_new(kind, t_gpst_ns):
                return []
            return self._epoch(frame, t_gpst_ns, unicore_frame.PROTOCOL, now)
        try:
            found = broadcast_of(frame)
        except struct.error:
            return []
        if found is None:
            return []
        orbit = found.orbit if isinstance(found, OrbitSeen) else None
        # BD3EPH comes once for each modern message of a satellite.
        message = _MODERN.index(orbit.message) if isinstance(orbit, KeplerOrbit) else 0
        key = (_UNICORE_KEY + _UNICORE_STEP * message + kind, orbit.satellite if orbit else 0)
        payload = unicore_frame.payload_of_frame(frame)
        if self._told.get(key) == payload:
            return []  # the time in the head is new, the set is not
        self._told[key] = payload
        return [OrbitFrame(key=key, frame=frame)]

    def _words_of(self, frame: bytes, payload: bytes) -> list[Gathered]:
        found = self._words.read(payload, self._near_gpst_ns)
        if found is None:
            return []
        key = (_KEY + found.signal, found.satellite)
        pages = self._pages.setdefault(key, {})
        pages[found.page] = frame
        if not found.events:
            return []
        if not any(isinstance(event, OrbitSeen) for event in found.events):
            return [OrbitFrame(key=(_KEY + _ALONE + found.page, found.satellite), frame=frame)]
        # In the order of their pages: the readers of some messages begin anew with the first.
        whole = b"".join(pages[page] for page in sorted(pages) if page < _ALONE)
        return [OrbitFrame(key=key, frame=whole)]
