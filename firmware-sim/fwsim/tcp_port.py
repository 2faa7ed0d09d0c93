"""TCP both ways: a device that is dialled, and one that dials in like a DTU modem."""

import contextlib
import errno
import socket
import struct
from dataclasses import dataclass

from fwsim.ports import Counters

READ_BYTES = 65536
# Linger on, zero seconds: close sends a reset instead of a farewell.
RESET_ON_CLOSE = struct.pack("ii", 1, 0)
UP = frozenset({0, errno.EISCONN})
TRYING = frozenset({errno.EINPROGRESS, errno.EALREADY})


class _Peer:
    """A connected, non-blocking socket."""

    def __init__(self, connection: socket.socket, *, is_reading: bool) -> None:
        self._is_reading = is_reading
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connection = connection

    def read(self) -> tuple[bytes, bool]:
        """Return what came and whether the peer is still there, which only a reader notices."""
        if not self._is_reading:
            return b"", True
        parts = []
        try:
            while part := self._connection.recv(READ_BYTES):
                parts.append(part)
        except BlockingIOError:
            return b"".join(parts), True
        except OSError:
            pass
        return b"".join(parts), False

    def write(self, data: bytes) -> tuple[int, bool]:
        """Return how much went in and whether the peer is still there."""
        try:
            return self._connection.send(data), True
        except BlockingIOError:
            return 0, True
        except OSError:
            return 0, False

    def reset(self) -> None:
        """Close so that the peer sees a connection reset."""
        with contextlib.suppress(OSError):
            self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self._connection.close()

    def close(self) -> None:
        """Close so that everything sent still arrives."""
        # Unread input would turn the farewell into a reset that destroys what is on its way.
        self.read()
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_WR)
        self.read()
        self._connection.close()


class TcpListenPort:
    """A serial server: whoever connects last gets the bytes."""

    def __init__(self, host: str, port: int, *, is_reading: bool = True) -> None:
        """Choose the address; port 0 takes a free one."""
        self._is_reading = is_reading
        self.counters = Counters()
        self._bind = (host, port)
        self._listener: socket.socket | None = None
        self._peer: _Peer | None = None

    @property
    def address(self) -> str:
        """The bound address."""
        return f"{self._bind[0]}:{self._bind[1]}"

    def open(self) -> None:
        """Listen."""
        self._listener = socket.create_server(self._bind)
        self._listener.setblocking(False)
        # A port chosen by the system stays the same through unplug and replug.
        self._bind = (self._bind[0], self._listener.getsockname()[1])

    def tick(self, now_s: float) -> bytes:
        """Accept and drain."""
        del now_s
        if self._listener is not None:
            with contextlib.suppress(BlockingIOError):
                connection, _ = self._listener.accept()
                if self._peer is not None:
                    self._peer.close()
                self._peer = _Peer(connection, is_reading=self._is_reading)
                self.counters.n_connects += 1
        if self._peer is None:
            return b""
        got, is_there = self._peer.read()
        self.counters.bytes_from_gateway += len(got)
        if not is_there:
            self._peer.close()
            self._peer = None
        return got

    def is_heard(self) -> bool:
        """Tell whether somebody is connected."""
        return self._peer is not None

    def write(self, data: bytes) -> int:
        """Send what fits into the socket."""
        if self._peer is None:
            return 0
        taken, is_there = self._peer.write(data)
        self.counters.bytes_written += taken
        if not is_there:
            self._peer.close()
            self._peer = None
        return taken

    def unread_bytes(self) -> int:
        """Return 0: a socket delivers what it took."""
        return 0

    def unplug(self) -> None:
        """Reset the connection and stop listening."""
        if self._peer is not None:
            self._peer.reset()
            self._peer = None
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    def replug(self) -> None:
        """Listen again on the same address."""
        self.open()

    def close(self) -> None:
        """End the connection in good order."""
        if self._peer is not None:
            self._peer.close()
            self._peer = None
        self.unplug()


@dataclass(frozen=True, slots=True, kw_only=True)
class Modem:
    """How a DTU modem behaves on its line."""

    registration: bytes = b""
    heartbeat: bytes = b""
    heartbeat_s: float = 30.0
    reconnect_s: float = 1.0
    connect_timeout_s: float = 10.0


