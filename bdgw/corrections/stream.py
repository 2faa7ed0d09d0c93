"""The bytes of a correction stream cut into whole RTCM frames, byte for byte as they came.

What lies between frames (text, line ends, damage) is counted and never forwarded.
"""

from __future__ import annotations

from bdgw.rtcm.frame import LEADS, PROTOCOL, frame_rtcm3
from bdgw.wire.splitter import Frame, Splitter

__all__ = ["FrameStream"]

_HOLD_S = 1.0
"""How long an unfinished frame may hold back what follows it. On a network a frame comes whole or
within a few tenths of a second."""


class FrameStream:
    """Bytes in, whole frames with a good checksum out."""

    def __init__(self, *, hold_s: float = _HOLD_S) -> None:
        self._splitter = Splitter({PROTOCOL: (LEADS, frame_rtcm3)}, idle_s=hold_s, hold_s=hold_s)
        self.bytes_in = 0
        self.frame_bytes = 0
        self.skipped_bytes = 0
        self.crc_failures = 0
        """Whole frames by their length whose checksum is wrong; also false preambles."""

    def receive(self, data: bytes, *, now: float) -> list[bytes]:
        """Take bytes; gives the frames that are whole now."""
        if not data:
            return []
        self.bytes_in += len(data)
        self._splitter.receive(data, now=now)
        return self._frames()

    def tick(self, *, now: float) -> list[bytes]:
        """Give up what has been held too long; gives the frames that were behind it."""
        deadline = self._splitter.deadline()
        while deadline is not None and deadline <= now:
            self._splitter.tick(now=now)
            deadline = self._splitter.deadline()
        return self._frames()

    def restart(self, *, now: float) -> list[bytes]:
        """The connection ended: half a frame of it must not join the first bytes of the next."""
        self._splitter.receive(b"", now=now)
        return self._frames()

    def deadline(self) -> float | None:
        """When ``tick`` is due."""
        return self._splitter.deadline()

    def _frames(self) -> list[bytes]:
        frames = []
        for event in self._splitter.events():
            if isinstance(event, Frame):
                frames.append(event.data)
                self.frame_bytes += len(event.data)
            else:
                self.skipped_bytes += len(event.data)
                self.crc_failures += event.reason == "bad_checksum"
        return frames
