"""A pseudo-terminal as a serial port: stable symlink, raw, never blocking, never replaying.

The simulator keeps the master. A reader that is absent or asleep costs it bytes, not time.
"""

import contextlib
import fcntl
import os
import select
import struct
import termios
import tty
from collections.abc import Iterator
from pathlib import Path

from fwsim.ports import Counters

READ_BYTES = 65536


class PtyPort:
    """A pseudo-terminal under a path of one's choice."""

    def __init__(self, link: Path, *, is_reading: bool = True) -> None:
        """Choose the path of the symlink; nothing exists yet.

        Who does not read leaves the bytes of the reader in the kernel until that is full.
        """
        self._is_reading = is_reading
        self.counters = Counters()
        self._link = link
        self._master = -1
        self._slave_name = ""
        self._was_heard = False

    @property
    def address(self) -> str:
        """The path of the symlink."""
        return str(self._link)

    def open(self) -> None:
        """Make a terminal and point the symlink at it.

        Raises:
            FileExistsError: the path is taken by something that is not a symlink.
        """
        if self._link.exists() and not self._link.is_symlink():
            msg = f"{self._link} exists and is not a symlink"
            raise FileExistsError(msg)
        self._master, slave = os.openpty()
        # Raw before anybody can open it: an echoing terminal would talk to the gateway.
        tty.setraw(slave)
        self._slave_name = os.ttyname(slave)
        # Closing the slave makes the master report hang-up until a reader opens it.
        os.close(slave)
        os.set_blocking(self._master, False)
        self._was_heard = False
        self._link.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._link.with_name(f".{self._link.name}.{os.getpid()}")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(self._slave_name)
        fresh.replace(self._link)

    def tick(self, now_s: float) -> bytes:
        """Drain what the reader wrote, which would block it otherwise."""
        del now_s
        self.is_heard()
        got = b""
        # Empty is BlockingIOError, nobody there is EIO: both end the draining.
        with contextlib.suppress(OSError):
            while (
                self._is_reading
                and self._master >= 0
                and (part := os.read(self._master, READ_BYTES))
            ):
                got += part
        self.counters.bytes_from_gateway += len(got)
        return got

    def is_heard(self) -> bool:
        """Tell whether a reader has the terminal open."""
        heard = False
        if self._master >= 0:
            poll = select.poll()
            poll.register(self._master, 0)
            heard = not any(mask & select.POLLHUP for _, mask in poll.poll(0))
        if heard and not self._was_heard:
            self.counters.n_connects += 1
        if self._was_heard and not heard and self._master >= 0:
            self._forget_unread()
        self._was_heard = heard
        return heard

    def write(self, data: bytes) -> int:
        """Write what fits; 0 while nobody has the terminal open."""
        if not self.is_heard():
            return 0
        try:
            taken = os.write(self._master, data)
        except OSError:
            taken = 0
        self.counters.bytes_written += taken
        return taken

    def unread_bytes(self) -> int:
        """Return what waits in the terminal; closing the master would destroy it."""
        if not self.is_heard():
            return 0
        with self._slave() as slave:
            answer = fcntl.ioctl(slave, termios.FIONREAD, bytes(4))
        return int(struct.unpack("i", answer)[0])

    def _forget_unread(self) -> None:
        """Drop what the last reader left, as a closed serial port does.

        Flushing the master would miss what already waits in the line discipline of the slave.
        """
        with self._slave() as slave:
            termios.tcflush(slave, termios.TCIOFLUSH)

    @contextlib.contextmanager
    def _slave(self) -> Iterator[int]:
        """Open the reader's side for a moment."""
        slave = os.open(self._slave_name, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        try:
            yield slave
        finally:
            os.close(slave)

    def unplug(self) -> None:
        """Take the terminal away: first the name, then the device, as udev does."""
        if self._link.is_symlink() and str(self._link.readlink()) == self._slave_name:
            self._link.unlink()
        if self._master >= 0:
            os.close(self._master)
            self._master = -1
        self._was_heard = False

    def replug(self) -> None:
        """Make a new terminal under the same name."""
        self.open()

    def close(self) -> None:
        """Remove the symlink and the terminal."""
        self.unplug()
