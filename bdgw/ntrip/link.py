"""One TCP or TLS connection that drives one session. The I/O is here, the rules are not."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from typing import Protocol, cast

from bdgw.ntrip.address import CasterAddress
from bdgw.ntrip.client import ClientSession
from bdgw.ntrip.client_event import ClientEvent
from bdgw.ntrip.state import Loss, LossKind

__all__ = ["CasterLink", "Clock", "loss_of", "open_link"]

_HAPPY_EYEBALLS_DELAY_S = 0.25
"""RFC 8305, section 5."""
_KEEPALIVE_IDLE_S = 30
_KEEPALIVE_INTERVAL_S = 10
_KEEPALIVE_PROBES = 3
# OpenSSL, x509_vfy.h: X509_V_ERR_...
_NOT_YET_VALID = (9, 13)
_EXPIRED = (10, 14)
_HOST_MISMATCH = (62, 64)
_UNTRUSTED = (18, 19, 20, 21)


class Clock(Protocol):
    """Where the time comes from."""

    def monotonic_s(self) -> float:
        """Seconds that never step."""
        ...

    def utc_ns(self) -> int:
        """POSIX nanoseconds of the host."""
        ...


class CasterLink(asyncio.Protocol):
    """The life of one connection; events go out as they happen."""

    def __init__(
        self,
        new_session: Callable[[float], ClientSession],
        *,
        clock: Clock,
        on_event: Callable[[ClientEvent, float], None],
    ) -> None:
        """Prepare; the session begins when the connection stands."""
        self._new_session = new_session
        self._clock = clock
        self._on_event = on_event
        self._transport: asyncio.Transport | None = None
        self._stalled_at_s: float | None = None
        self._reading: asyncio.Handle | None = None
        self._closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.session: ClientSession | None = None
        self.over: asyncio.Future[Loss | None] = asyncio.get_running_loop().create_future()
        """Set when nothing more will happen; a loss where the session did not end by itself."""
        self.peer = ""
        self.n_sent = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Set the socket up and send the request."""
        self._transport = cast("asyncio.Transport", transport)
        # With the lowest marks, pause_writing is the beginning of a write stall. (A high mark of 0
        # makes the TLS transport pause at every write.)
        self._transport.set_write_buffer_limits(high=1, low=0)
        address = transport.get_extra_info("peername")
        if address:
            host = f"[{address[0]}]" if ":" in str(address[0]) else str(address[0])
            self.peer = f"{host}:{address[1]}"
        sock = transport.get_extra_info("socket")
        if sock is not None:
            with contextlib.suppress(OSError):  # reset by the peer before we looked
                _set_keepalive(sock)
        self.session = self._new_session(self._clock.monotonic_s())
        self.flush()

    def data_received(self, data: bytes) -> None:
        """Feed the session."""
        self._feed(data)

    def eof_received(self) -> None:
        """Tell the session; the connection closes then."""
        self._feed(b"")

    def connection_lost(self, exc: Exception | None) -> None:
        """End, with the error where there is one."""
        if exc is None or isinstance(exc, ConnectionResetError):
            # Many casters end a stream with a reset: it is an end like another.
            self._feed(b"")
        elif not self.over.done():
            self.over.set_result(loss_of(exc))
        is_still_reading = self.session is not None and self.session.has_more
        if not self.over.done() and not is_still_reading:
            self.over.set_result(None)
        self._transport = None
        if not self._closed.done():
            self._closed.set_result(None)

    def pause_writing(self) -> None:
        """The caster takes nothing at the moment."""
        self._stalled_at_s = self._clock.monotonic_s()

    def resume_writing(self) -> None:
        """It has taken everything."""
        self._stalled_at_s = None

    @property
    def stalled_at_s(self) -> float | None:
        """Since when the caster takes nothing although something waits; None: it does."""
        return self._stalled_at_s

    def flush(self) -> None:
        """Send what the session has to say."""
        if self.session is None:
            return
        data = self.session.data_to_send()
        if data and self._transport is not None and not self._transport.is_closing():
            self.n_sent += len(data)
            self._transport.write(data)

    def tick(self) -> None:
        """Let the session's timers act."""
        if self.session is not None:
            now = self._clock.monotonic_s()
            self.session.tick(now=now)
            self._drain(now)

    async def close(self) -> None:
        """Close without a word and wait until the socket is gone."""
        if self._reading is not None:
            self._reading.cancel()
        if self._transport is not None:
            self._transport.abort()
            await asyncio.shield(self._closed)

    def _feed(self, data: bytes) -> None:
        if self.session is None or self.session.is_over:
            return
        now = self._clock.monotonic_s()
        self.session.receive(data, now=now)
        self._drain(now)

    def _drain(self, now: float) -> None:
        session = self.session
        if session is None:
            return
        try:
            for event in session.events():
                self._on_event(event, now)
        except Exception as error:  # noqa: BLE001 - handed to whoever waits for the end
            if not self.over.done():
                self.over.set_exception(error)
            return
        self.flush()
        if session.is_over and not self.over.done():
            self.over.set_result(None)
        if session.has_more and self._reading is None and not self.over.done():
            # Others have their turn between the steps of a long table.
            self._reading = asyncio.get_running_loop().call_soon(self._read_on)

    def _read_on(self) -> None:
        self._reading = None
        self.tick()


