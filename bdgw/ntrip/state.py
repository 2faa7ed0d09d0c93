"""What a client is doing, in a word to compare and in words to read."""

from __future__ import annotations

import enum
from collections.abc import Mapping

import msgspec

from bdgw.ntrip.client_event import Dialect

__all__ = ["ClientSnapshot", "ClientState", "ClientStatus", "Loss", "LossKind"]


class ClientStatus(enum.StrEnum):
    """What a client is doing."""

    IDLE = "idle"
    """Not started, or stopped."""
    WAITING_FOR_POSITION = "waiting_for_position"
    """The mount wants to know where the rover is, and nobody knows yet."""
    WAITING_FOR_ACCOUNT = "waiting_for_account"
    """Another source of this gateway uses the account."""
    RESTING = "resting"
    """The next attempt is scheduled."""
    CONNECTING = "connecting"
    ASKING = "asking"
    """Connected, no decision yet."""
    WAITING_FOR_DATA = "waiting_for_data"
    """Granted, no byte yet."""
    UNPROVEN = "unproven"
    """Bytes come and no valid frame was found in them."""
    STREAMING = "streaming"


class ClientState(msgspec.Struct, frozen=True, kw_only=True):
    """The present state; ``reason`` never holds a secret."""

    status: ClientStatus
    reason: str
    cause: str | None = None
    """Why the last connection ended: a ``LossKind``, ``EndKind`` or ``RefusalKind``."""


class LossKind(enum.StrEnum):
    """Why there is no connection, on this side of NTRIP."""

    DNS = "dns"
    NETWORK = "network"
    TIMEOUT = "connect_timeout"
    TLS = "tls"
    TLS_HOST = "tls_wrong_host"
    TLS_EXPIRED = "tls_expired"
    TLS_NOT_YET_VALID = "tls_not_yet_valid"
    TLS_UNTRUSTED = "tls_untrusted"
    WRITE_STALLED = "write_stalled"
    NO_FRAMES = "no_frames"
    """Bytes kept coming, and no valid frame among them."""

    @property
    def is_lasting(self) -> bool:
        """Whether only people can change it; an unset clock sets itself."""
        return self in (LossKind.TLS_HOST, LossKind.TLS_EXPIRED, LossKind.TLS_UNTRUSTED)


class Loss(msgspec.Struct, frozen=True, kw_only=True):
    """Why a connection did not come about, or broke."""

    kind: LossKind
    text: str


class ClientSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """One client at one moment, for status and metrics."""

    caster: str
    mount: str
    state: ClientState
    state_age_s: float
    peer: str
    """Address that answered; empty while none has."""
    next_attempt_in_s: float | None
    n_attempts: int
    n_accepted: int
    n_good: int
    """Connections that proved themselves with frames."""
    n_failures: int
    """Not good, in a row."""
    n_lost: Mapping[str, int]
    """Ends by cause."""
    bytes_in: int
    """Of the body."""
    bytes_out: int
    n_frames: int
    """As the owner counted them."""
    n_positions: int
    sends_position: bool
    position_rule: str
    """Why positions are sent or not, in plain words."""
    last_byte_age_s: float | None
    last_frame_age_s: float | None
    write_stalled_s: float | None
    n_write_drops: int
    dialect: Dialect | None
