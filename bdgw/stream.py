"""The one way from a receiver's bytes to typed messages, live and from a file.

``StreamDecoder`` joins the splitter with the languages that bdgw knows and counts all that it
sees: bytes in = bytes decoded + bytes skipped at any moment when nothing is held.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import msgspec

from bdgw.nmea import frame as nmea_frame
from bdgw.nmea.sentence import Gsa, Gsv, Malformed, Sentence, Unsupported
from bdgw.nmea.sentence import decode as decode_sentence
from bdgw.rtcm import frame as rtcm_frame
from bdgw.rtcm.head import DECODED_NUMBERS
from bdgw.ubx import frame as ubx_frame
from bdgw.unicore import frame as unicore_frame
from bdgw.wire.splitter import Frame, Framer, Skipped, Splitter

__all__ = ["PROTOCOLS", "BinaryFrame", "Decoded", "RtcmFrame", "StreamDecoder", "StreamStats"]

_FRAMERS: dict[str, tuple[bytes, Framer]] = {
    nmea_frame.PROTOCOL: (nmea_frame.LEADS, nmea_frame.frame_nmea),
    rtcm_frame.PROTOCOL: (rtcm_frame.LEADS, rtcm_frame.frame_rtcm3),
    ubx_frame.PROTOCOL: (ubx_frame.LEADS, ubx_frame.frame_ubx),
    unicore_frame.PROTOCOL: (unicore_frame.LEADS, unicore_frame.frame_unicore),
}
PROTOCOLS = tuple(_FRAMERS)
"""The protocols that a stream is searched for."""


_MAX_NAMES = 256
_MAX_NAME_LENGTH = 16
OTHER_NAMES = "other"


_REMEMBERED = 32
"""Sentences of satellites that a stream remembers: about an epoch and a half."""


class RtcmFrame(msgspec.Struct, frozen=True, gc=False):
    """An RTCM 3 frame by its message number; None where the payload is empty (a filler).

    Its contents are decoded where somebody asks for them: most frames are only handed on.
    """

    number: int | None


class BinaryFrame(msgspec.Struct, frozen=True, gc=False):
    """A frame of a receiver's own binary language, by the name of its message.

    ``is_raw`` says that it carries what positions are computed from: observations, broadcast data.
    Others are passed over.
    """

    name: str
    is_raw: bool


def _is_of_known_number(frame: bytes) -> bool:
    number = rtcm_frame.message_number(frame)
    return number is None or number in DECODED_NUMBERS


class Decoded(msgspec.Struct, frozen=True, gc=False):
    """A whole frame and what it says."""

    frame: Frame
    message: Sentence | Unsupported | RtcmFrame | BinaryFrame


class StreamStats:
    """Counts of one stream since it was opened."""

    __slots__ = (
        "binary",
        "bytes_in",
        "decoded_bytes",
        "epochs",
        "kinds",
        "late",
        "rtcm",
        "rtcm_passed_over",
        "skipped",
        "skipped_bytes",
        "unsupported",
    )

    def __init__(self) -> None:
        self.bytes_in = 0
        self.decoded_bytes = 0
        self.skipped_bytes = 0
        self.epochs = 0
        self.rtcm: Counter[int | None] = Counter()
        """All RTCM 3 frames with a good checksum, by message number."""
        self.rtcm_passed_over: Counter[int | None] = Counter()
        """Those of them that are counted as ``unsupported``."""
        self.binary: Counter[str] = Counter()
        """Raw data in binary languages of receivers, by the name of the message."""
        self.unsupported: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()
        self.late: Counter[str] = Counter()
        self.kinds: Counter[type] = Counter()
        """NMEA sentences understood, by their class."""

    @property
    def events(self) -> dict[str, int]:
        """Messages understood: NMEA formatters, RTCM numbers, names of binary messages."""
        named = {kind.__name__.upper(): count for kind, count in self.kinds.items()}
        for number, count in (self.rtcm - self.rtcm_passed_over).items():
            named["empty" if number is None else str(number)] = count
        return named | dict(self.binary)

    def pass_over(self, name: str) -> None:
        """Count a whole sentence of a kind that is not understood.

        A peer cannot fill the memory with names of its own making: they become ``other``.
        """
        counts = self.unsupported
        if name not in counts and (len(counts) >= _MAX_NAMES or len(name) > _MAX_NAME_LENGTH):
            name = OTHER_NAMES
        counts[name] += 1

    def skip(self, n_bytes: int, reason: str) -> None:
        """Count bytes that nothing was made of."""
        self.skipped_bytes += n_bytes
        self.skipped[reason] += 1


class StreamDecoder:
    """Bytes in, ``Decoded`` and ``Skipped`` out, in stream order.

    ``protocols`` are names out of ``PROTOCOLS``; ``idle_s`` is the quiet time after which an
    unfinished frame is given up. ``is_rtcm_understood`` tells of a whole frame whether it counts
    as understood; by itself the message number decides, which costs next to nothing.
    """

    def __init__(
        self,
        *,
        protocols: tuple[str, ...] = PROTOCOLS,
        idle_s: float = 1.0,
        stats: StreamStats | None = None,
        is_rtcm_understood: Callable[[bytes], bool] = _is_of_known_number,
    ) -> None:
        self.stats = stats or StreamStats()
        self._is_rtcm_understood = is_rtcm_understood
        self._splitter = Splitter({name: _FRAMERS[name] for name in protocols}, idle_s=idle_s)
        self._recent: dict[bytes, Gsa | Gsv] = {}

    def receive(self, data: bytes, *, now: float) -> None:
        """Take bytes; ``b""`` says that the stream has ended."""
        self.stats.bytes_in += len(data)
        self._splitter.receive(data, now=now)

    def tick(self, *, now: float) -> None:
        """Let a quiet time end what is unfinished."""
        self._splitter.tick(now=now)

    def deadline(self) -> float | None:
        """When ``tick`` is due."""
        return self._splitter.deadline()

    def events(self) -> list[Decoded | Skipped]:
        """Drain what was found, in stream order."""
        stats = self.stats
        kinds = stats.kinds
        recent = self._recent
        found: list[Decoded | Skipped] = []
        for item in self._splitter.events():
            if isinstance(item, Skipped):
                stats.skip(len(item.data), item.reason)
                found.append(item)
                continue
            message: Sentence | Unsupported | RtcmFrame | BinaryFrame
            if item.protocol == "nmea":
                sentence = recent.get(item.data) or self._decode(item.data)
                if isinstance(sentence, Malformed):
                    stats.skip(len(item.data), "malformed")
                    found.append(Skipped(item.offset, item.data, "malformed"))
                    continue
                message = sentence
                if isinstance(message, Unsupported):
                    stats.pass_over(message.name)
                else:
                    kinds[type(message)] += 1
            elif item.protocol != "rtcm3":
                message = self._binary(item)
            else:
                message = RtcmFrame(rtcm_frame.message_number(item.data))
                self._count_rtcm(message.number, item.data)
            stats.decoded_bytes += len(item.data)
            found.append(Decoded(item, message))
        return found

    def _binary(self, frame: Frame) -> BinaryFrame:
        if frame.protocol == ubx_frame.PROTOCOL:
            of_ubx = ubx_frame.kind_of_frame(frame.data)
            is_raw = of_ubx in (ubx_frame.RAWX, ubx_frame.SFRBX)
            name = ubx_frame.name_of_kind(of_ubx)
        else:
            kind = unicore_frame.head_of_frame(frame.data).kind
            is_raw, name = unicore_frame.is_raw(kind), unicore_frame.name_of_kind(kind)
        if is_raw:
            self.stats.binary[name] += 1
        else:
            self.stats.pass_over(name)
        return BinaryFrame(name, is_raw)

    def _count_rtcm(self, number: int | None, frame: bytes) -> None:
        stats = self.stats
        stats.rtcm[number] += 1
        if not self._is_rtcm_understood(frame):
            stats.rtcm_passed_over[number] += 1
            stats.pass_over(str(number))

    def _decode(self, data: bytes) -> Sentence | Unsupported | Malformed:
        """Decode a sentence; one of satellites is likely to come again in the next epochs.

        In recordings a third to two thirds of all sentences are repeated to the letter.
        """
        sentence = decode_sentence(data)
        if isinstance(sentence, Gsa | Gsv):
            recent = self._recent
            if len(recent) >= _REMEMBERED:
                del recent[next(iter(recent))]
            recent[data] = sentence
        return sentence
