"""The serial line of a terminal: bytes in, family-neutral events and free text out; bytes guarded.

Everything that is not understood is counted and passed by; nothing that must never be sent can
get out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import msgspec

from bdgw.errors import DecodeError
from bdgw.shortmsg.family import codec_of
from bdgw.shortmsg.family.codec import Codec
from bdgw.shortmsg.family.forbidden import ForbiddenWatch
from bdgw.shortmsg.family.port import IDLE_S, PORT_FRAMER, is_binary
from bdgw.shortmsg.vocabulary import Card, Family, Received, TerminalEvent, VendorFrame
from bdgw.wire.splitter import Frame, Splitter

__all__ = ["FreeText", "LineCounters", "SubordinatePage", "TerminalLine"]

_TWIN_S = 3.0
"""A box that hands a message over in two dialects does so at once; nobody sends twice in 3 s."""
_TWINS_MAX = 16
_NAME_BYTES = 6
_TEXT_MIN_CHARS = 3
_TEXT_MAX_CHARS = 120


class FreeText(msgspec.Struct, frozen=True):
    """What a terminal prints between its frames."""

    text: str


class SubordinatePage(msgspec.Struct, frozen=True):
    """A part of a 指挥机's list."""

    addresses: tuple[int, ...]


LineEvent = TerminalEvent | FreeText | SubordinatePage


class FrameWatcher(Protocol):
    """Takes whole frames."""

    def __call__(self, frame: bytes, *, now: float) -> None:
        """Take one."""
        ...


class LineCounters(msgspec.Struct, frozen=True, kw_only=True):
    """What passed over the line since it was opened."""

    n_bytes: int
    n_frames: int
    n_undecoded: int
    """Whole frames that the family cannot read."""
    n_vendor: int
    n_twins: int
    """Messages that came a second time in another dialect."""
    n_skipped_bytes: int
    n_withheld: int
    """Commands that are never sent and were stopped at the port."""


class TerminalLine:
    """One connection to a terminal."""

    def __init__(self) -> None:
        self.codec: Codec | None = None
        """The family's codec; until it is known, each frame is read by what it looks like."""
        self.card: Card | None = None
        """The card in the terminal, to tell what was for it from what was for a subordinate."""
        self._watcher: FrameWatcher | None = None
        self._splitter = Splitter({"port": PORT_FRAMER}, idle_s=IDLE_S)
        self._watch = ForbiddenWatch()
        self._out = bytearray()
        self._found: list[LineEvent] = []
        self._twins: list[tuple[float, int, bytes, bytes]] = []
        self._n_bytes = self._n_frames = self._n_undecoded = self._n_vendor = 0
        self._n_twins = self._n_skipped_bytes = self._n_withheld = 0

    @property
    def counters(self) -> LineCounters:
        """What passed so far."""
        return LineCounters(
            n_bytes=self._n_bytes,
            n_frames=self._n_frames,
            n_undecoded=self._n_undecoded,
            n_vendor=self._n_vendor,
            n_twins=self._n_twins,
            n_skipped_bytes=self._n_skipped_bytes,
            n_withheld=self._n_withheld,
        )

    def watch_frames(self, watcher: FrameWatcher | None) -> None:
        """Show whole frames to somebody as well, before they are read."""
        self._watcher = watcher

    def receive(self, data: bytes, *, now: float) -> None:
        """Take bytes; ``b""`` says that the port closed."""
        self._n_bytes += len(data)
        self._splitter.receive(data, now=now)
        self._read(now)

    def tick(self, *, now: float) -> None:
        """Give up what has not become a frame in its time."""
        self._splitter.tick(now=now)
        self._read(now)

    def deadline(self) -> float | None:
        """When ``tick`` is due."""
        return self._splitter.deadline()

    def found(self) -> Iterator[LineEvent]:
        """Drain what was read."""
        found, self._found = self._found, []
        return iter(found)

    def write(self, data: bytes) -> bool:
        """Let bytes out; False, and nothing goes out, where a forbidden command is in them."""
        if not self._watch.admits(data):
            self._n_withheld += 1
            return False
        self._out += data
        return True

    def data_to_send(self) -> bytes:
        """Drain what goes to the terminal."""
        data = bytes(self._out)
        self._out.clear()
        return data

    def _read(self, now: float) -> None:
        for item in self._splitter.events():
            if not isinstance(item, Frame):
                self._n_skipped_bytes += len(item.data)
                text = _readable(item.data)
                if text:
                    self._found.append(FreeText(text))
                continue
            self._n_frames += 1
            if self._watcher is not None:
                self._watcher(item.data, now=now)
            self._decode(item.data, now)

    def _decode(self, data: bytes, now: float) -> None:
        codec = self.codec
        if codec is None:
            codec = codec_of(Family.BD1 if is_binary(data) else Family.BD3)
        try:
            frame = codec.decode(data)
            events = codec.events(frame, card=self.card)
        except DecodeError:
            self._n_undecoded += 1
            return
        addresses = codec.subordinates(frame)
        if addresses is not None:
            self._found.append(SubordinatePage(addresses))
        for event in events:
            if isinstance(event, VendorFrame):
                self._n_vendor += 1
            if isinstance(event, Received) and self._is_twin(event, now):
                self._n_twins += 1
                continue
            self._found.append(event)

    def _is_twin(self, event: Received, now: float) -> bool:
        self._twins = [twin for twin in self._twins if now - twin[0] < _TWIN_S]
        name = event.raw[:_NAME_BYTES]
        for _, sender, content, other_name in self._twins:
            if (sender, content) == (event.sender, event.content) and other_name != name:
                return True
        if len(self._twins) < _TWINS_MAX:
            self._twins.append((now, event.sender, event.content, name))
        return False


def _readable(data: bytes) -> str:
    """Give what a person could read of skipped bytes, if it is a text at all."""
    text = data.decode("ascii", "ignore").strip()
    text = "".join(character for character in text if character.isprintable())[:_TEXT_MAX_CHARS]
    return text if len(text) >= _TEXT_MIN_CHARS and any(map(str.isalpha, text)) else ""
