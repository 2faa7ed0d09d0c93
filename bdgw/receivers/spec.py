"""What the pool is told about each device and each listener: frozen values, already validated.

Nobody here sees the configuration file; the composition root turns it into these.
"""

from __future__ import annotations

import enum
import ipaddress
import ssl

import msgspec

from bdgw.ntrip.account import Account
from bdgw.receivers.endpoint import Endpoint, NtripEndpoint, TcpListenEndpoint, UdpListenEndpoint

__all__ = [
    "DeviceSpec",
    "ListenerSpec",
    "MatchRule",
    "PeerRule",
    "RegistrationRule",
    "SentenceRule",
    "UnknownPolicy",
]

_IDENTITY_MAX_BYTES = 256
_TEXT_MAX_CHARS = 64


class RegistrationRule(msgspec.Struct, frozen=True, kw_only=True):
    """The device sends exactly these bytes first; they are consumed.

    With ``is_line`` they are the whole first line, whose CR LF or LF is consumed too.
    """

    data: bytes
    is_line: bool = False

    def __post_init__(self) -> None:
        if not 1 <= len(self.data) <= _IDENTITY_MAX_BYTES:
            raise ValueError(f"a registration has 1 to {_IDENTITY_MAX_BYTES} bytes")
        if self.is_line and b"\n" in self.data:
            raise ValueError("a registration line does not contain its own line feed")

    @classmethod
    def from_hex(cls, text: str) -> RegistrationRule:
        """Read ``"01 A0 FF"``, as modem set-up tools print it.

        Raises:
            ValueError: not hexadecimal, or too long.
        """
        return cls(data=bytes.fromhex(text))


class PeerRule(msgspec.Struct, frozen=True, kw_only=True):
    """The device comes from this address or network (``"10.0.3.7"``, ``"10.0.3.0/24"``)."""

    network: str

    def __post_init__(self) -> None:
        ipaddress.ip_network(self.network)


class SentenceRule(msgspec.Struct, frozen=True, kw_only=True):
    """The first sentence that contains this text names the device; nothing is consumed.

    The text must end where a field ends: ``$PDTU,017`` does not match ``$PDTU,0171``.
    """

    text: str

    def __post_init__(self) -> None:
        if not 1 <= len(self.text) <= _TEXT_MAX_CHARS or not self.text.isascii():
            raise ValueError(f"a sentence identity has 1 to {_TEXT_MAX_CHARS} ASCII characters")


MatchRule = RegistrationRule | PeerRule | SentenceRule


class UnknownPolicy(enum.StrEnum):
    """What happens to a peer that no device claims."""

    REFUSE = "refuse"
    QUARANTINE = "quarantine"


class ListenerSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One listening address that devices share."""

    endpoint: TcpListenEndpoint | UdpListenEndpoint
    unknown: UnknownPolicy = UnknownPolicy.REFUSE
    identify_s: float = 30.0
    """A connection that has not named its device by then is unknown."""
    identify_max_bytes: int = 2048
    max_unidentified: int = 1024
    """Connections that may be waiting to name their device; one more pushes the oldest out."""
    max_quarantined: int = 16
    """One more pushes the oldest out."""
    accepts_per_s: float = 200.0
    """Connections beyond this rate wait in the kernel's queue."""

    def __post_init__(self) -> None:
        if self.identify_max_bytes < 2 * _IDENTITY_MAX_BYTES:
            raise ValueError(f"identify_max_bytes is at least {2 * _IDENTITY_MAX_BYTES}")
        if self.identify_s <= 0.0 or self.accepts_per_s <= 0.0:
            raise ValueError("identify_s and accepts_per_s are above 0")
        if self.max_unidentified < 1 or self.max_quarantined < 1:
            raise ValueError("max_unidentified and max_quarantined are at least 1")


class DeviceSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One device."""

    id: str
    endpoint: Endpoint
    match: MatchRule | None = None
    """For listeners only; None when the listener serves this device alone."""
    account: Account | None = None
    """For casters only."""
    ssl_context: ssl.SSLContext | None = None
    """Whom to trust at a caster with TLS; None for the system's authorities."""
    silence_s: float = 30.0
    garbage_s: float = 10.0
    stuck_s: float = 10.0
    proven_s: float = 10.0
    """Frames must decode for this long before the backoff is reset."""
    connect_timeout_s: float = 10.0
    backoff_floor_s: float | None = None
    """Default: 0.25 s for what is attached to this host, 1 s over the network."""
    backoff_cap_s: float | None = None
    """Default: 5 s for what is attached to this host, 60 s over the network."""
    write_limit_bytes: int = 65536

    def __post_init__(self) -> None:
        if not 1 <= len(self.id) <= _TEXT_MAX_CHARS:
            raise ValueError(f"a device id has 1 to {_TEXT_MAX_CHARS} characters: {self.id!r}")
        is_inbound = isinstance(self.endpoint, TcpListenEndpoint | UdpListenEndpoint)
        if self.match is not None and not is_inbound:
            raise ValueError(
                f"device {self.id!r}: a match rule is for tcp-listen:// and udp-listen:// only"
            )
        if self.account is not None and not isinstance(self.endpoint, NtripEndpoint):
            raise ValueError(f"device {self.id!r}: an account is for ntrip:// and ntrips:// only")
        is_tls = isinstance(self.endpoint, NtripEndpoint) and self.endpoint.address.is_tls
        if self.ssl_context is not None and not is_tls:
            raise ValueError(f"device {self.id!r}: ca_file is for ntrips:// only")
        limits_s = (self.silence_s, self.garbage_s, self.stuck_s, self.connect_timeout_s)
        if min(limits_s) <= 0.0 or self.proven_s < 0.0:
            raise ValueError(f"device {self.id!r}: every limit in seconds is above 0")
