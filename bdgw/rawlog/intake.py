"""Bytes of raw data, RTCM 3, UBX and Unicore mixed as they come, to epochs, sets and positions.

Messages of RTCM name no week: until a date is known (``near_gpst_ns``, a UBX message, or an
ephemeris with an unambiguous week) they wait, a bounded number of them.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable, Iterator

from bdgw.errors import DecodeError
from bdgw.positioning.ephemeris import GlonassOrbit, from_rtcm
from bdgw.positioning.observation import ObservationEpoch, merged
from bdgw.rawlog.code_phase import code_phase_of_message
from bdgw.rawlog.event import (
    AntennaSeen,
    BasePlace,
    CodePhaseSeen,
    EpochSeen,
    OrbitSeen,
    RawEvent,
)
from bdgw.rawlog.rtcm_epoch import epoch_of_message
from bdgw.rawlog.ubx_measurement import decode_rawx, epoch_gpst_ns_of_rawx
from bdgw.rawlog.ubx_words import WordReader, glonass_channel
from bdgw.rawlog.unicore_broadcast import broadcast_of
from bdgw.rawlog.unicore_compressed import decode_obsvmcmp
from bdgw.rawlog.unicore_epochs import UnicoreEpochs
from bdgw.rawlog.unicore_observation import decode_obsvm
from bdgw.rtcm import frame as rtcm_frame
from bdgw.rtcm.antenna import StationEquipment
from bdgw.rtcm.ephemeris import (
    BdsEphemeris,
    GalileoEphemeris,
    GlonassEphemeris,
    GpsEphemeris,
)
from bdgw.rtcm.message import Message, decode
from bdgw.rtcm.notice import GlonassBias
from bdgw.rtcm.observation import Observations
from bdgw.rtcm.station import StationPosition
from bdgw.ubx import frame as ubx_frame
from bdgw.unicore import frame as unicore_frame
from bdgw.wire.splitter import Frame, Splitter

__all__ = ["RawIntake"]

_WAITING = 20_000
_WEEK_NS = 604_800_000_000_000
_S_NS = 1_000_000_000
_FIRST_BDS_WEEK, _FIRST_GST_WEEK = 1356, 1024
_GUESSED_WEEK = 2048
"""The ten bits began anew on 2019-04-07."""


class RawIntake:
    """A session part: bytes in, events out."""

    def __init__(
        self,
        near_gpst_ns: int | None = None,
        *,
        decode: Callable[[bytes], Message] = decode,
    ) -> None:
        """Begin at about ``near_gpst_ns``; ``decode`` may remember frames that others saw too."""
        self._decode = decode
        self._splitter = Splitter(
            {
                rtcm_frame.PROTOCOL: (rtcm_frame.LEADS, rtcm_frame.frame_rtcm3),
                ubx_frame.PROTOCOL: (ubx_frame.LEADS, ubx_frame.frame_ubx),
                unicore_frame.PROTOCOL: (unicore_frame.LEADS, unicore_frame.frame_unicore),
            }
        )
        self._near = near_gpst_ns
        self.guess_gpst_ns: int | None = None
        """A date by the 10 bits of week of 1019 or 1044, as if they were of 2019 to 2038."""
        self._waiting: deque[Frame] = deque(maxlen=_WAITING)
        self._events: list[RawEvent] = []
        self._open: list[ObservationEpoch] = []
        self._channels: dict[str, int] = {}
        self._words = WordReader()
        self._unicore = UnicoreEpochs()

    @property
    def near_gpst_ns(self) -> int | None:
        """About when it is, by what came."""
        return self._near

    @property
    def n_bad_checksum(self) -> int:
        """Count the words of modern messages that were passed over for their checksum."""
        return self._words.n_bad_checksum

    def receive(self, data: bytes, *, now: float) -> None:
        """Take bytes; ``b""`` says that the stream has ended."""
        self._splitter.receive(data, now=now)
        for event in self._splitter.events():
            if not isinstance(event, Frame):
                continue
            if self._near is None:
                self._near, guess = _date_of(event)
                self.guess_gpst_ns = self.guess_gpst_ns or guess
            if self._near is None:
                self._waiting.append(event)
                continue
            while self._waiting:
                self._take(self._waiting.popleft())
            self._take(event)
        if not data:
            self._close()

    def events(self) -> Iterator[RawEvent]:
        """Drain what was found, in the order of the stream."""
        events, self._events = self._events, []
        return iter(events)

    def _take(self, frame: Frame) -> None:
        try:
            if frame.protocol == rtcm_frame.PROTOCOL:
                self._take_rtcm(frame.data)
            elif frame.protocol == ubx_frame.PROTOCOL:
                self._take_ubx(frame.data)
            else:
                self._take_unicore(frame.data)
        except (DecodeError, struct.error):
            return

    def _take_rtcm(self, frame: bytes) -> None:
        near = self._near or 0
        message = self._decode(frame)
        if isinstance(message, Observations):
            self._channels |= message.frequency_channels
            self._join(message)
        elif isinstance(message, StationPosition):
            self._events.append(BasePlace(message.ecef_m))
        elif isinstance(message, StationEquipment):
            if message.antenna is not None:
                self._events.append(AntennaSeen(message.antenna, message.antenna_serial))
        elif isinstance(message, GlonassBias):
            self._events.append(CodePhaseSeen(code_phase_of_message(message)))
        elif isinstance(message, GpsEphemeris | GlonassEphemeris | BdsEphemeris | GalileoEphemeris):
            orbit = from_rtcm(message, near)
            if isinstance(orbit, GlonassOrbit) and orbit.channel is not None:
                self._channels[message.satellite] = orbit.channel
            if orbit is not None:
                self._events.append(OrbitSeen(orbit))

    def _join(self, message: Observations) -> None:
        """Join the messages of one epoch; a message of another one closes it."""
        part = epoch_of_message(message.with_channels(self._channels), self._near or 0)
        if part is None:
            return
        if self._open and self._open[0].t_gpst_ns != part.t_gpst_ns:
            self._close()
        self._open.append(part)
        self._near = part.t_gpst_ns
        if not message.has_more:
            self._close()

    def _close(self) -> None:
        if self._open:
            self._events.append(EpochSeen(rtcm_frame.PROTOCOL, merged(*self._open)))
            self._open = []

    def _take_ubx(self, frame: bytes) -> None:
        kind, payload = ubx_frame.kind_of_frame(frame), ubx_frame.payload_of_frame(frame)
        if kind == ubx_frame.RAWX:
            epoch = decode_rawx(payload)
            if epoch is not None:
                self._near = epoch.t_gpst_ns
                self._events.append(EpochSeen(ubx_frame.PROTOCOL, epoch))
        elif kind == ubx_frame.SFRBX:
            channel = glonass_channel(payload)
            if channel is not None:
                self._channels[channel[0]] = channel[1]
            found = self._words.read(payload, self._near or 0)
            if found is not None:
                self._events += found.events

    def _take_unicore(self, frame: bytes) -> None:
        kind, t_gpst_ns = unicore_frame.head_of_frame(frame)
        if unicore_frame.is_observation(kind):
            if not self._unicore.is_new(kind, t_gpst_ns):
                return
            is_whole = kind == unicore_frame.OBSVM
            epoch = decode_obsvm(frame) if is_whole else decode_obsvmcmp(frame)
            if epoch is not None:
                self._near = t_gpst_ns
                self._events.append(EpochSeen(unicore_frame.PROTOCOL, epoch))
        elif unicore_frame.is_raw(kind):
            found = broadcast_of(frame)
            if found is not None:
                self._events.append(found)


def _date_of(frame: Frame) -> tuple[int | None, int | None]:
    """Find a date: in RXM-RAWX, any frame of Unicore's, an ephemeris with 12 bits of week or more.

    The second is a guess, by a week of 10 bits.
    """
    if frame.protocol == ubx_frame.PROTOCOL:
        if ubx_frame.kind_of_frame(frame.data) == ubx_frame.RAWX:
            return epoch_gpst_ns_of_rawx(ubx_frame.payload_of_frame(frame.data)), None
        return None, None
    if frame.protocol == unicore_frame.PROTOCOL:
        return unicore_frame.head_of_frame(frame.data).t_gpst_ns, None
    try:
        message = decode(frame.data)
    except DecodeError:
        return None, None
    for kind, first in (
        (BdsEphemeris, _FIRST_BDS_WEEK),
        (GalileoEphemeris, _FIRST_GST_WEEK),
        (GpsEphemeris, _GUESSED_WEEK),
    ):
        if isinstance(message, kind):
            date = (message.raw_week + first) * _WEEK_NS + message.toe_s * _S_NS
            return (None, date) if kind is GpsEphemeris else (date, None)
    return None, None
