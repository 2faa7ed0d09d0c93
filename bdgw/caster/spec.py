"""What a caster is: its address, its mounts, how much it bears. Plain values, checked when made.

Secrets are not here: users and pushers are a value of their own (``bdgw.caster.user``), because
they change while the caster runs.
"""

from __future__ import annotations

import enum
import ipaddress
import re

import msgspec

__all__ = ["CasterSpec", "Limits", "MountKind", "MountSpec"]

_MOUNT_NAME = re.compile(r"[A-Za-z0-9_.-]{1,100}").fullmatch
_COUNTRY = re.compile(r"[A-Z]{3}").fullmatch


class MountKind(enum.StrEnum):
    """Where the data of a mount comes from."""

    LOCAL = "local"
    """A base receiver on this gateway, by ``Caster.feed``."""
    RELAY = "relay"
    """A stream of another caster, by ``Caster.feed``."""
    PUSH = "push"
    """A base that dials in with SOURCE or POST."""
    NEAR = "near"
    """No data of its own: the nearest other mount, by the client's position."""


class MountSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One mount. ``lat_deg`` and ``lon_deg`` hold until the stream itself says where its base is.

    ``frame`` is the terrestrial reference frame of the base position, such as ``CGCS2000``, with
    ``frame_epoch_year`` where the frame has one; both None where nobody has said it.
    """

    name: str
    kind: MountKind
    identifier: str = ""
    """Place name for the sourcetable."""
    country: str | None = None
    """ISO 3166-1 alpha-3."""
    lat_deg: float | None = None
    lon_deg: float | None = None
    frame: str | None = None
    frame_epoch_year: float | None = None
    generator: str | None = None
    """Receiver or software that makes the stream."""
    is_open: bool = False
    """Clients need no account."""
    members: tuple[str, ...] = ()
    """NEAR only: the mounts to choose from; empty means every mount that is not NEAR."""
    max_distance_m: float | None = None
    """NEAR only: a base further away than this serves nobody."""

    def __post_init__(self) -> None:
        if not _MOUNT_NAME(self.name):
            raise ValueError(f"mount {self.name[:100]!r}: 1 to 100 of A-Z a-z 0-9 _ . -")
        if self.country is not None and not _COUNTRY(self.country):
            raise ValueError(
                f"mount {self.name}: country {self.country[:20]!r} is no ISO 3166 code"
            )
        if (self.lat_deg is None) != (self.lon_deg is None):
            raise ValueError(f"mount {self.name}: latitude and longitude come together")
        if self.lat_deg is not None and not -90.0 <= self.lat_deg <= 90.0:
            raise ValueError(f"mount {self.name}: latitude {self.lat_deg} is not within 90 degrees")
        if self.lon_deg is not None and not -180.0 <= self.lon_deg <= 180.0:
            raise ValueError(f"mount {self.name}: longitude {self.lon_deg} is beyond 180 degrees")
        if self.kind is not MountKind.NEAR and (self.members or self.max_distance_m is not None):
            raise ValueError(f"mount {self.name}: members and max_distance_m are for near mounts")


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How much of anything. Times in seconds, sizes in bytes."""

    max_connections: int = 1000
    max_per_address: int = 64
    """Connections from one IPv4 address or IPv6 /64; mobile operators hide many behind one."""
    head_s: float = 10.0
    """A request must be complete so long after the connection (TLS handshake included)."""
    queue_bytes: int = 65_536
    """What may wait for one client beside what the kernel holds."""
    queue_age_s: float = 10.0
    """Corrections that have waited longer are not sent any more."""
    stall_s: float = 30.0
    """A client that has taken nothing for so long is closed."""
    silent_s: float = 10.0
    """A mount without data for so long is shown as having none."""
    pusher_silence_s: float = 60.0
    """A pusher that sends nothing for so long is closed."""
    takeover_s: float = 10.0
    """A pusher without a frame for so long gives way to another one."""
    uplink_bytes_per_s: float = 2_048.0
    """What a client may send (its position) on average; eight times as much at once."""
    push_bytes_per_s: float = 262_144.0
    """What a pusher may send on average; eight times as much at once."""
    max_login_delay_s: float = 4.0
    """The longest that an address with failed logins is made to wait."""
    near_hysteresis_m: float = 1_000.0
    """A NEAR client changes only to a base that is nearer by this much."""


class CasterSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One listening address and its mounts. An empty host means every address of the host.

    ``public_host`` and ``public_port`` are what the sourcetable names; without them it names the
    address that the client has reached.
    """

    host: str
    port: int
    mounts: tuple[MountSpec, ...]
    identifier: str = "bdgw"
    operator: str = ""
    network: str = ""
    country: str | None = None
    lat_deg: float | None = None
    lon_deg: float | None = None
    public_host: str | None = None
    public_port: int | None = None
    limits: Limits = Limits()

    def __post_init__(self) -> None:
        names = [mount.name for mount in self.mounts]
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise ValueError(f"mounts that are there twice: {', '.join(sorted(twice))}")
        for mount in self.mounts:
            if mount.kind is MountKind.NEAR:
                self._check_near(mount)

    @property
    def is_loopback(self) -> bool:
        """Nobody but this host can connect."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def mount(self, name: str) -> MountSpec | None:
        """Find a mount by its exact name."""
        return next((mount for mount in self.mounts if mount.name == name), None)

    def members_of(self, near: MountSpec) -> tuple[MountSpec, ...]:
        """The mounts that a NEAR mount chooses from."""
        real = [mount for mount in self.mounts if mount.kind is not MountKind.NEAR]
        return tuple(mount for mount in real if not near.members or mount.name in near.members)

    def _check_near(self, near: MountSpec) -> None:
        members = self.members_of(near)
        unknown = set(near.members) - {mount.name for mount in members}
        if unknown:
            raise ValueError(
                f"mount {near.name}: {', '.join(sorted(unknown))}: no mount with data of its own"
            )
        # A rover that is handed from one frame to another jumps by decimetres and cannot know why.
        frames = {(mount.frame, mount.frame_epoch_year) for mount in members}
        if len(frames) > 1:
            raise ValueError(f"mount {near.name}: its bases are not all in one reference frame")
