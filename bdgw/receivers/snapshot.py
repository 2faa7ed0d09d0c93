"""What the status API shows of devices and listeners: frozen, complete, and cheap to make."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from bdgw.model import DeviceStatus

__all__ = ["ListenerSnapshot", "QuarantinedPeer", "ReceiverSnapshot"]


class ReceiverSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """One device at one instant. Ages and delays are seconds at that instant; None is unknown."""

    device: str
    endpoint: str
    status: DeviceStatus
    reason: str
    since_utc_ns: int
    status_age_s: float
    peer: str
    bytes_in: int
    bytes_out: int
    """Of the messages that the system has taken as a whole."""
    n_frames: int
    skipped_bytes: int
    n_connections: int
    """Links that came up since the start."""
    n_lost: Mapping[str, int]
    """Links that ended or never came up, by ``LostCause``."""
    n_attempts: int
    """Attempts since data last proved a connection good."""
    next_attempt_in_s: float | None
    last_data_age_s: float | None
    last_frame_age_s: float | None
    write_drops: int
    """Messages that were refused."""
    write_perished: int
    """Messages that were taken and left out, since their lifetime ended as they waited."""
    write_pending_bytes: int
    write_stalled_s: float | None


class QuarantinedPeer(msgspec.Struct, frozen=True, kw_only=True):
    """A connection that nobody claims, kept for an operator to look at."""

    peer: str
    reason: str
    age_s: float
    bytes_in: int
    head: bytes
    """The first bytes that it sent."""


class ListenerSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """One listening address at one instant."""

    address: str
    is_listening: bool
    bound_port: int | None
    """The port in force, also where the configuration says 0."""
    reason: str
    next_attempt_in_s: float | None
    n_failures: int
    """Times that the listening socket could not be opened or broke."""
    n_accepted: int
    """Connections (TCP) or datagrams (UDP) taken."""
    n_connected: int
    n_identifying: int
    n_refused: int
    n_taken_over: int
    quarantined: tuple[QuarantinedPeer, ...]