def _set_keepalive(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _KEEPALIVE_IDLE_S)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _KEEPALIVE_INTERVAL_S)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _KEEPALIVE_PROBES)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


async def open_link(
    address: CasterAddress,
    link: CasterLink,
    *,
    timeout_s: float,
    ssl_context: ssl.SSLContext | None,
) -> Loss | None:
    """Resolve the name, connect (IPv6 and IPv4 raced), shake hands; the loss if that fails.

    With TLS the server is told the name (SNI) and its certificate is held against it.
    """
    try:
        async with asyncio.timeout(timeout_s):
            await asyncio.get_running_loop().create_connection(
                lambda: link,
                address.host,
                address.port,
                happy_eyeballs_delay=_HAPPY_EYEBALLS_DELAY_S,
                ssl=ssl_context if address.is_tls else None,
                server_hostname=address.host if address.is_tls else None,
            )
    except TimeoutError:
        return Loss(kind=LossKind.TIMEOUT, text=f"no connection within {timeout_s:g} s")
    except (OSError, ValueError) as error:
        return loss_of(error)
    return None


def loss_of(error: Exception) -> Loss:
    """Say what an error of the network means."""
    if isinstance(error, socket.gaierror):
        return Loss(kind=LossKind.DNS, text=f"name not found: {error.strerror}")
    if isinstance(error, ssl.SSLCertVerificationError):
        return _certificate_loss(error)
    if isinstance(error, ssl.SSLError):
        reason = error.reason or "handshake failed"
        if reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"):
            return Loss(kind=LossKind.TLS, text="this port does not speak TLS: use ntrip://")
        return Loss(kind=LossKind.TLS, text=f"TLS: {reason.lower().replace('_', ' ')}")
    if isinstance(error, UnicodeError):
        return Loss(kind=LossKind.DNS, text="the host name cannot be looked up")
    if isinstance(error, ConnectionAbortedError | ConnectionResetError):
        return Loss(kind=LossKind.NETWORK, text="connection reset")
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return Loss(kind=LossKind.NETWORK, text=text or type(error).__name__)


def _certificate_loss(error: ssl.SSLCertVerificationError) -> Loss:
    code = error.verify_code
    if code in _NOT_YET_VALID:
        return Loss(
            kind=LossKind.TLS_NOT_YET_VALID,
            text="the certificate is not yet valid: is this machine's clock unset?",
        )
    if code in _EXPIRED:
        return Loss(
            kind=LossKind.TLS_EXPIRED,
            text="the certificate has expired (or this machine's clock is wrong)",
        )
    if code in _HOST_MISMATCH:
        return Loss(kind=LossKind.TLS_HOST, text="the certificate is for another host")
    if code in _UNTRUSTED:
        return Loss(
            kind=LossKind.TLS_UNTRUSTED,
            text=f"the certificate is not signed by a known authority ({error.verify_message})",
        )
    return Loss(kind=LossKind.TLS, text=f"certificate refused: {error.verify_message}")
