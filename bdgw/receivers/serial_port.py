"""Serial ports and pseudo-terminals: pyserial opens and configures, the event loop reads.

pyserial keeps five descriptors a port (the port and two pipes for its blocking calls) and waits
with ``select``, which ends at descriptor 1,023. Neither is needed here, so its object is thrown
away after configuring and only a duplicate of the port's descriptor stays.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import stat
import termios
from concurrent.futures import Executor
from pathlib import Path

import serial

from bdgw.errors import LinkError
from bdgw.receivers.clock import Clock
from bdgw.receivers.endpoint import SerialEndpoint, format_endpoint
from bdgw.receivers.port_reader import PortReader
from bdgw.receivers.transport import Done, LinkHandler, Lost, LostCause, WriteState
from bdgw.receivers.write_buffer import WriteBuffer

__all__ = ["SerialTransport", "open_port"]

_READ_BYTES = 4096
"""A terminal never hands over more than its 4,095-byte line buffer at once."""
_WRITE_CHUNK_BYTES = 4096
_EMPTY_READS_MAX = 16
"""Readable but empty, this often in a row, without a hang-up: a driver that lost its device."""
_PTY_SLAVE_MAJORS = range(136, 144)
"""Source: Linux Documentation/admin-guide/devices.txt, Unix98 pseudo-terminal slaves."""


def open_port(endpoint: SerialEndpoint) -> tuple[int, str]:
    """Open, lock and configure the port, and discard stale input.

    Returns a non-blocking descriptor and the device node that the path led to. May block for as
    long as a USB driver likes: not for the event loop.

    Raises:
        OSError: the port is missing, busy, or refuses the settings.
        LinkError: a real port without a baud rate.
    """
    mode = Path(endpoint.path).stat()
    is_pty = stat.S_ISCHR(mode.st_mode) and os.major(mode.st_rdev) in _PTY_SLAVE_MAJORS
    if endpoint.baud is None and not is_pty:
        raise LinkError(
            f"{endpoint.path} is not a pseudo-terminal and needs its baud rate: add ?baud=… to "
            f"{format_endpoint(endpoint)}"
        )
    node = os.path.realpath(endpoint.path)
    port = serial.Serial()
    port.port = node
    port.exclusive = True
    port.timeout = 0
    port.rtscts = endpoint.has_rtscts
    port.baudrate = endpoint.baud if endpoint.baud is not None else 115200
    port.bytesize = endpoint.data_bits
    port.parity = endpoint.parity
    port.stopbits = int(endpoint.stop_bits) if endpoint.stop_bits != 1.5 else 1.5
    try:
        port.open()
        # The duplicate shares the open file description. The exclusive lock (flock) belongs to
        # that description, and the kernel lowers DTR only when its last descriptor is closed, so
        # both outlive pyserial's close(), which does nothing but close its own descriptors.
        return os.dup(port.fileno()), node
    except (termios.error, ValueError, OverflowError) as error:
        raise LinkError(f"{endpoint.path} does not take its settings: {error}") from error
    finally:
        port.close()


def _close_descriptor(fd: int) -> None:
    # Closing a port with unsent output waits for it, up to 30 s behind a stopped flow control.
    with contextlib.suppress(termios.error):  # the device may be gone already
        termios.tcflush(fd, termios.TCIOFLUSH)
    os.close(fd)


def _close_late(opening: asyncio.Future[tuple[int, str]]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        _close_descriptor(opening.result()[0])


class SerialTransport:
    """One life of one port."""

    def __init__(
        self,
        endpoint: SerialEndpoint,
        *,
        reader: PortReader,
        executor: Executor,
        clock: Clock,
        write_limit_bytes: int,
    ) -> None:
        self._endpoint = endpoint
        self._reader = reader
        self._executor = executor
        self._clock = clock
        self._out = WriteBuffer(write_limit_bytes)
        self._fd: int | None = None
        self._handler: LinkHandler | None = None
        self._n_empty_reads = 0
        self._peer = ""

    @property
    def peer(self) -> str:
        """The device node that the path led to when it was opened."""
        return self._peer

    async def open(self, handler: LinkHandler) -> None:
        """Open the port in a thread and begin to read.

        Raises:
            OSError: the port is missing, busy, or refuses the settings.
            LinkError: the settings are wrong for this port.
        """
        loop = asyncio.get_running_loop()
        opening = loop.run_in_executor(self._executor, open_port, self._endpoint)
        try:
            fd, self._peer = await asyncio.shield(opening)
        except asyncio.CancelledError:
            # The thread cannot be stopped; what it opens must not stay open.
            opening.add_done_callback(_close_late)
            raise
        self._fd = fd
        self._handler = handler
        self._reader.add(fd, self)

    def write(
        self, data: bytes, *, lifetime_s: float | None = None, done: Done | None = None
    ) -> bool:
        """Hand ``data`` to the port or keep it; False when there is no room or no port."""
        now = self._clock.monotonic_s()
        if self._handler is None or self._fd is None or not self._out.has_room_for(len(data), now):
            self._out.count_drop()
            return False
        was_waiting = len(self._out) > 0
        self._out.append(data, now, lifetime_s=lifetime_s, done=done)
        if not was_waiting:
            self._flush(self._fd)
            if len(self._out) and self._handler is not None:
                self._reader.watch_writable(self._fd, is_wanted=True)
        return True

    def write_state(self, now: float) -> WriteState:
        """The sending side at ``now``."""
        return self._out.state(now)

    async def close(self) -> None:
        """Stop reading and close the descriptor, in a thread because a driver may block."""
        self._detach()
        fd, self._fd = self._fd, None
        if fd is not None:
            loop = asyncio.get_running_loop()
            await asyncio.shield(loop.run_in_executor(self._executor, _close_descriptor, fd))

    def on_readable(self, *, is_hung_up: bool) -> int:
        """Read once and hand the bytes on."""
        if self._handler is None or self._fd is None:
            return 0
        try:
            data = os.read(self._fd, _READ_BYTES)
        except BlockingIOError:
            data = b""
        except OSError as error:
            self._lose(LostCause.GONE, f"port is gone: {error.strerror}")
            return 0
        if data:
            self._n_empty_reads = 0
            self._handler.on_data(data)
            return len(data)
        # Without a hang-up an empty read only means that there was nothing: the port is set to
        # return at once (VMIN 0).
        self._n_empty_reads += 1
        if is_hung_up or self._n_empty_reads > _EMPTY_READS_MAX:
            self._lose(LostCause.GONE, "port hung up: unplugged, or the other end closed")
        return 0

    def on_writable(self) -> None:
        """Write what waits; stop asking once nothing does."""
        if self._handler is None or self._fd is None:
            return
        self._flush(self._fd)
        if not len(self._out) and self._handler is not None:
            self._reader.watch_writable(self._fd, is_wanted=False)

    def _flush(self, fd: int) -> None:
        try:
            while data := self._out.view(_WRITE_CHUNK_BYTES, self._clock.monotonic_s()):
                n_bytes = os.write(fd, data)
                if n_bytes == 0:
                    return
                self._out.taken(n_bytes, self._clock.monotonic_s())
        except BlockingIOError:
            return
        except OSError as error:
            self._lose(LostCause.GONE, f"port is gone: {error.strerror}")

    def _lose(self, cause: LostCause, reason: str) -> None:
        handler = self._detach()
        if handler is not None:
            handler.on_lost(Lost(cause, reason))

    def _detach(self) -> LinkHandler | None:
        handler, self._handler = self._handler, None
        if handler is not None and self._fd is not None:
            self._reader.remove(self._fd)
        self._out.give_up()
        return handler
