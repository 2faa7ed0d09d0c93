"""What a client sends up a stream: where it is. Lines of NMEA, of which only GGA is read.

Bounded: one line of at most 256 bytes is held, and a budget says how much may come at all.
"""

from __future__ import annotations

import msgspec

from bdgw.nmea.frame import frame_nmea
from bdgw.nmea.sentence import Gga, decode

__all__ = ["Budget", "ClientPosition", "Uplink", "read_gga"]

_LINE_MAX_BYTES = 256
_BURST_TIMES = 8


class ClientPosition(msgspec.Struct, frozen=True):
    """A position that a client has stated of itself, in degrees; ``quality`` as in GGA field 6."""

    lat_deg: float
    lon_deg: float
    quality: int


def read_gga(line: bytes) -> ClientPosition | None:
    """Read one GGA sentence with its checksum; None when it is none or knows no position.

    Quality 0 is no position, and neither is exactly 0° 0°, which unset firmware sends.
    """
    line = line.strip()
    if not line.startswith(b"$") or frame_nmea(line, 0, True) != len(line):
        return None
    said = decode(line)
    if not isinstance(said, Gga) or said.lat_deg is None or said.lon_deg is None:
        return None
    if not said.quality or (said.lat_deg == 0.0 and said.lon_deg == 0.0):
        return None
    return ClientPosition(said.lat_deg, said.lon_deg, said.quality)


class Uplink:
    """Cuts what a client sends into lines, however the bytes arrive."""

    def __init__(self) -> None:
        self._line = b""
        self._is_overlong = False
        self.n_lines = 0
        self.n_positions = 0

    def feed(self, data: bytes) -> ClientPosition | None:
        """The last position in ``data``, or None."""
        position = None
        *lines, rest = (self._line + data).replace(b"\r", b"\n").split(b"\n")
        for line in lines:
            is_overlong, self._is_overlong = self._is_overlong, False
            if not line:
                continue
            self.n_lines += 1
            if is_overlong or len(line) > _LINE_MAX_BYTES:
                continue
            found = read_gga(line)
            if found is not None:
                self.n_positions += 1
                position = found
        if len(rest) > _LINE_MAX_BYTES:
            # What follows up to the line end is the tail of something that is no sentence.
            rest, self._is_overlong = b"", True
        self._line = rest
        return position


class Budget:
    """How many bytes may come: ``bytes_per_s`` on average, eight seconds' worth at once."""

    def __init__(self, bytes_per_s: float, *, now: float) -> None:
        self._rate = bytes_per_s
        self._burst = bytes_per_s * _BURST_TIMES
        self._left = self._burst
        self._at_s = now

    def take(self, n_bytes: int, now: float) -> bool:
        """Spend; False when there is not enough, and then the sender is over its measure."""
        self._left = min(self._burst, self._left + max(0.0, now - self._at_s) * self._rate)
        self._at_s = now
        self._left -= n_bytes
        return self._left >= 0.0
