"""Adapters: other formats of the same fixes. One class a kind, each with its own keys only."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from bdgw.config.value import Address, Frame, Name, Seconds, SecretConfig, Section, Url

__all__ = [
    "ADAPTER_KINDS",
    "AdapterConfig",
    "BinaryAdapterConfig",
    "GeoJsonAdapterConfig",
    "GpsdAdapterConfig",
    "HomeAssistantAdapterConfig",
    "Jt808AdapterConfig",
    "Jt808TerminalConfig",
    "OwnTracksAdapterConfig",
]

Period = Annotated[float, Field(ge=0, le=86_400)]
"""Seconds between two fixes of one device that are told; 0 tells all."""


class _Common(Section):
    name: Name | None = None
    """What the status and the log call it; default: its kind."""


class _OfDevices(_Common):
    devices: tuple[Name, ...] = ()
    """Whose fixes it gives; empty: all devices."""


class GpsdAdapterConfig(_OfDevices):
    """A server that gpsd's clients take for a gpsd."""

    kind: Literal["gpsd"]
    listen: Address = "127.0.0.1:2947"
    """gpsd's own port. The protocol has no accounts: whoever reaches it reads."""
    max_clients: Annotated[int, Field(ge=1, le=10_000)] = 64


class OwnTracksAdapterConfig(_OfDevices):
    """Locations as the OwnTracks apps publish them."""

    kind: Literal["owntracks"]
    user: Name | None = None
    """Second level of the topic; default: the gateway's id."""
    period_s: Period = 1.0
    """Its times are whole seconds."""


class HomeAssistantAdapterConfig(_OfDevices):
    """Trackers that Home Assistant finds by itself."""

    kind: Literal["homeassistant"]
    prefix: Name = "homeassistant"
    """Discovery prefix, as set in Home Assistant."""
    period_s: Period = 10.0


class GeoJsonAdapterConfig(_OfDevices):
    """Fixes as GeoJSON features."""

    kind: Literal["geojson"]
    frames: tuple[Frame, ...] = ()
    """Frames beside WGS 84 that its readers have agreed to."""
    period_s: Period = 0.0


class BinaryAdapterConfig(_OfDevices):
    """Fixes as compact binary records."""

    kind: Literal["binary"]
    period_s: Period = 0.0


class Jt808TerminalConfig(Section):
    """What a platform knows a device as. All of it was agreed with the platform."""

    device: Name
    phone: Annotated[str, Field(pattern=r"^[0-9]{1,20}$")]
    terminal_id: Annotated[str, Field(pattern=r"^[0-9A-Za-z]{1,30}$")]
    maker_id: Annotated[str, Field(pattern=r"^[0-9A-Za-z]{1,11}$")]
    model: Annotated[str, Field(pattern=r"^[\x21-\x7e]{1,30}$")]
    acc_on: bool
    """What is said of the ignition, which no receiver knows."""
    province: Annotated[int, Field(ge=0, le=0xFFFF)] = 0
    """GB/T 2260; 0 leaves it to the platform."""
    city: Annotated[int, Field(ge=0, le=0xFFFF)] = 0
    plate: Annotated[str, Field(max_length=32)] | None = None
    plate_color: Annotated[int, Field(ge=0, le=99)] | None = None
    """JT/T 415; goes together with ``plate``. 0 is no plate yet: then ``plate`` is the VIN."""
    imei: Annotated[str, Field(pattern=r"^[0-9]{15}$")] | None = None
    auth_code: SecretConfig | None = None
    """Where the platform has given one beforehand: then there is no registration."""

    @model_validator(mode="after")
    def _plate_and_color(self) -> Jt808TerminalConfig:
        if (self.plate is None) != (self.plate_color is None):
            raise ValueError("plate and plate_color go together")
        return self


class Jt808AdapterConfig(_Common):
    """Location reports to a platform of JT/T 808."""

    kind: Literal["jt808"]
    url: Url
    """``tcp://host:port`` of the platform."""
    version: Literal["2013", "2019"]
    terminals: Annotated[tuple[Jt808TerminalConfig, ...], Field(min_length=1)]
    coordinates: Literal["as_is", "gcj02"] = "as_is"
    period_s: Period = 10.0
    heartbeat_s: Seconds = 60.0
    max_waiting: Annotated[int, Field(ge=1, le=1_000_000)] = 10_000
    """Reports of each terminal in memory while the platform is away; older ones in the history."""

    @property
    def devices(self) -> tuple[str, ...]:
        """Whose fixes it gives."""
        return tuple(terminal.device for terminal in self.terminals)

    @model_validator(mode="after")
    def _fits_the_version(self) -> Jt808AdapterConfig:
        if not self.url.startswith("tcp://"):
            raise ValueError('url is "tcp://host:port"')
        limits = {"phone": 12, "terminal_id": 7, "maker_id": 5, "model": 20}
        if len(set(self.devices)) < len(self.devices):
            raise ValueError("a device is one terminal only")
        for terminal in self.terminals:
            owner = f"terminal of device {terminal.device!r}"
            if self.version == "2019":
                if terminal.imei is None:
                    raise ValueError(f"{owner}: the 2019 edition asks for imei")
                continue
            for key, limit in limits.items():
                if len(getattr(terminal, key)) > limit:
                    raise ValueError(f"{owner}: {key} has at most {limit} characters in 2013")
        return self


AdapterConfig = Annotated[
    GpsdAdapterConfig
    | OwnTracksAdapterConfig
    | HomeAssistantAdapterConfig
    | GeoJsonAdapterConfig
    | BinaryAdapterConfig
    | Jt808AdapterConfig,
    Field(discriminator="kind"),
]
ADAPTER_KINDS: dict[str, type[Section]] = {
    "gpsd": GpsdAdapterConfig,
    "owntracks": OwnTracksAdapterConfig,
    "homeassistant": HomeAssistantAdapterConfig,
    "geojson": GeoJsonAdapterConfig,
    "binary": BinaryAdapterConfig,
    "jt808": Jt808AdapterConfig,
}
