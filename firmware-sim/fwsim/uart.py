"""How bytes trickle out of a UART: pure arithmetic, ten bit times a byte."""

from dataclasses import dataclass

BITS_PER_BYTE = 10
SLICE_S = 0.005
TX_BUFFER_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes and the time at which their last bit is through."""

    at_s: float
    data: bytes


class Uart:
    """A transmitter with a baud rate and a transmit buffer of limited size."""

    def __init__(self, baud: int, *, buffer_bytes: int = TX_BUFFER_BYTES) -> None:
        """Start idle.

        Raises:
            ValueError: the baud rate is not positive.
        """
        if baud <= 0:
            msg = f"baud must be positive, not {baud}"
            raise ValueError(msg)
        self._byte_s = BITS_PER_BYTE / baud
        self._slice_bytes = max(1, int(SLICE_S / self._byte_s))
        self._buffer_bytes = buffer_bytes
        self._busy_until_s = 0.0
        self.overrun_bytes = 0

    def send(self, at_s: float, data: bytes) -> list[Piece]:
        """Queue bytes at an instant; what the buffer cannot take is lost and counted.

        Source: receivers say "txbuf alloc" and drop output when the line is too slow for them.
        """
        begin_s = max(self._busy_until_s, at_s)
        waiting = int((begin_s - at_s) / self._byte_s)
        room = max(0, self._buffer_bytes - waiting)
        self.overrun_bytes += max(0, len(data) - room)
        kept = data[:room]
        pieces = []
        for i in range(0, len(kept), self._slice_bytes):
            part = kept[i : i + self._slice_bytes]
            begin_s += len(part) * self._byte_s
            pieces.append(Piece(begin_s, part))
        self._busy_until_s = begin_s
        return pieces
