"""Where bytes go: what every port can do, and the two ports that need no peer.

All ports are non-blocking and polled: ``tick`` does what is due, ``write`` takes what goes in now
and says how much that was. A receiver never waits for its reader, so neither does a port.
"""

import contextlib
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

DATAGRAM_BYTES = 1400


@dataclass(slots=True)
class Counters:
    """What passed through a port.

    ``bytes_overrun`` did not fit while somebody was there, ``bytes_unheard`` found nobody there.
    """

    bytes_written: int = 0
    bytes_overrun: int = 0
    bytes_unheard: int = 0
    bytes_from_gateway: int = 0
    n_connects: int = 0


class Port(Protocol):
    """A way out of the simulator."""

    counters: Counters

    @property
    def address(self) -> str:
        """Where the reader finds it: a path or host:port, known once open."""
        ...

    def open(self) -> None:
        """Make the port exist."""
        ...

    def tick(self, now_s: float) -> bytes:
        """Connect, accept, drain and beat as needed; return what the reader sent."""
        ...

    def is_heard(self) -> bool:
        """Tell whether somebody is at the other end."""
        ...

    def write(self, data: bytes) -> int:
        """Hand over as much as goes in now; return how much that was."""
        ...

    def unread_bytes(self) -> int:
        """Return how much the reader has not yet fetched, where the port would lose it."""
        ...

    def unplug(self) -> None:
        """Tear the cable."""
        ...

    def replug(self) -> None:
        """Put the cable back."""
        ...

    def close(self) -> None:
        """End in good order."""
        ...


def count_loss(counters: Counters, lost_bytes: int, *, is_heard: bool) -> None:
    """Enter lost bytes where they belong."""
    if is_heard:
        counters.bytes_overrun += lost_bytes
    else:
        counters.bytes_unheard += lost_bytes


class FilePort:
    """Writes to a file: a capture made on purpose."""

    def __init__(self, path: Path) -> None:
        """Name the file; it is emptied when opened."""
        self.counters = Counters()
        self._path = path
        self._file: BinaryIO | None = None

    @property
    def address(self) -> str:
        """The path."""
        return str(self._path)

    def open(self) -> None:
        """Create the file."""
        self._file = self._path.open("wb")
        self.counters.n_connects += 1

    def tick(self, now_s: float) -> bytes:
        """Do nothing: a file never answers."""
        del now_s
        return b""

    def is_heard(self) -> bool:
        """Tell whether the file is open."""
        return self._file is not None

    def write(self, data: bytes) -> int:
        """Write everything."""
        if self._file is None:
            return 0
        self._file.write(data)
        self.counters.bytes_written += len(data)
        return len(data)

    def unread_bytes(self) -> int:
        """Return 0: a file keeps what it has."""
        return 0

    def unplug(self) -> None:
        """Close the file."""
        self.close()

    def replug(self) -> None:
        """Go on at the end of the file."""
        self._file = self._path.open("ab")
        self.counters.n_connects += 1

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None


class UdpPort:
    """Sends datagrams, cut at line ends where one line fits."""

    def __init__(self, host: str, port: int, *, datagram_bytes: int = DATAGRAM_BYTES) -> None:
        """Name the receiver of the datagrams."""
        self.counters = Counters()
        self._peer = (host, port)
        self._datagram_bytes = datagram_bytes
        self._socket: socket.socket | None = None

    @property
    def address(self) -> str:
        """The destination."""
        return f"{self._peer[0]}:{self._peer[1]}"

    def open(self) -> None:
        """Make the socket."""
        info = socket.getaddrinfo(*self._peer, type=socket.SOCK_DGRAM)[0]
        self._socket = socket.socket(info[0], socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.connect(info[4])
        self.counters.n_connects += 1

    def tick(self, now_s: float) -> bytes:
        """Fetch what came back."""
        del now_s
        got = b""
        # A refused port shows up here as an error of an earlier datagram: nothing to do about it.
        with contextlib.suppress(OSError):
            while self._socket is not None:
                got += self._socket.recv(65536)
        self.counters.bytes_from_gateway += len(got)
        return got

    def is_heard(self) -> bool:
        """Tell whether the socket is open; nobody knows who listens."""
        return self._socket is not None

    def write(self, data: bytes) -> int:
        """Send everything; a datagram that the kernel refuses is lost like one on the way."""
        if self._socket is None:
            return 0
        for datagram in datagrams(data, self._datagram_bytes):
            try:
                self._socket.send(datagram)
            except OSError:
                self.counters.bytes_unheard += len(datagram)
            else:
                self.counters.bytes_written += len(datagram)
        return len(data)

    def unread_bytes(self) -> int:
        """Return 0: what is sent is gone."""
        return 0

    def unplug(self) -> None:
        """Close the socket."""
        self.close()

    def replug(self) -> None:
        """Open a new socket, from another source port."""
        self.open()

    def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def datagrams(data: bytes, limit_bytes: int) -> list[bytes]:
    """Cut data into datagrams of at most so many bytes, at line ends where possible."""
    out = []
    start = 0
    while start < len(data):
        end = start + limit_bytes
        if end < len(data):
            line_end = data.rfind(b"\n", start, end) + 1
            end = line_end if line_end > start else end
        out.append(data[start:end])
        start = end
    return out
