"""One reader for all serial ports of the process: a nested epoll set inside the event loop.

A port at 115200 baud gives a few bytes at a time, and waking up for each of them is most of the
cost of reading hundreds of ports. So the loop watches one descriptor, the epoll set. When
something is readable, the set is left alone for a short window and then everything that is ready
is read in one go. With few ports the window is zero: latency is worth more than the last per cent.
"""

from __future__ import annotations

import asyncio
import select
from typing import Protocol

__all__ = ["PortReader", "ReadyPort"]

_MANY_PORTS = 64
"""Above this many open ports the long window applies."""
_WINDOW_FEW_S = 0.0
_WINDOW_MANY_S = 0.020
_BUSY_READ_BYTES = 2048
"""A read of this size inside a window means that the port outruns it (a terminal hands over at
most 4,095 bytes a read); the next round follows at once."""
_READ_EVENTS = select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR
_HANG_UP = select.EPOLLHUP | select.EPOLLERR


class ReadyPort(Protocol):
    """What the reader needs of a port. Neither method may raise."""

    def on_readable(self, *, is_hung_up: bool) -> int:
        """Read once, hand the bytes on, and say how many there were."""
        ...

    def on_writable(self) -> None:
        """Write what waits."""
        ...


class PortReader:
    """Watches descriptors and lets their ports read, many at a time."""

    def __init__(self, *, window_s: float | None = None) -> None:
        """Make an empty set on the running loop.

        ``window_s`` fixes the window; by default it follows the number of ports.
        """
        self._loop = asyncio.get_running_loop()
        self._fixed_window_s = window_s
        self._window_s = 0.0
        self._epoll = select.epoll()
        self._ports: dict[int, ReadyPort] = {}
        self._timer: asyncio.Handle | None = None
        self._choose_window()
        self._loop.add_reader(self._epoll.fileno(), self._on_ready)

    @property
    def window_s(self) -> float:
        """The window in force, seconds."""
        return self._window_s

    def add(self, fd: int, port: ReadyPort) -> None:
        """Begin to watch ``fd`` for reading."""
        self._epoll.register(fd, select.EPOLLIN)
        self._ports[fd] = port
        self._choose_window()

    def watch_writable(self, fd: int, *, is_wanted: bool) -> None:
        """Also say when ``fd`` takes bytes again, or no longer."""
        self._epoll.modify(fd, select.EPOLLIN | (select.EPOLLOUT if is_wanted else 0))

    def remove(self, fd: int) -> None:
        """Forget ``fd``; must come before it is closed."""
        if self._ports.pop(fd, None) is not None:
            self._epoll.unregister(fd)
            self._choose_window()

    def close(self) -> None:
        """Stop for good."""
        if self._epoll.closed:
            return
        self._loop.remove_reader(self._epoll.fileno())
        if self._timer is not None:
            self._timer.cancel()
        self._epoll.close()
        self._ports.clear()

    def _choose_window(self) -> None:
        if self._fixed_window_s is not None:
            self._window_s = self._fixed_window_s
        else:
            self._window_s = _WINDOW_MANY_S if len(self._ports) > _MANY_PORTS else _WINDOW_FEW_S

    def _on_ready(self) -> None:
        if self._window_s <= 0.0:
            self._drain()
            return
        # The set stays readable until it is drained, so the loop must not look at it meanwhile.
        self._loop.remove_reader(self._epoll.fileno())
        self._timer = self._loop.call_later(self._window_s, self._drain_and_rearm)

    def _drain_and_rearm(self) -> None:
        self._timer = None
        if self._drain():
            self._timer = self._loop.call_soon(self._drain_and_rearm)
        else:
            self._loop.add_reader(self._epoll.fileno(), self._on_ready)

    def _drain(self) -> bool:
        """Let every ready port act once; True when one of them has more than a window's worth."""
        is_busy = False
        for fd, mask in self._epoll.poll(0, len(self._ports) + 1):
            port = self._ports.get(fd)
            if port is None:
                continue
            if mask & select.EPOLLOUT:
                port.on_writable()
            if mask & _READ_EVENTS:
                n_bytes = port.on_readable(is_hung_up=bool(mask & _HANG_UP))
                is_busy = is_busy or n_bytes >= _BUSY_READ_BYTES
        return is_busy
