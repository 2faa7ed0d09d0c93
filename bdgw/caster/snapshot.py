"""What the status shows of a caster: frozen, complete, and cheap to make. No secret is in it."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from bdgw.caster.content import MessageRate
from bdgw.caster.spec import MountKind

__all__ = ["CasterSnapshot", "ClientSnapshot", "MountSnapshot", "PusherSnapshot"]


class PusherSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """A base that has dialled in."""

    peer: str
    agent: str
    dialect: str
    age_s: float
    bytes_in: int


class MountSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """One mount at one instant; measured values are None or empty until they were seen."""

    name: str
    kind: MountKind
    identifier: str
    country: str | None
    generator: str | None
    is_open: bool
    is_flowing: bool
    """Frames came within the last ``silent_s`` seconds."""
    reason: str
    messages: tuple[MessageRate, ...] = ()
    systems: tuple[str, ...] = ()
    carrier: int | None = None
    bits_per_s: float | None = None
    lat_deg: float | None = None
    lon_deg: float | None = None
    is_position_measured: bool = False
    """From 1005 or 1006; else as configured."""
    station: int | None = None
    is_virtual: bool = False
    frame: str | None = None
    frame_epoch_year: float | None = None
    last_frame_age_s: float | None = None
    n_clients: int = 0
    n_frames: int = 0
    n_bytes: int = 0
    skipped_bytes: int = 0
    inspection_failures: int = 0
    pusher: PusherSnapshot | None = None


class ClientSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """One client that is served."""

    peer: str
    user: str | None
    """None is a client of an open mount."""
    agent: str
    dialect: str
    mount: str
    source: str | None
    """Where its frames come from: differs from ``mount`` where that is NEAR, None while nowhere."""
    distance_m: float | None
    """To the base, where the client has said where it is."""
    age_s: float
    bytes_out: int
    n_frames: int
    n_dropped: int
    """Frames that it did not take in time."""
    pending_bytes: int
    stalled_s: float | None


class CasterSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The caster at one instant."""

    address: str
    is_listening: bool
    bound_port: int | None
    reason: str
    is_tls: bool
    has_clear_passwords: bool
    """Passwords cross a network in the clear: no TLS, accounts, and not only on loopback."""
    next_attempt_in_s: float | None
    n_failures: int
    n_accepted: int
    n_connections: int
    n_failed_logins: int
    n_refused: Mapping[str, int]
    """By the reason given."""
    mounts: tuple[MountSnapshot, ...]
    clients: tuple[ClientSnapshot, ...]
