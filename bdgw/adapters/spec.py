"""What the adapters are told: plain values, no configuration classes."""

from __future__ import annotations

import enum

import msgspec

__all__ = [
    "BinarySpec",
    "Edition",
    "GeoJsonSpec",
    "GpsdSpec",
    "HomeAssistantSpec",
    "Jt808Spec",
    "Jt808Terminal",
    "OwnTracksSpec",
]


class _Spec(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    devices: tuple[str, ...]


class GpsdSpec(_Spec, frozen=True, kw_only=True):
    """A gpsd server; clients see the devices in this order."""

    host: str
    port: int
    max_clients: int = 64
    queue_bytes: int = 65_536
    """What may wait for one client that takes nothing; the oldest lines go first."""

    @property
    def address(self) -> str:
        """Where it listens, as text."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class OwnTracksSpec(_Spec, frozen=True, kw_only=True):
    """Locations for OwnTracks."""

    user: str
    period_s: float


class HomeAssistantSpec(_Spec, frozen=True, kw_only=True):
    """Trackers for Home Assistant."""

    gateway: str
    root: str
    """Topic below which everything of the gateway is."""
    connection_topic: str
    """Where the gateway says that it is online."""
    prefix: str
    period_s: float


class GeoJsonSpec(_Spec, frozen=True, kw_only=True):
    """GeoJSON features. ``frames`` are taken beside WGS 84, as agreed with their readers."""

    gateway: str
    root: str
    frames: tuple[str, ...]
    period_s: float


class BinarySpec(_Spec, frozen=True, kw_only=True):
    """Binary records."""

    root: str
    period_s: float


class Edition(enum.StrEnum):
    """Which edition of JT/T 808 a platform speaks."""

    Y2013 = "2013"
    Y2019 = "2019"


class Jt808Terminal(msgspec.Struct, frozen=True, kw_only=True):
    """What the platform knows a device as."""

    device: str
    phone: str
    terminal_id: str
    maker_id: str
    model: str
    is_acc_on: bool
    province: int = 0
    city: int = 0
    plate: str = ""
    plate_color: int = 0
    imei: str = ""
    auth_code: str | None = None
    """Given beforehand; None asks for it by registration."""


class Jt808Spec(msgspec.Struct, frozen=True, kw_only=True):
    """A platform of JT/T 808 and the terminals that report to it."""

    name: str
    host: str
    port: int
    edition: Edition
    terminals: tuple[Jt808Terminal, ...]
    is_gcj02: bool
    period_s: float
    heartbeat_s: float
    max_waiting: int
