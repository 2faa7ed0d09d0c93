"""TLS on one connection, between memory buffers: bytes of the wire in, plain bytes out.

The event loop's own TLS keeps up to 64 KiB of its own per connection before it says that a client
takes nothing: half a minute of corrections that would then arrive late. Here nothing is kept.
"""

from __future__ import annotations

import contextlib
import ssl

from bdgw.errors import LinkError

__all__ = ["TlsLayer"]

_READ_BYTES = 65_536


class TlsLayer:
    """The server's side. After every call ``data_to_send`` has what must go out."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._object = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._is_ready = False

    def receive(self, data: bytes) -> tuple[bytes, bool]:
        """Take bytes of the wire; plain bytes, and whether the peer has said that it ends.

        Raises:
            LinkError: this is no TLS, or not one that the context allows.
        """
        self._incoming.write(data)
        plain = bytearray()
        try:
            if not self._is_ready:
                self._object.do_handshake()
                self._is_ready = True
            while piece := self._object.read(_READ_BYTES):
                plain += piece
        except ssl.SSLWantReadError:
            return bytes(plain), False
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return bytes(plain), True
        except ssl.SSLError as error:
            raise LinkError(f"TLS failed: {error.reason or 'handshake'}") from None
        return bytes(plain), True

    def wrap(self, plain: bytes) -> bytes:
        """Encrypt; gives everything that must go out now.

        Raises:
            LinkError: the peer has ended TLS meanwhile.
        """
        try:
            self._object.write(plain)
        except ssl.SSLError as error:
            raise LinkError(f"TLS failed: {error.reason or 'write'}") from None
        return self._outgoing.read()

    def data_to_send(self) -> bytes:
        """Drain what TLS itself has to say."""
        return self._outgoing.read()

    def close(self) -> bytes:
        """The closing note, where the handshake got so far."""
        if self._is_ready:
            # It raises because it waits for the peer's own note, which nobody needs.
            with contextlib.suppress(ssl.SSLError, ValueError):
                self._object.unwrap()
        return self._outgoing.read()
