"""What the MQTT publisher must be told: plain values, no configuration classes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from bdgw.errors import ConfigError

__all__ = ["MqttSettings", "Presence", "Subscription"]

_PORTS = {"mqtt": 1883, "mqtts": 8883}


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """A filter that the broker is asked for after each connect."""

    topic_filter: str
    qos: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Presence:
    """The retained state of the connection: birth, will and goodbye on one topic.

    Each payload is made when it is needed, so it can carry the time.
    """

    topic: str
    online: Callable[[], bytes]
    lost: Callable[[], bytes]
    """The will: made at connect, published by the broker when the gateway is gone."""
    offline: Callable[[], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttSettings:
    """One broker. ``url`` is ``mqtt://host[:port]`` or ``mqtts://host[:port]``, no credentials.

    Raises:
        ConfigError: the URL cannot be used.
    """

    url: str
    client_id: str
    """Stable, so that a broker knows the gateway again; gateway id and role."""
    version: Literal["3.1.1", "5"] = "3.1.1"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    """Who may have signed the broker's certificate; the system's authorities when None."""
    cert_file: Path | None = None
    key_file: Path | None = None
    keepalive_s: int = 30
    window: int = 100
    """Entries in flight at most; more is slower with every broker measured."""
    connect_timeout_s: float = 10.0
    stall_timeout_s: float = 20.0
    """Nothing acknowledged for so long with entries in flight: the connection does not work."""
    backoff_floor_s: float = 0.5
    backoff_cap_s: float = 30.0
    loop_pause_s: float = 60.0
    history_jitter_s: float = 5.0
    """After a connect the history waits for a random part of this."""
    retry_floor_s: float = 1.0
    retry_cap_s: float = 60.0
    sync_lag_s: float = 0.0
    """So long after its PUBACK the broker may lose a message in a power cut of this machine; alarms
    and short messages stay in the outbox until then."""
    session_expiry_s: int = 3600
    """How long the broker keeps subscriptions of a gateway that is away (MQTT 5)."""
    subscriptions: tuple[Subscription, ...] = ()

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in _PORTS or not parts.hostname:
            raise ConfigError("broker url: expected mqtt://host[:port] or mqtts://host[:port]")
        if parts.username is not None or parts.password is not None:
            raise ConfigError("broker url: user and password do not belong into the URL")
        if parts.query or parts.fragment or parts.path not in ("", "/"):
            raise ConfigError("broker url: nothing may follow the host and port")
        try:
            _ = parts.port
        except ValueError:
            raise ConfigError("broker url: the port is not a number from 1 to 65535") from None

    @property
    def is_tls(self) -> bool:
        """Whether the connection is encrypted."""
        return urlsplit(self.url).scheme == "mqtts"

    @property
    def host(self) -> str:
        """Name or address of the broker."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """TCP port of the broker."""
        parts = urlsplit(self.url)
        return parts.port or _PORTS[parts.scheme]