class TcpDialPort:
    """A modem that dials in, registers, beats, and dials again when the line is lost."""

    def __init__(
        self, host: str, port: int, modem: Modem | None = None, *, is_reading: bool = True
    ) -> None:
        """Choose whom to dial."""
        self._is_reading = is_reading
        self.counters = Counters()
        self._target = (host, port)
        self._modem = modem or Modem()
        self._dialling: socket.socket | None = None
        self._resolved: tuple[object, ...] = ()
        self._is_mid_line = False
        self._dial_until_s = 0.0
        self._next_dial_s = 0.0
        self._next_beat_s = 0.0
        self._is_plugged = False
        self._peer: _Peer | None = None

    @property
    def address(self) -> str:
        """The dialled address."""
        return f"{self._target[0]}:{self._target[1]}"

    def open(self) -> None:
        """Allow dialling."""
        self._is_plugged = True

    def tick(self, now_s: float) -> bytes:
        """Dial, register, drain, beat: whatever is due."""
        if self._peer is None:
            if self._is_plugged:
                self._dial(now_s)
            return b""
        got, is_there = self._peer.read()
        self.counters.bytes_from_gateway += len(got)
        is_due = bool(self._modem.heartbeat) and now_s >= self._next_beat_s
        # A modem beats when its serial side is quiet, never inside a sentence.
        if is_there and is_due and not self._is_mid_line:
            self._next_beat_s = now_s + self._modem.heartbeat_s
            _, is_there = self._peer.write(self._modem.heartbeat)
        if not is_there:
            self._lose(now_s)
        return got

    def is_heard(self) -> bool:
        """Tell whether the line is up."""
        return self._peer is not None

    def write(self, data: bytes) -> int:
        """Send what fits into the socket."""
        if self._peer is None:
            return 0
        taken, is_there = self._peer.write(data)
        self.counters.bytes_written += taken
        if taken:
            self._is_mid_line = data[taken - 1 : taken] != b"\n"
        if not is_there:
            self._lose(None)
        return taken

    def unread_bytes(self) -> int:
        """Return 0: a socket delivers what it took."""
        return 0

    def unplug(self) -> None:
        """Reset the line; no dialling until replugged."""
        self._is_plugged = False
        if self._dialling is not None:
            self._dialling.close()
            self._dialling = None
        if self._peer is not None:
            self._peer.reset()
            self._peer = None

    def replug(self) -> None:
        """Allow dialling, at once."""
        self._is_plugged = True
        self._next_dial_s = 0.0

    def close(self) -> None:
        """End the line in good order."""
        if self._peer is not None:
            self._peer.close()
            self._peer = None
        self.unplug()

    def _dial(self, now_s: float) -> None:
        if self._dialling is None:
            if now_s < self._next_dial_s:
                return
            self._next_dial_s = now_s + self._modem.reconnect_s
            self._dial_until_s = now_s + self._modem.connect_timeout_s
            self._dialling = self._start_dialling()
            if self._dialling is None:
                return
        # Asking again tells how the first call went: up, still trying, or failed.
        error = self._dialling.connect_ex(self._resolved)
        if error in UP:
            self._answered(self._dialling, now_s)
            self._dialling = None
        elif error not in TRYING or now_s >= self._dial_until_s:
            self._dialling.close()
            self._dialling = None

    def _start_dialling(self) -> socket.socket | None:
        try:
            info = socket.getaddrinfo(*self._target, type=socket.SOCK_STREAM)[0]
        except OSError:
            return None
        self._resolved = info[4]
        dialling = socket.socket(info[0], socket.SOCK_STREAM)
        dialling.setblocking(False)
        return dialling

    def _answered(self, connection: socket.socket, now_s: float) -> None:
        self._peer = _Peer(connection, is_reading=self._is_reading)
        self.counters.n_connects += 1
        self._is_mid_line = False
        self._next_beat_s = now_s + self._modem.heartbeat_s
        if self._modem.registration:
            self._peer.write(self._modem.registration)

    def _lose(self, now_s: float | None) -> None:
        if self._peer is not None:
            self._peer.close()
            self._peer = None
        if now_s is not None:
            self._next_dial_s = now_s + self._modem.reconnect_s
